/**
 * Whether the controllers could lose one more voter and still decide. A voter that is down or cannot keep up is no help when
 * another one goes. Where voters are brokers too, what befell the broker explains it. Pure.
 */
import type { ConditionFacts, QuorumFacts } from '../conditions/facts.ts'
import type { Care, HealFacts } from '../contract.ts'
import { diagnosisOf, isExplainedBy, isSettled } from './condition.ts'

export const quorumCare: Care = {
  diagnose(facts) {
    const { conditions, at } = facts
    const quorum = conditions?.quorum ?? null
    if (conditions === undefined || quorum === null) return []
    const { quorumMs } = conditions.patience
    const missing = behind(quorum).filter(({ behindSince }) => at - behindSince >= quorumMs)
    if (!isAtRisk(quorum, missing.length)) return []
    const unexplained = missing.filter(({ id }) => !isAccountedFor(facts, conditions, id))
    if (unexplained.length === 0) return []
    const { voters, leader } = quorum
    const text = missing.map(
      ({ id, lag, behindSince }) =>
        `voter ${id} has not kept up for ${Math.round((at - behindSince) / 1_000)} s and lacks ${lag} records`,
    )
    return [
      diagnosisOf(facts, {
        cause: 'quorum-at-risk',
        subject: { kind: 'quorum' },
        since: Math.min(...missing.map(({ behindSince }) => behindSince)),
        signals: [{ source: 'controller', says: text.join('; ').slice(0, 1_000) }],
        evidence: [
          { label: 'voters', value: `${voters.length}, of which ${majorityOf(quorum)} have to agree` },
          { label: 'voters that keep up', value: String(voters.length - missing.length) },
          { label: 'active controller', value: leader === null ? 'none' : String(leader) },
        ],
      }),
    ]
  },

  plan() {
    return {
      kind: 'none',
      why: 'one more voter lost, and nobody decides on leaders, topics and members any more: somebody has to bring back those that are away',
      refused: [
        {
          what: 'take the voter off the quorum',
          whyNot: 'fewer voters bear fewer failures; and one that comes back would not know of it',
        },
      ],
    }
  },

  stands: (_subject, { conditions }) => {
    const quorum = conditions?.quorum ?? null
    return quorum === null || isAtRisk(quorum, behind(quorum).length)
  },
}

/** A broker's own incident or absence, or that it has just come back. */
const isAccountedFor = (facts: HealFacts, conditions: ConditionFacts, id: number): boolean =>
  isExplainedBy(facts, conditions, id) ||
  (facts.brokers.some(each => each.id === id) && !isSettled(conditions, id, facts.at))

type Behind = QuorumFacts['voters'][number] & { readonly behindSince: number }

const behind = ({ voters }: QuorumFacts): Behind[] =>
  voters.flatMap(each => (each.behindSince === null ? [] : [{ ...each, behindSince: each.behindSince }]))

const majorityOf = ({ voters }: QuorumFacts): number => Math.floor(voters.length / 2) + 1

/** A lone voter is at risk by design, and two are: what is told is that some are missing. */
export const isAtRisk = (quorum: QuorumFacts, missing: number): boolean =>
  missing > 0 && quorum.voters.length - missing - 1 < majorityOf(quorum)
