import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rewriteHeader } from './batch.ts'
import { BatchBuilder } from './build.ts'
import { judgeFetched } from './fetched.ts'
import type { FetchedPartition } from './requests/fetch.ts'

function batch(baseOffset: number, records: number): Buffer {
  const builder = new BatchBuilder()
  for (let i = 0; i < records; i++) builder.add({ timestamp: 0, value: Buffer.from('value') })
  const bytes = builder.finish()
  rewriteHeader(bytes, 0, { baseOffset, leaderEpoch: 4 })
  return bytes
}

function answer(fields: Partial<FetchedPartition>): FetchedPartition {
  return {
    topicKey: 't',
    partition: 0,
    errorCode: 0,
    highWatermark: 100,
    lastStableOffset: 100,
    logStartOffset: 0,
    diverging: undefined,
    aborted: [],
    records: Buffer.alloc(0),
    ...fields,
  }
}

function dataOf(records: Buffer, position: number, checkCrc = true) {
  const verdict = judgeFetched(answer({ records }), position, checkCrc)
  assert.equal(verdict.kind, 'data')
  return verdict as Extract<typeof verdict, { kind: 'data' }>
}

test('a tail that the broker cut is dropped', () => {
  const records = Buffer.concat([batch(10, 2), batch(12, 3), batch(15, 1).subarray(0, 40)])
  const { data, corrupt } = dataOf(records, 10)
  assert.deepEqual([data.firstOffset, data.nextOffset, data.lastEpoch, corrupt], [10, 15, 4, undefined])
  assert.equal(data.bytes.length, records.length - 40)
})

test('the batch that holds the position comes whole; batches before it do not', () => {
  const { data } = dataOf(Buffer.concat([batch(5, 2), batch(7, 5)]), 9)
  assert.deepEqual([data.firstOffset, data.nextOffset], [7, 12])
  assert.equal(data.bytes.length, batch(7, 5).length)
})

test('nothing fetched leaves the position where it is', () => {
  const { data } = dataOf(Buffer.alloc(0), 9)
  assert.deepEqual([data.firstOffset, data.nextOffset, data.bytes.length], [9, 9, 0])
})

test('a damaged batch ends the data before it and is named by its offset', () => {
  const damaged = batch(12, 3)
  damaged[damaged.length - 1]! ^= 1
  const records = Buffer.concat([batch(10, 2), damaged])
  const { data, corrupt } = dataOf(records, 10)
  assert.deepEqual([data.nextOffset, corrupt?.offset], [12, 12])
  assert.equal(dataOf(records, 10, false).corrupt, undefined)
})

const kinds: readonly (readonly [what: string, fields: Partial<FetchedPartition>, kind: string])[] = [
  ['OFFSET_OUT_OF_RANGE', { errorCode: 1 }, 'out-of-range'],
  ['NOT_LEADER_OR_FOLLOWER', { errorCode: 6 }, 'lost'],
  ['FENCED_LEADER_EPOCH', { errorCode: 74 }, 'lost'],
  ['UNKNOWN_LEADER_EPOCH', { errorCode: 75 }, 'lost'],
  ['UNKNOWN_TOPIC_ID', { errorCode: 100 }, 'lost'],
  ['KAFKA_STORAGE_ERROR', { errorCode: 56 }, 'lost'],
  ['UNKNOWN_SERVER_ERROR', { errorCode: -1 }, 'lost'],
  ['TOPIC_AUTHORIZATION_FAILED', { errorCode: 29 }, 'refused'],
  ['a diverging epoch', { diverging: { epoch: 2, endOffset: 7 } }, 'truncated'],
]
for (const [what, fields, kind] of kinds) {
  test(`${what}: ${kind}`, () => assert.equal(judgeFetched(answer(fields), 10, true).kind, kind))
}
