import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definitionOf } from '../../../test/mirror/links-state.ts'
import { memoryRegistry } from '../../../test/mirror/memory-registry.ts'
import type { LinkStatus } from '../../operations/mirror/contract.ts'
import type { KeepStatus } from '../../operations/mirror/keep/status.ts'
import type { LinkEntry } from '../../operations/mirror/registry.ts'
import { watchLinks } from './links.ts'

const keep: KeepStatus = {
  link: 'a',
  observedAt: 7,
  roundAt: 5,
  roundTookMs: 1,
  reason: '',
  changed: 2,
  failed: 0,
  left: [{ what: 'quota', subject: 'user=x', reason: 'set by somebody else' }],
  groups: [
    {
      group: 'readers',
      state: 'held',
      reason: '',
      heldRecords: 3,
      asOf: 5,
      freshnessMs: 2,
      seenToMovedMs: 1,
    },
  ],
}

const partition = (targetEnd: number, sourceEnd: number): LinkStatus['partitions'][number] => ({
  topic: 'orders',
  partition: 0,
  state: 'copying',
  halted: null,
  reason: '',
  since: 0,
  targetEnd,
  sourceStart: 0,
  sourceEnd,
  lagRecords: sourceEnd - targetEnd,
  lagMs: 500,
  records: 1,
  bytes: 1,
  rebuiltBatches: 0,
  filledOffsets: 0,
  missing: [],
})

test('a link is shown with its verdict, what it keeps in step, and which side is the original', async () => {
  let now = 0
  const registry = memoryRegistry({ now: () => now })
  await registry.put(definitionOf('a'))
  const step = { name: 'stop-link', startedAt: 3, endedAt: null } as const
  const underWay = { action: 'promote', planned: true, startedAt: 2, step: 'stop-link', stuck: null } as const
  const sides: LinkEntry['sides'] = { phase: 'promoting', underWay: { ...underWay, steps: [step] } }
  const switched = { ...registry, list: () => registry.list().map(entry => ({ ...entry, sides })) }
  const watch = watchLinks({ declared: [], registry: () => switched, ends: () => null, now: () => now })
  for (; now < 12_000; now += 1_000) {
    registry.say('a', {
      state: 'running',
      observedAt: now,
      partitions: [{ ...partition(5, 10 + now / 1_000), missing: [{ from: 1, to: 4 }] }],
      keep,
    })
    watch.note('a')
  }
  const [link] = watch.links()
  assert.deepEqual([link?.verdict, link?.assigned[0]?.verdict], ['stalled', 'stalled'])
  assert.match(link?.assigned[0]?.verdictReason ?? '', /it has stood at 5 for 9 s, \d+ records behind/)
  assert.deepEqual(link?.sides, {
    phase: 'promoting',
    underWay: { ...underWay, here: false, steps: [{ ...step, text: 'stop the link' }] },
  })
  assert.deepEqual(link?.verdicts, { ok: 0, warning: 0, stalled: 1, stopped: 0, rewound: 0 })
  assert.deepEqual([link?.missingOffsets, link?.assigned[0]?.missing], [3, [{ from: 1, to: 4 }]])
  assert.deepEqual(link?.lagHistory, [16], 'the most it was behind within the minute')
  assert.deepEqual([link?.owner, link?.desired, link?.keeps], ['api', 'running', []])
  assert.deepEqual(
    [link?.keep?.roundAt, link?.keep?.left.length, link?.keep?.groups],
    [5, 1, [{ group: 'readers', state: 'held', reason: '', heldRecords: 3, freshnessMs: 2 }]],
  )
  registry.say('a', { state: 'stopped', observedAt: now, partitions: [] })
  watch.note('a')
  assert.deepEqual(
    watch.links().map(({ state, reason, verdict }) => [state, reason, verdict]),
    [['stopped', 'its sides are switched: promoting', null]],
  )
})

test('a partition that nobody reads is as far behind as its source has grown since', async () => {
  const registry = memoryRegistry()
  await registry.put(definitionOf('a'))
  const asked: string[] = []
  const ends = (cluster: string, topic: string, number: number): number => {
    asked.push(`${cluster} ${topic}-${number}`)
    return 30
  }
  const watch = watchLinks({ declared: [], registry: () => registry, ends, now: () => 1_000 })
  const paused = { ...partition(10, 10), state: 'paused', lagMs: 0 } as const
  const halted = {
    ...partition(10, 12),
    partition: 1,
    state: 'halted',
    halted: 'target-ahead',
    lagMs: 700,
  } as const
  const copying = { ...partition(10, 12), partition: 2, lagMs: 5 }
  registry.say('a', { state: 'paused', observedAt: 1_000, partitions: [paused, halted, copying] })
  watch.note('a')
  const [link] = watch.links()
  assert.deepEqual(
    link?.assigned.map(({ sourceEnd, lagRecords, lagMs }) => [sourceEnd, lagRecords, lagMs]),
    [
      [30, 20, null],
      [30, 20, 700],
      [12, 2, 5],
    ],
  )
  assert.deepEqual([link?.lagRecords, link?.lagMs, link?.lagHistory], [42, null, [42]])
  assert.deepEqual(new Set(asked), new Set(['edge orders-0', 'edge orders-1']))
})

test('a link says why what it copies stands still: what somebody has to mend before what waits by itself', async () => {
  const registry = memoryRegistry()
  await registry.put(definitionOf('a'))
  const watch = watchLinks({ declared: [], registry: () => registry, ends: () => null, now: () => 1_000 })
  const waiting = { ...partition(10, 10), lagMs: 0, state: 'waiting', reason: 'no answer' } as const
  const blocked = { ...waiting, partition: 1, state: 'blocked', reason: 'not allowed' } as const
  const reasonWith = (partitions: readonly LinkStatus['partitions'][number][]): string | undefined => {
    registry.say('a', { state: 'running', observedAt: 1_000, partitions: [...partitions] })
    return watch.links()[0]?.reason
  }
  assert.equal(reasonWith([{ ...partition(10, 10), lagMs: 0 }]), '')
  assert.equal(reasonWith([waiting]), 'orders-0: no answer')
  assert.equal(reasonWith([waiting, blocked]), 'orders-1: not allowed')
})

test('a link says which workers copy it, and how many partitions each of them has', async () => {
  const registry = memoryRegistry()
  await registry.put(definitionOf('a'))
  const watch = watchLinks({ declared: [], registry: () => registry, ends: () => null, now: () => 1_000 })
  const partitions = ['h.mirror-2', 'h.mirror-1', 'h.mirror-2'].map((worker, number) => ({
    ...partition(10, 10),
    partition: number,
    worker,
  }))
  registry.say('a', { state: 'running', observedAt: 1_000, partitions })
  assert.deepEqual(watch.links()[0]?.workers, [
    { name: 'h.mirror-1', partitions: 1 },
    { name: 'h.mirror-2', partitions: 2 },
  ])
})
