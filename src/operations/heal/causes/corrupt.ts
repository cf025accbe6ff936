/**
 * What becomes of a replica whose bytes are damaged. Its broker serves them as they are: consumers fail on them, a new replica
 * that is copied from it never catches up. Kafka copies it afresh once it has been out of the assignment: safe only as long as
 * the others are known to hold, undamaged, what is thrown away. Pure.
 */
import { affectedBy } from '../affected.ts'
import type { Alternative, Care, Diagnosis, HealFacts, PartitionFacts, Plan, Signal } from '../contract.ts'
import { type DamageFacts, rangeText } from '../damage.ts'
import { agreed, spoken } from './signs.ts'

/** So long it is waited for whoever could say or do more, before a person is told. */
const SETTLES_MS = 20_000

export const corruptCare: Care = { diagnose, plan }

function diagnose(facts: HealFacts): readonly Diagnosis[] {
  return (facts.damaged ?? []).map(each => diagnosisOf(facts, each))
}

function diagnosisOf(facts: HealFacts, damage: DamageFacts): Diagnosis {
  const { cluster, brokers } = facts
  const { broker, topic, partition, segments, served } = damage
  const [first] = segments
  const signals: Signal[] = segments.slice(0, 5).map(each => ({
    source: 'agent',
    says: `${each.what} at offset ${each.from}, byte ${each.position} of ${each.path}`,
  }))
  if (served.state === 'damaged') signals.push({ source: 'broker', says: served.says })
  const subject = { kind: 'replica', broker, topic, partition } as const
  const found = brokers.find(({ id }) => id === broker)
  return {
    ...{ cluster, subject, signals },
    cause: 'segment-corrupt',
    domain: { kind: 'broker', cluster, rack: found?.rack ?? null, broker },
    pid: found?.testimony.kind === 'running' ? found.testimony.pid : null,
    affected: affectedBy(facts, subject),
    beganAt: Math.min(...segments.map(({ since }) => since)),
    // Of this very file: an agent that is started anew finds the same one later.
    mark: `segment-${first!.segment.toString(36)}-${first!.inode.toString(36)}`,
  }
}

function plan(diagnosis: Diagnosis, facts: HealFacts): Plan {
  const { subject, signals, beganAt } = diagnosis
  if (subject.kind !== 'replica') return { kind: 'nothing', why: 'it is no replica' }
  const isIt = (each: { topic: string; partition: number }): boolean =>
    each.topic === subject.topic && each.partition === subject.partition
  const damage = facts.damaged?.find(each => isIt(each) && each.broker === subject.broker)
  const state = facts.partitions?.find(isIt)
  if (damage === undefined || state === undefined) return { kind: 'nothing', why: 'nobody speaks of it' }
  const why = agreed(signals)
    ? whyNotReplaced(damage, state)
    : `only the agent says so: ${damage.served.says}; its broker may still have the bytes in memory`
  if (why !== undefined)
    return facts.at - beganAt < SETTLES_MS
      ? { kind: 'nothing', why }
      : { kind: 'none', why, refused: REFUSED }
  const well = damage.others.filter(each => each.state === 'well')
  return {
    kind: 'remedy',
    remedy: 're-replicate',
    reasons: [
      spoken(signals).slice(0, 900),
      `offsets ${rangeText(damage)} are undamaged on ${well.map(each => `broker ${each.broker} (${each.says})`).join(', ')}`,
      'a replica that comes back into the assignment is copied afresh from its leader, which is one of those; no broker is restarted',
    ],
    refused: REFUSED,
  }
}

/**
 * Why the replica may not be thrown away and copied afresh; undefined: nothing is lost by it. Whoever leads meanwhile is copied
 * from, and must be undamaged itself.
 */
export function whyNotReplaced(damage: DamageFacts, state: PartitionFacts): string | undefined {
  const { broker, others, minInSync } = damage
  const { replicas, isr, leader } = state
  if (!replicas.includes(broker)) return 'it is not assigned to that broker'
  const rest = isr.filter(id => id !== broker)
  const stateOf = (id: number) => others.find(each => each.broker === id)?.state ?? 'unknown'
  const well = rest.filter(id => stateOf(id) === 'well')
  if (well.length === 0) {
    const each = others.map(other => `broker ${other.broker} is ${other.state}: ${other.says}`).join('; ')
    const all = rest.length > 0 && rest.every(id => stateOf(id) === 'damaged')
    return `${all ? 'every replica that is in sync is damaged' : 'no other in-sync replica is known to be undamaged'} (${each || 'there is none'}): up to ${damage.to - damage.from} records, offsets ${rangeText(damage)}, may be lost for good`
  }
  if (leader === null) return 'nobody leads the partition'
  if (leader !== broker && !well.includes(leader))
    return `it would be copied from broker ${leader}, which is ${stateOf(leader)} itself`
  if (minInSync === null) return 'the cluster does not say how many in-sync replicas the topic needs'
  if (isr.includes(broker) && rest.length < minInSync)
    return `without it ${rest.length} of ${minInSync} in-sync replicas that the topic needs would be left: writes would stop until it is copied`
  return undefined
}

const REFUSED: readonly Alternative[] = [
  {
    what: 'restart the broker',
    whyNot:
      'it does not look at what it has flushed, and cuts off at the damage what it has not: nothing would be mended',
  },
  {
    what: 'delete the records up to the damage, or the segment',
    whyNot: 'what is deleted is lost: that is for a person to decide',
  },
]
