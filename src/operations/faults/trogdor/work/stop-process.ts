import { once } from 'node:events'
import { AjnaError } from '../../../../foundation/errors/errors.ts'
import type { TestedCluster, TestedNode } from '../../contract.ts'
import { type ArmedFault, armFault } from '../../inject.ts'
import { TROGDOR_WORK_FAILED } from '../errors.ts'
import type { WorkContext } from './context.ts'

/** What a task's faults are done to. */
export interface FaultTarget {
  readonly cluster: TestedCluster
  /** Directory of the faults of one state directory. */
  readonly folder: string
}

export interface StopTask {
  readonly nodeNames: readonly string[]
  readonly processName: string
  /** How long it is to last, ms. */
  readonly forMs: number
}

/** Its controller takes it back before. */
const LEASE_MARGIN_MS = 15_000

/**
 * Trogdor's ProcessStopFault: the processes of those nodes stop (SIGSTOP) until the task's end. Only the tested cluster's
 * processes are ever meant; each is leased, and wakes when its lease or this process ends.
 */
export async function stopProcess(
  task: StopTask,
  target: FaultTarget | undefined,
  context: WorkContext,
): Promise<void> {
  const { processName, forMs } = task
  const { ending, report } = context
  if (target === undefined)
    throw new AjnaError(
      TROGDOR_WORK_FAILED,
      'ProcessStopFault: there is no cluster whose processes may be stopped; start the coordinator with --nodes',
    )
  const nodes = matching(task, target.cluster)
  const armed: ArmedFault[] = []
  try {
    report(`stopping ${processName}`)
    for (const node of nodes)
      armed.push(
        await armFault({
          folder: target.folder,
          cluster: target.cluster,
          node,
          plan: { kind: 'freeze', times: 1, everyMs: 0 },
          purpose: `Trogdor task ${context.id}`,
          leaseMs: forMs + LEASE_MARGIN_MS,
        }),
      )
    await Promise.all(armed.map(each => each.begin(ending)))
    report(`stopped ${processName}`)
    if (!ending.aborted) await once(ending, 'abort')
  } finally {
    await Promise.all(armed.map(each => each.revert('the task ended')))
  }
  report(`resumed ${processName}`)
}

/**
 * The nodes whose names and processes are meant: `node1`, `broker1` and `1` are broker 1, as is its process's own name.
 *
 * @throws AjnaError TROGDOR_WORK_FAILED
 */
export function matching(
  { nodeNames, processName }: Pick<StopTask, 'nodeNames' | 'processName'>,
  cluster: TestedCluster,
): readonly TestedNode[] {
  const named = nodeNames.map(name => cluster.nodes.find(node => namesOf(node).includes(name)))
  const unknown = nodeNames.filter((_, index) => named[index] === undefined)
  if (unknown.length > 0)
    throw new AjnaError(
      TROGDOR_WORK_FAILED,
      `Unable to find nodes for task: Unknown node names: ${unknown.join(', ').slice(0, 300)}; those of ${cluster.name} are ${cluster.nodes.map(({ id }) => `node${id}`).join(', ')}`,
    )
  const nodes = [...new Set(named.filter(node => node !== undefined))]
  const fitting = nodes.filter(({ process: { command, args } }) =>
    [command, ...args].join(' ').includes(processName),
  )
  if (fitting.length === 0)
    throw new AjnaError(
      TROGDOR_WORK_FAILED,
      `no process of ${nodeNames.join(', ').slice(0, 300)} has ${JSON.stringify(processName.slice(0, 200))} in its command line`,
    )
  return fitting
}

const namesOf = ({ id, process }: TestedNode): readonly string[] => [
  `node${id}`,
  `broker${id}`,
  String(id),
  process.name,
]
