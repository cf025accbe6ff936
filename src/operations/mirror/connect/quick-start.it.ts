import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual, promisify } from 'node:util'
import { startCluster } from '../../../../test/fleets/cluster.ts'
import { connectLinks } from '../../../../test/mirror/connect-links.ts'
import { batchOf, readTopic } from '../../../../test/wire/records.ts'
import { createTopic } from '../../../../test/wire/topics.ts'
import { openWire } from '../../../foundation/wire/wire.ts'

const DEADLINE_MS = 180_000
const run = promisify(execFile)

interface Status {
  readonly connector: { readonly state: string; readonly trace?: string }
  readonly tasks: readonly { readonly id: number; readonly state: string }[]
}

describe('Kafka Connect’s API over links, with a worker and real brokers', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)

  test('Mirus’ quick start works as its README has it, then a client’s calls do', async () => {
    await using cluster = await startCluster({ nodes: 1, name: 'quick-start' })
    await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'connect-it' })
    await using links = await connectLinks(cluster.bootstrap, signal)
    const { server } = links
    const bootstrap = cluster.bootstrap.join(',')
    const curl = async (...args: readonly string[]): Promise<unknown> => {
      const { stdout } = await run('curl', ['--silent', '--show-error', ...args])
      return stdout === '' ? undefined : JSON.parse(stdout)
    }
    const connectors = `${server.address}/connectors`
    const status = async (): Promise<Status> =>
      (await curl(`${connectors}/mirus-quickstart-source/status`)) as Status
    const until = async (holds: (status: Status) => boolean): Promise<Status> => {
      for (;;) {
        const now = await status()
        if (holds(now)) return now
        await sleep(200, undefined, { signal })
      }
    }

    assert.deepEqual(Object.keys((await curl(server.address)) as object), [
      'version',
      'commit',
      'kafka_cluster_id',
    ])

    // Submit a new MirusSourceConnector configuration.
    const config = {
      name: 'mirus-quickstart-source',
      'connector.class': 'com.salesforce.mirus.MirusSourceConnector',
      'tasks.max': '5',
      'topics.whitelist': 'test',
      'destination.topic.name.suffix': '.mirror',
      'destination.consumer.bootstrap.servers': bootstrap,
      'consumer.bootstrap.servers': bootstrap,
      'consumer.client.id': 'mirus-quickstart',
      'consumer.key.deserializer': 'org.apache.kafka.common.serialization.ByteArrayDeserializer',
      'consumer.value.deserializer': 'org.apache.kafka.common.serialization.ByteArrayDeserializer',
    }
    const submitted = await curl(
      `${connectors}/mirus-quickstart-source/config`,
      '-X',
      'PUT',
      '-H',
      'Content-Type: application/json',
      '-d',
      JSON.stringify(config),
    )
    assert.deepEqual(submitted, { name: config.name, config, tasks: [], type: 'source' })

    // Confirm the new connector is running.
    assert.deepEqual(await curl(connectors), ['mirus-quickstart-source'])
    assert.deepEqual((await until(({ connector }) => connector.state === 'RUNNING')).tasks, [])

    // Create source and destination topics: the link must not have made the second one by then.
    await createTopic(cluster.bootstrap, 'test')
    const { connector, tasks } = await until(each => each.connector.trace !== undefined)
    assert.match(connector.trace!, /test\.mirror/)
    assert.deepEqual(tasks, [])
    await createTopic(cluster.bootstrap, 'test.mirror')

    // A new task is there, and what is written to test is in test.mirror.
    assert.deepEqual(
      (await until(each => each.tasks.length > 0)).tasks.map(({ id, state }) => [id, state]),
      [[0, 'RUNNING']],
    )
    await using producer = await wire.producer({}, signal)
    const write = (...values: readonly string[]) => producer.append('test', 0, batchOf(...values), signal)
    const mirrored = async (count: number): Promise<readonly string[]> => {
      for (;;) {
        const [records] = await readTopic(wire, 'test.mirror', 1, signal)
        if (records!.length >= count) return records!.map(({ value }) => value)
        await sleep(200, undefined, { signal })
      }
    }
    await write('a', 'b', 'c')
    assert.deepEqual(await mirrored(3), ['a', 'b', 'c'])

    // What a client does besides.
    const ask = async (method: string, path: string, body?: unknown) =>
      server.json(method, `/connectors/mirus-quickstart-source${path}`, body)
    assert.deepEqual((await ask('GET', '/offsets')).body, {
      offsets: [{ partition: { topic: 'test', partition: 0 }, offset: { offset: 3 } }],
    })
    const active = { 'mirus-quickstart-source': { topics: ['test.mirror'] } }
    // As the worker said last; it is asked every second.
    while (!isDeepStrictEqual((await ask('GET', '/topics')).body, active))
      await sleep(200, undefined, { signal })
    assert.equal(
      (
        await ask('PATCH', '/offsets', {
          offsets: [{ partition: { topic: 'test', partition: 0 }, offset: { offset: 3 } }],
        })
      ).status,
      400,
    )

    assert.equal((await ask('PUT', '/pause')).status, 202)
    await until(each => each.connector.state === 'PAUSED')
    await write('d')
    assert.equal((await ask('PUT', '/resume')).status, 202)
    assert.deepEqual(await mirrored(4), ['a', 'b', 'c', 'd'])

    // Another topic, live, without touching the first.
    await createTopic(cluster.bootstrap, 'more')
    await createTopic(cluster.bootstrap, 'more.mirror')
    assert.equal((await ask('PATCH', '/config', { 'topics.whitelist': 'test,more' })).status, 200)
    await until(each => each.tasks.length === 2)
    assert.equal((await ask('POST', '/tasks/0/restart')).status, 204)
    assert.equal((await ask('POST', '/restart?includeTasks=true')).status, 202)

    assert.equal((await ask('PUT', '/stop')).status, 204)
    assert.deepEqual((await until(each => each.connector.state === 'STOPPED')).tasks, [])
    const back = { offsets: [{ partition: { topic: 'test', partition: 0 }, offset: { offset: 1 } }] }
    const refused = await ask('PATCH', '/offsets', back)
    assert.equal(refused.status, 400)
    assert.match(
      JSON.stringify(refused.body),
      /LINK_POSITION_REFUSED: .*test-0 cannot go on at 1: its copy ends at 4/,
    )
    assert.equal((await ask('DELETE', '/offsets')).status, 200)
    await write('e')
    assert.equal((await ask('PUT', '/resume')).status, 202)
    assert.deepEqual(await mirrored(5), ['a', 'b', 'c', 'd', 'e'])

    assert.equal((await ask('DELETE', '')).status, 204)
    assert.deepEqual(await curl(connectors), [])
  })
})
