/**
 * Partitions that are led by others than those their order of preference names first, though these are well and in sync. Kafka
 * gives leadership back too, every five minutes if it is a tenth of a broker's (leader.imbalance.check.interval.seconds). Pure.
 */
import type { LeaderAway } from '../conditions/facts.ts'
import type { Care, HealFacts } from '../contract.ts'
import { nameOf } from '../recovery.ts'
import { diagnosisOf, listed, troubleIn } from './condition.ts'
import { named } from './signs.ts'

export const leadersCare: Care = {
  diagnose(facts) {
    const { conditions, brokers } = facts
    if (conditions === undefined) return []
    const away = unbalanced(facts)
    if (away.length === 0 || troubleIn(facts, conditions, 'leaders-unbalanced') !== undefined) return []
    const of = Map.groupBy(away, ({ preferred }) => preferred)
    const ids = [...of.keys()].sort((a, b) => a - b)
    const answering = ids.filter(id => brokers.some(each => each.id === id && each.probe.kind === 'answers'))
    const shares = ids.map(id => {
      const its = of.get(id)!.length
      return `broker ${id} is to lead ${conditions.preferredBy.get(id)} partitions, and ${its} of them are led by others`
    })
    return [
      diagnosisOf(facts, {
        cause: 'leaders-unbalanced',
        subject: { kind: 'leaders' },
        since: Math.min(...away.map(({ since }) => since)),
        signals: [
          { source: 'controller', says: `${listed(shares)}, though it is in sync` },
          ...answering.map(id => ({ source: 'probe', says: `broker ${id} answers` }) as const).slice(0, 10),
        ],
        evidence: [
          {
            label: 'led by others',
            value: listed(away.map(each => `${nameOf(each)} by ${each.leader}, not ${each.preferred}`)),
          },
        ],
      }),
    ]
  },

  plan(_diagnosis, facts) {
    const away = unbalanced(facts)
    if (away.length === 0) return { kind: 'nothing', why: 'every broker leads what it should' }
    return {
      kind: 'remedy',
      remedy: 'elect-preferred',
      reasons: [
        'each is in sync, so that nothing is lost, and a change of leader takes its clients milliseconds',
        'what a broker should lead, others lead beside their own',
      ],
      refused: [
        {
          what: 'wait for the controller',
          whyNot: 'it looks every five minutes, and not at all where auto.leader.rebalance.enable is off',
        },
      ],
    }
  },

  stands: (_subject, { conditions, at }) =>
    conditions === undefined || isTooMany(conditions.away, conditions, at, 0),
}

/** What is to be given back: of each broker that misses too much of what it should lead, for long enough. */
export function unbalanced({ conditions, at }: HealFacts): readonly LeaderAway[] {
  if (conditions === undefined) return []
  const { away, patience } = conditions
  const long = away.filter(({ since }) => at - since >= patience.unbalancedMs)
  return isTooMany(long, conditions, at, patience.unbalancedMs) ? long : []
}

function isTooMany(
  away: readonly LeaderAway[],
  { preferredBy, patience }: NonNullable<HealFacts['conditions']>,
  at: number,
  forMs: number,
): boolean {
  const of = Map.groupBy(
    away.filter(({ since }) => at - since >= forMs),
    ({ preferred }) => preferred,
  )
  return [...of].some(
    ([broker, its]) => its.length > patience.unbalancedShare * (preferredBy.get(broker) ?? 0),
  )
}

export const awayText = (away: readonly LeaderAway[]): string => named(away.map(nameOf))
