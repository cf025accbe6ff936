import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainedBy } from '../conditions/explained.ts'
import type { UncleanElection } from '../conditions/facts.ts'
import { isStanding, type StandingCause } from '../conditions/standing.ts'
import { broker, openIncident, partition, type Sight, START, watched } from '../conditions/testing.ts'
import { type Diagnosis, type HealFacts, policyOf } from '../contract.ts'
import { decide } from '../decide.ts'
import { cares, diagnose } from '../diagnose.ts'

const MINUTE = 60_000
const CLEAR = { incidents: [], acts: [], paused: null, hasInterlock: true }

const standing = (facts: HealFacts): Diagnosis[] => diagnose(facts).filter(({ cause }) => isStanding(cause))
const found = (facts: HealFacts): string[] => standing(facts).map(({ cause }) => cause)
const decided = (facts: HealFacts) => decide(standing(facts)[0]!, facts, policyOf('automatic'), CLEAR)
const stands = (cause: StandingCause, diagnosis: Diagnosis, facts: HealFacts): boolean =>
  cares[cause].stands!(diagnosis.subject, facts)

/* ---- leaders-unbalanced ---- */

const AWAY: Sight = { partitions: [partition(0, { leader: 2 }), partition(1), partition(2)] }

test('leaders that are away from well brokers are given back after a minute, and not before', () => {
  const here = watched()
  assert.deepEqual(found(here.look(5_000, AWAY)), [])
  assert.deepEqual(found(here.look(MINUTE - 1, AWAY)), [])
  const facts = here.look(1, AWAY)
  assert.deepEqual(found(facts), ['leaders-unbalanced'])
  const decision = decided(facts)
  assert.deepEqual([decision.kind, 'remedy' in decision && decision.remedy], ['act', 'elect-preferred'])
  const [diagnosis] = standing(facts)
  assert.equal(new Set(diagnosis!.signals.map(({ source }) => source)).size, 2, 'two sides agree')
  assert.deepEqual(diagnosis!.domain, { kind: 'cluster', cluster: 'edge' })
  assert.equal(stands('leaders-unbalanced', diagnosis!, facts), true)
  assert.equal(stands('leaders-unbalanced', diagnosis!, here.look(1_000)), false)
})

test('a tenth of what a broker is to lead may be away', () => {
  const ten = Array.from({ length: 10 }, (_, index) => partition(index, index === 0 ? { leader: 2 } : {}))
  const here = watched()
  here.look(0, { partitions: ten })
  assert.deepEqual(found(here.look(5 * MINUTE, { partitions: ten })), [])
})

test('one that is not in sync is not made leader, nor one that was away a moment ago', () => {
  const behind: Sight = { partitions: [partition(0, { leader: 2, isr: [2, 3] })] }
  const here = watched()
  here.look(0, behind)
  const late = here.look(2 * MINUTE, behind)
  assert.ok(!found(late).includes('leaders-unbalanced'))
  here.look(5_000, AWAY)
  here.look(30_000, { ...AWAY, brokers: [broker(1), broker(2), broker(3, { registration: 'fenced' })] })
  const back = here.look(5_000, AWAY)
  assert.deepEqual(found(here.look(MINUTE - 1_000, AWAY)), [], 'another has just come back')
  assert.ok(back.conditions!.wellSince.has(3))
  assert.deepEqual(found(here.look(1_000, AWAY)), ['leaders-unbalanced'])
})

for (const [what, around] of [
  ['another incident is open', openIncident('broker-dead', 3)],
  ['replicas lag', openIncident('under-replicated', null, 'under-replicated')],
  ['a migration has a lease', { incidents: [], leases: ['migration of edge to another disk'] }],
] as const)
  test(`leadership stays where it is while ${what}`, () => {
    const here = watched()
    here.look(0, { ...AWAY, around })
    assert.deepEqual(found(here.look(2 * MINUTE, { ...AWAY, around })), [])
    assert.deepEqual(found(here.look(1, AWAY)), ['leaders-unbalanced'])
  })

