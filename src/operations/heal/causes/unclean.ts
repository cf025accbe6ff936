/**
 * A replica that was not in sync has become leader, and no incident of ours had it elected: what the leader before had beyond it
 * is gone. Nothing brings that back; it is told, with the loss as far as the disks say it. Pure.
 */
import type { UncleanElection } from '../conditions/facts.ts'
import type { Care } from '../contract.ts'
import { MOST_PARTITIONS, nameOf, shortHash } from '../recovery.ts'
import { diagnosisOf, listed } from './condition.ts'
import { named } from './signs.ts'

export const uncleanCare: Care = {
  diagnose(facts) {
    const { conditions } = facts
    const groups = Map.groupBy(conditions?.elections ?? [], ({ from, to, at }) => `${from} ${to} ${at}`)
    return [...groups.values()].map(group => {
      const its = group.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).slice(0, MOST_PARTITIONS)
      const { from, to, at } = its[0]!
      return diagnosisOf(facts, {
        cause: 'unclean-leader',
        subject: {
          kind: 'partitions',
          partitions: its.map(({ topic, partition }) => ({ topic, partition })),
        },
        since: at,
        mark: shortHash(its.map(each => [nameOf(each), each.leaderEpoch])),
        signals: [
          {
            source: 'controller',
            says: `broker ${to} leads ${named(its.map(nameOf))} after broker ${from}, and was not in sync`,
          },
          ...(its.some(({ allowed }) => allowed)
            ? [
                {
                  source: 'controller',
                  says: 'unclean.leader.election.enable is on: the controller does that by itself',
                } as const,
              ]
            : []),
        ],
        evidence: [
          { label: 'records lost', value: listed(its.map(each => `${nameOf(each)}: ${lossOf(each)}`)) },
        ],
      })
    })
  },

  plan(_diagnosis, _facts) {
    return {
      kind: 'none',
      why: 'what only the leader before had is gone: nothing that could be done brings it back',
      refused: [
        {
          what: 'give the leadership back',
          whyNot: 'whoever led before cuts its log to that of the new leader as soon as it is back',
        },
      ],
    }
  },
}

const lossOf = ({ loss }: UncleanElection): string =>
  loss === null ? 'nobody can say how many' : `at most ${loss}`
