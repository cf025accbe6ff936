import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BUCKET_MS, GRACE_MS, LONGEST_GRACE_MS, type Tier, tiers } from './contract.ts'
import {
  applyAudit,
  applyHeld,
  applyUncounted,
  emptyLedger,
  forgetBefore,
  fromSnapshot,
  type Ledger,
  toSnapshot,
} from './ledger.ts'
import { bucketVerdicts, streamVerdicts, unauditedStreams } from './verdict.ts'

const bucket = 1_000 * BUCKET_MS
const stream = '00000000000000aa'
const after = bucket + BUCKET_MS + LONGEST_GRACE_MS + 1_000

function audited(...ranges: readonly (readonly [number, number])[]): Ledger {
  const ledger = emptyLedger()
  const firstSeen = bucket
  applyAudit(
    ledger,
    { type: 'stream', stream, site: 'edge', host: 'h1', tenant: 't', path: '/var/log/a.log', firstSeen },
    bucket,
  )
  for (const [start, end] of ranges)
    applyAudit(ledger, { type: 'ranges', stream, ranges: [{ bucket, start, end, lines: 1 }] }, bucket + 1_000)
  applyAudit(ledger, { type: 'watch', host: 'h1', site: 'edge', at: after, files: 1, pendingBytes: 0 }, after)
  return ledger
}

const held = (ledger: Ledger, tier: Tier, id: string, start: number, end: number): void =>
  applyHeld(ledger, tier, id, start, end, bucket + 2_000)

const states = (ledger: Ledger, now = after): string[] =>
  streamVerdicts(ledger, bucket, now)[0]!.tiers.map(tier => tier.state)

test('a bucket is complete at the tiers that hold every audited byte exactly once', () => {
  const ledger = audited([0, 100], [100, 250])
  for (const tier of ['local', 'aggregate'] as const) held(ledger, tier, stream, 0, 250)
  held(ledger, 'archive', stream, 0, 120)
  assert.deepEqual(states(ledger), ['complete', 'complete', 'missing'])
  const [verdict] = streamVerdicts(ledger, bucket, after)
  assert.deepEqual(verdict?.tiers[2]?.missing, [{ start: 120, end: 250 }])
  assert.equal(verdict?.tiers[2]?.lostHereBytes, 130)
})

test('a loss is charged to the tier where it happened, not to those after it', () => {
  const ledger = audited([0, 100])
  held(ledger, 'local', stream, 0, 100)
  held(ledger, 'aggregate', stream, 0, 40)
  held(ledger, 'archive', stream, 0, 30)
  const lost = streamVerdicts(ledger, bucket, after)[0]!.tiers.map(tier => tier.lostHereBytes)
  assert.deepEqual(lost, [0, 60, 10])
})

test('what was seen twice at a tier is duplicated, and missing outranks it', () => {
  const ledger = audited([0, 100])
  for (const tier of tiers) held(ledger, tier, stream, 0, 100)
  held(ledger, 'aggregate', stream, 50, 60)
  assert.deepEqual(states(ledger), ['complete', 'duplicated', 'complete'])
  assert.equal(bucketVerdicts(ledger, { from: 0, to: after, now: after })[0]!.tiers[1]!.duplicatedBytes, 10)
})

test('nothing is judged before the grace has passed, for old lines since the auditor named them', () => {
  assert.deepEqual(states(audited([0, 10]), bucket + BUCKET_MS), ['open', 'open', 'open'])
  const ledger = audited()
  applyAudit(ledger, { type: 'ranges', stream, ranges: [{ bucket, start: 0, end: 9, lines: 1 }] }, after)
  assert.deepEqual(states(ledger, after + GRACE_MS.local - 1), ['open', 'open', 'open'])
  assert.deepEqual(states(ledger, after + GRACE_MS.local), ['missing', 'missing', 'open'])
  const closed = (now: number) => bucketVerdicts(ledger, { from: 0, to: after, now })[0]?.closed
  assert.equal(closed(after + LONGEST_GRACE_MS - 1), false)
  assert.equal(closed(after + LONGEST_GRACE_MS), true)
  assert.deepEqual(states(ledger, after + LONGEST_GRACE_MS), ['missing', 'missing', 'missing'])
})

test('without the auditor’s word past the end of the bucket, nothing is called complete', () => {
  const ledger = audited([0, 10])
  ledger.watches.set('h1', { site: 'edge', at: bucket + BUCKET_MS - 1, files: 1, pendingBytes: 0 })
  for (const tier of tiers) held(ledger, tier, stream, 0, 10)
  assert.deepEqual(states(ledger), ['unknown', 'unknown', 'unknown'])
})

