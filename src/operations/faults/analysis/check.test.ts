import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StreamResult } from '../load/generator.ts'
import { checkRecords } from './check.ts'

const sentAll = (sent: number, unknown: StreamResult['unknown'] = []): StreamResult => ({
  producer: 0,
  partition: 0,
  sent,
  unknown,
})

function verdictOf(sent: StreamResult, log: readonly number[]) {
  const check = checkRecords([sent])
  for (const [offset, sequence] of log.entries())
    check.see(0, offset, { producer: 0, partition: 0, sequence })
  return check.verdict()
}

test('a log that holds every record once and in order is clean', () => {
  const { examples, ...counts } = verdictOf(sentAll(5), [0, 1, 2, 3, 4])
  assert.deepEqual(counts, {
    acknowledged: 5,
    unknown: 0,
    found: 5,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    foreign: 0,
  })
  assert.deepEqual(examples, [])
})

test('names what is lost, at the end of the log too', () => {
  const verdict = verdictOf(sentAll(10), [0, 1, 4, 5, 6])
  assert.equal(verdict.lost, 5)
  assert.deepEqual(verdict.examples, [
    'lost: partition 0: sequences 2 to 3 of producer 0',
    'lost: partition 0: sequences 7 to 9 of producer 0',
  ])
})

test('what was never acknowledged is neither lost when absent nor repeated when there', () => {
  assert.equal(verdictOf(sentAll(10, [[6, 10]]), [0, 1, 2, 3, 4, 5]).lost, 0)
  const there = verdictOf(sentAll(10, [[6, 10]]), [0, 1, 2, 3, 4, 5, 6, 7])
  assert.deepEqual([there.lost, there.duplicated, there.unknown, there.found], [0, 0, 4, 8])
})

test('a record of another partition, run or sequence that was never sent is foreign', () => {
  const check = checkRecords([sentAll(3), { ...sentAll(3), partition: 1 }])
  check.see(0, 0, { producer: 0, partition: 1, sequence: 0 })
  check.see(0, 1, undefined)
  check.see(0, 2, { producer: 0, partition: 0, sequence: 3 })
  check.see(0, 3, { producer: 9, partition: 0, sequence: 0 })
  assert.equal(check.verdict().foreign, 4)
  assert.equal(check.verdict().lost, 6)
})

/** What is wrong with a log, counted the slow way. */
function countedSlowly(sent: number, unknown: ReadonlySet<number>, log: readonly number[]) {
  const seen = new Set<number>()
  let [duplicated, reordered, highest] = [0, 0, -1]
  for (const sequence of log) {
    if (seen.has(sequence)) duplicated++
    else if (sequence < highest) reordered++
    seen.add(sequence)
    highest = Math.max(highest, sequence)
  }
  const lost = Array.from({ length: sent }, (_, sequence) => sequence).filter(
    sequence => !seen.has(sequence) && !unknown.has(sequence),
  ).length
  return { lost, duplicated, reordered, found: seen.size }
}

test('every planted loss, repeat and change of order is counted, whatever the history', () => {
  const history = fc.integer({ min: 1, max: 60 }).chain(sent =>
    fc.record({
      sent: fc.constant(sent),
      dropped: fc.uniqueArray(fc.nat(sent - 1), { maxLength: 8 }),
      /** Copies, and where they are put. */
      repeated: fc.array(fc.tuple(fc.nat(sent - 1), fc.nat(80)), { maxLength: 6 }),
      swapped: fc.array(fc.tuple(fc.nat(sent - 1), fc.nat(sent - 1)), { maxLength: 6 }),
      unknownFrom: fc.integer({ min: 0, max: sent }),
    }),
  )
  fc.assert(
    fc.property(history, ({ sent, dropped, repeated, swapped, unknownFrom }) => {
      const log = Array.from({ length: sent }, (_, sequence) => sequence)
      for (const [a, b] of swapped) [log[a], log[b]] = [log[b]!, log[a]!]
      for (const [sequence, at] of repeated) log.splice(Math.min(at, log.length), 0, sequence)
      const left = log.filter(sequence => !dropped.includes(sequence))
      const unknown: StreamResult['unknown'] = unknownFrom < sent ? [[unknownFrom, sent]] : []
      const verdict = verdictOf(sentAll(sent, unknown), left)
      const unknownSet = new Set(Array.from({ length: sent - unknownFrom }, (_, i) => unknownFrom + i))
      const { lost, duplicated, reordered, found } = verdict
      assert.deepEqual({ lost, duplicated, reordered, found }, countedSlowly(sent, unknownSet, left))
    }),
    { verbose: 1 },
  )
})
