import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../errors/errors.ts'
import { POSITION_MALFORMED } from './errors.ts'
import { decodePosition, encodePosition, MAX_POSITION_BYTES, streamIdOf, streamWords } from './position.ts'

const word = fc.nat(0xffff_ffff)

test('a position is read back as it was written', () => {
  const size = fc.maxSafeInteger().map(Math.abs)
  fc.assert(
    fc.property(
      word,
      word,
      size,
      size,
      fc.maxSafeInteger(),
      word,
      (high, low, start, length, eventDelta, hash) => {
        const stream = streamIdOf(high, low)
        assert.deepEqual(streamWords(stream), [high, low])
        const position = {
          stream,
          start: Math.floor(start / 2),
          length: Math.floor(length / 2),
          eventDelta,
          hash,
        }
        const bytes = encodePosition(position)
        assert.ok(bytes.length <= MAX_POSITION_BYTES)
        assert.deepEqual(decodePosition(bytes), position)
      },
    ),
  )
})

test('a position has the bytes the architecture gives it', () => {
  const bytes = encodePosition({
    stream: '0123456789abcdef',
    start: 300,
    length: 5,
    eventDelta: -2,
    hash: 0x0a0b0c0d,
  })
  assert.equal(bytes.toString('hex'), '0123456789abcdef' + 'ac02' + '05' + '03' + '0d0c0b0a')
})

test('bytes that are no position are refused', () => {
  const good = encodePosition({ stream: '0123456789abcdef', start: 300, length: 5, eventDelta: -2, hash: 1 })
  const bad = [
    Buffer.alloc(0),
    good.subarray(0, -1),
    Buffer.concat([good, Buffer.alloc(1)]),
    Buffer.alloc(40, 0xff),
  ]
  for (const bytes of bad)
    assert.throws(
      () => decodePosition(bytes),
      error => isAjnaError(error, POSITION_MALFORMED),
    )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 45 }), bytes => {
      try {
        decodePosition(Buffer.from(bytes))
      } catch (error) {
        assert.ok(isAjnaError(error, POSITION_MALFORMED), String(error))
      }
    }),
  )
})
