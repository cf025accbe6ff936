import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FakeAnswer, FakeRequest } from '../../../test/wire/fake-broker.ts'
import {
  type FakeTopicCluster,
  type FetchAsked,
  fakeTopicCluster,
  fetchAsked,
  fetchedBody,
  TOPIC,
} from '../../../test/wire/fake-cluster.ts'
import { rewriteHeader } from './batch.ts'
import { BatchBuilder } from './build.ts'
import { ByteWriter } from './bytes.ts'
import type { FetchEvent, FetchStream, Wire } from './contract.ts'
import { openWire } from './wire.ts'

const FETCH = 1
const LIST_OFFSETS = 2
const SECOND_ID = 'AAAAAAAAAAAAAAAAAAAAAg'

function batch(baseOffset: number, records = 1): Buffer {
  const builder = new BatchBuilder()
  for (let i = 0; i < records; i++) builder.add({ timestamp: 0, value: Buffer.from('value') })
  const bytes = builder.finish()
  rewriteHeader(bytes, 0, { baseOffset, leaderEpoch: 3 })
  return bytes
}

interface Fixture extends AsyncDisposable {
  readonly cluster: FakeTopicCluster
  readonly wire: Wire
  readonly asked: FetchAsked[]
  readonly stream: FetchStream
}

type FetchScript = (
  asked: FetchAsked,
  count: number,
  cluster: FakeTopicCluster,
) => FakeAnswer | Promise<FakeAnswer>

/** Two partitions read from offset 10; `script` answers each fetch. */
async function fixture(
  script: FetchScript,
  log: readonly [start: number, end: number] = [0, 100],
): Promise<Fixture> {
  const asked: FetchAsked[] = []
  const cluster = await fakeTopicCluster(2, (request: FakeRequest) => {
    if (request.key === LIST_OFFSETS) return listedBody(request, log)
    assert.equal(request.key, FETCH)
    asked.push(fetchAsked(request))
    return script(asked.at(-1)!, asked.length, cluster)
  })
  const wire = openWire({ bootstrap: [cluster.broker.address], clientId: 'test', requestTimeoutMs: 500 })
  const stream = wire.fetch({
    from: [0, 1].map(partition => ({ topic: TOPIC, partition, offset: 10 })),
    maxWaitMs: 10,
    signal: AbortSignal.timeout(20_000),
  })
  const dispose = async (): Promise<void> => {
    await stream[Symbol.asyncDispose]()
    await wire.close()
    await cluster.broker[Symbol.asyncDispose]()
  }
  return { cluster, wire, asked, stream, [Symbol.asyncDispose]: dispose }
}

function listedBody({ body }: FakeRequest, [start, end]: readonly [number, number]): Buffer {
  body.skip(5)
  let timestamp = 0
  let partition = 0
  body.compactArray(() => {
    body.compactString()
    body.compactArray(() => {
      partition = body.int32()
      body.int32()
      timestamp = body.int64()
      body.taggedFields()
    })
    body.taggedFields()
  })
  const writer = new ByteWriter().int32(0)
  writer.compactArray([0], w => {
    w.compactString(TOPIC).compactArray([0], each => {
      each
        .int32(partition)
        .int16(0)
        .int64(-1)
        .int64(timestamp === -1 ? end : start)
        .int32(3)
        .noTaggedFields()
    })
    w.noTaggedFields()
  })
  return writer.noTaggedFields().finish()
}

async function take(
  stream: FetchStream,
  count: number,
  use: (event: FetchEvent) => unknown = () => undefined,
): Promise<FetchEvent[]> {
  const events: FetchEvent[] = []
  for await (const event of stream) {
    use(event)
    events.push(event)
    if (events.length === count) break
  }
  return events
}

/** As a broker that had nothing for the time it may wait. */
async function idle(cluster: FakeTopicCluster): Promise<Buffer> {
  await new Promise(resolve => setTimeout(resolve, 10))
  return fetchedBody(cluster.topic.id, [])
}