test('what records that were gone before they were counted may have held is unknown, not missing', () => {
  const ledger = audited([0, 10])
  held(ledger, 'local', stream, 0, 10)
  held(ledger, 'archive', stream, 0, 10)
  assert.deepEqual(states(ledger), ['complete', 'missing', 'complete'])
  applyUncounted(ledger, 'aggregate', bucket - 1)
  assert.deepEqual(states(ledger), ['complete', 'missing', 'complete'])
  applyUncounted(ledger, 'aggregate', bucket + 5_000)
  assert.deepEqual(states(ledger), ['complete', 'unknown', 'complete'])
  held(ledger, 'aggregate', stream, 0, 10)
  assert.deepEqual(states(ledger), ['complete', 'complete', 'complete'])
})

test('what a tier holds and no auditor ever speaks of is told, once there was time to', () => {
  const ledger = audited([0, 10])
  held(ledger, 'local', stream, 0, 10)
  held(ledger, 'local', 'bb', 0, 70)
  held(ledger, 'aggregate', 'cc', 0, 700)
  assert.deepEqual(unauditedStreams(ledger, bucket + 3_000), [])
  assert.deepEqual(unauditedStreams(fromSnapshot(toSnapshot(ledger)), after), [
    { stream: 'cc', bytes: 700 },
    { stream: 'bb', bytes: 70 },
  ])
})

test('lines that come after their bucket has closed are said to be late; old files found late are not', () => {
  const ledger = audited([0, 10])
  applyAudit(ledger, { type: 'ranges', stream, ranges: [{ bucket, start: 10, end: 30, lines: 2 }] }, after)
  const old = bucket - 1_000 * BUCKET_MS
  applyAudit(
    ledger,
    { type: 'ranges', stream, ranges: [{ bucket: old, start: 30, end: 90, lines: 2 }] },
    after,
  )
  assert.equal(streamVerdicts(ledger, bucket, after)[0]!.lateBytes, 20)
  assert.equal(streamVerdicts(ledger, old, after)[0]!.lateBytes, 0)
})

test('saying the same again changes nothing; the first word on a byte counts', () => {
  const ledger = audited([0, 100])
  applyAudit(
    ledger,
    { type: 'ranges', stream, ranges: [{ bucket: bucket + BUCKET_MS, start: 50, end: 150, lines: 2 }] },
    after,
  )
  const bytes = (of: number): number => streamVerdicts(ledger, of, after)[0]!.auditedBytes
  assert.equal(bytes(bucket), 100)
  assert.equal(bytes(bucket + BUCKET_MS), 50)
})

test('verdicts agree with a count byte by byte, and survive being written down', () => {
  const range = fc.tuple(fc.nat(60), fc.nat(20)).map(([start, length]) => [start, start + length] as const)
  const ranges = fc.array(range, { maxLength: 8 })
  fc.assert(
    fc.property(ranges, ranges, ranges, (file, local, aggregate) => {
      const ledger = audited(...file)
      for (const [start, end] of local) held(ledger, 'local', stream, start, end)
      for (const [start, end] of aggregate) held(ledger, 'aggregate', stream, start, end)
      const restored = fromSnapshot(JSON.parse(JSON.stringify(toSnapshot(ledger))))
      const [verdict] = streamVerdicts(restored, bucket, after)
      const times = (of: readonly (readonly [number, number])[], byte: number): number =>
        of.filter(([start, end]) => start <= byte && byte < end).length
      const bytes = Array.from({ length: 81 }, (_, byte) => byte).filter(byte => times(file, byte) > 0)
      if (verdict === undefined) return assert.equal(bytes.length, 0)
      assert.equal(verdict.auditedBytes, bytes.length)
      const [first, second] = verdict.tiers
      assert.equal(first!.missingBytes, bytes.filter(byte => times(local, byte) === 0).length)
      assert.equal(first!.duplicatedBytes, bytes.filter(byte => times(local, byte) > 1).length)
      const lost = bytes.filter(byte => times(aggregate, byte) === 0 && times(local, byte) > 0)
      assert.equal(second!.lostHereBytes, lost.length)
    }),
  )
})

test('old buckets are forgotten, with the streams that lived only in them', () => {
  const ledger = audited([0, 10])
  forgetBefore(ledger, bucket + 1)
  assert.equal(ledger.streams.size, 0)
  assert.equal(ledger.byBucket.size, 0)
})
