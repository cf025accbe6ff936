import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FramePool } from './frame-pool.ts'

test('memory is used again only after it was given back, by any view of it', () => {
  const pool = new FramePool()
  const first = pool.take(100_000)
  const second = pool.take(100_000)
  assert.notEqual(first.buffer, second.buffer)
  pool.give(first.subarray(50, 60))
  assert.equal(pool.take(90_000).buffer, first.buffer)
  assert.notEqual(pool.take(90_000).buffer, first.buffer)
})

test('giving back twice, or what was never lent, changes nothing', () => {
  const pool = new FramePool()
  const buffer = pool.take(100_000)
  pool.give(buffer)
  pool.give(buffer)
  pool.give(Buffer.alloc(100_000))
  assert.notEqual(pool.take(100_000).buffer, pool.take(100_000).buffer)
})

test('a small answer does not take the memory of a large one, nor a large one too little', () => {
  const pool = new FramePool()
  const large = pool.take(16 * 1024 * 1024)
  pool.give(large)
  assert.notEqual(pool.take(100_000).buffer, large.buffer)
  assert.equal(pool.take(10 * 1024 * 1024).length, 10 * 1024 * 1024)
})
