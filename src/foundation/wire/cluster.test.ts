import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeBroker } from '../../../test/wire/fake-broker.ts'
import { fakeTopicCluster, TOPIC } from '../../../test/wire/fake-cluster.ts'
import { hedged } from './backoff.ts'
import { parseAddress } from './cluster.ts'
import { BROKER_UNREACHABLE } from './errors.ts'
import { openWire } from './wire.ts'

const signal = new AbortController().signal

test('a frozen bootstrap broker does not keep the others from being asked', async () => {
  await using frozen = await fakeBroker(() => 'silence')
  await using cluster = await fakeTopicCluster(2, () => 'silence')
  const bootstrap = [frozen.address, cluster.broker.address]
  await using wire = openWire({ bootstrap, clientId: 'test', requestTimeoutMs: 60_000 })
  const [topic] = await wire.metadata([TOPIC], signal)
  assert.equal(topic?.partitions.length, 2)
})

test('when nobody answers, the error names everyone asked and why', async () => {
  const gone = await fakeBroker(() => 'silence')
  await gone[Symbol.asyncDispose]()
  await using frozen = await fakeBroker(() => 'silence')
  await using wire = openWire({
    bootstrap: [gone.address, frozen.address],
    clientId: 'test',
    requestTimeoutMs: 50,
  })
  await assert.rejects(wire.metadata([TOPIC], signal), (error: Error & { code: string }) => {
    assert.equal(error.code, BROKER_UNREACHABLE.code)
    for (const { address } of [gone, frozen]) assert.ok(error.message.includes(address), error.message)
    return true
  })
})

test('look-ups asked for together are answered by one request', async () => {
  await using cluster = await fakeTopicCluster(1, () => 'silence')
  await using wire = openWire({ bootstrap: [cluster.broker.address], clientId: 'test' })
  await Promise.all(Array.from({ length: 50 }, () => wire.metadata([TOPIC], signal)))
  assert.equal(cluster.lookups(), 1)
})

test('an older view of a leader does not replace a newer one', async () => {
  await using cluster = await fakeTopicCluster(1, () => 'silence')
  await using wire = openWire({ bootstrap: [cluster.broker.address], clientId: 'test' })
  await wire.metadata([TOPIC], signal)
  Object.assign(cluster.topic, { leader: 9, leaderEpoch: 2 })
  const [topic] = await wire.metadata([TOPIC], signal)
  assert.deepEqual([topic?.partitions[0]?.leader, topic?.partitions[0]?.leaderEpoch], [1, 3])
})

test('a broker that tells nothing new is not asked again at once: it may be cut off from its controller', async () => {
  await using isolated = await fakeTopicCluster(1, () => 'silence')
  await using other = await fakeTopicCluster(1, () => 'silence')
  const bootstrap = [isolated.broker.address, other.broker.address]
  await using wire = openWire({ bootstrap, clientId: 'test' })
  const epoch = async () => (await wire.metadata([TOPIC], signal))[0]?.partitions[0]?.leaderEpoch
  assert.equal(await epoch(), 3)
  other.topic.leaderEpoch = 4
  const seen = [await epoch(), await epoch()]
  assert.deepEqual(seen, [3, 4])
  assert.ok(isolated.lookups() <= 2)
})

test('a topic that does not exist is left out', async () => {
  await using cluster = await fakeTopicCluster(1, () => 'silence')
  cluster.topic.errorCode = 3
  await using wire = openWire({ bootstrap: [cluster.broker.address], clientId: 'test' })
  assert.deepEqual(await wire.metadata([TOPIC], signal), [])
})

test('of attempts that start one after another the first success wins, and late starts are spared', async () => {
  let started = 0
  const never = () => {
    started++
    return new Promise<string>(() => undefined)
  }
  const fails = () => Promise.reject(new Error('no'))
  assert.equal(await hedged([fails, never, async () => 'third', never], 5), 'third')
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(started, 1)
  await assert.rejects(hedged([fails, fails], 5), AggregateError)
  await assert.rejects(hedged([], 5), AggregateError)
})

test('addresses are host:port', () => {
  assert.deepEqual(parseAddress('kafka-1.example:9092'), { host: 'kafka-1.example', port: 9092 })
  assert.deepEqual(parseAddress('[::1]:9092'), { host: '::1', port: 9092 })
  for (const bad of ['', 'host', 'host:', ':1', 'host:0', 'host:65536', 'host:1:2', 'host:x', '::1:9092']) {
    assert.throws(() => parseAddress(bad), RangeError, bad)
  }
})
