import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type SharedCluster, sharedCluster } from '../../../test/fleets/cluster.ts'
import { batchOf } from '../../../test/wire/records.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { dataBatches } from './aborted.ts'
import type { GroupMember, PartitionPosition, Wire } from './contract.ts'
import { BROKER_ERROR, PRODUCER_FENCED, WIRE_CLOSED } from './errors.ts'
import { recordsIn } from './records.ts'
import { openWire } from './wire.ts'

/** A bound on hanging, not on slowness. */
const signal = AbortSignal.timeout(300_000)

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, what)
    await delay(20)
  }
}

describe('groups and transactions, on three brokers', { timeout: 300_000 }, () => {
  let cluster: SharedCluster
  let wire: Wire

  before(async () => {
    cluster = await sharedCluster()
    wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'groups-it' })
  })
  after(async () => {
    await wire.close()
    await cluster[Symbol.asyncDispose]()
  })

  async function topic(partitions: number): Promise<string> {
    const name = `groups-it-${randomUUID()}`
    await createTopic(cluster.bootstrap, name, { partitions, replicas: 3 })
    return name
  }

  /** A member that notes what it has, and says that it has come to the offsets it was told to. */
  function member(group: string, topics: readonly string[], by: Wire = wire) {
    const has = new Map<string, PartitionPosition>()
    const key = ({ topic: name, partition }: Omit<PartitionPosition, 'offset'>): string =>
      `${name}-${partition}`
    const joined: GroupMember = by.joinGroup(
      {
        group,
        topics,
        assigned: added => {
          for (const each of added) has.set(key(each), each)
        },
        revoked: removed => {
          const at = removed.flatMap(each => has.get(key(each)) ?? []).filter(({ offset }) => offset >= 0)
          for (const each of removed) has.delete(key(each))
          return at
        },
        positions: () => [...has.values()].filter(({ offset }) => offset >= 0),
      },
      signal,
    )
    return { has, joined, comeTo: (at: PartitionPosition) => has.set(key(at), at) }
  }

  test('the members of a group share its partitions, and hand them over with what was committed', async () => {
    const [name, group] = [await topic(6), `group-${randomUUID()}`]
    const first = member(group, [name])
    await until('the first member has all', () => first.has.size === 6)
    assert.ok([...first.has.values()].every(({ offset }) => offset === -1))
    for (let partition = 0; partition < 6; partition++)
      first.comeTo({ topic: name, partition, offset: 10 + partition })

    const second = member(group, [name])
    await until('they share', () => first.has.size === 3 && second.has.size === 3)
    const both = new Map([...first.has, ...second.has])
    assert.equal(both.size, 6)
    for (const { partition, offset } of both.values()) assert.equal(offset, 10 + partition)

    await first.joined[Symbol.asyncDispose]()
    await until('the second one has all', () => second.has.size === 6)
    for (const { partition, offset } of second.has.values()) assert.equal(offset, 10 + partition)
    await second.joined[Symbol.asyncDispose]()
    const partitions = [{ topic: name, partition: 5 }]
    assert.deepEqual(await wire.group(group).committed(partitions, signal), [
      { topic: name, partition: 5, offset: 15 },
    ])
  })

  test('nobody but its members commits for a group that has some, and a closed client ends its membership', async () => {
    const [name, group] = [await topic(2), `group-${randomUUID()}`]
    const gone = openWire({ bootstrap: cluster.bootstrap, clientId: 'gone' })
    const first = member(group, [name], gone)
    await until('it has all', () => first.has.size === 2)
    await assert.rejects(wire.group(group).commit([{ topic: name, partition: 0, offset: 3 }], signal), {
      code: BROKER_ERROR.code,
      message: /UNKNOWN_MEMBER_ID/,
    })
    await gone.close()
    await assert.rejects(first.joined.failed, { code: WIRE_CLOSED.code })
  })

  test('a transaction is read whole or not at all, and an older holder of its id is fenced', async () => {
    const name = await topic(3)
    const transactionalId = `txn-${randomUUID()}`
    await using older = await wire.transactionalProducer({ transactionalId }, signal)
    for (let n = 0; n < 9; n++) older.append(name, n % 3, batchOf(`kept ${n}`)).catch(() => undefined)
    await older.commit(signal)
    await Promise.all([0, 1, 2].map(partition => older.append(name, partition, batchOf('dropped'))))
    await older.abort(signal)
    await older.append(name, 0, batchOf('kept too'))
    await older.commit(signal)
    // Nothing was appended: nothing to commit.
    await older.commit(signal)
    // A commit is decided before its markers are in the log: readers see it soon, not at once.
    await until('the last commit is read', async () => (await committedRecords(name, 0)).includes('kept too'))
    const read = await Promise.all([0, 1, 2].map(partition => committedRecords(name, partition)))
    assert.deepEqual(
      read.flat().sort(),
      [...Array.from({ length: 9 }, (_, n) => `kept ${n}`), 'kept too'].sort(),
    )

    await older.append(name, 1, batchOf('open'))
    await using newer = await wire.transactionalProducer({ transactionalId }, signal)
    await newer.append(name, 1, batchOf('of the newer one'))
    await newer.commit(signal)
    await assert.rejects(older.append(name, 1, batchOf('too late')), { code: PRODUCER_FENCED.code })
    await until('the newer one is read', async () =>
      (await committedRecords(name, 1)).includes('of the newer one'),
    )
    assert.ok(!(await committedRecords(name, 1)).includes('open'))
  })

  /** What the Java consumer's rule gives: no record of an aborted transaction (KIP-98). */
  async function committedRecords(name: string, partition: number): Promise<string[]> {
    const read: string[] = []
    await using stream = wire.fetch({
      from: [{ topic: name, partition, offset: 0 }],
      isolation: 'read_committed',
      signal,
    })
    for await (const event of stream) {
      if (event.kind === 'caught-up') return read
      if (event.kind !== 'batches') continue
      for (const header of dataBatches(event))
        for (const { value } of recordsIn(event.bytes, header)) read.push(value!.toString())
    }
    return read
  }
})
