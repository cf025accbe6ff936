import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flowsWithout, isRedundantWith } from './affected.ts'
import {
  type BrokerFacts,
  type BrokerSubject,
  type HealFacts,
  type HealPolicy,
  type Incident,
  type PartitionFacts,
  type Probe,
  policyOf,
  subjectKey,
  type Testimony,
} from './contract.ts'
import { decide, type HealMemory } from './decide.ts'
import { diagnose } from './diagnose.ts'
import { LIMITS } from './limits.ts'

const NOW = 1_000_000
const END = { at: NOW - 100, pid: 7, how: 'SIGKILL', expected: false }
const LIVES: Testimony = { kind: 'running', pid: 7, since: NOW - 500_000, ran: true, lastEnd: null }
const DEAD: Testimony = { kind: 'dead', lastEnd: END, givenUp: false }
const FROZEN: Testimony = { ...LIVES, ran: false }
const SILENT: Probe = { kind: 'silent', since: NOW - 1_000, times: 3 }

const broker = (id: number, facts: Partial<BrokerFacts> = {}): BrokerFacts => ({
  id,
  rack: `r${id}`,
  registration: 'up',
  testimony: LIVES,
  probe: { kind: 'answers' },
  ...facts,
})
const brokerOf = (id: number): BrokerSubject => ({ kind: 'broker', broker: id })
const partition = (index: number, facts: Partial<PartitionFacts> = {}): PartitionFacts => ({
  topic: 'orders',
  partition: index,
  leader: 1,
  replicas: [1, 2, 3],
  isr: [1, 2, 3],
  ...facts,
})
const facts = (first: Partial<BrokerFacts>, partitions: readonly PartitionFacts[] | null = [partition(0)]) =>
  ({
    at: NOW,
    cluster: 'edge',
    brokers: [broker(1, first), broker(2), broker(3)],
    partitions,
  }) satisfies HealFacts

const AUTOMATIC: HealPolicy = policyOf('automatic')
const CLEAR: HealMemory = { acts: [], incidents: [], paused: null, hasInterlock: true }

function decided(seen: HealFacts, memory: Partial<HealMemory> = {}, policy: Partial<HealPolicy> = {}) {
  const [diagnosis] = diagnose(seen)
  assert.ok(diagnosis, 'nothing was diagnosed')
  return decide(diagnosis, seen, { ...AUTOMATIC, ...policy }, { ...CLEAR, ...memory })
}

const DIED = { testimony: DEAD, probe: { kind: 'refused' } } as const
const REFUSED = { probe: { kind: 'refused' } } as const
const UNSEEN = { testimony: { kind: 'none' }, registration: 'fenced' } as const
const UNHEARD = { probe: { kind: 'unknown' } } as const
const AT_ODDS = { atOddsSince: NOW - 6_000 } as const
const DISPUTED: Testimony = { kind: 'disputed', says: ['process 7 runs', 'it does not run'] }
const FROZE = { testimony: FROZEN, probe: SILENT } as const

