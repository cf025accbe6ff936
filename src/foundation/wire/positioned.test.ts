import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideResult } from './positioned.ts'

const cases: readonly (readonly [code: number, baseOffset: number, kind: string])[] = [
  [0, 10, 'appended'],
  [0, 11, 'displaced'],
  [0, 9, 'displaced'],
  [45, -1, 'not-at-end'],
  [46, -1, 'not-at-end'],
  [59, -1, 'not-at-end'],
  [6, -1, 'unavailable'],
  [7, -1, 'unavailable'],
  [19, -1, 'unavailable'],
  [-1, -1, 'unavailable'],
  [10, -1, 'rejected'],
  [29, -1, 'rejected'],
  [47, -1, 'rejected'],
  [87, -1, 'rejected'],
]
for (const [errorCode, baseOffset, kind] of cases) {
  test(`error ${errorCode} at base offset ${baseOffset}, asked for 10: ${kind}`, () => {
    assert.equal(decideResult(10, { errorCode, baseOffset }).kind, kind)
  })
}

test('an answer that leaves the partition out says nothing about it', () => {
  assert.equal(decideResult(10, undefined).kind, 'unavailable')
})
