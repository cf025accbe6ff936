import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sharedCluster } from '../../../test/fleets/cluster.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { batchesIn } from '../../foundation/wire/batch.ts'
import { recordCursor } from '../../foundation/wire/records.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { decodeSample, type HostPlan, type MetricSample } from './contract.ts'
import { testAgent } from './testing/agents.ts'

test('an agent measures its host, keeps the plan’s processes, and obeys no deposed owner', async t => {
  await using cluster = await sharedCluster()
  const replicas = Math.min(3, cluster.nodes.length)
  const folder = await mkdtemp(join(tmpdir(), 'ajna-plan-'))
  const planFile = join(folder, 'plan.json')
  const broker = cluster.placed.nodes[0]!
  const writePlan = (version: number, processes: HostPlan['processes']): Promise<void> =>
    writeFile(planFile, JSON.stringify({ host: 'h1', version, processes }))
  const worker = {
    name: 'worker',
    argv: [process.execPath, '-e', 'setInterval(() => {}, 1e6)'],
    env: {},
    cwd: folder,
    log: join(folder, 'worker.log'),
    readiness: { kind: 'started' as const },
    metrics: { url: `http://127.0.0.1:${broker.ports.jmx}/metrics`, labels: { broker: String(broker.id) } },
    logDirs: [],
    stopMs: 5_000,
  }
  await mkdir(folder, { recursive: true })
  await writePlan(1, [worker])

  const metricsTopic = `metrics.agent-${Date.now()}`
  await createTopic(cluster.bootstrap, metricsTopic, { replicas })
  await using agent = await testAgent('agent', cluster.bootstrap, {
    plan: planFile,
    metrics: { topic: metricsTopic, tenant: 'test', everyMs: 1_000 },
  })
  await createTopic(cluster.bootstrap, agent.topic, { replicas })
  await createTopic(cluster.bootstrap, agent.streamsTopic, { replicas })
  agent.start()
  const pidOf = async (): Promise<number | null | undefined> => (await agent.status()).processes[0]?.pid

  try {
    await agent.until('the worker runs', ({ processes }) => typeof processes[0]?.pid === 'number')
    const pid = (await pidOf())!

    await t.test(
      'the worker outlives a kill of the agent, and a killed worker is back within 5 s',
      async () => {
        await agent.kill('SIGKILL')
        agent.start()
        await agent.until('it is adopted', ({ processes }) => processes[0]?.pid === pid)
        const killedAt = Date.now()
        process.kill(pid, 'SIGKILL')
        const status = await agent.until(
          'it is back',
          ({ processes }) => typeof processes[0]?.pid === 'number' && processes[0].pid !== pid,
        )
        const started = status.events.findLast(
          ({ kind, text }) => kind === 'process' && text.includes('started'),
        )!
        t.diagnostic(`back ${started.at - killedAt} ms after kill -9`)
      },
    )

    await t.test(
      'an order with a token below the highest seen is refused, also after a restart',
      async () => {
        const restart = (token: number): Promise<Response> =>
          agent.post('/api/processes/worker/restart', { token, reason: 'test' })
        assert.equal((await restart(7)).status, 200)
        const refused = await restart(6)
        assert.deepEqual(
          [refused.status, ((await refused.json()) as { code: string }).code],
          [409, 'FENCING_TOKEN_STALE'],
        )
        await agent.kill('SIGKILL')
        agent.start()
        await agent.until('it is up', () => true)
        assert.equal((await restart(6)).status, 409)
        assert.equal((await restart(7)).status, 200)
        assert.equal(
          (await agent.post('/api/processes/nobody/stop', { token: 8, reason: 'test' })).status,
          404,
        )
        assert.equal(
          (await agent.post('/api/processes/worker/explode', { token: 8, reason: 'test' })).status,
          400,
        )
      },
    )

    await t.test(
      'samples of the host, the processes, the broker and the agent itself reach the topic',
      async () => {
        await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'agent-it' })
        const wanted = [
          'host_cpu_busy_ratio',
          'process_resident_bytes',
          'kafka_leadercount',
          'agent_records_total',
        ]
        const seen = new Map<string, MetricSample>()
        const signal = AbortSignal.timeout(60_000)
        await using stream = wire.fetch({ from: [{ topic: metricsTopic, partition: 0, offset: 0 }], signal })
        for await (const event of stream) {
          if (event.kind !== 'batches') continue
          for (const header of batchesIn(event.bytes))
            for (const cursor = recordCursor(event.bytes, header); cursor.next(); ) {
              const sample = cursor.value === null ? undefined : decodeSample(cursor.value)
              if (sample !== undefined) seen.set(sample.name, sample)
            }
          if (wanted.every(name => seen.has(name))) break
        }
        assert.deepEqual(
          wanted.filter(name => !seen.has(name)),
          [],
        )
        assert.deepEqual({ ...seen.get('host_cpu_busy_ratio')!.labels }, { host: 'h1', site: 'agent' })
      },
    )
  } finally {
    await writePlan(2, [])
    for (const end = Date.now() + 20_000; Date.now() < end && (await pidOf()) !== undefined; ) await delay(50)
    await rm(folder, { recursive: true })
  }
})
