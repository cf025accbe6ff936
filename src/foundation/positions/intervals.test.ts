import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../errors/errors.ts'
import { INTERVALS_MALFORMED } from './errors.ts'
import { type Interval, IntervalSet } from './intervals.ts'

const SPACE = 64
const range = fc
  .tuple(fc.nat(SPACE), fc.nat(SPACE))
  .map(([a, b]): Interval => [Math.min(a, b), Math.max(a, b)])
const ranges = fc.array(range, { maxLength: 30 })

/** The obvious model: one flag a byte. */
function flags(set: IntervalSet): boolean[] {
  const model = Array.from({ length: SPACE + 1 }, () => false)
  for (const [start, end] of set) model.fill(true, start, end)
  return model
}

function count(model: readonly boolean[]): number {
  return model.filter(Boolean).length
}

function assertWellFormed(set: IntervalSet): void {
  let previous = -1
  for (const [start, end] of set) {
    assert.ok(start > previous && end > start, JSON.stringify(set))
    previous = end
  }
  assert.equal(set.covered, count(flags(set)))
}

test('adding and removing in any order agrees with one flag per byte, and counts what is new', () => {
  const steps = fc.array(fc.record({ remove: fc.boolean(), range }), { maxLength: 40 })
  fc.assert(
    fc.property(steps, plan => {
      const set = IntervalSet.of()
      const model = flags(set)
      for (const {
        remove,
        range: [start, end],
      } of plan) {
        const before = count(model)
        model.fill(!remove, start, end)
        const changed = remove ? set.remove(start, end) : set.add(start, end)
        assert.equal(changed, Math.abs(count(model) - before))
        assert.deepEqual(flags(set), model)
        assertWellFormed(set)
      }
    }),
    { numRuns: 1000 },
  )
})

test('merge, subtract, intersect, gaps and contains agree with one flag per byte', () => {
  fc.assert(
    fc.property(ranges, ranges, range, (left, right, [start, end]) => {
      const a = IntervalSet.of(...left)
      const b = IntervalSet.of(...right)
      const [inA, inB] = [flags(a), flags(b)]
      assert.deepEqual(
        flags(a.subtract(b)),
        inA.map((flag, i) => flag && !inB[i]),
      )
      assert.deepEqual(
        flags(a.intersect(b)),
        inA.map((flag, i) => flag && inB[i]!),
      )
      const missing = flags(IntervalSet.of(...a.gaps(start, end)))
      assert.deepEqual(
        missing,
        inA.map((flag, i) => !flag && i >= start && i < end),
      )
      assert.equal(a.contains(start, end), inA.slice(start, end).every(Boolean))
      const union = a.copy()
      assert.equal(union.merge(b), count(inB.filter((flag, i) => flag && !inA[i])))
      assert.deepEqual(
        flags(union),
        inA.map((flag, i) => flag || inB[i]!),
      )
      assert.deepEqual(flags(a), inA, 'a copy does not share state')
      assertWellFormed(union)
    }),
    { numRuns: 1000 },
  )
})

test('a set is read back as it was stored, compactly', () => {
  fc.assert(
    fc.property(
      ranges,
      fc.maxSafeInteger().filter(n => n >= 0 && n < 2 ** 52),
      (parts, shift) => {
        const set = IntervalSet.of(...parts.map(([start, end]): Interval => [start + shift, end + shift]))
        const read = IntervalSet.decode(set.encode())
        assert.ok(read.equals(set))
        assert.equal(read.covered, set.covered)
      },
    ),
  )
  assert.ok(IntervalSet.of([0, 10_000_000_000]).encode().length <= 8)
})

test('damaged bytes are refused, never a wrong set or a crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
      try {
        assertOrdered(IntervalSet.decode(Buffer.from(bytes)))
      } catch (error) {
        assert.ok(isAjnaError(error, INTERVALS_MALFORMED), String(error))
      }
    }),
    { numRuns: 2000 },
  )
})

function assertOrdered(set: IntervalSet): void {
  let previous = -1
  for (const [start, end] of set) {
    assert.ok(start > previous && end > start)
    previous = end
  }
}

test('what is no interval is refused', () => {
  const set = IntervalSet.of([5, 10])
  for (const [start, end] of [
    [-1, 3],
    [4, 3],
    [0.5, 2],
    [0, 2 ** 53],
    [Number.NaN, 1],
  ] as const) {
    assert.throws(() => set.add(start, end), RangeError)
    assert.throws(() => set.contains(start, end), RangeError)
  }
  assert.deepEqual(set.toJSON(), [[5, 10]])
})
