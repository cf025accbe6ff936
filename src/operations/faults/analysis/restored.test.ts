import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Gap } from '../load/timeline.ts'
import { availabilityOf } from './availability.ts'
import { isWhole, redundancyRestoredMs, worstOf } from './redundancy.ts'

const gap = (from: number, to: number, open = false): Gap => ({ from, to, open })
const window = { at: 10_000, harmedUntil: 22_000, revertedAt: 22_000, to: 60_000 }

test('availability is restored once the last partition acknowledges again', () => {
  const partitions = [
    { gaps: [gap(2_000, 3_000), gap(9_990, 14_700)] },
    { gaps: [gap(10_400, 16_000)] },
    { gaps: [] },
  ]
  assert.deepEqual(availabilityOf(partitions, window), {
    restoredMs: 6_000,
    longestGapMs: 5_600,
    partitionsStopped: 2,
    afterRevertMs: 0,
  })
})

test('a partition that never acknowledges again is never restored', () => {
  const found = availabilityOf([{ gaps: [gap(10_000, 55_000, true)] }], window)
  assert.deepEqual([found.restoredMs, found.longestGapMs], [null, 45_000])
})

test('what the return of a broker disturbs is told apart', () => {
  const found = availabilityOf([{ gaps: [gap(10_050, 14_000), gap(30_000, 31_500)] }], window)
  assert.deepEqual([found.restoredMs, found.afterRevertMs], [4_000, 1_500])
})

test('an outage lasts as long as waits follow one another; what stops clients later is told apart', () => {
  // Killed, and started by its agent at once: the harm was done in a moment.
  const killed = { ...window, harmedUntil: 10_000, revertedAt: 18_000 }
  const partitions = [
    { gaps: [gap(10_020, 12_000)] },
    { gaps: [gap(11_500, 12_800)] },
    { gaps: [gap(16_000, 16_700)] },
  ]
  assert.deepEqual(availabilityOf(partitions, killed), {
    restoredMs: 2_800,
    longestGapMs: 1_980,
    partitionsStopped: 2,
    afterRevertMs: 700,
  })
})

test('a wait that the next fault made long counts for that one', () => {
  const gaps = [gap(59_970, 73_000)]
  assert.equal(availabilityOf([{ gaps }], window).afterRevertMs, 0)
  const next = availabilityOf([{ gaps }], {
    ...{ at: 60_000, harmedUntil: 66_000, revertedAt: 66_000, to: Number.POSITIVE_INFINITY },
  })
  assert.deepEqual([next.restoredMs, next.longestGapMs, next.afterRevertMs], [13_000, 13_030, 0])
})

test('a fault that stopped nothing has nothing to restore', () => {
  assert.equal(availabilityOf([{ gaps: [gap(1_000, 2_000)] }], window).restoredMs, 0)
})

const trace = (...changes: readonly (readonly [at: number, underReplicated: number])[]) => ({
  changes: changes.map(([at, underReplicated]) => ({ at, underReplicated, leaderless: 0, silent: 0 })),
  worstSpacingMs: 200,
})

test('a topic is whole when every broker says so', () => {
  const whole = { underReplicated: 0, leaderless: 0 }
  assert.ok(isWhole(worstOf([whole, whole, whole])))
  assert.ok(!isWhole(worstOf([whole, undefined, whole])), 'a dead one says nothing')
  assert.ok(
    !isWhole(worstOf([whole, { underReplicated: 1, leaderless: 0 }])),
    'one that wakes knows no better',
  )
  assert.deepEqual(worstOf([undefined, { underReplicated: 2, leaderless: 1 }, whole]), {
    underReplicated: 2,
    leaderless: 1,
    silent: 1,
  })
})

test('redundancy is not there while metadata still calls the dead in sync', () => {
  // Whole is what was seen last before the fault; fenced only 4.7 s after it.
  assert.equal(redundancyRestoredMs(trace([5_000, 0], [14_700, 3], [27_000, 0]), window), 17_000)
})

test('a broker that wakes with an old view of the cluster does not end the fault', () => {
  const woken = trace([5_000, 0], [13_000, 3], [22_100, 0], [22_400, 3], [23_500, 0])
  assert.equal(redundancyRestoredMs(woken, window), 13_500)
})

test('redundancy is not restored before the fault is taken back, nor when it is amiss in the end', () => {
  assert.equal(redundancyRestoredMs(trace([5_000, 0]), window), 12_000)
  assert.equal(redundancyRestoredMs(trace([5_000, 0], [14_000, 2]), window), null)
  assert.equal(redundancyRestoredMs(trace([14_000, 2], [70_000, 0]), window), null)
})
