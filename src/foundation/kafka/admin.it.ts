import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Consumer, ProduceAcks, Producer } from '@platformatic/kafka'
import { type SharedCluster, sharedCluster } from '../../../test/fleets/cluster.ts'
import { type ClusterAdmin, openCluster } from './admin.ts'
import type { ItemOutcome } from './calls.ts'
import { refusalOf } from './errors.ts'
import { snapshot } from './snapshot.ts'

let cluster: SharedCluster
let admin: ClusterAdmin
const run = randomBytes(4).toString('hex')
const named = (name: string): string => `kafka-it-${run}-${name}`
const topics = ['placed', 'spread', 'config', 'offsets', 'moved', 'group', 'positions'].map(named)

before(async () => {
  cluster = await sharedCluster()
  admin = openCluster({ bootstrap: cluster.bootstrap, clientId: 'kafka-it' })
})

after(async () => {
  await admin.deleteTopics(topics.map(name => ({ name })))
  await admin.close()
  await cluster[Symbol.asyncDispose]()
})

const errorsOf = (outcomes: readonly ItemOutcome<unknown>[]): (string | null)[] =>
  outcomes.map(({ error }) => (error === null ? null : (refusalOf(error) ?? error.code)))

/** Looks until it holds; the test's own timeout is the bound. */
async function until<Value>(look: () => Promise<Value>, holds: (value: Value) => boolean): Promise<Value> {
  for (;;) {
    const value = await look()
    if (holds(value)) return value
    await pause(50)
  }
}

async function produce(topic: string, partition: number, values: readonly string[]): Promise<void> {
  const producer = new Producer({ clientId: 'kafka-it', bootstrapBrokers: [...cluster.bootstrap] })
  for (const value of values) {
    // By default the library waits for the leader only, and the end that readers see may lag behind.
    await producer.send({
      acks: ProduceAcks.ALL,
      messages: [{ topic, partition, value: Buffer.from(value) }],
    })
  }
  await producer.close()
}

test('creates topics as told, by count or replica by replica, and says what became of each', async () => {
  const outcomes = await admin.createTopics([
    {
      name: named('spread'),
      layout: { partitions: 2, replicationFactor: 3 },
      config: { 'retention.ms': '60000' },
    },
    {
      name: named('placed'),
      layout: {
        replicas: [
          [2, 3],
          [3, 1],
        ],
      },
    },
    { name: 'not a name', layout: { partitions: 1, replicationFactor: 1 } },
    { name: named('wide'), layout: { partitions: 1, replicationFactor: 9 } },
  ])
  assert.deepEqual(errorsOf(outcomes), [null, null, 'INVALID_TOPIC_EXCEPTION', 'INVALID_REPLICATION_FACTOR'])
  const described = await until(
    () => admin.describeTopics([named('placed'), named('spread'), named('wide')]),
    found =>
      found.length === 2 && found.every(topic => topic.partitions.every(({ leader }) => leader !== null)),
  )
  assert.deepEqual(
    described.map(({ name, partitions }) => [name, partitions.map(each => each.replicas.length)]),
    [
      [named('placed'), [2, 2]],
      [named('spread'), [3, 3]],
    ],
  )
  assert.deepEqual(
    described[0]!.partitions.map(each => each.replicas),
    [
      [2, 3],
      [3, 1],
    ],
  )
  assert.match(described[0]!.id, /^[\w-]{22}$/)
  const ids = described.map(({ id }) => id)
  for (const broker of [1, 2, 3])
    await until(
      () => admin.describeTopics([named('placed'), named('spread')], { broker }),
      // Each of them by itself has heard of both.
      found => found.length === 2 && found.every(({ id }) => ids.includes(id)),
    )
  await assert.rejects(admin.describeTopics([named('placed')], { broker: 9, deadlineMs: 1_000 }))
  assert.deepEqual(
    errorsOf(
      await admin.createTopics([{ name: named('spread'), layout: { partitions: 2, replicationFactor: 3 } }]),
    ),
    ['TOPIC_ALREADY_EXISTS'],
  )
})

test('adds partitions, and refuses to take any away', async () => {
  const outcomes = await admin.createPartitions([
    { name: named('spread'), total: 3 },
    { name: named('placed'), total: 1 },
  ])
  assert.deepEqual(errorsOf(outcomes), [null, 'INVALID_PARTITIONS'])
  await until(
    () => admin.describeTopics([named('spread')]),
    ([topic]) => topic?.partitions.length === 3,
  )
})

