import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchesOf, fakeTopicCluster, producedBody, TOPIC } from '../../../test/wire/fake-cluster.ts'
import { hasValidCrc, readBatchHeader } from './batch.ts'
import { BatchBuilder } from './build.ts'
import { decideResult } from './positioned.ts'
import { openWire } from './wire.ts'

const cases: readonly (readonly [code: number, baseOffset: number, kind: string])[] = [
  [0, 10, 'appended'],
  [0, 11, 'displaced'],
  [0, 9, 'displaced'],
  [45, -1, 'not-at-end'],
  [46, -1, 'not-at-end'],
  [59, -1, 'not-at-end'],
  [6, -1, 'unavailable'],
  [7, -1, 'unavailable'],
  [19, -1, 'unavailable'],
  [-1, -1, 'unavailable'],
  [10, -1, 'rejected'],
  [29, -1, 'rejected'],
  [47, -1, 'rejected'],
  [87, -1, 'rejected'],
]
for (const [errorCode, baseOffset, kind] of cases) {
  test(`error ${errorCode} at base offset ${baseOffset}, asked for 10: ${kind}`, () => {
    assert.equal(decideResult(10, { errorCode, baseOffset }).kind, kind)
  })
}

test('an answer that leaves the partition out says nothing about it', () => {
  assert.equal(decideResult(10, undefined).kind, 'unavailable')
})

const signal = new AbortController().signal

function entry(partition: number, offset: number) {
  const builder = new BatchBuilder()
  builder.add({ timestamp: 0, value: Buffer.from('value') })
  return { topic: TOPIC, partition, offset, sequence: offset, batch: builder.finish() }
}

test('each verdict is about its entry, whatever the order of the answers and whatever is missing from them', async () => {
  await using cluster = await fakeTopicCluster(4, request => {
    const batches = batchesOf(request)
    for (const { bytes } of batches) assert.ok(hasValidCrc(bytes, readBatchHeader(bytes)))
    const answers = batches.map(({ partition, baseSequence }) => ({
      partition,
      errorCode: partition === 2 ? 45 : 0,
      baseOffset: baseSequence,
    }))
    return producedBody(answers.reverse().filter(({ partition }) => partition !== 1))
  })
  await using wire = openWire({ bootstrap: [cluster.broker.address], clientId: 'test' })
  const appender = wire.positionedAppender({ producerId: 5n })
  const results = await appender.append([entry(3, 30), entry(1, 10), entry(2, 20), entry(0, 7)], signal)
  assert.deepEqual(
    results.map(result => (result.kind === 'appended' ? result.baseOffset : result.kind)),
    [30, 'unavailable', 'not-at-end', 7],
  )
})

test('an append that names a partition twice is refused, the next call may name it again', async () => {
  await using cluster = await fakeTopicCluster(2, request =>
    producedBody(
      batchesOf(request).map(({ partition, baseSequence }) => ({
        partition,
        errorCode: 0,
        baseOffset: baseSequence,
      })),
    ),
  )
  await using wire = openWire({ bootstrap: [cluster.broker.address], clientId: 'test' })
  const appender = wire.positionedAppender({ producerId: 5n })
  await assert.rejects(appender.append([entry(0, 0), entry(1, 0), entry(0, 1)], signal), RangeError)
  const results = await appender.append([entry(0, 0), entry(1, 0)], signal)
  assert.deepEqual(
    results.map(({ kind }) => kind),
    ['appended', 'appended'],
  )
})

test('without a leader nothing is sent, and the leader is looked up before the next attempt', async () => {
  await using cluster = await fakeTopicCluster(1, request =>
    producedBody(
      batchesOf(request).map(({ partition, baseSequence }) => ({
        partition,
        errorCode: 0,
        baseOffset: baseSequence,
      })),
    ),
  )
  await using wire = openWire({ bootstrap: [cluster.broker.address], clientId: 'test' })
  const appender = wire.positionedAppender({ producerId: 5n })
  cluster.topic.leader = -1
  const [first] = await appender.append([entry(0, 0)], signal)
  assert.equal(first?.kind, 'unavailable')
  Object.assign(cluster.topic, { leader: 1, leaderEpoch: 4 })
  const [second] = await appender.append([entry(0, 0)], signal)
  assert.equal(second?.kind, 'appended')
})
