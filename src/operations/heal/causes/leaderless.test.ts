import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BrokerFacts, type HealFacts, type HealPolicy, policyOf } from '../contract.ts'
import { decide } from '../decide.ts'
import { diagnose } from '../diagnose.ts'
import type { LeaderlessFacts, SeenLog } from '../recovery.ts'
import { troubleOf } from '../survey.ts'
import { isHopeless, recoveryOf, SETTLES_MS, UNKNOWN_MS } from './leaderless.ts'

const NOW = 1_000_000
const END = { at: NOW - 60_000, pid: 7, how: 'SIGKILL', expected: false }
const LIVES: Omit<BrokerFacts, 'id'> = {
  rack: null,
  registration: 'up',
  testimony: { kind: 'running', pid: 9, since: 1, ran: true, lastEnd: null },
  probe: { kind: 'answers' },
}
const GONE: Omit<BrokerFacts, 'id'> = {
  rack: null,
  registration: 'fenced',
  testimony: { kind: 'dead', lastEnd: END, givenUp: true },
  probe: { kind: 'refused' },
}

/** Broker 3 was in sync last and has 120 records, those from 90 on in epoch 5; 1 and 2 live. */
const disk = (end: number, epochs: readonly (readonly [number, number])[], highWatermark = 40) => ({
  start: 0,
  end,
  epochs: epochs.map(([epoch, start]) => ({ epoch, start })),
  highWatermark,
})
const BOTH = [
  [4, 0],
  [5, 90],
] as const
const survivor = (broker: number, end: number, epochs: readonly (readonly [number, number])[]): SeenLog => ({
  broker,
  saidEnd: end,
  onDisk: disk(end, epochs),
  problem: null,
})
const LAST: SeenLog = { broker: 3, saidEnd: null, onDisk: disk(120, BOTH), problem: null }

const leaderless = (more: Partial<LeaderlessFacts> = {}): LeaderlessFacts => ({
  topic: 'orders',
  partition: 0,
  leaderEpoch: 6,
  replicas: [1, 2, 3],
  since: NOW - SETTLES_MS,
  inSync: [3],
  lastKnown: [2],
  logs: [survivor(1, 100, BOTH), survivor(2, 120, BOTH), LAST],
  ...more,
})

const facts = (
  partitions: readonly LeaderlessFacts[] = [leaderless()],
  third: Partial<BrokerFacts> = {},
): HealFacts => ({
  at: NOW,
  cluster: 'edge',
  brokers: [
    { id: 1, ...LIVES },
    { id: 2, ...LIVES },
    { id: 3, ...GONE, ...third },
  ],
  partitions: [],
  leaderless: partitions,
})

const AUTOMATIC: HealPolicy = policyOf('automatic')
const CLEAR = { acts: [], incidents: [], paused: null, hasInterlock: true }
const found = (seen: HealFacts) => diagnose(seen).filter(({ cause }) => cause === 'partition-leaderless')
const decided = (seen: HealFacts, policy = AUTOMATIC) =>
  found(seen).map(each => decide(each, seen, policy, CLEAR))

for (const [what, third, waits] of [
  ['its agent starts it again', { testimony: { kind: 'dead', lastEnd: END, givenUp: false } }, true],
  ['its process runs', { testimony: LIVES.testimony }, true],
  ['it answers, and is only fenced', { probe: { kind: 'answers' } }, true],
  ['it is up, and the controller is about to elect it', { registration: 'up' }, true],
  ['its agent has given it up', {}, false],
] as const)
  test(`whoever was in sync last, and ${what}: ${waits ? 'it is waited for' : 'it is not waited for'}`, () => {
    assert.equal(isHopeless(leaderless(), facts([], third as Partial<BrokerFacts>)), !waits)
  })

test('one that lives and is no longer trusted is not waited for: the controller does not elect it', () => {
  for (const more of [{ lastKnown: [2] }, { inSync: [], lastKnown: [2, 3] }])
    assert.equal(isHopeless(leaderless({ ...more, logs: [] }), facts()), true)
})