for (const [what, state, cause] of [
  ['lives', {}, undefined],
  ['is dead by its agent and nobody listens', DIED, 'broker-dead'],
  ['is dead by its agent and fenced', { ...UNHEARD, testimony: DEAD, registration: 'fenced' }, 'broker-dead'],
  ['is dead by its agent and fenced, but answers', { testimony: DEAD, registration: 'fenced' }, undefined],
  [
    'is frozen by its agent and fenced, but answers',
    { testimony: FROZEN, registration: 'fenced' },
    undefined,
  ],
  ['is dead by its agent, and has answered for long', { testimony: DEAD, ...AT_ODDS }, 'testimony-disputed'],
  ['is dead by its agent, and was at odds, but is silent', { ...DIED, ...AT_ODDS, probe: SILENT }, undefined],
  [
    'is frozen by its agent, and has answered for long',
    { testimony: FROZEN, ...AT_ODDS },
    'testimony-disputed',
  ],
  ['two agents know different things of', { testimony: DISPUTED, ...AT_ODDS }, 'testimony-disputed'],
  ['two agents have just begun to differ on', { testimony: DISPUTED, atOddsSince: NOW - 1_000 }, undefined],
  [
    'two agents differ on, and nobody listens, and it is fenced',
    { testimony: DISPUTED, ...REFUSED, registration: 'fenced' },
    undefined,
  ],
  ['is dead by its agent alone', { testimony: DEAD }, undefined],
  ['does not listen, by the probe alone', { probe: { kind: 'refused' } }, undefined],
  ['has no agent, does not listen, and is fenced', { ...UNSEEN, probe: { kind: 'refused' } }, 'broker-lost'],
  ['has no agent, is silent, and is fenced', { ...UNSEEN, probe: SILENT }, 'broker-lost'],
  ['has no agent and does not listen', { ...UNSEEN, ...REFUSED, registration: 'up' }, undefined],
  ['has no agent and is fenced, but answers', UNSEEN, undefined],
  ['died long ago', { ...DIED, testimony: { ...DEAD, lastEnd: { ...END, at: NOW - 60_000 } } }, undefined],
  [
    'has just ended as it was ordered to',
    { ...DIED, testimony: { ...DEAD, lastEnd: { ...END, expected: true } } },
    undefined,
  ],
  [
    'ended as it was ordered to, and others have waited for it since',
    { ...DIED, testimony: { ...DEAD, lastEnd: { ...END, at: NOW - 2_500, expected: true } } },
    'broker-dead',
  ],
  [
    'died, and its successor has just begun',
    { ...DIED, testimony: { ...LIVES, since: NOW - 200, lastEnd: END } },
    'broker-dead',
  ],
  [
    'died, and its successor may have registered',
    { ...DIED, testimony: { ...LIVES, since: NOW - 1_500, lastEnd: END } },
    undefined,
  ],
  ['is frozen by its agent and the probe', FROZE, 'broker-frozen'],
  ['is silent, and its threads run', { ...FROZE, testimony: LIVES }, undefined],
  [
    'is silent, and nobody has watched its threads',
    { ...FROZE, testimony: { ...LIVES, ran: null } },
    undefined,
  ],
  ['is idle to its agent, and answers', { testimony: FROZEN }, undefined],
  ['was silent once', { ...FROZE, probe: { ...SILENT, times: 1 } }, undefined],
  ['was silent for a moment', { ...FROZE, probe: { ...SILENT, since: NOW - 100 } }, undefined],
  ['runs and is long unregistered', { registration: 'absent' }, 'broker-unregistered'],
  [
    'runs and is not registered yet',
    { registration: 'absent', testimony: { ...LIVES, since: NOW - 10_000 } },
    undefined,
  ],
  ['runs, and the controller cannot be asked', { registration: 'unknown' }, undefined],
] as const)
  test(`a broker that ${what}: ${cause ?? 'nothing is diagnosed'}`, () => {
    const found = diagnose(facts(state as Partial<BrokerFacts>))
    assert.deepEqual(
      found.map(each => [subjectKey(each.subject), each.cause]),
      cause === undefined ? [] : [['1', cause]],
    )
    for (const { signals } of found)
      assert.ok(new Set(signals.map(({ source }) => source)).size >= 2, 'two sides speak')
  })

test('what sides contradict each other on is told, with what each says, and nothing is done', () => {
  const seen = facts({ testimony: DISPUTED, ...AT_ODDS })
  assert.deepEqual(
    diagnose(seen)[0]!.signals.map(({ says }) => says),
    ['process 7 runs', 'it does not run', 'it answers', 'it is up'],
  )
  const decision = decided(seen)
  assert.ok(decision.kind === 'refuse' && /contradict each other/.test(decision.reasons.join()))
  assert.deepEqual(
    decision.refused.map(({ what }) => what),
    ['kill it', 'unregister it'],
  )
})

test('a frozen broker that nobody waits for any more is ended all the same: its replicas are out of sync until then', () => {
  const moved = [partition(0, { leader: 2, isr: [2, 3] })]
  const decision = decided(facts({ ...FROZE, registration: 'fenced' }, moved))
  assert.equal(decision.kind === 'act' && decision.remedy, 'kill')
  assert.equal(decision.kind === 'act' && decision.reasons.some(each => /out of sync/.test(each)), true)
})

