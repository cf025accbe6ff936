import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countsOf, coverageOf, type SeenRecord } from './coverage.ts'

const records = (...digests: readonly string[]): SeenRecord[] =>
  digests.map((digest, index) => ({ offset: 10 + index, digest }))
const copies = (...digests: readonly string[]): Map<string, number> =>
  countsOf(digests.map(digest => ({ digest })))

const cases: readonly (readonly [
  what: string,
  source: readonly string[],
  copy: readonly string[],
  since: number,
  expected: ReturnType<typeof coverageOf>,
])[] = [
  ['all', ['a', 'b'], ['a', 'b'], 0, { kind: 'all' }],
  ['nothing', ['a', 'b'], [], 0, { kind: 'from', offset: 10 }],
  ['the first of them', ['a', 'b', 'c'], ['a'], 0, { kind: 'from', offset: 11 }],
  ['some twice', ['a', 'b', 'c'], ['a', 'b', 'a', 'b'], 0, { kind: 'from', offset: 12 }],
  ['a later one without an earlier', ['a', 'b', 'c'], ['a', 'c'], 0, { kind: 'holes', lacks: 11, holds: 12 }],
  ['one of two alike, and a later one', ['x', 'a', 'x', 'b'], ['x', 'a'], 0, { kind: 'from', offset: 12 }],
  ['one of two alike, the other known', ['x', 'x', 'b'], ['x'], 11, { kind: 'from', offset: 11 }],
  ['perhaps one of two alike', ['a', 'x', 'x', 'b'], ['a', 'x'], 0, { kind: 'alike', offset: 11 }],
  ['perhaps both of two alike', ['a', 'x', 'x', 'b'], ['a', 'x', 'x'], 0, { kind: 'alike', offset: 12 }],
  ['two alike and one after them', ['x', 'x', 'b', 'c'], ['x', 'x', 'b'], 0, { kind: 'from', offset: 13 }],
  ['none of what is known to be copied', ['a', 'b'], [], 12, { kind: 'all' }],
]

for (const [what, source, copy, since, expected] of cases)
  test(`a copy that holds ${what}`, () => {
    assert.deepEqual(coverageOf(records(...source), copies(...copy), since), expected)
  })

/** A replicator that copies in order, commits now and then, and begins again at what it committed when it was killed. */
const lives = fc.array(
  fc.record({ copied: fc.nat(12), committed: fc.double({ min: 0, max: 1, noNaN: true }) }),
  { minLength: 1, maxLength: 5 },
)

test('finds where a replicator stands that was killed any number of times, or says that it cannot', () => {
  let told = 0
  const source = fc.array(fc.constantFrom(...'abcdefgh'), { maxLength: 40 })
  fc.assert(
    fc.property(source, fc.boolean(), lives, (kinds, distinct, runs) => {
      const log = kinds.map((kind, index) => ({ offset: index, digest: distinct ? `${kind}${index}` : kind }))
      const copy: SeenRecord[] = []
      let committed = 0
      let reached = 0
      for (const run of runs) {
        const end = Math.min(log.length, committed + run.copied)
        copy.push(...log.slice(committed, end))
        reached = Math.max(reached, end)
        committed += Math.floor((end - committed) * run.committed)
      }
      const answer = coverageOf(log, countsOf(copy), committed)
      if (answer.kind === 'alike') return
      told++
      if (answer.kind === 'all') assert.equal(reached, log.length)
      else if (answer.kind === 'from') assert.equal(answer.offset, reached)
      else assert.fail(`holes between ${answer.lacks} and ${answer.holds}`)
    }),
    { numRuns: 2_000 },
  )
  assert.ok(told > 1_000)
})