test('its own incident does not stand in its way', () => {
  const around = openIncident('leaders-unbalanced', null, 'leaders-unbalanced')
  const here = watched()
  here.look(0, { ...AWAY, around })
  assert.deepEqual(found(here.look(2 * MINUTE, { ...AWAY, around })), ['leaders-unbalanced'])
})

/* ---- quorum-at-risk ---- */

const voters = (ids: readonly number[], away: readonly number[], at: number): Sight => ({
  quorum: {
    leader: ids[0]!,
    voters: ids.map(id => ({
      id,
      lag: away.includes(id) ? 40 : 0,
      caughtUpAt: away.includes(id) ? START : at,
    })),
  },
})

for (const [ids, away, isAtRisk] of [
  [[11], [], false],
  [[11, 12, 13], [], false],
  [[11, 12, 13], [13], true],
  [[11, 12, 13, 14, 15], [15], false],
  [[11, 12, 13, 14, 15], [14, 15], true],
  [[11, 12], [12], true],
] as const)
  test(`of ${ids.length} voters ${away.length} away: ${isAtRisk ? 'one more, and nobody decides' : 'no risk'}`, () => {
    const here = watched()
    here.look(10_000, voters(ids, away, here.at + 10_000))
    const facts = here.look(10_000, voters(ids, away, here.at + 10_000))
    assert.deepEqual(found(facts), isAtRisk ? ['quorum-at-risk'] : [])
    if (isAtRisk) {
      assert.equal(decided(facts).kind, 'refuse')
      const [diagnosis] = standing(facts)
      assert.equal(stands('quorum-at-risk', diagnosis!, facts), true)
      assert.equal(
        stands('quorum-at-risk', diagnosis!, here.look(5_000, voters(ids, [], here.at + 5_000))),
        false,
      )
      assert.equal(
        stands('quorum-at-risk', diagnosis!, here.look(5_000)),
        true,
        'who is not told does not know',
      )
    }
  })

test('a voter that lags for a moment is no risk, and one that never told when it was in step counts by its records', () => {
  const here = watched()
  assert.deepEqual(found(here.look(10_000, voters([11, 12, 13], [13], here.at + 10_000))), [])
  const untold = (lag: number): Sight => ({
    quorum: {
      leader: 11,
      voters: [11, 12, 13].map(id => ({ id, lag: id === 13 ? lag : 0, caughtUpAt: null })),
    },
  })
  for (const [lag, expected] of [
    [50, []],
    [500, ['quorum-at-risk']],
  ] as const) {
    here.look(60_000, untold(lag))
    assert.deepEqual(found(here.look(20_000, untold(lag))), expected)
  }
})

/* ---- under-replicated ---- */

const BEHIND: Sight = { partitions: [partition(0, { isr: [1, 3] }), partition(1, { isr: [1, 3] })] }

test('replicas that fall behind though all is well are told of after a minute, one incident for their broker', () => {
  const here = watched()
  here.look(5_000, BEHIND)
  assert.deepEqual(found(here.look(MINUTE - 1, BEHIND)), [])
  const facts = here.look(1, BEHIND)
  const [diagnosis, ...others] = standing(facts)
  assert.deepEqual(
    [diagnosis!.cause, diagnosis!.subject, others],
    ['under-replicated', { kind: 'replicas', on: 2 }, []],
  )
  assert.equal(decided(facts).kind, 'refuse')
  assert.equal(stands('under-replicated', diagnosis!, facts), true)
  assert.equal(stands('under-replicated', diagnosis!, here.look(1_000)), false)
})

