import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { latencies, noteLatency, summarize } from './latency.ts'
import { MIN_RECORD_BYTES, readRecord, writeRecord } from './record.ts'
import { dueAt, dueBy, scheduleOf } from './schedule.ts'
import { acknowledge, loadStream, sendNext, unknownOf } from './stream.ts'
import { closeTimeline, GAP_FROM_MS, noteAcknowledgement, partitionTimeline } from './timeline.ts'

test('a record says who it is; damaged at any byte, cut, or of another run, it is nobody', () => {
  const run = Buffer.from('01234567')
  const record = Buffer.alloc(MIN_RECORD_BYTES + 13)
  const identity = { producer: 3, partition: 70_000, sequence: 2 ** 40 + 5 }
  writeRecord(record, run, identity)
  assert.deepEqual(readRecord(record, run), identity)
  for (let at = 0; at < record.length; at++) {
    const damaged = Buffer.from(record)
    damaged[at]! ^= 0x10
    assert.equal(readRecord(damaged, run), undefined, `byte ${at}`)
  }
  assert.equal(readRecord(record.subarray(0, 30), run), undefined)
  assert.equal(readRecord(record.subarray(0, 4), run), undefined)
  assert.equal(readRecord(null, run), undefined)
  assert.equal(readRecord(record, Buffer.from('76543210')), undefined)
})

test('what is due by a moment is what is due before it, at any rate', () => {
  const anyRate = fc.record({
    rate: fc.integer({ min: 1, max: 20_000 }),
    streams: fc.integer({ min: 1, max: 400 }),
    elapsed: fc.double({ min: 0, max: 1_800_000, noNaN: true }),
    pick: fc.nat(),
  })
  fc.assert(
    fc.property(anyRate, ({ rate, streams, elapsed, pick }) => {
      const startAt = 1_795_000_000_000
      const schedule = scheduleOf(startAt, rate, streams)
      const stream = pick % streams
      const due = dueBy(schedule, stream, startAt + elapsed)
      if (due > 0) assert.ok(dueAt(schedule, stream, due - 1) <= startAt + elapsed)
      assert.ok(dueAt(schedule, stream, due) > startAt + elapsed)
    }),
  )
})

test('all streams together are due at the rate asked for', () => {
  const schedule = scheduleOf(0, 300, 12)
  let due = 0
  for (let stream = 0; stream < 12; stream++) due += dueBy(schedule, stream, 9_999.9)
  assert.ok(Math.abs(due - 3_000) <= 1, `${due}`)
})

test('acknowledgements out of order leave exactly what was not answered', () => {
  const stream = loadStream(0, 0)
  const [a, b, c] = [sendNext(stream, 2), sendNext(stream, 3), sendNext(stream, 1)]
  acknowledge(stream, b!)
  assert.equal(stream.low, 0)
  assert.deepEqual(unknownOf(stream), [
    [0, 2],
    [5, 6],
  ])
  acknowledge(stream, a!)
  assert.equal(stream.low, 5)
  acknowledge(stream, c!)
  assert.deepEqual([stream.low, stream.sent, stream.underWay.length], [6, 6, 0])
})

test('a gap begins when a write is due that nobody takes, not with the silence before it', () => {
  const timeline = partitionTimeline(0, 0)
  noteAcknowledgement(timeline, 100, 95, 1)
  // Nothing was due for five seconds: that is no outage.
  noteAcknowledgement(timeline, 5_110, 5_100, 1)
  assert.deepEqual(timeline.gaps, [])
  noteAcknowledgement(timeline, 9_100, 5_200, 10)
  closeTimeline(timeline, 12_000, 9_300)
  assert.deepEqual(timeline.gaps, [
    { from: 5_200, to: 9_100, open: false },
    { from: 9_300, to: 12_000, open: true },
  ])
})

/** Longest time, to the millisecond, in which something was due and nothing was acknowledged. */
function longestGapSlowly(
  records: readonly { readonly due: number; readonly acked: number }[],
  end: number,
): number {
  let [longest, since] = [0, -1]
  for (let at = 0; at <= end; at++) {
    const waiting = records.some(({ due, acked }) => due <= at && acked > at)
    const acknowledges = records.some(({ acked }) => acked === at)
    if (since >= 0 && (acknowledges || !waiting)) longest = Math.max(longest, at - since)
    if (!waiting) since = -1
    else if (since < 0 || acknowledges) since = at
  }
  return longest
}

test('the longest gap is that of the clock, for any order of acknowledgements', () => {
  const record = fc
    .tuple(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 1, max: 2_500 }))
    .map(([due, wait]) => ({ due, acked: due + wait }))
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 8 }), records => {
      const timeline = partitionTimeline(0, 0)
      const left = new Set(records)
      const byAck = [...records].sort((a, b) => a.acked - b.acked)
      for (const each of byAck) {
        const due = [...left].map(other => other.due)
        noteAcknowledgement(timeline, each.acked, Math.min(...due), 1)
        left.delete(each)
      }
      const longest = Math.max(0, ...timeline.gaps.map(({ from, to }) => to - from))
      const truth = longestGapSlowly(records, 6_000)
      assert.equal(longest, truth >= GAP_FROM_MS ? truth : 0)
    }),
    { numRuns: 200 },
  )
})

test('a timeline keeps its longest gaps when there are too many, and says how many it dropped', () => {
  const timeline = partitionTimeline(0, 0)
  for (let i = 1; i <= 1_200; i++) noteAcknowledgement(timeline, i * 10_000, i * 10_000 - GAP_FROM_MS - i, 1)
  assert.deepEqual([timeline.gaps.length, timeline.gapsDropped], [1_000, 200])
  assert.equal(Math.min(...timeline.gaps.map(({ from, to }) => to - from)), GAP_FROM_MS + 201)
})

test('a percentile is not below the truth and at most a tenth above it', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 1, max: 100_000, noNaN: true }), { minLength: 1 }), waits => {
      const all = latencies(0)
      for (const wait of waits) noteLatency(all, 500, 500 + wait)
      const { p50Ms, p99Ms, maxMs, records } = summarize(all, 0, 1)!
      const sorted = [...waits].sort((a, b) => a - b)
      const truth = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1]!
      assert.equal(records, waits.length)
      for (const [found, share] of [
        [p50Ms, 0.5],
        [p99Ms, 0.99],
        [maxMs, 1],
      ] as const)
        assert.ok(
          found >= truth(share) - 0.06 && found <= truth(share) * 1.1 + 0.06,
          `${found} ${truth(share)}`,
        )
    }),
  )
})

test('latencies belong to the second in which their record was due', () => {
  const all = latencies(10_000)
  noteLatency(all, 10_500, 10_510)
  noteLatency(all, 13_999, 19_999)
  assert.equal(summarize(all, 10_000, 13_000)!.maxMs, 10)
  assert.equal(summarize(all, 13_000, 14_000)!.maxMs, 6_000)
  assert.equal(summarize(all, 11_000, 13_000), undefined)
})
