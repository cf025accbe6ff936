import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leadShardOf, MIRROR_TERMS, shardOf } from './shard.ts'

const { shards } = MIRROR_TERMS

test('a partition stays in its shard across versions of the program', () => {
  const of = (topic: string, partition: number) => shardOf('edge-to-hub', topic, partition, shards)
  assert.deepEqual(
    [of('logs.edge', 0), of('logs.edge', 1), of('metrics.edge', 0), leadShardOf('edge-to-hub', shards)],
    [126, 51, 35, 3],
  )
})

test('partitions spread evenly over the shards', () => {
  const counts = new Array<number>(shards).fill(0)
  for (let topic = 0; topic < 1_000; topic++)
    for (let partition = 0; partition < 16; partition++)
      counts[shardOf('link', `topic-${topic}`, partition, shards)]!++
  // 62.5 on average; six standard deviations either way.
  assert.ok(counts.every(count => count > 15 && count < 110))
})
