import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type SharedCluster, sharedCluster, startCluster } from '../../../test/fleets/cluster.ts'
import { batchOf, readTopic } from '../../../test/wire/records.ts'
import { createTopic, deleteTopic } from '../../../test/wire/topics.ts'
import type { PositionedResult, Producer, Wire } from './contract.ts'
import { openWire } from './wire.ts'

/** A bound on hanging, not on slowness. */
const signal = AbortSignal.timeout(600_000)
let topics = 0

/** A topic name that nobody else has. */
function topicName(): string {
  return `wire-it-${process.pid}-${++topics}`
}

describe('on three brokers', () => {
  let cluster: SharedCluster
  let wire: Wire

  before(async () => {
    cluster = await sharedCluster()
    wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'wire-it' })
  })

  after(async () => {
    await wire.close()
    await cluster[Symbol.asyncDispose]()
  })

  async function topic(partitions: number): Promise<string> {
    const name = topicName()
    await createTopic(cluster.bootstrap, name, {
      partitions,
      replicas: 3,
      config: { 'min.insync.replicas': '2' },
    })
    return name
  }

  test('what is produced over all leaders is fetched in order, offset by offset', async () => {
    const name = await topic(6)
    await using producer = await wire.producer({}, signal)
    const sent: Promise<unknown>[] = []
    for (let n = 0; n < 600; n++) sent.push(producer.append(name, n % 6, batchOf(`${n}`, `${n}+`)))
    await Promise.all(sent)
    const read = await readTopic(wire, name, 6, signal)
    for (const [partition, records] of read.entries()) {
      const expected = Array.from({ length: 100 }, (_, i) => [
        `${partition + 6 * i}`,
        `${partition + 6 * i}+`,
      ]).flat()
      assert.deepEqual(
        records.map(({ value }) => value),
        expected,
      )
      assert.deepEqual(
        records.map(({ offset }) => offset),
        expected.map((_, i) => i),
      )
    }
  })

  test('batches larger than a partition may give at once arrive whole', async () => {
    const name = await topic(1)
    await using producer = await wire.producer({}, signal)
    const large = 'x'.repeat(300_000)
    for (let n = 0; n < 5; n++) await producer.append(name, 0, batchOf(`${n}${large}`))
    const [records] = await readTopic(wire, name, 1, signal, { maxPartitionBytes: 1_000, maxBytes: 10_000 })
    assert.deepEqual(
      records!.map(({ value }) => value.length),
      Array.from({ length: 5 }, () => large.length + 1),
    )
  })

  test("a batch beyond the topic's limit is rejected by name, and the producer goes on", async () => {
    const name = topicName()
    await createTopic(cluster.bootstrap, name, { replicas: 3, config: { 'max.message.bytes': '2000' } })
    await using producer = await wire.producer({}, signal)
    const outcomes = await Promise.allSettled(
      ['a', 'b'.repeat(3_000), 'c'].map(value => producer.append(name, 0, batchOf(value))),
    )
    assert.deepEqual(
      outcomes.map(outcome =>
        outcome.status === 'fulfilled' ? outcome.value.baseOffset : outcome.reason.details.name,
      ),
      [0, 'MESSAGE_TOO_LARGE', 1],
    )
  })

  test('an older producer of the same name writes nothing more to a partition the newer one has written to', async () => {
    const name = await topic(2)
    const fencedBy = `fence-${name}`
    await using older = await wire.producer({ fencedBy }, signal)
    await older.append(name, 0, batchOf('older'))
    await older.append(name, 1, batchOf('older'))
    await using newer = await wire.producer({ fencedBy }, signal)
    assert.equal(newer.producerId, older.producerId)
    assert.ok(newer.producerEpoch > older.producerEpoch)
    await newer.append(name, 0, batchOf('newer'))
    await assert.rejects(older.append(name, 0, batchOf('too late')), { code: 'PRODUCER_FENCED' })
    const [first] = await readTopic(wire, name, 2, signal)
    assert.deepEqual(
      first!.map(({ value }) => value),
      ['older', 'newer'],
    )
  })

  test('two copies that append the same content by position write it once', async () => {
    const name = await topic(3)
    const producerId = await wire.allocateProducerId(signal)
    const copies = [1, 2].map(() => openWire({ bootstrap: cluster.bootstrap, clientId: 'copy' }))
    try {
      await Promise.all(copies.map(copy => copyNumbers(copy, name, producerId, 3, 150)))
    } finally {
      await Promise.all(copies.map(copy => copy.close()))
    }
    for (const records of await readTopic(wire, name, 3, signal)) {
      assert.deepEqual(
        records.map(({ value }) => value),
        Array.from({ length: 150 }, (_, n) => `${n}`),
      )
    }
    const described = await wire.describeProducers(name, [0, 1, 2], signal)
    assert.deepEqual(
      described.map(({ lastSequence }) => lastSequence),
      [149, 149, 149],
    )
  })

  test('a write by somebody else shows as a displaced append', async () => {
    const name = await topic(1)
    const appender = wire.positionedAppender({ producerId: await wire.allocateProducerId(signal) })
    const entry = (offset: number) => ({
      topic: name,
      partition: 0,
      offset,
      sequence: offset,
      batch: batchOf(`${offset}`),
    })
    const [first] = await settled(() => appender.append([entry(0)], signal))
    assert.deepEqual(first, { kind: 'appended', baseOffset: 0 })
    await using stranger = await wire.producer({}, signal)
    await stranger.append(name, 0, batchOf('foreign'))
    assert.deepEqual(await appender.append([entry(1)], signal), [{ kind: 'displaced', baseOffset: 2 }])
  })

  test('sequences wrap at 2^31', async () => {
    const name = await topic(1)
    const appender = wire.positionedAppender({ producerId: await wire.allocateProducerId(signal) })
    for (let offset = 0; offset < 4; offset++) {
      const entry = {
        topic: name,
        partition: 0,
        offset,
        sequence: 2 ** 31 - 2 + offset,
        batch: batchOf(`${offset}`),
      }
      assert.deepEqual(await settled(() => appender.append([entry], signal)), [
        { kind: 'appended', baseOffset: offset },
      ])
    }
  })

  test('markers take one offset each, deleted records are gone, and both ends of the log are told', async () => {
    const name = await topic(2)
    await using producer = await wire.producer({}, signal)
    await producer.append(name, 0, batchOf('a', 'b', 'c'))
    const marker = {
      producerId: 4_242n,
      producerEpoch: 0,
      coordinatorEpoch: 1,
      commit: true,
      topic: name,
      partitions: [0],
    }
    await wire.writeTxnMarkers([marker, marker, marker], signal)
    const older = wire.writeTxnMarkers([{ ...marker, coordinatorEpoch: 0 }], signal)
    await assert.rejects(older, ({ details }) => details.name === 'TRANSACTION_COORDINATOR_FENCED')
    await producer.append(name, 0, batchOf('d'))
    const [deleted] = await wire.deleteRecords([{ topic: name, partition: 0, before: 2 }], signal)
    assert.equal(deleted?.logStartOffset, 2)
    const ends = await wire.listOffsets(
      [
        { topic: name, partition: 0, at: 'earliest' },
        { topic: name, partition: 0, at: 'latest' },
        { topic: name, partition: 1, at: 'latest' },
      ],
      signal,
    )
    assert.deepEqual(
      ends.map(({ offset }) => offset),
      [2, 7, 0],
    )
    const [records] = await readTopic(wire, name, 2, signal)
    assert.deepEqual(records, [
      { offset: 2, value: 'c' },
      { offset: 6, value: 'd' },
    ])
    for (const node of cluster.nodes) {
      const [end] = await wire.replicaLogEnds(node.id, [{ topic: name, partition: 0 }], signal)
      assert.equal(end?.offset, 7)
    }
  })

  test('out of range, deletion and re-creation are told, each with what there is now', async () => {
    const name = await topic(1)
    await using producer = await wire.producer({}, signal)
    await producer.append(name, 0, batchOf('a', 'b', 'c'))
    await wire.deleteRecords([{ topic: name, partition: 0, before: 2 }], signal)
    await using stream = wire.fetch({ from: [{ topic: name, partition: 0, offset: 0 }], signal })
    const events = stream[Symbol.asyncIterator]()
    const outside = {
      kind: 'out-of-range',
      topic: name,
      partition: 0,
      position: 0,
      logStartOffset: 2,
      highWatermark: 3,
    }
    assert.deepEqual((await events.next()).value, outside)
    stream.reposition(name, 0, 2)
    assert.equal((await events.next()).value?.kind, 'batches')
    assert.equal((await events.next()).value?.kind, 'caught-up')
    await deleteTopic(cluster.bootstrap, name)
    await createTopic(cluster.bootstrap, name, { replicas: 3 })
    assert.equal((await events.next()).value?.kind, 'recreated')
    await deleteTopic(cluster.bootstrap, name)
    stream.reposition(name, 0, 0)
    assert.equal((await events.next()).value?.kind, 'gone')
  })

  test('a process that has closed its client ends by itself', async () => {
    const script = fileURLToPath(new URL('../../../test/wire/use-and-close.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [script, ...cluster.bootstrap], {
      timeout: 30_000,
    })
    assert.equal(stdout.trim(), 'closed')
  })
})

