import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBatchHeader } from '../wire/batch.ts'
import { BatchBuilder } from '../wire/build.ts'
import { CODECS } from '../wire/codecs.ts'
import { LineBatch } from '../wire/encode-lines.ts'
import { visitPositions } from './count.ts'
import { encodePosition, streamIdOf } from './position.ts'

const POSITION = { stream: '0123456789abcdef', start: 2 ** 40, length: 7, eventDelta: -1500, hash: 3 }

test('a counter sees each line’s position, event time and offset, in every codec', () => {
  for (const codec of CODECS) {
    const batch = new LineBatch({ stream: 'fedcba9876543210', codec })
    const chunk = Buffer.from('line\n'.repeat(500))
    const base = 2 ** 33
    for (let i = 0; i < 500; i++)
      batch.add(chunk, i * 5, i * 5 + 4, base + i * 5, 5, 1_700_000_000_000 - i, 1_700_000_001_000)
    const bytes = batch.finish()
    const seen: unknown[] = []
    const without = visitPositions(
      bytes,
      readBatchHeader(bytes),
      (high, low, start, length, eventTime, offset) => {
        seen.push([streamIdOf(high, low), start, length, eventTime, offset])
      },
    )
    assert.equal(without, 0)
    const expected = Array.from({ length: 500 }, (_, i) => [
      'fedcba9876543210',
      base + i * 5,
      5,
      1_700_000_000_000 - i,
      i,
    ])
    assert.deepEqual(seen, expected)
  }
})

test('records without a position are counted, other headers and keys are stepped over', () => {
  const builder = new BatchBuilder()
  const header = { key: 'p', value: encodePosition(POSITION) }
  builder.add({ timestamp: 2000, value: Buffer.from('no headers') })
  builder.add({
    timestamp: 2000,
    key: Buffer.from('k'),
    value: null,
    headers: [{ key: 'a', value: null }, { key: 'pp', value: Buffer.from('x') }, header],
  })
  builder.add({ timestamp: 2000, value: null, headers: [{ key: 'q', value: Buffer.from('x') }] })
  const bytes = builder.finish()
  const seen: number[] = []
  const without = visitPositions(
    bytes,
    readBatchHeader(bytes),
    (_high, _low, start, _length, eventTime, offset) => seen.push(start, eventTime, offset),
  )
  assert.equal(without, 2)
  assert.deepEqual(seen, [2 ** 40, 500, 1])
})

test('the markers of transactions are no records without a position', () => {
  const builder = new BatchBuilder()
  builder.add({ timestamp: 1, key: Buffer.from('00000001', 'hex'), value: Buffer.alloc(6) })
  const bytes = builder.finish()
  bytes.writeInt16BE(0x30, 21)
  assert.equal(
    visitPositions(bytes, readBatchHeader(bytes), () => assert.fail('visited')),
    0,
  )
})

test('a position that does not parse counts as none, and hides no other', () => {
  const good = encodePosition(POSITION)
  const bad = [
    null,
    Buffer.alloc(0),
    good.subarray(0, -1),
    Buffer.concat([good, Buffer.alloc(1)]),
    Buffer.alloc(20, 0xff),
  ]
  for (const value of bad) {
    const builder = new BatchBuilder()
    for (const each of [good, value, good])
      builder.add({ timestamp: 1, value: null, headers: [{ key: 'p', value: each }] })
    const bytes = builder.finish()
    const seen: number[] = []
    assert.equal(
      visitPositions(bytes, readBatchHeader(bytes), (...position) => seen.push(position[5])),
      1,
    )
    assert.deepEqual(seen, [0, 2])
  }
})

test('what a visitor throws is not taken for a bad record', () => {
  const builder = new BatchBuilder()
  builder.add({ timestamp: 1, value: null, headers: [{ key: 'p', value: encodePosition(POSITION) }] })
  const bytes = builder.finish()
  const failing = (): void => {
    throw new Error('the visitor’s own')
  }
  assert.throws(() => visitPositions(bytes, readBatchHeader(bytes), failing), /the visitor’s own/)
})
