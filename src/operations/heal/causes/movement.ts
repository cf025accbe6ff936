/** Replicas that are being moved though nobody has a lease for it: by hand, by another tool, by a plan that was forgotten. Pure. */
import type { Moving } from '../conditions/facts.ts'
import type { Care, HealFacts } from '../contract.ts'
import { nameOf } from '../recovery.ts'
import { diagnosisOf, listed } from './condition.ts'

export const movementCare: Care = {
  diagnose(facts) {
    const moving = unordered(facts).filter(
      ({ since }) => facts.at - since >= facts.conditions!.patience.movingMs,
    )
    if (moving.length === 0) return []
    const to = [...new Set(moving.flatMap(({ adding }) => adding))].sort((a, b) => a - b)
    const from = [...new Set(moving.flatMap(({ removing }) => removing))].sort((a, b) => a - b)
    return [
      diagnosisOf(facts, {
        cause: 'data-movement',
        subject: { kind: 'movement' },
        since: Math.min(...moving.map(({ since }) => since)),
        signals: [
          {
            source: 'controller',
            says: `${moving.length} partitions are being moved: to ${brokersText(to)}, off ${brokersText(from)}; nobody had a lease when that began`,
          },
        ],
        evidence: [{ label: 'being moved', value: listed(moving.map(movedText)) }],
      }),
    ]
  },

  plan() {
    return {
      kind: 'none',
      why: 'whoever has ordered it may have a reason: somebody has to say whether it goes on',
      refused: [
        {
          what: 'cancel it',
          whyNot: 'what was copied would be thrown away, and who had ordered it would not know',
        },
      ],
    }
  },

  stands: (_subject, facts) => facts.conditions === undefined || unordered(facts).length > 0,
}

const unordered = ({ conditions }: HealFacts): readonly Moving[] =>
  (conditions?.moving ?? []).filter(({ ordered }) => !ordered)

const movedText = (each: Moving): string =>
  `${nameOf(each)}: to ${brokersText(each.adding)}, off ${brokersText(each.removing)}`

const brokersText = (ids: readonly number[]): string =>
  ids.length === 0 ? 'nobody' : `${ids.length === 1 ? 'broker' : 'brokers'} ${ids.join(', ')}`