/** What the appender says once the partition's leader is ready to say anything. */
async function settled(
  append: () => Promise<readonly PositionedResult[]>,
): Promise<readonly PositionedResult[]> {
  for (;;) {
    const results = await append()
    if (results.every(({ kind }) => kind !== 'unavailable')) return results
  }
}

/** Copies the numbers 0 to `count` into each partition, as any other copy that runs at the same time does. */
async function copyNumbers(
  wire: Wire,
  topic: string,
  producerId: bigint,
  partitions: number,
  count: number,
): Promise<void> {
  const appender = wire.positionedAppender({ producerId })
  const ends = Array.from({ length: partitions }, () => 0)
  while (ends.some(end => end < count)) {
    const open = ends.flatMap((offset, partition) => (offset < count ? [{ partition, offset }] : []))
    const entries = open.map(({ partition, offset }) => ({
      topic,
      partition,
      offset,
      sequence: offset,
      batch: batchOf(`${offset}`),
    }))
    const results = await appender.append(entries, signal)
    const listed = await wire.listOffsets(
      open.map(({ partition }) => ({ topic, partition, at: 'latest' as const })),
      signal,
    )
    for (const [index, { partition, offset }] of open.entries()) {
      const result = results[index]!
      assert.notEqual(result.kind, 'displaced')
      assert.notEqual(result.kind, 'rejected')
      ends[partition] = result.kind === 'appended' ? offset + 1 : listed[index]!.offset
    }
  }
}

