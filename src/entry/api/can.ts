import type { Offer } from './models.ts'
import type { ClusterFacts, TopicFacts } from './platform.ts'

/** What may be done to a thing in the state it is in, with every reason against it, in the operator's words. */

/**
 * Restarting a broker takes its replicas out of their ISRs for a while: refused when some partition could then not be
 * written (fewer than min ISR left), or when another broker is already away.
 */
export function canRestartBroker(cluster: ClusterFacts, broker: number): Offer {
  const facts = cluster.brokers.find(each => each.id === broker)
  const reasons: string[] = []
  if (facts === undefined || !facts.managed)
    reasons.push('no agent of this fleet keeps this broker’s process')
  if (cluster.unreachable !== null)
    reasons.push(
      `the cluster cannot be read (${cluster.unreachable.message}): what a restart would cost is not known`,
    )
  const away = cluster.brokers.filter(each => each.id !== broker && each.state !== 'up').map(each => each.id)
  if (away.length > 0)
    reasons.push(
      `${away.length === 1 ? 'broker' : 'brokers'} ${away.join(', ')} of this cluster ${away.length === 1 ? 'is' : 'are'} not up`,
    )
  const starved = facts?.state === 'up' ? starvedWithout(cluster.topics, broker) : []
  if (starved.length > 0) {
    const more = starved.length > 3 ? ` and ${starved.length - 3} more` : ''
    reasons.push(
      `writes would stop at ${starved.slice(0, 3).join(', ')}${more}: too few in-sync replicas would remain`,
    )
  }
  return { allowed: reasons.length === 0, reasons }
}

/** Partitions that acks=all could not write to without this broker, though it can now. */
function starvedWithout(topics: readonly TopicFacts[], broker: number): string[] {
  const starved: string[] = []
  for (const topic of topics) {
    for (const { partition, isr } of topic.partitions) {
      if (isr.includes(broker) && isr.length - 1 < topic.minIsr) starved.push(`${topic.name}-${partition}`)
    }
  }
  return starved
}
