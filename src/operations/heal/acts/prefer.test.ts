import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterAdmin } from '../../../foundation/kafka/admin.ts'
import type { TopicPartition } from '../../../foundation/kafka/partitions.ts'
import { partition } from '../conditions/testing.ts'
import { awayIn, BATCH, electPreferred } from './prefer.ts'

const many = (count: number): TopicPartition[] =>
  Array.from({ length: count }, (_, index) => ({ topic: 'orders', partition: index }))

function elections(failing: (partition: number) => boolean = () => false) {
  const asked: number[] = []
  const admin = {
    async electLeaders(kind: string, partitions: readonly TopicPartition[]) {
      assert.equal(kind, 'preferred')
      asked.push(partitions.length)
      return partitions.map(item => ({
        item,
        error: failing(item.partition) ? new Error('not there') : null,
      }))
    },
  } as unknown as ClusterAdmin
  return { asked, reach: { admin, signal: AbortSignal.timeout(20_000) } }
}

test('leadership is given back a bounded number at a time', async () => {
  const { asked, reach } = elections()
  const given = await electPreferred(reach, many(BATCH.partitions + 3), () => {})
  assert.deepEqual(asked, [BATCH.partitions, 3])
  assert.deepEqual(given, { elected: BATCH.partitions + 3, failed: 0, why: undefined, left: 0 })
})

/** Throws when it is asked once more than so often. */
function stopAfter(times: number): () => void {
  let asked = 0
  return () => {
    if (++asked > times) throw new Error('the lease has ended')
  }
}

test('whoever loses the lease in between stops there', async () => {
  const { asked, reach } = elections()
  await assert.rejects(electPreferred(reach, many(3 * BATCH.partitions), stopAfter(2)), /the lease has ended/)
  assert.deepEqual(asked, [BATCH.partitions, BATCH.partitions])
})

test('those that could not be elected are counted, and the others are not held up', async () => {
  const { reach } = elections(index => index === 1)
  const { elected, failed, why } = await electPreferred(reach, many(3), () => {})
  assert.deepEqual([elected, failed, String(why)], [2, 1, 'Error: not there'])
})

test('only who is in sync is given leadership back, and what nobody leads is another matter', () => {
  const partitions = [
    partition(0),
    partition(1, { leader: 2 }),
    partition(2, { leader: 2, isr: [2, 3] }),
    partition(3, { leader: null }),
    partition(4, { leader: 1, replicas: [3, 1, 2] }),
  ]
  assert.deepEqual(
    awayIn({ partitions }).map(each => each.partition),
    [1, 4],
  )
  assert.deepEqual(
    awayIn({ partitions }, 3).map(each => each.partition),
    [4],
  )
})
