import type { ResolvedTopic } from '../operations/fleet/contract.ts'
import { INTERLOCK_TOPIC } from '../operations/fleet/interlock/machine.ts'
import { INCIDENTS_TOPIC } from '../operations/heal/contract.ts'

/**
 * The cluster that keeps another's leases and incidents: one of the others that is declared to have both journals, else itself.
 * Undefined: none is.
 */
export function keeperOf(cluster: string, topics: readonly ResolvedTopic[]): string | undefined {
  const having = (name: string): string[] =>
    topics.filter(topic => topic.name === name).map(({ cluster: at }) => at)
  const both = having(INTERLOCK_TOPIC).filter(at => having(INCIDENTS_TOPIC).includes(at))
  return both.find(at => at !== cluster) ?? both.find(at => at === cluster)
}
