/**
 * Replicas that are not in sync though the brokers that keep and lead them are well, and nobody moves them: a disk or a network
 * that does not keep up, a throttle that was left, a fetcher that has died. And those that leave and come back again and
 * again: to act on such a one would make it flap more. Pure.
 */
import type { ConditionFacts, IsrExits, ReplicaBehind } from '../conditions/facts.ts'
import type { Alternative, Care, Diagnosis, HealFacts } from '../contract.ts'
import { nameOf } from '../recovery.ts'
import { diagnosisOf, isExplainedBy, listed } from './condition.ts'

export const underReplicatedCare: Care = {
  diagnose(facts) {
    const { conditions } = facts
    if (conditions === undefined) return []
    const flapping = new Set(flappingOf(conditions).map(({ broker }) => broker))
    const behind = conditions.behind.filter(each => !isExplained(each, facts, conditions))
    return byBroker(behind).flatMap(([broker, its]) =>
      // It is out of sync because it comes and goes.
      flapping.has(broker) ? [] : [lagging(facts, conditions, broker, its)],
    )
  },

  plan() {
    return {
      kind: 'none',
      why: 'its broker is well, and so are their leaders: what keeps it back has to be found (its disk, the network between them, a throttle that was left)',
      refused: KEPT,
    }
  },

  stands: (subject, { conditions }) =>
    conditions === undefined ||
    (subject.kind === 'replicas' && conditions.behind.some(({ broker }) => broker === subject.on)),
}

export const flappingCare: Care = {
  diagnose(facts) {
    const { conditions } = facts
    if (conditions === undefined) return []
    const often = flappingOf(conditions).filter(({ broker }) => !isExplainedBy(facts, conditions, broker))
    return byBroker(often).map(([broker, its]) => flapping(facts, conditions, broker, its))
  },

  plan() {
    return {
      kind: 'none',
      why: 'what comes and goes by itself is not helped by acts: each would make it go once more',
      refused: KEPT,
    }
  },

  /** As long as one has left within half of what was looked at; what was before this healer's time nobody knows. */
  stands(subject, { conditions, at }) {
    if (conditions === undefined || subject.kind !== 'replicas') return true
    const { exits, seenSince, patience } = conditions
    const lately = at - patience.flapWindowMs / 2
    return (
      seenSince > lately ||
      exits.some(({ broker, at: times }) => broker === subject.on && times.some(time => time > lately))
    )
  },
}

const KEPT: readonly Alternative[] = [
  {
    what: 'restart the broker',
    whyNot: 'it leads and follows others well: it would be lost to all of them meanwhile',
  },
  {
    what: 'move the replicas elsewhere',
    whyNot: 'that copies all of them; whether it is the place that is to blame is for a person to say',
  },
]

/** Out of sync for as long as it was away, or for too short, or for a reason that is told. */
function isExplained(each: ReplicaBehind, facts: HealFacts, conditions: ConditionFacts): boolean {
  const { wellSince, patience } = conditions
  const { at } = facts
  const { broker, leader, offline, since } = each
  if (offline || leader === null || isExplainedBy(facts, conditions, broker)) return true
  if (isExplainedBy(facts, conditions, leader)) return true
  const back = Math.max(wellSince.get(broker) ?? 0, wellSince.get(leader) ?? 0)
  const isLeftover = since <= back + patience.settledMs
  return isLeftover
    ? at - back < Math.max(patience.catchUpMs, patience.behindMs)
    : at - since < patience.behindMs
}

const flappingOf = ({ exits, patience }: ConditionFacts): readonly IsrExits[] =>
  exits.filter(({ at }) => at.length >= patience.flaps)

function byBroker<T extends { readonly broker: number }>(each: readonly T[]): [number, T[]][] {
  return [...Map.groupBy(each, ({ broker }) => broker)].sort(([a], [b]) => a - b)
}

function lagging(
  facts: HealFacts,
  { preferredBy }: ConditionFacts,
  broker: number,
  its: readonly ReplicaBehind[],
): Diagnosis {
  const since = Math.min(...its.map(each => each.since))
  const leaders = [...new Set(its.map(({ leader }) => leader))].sort()
  const alone = its.filter(({ inSync }) => inSync === 1)
  const seconds = Math.round((facts.at - since) / 1_000)
  return diagnosisOf(facts, {
    cause: 'under-replicated',
    subject: { kind: 'replicas', on: broker },
    since,
    signals: [
      {
        source: 'controller',
        says: `${its.length} replicas on broker ${broker} are out of sync, the first for ${seconds} s; it is up, and so are their leaders (${leaders.join(', ')})`,
      },
      ...facts.brokers.flatMap(({ id, probe }) =>
        id === broker && probe.kind === 'answers'
          ? [{ source: 'probe', says: `broker ${broker} answers` } as const]
          : [],
      ),
    ],
    evidence: [
      { label: 'out of sync', value: listed(its.map(each => `${nameOf(each)}, led by ${each.leader}`)) },
      { label: 'of which nobody but the leader is in sync', value: String(alone.length) },
      { label: 'partitions that it is to lead', value: String(preferredBy.get(broker) ?? 0) },
    ],
  })
}

function flapping(
  facts: HealFacts,
  { patience }: ConditionFacts,
  broker: number,
  its: readonly IsrExits[],
): Diagnosis {
  const most = its.toSorted((a, b) => b.at.length - a.at.length)
  const first = Math.min(...its.flatMap(({ at }) => at))
  const minutes = Math.round(patience.flapWindowMs / 6_000) / 10
  return diagnosisOf(facts, {
    cause: 'isr-flapping',
    subject: { kind: 'replicas', on: broker },
    since: first,
    signals: [
      {
        source: 'controller',
        says: `replicas on broker ${broker} have left the in-sync set ${most[0]!.at.length} times within ${minutes} minutes, and come back`,
      },
    ],
    evidence: [
      {
        label: 'left and came back',
        value: listed(most.map(each => `${nameOf(each)}: ${each.at.length} times`)),
      },
    ],
  })
}
