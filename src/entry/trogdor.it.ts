import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type SharedCluster, sharedCluster } from '../../test/fleets/cluster.ts'
import { silentLogger } from '../foundation/log/log.ts'
import { dataBatches } from '../foundation/wire/aborted.ts'
import type { Wire } from '../foundation/wire/contract.ts'
import { openWire } from '../foundation/wire/wire.ts'
import { type Coordinator, openCoordinator } from '../operations/faults/trogdor/coordinator.ts'
import { parseCommentedJson } from '../operations/faults/trogdor/spec/json.ts'
import { taskStore } from '../operations/faults/trogdor/store.ts'
import { apiOf, type ToldTask } from '../operations/faults/trogdor/testing/api.ts'
import { trogdorClient } from '../operations/faults/trogdor/testing/java-client.ts'
import {
  connectionStress,
  keyedProduceBench,
  networkPartition,
  processStop,
  roundTripWorkload,
  simpleConsumeBench,
  simpleProduceBench,
  transactionalProduceBench,
} from '../operations/faults/trogdor/testing/specs.ts'
import { openTrogdorServer, type TrogdorServer } from './trogdor.ts'

/** A bound on hanging, not on slowness. */
const signal = AbortSignal.timeout(280_000)

describe('Trogdor’s specifications on a real cluster, through its REST API', { timeout: 290_000 }, () => {
  let cluster: SharedCluster
  let folder: string
  let coordinator: Coordinator
  let server: TrogdorServer
  let api: ReturnType<typeof apiOf>
  let wire: Wire

  before(async () => {
    cluster = await sharedCluster()
    folder = await mkdtemp(join(tmpdir(), 'ajna-trogdor-'))
    const store = taskStore(join(folder, 'tasks'), aside => assert.fail(aside))
    coordinator = await openCoordinator({ store, target: undefined, note: what => console.log(`# ${what}`) })
    server = await openTrogdorServer(coordinator, 0, silentLogger)
    api = apiOf(server.address)
    wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'trogdor-it' })
  })
  after(async () => {
    await server?.[Symbol.asyncDispose]()
    await coordinator?.close()
    await wire?.close()
    await cluster[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const mark = randomBytes(3).toString('hex')

  /** The specification with the test's own topics, group and addresses, and what else is to differ. */
  function here(spec: string, name: string, changes: Readonly<Record<string, unknown>> = {}) {
    const own = spec
      .replaceAll('localhost:9092', cluster.bootstrap.join(','))
      .replaceAll(/"(foo|round_trip_topic)\[/g, `"${name}-${mark}-[`)
      .replace('"cg"', `"cg-${mark}"`)
    return { ...(parseCommentedJson(own, name) as Record<string, unknown>), ...changes }
  }

  const topicOf = (name: string, number: number): string => `${name}-${mark}-${number}`

  async function written(names: readonly string[]): Promise<readonly number[]> {
    const topics = await wire.metadata(names, signal)
    const partitions = topics.flatMap(topic =>
      topic.partitions.map(({ partition }) => ({ topic: topic.name, partition })),
    )
    const ends = await wire.listOffsets(
      partitions.map(each => ({ ...each, at: 'latest' as const })),
      signal,
    )
    return ends.map(({ offset }) => offset)
  }

  async function finished<Status = Readonly<Record<string, number>>>(
    id: string,
  ): Promise<ToldTask & { readonly status: Status }> {
    const task = await api.in(id, 'DONE')
    assert.equal(task.error, undefined)
    assert.equal(task.cancelled, false)
    assert.ok(task.startedMs! > 0 && task.doneMs! >= task.startedMs!)
    return { ...task, status: task.status as Status }
  }

  test('ProduceBench writes what it says, evenly, and a group of consumers reads each record once', async () => {
    const spec = here(simpleProduceBench, 'bench', { maxMessages: 10_000 })
    await api.create('produce', spec)
    // The same again is the same task; another of its id is refused.
    await api.create('produce', spec)
    const other = await api.call('POST', '/task/create', { id: 'produce', spec: { ...spec, maxMessages: 1 } })
    assert.equal(other.status, 409)

    const { status } = await finished('produce')
    assert.equal(status['totalSent'], 10_000)
    assert.equal(status['transactionsCommitted'], 0)
    const { averageLatencyMs, p50LatencyMs, p95LatencyMs, p99LatencyMs, maxLatencyMs } = status
    assert.ok(averageLatencyMs! > 0 && p50LatencyMs! <= p95LatencyMs! && p95LatencyMs! <= p99LatencyMs!)
    assert.ok(p99LatencyMs! <= maxLatencyMs!)
    const ends = await written([1, 2, 3].map(number => topicOf('bench', number)))
    assert.equal(ends.length, 30)
    assert.ok(ends.every(end => end === 333 || end === 334))
    assert.deepEqual(await written([4, 5].map(number => topicOf('bench', number))), Array(20).fill(0))

    await api.create('consume', here(simpleConsumeBench, 'bench', { maxMessages: 2_000 }))
    const consumed = await finished<Record<string, Record<string, number>>>('consume')
    const consumers = Object.entries(consumed.status)
    assert.deepEqual(
      consumers.map(([name]) => name).sort(),
      [0, 1, 2, 3, 4].map(n => `consumer.consume-${n}`),
    )
    for (const [, each] of consumers) {
      assert.equal(each['totalMessagesReceived'], 2_000)
      assert.equal(each['totalBytesReceived'], 2_000 * 516)
      assert.equal(each['averageMessageSizeBytes'], 516)
    }
    const group = wire.group(`cg-${mark}`)
    const partitions = [1, 2, 3].flatMap(number =>
      Array.from({ length: 10 }, (_, partition) => ({ topic: topicOf('bench', number), partition })),
    )
    const committed = await group.committed(partitions, signal)
    assert.equal(
      committed.reduce((sum, { offset }) => sum + Math.max(0, offset), 0),
      10_000,
    )
  })

  test('ConsumeBench reads the partitions it names, and tells how old records are', async () => {
    const timed = { valueGenerator: { type: 'timestampRandom', size: 40, seed: 5 }, maxMessages: 300 }
    await api.create('timed', here(simpleProduceBench, 'timed', timed))
    await finished('timed')
    await api.create('assigned', {
      class: 'org.apache.kafka.trogdor.workload.ConsumeBenchSpec',
      durationMs: 100_000,
      consumerNode: 'node0',
      bootstrapServers: cluster.bootstrap.join(','),
      maxMessages: 20,
      activeTopics: `timed-${mark}-[1-2]:[0-1]`,
      recordProcessor: { type: 'timestamp', histogramMaxMs: 100_000, histogramMinMs: 0, histogramStepMs: 1 },
    })
    const { status } = await finished<Record<string, Record<string, unknown>>>('assigned')
    const [consumer] = Object.values(status)
    assert.equal(consumer!['totalMessagesReceived'], 20)
    assert.deepEqual(
      consumer!['assignedPartitions'],
      [1, 2].flatMap(number => [0, 1].map(partition => `${topicOf('timed', number)}-${partition}`)),
    )
    const { p50LatencyMs } = consumer!['recordProcessorStatus'] as Record<string, number>
    assert.ok(p50LatencyMs! > 0 && p50LatencyMs! < 100_000)
  })

  test('a transactional ProduceBench commits each full transaction, and readers see no other', async () => {
    const rate = { targetMessagesPerSec: 1_000 }
    await api.create('transactional', here(transactionalProduceBench, 'txn', rate))
    await api.create('uneven', here(transactionalProduceBench, 'uneven', { ...rate, maxMessages: 120 }))
    const interval = {
      transactionGenerator: { type: 'interval', transactionIntervalMs: 20 },
      maxMessages: 200,
    }
    await api.create('interval', here(transactionalProduceBench, 'interval', interval))
    const full = await finished('transactional')
    assert.deepEqual([full.status['totalSent'], full.status['transactionsCommitted']], [500, 10])
    assert.equal((await finished('uneven')).status['transactionsCommitted'], 2)
    assert.ok((await finished('interval')).status['transactionsCommitted']! > 0)
    // A commit is decided before its markers are in the log: readers see it soon, not at once.
    for (const [name, records] of [
      ['txn', 500],
      ['uneven', 100],
    ] as const) {
      const deadline = Date.now() + 60_000
      while ((await committed(name)) < records && Date.now() < deadline) await delay(50)
      assert.equal(await committed(name), records)
    }
  })

  async function committed(name: string): Promise<number> {
    let count = 0
    for (const number of [1, 2, 3]) {
      const from = [0, 1, 2].map(partition => ({ topic: topicOf(name, number), partition, offset: 0 }))
      await using stream = wire.fetch({ from, signal, isolation: 'read_committed' })
      for await (const event of stream) {
        if (event.kind === 'caught-up') break
        if (event.kind === 'batches') for (const batch of dataBatches(event)) count += batch.count
      }
    }
    return count
  }

  test('RoundTripWorkload reads every record back, and takes no older one for its own', async () => {
    for (const id of ['round-1', 'round-2']) {
      await api.create(id, here(roundTripWorkload, 'round'))
      const { status } = await finished(id)
      assert.deepEqual(status, { totalUniqueSent: 100, totalReceived: 100 })
    }
    const ends = await written([0, 1].map(number => topicOf('round', number)))
    assert.deepEqual(ends, [50, 50, 50, 50])
  })

  test('keys go where Kafka’s own partitioner puts them', async () => {
    await api.create('keyed', here(keyedProduceBench, 'keyed', { maxMessages: 600 }))
    assert.equal((await finished('keyed')).status['totalSent'], 600)
    const ends = await written([1, 2, 3].map(number => topicOf('keyed', number)))
    assert.equal(
      ends.reduce((sum, end) => sum + end, 0),
      600,
    )
    // Evenly by chance only: not by turns.
    assert.ok(new Set(ends).size > 3)
  })

  test('ConnectionStress connects at its rate until its time is over', async () => {
    await api.create('stress', here(connectionStress, 'stress', { durationMs: 1_500 }))
    await api.create(
      'stress-metadata',
      here(connectionStress, 's', { durationMs: 1_500, action: 'FETCH_METADATA' }),
    )
    for (const id of ['stress', 'stress-metadata']) {
      const { status } = await finished(id)
      assert.ok(status['totalConnections']! > 0)
      assert.equal(status['totalFailedConnections'], 0, JSON.stringify(status))
    }
  })

  test('a task is stopped while it runs and before, found by its state and time, and destroyed', async () => {
    const noOp = { class: 'org.apache.kafka.trogdor.task.NoOpTaskSpec', durationMs: 1_000_000 }
    const later = { ...noOp, startMs: Date.now() + 1_000_000 }
    await api.create('running', noOp)
    await api.create('pending', later)
    await api.in('running', 'RUNNING')
    assert.equal((await api.task('pending')).spec['startMs'], later.startMs)
    const listed = async (query: string) => {
      const { body } = await api.call<{ tasks: Record<string, ToldTask> }>('GET', `/tasks${query}`)
      return Object.keys(body.tasks)
    }
    assert.deepEqual(await listed('?state=RUNNING'), ['running'])
    assert.deepEqual(await listed('/?state=PENDING'), ['pending'])
    assert.deepEqual(await listed('?taskId=pending&taskId=running&taskId=none'), ['pending', 'running'])
    assert.deepEqual(await listed(`?firstStartMs=${Date.now() + 60_000}`), [])
    for (const id of ['running', 'pending', 'none'])
      assert.deepEqual(await api.call('PUT', '/task/stop', { id }), { status: 200, body: {} })
    for (const id of ['running', 'pending']) {
      const { cancelled, startedMs, error } = await api.in(id, 'DONE')
      assert.deepEqual([cancelled, startedMs! > 0, error], [true, id === 'running', undefined])
      assert.equal((await api.call('DELETE', `/tasks?taskId=${id}`)).status, 200)
      const gone = await api.call<{ code: number; message: string }>('GET', `/tasks/${id}`)
      assert.deepEqual([gone.status, gone.body.code], [404, 404])
      assert.match(gone.body.message, new RegExp(`No task with ID "${id}" exists`))
    }
  })

  test('what cannot be done is a task’s error that says why; nothing is left out in silence', async () => {
    const produce = (changes: Readonly<Record<string, unknown>>) => here(simpleProduceBench, 'none', changes)
    const refused = [
      [{ ...JSON.parse(networkPartition), startMs: 0 }, /needs a cluster in a network of its own; run it/],
      [processStop, /start the coordinator with --nodes/],
      [produce({ producerConf: { acks: '1' } }), /producerConf\["acks"\]: found "1", allowed: all or -1/],
      [produce({ commonClientConf: { 'sasl.mechanism': 'PLAIN' } }), /"sasl.mechanism"\]: .*no counterpart/],
      [produce({ targetMessagesPerSec: -1 }), /targetMessagesPerSec: found -1, allowed: 0 or more/],
      [
        produce({ activeTopics: { 'x[1-999999999]': {} } }),
        /found 1001 topics or more, allowed: at most 1000/,
      ],
      [produce({ activeTopics: {} }), /activeTopics: found none/],
      [produce({ bootstrapServers: 'nowhere' }), /bootstrapServers: found "nowhere", allowed: addresses/],
      [
        { class: 'org.apache.kafka.trogdor.workload.ExternalCommandSpec', command: ['id'] },
        /no commands are run/,
      ],
    ] as const
    for (const [index, [spec, said]] of refused.entries()) {
      await api.create(`refused-${index}`, typeof spec === 'string' ? JSON.parse(spec) : spec)
      const { error, startedMs } = await api.in(`refused-${index}`, 'DONE')
      assert.match(error ?? '', said)
      // What is wrong with a specification is known before it is run; what there is to be broken, is not.
      assert.equal(startedMs === -1, index > 1, `${index}`)
    }
    await api.create('unreachable', produce({ bootstrapServers: '127.0.0.1:1', durationMs: 60_000 }))
    assert.match(
      (await api.in('unreachable', 'DONE')).error ?? '',
      /127\.0\.0\.1:1|KAFKA_UNREACHABLE|ECONNREFUSED/,
    )
    await api.create(
      'wrong-partitions',
      here(roundTripWorkload, 'round', { activeTopics: { [topicOf('round', 0)]: {} } }),
    )
    assert.match((await api.in('wrong-partitions', 'DONE')).error ?? '', /exists, but has 2 partitions/)
    await api.create('mooted', produce({ maxMessages: 1, producerConf: { retries: '3', 'linger.ms': '0' } }))
    const { status } = await finished('mooted')
    assert.deepEqual(Object.keys(status['notApplied']!), ['producerConf.retries'])
  })

  test('hostile requests get Trogdor’s form of an error, and change nothing', async () => {
    const P = 'org.apache.kafka.trogdor.workload.ProduceBenchSpec'
    const hostile = [
      [501, { id: 'h', spec: { durationMs: 5 } }, /class: found nothing, allowed: one of org/],
      [501, { id: 'h', spec: { class: 'no.such.Class' } }, /found "no.such.Class"/],
      [501, { id: 'h', spec: { class: '__proto__' } }, /found "__proto__"/],
      [
        501,
        { id: 'h', spec: { class: P, valueGenerator: { type: 'nope' } } },
        /valueGenerator.type: found "nope"/,
      ],
      [400, { id: 'h', spec: { class: P, foo: 1 } }, /unknown "foo"/],
      [
        400,
        { id: 'h', spec: { class: P, targetMessagesPerSec: 99_999_999_999 } },
        /a whole number of 32 bits/,
      ],
      [400, { id: 'h', spec: { class: P, transactionGenerator: { type: 'uniform' } } }, /at least 1/],
      [400, { id: 'h', spec: [] }, /found an empty list, allowed: an object/],
      [
        400,
        { id: 'h', spec: { class: P, valueGenerator: { type: 'constant', size: 2 ** 31 - 1 } } },
        /1048576, in bytes/,
      ],
      [
        400,
        { id: 'h', spec: { class: P, keyGenerator: { type: 'sequential', size: -1 } } },
        /1048576, in bytes/,
      ],
      [400, `{"id":"h","spec":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /allowed: an object/],
      [400, `{"id":"h","spec":{"class":"${P}","x":${'['.repeat(9_000)}${']'.repeat(9_000)}}}`, /32 levels/],
      [400, { id: '', spec: { class: P } }, /Invalid empty ID/],
      [400, { id: 'h'.repeat(300), spec: { class: P } }, /300 characters/],
      [400, { id: 'h' }, /spec: found nothing/],
      [400, '{nojson', /not JSON/],
      [400, '', /allowed: an object/],
      [413, { id: 'h', spec: { class: P, producerNode: 'x'.repeat(300_000) } }, /too large/i],
    ] as const
    for (const [status, body, said] of hostile) {
      const answer = await api.call<{ code: number; message: string }>('POST', '/task/create', body)
      assert.deepEqual([answer.status, answer.body.code], [status, status], JSON.stringify(answer.body))
      assert.match(answer.body.message, said)
    }
    assert.equal((await api.call('GET', '/tasks?state=NOPE')).status, 400)
    assert.equal((await api.call('GET', '/tasks?firstStartMs=abc')).status, 400)
    assert.equal((await api.call('GET', '/nothing')).status, 404)
    assert.equal((await api.call('GET', '/tasks/h')).status, 404)
    const { body } = await api.call<Record<string, number>>('GET', '/uptime')
    assert.ok(body['nowMs']! >= body['serverStartMs']!)
  })

  test('Trogdor’s own client creates, shows, lists, stops and destroys tasks', async () => {
    await using client = await trogdorClient(server.address.replace('http://127.0.0.1', 'localhost'))
    const file = join(folder, 'spec.json')
    const own = simpleProduceBench
      .replaceAll('localhost:9092', cluster.bootstrap.join(','))
      .replaceAll('"foo[', `"java-${mark}-[`)
      .replace('50000', '1000')
    await writeFile(file, own)
    assert.match(
      await client.run('createTask', '-i', 'java', '--spec', file),
      /Sent CreateTaskRequest for task java/,
    )
    await finished('java')
    const shown = await client.run('showTask', '-i', 'java', '--show-status')
    assert.match(
      shown,
      /Task java of type org\.apache\.kafka\.trogdor\.workload\.ProduceBenchSpec is DONE\. FINISHED/,
    )
    assert.match(shown, /"totalSent" : 1000/)
    // What it makes of the same file is the same task; a file that differs is another one.
    assert.match(await client.run('createTask', '-i', 'java', '--spec', file), /Sent CreateTaskRequest/)
    await writeFile(file, own.replace('10000,', '999,'))
    assert.match(await client.run('createTask', '-i', 'java', '--spec', file), /409 status code/)

    const noOp = '{"class":"org.apache.kafka.trogdor.task.NoOpTaskSpec","durationMs":1000000}'
    await client.run('createTask', '-i', 'java-no-op', '--spec', noOp)
    await api.in('java-no-op', 'RUNNING')
    const listed = await client.run('showTasks', '--id-pattern', 'java.*')
    assert.match(listed, /java-no-op\s+org\.apache\.kafka\.trogdor\.task\.NoOpTaskSpec\s+RUNNING/)
    assert.match(listed, /java\s+org\.apache\.kafka\.trogdor\.workload\.ProduceBenchSpec\s+DONE\s+FINISHED/)
    await client.run('stopTask', '-i', 'java-no-op')
    assert.equal((await api.in('java-no-op', 'DONE')).cancelled, true)
    await client.run('destroyTask', '-i', 'java-no-op')
    assert.match(await client.run('showTask', '-i', 'java-no-op'), /not found/)
  })
})
