import assert from 'node:assert/strict'
import { appendFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startCluster } from '../../../test/fleets/cluster.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { AgentStatus } from './contract.ts'
import { type TestAgent, testAgent } from './testing/agents.ts'
import { readShipped } from './testing/topic.ts'

const lines = (name: string, count: number): string =>
  Array.from({ length: count }, (_, i) => `2026-11-23T05:06:07.000Z ${name} line ${i} of ${count}\n`).join('')

/** So many bytes of files are open, and none of them needs its file any more. */
const allSafe =
  (bytes: number) =>
  ({ files }: AgentStatus): boolean =>
    files.every(({ safe, size }) => safe === size) && files.reduce((sum, { size }) => sum + size, 0) >= bytes

/** The contents of all streams in the topic, once they are as many bytes as wanted. */
async function shippedBy(
  agent: TestAgent,
  bootstrap: readonly string[],
  wanted: readonly string[],
): Promise<string[]> {
  const wire = openWire({ bootstrap, clientId: 'away' })
  const bytes = wanted.reduce((sum, text) => sum + text.length, 0)
  try {
    for (const until = Date.now() + 60_000; ; await delay(200)) {
      const streams = [...(await readShipped(wire, agent.topic, AbortSignal.timeout(30_000))).values()]
      const there = streams.reduce((sum, stream) => sum + stream.bytes.length - stream.missing, 0)
      if (there < bytes && Date.now() < until) continue
      for (const { repeated, missing } of streams)
        assert.deepEqual({ repeated, missing }, { repeated: 0, missing: 0 })
      return streams.map(stream => stream.bytes.toString()).sort()
    }
  } finally {
    await wire.close()
  }
}

test('while the cluster is away', async t => {
  await using cluster = await startCluster({ nodes: 1, name: 'away' })
  const [node] = cluster.nodes
  const spooling = { afterMs: 300 }
  await using agent = await testAgent('away', cluster.bootstrap, { spool: spooling })
  await using small = await testAgent('bound', cluster.bootstrap, {
    spool: { ...spooling, maxBytes: 150_000 },
  })
  for (const { topic, streamsTopic } of [agent, small]) {
    await createTopic(cluster.bootstrap, topic, { partitions: 2 })
    await createTopic(cluster.bootstrap, streamsTopic)
  }
  const first = lines('before', 50)
  for (const { logs } of [agent, small]) await writeFile(join(logs, 'a.log'), first)
  agent.start()
  small.start()
  for (const each of [agent, small])
    await each.until('the first lines are shipped', ({ shipping }) => shipping.acknowledgedRecords >= 50)
  await node!.kill('SIGKILL')

  const log = join(agent.logs, 'a.log')
  const [during, rotated, later] = [lines('during', 2_000), lines('rotated', 1_000), lines('later', 1_000)]
  await t.test(
    'files that are rotated and deleted are safe in the spool, and so through a kill of the agent',
    async () => {
      await appendFile(log, during)
      await rename(log, join(agent.logs, 'a.log.1'))
      await writeFile(log, rotated)
      const away = await agent.until('both files are in the spool', allSafe(during.length + rotated.length))
      assert.equal(away.shipping.state, 'spooling')
      await rm(join(agent.logs, 'a.log.1'))
      await rm(log)
      await agent.kill('SIGKILL')
      agent.start()
      await writeFile(join(agent.logs, 'b.log'), later)
      const again = await agent.until('the new file is in the spool too', allSafe(later.length))
      assert.equal(again.shipping.lostBytes, 0)
    },
  )

  const [much, deleted] = [lines('much', 600_000), lines('deleted', 5_000)]
  await t.test('beyond the spool’s bound files are no longer read, and what is at risk is said', async () => {
    await appendFile(join(small.logs, 'a.log'), much)
    await small.until(
      'the spool is full',
      ({ spool, shipping }) => spool.refusal === 'bound' && shipping.lagBytes > 0,
    )
    await writeFile(join(small.logs, 'b.log'), deleted)
    await small.until('the other file is open', ({ files }) =>
      files.some(({ path }) => path.endsWith('b.log')),
    )
    await rm(join(small.logs, 'b.log'))
    const status = await small.until('its bytes are at risk', ({ shipping }) => shipping.atRisk.bytes > 0)
    assert.ok(status.spool.bytes <= status.spool.maxBytes)
  })

  await node!.start()
  await t.test('once it is back everything is shipped, exactly once', async () => {
    const all = [first + during, rotated, later]
    assert.deepEqual(await shippedBy(agent, cluster.bootstrap, all), all.sort())
    const held = [first + much, deleted]
    assert.deepEqual(await shippedBy(small, cluster.bootstrap, held), held.sort())
    const { spool, shipping } = await agent.until('the spool is empty', ({ spool }) => spool.bytes === 0)
    assert.deepEqual(
      [spool.batches, shipping.state, shipping.lostBytes, shipping.repeatedBytes],
      [0, 'direct', 0, 0],
    )
  })
})
