import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../errors/errors.ts'
import {
  batchesIn,
  type HeaderChanges,
  hasValidCrc,
  RECORDS_AT,
  readBatchHeader,
  rewriteHeader,
  verifyCrc,
} from './batch.ts'
import { BatchBuilder, type RecordInput } from './build.ts'
import { CODECS } from './codecs.ts'
import { crc32c } from './crc32c.ts'
import { BATCH_CORRUPT, BATCH_MAGIC_UNSUPPORTED, BATCH_TOO_LARGE, WIRE_TRUNCATED } from './errors.ts'
import { type KafkaRecord, markerOf, readableRecords, recordsIn } from './records.ts'

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map(raw => Buffer.from(raw))
const header = fc.record(
  { key: fc.string({ unit: 'grapheme', maxLength: 12 }), value: fc.option(bytes(30)) },
  { noNullPrototype: true },
)
const record = fc.record({
  timestamp: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  key: fc.option(bytes(40)),
  value: fc.option(
    fc.oneof(
      bytes(300),
      fc.nat(5000).map(size => Buffer.alloc(size, 'log ')),
    ),
  ),
  headers: fc.array(header, { maxLength: 4 }),
})

function build(records: readonly RecordInput[], codec: (typeof CODECS)[number] = 'none'): Buffer {
  const builder = new BatchBuilder({ codec, maxBytes: 8 * 1024 * 1024 })
  for (const each of records) assert.ok(builder.add(each))
  return builder.finish()
}

function expected(records: readonly RecordInput[]): KafkaRecord[] {
  return records.map((each, offset) => ({
    offset,
    timestamp: each.timestamp,
    key: (each.key ?? null) as Buffer | null,
    value: each.value as Buffer | null,
    headers: (each.headers ?? []) as KafkaRecord['headers'],
  }))
}

test('records of any shape are read back from a batch as they went in, in every codec', () => {
  for (const codec of CODECS) {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 30 }), records => {
        const batch = build(records, codec)
        const header = readBatchHeader(batch)
        verifyCrc(batch, header)
        assert.equal(header.size, batch.length)
        assert.equal(header.count, records.length)
        assert.equal(header.lastOffset, records.length - 1)
        assert.equal(header.maxTimestamp, Math.max(...records.map(each => each.timestamp)))
        assert.deepEqual([...recordsIn(batch, header)], expected(records))
      }),
      { numRuns: 60 },
    )
  }
})

test('a builder stops at its limit and starts afresh after each batch', () => {
  const builder = new BatchBuilder({ maxBytes: 2000 })
  const value = Buffer.alloc(300, 'x')
  for (let round = 0; round < 3; round++) {
    let added = 0
    while (builder.add({ timestamp: 5, value })) added++
    assert.equal(added, 6)
    assert.equal(builder.count, 6)
    const size = builder.byteLength
    const batch = builder.finish()
    assert.ok(batch.length <= 2000 && batch.length === size)
    assert.equal([...recordsIn(batch, readBatchHeader(batch))].length, 6)
  }
  assert.throws(
    () => builder.add({ timestamp: 5, value: Buffer.alloc(2000) }),
    error => isAjnaError(error, BATCH_TOO_LARGE),
  )
  assert.throws(() => builder.finish(), RangeError)
})

test('a batch given away is not written to again', () => {
  const builder = new BatchBuilder({ maxBytes: 500 })
  builder.add({ timestamp: 1, value: Buffer.from('first') })
  const first = builder.finish()
  const copy = Buffer.from(first)
  builder.add({ timestamp: 2, value: Buffer.from('second') })
  builder.finish()
  assert.deepEqual(first, copy)
})