for (const [what, sight] of [
  ['nobody leads them', { partitions: [partition(0, { isr: [1, 3], leader: null })] }],
  ['their log dir is offline', { partitions: [partition(0, { isr: [1, 3], offline: [2] })] }],
  [
    'they are being moved',
    {
      ...BEHIND,
      reassignments: [0, 1].map(partition => ({ topic: 'orders', partition, adding: [2], removing: [] })),
      around: { incidents: [], leases: ['a move'] },
    },
  ],
  [
    'their broker is down',
    { ...BEHIND, brokers: [broker(1), broker(2, { registration: 'fenced' }), broker(3)] },
  ],
  ['their broker has an incident', { ...BEHIND, around: openIncident('disk-slow', 2) }],
  ['their leader has one', { ...BEHIND, around: openIncident('broker-frozen', 1) }],
] as const satisfies readonly (readonly [string, Sight])[])
  test(`replicas out of sync are explained when ${what}`, () => {
    const here = watched()
    here.look(5_000, sight)
    assert.deepEqual(found(here.look(10 * MINUTE, sight)), [])
  })

test('what a broker missed while it was away it may catch up for a quarter of an hour, then it is told', () => {
  const here = watched()
  const down: Sight = { ...BEHIND, brokers: [broker(1), broker(2, { registration: 'fenced' }), broker(3)] }
  here.look(5_000, down)
  here.look(60_000, BEHIND)
  assert.deepEqual(found(here.look(14 * MINUTE, BEHIND)), [])
  assert.deepEqual(found(here.look(MINUTE, BEHIND)), ['under-replicated'])
})

/* ---- isr-flapping ---- */

function flap(here: ReturnType<typeof watched>, times: number, sight: Sight = {}): HealFacts {
  for (let n = 1; n < times; n++) {
    here.look(20_000, { ...BEHIND, ...sight })
    here.look(20_000, sight)
  }
  return here.look(20_000, { ...BEHIND, ...sight })
}

test('replicas that leave and come back three times in ten minutes are told of, and nothing is done', () => {
  const here = watched()
  assert.deepEqual(found(flap(here, 2)), [])
  here.look(20_000)
  const facts = flap(here, 1)
  const [diagnosis, ...others] = standing(facts)
  assert.deepEqual(
    [diagnosis!.cause, diagnosis!.subject, others],
    ['isr-flapping', { kind: 'replicas', on: 2 }, []],
  )
  assert.equal(decided(facts).kind, 'refuse')
  here.look(10_000)
  assert.equal(stands('isr-flapping', diagnosis!, here.look(4 * MINUTE)), true)
  assert.equal(
    stands('isr-flapping', diagnosis!, here.look(MINUTE)),
    false,
    'it has not left for half the time',
  )
})

test('while it flaps, that it is out of sync is explained by that', () => {
  const here = watched()
  flap(here, 3)
  assert.deepEqual(found(here.look(2 * MINUTE, BEHIND)), ['isr-flapping'])
})

test('a replica that leaves because its broker restarts again and again is no flapping of its own', () => {
  const here = watched()
  const down: Sight = { brokers: [broker(1), broker(2, { registration: 'fenced' }), broker(3)] }
  assert.deepEqual(found(flap(here, 4, down)), [])
  const young = (): Sight => ({
    brokers: [
      broker(1),
      broker(2, { testimony: { kind: 'running', pid: 9, since: here.at, ran: true, lastEnd: null } }),
      broker(3),
    ],
  })
  for (let n = 0; n < 4; n++) {
    here.look(20_000, { ...BEHIND, ...young() })
    here.look(20_000, young())
  }
  assert.deepEqual(found(here.look(1_000, young())), [])
})

test('times long ago do not count', () => {
  const here = watched()
  for (let n = 0; n < 5; n++) {
    here.look(5 * MINUTE, BEHIND)
    assert.deepEqual(found(here.look(5_000)), [])
  }
})

/* ---- data-movement ---- */

const MOVING: Sight = { reassignments: [{ topic: 'orders', partition: 0, adding: [3], removing: [2] }] }

test('replicas that are moved without a lease are told of', () => {
  const here = watched()
  here.look(5_000, MOVING)
  assert.deepEqual(found(here.look(14_999, MOVING)), [])
  const facts = here.look(1, MOVING)
  assert.deepEqual(found(facts), ['data-movement'])
  assert.equal(decided(facts).kind, 'refuse')
  const [diagnosis] = standing(facts)
  assert.equal(stands('data-movement', diagnosis!, here.look(1_000, { reassignments: null })), true)
  assert.equal(stands('data-movement', diagnosis!, here.look(1_000)), false)
})

