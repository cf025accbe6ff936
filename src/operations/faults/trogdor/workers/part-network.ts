import { once } from 'node:events'
import { AjnaError } from '../../../../foundation/errors/errors.ts'
import type { TestedCluster, TestedNode } from '../../contract.ts'
import { type ArmedFault, armFault } from '../../inject.ts'
import { TROGDOR_WORK_FAILED } from '../errors.ts'
import type { WorkContext } from './context.ts'
import { type FaultTarget, LEASE_MARGIN_MS, namedNodes } from './fault-target.ts'

export interface PartTask {
  /** Sets of nodes that lose each other. */
  readonly partitions: readonly (readonly string[])[]
  /** How long it is to last, ms. */
  readonly forMs: number
}

/**
 * Trogdor's NetworkPartitionFault: packets between nodes of different sets are lost, both ways, until the task's end. Nodes of
 * one set, nodes of none, and clients go on talking to each other.
 */
export async function partNetwork(
  { partitions, forMs }: PartTask,
  target: FaultTarget | undefined,
  { id, ending, report }: WorkContext,
): Promise<void> {
  const { cluster, folder } = withNetwork(target)
  const armed: ArmedFault[] = []
  try {
    report('creating network partition')
    for (const { node, from } of cuts(partitions, cluster))
      armed.push(
        await armFault({
          folder,
          cluster,
          node,
          plan: {
            kind: 'partition',
            times: 1,
            everyMs: 0,
            network: { way: 'both', from, act: { kind: 'partition' } },
          },
          purpose: `Trogdor task ${id}`,
          leaseMs: forMs + LEASE_MARGIN_MS,
        }),
      )
    await Promise.all(armed.map(each => each.begin(ending)))
    report('created network partition')
    if (!ending.aborted) await once(ending, 'abort')
  } finally {
    await Promise.all(armed.map(each => each.revert('the task ended')))
  }
  report('removed network partition')
}

/** @throws AjnaError TROGDOR_WORK_FAILED */
function withNetwork(target: FaultTarget | undefined): FaultTarget {
  if (target?.cluster.nodes.every(({ network }) => network !== undefined)) return target
  throw new AjnaError(
    TROGDOR_WORK_FAILED,
    'NetworkPartitionFault: it needs a cluster in a network of its own; run it, with the workloads it is to disturb, by `ajna test trogdor run SPEC… --nodes`',
  )
}

/** Each pair of nodes in different sets once. @throws AjnaError TROGDOR_WORK_FAILED */
export function cuts(
  partitions: readonly (readonly string[])[],
  cluster: TestedCluster,
): readonly { readonly node: TestedNode; readonly from: readonly number[] }[] {
  const sets = partitions.map(names => namedNodes(names, cluster))
  const seen = new Set<number>()
  for (const { id } of sets.flat()) {
    if (seen.has(id))
      throw new AjnaError(TROGDOR_WORK_FAILED, `broker ${id} is named in more than one partition`)
    seen.add(id)
  }
  return sets.flatMap((set, index) => {
    const from = sets
      .slice(index + 1)
      .flat()
      .map(({ id }) => id)
    return from.length === 0 ? [] : set.map(node => ({ node, from }))
  })
}