test('rewriting header fields keeps the records and derives the right checksum', () => {
  const int32 = fc.integer({ min: -1, max: 2 ** 31 - 1 })
  const changes: fc.Arbitrary<HeaderChanges> = fc.record(
    {
      baseOffset: fc.maxSafeInteger().map(n => Math.floor(Math.abs(n) / 2)),
      leaderEpoch: int32,
      producerId: fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }),
      producerEpoch: fc.integer({ min: -1, max: 32_767 }),
      baseSequence: int32,
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 10 }),
      changes,
      fc.nat(50),
      (records, change, before) => {
        const batch = build(records)
        const buffer = Buffer.concat([Buffer.alloc(before, 7), batch, Buffer.alloc(9, 7)])
        rewriteHeader(buffer, before, change)
        const header = readBatchHeader(buffer, before)
        assert.equal(header.crc, crc32c(buffer.subarray(before + 21, before + batch.length)))
        assert.equal(header.size, batch.length)
        assert.equal(header.baseOffset, change.baseOffset ?? 0)
        assert.equal(header.leaderEpoch, change.leaderEpoch ?? -1)
        assert.equal(header.producerId, change.producerId ?? -1n)
        assert.equal(header.producerEpoch, change.producerEpoch ?? -1)
        assert.equal(header.baseSequence, change.baseSequence ?? -1)
        const values = [...recordsIn(buffer, header)].map(each => each.value)
        assert.deepEqual(
          values,
          records.map(each => each.value),
        )
        assert.deepEqual(buffer.subarray(0, before), Buffer.alloc(before, 7))
        assert.deepEqual(buffer.subarray(before + batch.length), Buffer.alloc(9, 7))
      },
    ),
  )
})

test('a batch that was corrupt before its header was rewritten is corrupt afterwards', () => {
  const batch = build([{ timestamp: 1, value: Buffer.from('value') }])
  batch[batch.length - 3]! ^= 4
  rewriteHeader(batch, 0, { producerId: 9n, producerEpoch: 0, baseSequence: 77 })
  const header = readBatchHeader(batch)
  assert.equal(hasValidCrc(batch, header), false)
  assert.throws(
    () => verifyCrc(batch, header),
    error => isAjnaError(error, BATCH_CORRUPT),
  )
})

test('a walk over batches stops at the one that is cut short, wherever the cut is', () => {
  const builder = new BatchBuilder()
  const batches = [1, 2, 3].map(n => {
    builder.add({ timestamp: n, value: Buffer.alloc(n * 10) })
    const batch = builder.finish()
    rewriteHeader(batch, 0, { baseOffset: n * 5 })
    return batch
  })
  const all = Buffer.concat(batches)
  const ends = [0, batches[0]!.length, batches[0]!.length + batches[1]!.length, all.length]
  for (let end = 0; end <= all.length; end++) {
    const whole = ends.filter(each => each <= end)
    const walk = batchesIn(all, 0, end)
    let step = walk.next()
    let seen = 0
    for (; step.done !== true; step = walk.next(), seen++) assert.equal(step.value.at, ends[seen])
    assert.equal(seen, whole.length - 1)
    assert.equal(step.value, whole.at(-1))
  }
  assert.throws(
    () => readBatchHeader(all, 0, 60),
    error => isAjnaError(error, WIRE_TRUNCATED),
  )
})

test('messages of the formats before Kafka 0.11, and unknown ones, are named, not misread', () => {
  for (const magic of [0, 1, 3, 255]) {
    const batch = build([{ timestamp: 1, value: null }])
    batch[16] = magic
    for (const read of [() => readBatchHeader(batch), () => [...batchesIn(batch)]]) {
      assert.throws(
        read,
        error => isAjnaError(error, BATCH_MAGIC_UNSUPPORTED) && error.details['magic'] === magic,
      )
    }
  }
})

test('headers that contradict themselves are refused', () => {
  const damage: [string, (batch: Buffer) => void][] = [
    ['length below the header’s', batch => batch.writeInt32BE(48, 8)],
    ['negative length', batch => batch.writeInt32BE(-1, 8)],
    ['negative base offset', batch => batch.writeBigInt64BE(-1n, 0)],
    ['negative last offset delta', batch => batch.writeInt32BE(-1, 23)],
    ['more records than offsets', batch => batch.writeInt32BE(9, 57)],
    ['negative count', batch => batch.writeInt32BE(-1, 57)],
    ['last offset beyond 2^53', batch => batch.writeBigInt64BE(2n ** 53n - 1n, 0)],
  ]
  for (const [what, apply] of damage) {
    const batch = build([
      { timestamp: 1, value: null },
      { timestamp: 1, value: null },
    ])
    apply(batch)
    assert.throws(
      () => readBatchHeader(batch),
      error => isAjnaError(error, BATCH_CORRUPT),
      what,
    )
  }
  const twice = Buffer.concat([
    build([{ timestamp: 1, value: null }]),
    build([{ timestamp: 1, value: null }]),
  ])
  assert.throws(
    () => [...batchesIn(twice)],
    error => isAjnaError(error, BATCH_CORRUPT),
    'offsets that do not ascend',
  )
})

