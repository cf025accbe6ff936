import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import type { PartitionFacts } from './contract.ts'
import { assignmentEvidence, missingFrom, withdraw, withdrawals } from './withdraw.ts'

const partition = (index: number, facts: Partial<PartitionFacts> = {}): PartitionFacts => ({
  topic: 'orders',
  partition: index,
  leader: 2,
  replicas: [1, 2, 3],
  isr: [2, 3],
  offline: [1],
  ...facts,
})

test('only replicas that are offline, while others lead and are in sync, are withdrawn', () => {
  const seen = [
    partition(0),
    partition(1, { offline: [], isr: [1, 2, 3] }),
    partition(2, { leader: null, isr: [1] }),
    partition(3, { leader: 1, isr: [1, 2] }),
    partition(4, { offline: [3] }),
  ]
  assert.deepEqual(
    withdrawals(seen, 1).map(each => each.partition),
    [0],
  )
})

test('each is put back as it was, also when taking it out failed, and when the lease ends that moment', async () => {
  const asked: string[] = []
  let holds = true
  const admin = (failing: boolean): ClusterAdmin =>
    ({
      reassign: async (moves: readonly { partition: number; replicas: readonly number[] }[]) => {
        holds = false
        for (const { partition, replicas } of moves) asked.push(`${partition}:${replicas.join()}`)
        const error = failing && moves[0]!.replicas.length < 3 ? new Error('refused') : null
        return moves.map(item => ({ item, error }))
      },
    }) as unknown as ClusterAdmin
  const lease = { holds: () => holds }
  const { signal } = new AbortController()
  await withdraw({ admin: admin(false), signal }, [partition(0), partition(1)], 1, lease)
  assert.deepEqual(asked, ['0:2,3', '1:2,3', '0:1,2,3', '1:1,2,3'])
  await assert.rejects(withdraw({ admin: admin(false), signal }, [partition(0)], 1, lease), {
    code: 'HEAL_ACT_FAILED',
  })
  assert.equal(asked.length, 4, 'nothing is begun without the lease')
  holds = true
  await assert.rejects(withdraw({ admin: admin(true), signal }, [partition(7)], 1, lease), {
    code: 'HEAL_ACT_FAILED',
  })
  assert.deepEqual(asked.slice(4), ['7:2,3', '7:1,2,3'])
})

test('what a healer that was killed in between has left is known from the incident, and nothing else is', () => {
  const many = Array.from({ length: 500 }, (_, index) => partition(index))
  const evidence = assignmentEvidence(many)
  assert.ok(evidence.every(({ value }) => value.length <= 1_000))
  const cut = many.with(3, partition(3, { replicas: [2, 3] })).with(4, partition(4, { replicas: [4, 5] }))
  assert.deepEqual(missingFrom({ evidence }, cut), [{ topic: 'orders', partition: 3, replicas: [1, 2, 3] }])
  assert.deepEqual(missingFrom({ evidence }, many), [])
})

test('one that is to be copied afresh is assigned anew only once its broker has let go of it, and in the old order', async () => {
  const asked: string[] = []
  const admin = {
    reassign: async (moves: readonly { replicas: readonly number[] }[]) => {
      for (const { replicas } of moves) asked.push(replicas.join())
      return moves.map(item => ({ item, error: null }))
    },
  } as unknown as ClusterAdmin
  const { signal } = new AbortController()
  const order = (replicas: readonly number[]) => replicas.toReversed()
  const lease = { holds: () => true }
  await withdraw({ admin, signal }, [partition(0)], 1, lease, {
    order,
    meanwhile: async () => void asked.push('gone'),
  })
  assert.deepEqual(asked, ['3,2', 'gone', '1,2,3'])
  const meanwhile = async (): Promise<void> => {
    throw new Error('it does not let go')
  }
  await assert.rejects(withdraw({ admin, signal }, [partition(0)], 1, lease, { meanwhile }), /let go/)
  assert.equal(asked.at(-1), '1,2,3', 'whatever happens, nobody is left with a replica less')
})
