import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  afterIdentity,
  changed,
  firstSource,
  type MappingChange,
  type MaybeMapping,
  nextSource,
  positionOf,
  type Segment,
  sourceOf,
  targetOf,
} from './mapping.ts'

const SEED = Number(process.env['AJNA_TEST_SEED'] ?? Date.now() % 2 ** 31)

const change = (more: Partial<MappingChange>): MappingChange => ({
  cut: null,
  below: 0,
  segments: [],
  before: 'nothing',
  why: 'because',
  ...more,
})
const mapping = (...segments: Segment[]): MaybeMapping => changed(undefined, change({ segments }))

test('a partition of which nothing is mapped is its source, offset by offset', () => {
  for (const translate of [targetOf, positionOf, sourceOf, nextSource])
    assert.equal(translate(undefined, 7), 7)
  assert.equal(changed(undefined, change({})), undefined)
  assert.equal(mapping([0, 0]), undefined)
})

test('the picture in the head of the module', () => {
  const at = mapping([0, 2], [7, 6])
  const sources = [0, 3, 4, 6, 7, 9]
  assert.deepEqual(
    sources.map(source => targetOf(at, source)),
    [2, 5, null, null, 6, 8],
  )
  assert.deepEqual(
    sources.map(source => positionOf(at, source)),
    [2, 5, 6, 6, 6, 8],
  )
  assert.deepEqual(
    [0, 1, 2, 5, 6, 8].map(target => sourceOf(at, target)),
    [null, null, 0, 3, 7, 9],
  )
  assert.deepEqual(
    [1, 2, 5, 6, 9].map(end => nextSource(at, end)),
    [null, 0, 3, 7, 10],
  )
  assert.deepEqual(
    [0, 2, 5, 6].map(start => firstSource(at, start)),
    [0, 0, 3, 7],
  )
})

test('what others wrote between two stretches is none of the source', () => {
  const at = mapping([0, 0], [4, 9])
  assert.deepEqual(
    [3, 4, 8, 9].map(target => sourceOf(at, target)),
    [3, null, null, 4],
  )
  assert.equal(nextSource(at, 9), 4)
  assert.equal(firstSource(at, 8), 4)
})

test('where copies that somebody else made lie is not known, where nothing was copied is', () => {
  const unknown = changed(undefined, change({ segments: [[10, 4]], before: 'unknown' }))
  assert.deepEqual([positionOf(unknown, 9), positionOf(unknown, 10), targetOf(unknown, 9)], [null, 4, null])
  assert.deepEqual([positionOf(mapping([10, 4]), 9), targetOf(mapping([10, 4]), 9)], [4, null])
})

test('a gap that grows before anything is written makes the stretch no longer; after others wrote, nothing is merged', () => {
  const at = mapping(...afterIdentity([12, 10]))
  const grown = changed(at, change({ segments: [[15, 10]] }))
  assert.deepEqual(grown?.segments, [
    [0, 0],
    [15, 10],
  ])
  assert.deepEqual(mapping([3, 0], [5, 0])?.segments, [[5, 0]])
  const afterOthers = changed(mapping([0, 0], [10, 13]), change({ segments: [[15, 13]] }))
  assert.deepEqual(afterOthers?.segments, [
    [0, 0],
    [10, 13],
    [15, 13],
  ])
  // What goes on as it would anyway is no stretch.
  assert.deepEqual(changed(at, change({ segments: [[20, 18]] })), at)
})

test('a log that ends before a stretch voids it; one that ends just there keeps it', () => {
  const at = mapping(...afterIdentity([12, 10]), [20, 15])
  assert.deepEqual(changed(at, change({ cut: 10 }))?.segments, [
    [0, 0],
    [12, 10],
  ])
  assert.equal(changed(at, change({ cut: 9 })), undefined, 'identity again')
})

test('told to go back, the later copies count', () => {
  const at = changed(mapping(...afterIdentity([12, 10])), change({ segments: [[5, 20]] }))
  assert.deepEqual(at?.segments, [
    [0, 0],
    [5, 20],
  ])
  assert.deepEqual([targetOf(at, 4), targetOf(at, 5), targetOf(at, 12)], [4, 20, 27])
})

/** What may happen to a partition, in order. */
type Event =
  | { readonly kind: 'records' | 'gap' | 'marked' | 'others'; readonly count: number }
  | { readonly kind: 'trimmed'; readonly share: number }

const count = fc.integer({ min: 1, max: 9 })
const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('records' as const), count }),
    fc.record({ kind: fc.constantFrom('gap' as const, 'marked' as const, 'others' as const), count }),
    fc.record({ kind: fc.constant('trimmed' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  ),
  { maxLength: 60 },
)

test(`over any history each record's place is told both ways, and where to go on (seed ${SEED})`, () => {
  fc.assert(
    fc.property(events, history => {
      let at: MaybeMapping
      let [next, end, start, dirty] = [0, 0, 0, false]
      /** Of the source, by the target's offset. */
      const log = new Map<number, number>()
      const keep = (from: number, below = 0): void => {
        const segments: Segment[] = at === undefined ? afterIdentity([from, end]) : [[from, end]]
        at = changed(at, change({ segments, below }))
        assert.equal(nextSource(at, end), from)
      }
      for (const event of history) {
        if (event.kind === 'trimmed') {
          start = Math.max(start, Math.floor(end * event.share))
          at = changed(at, change({ below: start }))
          continue
        }
        if (event.kind === 'others') {
          end += event.count
          dirty = true
          continue
        }
        // As a worker does that finds others' records at the end.
        if (dirty) keep(next)
        dirty = false
        if (event.kind === 'gap') {
          keep(next + event.count)
          next += event.count
        }
        for (let n = 0; event.kind !== 'gap' && n < event.count; n++, next++, end++)
          if (event.kind === 'records') log.set(end, next)
        assert.equal(nextSource(at, end), next)
      }
      const copied = [...log].filter(([target]) => target >= start)
      for (const [target, source] of copied) {
        assert.equal(targetOf(at, source), target)
        assert.equal(sourceOf(at, target), source)
      }
      for (let source = 0; source <= next; source++) {
        const first = copied.find(each => each[1] >= source)
        const place = positionOf(at, source)!
        // Between it and the record are only offsets that hold nothing of the source's.
        if (first !== undefined) assert.ok(place <= first[0])
        for (const [target, each] of copied) if (target >= place) assert.ok(each >= source || place <= start)
      }
    }),
    { seed: SEED, numRuns: 500 },
  )
})