test('records that contradict their batch are refused', () => {
  const records = [
    { timestamp: 1, value: Buffer.from('abc') },
    { timestamp: 1, value: Buffer.from('def') },
  ]
  // The first record lies at byte 61: length, attributes, timestamp delta, offset delta, key, value length, value, headers.
  const damage: [string, (batch: Buffer) => void][] = [
    ['record longer than the batch', batch => batch.writeUInt8(0x7e, 61)],
    ['record of negative length', batch => batch.writeUInt8(0x01, 61)],
    ['offset delta beyond the last', batch => batch.writeUInt8(0x08, 64)],
    ['offset delta that does not ascend', batch => batch.writeUInt8(0x02, 64)],
    ['negative offset delta', batch => batch.writeUInt8(0x01, 64)],
    ['key of length -2', batch => batch.writeUInt8(0x03, 65)],
    ['value longer than the record', batch => batch.writeUInt8(0x20, 66)],
    ['value shorter than the record', batch => batch.writeUInt8(0x02, 66)],
    ['headers that are not there', batch => batch.writeUInt8(0x02, 70)],
    ['negative header count', batch => batch.writeUInt8(0x01, 70)],
    ['fewer records than bytes', batch => batch.writeInt32BE(1, 57)],
  ]
  for (const [what, apply] of damage) {
    const batch = build(records)
    apply(batch)
    assert.throws(
      () => [...recordsIn(batch, readBatchHeader(batch))],
      error => isAjnaError(error, BATCH_CORRUPT),
      what,
    )
  }
})

test('with log append time every record carries the broker’s time', () => {
  const batch = build([
    { timestamp: 1, value: null },
    { timestamp: 9, value: null },
  ])
  batch.writeInt16BE(0x08, 21)
  batch.writeBigInt64BE(4711n, 35)
  const times = [...recordsIn(batch, readBatchHeader(batch))].map(each => each.timestamp)
  assert.deepEqual(times, [4711, 4711])
})

test('transaction markers say how the transaction ended', () => {
  assert.equal(markerOf(Buffer.from('00000000', 'hex')), 'abort')
  assert.equal(markerOf(Buffer.from('00000001', 'hex')), 'commit')
  assert.equal(markerOf(Buffer.from('00000002', 'hex')), 'other')
  assert.equal(markerOf(null), 'other')
  assert.equal(markerOf(Buffer.alloc(2)), 'other')
})

test('a batch that cannot be read is told and passed over; markers and what was read before are too', () => {
  const good = (baseOffset: number, ...values: string[]): Buffer => {
    const builder = new BatchBuilder()
    for (const value of values) builder.add({ timestamp: 1, value: Buffer.from(value) })
    const bytes = builder.finish()
    rewriteHeader(bytes, 0, { baseOffset })
    return bytes
  }
  const builder = new BatchBuilder({ codec: 'gzip' })
  builder.add({ timestamp: 1, value: Buffer.from('lost') })
  const poison = builder.finish()
  poison.fill(0xff, RECORDS_AT)
  rewriteHeader(poison, 0, { baseOffset: 2 })
  const told: [number, number, string][] = []
  const read = readableRecords(
    Buffer.concat([good(0, 'a', 'b'), poison, good(3, 'c')]),
    ({ from, to, error }) => told.push([from, to, error.code]),
    1,
  )
  assert.deepEqual(
    Array.from(read, ({ offset, value }) => [offset, value?.toString()]),
    [
      [1, 'b'],
      [3, 'c'],
    ],
  )
  assert.deepEqual(told, [[2, 3, 'BATCH_CORRUPT']])
})