test('a broker that nobody testifies for is told of, and left alone', () => {
  const moved = [partition(0, { leader: 2, isr: [2, 3] })]
  const decision = decided(facts({ ...UNSEEN, ...REFUSED }, moved))
  assert.equal(decision.kind, 'refuse')
  assert.ok(decision.kind === 'refuse' && /only its host can start it/.test(decision.reasons.join()))
  assert.deepEqual(decision.kind === 'refuse' && decision.refused.map(({ what }) => what), [
    'kill and start it',
    'unregister it',
  ])
})

test('a dead broker is unregistered, a frozen one killed first, an estranged one restarted', () => {
  const remedies = [DIED, FROZE, { registration: 'absent' } as const].map(state => {
    const decision = decided(facts(state))
    return decision.kind === 'act' ? decision.remedy : decision.kind
  })
  assert.deepEqual(remedies, ['unregister', 'kill-and-unregister', 'kill'])
})

test('the only in-sync replica is never unregistered', () => {
  const last = partition(4, { isr: [1] })
  const dead = decided(facts(DIED, [partition(0), last]))
  assert.equal(dead.kind, 'refuse')
  assert.match(dead.kind === 'refuse' ? dead.reasons.join() : '', /only in-sync replica of orders-4/)
  const frozen = decided(facts(FROZE, [partition(0), last]))
  assert.equal(frozen.kind === 'act' && frozen.remedy, 'kill')
})

test('a broker is not unregistered where too few would be in sync without it: no write would flow sooner', () => {
  const short = partition(4, { isr: [1, 2], needs: 2 })
  const dead = decided(facts(DIED, [short]))
  assert.ok(dead.kind === 'refuse')
  assert.match(dead.reasons.join(), /min\.insync\.replicas of orders-4 \(1 of 2\)/)
  const frozen = decided(facts(FROZE, [short]))
  assert.ok(frozen.kind === 'act')
  assert.equal(frozen.remedy, 'kill', 'one that is frozen has to be started again all the same')
  const not = frozen.refused.find(({ what }) => what === 'unregister it')
  assert.match(not!.whyNot, /orders-4 \(1 of 2\)/)
})

test('it is unregistered where others wait for it too, and what cannot be acknowledged before it is back is said', () => {
  const seen = facts(DIED, [partition(0, { needs: 2 }), partition(4, { isr: [1, 2], needs: 2 })])
  const decision = decided(seen)
  assert.ok(decision.kind === 'act' && decision.remedy === 'unregister')
  assert.match(decision.reasons.join(), /too few are in sync without it.*orders-4 \(1 of 2\)/)
})

test('that nobody knows how many must be in sync is no reason to let writes wait', () => {
  const decision = decided(facts(DIED, [partition(0, { needs: null })]))
  assert.ok(decision.kind === 'act' && decision.remedy === 'unregister')
})

test('a dead broker waits for one in another rack only until that one is known to be out of the way', () => {
  const acting = acted({ availableAt: null })
  const refused = decided(facts(DIED), { incidents: [acting] })
  assert.ok(refused.kind === 'refuse')
  assert.match(refused.reasons.join(), /never two racks at once: broker 2 \(rack r2\) is being acted on/)
  for (const other of [
    acted({ availableAt: NOW - 500 }),
    acted({ availableAt: null, actedAt: NOW - 60_000 }),
    acted({ availableAt: null, actedAt: null }),
    acted({ availableAt: null, state: 'failed' }),
    acted({ availableAt: null, cluster: 'hub' }),
    acted({ availableAt: null, subject: brokerOf(1) }),
  ])
    assert.equal(decided(facts(DIED), { incidents: [other] }).kind, 'act', JSON.stringify(other))
  const sameRack = facts(DIED)
  const brokers = sameRack.brokers.map(each => ({ ...each, rack: 'r1' }))
  assert.equal(decided({ ...sameRack, brokers }, { incidents: [acting] }).kind, 'act')
})

