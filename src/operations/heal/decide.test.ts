import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flowsWithout, isRedundantWith } from './affected.ts'
import {
  type BrokerFacts,
  type BrokerSubject,
  type HealFacts,
  type HealPolicy,
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
const CLEAR: HealMemory = { acts: [], paused: null, hasInterlock: true }

function decided(seen: HealFacts, memory: Partial<HealMemory> = {}, policy: Partial<HealPolicy> = {}) {
  const [diagnosis] = diagnose(seen)
  assert.ok(diagnosis, 'nothing was diagnosed')
  return decide(diagnosis, seen, { ...AUTOMATIC, ...policy }, { ...CLEAR, ...memory })
}

const DIED = { testimony: DEAD, probe: { kind: 'refused' } } as const
const REFUSED = { probe: { kind: 'refused' } } as const
const UNSEEN = { testimony: { kind: 'none' }, registration: 'fenced' } as const
const FROZE = { testimony: FROZEN, probe: SILENT } as const

for (const [what, state, cause] of [
  ['lives', {}, undefined],
  ['is dead by its agent and nobody listens', DIED, 'broker-dead'],
  ['is dead by its agent and fenced', { testimony: DEAD, registration: 'fenced' }, 'broker-dead'],
  ['is dead by its agent alone', { testimony: DEAD }, undefined],
  ['does not listen, by the probe alone', { probe: { kind: 'refused' } }, undefined],
  ['has no agent, does not listen, and is fenced', { ...UNSEEN, probe: { kind: 'refused' } }, 'broker-lost'],
  ['has no agent, is silent, and is fenced', { ...UNSEEN, probe: SILENT }, 'broker-lost'],
  ['has no agent and does not listen', { ...UNSEEN, ...REFUSED, registration: 'up' }, undefined],
  ['has no agent and is fenced, but answers', UNSEEN, undefined],
  ['died long ago', { ...DIED, testimony: { ...DEAD, lastEnd: { ...END, at: NOW - 60_000 } } }, undefined],
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
      assert.ok(new Set(signals.map(({ source }) => source)).size >= 2, 'two sides agree')
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

test('policy: off does nothing, propose asks', () => {
  assert.equal(decided(facts(DIED), {}, { 'broker-dead': 'off' }).kind, 'wait')
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
