import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FramePool } from './frame-pool.ts'

test('memory is used again only after it was given back, by any view of it', () => {
  const pool = new FramePool(100_000)
  const first = pool.take(100_000)
  const second = pool.take(100_000)
  assert.notEqual(first.buffer, second.buffer)
  pool.give(first.subarray(50, 60))
  assert.equal(pool.take(90_000).buffer, first.buffer)
  assert.notEqual(pool.take(90_000).buffer, first.buffer)
})

test('giving back twice, or what was never lent, changes nothing', () => {
  const pool = new FramePool(100_000)
  const buffer = pool.take(100_000)
  pool.give(buffer)
  pool.give(buffer)
  pool.give(Buffer.alloc(100_000))
  assert.notEqual(pool.take(100_000).buffer, pool.take(100_000).buffer)
})

test('what one answer left fits the next, whatever their sizes; what is larger than all is not kept', () => {
  const pool = new FramePool(100_000)
  const small = pool.take(10)
  pool.give(small)
  const full = pool.take(100_000)
  assert.equal(full.buffer, small.buffer)
  const larger = pool.take(100_001)
  assert.equal(larger.length, 100_001)
  pool.give(larger)
  assert.notEqual(pool.take(100_001).buffer, larger.buffer)
})

test('what nobody has needed for half a minute is not kept', () => {
  let now = 0
  const pool = new FramePool(100_000, () => now)
  const buffer = pool.take(10)
  pool.give(buffer)
  now = 29_000
  pool.rest()
  assert.equal(pool.take(10).buffer, buffer.buffer)
  pool.give(buffer)
  now = 58_000
  pool.rest()
  assert.equal(pool.take(10).buffer, buffer.buffer)
  pool.give(buffer)
  now = 88_000
  pool.rest()
  assert.notEqual(pool.take(10).buffer, buffer.buffer)
})
