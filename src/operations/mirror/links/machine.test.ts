import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { put, said } from '../../../../test/mirror/links-state.ts'
import { MAX_SEGMENTS } from '../mapping.ts'
import { leadShardOf, shardOf } from '../shard.ts'
import { type LinksCommand, linksState } from './contract.ts'
import { linksMachine } from './machine.ts'

const SEED = Number(process.env['AJNA_TEST_SEED'] ?? Date.now() % 2 ** 31)
const SHARDS = 8
const terms = { shards: SHARDS, leaseMs: 1_000 }

const join = (instance: string): LinksCommand => ({
  kind: 'join',
  instance,
  name: instance,
  weight: 1,
  terms,
})
const ids = { producerId: '1', fillerId: '2', markerId: '3' }
const lead = { shard: leadShardOf('a', SHARDS), token: 1 }
const begin: LinksCommand = { kind: 'begin', name: 'a', ...lead, ...ids }
const adopt = (topics: Record<string, string>): LinksCommand => ({
  kind: 'adopt',
  name: 'a',
  ...lead,
  topics,
})

test('a change counts only on the version it was decided on, and only of the owner', () => {
  assert.equal(said(put('a', {}, { expected: 0 })).reason, undefined)
  assert.match(said(put('a'), put('a', {}, { expected: 0 })).reason!, /is at version 1/)
  assert.match(said(put('a', {}, { expected: 1 })).reason!, /does not exist/)
  const more = { topics: { include: ['orders', 'payments'] } }
  const twice = said(put('a'), put('a', more, { expected: 1 }))
  assert.equal(twice.state.links['a']?.version, 2)
  assert.match(said(put('a'), put('a', more), put('a', {}, { expected: 1 })).reason!, /at version 2/)
  const fleets = put('a', {}, { owner: 'fleet' })
  assert.match(said(fleets, put('a', more)).reason!, /fleet's file/)
  assert.match(said(fleets, { kind: 'remove', name: 'a', owner: 'api' }).reason!, /fleet's file/)
  assert.equal(said(put('a'), fleets).state.links['a']?.owner, 'fleet')
  assert.equal(said(fleets, { kind: 'desire', name: 'a', desired: 'paused' }).state.links['a']?.version, 2)
})

test('the clusters of a link never change, their addresses may', () => {
  const at = (...bootstrap: string[]) => ({ source: { bootstrap, tls: null } })
  assert.match(
    said(put('a'), put('a', { target: { cluster: 'other' } })).reason!,
    /target of link a cannot be/,
  )
  assert.match(said(put('a'), put('a', at('x:1'))).reason!, /source of link a cannot be/)
  assert.equal(said(put('a', at('x:1')), put('a', at('y:1', 'z:1'))).reason, undefined)
  const as = { source: { cluster: 'edge', principal: 'somebody' } }
  assert.equal(said(put('a'), put('a', as)).reason, undefined)
})

test('what a link keeps is changed by the owner of the right shard only', () => {
  const started = [join('w1'), put('a'), begin]
  assert.deepEqual(said(...started).state.links['a']?.kept, {
    ...ids,
    epochBase: 0,
    topics: {},
    deleted: {},
    missing: [],
    bases: [],
    maps: {},
  })
  // The ids of whoever was first stay.
  const other = { ...begin, producerId: '9' } as LinksCommand
  assert.equal(said(...started, other).state.links['a']?.kept?.producerId, '1')
  const moved = [...started, join('w2'), { kind: 'leave', instance: 'w1' } as const]
  assert.match(said(...moved, adopt({ orders: 'x' })).reason!, /token 1 of shard \d+ is stale/)
  const wrong = { ...adopt({ orders: 'x' }), shard: (lead.shard + 1) % SHARDS } as LinksCommand
  assert.match(said(...started, wrong).reason!, /says nothing about this/)
  const range = { topic: 'orders', partition: 3, from: 5, to: 9 }
  const miss: LinksCommand = {
    kind: 'miss',
    name: 'a',
    shard: shardOf('a', 'orders', 3, SHARDS),
    token: 1,
    ...range,
  }
  assert.deepEqual(said(...started, miss, miss).state.links['a']?.kept?.missing, [range])
  assert.match(said(...moved, miss).reason!, /stale/)
})

test('a topic that was taken on keeps its id until it is forgotten', () => {
  const started = [join('w1'), put('a'), begin, adopt({ orders: 'x', payments: 'p' }), adopt({ orders: 'y' })]
  assert.deepEqual(said(...started).state.links['a']?.kept?.topics, {
    orders: { sourceId: 'x' },
    payments: { sourceId: 'p' },
  })
  const forget: LinksCommand = { kind: 'forget', name: 'a', ...lead, topic: 'orders', copyId: 'c' }
  const { kept } = said(...started, forget, adopt({ orders: 'y' })).state.links['a']!
  assert.deepEqual(kept?.topics, { payments: { sourceId: 'p' }, orders: { sourceId: 'y' } })
  assert.deepEqual(kept?.deleted, { orders: 'c' })
})

test('a link that is made again under its name goes on with what it kept, one with other ends does not', () => {
  const started = [join('w1'), put('a'), begin, adopt({ orders: 'x' })]
  const removed = [...started, { kind: 'remove', name: 'a', owner: 'api' } as const]
  assert.deepEqual(said(...removed).state.links, {})
  const again = said(...removed, put('a', { topics: { include: ['*'] } })).state
  assert.deepEqual(again.links['a']?.kept?.topics, { orders: { sourceId: 'x' } })
  assert.deepEqual(again.removed, [])
  assert.equal(said(...removed, put('a', { target: { cluster: 'other' } })).state.links['a']?.kept, null)
  const kept = {
    ...ids,
    producerId: '7',
    epochBase: 12,
    topics: {},
    deleted: {},
    missing: [],
    bases: [],
    maps: {},
  }
  assert.equal(said(put('a', {}, { kept })).state.links['a']?.kept?.epochBase, 12)
  assert.equal(said(...removed, put('a', {}, { kept })).state.links['a']?.kept?.producerId, '1')
})

test('only a stopped link is told where to go on, and what is forgotten is forgotten whole', () => {
  const started = [join('w1'), put('a'), begin, adopt({ orders: 'x', payments: 'p' })]
  const rebase = (more: Partial<Extract<LinksCommand, { kind: 'rebase' }>>): LinksCommand => ({
    kind: 'rebase',
    name: 'a',
    ids: null,
    bases: [],
    unbased: [],
    maps: {},
    forget: [],
    ...more,
  })
  const base = (topic: string, partition: number, end: number) => ({ topic, partition, end })
  const bases = [base('orders', 0, 5), base('payments', 0, 7)]
  assert.match(said(...started, rebase({ bases })).reason!, /not stopped/)
  const stopped: LinksCommand[] = [...started, { kind: 'desire', name: 'a', desired: 'stopped' }]
  const first = said(...stopped, rebase({ bases })).state.links['a']!.kept
  assert.deepEqual([first?.producerId, first?.bases], ['1', bases])
  const later = rebase({
    ids: { producerId: '7', fillerId: '8', markerId: '9' },
    bases: [base('orders', 0, 6)],
    unbased: [{ topic: 'payments', partition: 0 }],
    forget: ['orders'],
  })
  const second = said(...stopped, rebase({ bases }), later).state.links['a']!.kept
  assert.deepEqual(
    [second?.producerId, second?.bases, Object.keys(second?.topics ?? {})],
    ['7', [base('orders', 0, 6)], ['payments']],
  )
  const fresh = [put('b', { topics: { include: ['x'] }, desired: 'stopped' })]
  assert.match(said(...fresh, { ...rebase({ bases }), name: 'b' } as LinksCommand).reason!, /given no ids/)
})

test('a link that chooses again what another has taken on meanwhile has to take it on anew, and may not', () => {
  const all = { topics: { include: ['*'] } }
  const other: LinksCommand[] = [
    put('b', { source: { cluster: 'far' }, topics: { include: ['*'] } }),
    { kind: 'begin', name: 'b', shard: leadShardOf('b', SHARDS), token: 1, ...ids },
    { kind: 'adopt', name: 'b', shard: leadShardOf('b', SHARDS), token: 1, topics: { orders: 'o' } },
  ]
  const started = [join('w1'), put('a', all), begin, adopt({ orders: 'x', payments: 'p' })]
  const left = put('a', { topics: { include: ['*'], exclude: ['orders'] } })
  const again = said(...started, left, ...other, put('a', all))
  assert.deepEqual(again.state.links['b']?.kept?.topics, { orders: { sourceId: 'o' } })
  assert.deepEqual(again.state.links['a']?.kept?.topics, { payments: { sourceId: 'p' } })
  const refused = said(...started, left, ...other, put('a', all), adopt({ orders: 'x' })).state
  assert.deepEqual(Object.keys(refused.links['a']?.kept?.topics ?? {}), ['payments'])
})

test('a worker that is no member any more is not asked how its links stand', () => {
  const announce: LinksCommand = { kind: 'announce', worker: 'w1', address: 'http://127.0.0.1:1' }
  assert.match(said(announce).reason!, /not a member/)
  assert.deepEqual(Object.keys(said(join('w1'), announce).state.workers), ['w1'])
  assert.deepEqual(said(join('w1'), announce, { kind: 'leave', instance: 'w1' }).state.workers, {})
  const both = said(join('w1'), announce, join('w2'), { kind: 'leave', instance: 'w2' })
  assert.deepEqual(Object.keys(both.state.workers), ['w1'])
})

test(`whatever is asked in whatever order, versions rise, ids stay, and only owners of shards keep anything (seed ${SEED})`, () => {
  const name = fc.constantFrom('a', 'b')
  const instance = fc.constantFrom('w1', 'w2')
  const shard = fc.nat(SHARDS - 1)
  const token = fc.integer({ min: 0, max: 4 })
  const commands: fc.Arbitrary<LinksCommand> = fc.oneof(
    instance.map(join),
    fc.record({ kind: fc.constant('leave' as const), instance }),
    fc
      .tuple(name, fc.constantFrom('orders', 'payments'))
      .map(([which, topic]) => put(which, { topics: { include: [`${which}-${topic}`] } })),
    fc.record({ kind: fc.constant('remove' as const), name, owner: fc.constant('api' as const) }),
    fc.record({
      kind: fc.constant('begin' as const),
      name,
      shard,
      token,
      producerId: fc.nat().map(String),
      fillerId: fc.constant('2'),
      markerId: fc.constant('3'),
    }),
    fc.record({
      kind: fc.constant('adopt' as const),
      name,
      shard,
      token,
      topics: fc.constantFrom({ x: '1' }, { x: '2' }),
    }),
  )
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 80 }), all => {
      let state = linksMachine.initial
      const firstIds = new Map<string, string>()
      for (const [offset, command] of all.entries()) {
        const before = state
        const applied = linksMachine.apply(state, command, { offset, at: 0, writer: 'w', machineVersion: 1 })
        if (!applied.accepted) continue
        state = applied.state
        assert.deepEqual(linksState.parse(JSON.parse(JSON.stringify(state))), state)
        for (const [link, entry] of Object.entries(state.links)) {
          const was = before.links[link]
          if (was === undefined) continue
          assert.ok(entry.version >= was.version)
          if (entry.kept !== was.kept && command.kind === 'put') {
            // Another definition may lose topics that are another link's to write by now, and nothing else.
            const topics = Object.keys(entry.kept?.topics ?? {})
            assert.deepEqual({ ...entry.kept, topics: {} }, { ...was.kept, topics: {} })
            assert.ok(topics.every(topic => Object.hasOwn(was.kept?.topics ?? {}, topic)))
          } else if (entry.kept !== was.kept)
            assert.ok(
              'token' in command &&
                before.shards.assignments[leadShardOf(link, SHARDS)]?.token === command.token,
            )
        }
        for (const [link, { kept }] of Object.entries(state.links)) {
          if (kept === null) continue
          assert.equal(kept.producerId, firstIds.get(link) ?? kept.producerId)
          firstIds.set(link, kept.producerId)
        }
      }
    }),
    { seed: SEED, numRuns: 300 },
  )
})

