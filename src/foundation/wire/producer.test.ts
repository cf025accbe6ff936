import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FakeAnswer } from '../../../test/wire/fake-broker.ts'
import { batchesOf, fakeTopicCluster, producedBody, TOPIC } from '../../../test/wire/fake-cluster.ts'
import { BatchBuilder } from './build.ts'
import type { Producer, ProducerOptions, Wire } from './contract.ts'
import { DELIVERY_UNKNOWN, PRODUCER_FENCED, RECORD_REJECTED, WIRE_CLOSED } from './errors.ts'
import { openWire } from './wire.ts'

const signal = new AbortController().signal

interface Fixture extends AsyncDisposable {
  readonly wire: Wire
  readonly producer: Producer
  /** The partitions and sequences of each produce request, in order. */
  readonly requests: (readonly (readonly [partition: number, sequence: number])[])[]
}

/** @param codes of the answers to the first batches, by order of arrival; then 0 */
async function fixture(
  codes: readonly number[],
  options: ProducerOptions = {},
  before: (request: number) => FakeAnswer | undefined | Promise<undefined> = () => undefined,
  partitions = 3,
): Promise<Fixture> {
  const requests: Fixture['requests'] = []
  let answered = 0
  const cluster = await fakeTopicCluster(partitions, async request => {
    const batches = batchesOf(request)
    requests.push(batches.map(({ partition, baseSequence }) => [partition, baseSequence]))
    const instead = await before(requests.length)
    if (instead !== undefined) return instead
    return producedBody(
      batches.map(({ partition, baseSequence }) => ({
        partition,
        errorCode: codes[answered++] ?? 0,
        baseOffset: baseSequence,
      })),
    )
  })
  const wire = openWire({ bootstrap: [cluster.broker.address], clientId: 'test', requestTimeoutMs: 500 })
  const producer = await wire.producer(options, signal)
  const dispose = async (): Promise<void> => {
    await wire.close()
    await cluster[Symbol.asyncDispose]()
  }
  return { wire, producer, requests, [Symbol.asyncDispose]: dispose }
}

function batch(records = 1): Buffer {
  const builder = new BatchBuilder()
  for (let i = 0; i < records; i++) builder.add({ timestamp: 0, value: Buffer.from('value') })
  return builder.finish()
}

test('batches of many partitions travel in one request, of one partition never two', async () => {
  await using at = await fixture([])
  const { producer, requests } = at
  // Leaders are looked up with the first append; then all that waits goes together.
  await Promise.all([0, 1, 2, 0, 1, 2].map(partition => producer.append(TOPIC, partition, batch())))
  assert.deepEqual(requests[0], [
    [0, 0],
    [1, 0],
    [2, 0],
  ])
  assert.equal(requests.length, 2)
})

test('after an error everything unacknowledged is sent again in order with the same sequences', async () => {
  await using at = await fixture([0, 6, 45, 45])
  const { producer, requests } = at
  await producer.append(TOPIC, 0, batch(2))
  const offsets = await Promise.all([1, 1, 1].map(count => producer.append(TOPIC, 0, batch(count))))
  assert.deepEqual(
    offsets.map(({ baseOffset }) => baseOffset),
    [2, 3, 4],
  )
  assert.deepEqual(
    requests.flat().map(([, sequence]) => sequence),
    [0, 2, 3, 4, 2, 3, 4],
  )
})

test('a broken connection is opened again and what was lost is sent again', async () => {
  await using at = await fixture([], {}, request => (request === 1 ? 'hang-up' : undefined))
  assert.equal((await at.producer.append(TOPIC, 0, batch())).baseOffset, 0)
  assert.deepEqual(at.requests.flat(), [
    [0, 0],
    [0, 0],
  ])
})

test('a broker that stops answering costs one request deadline', async () => {
  await using at = await fixture([], {}, request => (request === 1 ? 'silence' : undefined))
  assert.equal((await at.producer.append(TOPIC, 0, batch())).baseOffset, 0)
})

