import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEndHistory } from './lag.ts'

test('lag in time counts from when the log last had nothing beyond the committed offset', () => {
  const ends = createEndHistory()
  for (const [second, end] of [10, 20, 30, 40].entries()) ends.note('t-0', end, second * 1_000)
  assert.equal(ends.lagMs('t-0', 40, 5_000), 0)
  assert.equal(ends.lagMs('t-0', 25, 5_000), 4_000)
  assert.equal(ends.lagMs('t-0', 30, 5_000), 3_000)
})

test('a log that stood still before it grew is not counted as lagging all that time', () => {
  const ends = createEndHistory()
  for (let second = 0; second <= 100; second++) ends.note('t-0', 10, second * 1_000)
  ends.note('t-0', 11, 101_000)
  assert.equal(ends.lagMs('t-0', 10, 102_000), 2_000)
})

test('what is remembered is bounded, and then a lower bound is told', () => {
  const ends = createEndHistory(3)
  for (let second = 0; second < 10; second++) ends.note('t-0', 10 + second, second * 1_000)
  assert.equal(ends.lagMs('t-0', 0, 10_000), 3_000)
  assert.equal(ends.lagMs('unknown', 0, 10_000), null)
})