test('sets and resets settings one by one, and tells a topic’s own from inherited ones', async () => {
  await admin.createTopics([
    {
      name: named('config'),
      layout: { partitions: 1, replicationFactor: 1 },
      config: { 'retention.ms': '1', 'segment.ms': '9' },
    },
  ])
  const topic = { kind: 'topic', name: named('config') } as const
  const outcomes = await admin.alterConfigs([
    { resource: topic, set: { 'retention.ms': '5000', 'segment.ms': null } },
    { resource: topic, set: { 'retention.ms': 'soon' } },
    { resource: { kind: 'topic', name: named('nowhere') }, set: { 'retention.ms': '1' } },
  ])
  // The same resource twice in one request is refused by Kafka: whoever asks for it is told.
  assert.deepEqual(errorsOf(outcomes).slice(1), ['INVALID_REQUEST', 'UNKNOWN_TOPIC_OR_PARTITION'])
  assert.deepEqual(
    errorsOf(
      await admin.alterConfigs([{ resource: topic, set: { 'retention.ms': '5000', 'segment.ms': null } }]),
    ),
    [null],
  )
  const [described] = await until(
    () => admin.describeConfigs([topic]),
    ([each]) => each?.entries.get('retention.ms')?.value === '5000',
  )
  assert.equal(described!.entries.get('retention.ms')?.source, 'own')
  assert.notEqual(described!.entries.get('segment.ms')?.source, 'own')
})

test('one broker’s own settings are told and changed by that broker', async () => {
  const names = (await admin.brokers()).map(({ id }) => String(id))
  const resources = names.map(name => ({ kind: 'broker', name }) as const)
  const rate = 'follower.replication.throttled.rate'
  const set = (value: string | null) =>
    admin.alterConfigs(resources.map(resource => ({ resource, set: { [rate]: value } })))
  assert.deepEqual(
    errorsOf(await set('1000000000')),
    names.map(() => null),
  )
  await until(
    () => admin.describeConfigs(resources),
    described => described.every(({ entries }) => entries.get(rate)?.value === '1000000000'),
  )
  assert.deepEqual(
    errorsOf(await set(null)),
    names.map(() => null),
  )
})

test('finds offsets by end and by time, each partition at its leader, and says which it cannot', async () => {
  await admin.createTopics([{ name: named('offsets'), layout: { partitions: 2, replicationFactor: 3 } }])
  await produce(named('offsets'), 1, ['a', 'b', 'c'])
  const found = await admin.listOffsets([
    { topic: named('offsets'), partition: 0, at: 'latest' },
    { topic: named('offsets'), partition: 1, at: 'earliest' },
    { topic: named('offsets'), partition: 1, at: 'latest' },
    { topic: named('offsets'), partition: 1, at: { timestamp: Date.now() + 3_600_000 } },
    { topic: named('nowhere'), partition: 0, at: 'latest' },
  ])
  assert.deepEqual(
    found.map(({ offset }) => offset),
    [0, 0, 3, -1, null],
  )
  assert.ok(found[4]!.error !== null)
})

test('moves replicas and gives leadership back to the preferred one', async () => {
  const topic = named('moved')
  await admin.createTopics([{ name: topic, layout: { replicas: [[1, 2]] } }])
  const stateOf = async () => (await admin.describeTopics([topic]))[0]?.partitions[0]
  await until(stateOf, state => state?.leader === 1)
  assert.deepEqual(
    errorsOf(
      await admin.reassign([
        { topic, partition: 0, replicas: [3, 2] },
        { topic, partition: 7, replicas: [1] },
      ]),
    ),
    [null, 'UNKNOWN_TOPIC_OR_PARTITION'],
  )
  await until(stateOf, state => state?.replicas.join() === '3,2' && state.isr.includes(3))
  await until(
    () => admin.listReassignments(),
    underWay => !underWay.some(each => each.topic === topic),
  )
  assert.deepEqual(errorsOf(await admin.electLeaders('preferred', [{ topic, partition: 0 }])), [null])
  assert.equal((await until(stateOf, state => state?.leader === 3))?.leader, 3)
  assert.deepEqual(
    errorsOf(await admin.electLeaders('preferred', [{ topic, partition: 0 }])),
    [null],
    'as wanted already',
  )
})

