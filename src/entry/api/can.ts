import type { Incident } from '../../operations/heal/contract.ts'
import { type Verdict, whyNotAnswered } from '../../operations/heal/proposal.ts'
import { actionNames } from '../../operations/mirror/failover/plan.ts'
import type { LinkAct, Offer } from './models.ts'
import type { ClusterFacts, LinkFacts, TopicFacts } from './platform.ts'

/** What may be done to a thing in the state it is in, with every reason against it, in the operator's words. */

/**
 * Restarting a broker takes its replicas out of their ISRs for a while: refused when some partition could then not be
 * written (fewer than min ISR left), when another broker is already away, or when somebody else acts there.
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
  reasons.push(...(facts?.leaseRefusals ?? []))
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

/* ---- incidents ---- */

/** The journal has the last word, by the same rule. */
export function canAnswer(
  incident: Incident,
  asked: { readonly proposal: number; readonly verdict: Verdict },
): Offer {
  const why = whyNotAnswered(incident, asked)
  return offerOf(why === undefined ? [] : [why])
}

/* ---- links ---- */

const offerOf = (reasons: readonly string[]): Offer => ({
  allowed: reasons.length === 0,
  reasons: [...reasons],
})

/**
 * Whether a link runs is everybody's to say, also of one that the fleet's file declares; but while its sides are switched,
 * the switch says it.
 *
 * @param links all of them: a way back is its link's
 */
export function canActOnLink(link: LinkFacts, act: LinkAct, links: readonly LinkFacts[]): Offer {
  if (link.owner === null || link.desired === null)
    return offerOf([
      'the link is not in the links’ journal: it was not applied yet, or the journal cannot be read',
    ])
  return offerOf([...switchReasons(link, act, links), ...REASONS[act](link)])
}

function switchReasons(link: LinkFacts, act: LinkAct, links: readonly LinkFacts[]): string[] {
  const switched = link.reverseOf === null ? link : links.find(({ name }) => name === link.reverseOf)
  const sides = switched?.sides ?? null
  if (sides === null) return []
  if (sides.underWay !== null)
    return [
      `a ${actionNames[sides.underWay.action]} of ${switched?.name} is under way: it stops and starts the link itself`,
    ]
  // The journal would refuse it: of a link and its way back never both run.
  const runs = link.reverseOf === null ? 'copying' : 'returning'
  if (act === 'resume' && sides.phase !== runs)
    return [`the sides of ${switched?.name} are switched (${sides.phase}): this link is not to run now`]
  return []
}

const REASONS: Readonly<Record<LinkAct, (link: LinkFacts) => string[]>> = {
  pause: ({ desired }) => (desired === 'running' ? [] : [`the link is ${desired} already`]),
  resume: ({ desired }) => (desired === 'running' ? ['the link is to run already'] : []),
  'restart-failed': ({ desired, haltedPartitions, blockedPartitions, state, reason }) => [
    ...(desired === 'running' ? [] : [`the link is ${desired}: resume it, and its partitions begin anew`]),
    ...(state === 'unknown' ? [`nobody would take it up: ${reason}`] : []),
    ...(desired === 'running' && haltedPartitions + blockedPartitions === 0
      ? ['no partition of the link is halted or blocked']
      : []),
  ],
}