test('a mapping is kept under the token of its shard only, is bounded, and goes with its topic', () => {
  const started = [join('w1'), put('a'), begin, adopt({ orders: 'x' })]
  const shard = shardOf('a', 'orders', 3, SHARDS)
  type MapCommand = Extract<LinksCommand, { kind: 'map' }>
  const map = (more: Partial<MapCommand>): MapCommand => ({
    kind: 'map',
    name: 'a',
    shard,
    token: 1,
    topic: 'orders',
    partition: 3,
    cut: null,
    below: 0,
    segments: [],
    before: 'nothing',
    why: 'gaps',
    ...more,
  })
  const first = map({
    segments: [
      [0, 0],
      [12, 10],
    ],
  })
  const mapsOf = (...commands: LinksCommand[]) => said(...started, ...commands).state.links['a']?.kept?.maps
  const kept = { segments: first.segments, before: 'nothing', why: 'gaps' }
  assert.deepEqual(mapsOf(first, first), { 'orders/3': kept })
  assert.deepEqual(mapsOf(first, map({ cut: 5 })), {})
  assert.match(said(...started, map({ shard: (shard + 1) % SHARDS })).reason!, /says nothing about this/)
  const moved: LinksCommand[] = [join('w2'), { kind: 'leave', instance: 'w1' }]
  assert.match(said(...started, ...moved, first).reason!, /stale/)

  const many = (from: number, count: number): [number, number][] =>
    Array.from({ length: count }, (_, n) => [(from + n) * 3, (from + n) * 2])
  const full = map({ segments: many(0, MAX_SEGMENTS) })
  const next = map({ segments: many(MAX_SEGMENTS, 1) })
  assert.match(said(...started, full, next).reason!, /at most 4000 are kept/)
  const deleted = said(...started, full, map({ segments: next.segments, below: 1_000 }))
  assert.equal(deleted.reason, undefined, 'what the target no longer holds makes room')
  assert.equal(deleted.state.links['a']?.kept?.maps['orders/3']?.segments[0]?.[1], 1_000)
  const forget: LinksCommand = { kind: 'forget', name: 'a', ...lead, topic: 'orders', copyId: null }
  assert.deepEqual(mapsOf(first, forget), {})
})
