import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineRecord, testStream } from '../../../test/archive/shipping.ts'
import { rewriteHeader } from '../../foundation/wire/batch.ts'
import { BatchBuilder, type RecordInput } from '../../foundation/wire/build.ts'
import { CODECS, type Codec } from '../../foundation/wire/codecs.ts'
import { appendRecords, noStream, RowBuffer } from './rows.ts'
import { StreamRegistry } from './streams.ts'

function batch(records: readonly RecordInput[], baseOffset: number, codec: Codec = 'none'): Buffer {
  const builder = new BatchBuilder({ codec })
  for (const record of records) assert.ok(builder.add(record))
  const bytes = builder.finish()
  rewriteHeader(bytes, 0, { baseOffset })
  return bytes
}

test('takes position, times, bytes and offset of every record, in every codec', () => {
  for (const codec of CODECS) {
    const stream = testStream('h')
    const texts = Array.from({ length: 700 }, (_, i) => `line ${i} ${'y'.repeat(i % 90)}`)
    const records = texts.map((text, i) =>
      lineRecord(stream, { text, eventTime: 1_000_000 + i, shipped: 2_000_000 + i }),
    )
    const bytes = Buffer.concat([
      batch(records.slice(0, 300), 40, codec),
      batch(records.slice(300), 900, codec),
    ])
    const rows = new RowBuffer()
    const streams = new StreamRegistry()
    appendRecords(rows, bytes, 0, streams)
    assert.equal(rows.rows, 700)
    let position = 0
    for (let i = 0; i < 700; i++) {
      assert.equal(streams.streams[rows.stream[i]!]!.id, stream.stream)
      assert.equal(rows.time[i], 1_000_000 + i)
      assert.equal(rows.shipped[i], 2_000_000 + i)
      assert.equal(rows.position[i], position)
      assert.equal(rows.length[i], texts[i]!.length + 1)
      assert.equal(rows.offset[i], i < 300 ? 40 + i : 600 + i)
      assert.equal(rows.line[i]!.toString(), texts[i])
      assert.equal(rows.raw[i], null)
      position += texts[i]!.length + 1
    }
  }
})

test('passes over what lies below the offset asked for', () => {
  const stream = testStream('h')
  const records = Array.from({ length: 10 }, (_, i) =>
    lineRecord(stream, { text: `${i}`, eventTime: 1, shipped: 1 }),
  )
  const rows = new RowBuffer()
  appendRecords(
    rows,
    Buffer.concat([batch(records.slice(0, 5), 100), batch(records.slice(5), 105)]),
    107,
    new StreamRegistry(),
  )
  assert.deepEqual(Array.from(rows.offset.subarray(0, rows.rows)), [107, 108, 109])
})

test('an agent’s barrier is no line', () => {
  const barrier = { timestamp: 1, value: null, headers: [{ key: 'b', value: Buffer.from('agent') }] }
  const tombstone = { timestamp: 1, value: null, headers: [{ key: 'x', value: null }] }
  const line = lineRecord(testStream('h'), { text: 'line', eventTime: 1, shipped: 1 })
  const rows = new RowBuffer()
  appendRecords(rows, batch([barrier, line, tombstone], 0), 0, new StreamRegistry())
  assert.deepEqual(Array.from(rows.offset.subarray(0, rows.rows)), [1, 2])
})

test('keeps records whose position is absent, broken, or impossible, as such', () => {
  const header = (value: Buffer | null) => [{ key: 'p', value }]
  const good = lineRecord(testStream('h'), { text: 'good', eventTime: 5, shipped: 5 })
  const position = good.headers![0]!.value! as Buffer
  const value = Buffer.from('kept')
  const odd: RecordInput[] = [
    { timestamp: 7, value },
    { timestamp: 7, value, headers: header(null) },
    { timestamp: 7, value, headers: header(Buffer.alloc(0)) },
    { timestamp: 7, value, headers: header(position.subarray(0, -1)) },
    { timestamp: 7, value, headers: header(Buffer.concat([position, Buffer.from([0])])) },
    { timestamp: 7, value, headers: header(Buffer.alloc(12, 0xff)) },
    { timestamp: -1, value, headers: [{ key: 'q', value: position }] },
    { timestamp: 4_503_599_627_370_496, value },
  ]
  const rows = new RowBuffer()
  appendRecords(rows, batch(odd, 0), 0, new StreamRegistry())
  assert.equal(rows.rows, odd.length)
  assert.equal(rows.withoutPosition, odd.length)
  for (let i = 0; i < odd.length; i++) {
    assert.equal(rows.stream[i], noStream)
    assert.equal(rows.line[i]!.toString(), 'kept')
    assert.equal(rows.time[i], i < 6 ? 7 : 0)
  }
})

test('finds the position behind other headers, and keeps bytes that are not UTF-8', () => {
  const stream = testStream('h')
  const record = lineRecord(stream, { text: Buffer.from([0xff, 0x41]), eventTime: 1, shipped: 2 })
  const others = [
    { key: 'trace', value: Buffer.from('abc') },
    { key: 'empty', value: null },
  ]
  const rows = new RowBuffer()
  appendRecords(
    rows,
    batch([{ ...record, headers: [...others, ...record.headers!] }], 0),
    0,
    new StreamRegistry(),
  )
  assert.equal(rows.withoutPosition, 0)
  assert.deepEqual(rows.raw[0], Buffer.from([0xff, 0x41]))
})

test('a batch that cannot be read is said to be missing; the ones around it are taken', () => {
  const stream = testStream('h')
  const some = (count: number) =>
    Array.from({ length: count }, () => lineRecord(stream, { text: 'x', eventTime: 1, shipped: 1 }))
  const broken = batch(some(5), 10, 'none')
  broken.fill(0xff, 100)
  const bomb = batch(some(3), 15, 'zstd')
  bomb[22] = 7 // a codec that does not exist
  const rows = new RowBuffer()
  const bytes = Buffer.concat([batch(some(10), 0), broken, bomb, batch(some(2), 18)])
  assert.deepEqual(appendRecords(rows, bytes, 0, new StreamRegistry()), [
    { from: 10, to: 15, reason: 'unreadable' },
    { from: 15, to: 18, reason: 'unreadable' },
  ])
  assert.deepEqual(Array.from(rows.offset.subarray(0, rows.rows)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 18, 19])
  assert.equal(rows.withoutPosition, 0)
})
