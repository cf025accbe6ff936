import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Compared, PartitionLog } from './facts.ts'
import { onlyAtSource, relationOf } from './relation.ts'

const log = (end: number): PartitionLog => ({ partition: 0, start: 0, end, stable: end })
const compared = (fields: Partial<Compared>): Compared => ({
  topic: 't',
  partition: 0,
  differsAt: null,
  sourceRecords: null,
  targetRecords: null,
  ...fields,
})

test('how two logs stand to each other, case by case', () => {
  const cases: readonly [PartitionLog | undefined, PartitionLog | undefined, Compared | undefined, object][] =
    [
      [undefined, log(5), undefined, { kind: 'absent' }],
      [log(5), log(5), undefined, { kind: 'equal', end: 5 }],
      [log(5), log(5), compared({}), { kind: 'equal', end: 5 }],
      [log(3), log(5), compared({ targetRecords: 2 }), { kind: 'source-behind', end: 3, records: 2 }],
      [log(8), log(5), compared({ sourceRecords: 3 }), { kind: 'source-ahead', from: 5, records: 3 }],
      [log(8), undefined, undefined, { kind: 'source-ahead', from: 0, records: null }],
      [
        log(8),
        log(9),
        compared({ differsAt: 5, sourceRecords: 3, targetRecords: 4 }),
        { kind: 'diverged', from: 5, sourceRecords: 3, targetRecords: 4 },
      ],
      [
        log(9),
        log(9),
        compared({ differsAt: 5 }),
        { kind: 'diverged', from: 5, sourceRecords: null, targetRecords: null },
      ],
    ]
  for (const [source, target, what, expected] of cases)
    assert.deepEqual(relationOf(source, target, what), expected)
})

test('what only the source holds is exactly what the two have not in common', () => {
  const lines = fc.array(fc.constantFrom('a', 'b'), { maxLength: 12 })
  fc.assert(
    fc.property(lines, lines, lines, (both, source, target) => {
      const [theirs, ours] = [
        [...both, ...source],
        [...both, ...target],
      ]
      const shared = Math.min(theirs.length, ours.length)
      const at = Array.from({ length: shared }, (_, n) => n).find(n => theirs[n] !== ours[n])
      const relation = relationOf(log(theirs.length), log(ours.length), compared({ differsAt: at ?? null }))
      const tail = onlyAtSource(relation, log(theirs.length))
      const from = at ?? shared
      if (theirs.length === from) assert.equal(tail, undefined)
      else assert.deepEqual(tail, { from, to: theirs.length, records: null })
      // A copy can go on at the source's end exactly if nothing is only there.
      const goesOn = relation.kind === 'equal' || relation.kind === 'source-behind'
      assert.equal(goesOn, theirs.length === from)
    }),
  )
})
