import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify, isRetriable, knownApiErrors } from './api-errors.ts'

test('each code has one name and one class', () => {
  const all = knownApiErrors()
  assert.equal(new Set(all.map(error => error.name)).size, all.length)
  assert.deepEqual(
    all.map(error => error.code),
    Array.from({ length: all.length }, (_, i) => i - 1),
    'codes run from -1 without a gap',
  )
})

test('the errors the data plane lives by are told apart', () => {
  const expected: [number, string, string][] = [
    [0, 'NONE', 'none'],
    [1, 'OFFSET_OUT_OF_RANGE', 'out-of-range'],
    [6, 'NOT_LEADER_OR_FOLLOWER', 'refresh-metadata'],
    [10, 'MESSAGE_TOO_LARGE', 'poison'],
    [14, 'COORDINATOR_LOAD_IN_PROGRESS', 'retry'],
    [16, 'NOT_COORDINATOR', 'refresh-coordinator'],
    [19, 'NOT_ENOUGH_REPLICAS', 'retry'],
    [29, 'TOPIC_AUTHORIZATION_FAILED', 'unauthorized'],
    [45, 'OUT_OF_ORDER_SEQUENCE_NUMBER', 'out-of-sequence'],
    [47, 'INVALID_PRODUCER_EPOCH', 'fenced'],
    [78, 'OFFSET_NOT_AVAILABLE', 'retry'],
    [87, 'INVALID_RECORD', 'poison'],
    [89, 'THROTTLING_QUOTA_EXCEEDED', 'throttle'],
    [90, 'PRODUCER_FENCED', 'fenced'],
    [100, 'UNKNOWN_TOPIC_ID', 'refresh-metadata'],
  ]
  for (const [code, name, kind] of expected) assert.deepEqual(classify(code), { code, name, class: kind })
})

test('a code from a newer broker is fatal and keeps its number', () => {
  assert.deepEqual(classify(31_000), { code: 31_000, name: 'UNKNOWN_CODE_31000', class: 'fatal' })
  assert.equal(isRetriable(classify(31_000).class), false)
})