for (const [what, around] of [
  ['under a lease', { incidents: [], leases: ['migration of edge'] }],
  ['by a healer', openIncident('disk-failed', 2)],
] as const)
  test(`what was begun ${what} is explained to its end, also when that is over before`, () => {
    const here = watched()
    here.look(5_000, { ...MOVING, around })
    assert.deepEqual(found(here.look(10 * MINUTE, MOVING)), [])
  })

/* ---- unclean-leader ---- */

const suspects = (before: Sight, after: Sight) => {
  const here = watched()
  here.look(1_000, before)
  here.look(1_000, after)
  return here.history.suspects.map(({ partition, from, to }) => [partition, from, to])
}
const elected = (leader: number, more: object = {}) => ({
  partitions: [partition(0, { leader, leaderEpoch: 1, isr: [leader], ...more })],
})
const alone = { partitions: [partition(0, { isr: [1] })] }

test('who leads without having been in sync, nor eligible, is suspected; others are not', () => {
  const eligible = new Map([['orders-0', [2]]])
  const nobody = new Map([['orders-0', []]])
  assert.deepEqual(suspects({ ...alone, eligible: nobody }, elected(2)), [[0, 1, 2]])
  assert.deepEqual(
    suspects({ ...alone, eligible }, elected(2)),
    [],
    'eligible: it has all that was acknowledged',
  )
  assert.deepEqual(suspects({ ...alone, eligible }, elected(3)), [[0, 1, 3]])
  assert.deepEqual(suspects(alone, elected(2)), [], 'nobody was asked who is eligible')
  assert.deepEqual(suspects({}, elected(2)), [], 'it was in sync')
  assert.deepEqual(suspects({ ...alone, eligible: nobody }, elected(1)), [], 'the same leads on')
  assert.deepEqual(
    suspects({ ...alone, eligible: nobody }, { partitions: [partition(0, { leader: 2, isr: [2] })] }),
    [],
    'a broker that has not heard of the last epoch',
  )
})

test('an election that lost records is told with the bound, those of one moment together, and it is not said to be healed', () => {
  const election = (index: number, loss: number | null): UncleanElection => ({
    ...{ topic: 'orders', partition: index, from: 1, to: 2, leaderEpoch: 4, at: START, allowed: true, loss },
  })
  const facts = watched([election(1, null), election(0, 17)]).look(1_000)
  const [diagnosis, ...others] = standing(facts)
  assert.deepEqual(others, [])
  assert.deepEqual(diagnosis!.subject, {
    kind: 'partitions',
    partitions: [0, 1].map(partition => ({ topic: 'orders', partition })),
  })
  assert.match(diagnosis!.evidence![0]!.value, /orders-0: at most 17; orders-1: nobody can say how many/)
  assert.equal(decided(facts).kind, 'refuse')
})

/* ---- one symptom, one incident ---- */

test('a dead broker explains replicas out of sync, leaders elsewhere and a quorum at risk: each is told in its incident', () => {
  const here = watched()
  const dead: Sight = {
    partitions: [partition(0, { leader: 2, isr: [2, 3], offline: [1] })],
    brokers: [broker(1, { registration: 'fenced', probe: { kind: 'refused' } }), broker(2), broker(3)],
    around: openIncident('broker-dead', 1),
  }
  const look = (ms: number) => {
    const { quorum } = voters([2, 1, 3], [1], here.at + ms)
    return here.look(ms, { ...dead, quorum: quorum! })
  }
  look(5_000)
  const facts = look(10 * MINUTE)
  assert.deepEqual(found(facts), [])
  assert.deepEqual(
    explainedBy(facts, 1).map(text => text.split(':')[0]),
    ['explains under-replicated', 'explains leaders-unbalanced', 'explains quorum-at-risk'],
  )
  assert.deepEqual(explainedBy(facts, 3), [])
})
