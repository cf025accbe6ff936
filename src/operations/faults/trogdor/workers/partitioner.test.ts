import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2, partitionOf } from './partitioner.ts'

/** What org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 4.3.1 gave. */
const JAVA = {
  '': 275646681,
  a: -1563381124,
  ab: 316155434,
  abc: 479470107,
  abcd: -1323649548,
  foobar: -790332482,
  'a-little-bit-long-string': -985981536,
}

test('a key is in the partition where a Java producer would put it', () => {
  for (const [key, hash] of Object.entries(JAVA)) assert.equal(murmur2(Buffer.from(key)), hash, key)
  const numbered = (value: number): Buffer => {
    const key = Buffer.alloc(8)
    key.writeUInt32LE(value)
    return key
  }
  assert.deepEqual(
    [1, 2, 300].map(value => partitionOf(numbered(value), 10)),
    [7, 9, 6],
  )
})
