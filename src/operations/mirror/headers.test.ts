import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordFilter } from './headers.ts'

const record = (...headers: readonly (readonly [string, string | null])[]) => ({
  headers: headers.map(([key, value]) => ({ key, value: value === null ? null : Buffer.from(value) })),
})

test('a record is copied unless a rule drops it, and where rules keep, only if one keeps it', () => {
  const filter = recordFilter([
    { key: 'test', act: 'drop' },
    { key: 'tenant', value: 'blocked', act: 'drop' },
    { key: 'tenant', act: 'keep' },
    { key: 'always', value: 'ja', act: 'keep' },
  ])!
  assert.deepEqual(
    [
      record(),
      record(['tenant', 'a']),
      record(['tenant', 'blocked']),
      record(['tenant', 'a'], ['tenant', 'blocked']),
      record(['tenant', 'a'], ['test', null]),
      record(['always', 'nein']),
      record(['always', 'ja']),
      record(['always', null]),
    ].map(filter),
    [false, true, false, false, false, false, true, false],
  )
})

test('without rules nothing is looked into', () => {
  assert.equal(recordFilter([]), undefined)
})
