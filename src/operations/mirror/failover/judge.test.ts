import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GroupFacts } from '../keep/facts.ts'
import type { PartitionLog, SideTopic } from './facts.ts'
import { caughtUp, drained, type Judged, reached, settled, stillReading, untouched } from './judge.ts'

const log = (partition: number, end: number, stable = end): PartitionLog => ({
  partition,
  start: 0,
  end,
  stable,
})
const topics = (name: string, logs: readonly PartitionLog[], unknown: SideTopic['unknown'] = []) =>
  new Map([[name, { name, id: 'A', logs, unknown }]])

const waitsFor = (judged: Judged): string => (judged.done ? '' : judged.waitsFor)
const PAIRS = [{ source: 'orders', copy: 'edge.orders' }]

test('settled: no transaction is open anywhere, and every partition says so', () => {
  assert.equal(waitsFor(settled(topics('orders', [log(0, 5), log(1, 0)]))), '')
  assert.equal(
    waitsFor(settled(topics('orders', [log(0, 5, 3)]))),
    'orders-0 has a transaction open since offset 3',
  )
  assert.match(
    waitsFor(settled(topics('orders', [log(0, 5)], [{ partition: 1, reason: 'no leader' }]))),
    /orders-1 does not answer: no leader/,
  )
})

test('caught up: every partition of the original ends where its copy does, by the names each side has', () => {
  const original = topics('orders', [log(0, 5), log(1, 7)])
  const judged = (logs: readonly PartitionLog[], unknown: SideTopic['unknown'] = []) =>
    waitsFor(caughtUp(PAIRS, original, 'source', topics('edge.orders', logs, unknown)))
  assert.equal(judged([log(0, 5), log(1, 7)]), '')
  assert.equal(judged([log(0, 5), log(1, 7), log(2, 0)]), '')
  assert.equal(judged([log(0, 5), log(1, 6)]), 'orders-1 is copied up to 6 of 7')
  assert.equal(judged([log(0, 6), log(1, 7)]), 'orders-0 ends at 5, its copy at 6')
  assert.equal(judged([log(0, 5)]), 'orders-1 has no copy')
  assert.equal(
    judged([log(0, 5), log(1, 7)], [{ partition: 2, reason: 'x' }]),
    'edge.orders-2 does not answer: x',
  )
  assert.equal(
    waitsFor(caughtUp(PAIRS, topics('edge.orders', [log(0, 5)]), 'copy', topics('orders', [log(0, 4)]))),
    'edge.orders-0 is copied up to 4 of 5',
  )
})

test('of many partitions that are behind a few are named, and how many there are besides', () => {
  const original = topics(
    'orders',
    Array.from({ length: 9 }, (_, partition) => log(partition, 5)),
  )
  const judged = caughtUp(PAIRS, original, 'source', new Map())
  assert.equal(
    waitsFor(judged),
    'orders-0 has no copy; orders-1 has no copy; orders-2 has no copy and 6 more',
  )
})

test('what a wait looks at tells movement from standstill', () => {
  const original = topics('orders', [log(0, 50)])
  const at = (end: number) => caughtUp(PAIRS, original, 'source', topics('edge.orders', [log(0, end)]))
  const [one, again, further] = [at(3), at(3), at(4)]
  assert.ok(!one.done && !again.done && !further.done)
  assert.equal(one.standing, again.standing)
  assert.notEqual(one.standing, further.standing)
})

test('reached: the copy has what the original had then, whatever came since', () => {
  const then = [{ topic: 'orders', partition: 0, end: 5 }]
  const copy = (end: number) => topics('orders', [log(0, end)])
  assert.equal(waitsFor(reached(then, [{ source: 'orders', copy: 'orders' }], copy(9), 'source')), '')
  assert.equal(
    waitsFor(reached(then, [{ source: 'orders', copy: 'orders' }], copy(4), 'source')),
    'orders-0 is copied up to 4 of 5',
  )
})

test('a group is drained when it has no members, or stands at every end it has a position on', () => {
  const logs = topics('orders', [log(0, 5), log(1, 7)])
  const group = (id: string, state: string, offsets: readonly number[]): GroupFacts => ({
    id,
    state,
    positions: offsets.map((offset, partition) => ({ topic: 'orders', partition, offset, metadata: '' })),
  })
  const groups = [
    group('empty', 'Empty', [0, 0]),
    group('dead', 'Dead', [0, 0]),
    group('done', 'Stable', [5, 7]),
    group('half', 'Stable', [5]),
    group('reading', 'Stable', [5, 4]),
    group('rebalancing', 'PreparingRebalance', [0, 7]),
    group('others', 'Stable', [0, 0]),
  ]
  const reading = stillReading(groups, logs, id => id !== 'others')
  assert.deepEqual(reading, [
    { group: 'half', unread: 7 },
    { group: 'reading', unread: 3 },
    { group: 'rebalancing', unread: 5 },
  ])
  assert.equal(
    waitsFor(drained(reading)),
    'group half has 7 records to read; group reading has 3 records to read; group rebalancing has 5 records to read',
  )
  assert.equal(waitsFor(drained([])), '')
})

test('untouched: no log has grown, shrunk, or come into being with records since', () => {
  const fork = [
    { topic: 'orders', partition: 0, end: 5 },
    { topic: 'orders', partition: 1, end: 0 },
  ]
  const now = (a: number, b: number, more: typeof fork = []) => [
    { topic: 'orders', partition: 0, end: a },
    { topic: 'orders', partition: 1, end: b },
    ...more,
  ]
  assert.equal(waitsFor(untouched(fork, now(5, 0))), '')
  assert.equal(waitsFor(untouched(fork, now(5, 0, [{ topic: 'orders', partition: 2, end: 0 }]))), '')
  assert.equal(waitsFor(untouched(fork, now(6, 0))), 'orders-0 ends at 6, it ended at 5')
  assert.equal(
    waitsFor(untouched(fork, now(5, 0, [{ topic: 'orders', partition: 2, end: 1 }]))),
    'orders-2 ends at 1, it ended at 0',
  )
})
