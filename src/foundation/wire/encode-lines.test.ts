import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodePosition, POSITION_HEADER } from '../positions/position.ts'
import { xxh32 } from '../positions/xxh32.ts'
import { readBatchHeader, verifyCrc } from './batch.ts'
import { CODECS } from './codecs.ts'
import { LineBatch, maxLineBytes } from './encode-lines.ts'
import { recordsIn } from './records.ts'

const STREAM = '0123456789abcdef'
const OTHER = 'fedcba9876543210'

interface Line {
  readonly text: Buffer
  readonly eventTime: number
  readonly shippedAt: number
}

const line: fc.Arbitrary<Line> = fc.record({
  text: fc
    .oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 8000, maxLength: 20_000 }))
    .map(raw => Buffer.from(raw.map(byte => (byte === 10 ? 32 : byte)))),
  eventTime: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  shippedAt: fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 }),
})

/** The lines as they lie in a file, from byte `base` on; each is added and must come back. */
function shipAndCheck(lines: readonly Line[], base: number, codec: (typeof CODECS)[number]): void {
  const chunk = Buffer.concat(lines.flatMap(({ text }) => [text, Buffer.from('\n')]))
  const batch = new LineBatch({ stream: STREAM, maxBytes: 1024 * 1024, codec })
  let from = 0
  for (const { text, eventTime, shippedAt } of lines) {
    const to = from + text.length
    assert.ok(batch.add(chunk, from, to, base + from, text.length + 1, eventTime, shippedAt))
    from = to + 1
  }
  const bytes = batch.finish()
  const header = readBatchHeader(bytes)
  verifyCrc(bytes, header)
  assert.equal(header.size, bytes.length)
  const records = [...recordsIn(bytes, header)]
  assert.equal(records.length, lines.length)
  let start = base
  for (const [index, record] of records.entries()) {
    const { text, eventTime, shippedAt } = lines[index]!
    assert.deepEqual(record.value, text)
    assert.equal(record.key, null)
    assert.equal(record.timestamp, shippedAt)
    assert.deepEqual(
      record.headers.map(each => each.key),
      [POSITION_HEADER],
    )
    assert.deepEqual(decodePosition(record.headers[0]!.value!), {
      stream: STREAM,
      start,
      length: text.length + 1,
      eventDelta: eventTime - shippedAt,
      hash: xxh32(text),
    })
    start += text.length + 1
  }
}

test('lines come back as the records that the architecture describes, in every codec', () => {
  const base = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 52 }))
  for (const codec of CODECS) {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 12 }), base, (lines, at) =>
        shipAndCheck(lines, at, codec),
      ),
      { numRuns: 30 },
    )
  }
})

test('a batch takes lines until its limit and never exceeds it; an empty one takes the largest line', () => {
  const chunk = Buffer.alloc(10_000, 'x')
  for (const maxBytes of [300, 1000, 10_000]) {
    const batch = new LineBatch({ stream: STREAM, maxBytes })
    const largest = maxLineBytes(maxBytes)
    assert.equal(batch.add(chunk, 0, largest + 1, 0, largest + 2, 0, 1), false)
    assert.equal(batch.count, 0)
    assert.ok(batch.add(chunk, 0, largest, 2 ** 52, largest + 1, 0, 1_800_000_000_000))
    assert.ok(batch.finish().length <= maxBytes)
    let lines = 0
    while (batch.add(chunk, 0, 20, lines * 21, 21, 1_700_000_000_000, 1_700_000_000_000)) lines++
    assert.ok(lines > 0 && batch.count === lines)
    const bytes = batch.finish()
    assert.ok(bytes.length <= maxBytes && readBatchHeader(bytes).count === lines)
  }
})

test('small files may share a batch, each line under its own stream', () => {
  const batch = new LineBatch({ stream: STREAM })
  const chunk = Buffer.from('ab')
  batch.add(chunk, 0, 1, 0, 2, 5, 5)
  batch.switchStream(OTHER)
  batch.add(chunk, 1, 2, 7, 2, 5, 5)
  const bytes = batch.finish()
  const records = [...recordsIn(bytes, readBatchHeader(bytes))]
  const seen = records.map(each => [each.value!.toString(), decodePosition(each.headers[0]!.value!).stream])
  assert.deepEqual(seen, [
    ['a', STREAM],
    ['b', OTHER],
  ])
})

test('a batch given away is not written to again', () => {
  const batch = new LineBatch({ stream: STREAM })
  const chunk = Buffer.from('first second')
  batch.add(chunk, 0, 5, 0, 6, 1, 1)
  const first = batch.finish()
  const copy = Buffer.from(first)
  batch.add(chunk, 6, 12, 6, 7, 1, 1)
  batch.finish()
  assert.deepEqual(first, copy)
})
