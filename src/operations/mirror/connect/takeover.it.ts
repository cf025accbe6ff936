import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster } from '../../../../test/fleets/cluster.ts'
import { connectLinks } from '../../../../test/mirror/connect-links.ts'
import { startMirrorMaker } from '../../../../test/mirror/mirror-maker.ts'
import { batchOf, readTopic } from '../../../../test/wire/records.ts'
import { createTopic } from '../../../../test/wire/topics.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import { planTakeover } from './offsets/takeover.ts'

const PARTITIONS = 2
const DEADLINE_MS = 240_000

describe('a link that relieves a MirrorMaker 2', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)

  test('goes on where it stopped, under its own configuration: no gap, no repeat, while producers write', async () => {
    const [a, b] = await Promise.all([
      startCluster({ nodes: 1, name: 'takeover-source' }),
      startCluster({ nodes: 1, name: 'takeover-target' }),
    ])
    await using source = a
    await using target = b
    await using from = openWire({ bootstrap: source.bootstrap, clientId: 'takeover-it' })
    await using to = openWire({ bootstrap: target.bootstrap, clientId: 'takeover-it' })
    await using links = await connectLinks(target.bootstrap, signal)

    const topic = 'orders'
    await createTopic(source.bootstrap, topic, { partitions: PARTITIONS })
    await using producer = await from.producer({}, signal)
    let written = 0
    const write = async (batches: number): Promise<void> => {
      for (let index = 0; index < batches; index++)
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const values = Array.from({ length: 10 }, () => `${partition}-${++written}`)
          await producer.append(topic, partition, batchOf(...values), signal)
        }
    }
    const copies = async (): Promise<number[]> => {
      const [known] = await to.metadata([`a.${topic}`], signal)
      if (known?.partitions.length !== PARTITIONS) return [0, 0]
      const queries = known.partitions.map(({ partition }) => ({
        topic: `a.${topic}`,
        partition,
        at: 'latest' as const,
      }))
      return (await to.listOffsets(queries, signal)).map(({ offset }) => offset)
    }
    const copied = async (each: number): Promise<void> => {
      while (!(await copies()).every(end => end >= each)) await sleep(200, undefined, { signal })
    }

    await write(30)
    {
      await using mirrorMaker = await startMirrorMaker({
        source: { alias: 'a', bootstrap: source.bootstrap },
        target: { alias: 'b', bootstrap: target.bootstrap },
        topics: topic,
      })
      await copied(300)
      const writing = write(200)
      await mirrorMaker.stop()
      await writing
    }
    const stoppedAt = await copies()
    assert.ok(
      stoppedAt.every(end => end < written / PARTITIONS),
      'it has stopped before the end',
    )

    // Its connector's configuration, as it may stand in anybody's deployment.
    const config = {
      'connector.class': 'org.apache.kafka.connect.mirror.MirrorSourceConnector',
      'tasks.max': '2',
      'source.cluster.alias': 'a',
      'target.cluster.alias': 'b',
      'source.cluster.bootstrap.servers': source.bootstrap.join(','),
      'target.cluster.bootstrap.servers': target.bootstrap.join(','),
      topics: topic,
      'replication.factor': '1',
      'offset-syncs.topic.replication.factor': '1',
      'sync.topic.acls.enabled': 'false',
    }
    const created = await links.server.json('POST', '/connectors', {
      name: 'a-to-b',
      config,
      initial_state: 'STOPPED',
    })
    assert.equal(created.status, 201, JSON.stringify(created.body))
    const plan = await planTakeover({
      definition: links.registry.get('a-to-b')!.definition,
      source: from,
      target: to,
      predecessor: {
        kind: 'mirrormaker',
        connector: 'MirrorSourceConnector',
        cluster: 'a',
        offsetsTopic: 'mm2-offsets.a.internal',
        syncsTopic: 'mm2-offset-syncs.b.internal',
      },
      signal,
    })
    assert.deepEqual(
      plan.map(({ sourceOffset }) => sourceOffset),
      stoppedAt,
    )
    const offsets = plan.map(({ partition, sourceOffset }) => ({
      partition: { cluster: 'a', topic, partition },
      offset: { offset: sourceOffset! - 1 },
    }))
    const set = await links.server.json('PATCH', '/connectors/a-to-b/offsets', { offsets })
    assert.equal(set.status, 200, JSON.stringify(set.body))
    const writing = write(100)
    assert.equal((await links.server.json('PUT', '/connectors/a-to-b/resume')).status, 202)
    await writing
    await copied(written / PARTITIONS)

    const [ours, theirs] = await Promise.all([
      readTopic(from, topic, PARTITIONS, signal),
      readTopic(to, `a.${topic}`, PARTITIONS, signal),
    ])
    assert.deepEqual(theirs, ours)
    console.log(`# relieved at ${stoppedAt.join(' and ')} of ${written / PARTITIONS} records`)
    const { body } = await links.server.json('GET', '/connectors/a-to-b/offsets')
    assert.deepEqual(
      (body as { offsets: { offset: { offset: number } }[] }).offsets.map(({ offset }) => offset.offset),
      ours.map(records => records.length - 1),
    )
  })
})
