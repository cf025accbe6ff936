import { AjnaError } from '../../../../foundation/errors/errors.ts'
import type { TestedCluster, TestedNode } from '../../contract.ts'
import { TROGDOR_WORK_FAILED } from '../errors.ts'

/** What a task's faults are done to. */
export interface FaultTarget {
  readonly cluster: TestedCluster
  /** Directory of the faults of one state directory. */
  readonly folder: string
}

/** A fault's lease beyond its time: its controller takes it back before. */
export const LEASE_MARGIN_MS = 15_000

/**
 * Nodes by their names, each once: `node1`, `broker1` and `1` are broker 1, as is its process's own name.
 *
 * @throws AjnaError TROGDOR_WORK_FAILED
 */
export function namedNodes(names: readonly string[], cluster: TestedCluster): readonly TestedNode[] {
  const found = names.map(name => cluster.nodes.find(node => namesOf(node).includes(name)))
  const unknown = names.filter((_, index) => found[index] === undefined)
  if (unknown.length > 0)
    throw new AjnaError(
      TROGDOR_WORK_FAILED,
      `Unable to find nodes for task: Unknown node names: ${unknown.join(', ').slice(0, 300)}; those of ${cluster.name} are ${cluster.nodes.map(({ id }) => `node${id}`).join(', ')}`,
    )
  return [...new Set(found.filter(node => node !== undefined))]
}

const namesOf = ({ id, process }: TestedNode): readonly string[] => [
  `node${id}`,
  `broker${id}`,
  String(id),
  process.name,
]