test('data of every partition, then that all was read, then what comes later', async () => {
  await using at = await fixture((_, count, cluster) => {
    const { id } = cluster.topic
    if (count === 1) {
      return fetchedBody(id, [
        { partition: 0, highWatermark: 12, records: batch(10, 2) },
        { partition: 1, highWatermark: 10 },
      ])
    }
    if (count === 3) return fetchedBody(id, [{ partition: 1, highWatermark: 11, records: batch(10) }])
    return idle(cluster)
  })
  const events = await take(at.stream, 4)
  assert.deepEqual(
    events.map(event => [event.kind, 'nextOffset' in event ? event.nextOffset : undefined]),
    [
      ['batches', 12],
      ['caught-up', undefined],
      ['batches', 11],
      ['caught-up', undefined],
    ],
  )
  assert.deepEqual(
    at.asked[1]!.partitions.map(({ partition, offset, lastEpoch }) => ({ partition, offset, lastEpoch })),
    [{ partition: 0, offset: 12, lastEpoch: 3 }],
  )
})

test('of each partition whole batches are asked for, and of one whose batch came cut, more', async () => {
  const builder = new BatchBuilder({ maxBytes: 3_000_000 })
  builder.add({ timestamp: 0, value: Buffer.alloc(2_000_000) })
  const large = builder.finish()
  rewriteHeader(large, 0, { baseOffset: 10, leaderEpoch: 3 })
  const small = batch(10, 1_000)
  await using at = await fixture((asked, _, cluster) =>
    fetchedBody(
      cluster.topic.id,
      asked.partitions.flatMap(({ partition, offset, maxBytes }) =>
        offset > 10
          ? []
          : [
              {
                partition,
                highWatermark: 1_010,
                records: (partition === 0 ? large : small).subarray(0, maxBytes),
              },
            ],
      ),
    ),
  )
  await take(at.stream, 2)
  while (at.asked.length < 3) await new Promise(resolve => setTimeout(resolve, 10))
  const later = at.asked.slice(1).flatMap(({ partitions }) => partitions)
  assert.equal(later.find(({ partition }) => partition === 0)?.maxBytes, large.length)
  const ofSmall = later.find(({ partition }) => partition === 1)!.maxBytes
  assert.ok(ofSmall > 20 * small.length && ofSmall % small.length === 0)
})

