import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { sharedCluster } from '../../../test/fleets/cluster.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { framesOf } from './spool/segment.ts'
import { testAgent } from './testing/agents.ts'
import { readShipped } from './testing/topic.ts'

test('a record the cluster refuses is quarantined, counted and told; all others are shipped', async () => {
  await using cluster = await sharedCluster()
  const replicas = Math.min(3, cluster.nodes.length)
  await using agent = await testAgent('refused', cluster.bootstrap)
  await createTopic(cluster.bootstrap, agent.topic, { replicas, config: { 'max.message.bytes': '20000' } })
  await createTopic(cluster.bootstrap, agent.streamsTopic, { replicas })
  const small = (from: number): string =>
    Array.from({ length: 3_000 }, (_, i) => `line ${from + i} is small\n`).join('')
  const large = `${'large '.repeat(10_000)}\n`
  const [before, after] = [small(0), small(3_000)]
  await writeFile(join(agent.logs, 'a.log'), before + large + after)
  agent.start()
  const status = await agent.until(
    'all that can be shipped is',
    ({ shipping }) => shipping.acknowledgedRecords >= 6_001 && shipping.unacknowledgedBytes === 0,
  )
  assert.equal(status.shipping.quarantined, 1)
  const [gap] = status.shipping.gaps
  assert.deepEqual(
    [gap!.start, gap!.end, gap!.reason],
    [before.length, before.length + large.length, 'refused'],
  )

  const kept: string[] = []
  for await (const { batch } of framesOf(join(agent.root, 'agent', 'quarantine', 'records')))
    kept.push(batch.bytes.toString('latin1'))
  assert.equal(kept.length, 1)
  assert.ok(kept[0]!.includes('large large large'))

  await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'refused' })
  const [stream] = (await readShipped(wire, agent.topic, AbortSignal.timeout(30_000))).values()
  assert.deepEqual([stream!.repeated, stream!.missing, stream!.records], [0, large.length, 6_000])

  // Not tried again after a restart: it is accounted for.
  await agent.kill('SIGTERM')
  agent.start()
  const again = await agent.until('it ships again', ({ shipping }) => shipping.connected)
  assert.equal(again.shipping.quarantined, 0)
  const [same] = (await readShipped(wire, agent.topic, AbortSignal.timeout(30_000))).values()
  assert.deepEqual([same!.repeated, same!.records], [0, 6_000])
})