test('one that no agent testifies of is waited for longer, and any for as long as the controller may act', () => {
  const unknown = facts([], { testimony: { kind: 'none' } })
  assert.equal(isHopeless(leaderless({ since: NOW - UNKNOWN_MS + 1 }), unknown), false)
  assert.equal(isHopeless(leaderless({ since: NOW - UNKNOWN_MS }), unknown), true)
  assert.equal(isHopeless(leaderless({ since: NOW - SETTLES_MS + 1 }), facts()), false)
})

test('one of several that were in sync may still bring it back', () => {
  const both = leaderless({ inSync: [2, 3] })
  assert.equal(isHopeless(both, facts()), false)
})

test('two sides say so: the controller that nobody leads, agent and probe that the last in sync is gone', () => {
  const [diagnosis, ...others] = found(facts())
  assert.equal(others.length, 0)
  assert.deepEqual(
    [...new Set(diagnosis!.signals.map(({ source }) => source))],
    ['controller', 'agent', 'probe'],
  )
  assert.deepEqual(diagnosis!.domain, { kind: 'cluster', cluster: 'edge' })
  const alone = facts(undefined, { testimony: { kind: 'none' }, probe: { kind: 'unknown' } })
  assert.equal(found({ ...alone, at: NOW + UNKNOWN_MS }).length, 0, 'the controller alone is not enough')
})

test('the survivor that has all of the last in-sync log is elected without asking', () => {
  const [decision] = decided(facts())
  assert.ok(decision?.kind === 'act', JSON.stringify(decision))
  assert.equal(decision.remedy, 'elect-most-advanced')
  const [each] = decision.recovery!.partitions
  assert.deepEqual([each!.leader, each!.loss, each!.replicas], [2, 0, [1, 2, 3]])
  assert.ok(decision.refused.some(({ what, whyNot }) => /broker 1/.test(what) && /100/.test(whyNot)))
})

test('else a person is asked, with the loss to the record, and what of it is certain', () => {
  const behind = leaderless({
    logs: [survivor(1, 95, BOTH), survivor(2, 110, BOTH), { ...LAST, onDisk: disk(120, BOTH, 113) }],
  })
  const [decision] = decided(facts([behind]))
  assert.ok(decision?.kind === 'propose', JSON.stringify(decision))
  const [each] = decision.recovery!.partitions
  assert.deepEqual([each!.leader, each!.loss, each!.committedLoss], [2, 10, 3])
  assert.match(decision.reasons.join(), /10 records would be lost/)
})

test('a longer log of an older epoch is not chosen', () => {
  const logs = [survivor(1, 150, [[4, 0]]), survivor(2, 95, BOTH), LAST]
  const { leader, loss } = recoveryOf(leaderless({ logs }), facts())
  assert.deepEqual([leader, loss], [2, 25])
})

test('of what the last in sync has, most counts: a later epoch that it never saw is nothing', () => {
  const last = {
    ...LAST,
    onDisk: disk(60, [
      [1, 0],
      [3, 50],
    ]),
  }
  const strayed = survivor(1, 45, [
    [1, 0],
    [2, 40],
  ])
  const { leader, loss } = recoveryOf(
    leaderless({ logs: [strayed, survivor(2, 50, [[1, 0]]), last] }),
    facts(),
  )
  assert.deepEqual([leader, loss], [2, 10])
})

for (const [what, last, third] of [
  ['was not read', { ...LAST, onDisk: null, problem: 'no agent reads its disk' }, {}],
  ['was read in part', { ...LAST, problem: 'its machine was started anew since' }, {}],
  [
    'may still grow: only its agent says that it is dead',
    LAST,
    { registration: 'unknown', probe: { kind: 'unknown' } },
  ],
] as const)
  test(`whose log ${what} bounds nothing: a person is asked`, () => {
    const logs = [survivor(1, 120, BOTH), survivor(2, 120, BOTH), last]
    const each = recoveryOf(leaderless({ logs }), facts([], third as Partial<BrokerFacts>))
    assert.equal(each.loss, null)
  })