test('a refused batch fails alone: those after it take its sequences', async () => {
  await using at = await fixture([0, 10, 45])
  const { producer, requests } = at
  await producer.append(TOPIC, 0, batch())
  const [poison, next] = await Promise.allSettled([
    producer.append(TOPIC, 0, batch(3)),
    producer.append(TOPIC, 0, batch()),
  ])
  assert.equal(poison.status === 'rejected' && poison.reason.code, RECORD_REJECTED.code)
  assert.equal(poison.status === 'rejected' && poison.reason.details.name, 'MESSAGE_TOO_LARGE')
  assert.equal(next.status === 'fulfilled' && next.value.baseOffset, 1)
  assert.deepEqual(
    requests.flat().map(([, sequence]) => sequence),
    [0, 1, 4, 1],
  )
})

test('a fenced producer fails everything, now and later', async () => {
  await using at = await fixture([47])
  const { producer } = at
  await assert.rejects(producer.append(TOPIC, 0, batch()), { code: PRODUCER_FENCED.code })
  await assert.rejects(producer.append(TOPIC, 1, batch()), { code: PRODUCER_FENCED.code })
  await assert.rejects(producer.flush(), { code: PRODUCER_FENCED.code })
})

test('a log that no longer continues the producer is said, not retried for ever', async () => {
  await using at = await fixture([0, 45, 45, 45, 45, 45])
  await at.producer.append(TOPIC, 0, batch())
  await assert.rejects(at.producer.append(TOPIC, 0, batch()), {
    code: DELIVERY_UNKNOWN.code,
    message: /OUT_OF_ORDER/,
  })
})

test('a batch that nobody acknowledges fails after the delivery timeout', async () => {
  await using at = await fixture([], { deliveryTimeoutMs: 700 }, () => 'silence')
  await assert.rejects(at.producer.append(TOPIC, 0, batch()), { code: DELIVERY_UNKNOWN.code })
  assert.equal(at.producer.bufferedBytes, 0)
})

test('a partition that does not exist is refused', async () => {
  await using at = await fixture([])
  await assert.rejects(at.producer.append(TOPIC, 3, batch()), {
    code: RECORD_REJECTED.code,
    message: /UNKNOWN_TOPIC/,
  })
})

test('what is no whole batch is refused before it is sent', async () => {
  await using at = await fixture([])
  const two = Buffer.concat([batch(), batch()])
  await assert.rejects(at.producer.append(TOPIC, 0, two), { code: RECORD_REJECTED.code })
  await assert.rejects(at.producer.append(TOPIC, 0, batch().subarray(0, 50)), { code: 'WIRE_TRUNCATED' })
  assert.deepEqual(at.requests, [])
})

test('appends beyond the buffer wait, and keep their order', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>()
  const size = batch().length
  await using at = await fixture([], { maxBufferedBytes: 2 * size }, () => released)
  const { producer } = at
  const appends = Array.from({ length: 8 }, () => producer.append(TOPIC, 0, batch()))
  assert.equal(producer.bufferedBytes, 2 * size)
  release(undefined)
  const offsets = await Promise.all(appends)
  assert.deepEqual(
    offsets.map(({ baseOffset }) => baseOffset),
    [0, 1, 2, 3, 4, 5, 6, 7],
  )
  assert.equal(producer.bufferedBytes, 0)
})

test('an aborted append that was not sent yet is never sent', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<undefined>()
  await using at = await fixture([], {}, () => released)
  const { producer, requests } = at
  const first = producer.append(TOPIC, 0, batch())
  const giveUp = new AbortController()
  const second = producer.append(TOPIC, 0, batch(5), giveUp.signal)
  const third = producer.append(TOPIC, 0, batch())
  giveUp.abort(new Error('no longer wanted'))
  await assert.rejects(second, /no longer wanted/)
  release(undefined)
  assert.deepEqual(
    (await Promise.all([first, third])).map(({ baseOffset }) => baseOffset),
    [0, 1],
  )
  assert.equal(requests.flat().length, 2)
})

test('closing a producer fails what is not acknowledged', async () => {
  await using at = await fixture([], {}, () => 'silence')
  const pending = at.producer.append(TOPIC, 0, batch())
  await at.producer[Symbol.asyncDispose]()
  await assert.rejects(pending, { code: WIRE_CLOSED.code })
})