describe('with mTLS', () => {
  let cluster: Awaited<ReturnType<typeof startCluster>>

  before(async () => {
    cluster = await startCluster({ nodes: 1, tls: true, name: 'wire-tls' })
  })

  after(() => cluster[Symbol.asyncDispose]())

  test('large batches pass unchanged', async () => {
    const tls = await cluster.identity('admin')
    const name = topicName()
    await createTopic(cluster.bootstrap, name, { partitions: 4, tls })
    await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'wire-it', tls })
    await using producer: Producer = await wire.producer({}, signal)
    const values = Array.from({ length: 40 }, (_, n) => `${n}:`.padEnd(1_000 + n * 10_000, 'abc'))
    await Promise.all(values.map((value, n) => producer.append(name, n % 4, batchOf(value))))
    const read = await readTopic(wire, name, 4, signal, { recycle: true, maxBytes: 500_000 })
    assert.deepEqual(
      read
        .flat()
        .map(({ value }) => value)
        .sort(),
      [...values].sort(),
    )
  })

  test('without a certificate the brokers are unreachable', async () => {
    const plain = openWire({ bootstrap: cluster.bootstrap, clientId: 'wire-it', requestTimeoutMs: 2_000 })
    await assert.rejects(plain.metadata('all', signal), { code: 'BROKER_UNREACHABLE' })
    await plain.close()
  })
})