test('one that lives is not ended before every other rack is whole again', () => {
  const seen = facts({ registration: 'absent' })
  const refused = decided(seen, { incidents: [acted({ availableAt: NOW - 500 })] })
  assert.ok(
    refused.kind === 'refuse' && /never two racks at once.*is not whole again/.test(refused.reasons.join()),
  )
  assert.equal(decided(seen, { incidents: [acted({ state: 'healed' })] }).kind, 'act')
})

/** Of broker 2. */
const acted = (change: Partial<Incident>): Incident => ({
  ...{
    id: 'edge-2-8-abc',
    revision: 3,
    cluster: 'edge',
    subject: brokerOf(2),
    cause: 'broker-dead',
    state: 'acting',
  },
  ...{
    beganAt: NOW - 2_000,
    detectedAt: NOW - 1_500,
    actedAt: NOW - 1_000,
    availableAt: NOW - 500,
    healedAt: null,
  },
  ...{ signals: [], evidence: [], timeline: [{ at: NOW - 1_000, text: 'acting' }] },
  decision: { kind: 'act', remedy: 'unregister', reasons: [], refused: [] },
  ...change,
})

test('nor is any replica of a partition that nobody leads or is in sync with: which was the last one is not known', () => {
  const dead = decided(facts(DIED, [partition(0), partition(4, { leader: null, isr: [] })]))
  assert.match(dead.kind === 'refuse' ? dead.reasons.join() : '', /only in-sync replica of orders-4/)
  const elsewhere = partition(4, { leader: null, isr: [], replicas: [2, 3] })
  assert.equal(decided(facts(DIED, [partition(0), elsewhere])).kind, 'act')
})

for (const [why, memory, says] of [
  ['it is paused', { paused: 'a drill' }, /a drill/],
  ['no other cluster keeps its leases', { hasInterlock: false }, /no other cluster/],
  [
    'a broker does not stay up',
    {
      acts: Array.from({ length: LIMITS.actsPerSubject }, (_, i) => ({
        subject: brokerOf(1),
        at: NOW - i * 1_000,
      })),
    },
    /does not stay up/,
  ],
  [
    'the cluster was acted on too often',
    {
      acts: Array.from({ length: LIMITS.actsPerCluster }, (_, i) => ({
        subject: brokerOf(2 + (i % 2)),
        at: NOW - i,
      })),
    },
    /something else is wrong/,
  ],
] as const)
  test(`nothing is done while ${why}`, () => {
    const decision = decided(facts(DIED), memory)
    assert.equal(decision.kind, 'refuse')
    assert.match(decision.kind === 'refuse' ? decision.reasons.join() : '', says)
  })

test('acts of long ago do not count', () => {
  const acts = Array.from({ length: 10 }, () => ({ subject: brokerOf(1), at: NOW - LIMITS.windowMs }))
  assert.equal(decided(facts(DIED), { acts }).kind, 'act')
})

test('what is not known, or gains nothing, is not done', () => {
  assert.equal(decided(facts(DIED, null)).kind, 'refuse')
  const moved = partition(0, { leader: 2, isr: [2, 3] })
  assert.equal(decided(facts(DIED, [moved])).kind, 'wait')
})

test('policy: off does nothing and says so, propose asks', () => {
  const off = decided(facts(DIED), {}, { 'broker-dead': 'off' })
  assert.ok(off.kind === 'refuse' && /healing of broker-dead is off/.test(off.reasons.join()))
  assert.equal(decided(facts(DIED), {}, { 'broker-dead': 'propose' }).kind, 'propose')
})

test('writes flow without a broker once nothing is led by it or waits for it; it is back once all its replicas are in sync', () => {
  const gone = { partitions: [partition(0, { leader: 2, isr: [2, 3] })] }
  const half = { partitions: [...gone.partitions, partition(1, { leader: 2 })] }
  assert.equal(flowsWithout(gone, brokerOf(1)), true)
  assert.equal(flowsWithout(half, brokerOf(1)), false)
  assert.equal(flowsWithout({ partitions: [partition(0, { leader: null, isr: [2] })] }, brokerOf(1)), false)
  assert.equal(flowsWithout({ partitions: null }, brokerOf(1)), false)
  assert.equal(isRedundantWith(half, brokerOf(1)), false)
  assert.equal(isRedundantWith({ partitions: [partition(0)] }, brokerOf(1)), true)
})