test('a snapshot tells a group’s members, what they committed and how far behind they are', async () => {
  const topic = named('group')
  const groupId = named('readers')
  await admin.createTopics([{ name: topic, layout: { partitions: 1, replicationFactor: 3 } }])
  await produce(topic, 0, ['a', 'b', 'c', 'd'])
  const consumer = new Consumer({
    groupId,
    clientId: 'kafka-it-reader',
    bootstrapBrokers: [...cluster.bootstrap],
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
  await consumer.commit({ offsets: [{ topic, partition: 0, offset: 1n, leaderEpoch: -1 }] })
  const seen = await snapshot(admin, { parts: ['groups'] })
  assert.ok(seen.groups.ok && !seen.acls.ok && seen.acls.error.code === 'SNAPSHOT_PART_SKIPPED')
  const group = seen.groups.value.find(({ id }) => id === groupId)
  assert.ok(group?.members.ok && group.offsets.ok)
  assert.deepEqual(
    [group.state, group.type, group.protocol, group.members.value.map(each => each.clientId)],
    ['Stable', 'classic', 'consumer', ['kafka-it-reader']],
  )
  assert.deepEqual(group.offsets.value, [{ topic, partition: 0, offset: 1, lag: 3 }])

  assert.deepEqual(errorsOf(await admin.deleteGroups([groupId])), ['NON_EMPTY_GROUP'])
  await stream.close()
  await consumer.close(true)
  await until(
    () => admin.deleteGroups([groupId]),
    ([outcome]) => outcome!.error === null,
  )
})

test('commits positions for groups without members, notes and all, and never under a member’s feet', async () => {
  const topic = named('positions')
  const [idle, busy, absent] = ['idle', 'busy', 'absent'].map(named) as [string, string, string]
  await admin.createTopics([{ name: topic, layout: { partitions: 2, replicationFactor: 3 } }])
  await produce(topic, 0, ['a', 'b', 'c'])
  const at = (group: string, partition: number, offset: number, metadata = '') => ({
    group,
    topic,
    partition,
    offset,
    metadata,
  })
  const consumer = new Consumer({
    groupId: busy,
    clientId: 'kafka-it-reader',
    bootstrapBrokers: [...cluster.bootstrap],
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
  try {
    const outcomes = await admin.commitPositions([
      at(idle, 0, 2, 'a note'),
      at(idle, 1, 0),
      at(busy, 0, 1),
      at(idle, 7, 1),
    ])
    assert.deepEqual(errorsOf(outcomes), [null, null, 'UNKNOWN_MEMBER_ID', 'UNKNOWN_TOPIC_OR_PARTITION'])
    const found = await admin.groupPositions([idle, busy, absent])
    assert.deepEqual(found, [
      {
        group: idle,
        positions: [
          { topic, partition: 0, offset: 2, metadata: 'a note' },
          { topic, partition: 1, offset: 0, metadata: '' },
        ],
        error: null,
      },
      { group: busy, positions: [], error: null },
      { group: absent, positions: [], error: null },
    ])
  } finally {
    await stream.close()
    await consumer.close(true)
  }
})

test('sets, tells and lifts quotas', async () => {
  const entity = { user: named('limited') }
  assert.deepEqual(
    errorsOf(
      await admin.alterQuotas([{ entity, set: { producerBytesPerSecond: 1000, requestPercentage: 12.5 } }]),
    ),
    [null],
  )
  const quotaOf = async () => (await admin.describeQuotas()).find(each => each.entity.user === entity.user)
  const quota = await until(quotaOf, each => each !== undefined)
  assert.deepEqual(quota!.values, { producerBytesPerSecond: 1000, requestPercentage: 12.5 })
  await admin.alterQuotas([{ entity, set: { producerBytesPerSecond: null, requestPercentage: null } }])
  await until(quotaOf, each => each === undefined)
})

test('deletes a topic by its id, and not another that has taken its name', async () => {
  const [topic] = await admin.describeTopics([named('placed')])
  assert.deepEqual(errorsOf(await admin.deleteTopics([{ name: topic!.name, id: `${'A'.repeat(21)}Q` }])), [
    'UNKNOWN_TOPIC_ID',
  ])
  assert.deepEqual(errorsOf(await admin.deleteTopics([{ name: topic!.name, id: topic!.id }])), [null])
  await until(
    () => admin.describeTopics([topic!.name]),
    found => found.length === 0,
  )
})