test('a reader that stops taking stops the fetching', async () => {
  await using at = await fixture((asked, _, cluster) =>
    fetchedBody(
      cluster.topic.id,
      asked.partitions.map(({ partition, offset }) => ({
        partition,
        highWatermark: 1_000,
        records: batch(offset),
      })),
    ),
  )
  await take(at.stream, 1)
  for (let before = -1; before !== at.asked.length; ) {
    before = at.asked.length
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  assert.equal(at.asked.length, 2)
  await take(at.stream, 10)
  assert.ok(at.asked.length > 2)
})

test('a session that the broker forgot is begun anew', async () => {
  await using at = await fixture((_, count, cluster) => {
    const { id } = cluster.topic
    if (count === 2) return fetchedBody(id, [], 70, 0)
    return fetchedBody(id, count === 3 ? [{ partition: 0, highWatermark: 11, records: batch(10) }] : [])
  })
  await take(at.stream, 1)
  assert.deepEqual(
    at.asked
      .slice(0, 3)
      .map(({ sessionId, sessionEpoch, partitions }) => [sessionId, sessionEpoch, partitions.length]),
    [
      [0, 0, 2],
      [9, 1, 0],
      [0, 0, 2],
    ],
  )
})

for (const [what, answer] of [
  ['ends the connection', 'hang-up'],
  ['does not answer', 'silence'],
  ['answers nonsense', Buffer.from('nonsense')],
] as const) {
  test(`when the leader ${what}, reading goes on where it was`, async () => {
    await using at = await fixture((_, count, cluster) => {
      if (count === 1) return answer
      return fetchedBody(cluster.topic.id, [{ partition: 0, highWatermark: 11, records: batch(10) }])
    })
    const [event] = await take(at.stream, 1)
    assert.equal(event?.kind === 'batches' && event.firstOffset, 10)
  })
}

test('a leader that moved is looked up and asked with its epoch', async () => {
  await using at = await fixture((_, count, cluster) => {
    const { id } = cluster.topic
    if (count > 1) return fetchedBody(id, [{ partition: 0, highWatermark: 11, records: batch(10) }])
    return fetchedBody(id, [
      { partition: 0, errorCode: 6 },
      { partition: 1, highWatermark: 10 },
    ])
  })
  const before = at.cluster.lookups()
  await take(at.stream, 1)
  assert.ok(at.cluster.lookups() > before)
})

test('a position that retention has passed is said with the range there is', async () => {
  await using at = await fixture(
    (_, __, cluster) => fetchedBody(cluster.topic.id, [{ partition: 0, errorCode: 1 }]),
    [50, 100],
  )
  const [event] = await take(at.stream, 1)
  assert.deepEqual(event, {
    kind: 'out-of-range',
    topic: TOPIC,
    partition: 0,
    position: 10,
    logStartOffset: 50,
    highWatermark: 100,
  })
})

test('out of range for a moment only is not said', async () => {
  await using at = await fixture((_, count, cluster) => {
    const { id } = cluster.topic
    if (count === 1) return fetchedBody(id, [{ partition: 0, errorCode: 1 }])
    return fetchedBody(id, [{ partition: 0, highWatermark: 11, records: batch(10) }])
  })
  const [event] = await take(at.stream, 1)
  assert.equal(event?.kind, 'batches')
})

test('a log cut under the reader is said with where it was cut', async () => {
  await using at = await fixture((_, __, cluster) =>
    fetchedBody(cluster.topic.id, [{ partition: 0, diverging: { epoch: 2, endOffset: 7 } }]),
  )
  const [event] = await take(at.stream, 1)
  assert.deepEqual(event, { kind: 'truncated', topic: TOPIC, partition: 0, position: 10, endOffset: 7 })
})

test('a topic deleted and created again is said once, and read after repositioning', async () => {
  await using at = await fixture((_, count, cluster) => {
    if (count === 1) {
      Object.assign(cluster.topic, { id: SECOND_ID, leaderEpoch: 0 })
      return fetchedBody(SECOND_ID, [], 100, 0)
    }
    return fetchedBody(SECOND_ID, [{ partition: 0, highWatermark: 1, records: batch(0) }])
  })
  const [event] = await take(at.stream, 1)
  assert.equal(event?.kind, 'recreated')
  assert.equal(event?.kind === 'recreated' && event.newId, SECOND_ID)
  at.stream.reposition(TOPIC, 0, 0)
  const [next] = await take(at.stream, 1)
  assert.equal(next?.kind === 'batches' && next.firstOffset, 0)
})

test('damaged bytes are fetched once more, and only then called corrupt', async () => {
  const damaged = batch(10)
  damaged[damaged.length - 1]! ^= 1
  let served = 0
  await using at = await fixture((asked, _, cluster) => {
    if (asked.partitions.some(({ partition }) => partition === 0)) served++
    return fetchedBody(cluster.topic.id, [{ partition: 0, highWatermark: 11, records: damaged }])
  })
  const [event] = await take(at.stream, 1)
  assert.equal(event?.kind === 'corrupt' && event.offset, 10)
  assert.ok(served >= 2)
})

test('a partition that may not be read is said, the other is read on', async () => {
  await using at = await fixture((_, __, cluster) =>
    fetchedBody(cluster.topic.id, [
      { partition: 0, errorCode: 29 },
      { partition: 1, highWatermark: 11, records: batch(10) },
    ]),
  )
  const events = await take(at.stream, 2)
  assert.deepEqual(events.map(({ kind }) => kind).sort(), ['batches', 'refused'])
})

test('after repositioning, nothing from before is given', async () => {
  await using at = await fixture((asked, _, cluster) =>
    fetchedBody(
      cluster.topic.id,
      asked.partitions.map(({ partition, offset }) => ({
        partition,
        highWatermark: 1_000,
        records: batch(offset),
      })),
    ),
  )
  await take(at.stream, 1)
  at.stream.reposition(TOPIC, 0, 500)
  at.stream.reposition(TOPIC, 1, 600)
  const events = await take(at.stream, 2)
  assert.deepEqual(events.map(event => 'firstOffset' in event && event.firstOffset).sort(), [500, 600])
})

test('an abort makes the next step throw, a disposal ends the stream', async () => {
  await using at = await fixture((_, __, cluster) => idle(cluster))
  const stop = new AbortController()
  const other = at.wire.fetch({ from: [], signal: stop.signal })
  const waiting = take(other, 1)
  stop.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
  const rest = take(at.stream, 5)
  await at.stream[Symbol.asyncDispose]()
  await rest
})

test('recycled memory is not written to while its batches are held', async () => {
  const large = (offset: number) => {
    const builder = new BatchBuilder({ maxBytes: 200_000 })
    builder.add({ timestamp: 0, value: Buffer.alloc(100_000, offset) })
    const bytes = builder.finish()
    rewriteHeader(bytes, 0, { baseOffset: offset, leaderEpoch: 3 })
    return bytes
  }
  let next = 10
  await using at = await fixture((_, __, cluster) =>
    fetchedBody(cluster.topic.id, [{ partition: 0, highWatermark: 1_000, records: large(next++) }]),
  )
  const from = [{ topic: TOPIC, partition: 0, offset: 10 }]
  await using recycling = at.wire.fetch({
    from,
    recycle: true,
    maxWaitMs: 10,
    signal: AbortSignal.timeout(20_000),
  })
  const held: { bytes: Buffer; copy: Buffer; release: () => void }[] = []
  for (const event of await take(
    recycling,
    12,
    each =>
      each.kind === 'batches' &&
      held.push({ bytes: each.bytes, copy: Buffer.from(each.bytes), release: each.hold() }),
  )) {
    assert.equal(event.kind, 'batches')
  }
  for (const { bytes, copy } of held) assert.ok(bytes.equals(copy))
  assert.equal(new Set(held.map(({ bytes }) => bytes.buffer)).size, held.length)
  for (const { release } of held) release()
  const buffers = new Set<ArrayBufferLike>()
  await take(recycling, 12, each => each.kind === 'batches' && buffers.add(each.bytes.buffer))
  assert.ok(buffers.size <= held.length, 'memory that was released is used again')
})

test('that no broker serves a partition is said after a while, if wanted, and that one does again', async () => {
  await using cluster = await fakeTopicCluster(1, ({ key }) => {
    assert.equal(key, FETCH)
    return fetchedBody(cluster.topic.id, [{ partition: 0, highWatermark: 11, records: batch(10) }])
  })
  cluster.topic.leader = -1
  await using wire = openWire({ bootstrap: [cluster.broker.address], clientId: 'test' })
  await using stream = wire.fetch({
    from: [{ topic: TOPIC, partition: 0, offset: 10 }],
    maxWaitMs: 10,
    noticeAfterMs: 200,
    signal: AbortSignal.timeout(20_000),
  })
  const events = await take(stream, 3, event => {
    if (event.kind === 'unserved') Object.assign(cluster.topic, { leader: 1, leaderEpoch: 4 })
  })
  assert.deepEqual(
    events.map(event => [event.kind, 'reason' in event ? event.reason : '']),
    [
      ['unserved', 'the partition has no leader'],
      ['served', ''],
      ['batches', ''],
    ],
  )
})