test('a last in-sync disk that was replaced or cut is no measure: others have more than it ever could lack', () => {
  const cut = { ...LAST, onDisk: disk(90, BOTH) }
  const shorter = leaderless({ logs: [survivor(1, 100, BOTH), survivor(2, 120, BOTH), cut] })
  const { loss, logs } = recoveryOf(shorter, facts())
  assert.equal(loss, null)
  assert.match(logs.find(({ broker }) => broker === 3)!.problem!, /lost something/)
  const committed = { ...survivor(2, 100, [[4, 0]]), onDisk: disk(100, [[4, 0]], 95) }
  const older = leaderless({ logs: [survivor(1, 90, BOTH), committed, LAST] })
  assert.equal(recoveryOf(older, facts()).loss, null, 'of 95 committed records it has 90 at most')
})

test('what others have of the epoch before one in which the last in sync led was never committed', () => {
  const led = { ...LAST, onDisk: disk(110, [...BOTH, [7, 110]]) }
  const uncommitted = leaderless({ logs: [survivor(1, 100, BOTH), survivor(2, 120, BOTH), led] })
  const { leader, loss } = recoveryOf(uncommitted, facts())
  assert.deepEqual([leader, loss], [2, 0])
})

test('a survivor whose disk contradicts it proves nothing', () => {
  const liar = { ...survivor(2, 120, BOTH), saidEnd: 121 }
  const each = recoveryOf(leaderless({ logs: [survivor(1, 100, BOTH), liar, LAST] }), facts())
  assert.deepEqual([each.leader, each.loss], [1, 20])
})

test('if nobody knows who was in sync, everyone who is away may have had more', () => {
  const unknown = leaderless({
    inSync: [],
    logs: [survivor(1, 100, BOTH), survivor(2, 120, BOTH), { ...LAST, onDisk: null, problem: 'gone' }],
  })
  assert.equal(recoveryOf(unknown, facts()).loss, null)
  assert.equal(recoveryOf(leaderless({ inSync: [] }), facts()).loss, 0)
})

test('one that was eligible and lives again is a survivor like any other; if it is away, it may have more', () => {
  const survivors = [survivor(1, 100, BOTH), survivor(2, 120, BOTH)]
  assert.equal(recoveryOf(leaderless({ lastKnown: [1, 2] }), facts()).loss, 0)
  const away = leaderless({ replicas: [1, 2, 3, 4], lastKnown: [4], logs: [...survivors, LAST] })
  assert.equal(recoveryOf(away, facts()).loss, null)
})

test('where every replica lives and none is trusted, the most advanced has all there is', () => {
  const all = leaderless({
    replicas: [1, 2],
    inSync: [],
    lastKnown: [1, 2],
    logs: [survivor(1, 150, [[4, 0]]), survivor(2, 120, BOTH)],
  })
  const { leader, loss } = recoveryOf(all, facts())
  assert.deepEqual([leader, loss], [2, 0])
})

test('those of which nothing is lost need not wait for a person with the others', () => {
  const behind = leaderless({ partition: 1, logs: [survivor(1, 1, BOTH), survivor(2, 110, BOTH), LAST] })
  const kinds = decided(facts([leaderless(), behind])).map(({ kind }) => kind)
  assert.deepEqual(kinds.sort(), ['act', 'propose'])
})

test('if no replica lives there is nothing to elect, and that is said', () => {
  const nobody = facts([leaderless({ replicas: [3], lastKnown: [], logs: [LAST] })])
  const [decision] = decided(nobody)
  assert.equal(decision?.kind, 'refuse')
})

test('policy propose asks though nothing would be lost', () => {
  const [decision] = decided(facts(), { ...AUTOMATIC, 'partition-leaderless': 'propose' })
  assert.equal(decision?.kind, 'propose')
})

test('what was in the memory of a machine that was started anew is not on its disk', () => {
  const read = { bootedAt: END.at - 1, pid: { before: null, after: null }, replicas: [] }
  const gone: BrokerFacts = { id: 3, ...GONE }
  assert.equal(troubleOf(read, gone), undefined)
  assert.match(troubleOf({ ...read, bootedAt: END.at + 1 }, gone)!, /started anew/)
  assert.match(troubleOf({ ...read, pid: { before: null, after: 8 } }, gone)!, /runs while/)
  assert.match(
    troubleOf(read, { ...gone, testimony: { kind: 'dead', lastEnd: null, givenUp: true } })!,
    /nobody saw/,
  )
  assert.match(troubleOf(undefined, gone)!, /no agent/)
})
