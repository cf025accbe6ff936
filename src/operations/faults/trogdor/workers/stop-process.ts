import { once } from 'node:events'
import { AjnaError } from '../../../../foundation/errors/errors.ts'
import type { TestedCluster, TestedNode } from '../../contract.ts'
import { type ArmedFault, armFault } from '../../inject.ts'
import { TROGDOR_WORK_FAILED } from '../errors.ts'
import type { WorkContext } from './context.ts'
import { type FaultTarget, LEASE_MARGIN_MS, namedNodes } from './fault-target.ts'

export interface StopTask {
  readonly nodeNames: readonly string[]
  readonly processName: string
  /** How long it is to last, ms. */
  readonly forMs: number
}

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

/** Those of the named nodes whose command lines have the text. @throws AjnaError TROGDOR_WORK_FAILED */
export function matching(
  { nodeNames, processName }: Pick<StopTask, 'nodeNames' | 'processName'>,
  cluster: TestedCluster,
): readonly TestedNode[] {
  const fitting = namedNodes(nodeNames, cluster).filter(({ process: { command, args } }) =>
    [command, ...args].join(' ').includes(processName),
  )
  if (fitting.length > 0) return fitting
  throw new AjnaError(
    TROGDOR_WORK_FAILED,
    `no process of ${nodeNames.join(', ').slice(0, 300)} has ${JSON.stringify(processName.slice(0, 200))} in its command line`,
  )
}
