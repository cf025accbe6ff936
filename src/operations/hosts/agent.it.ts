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
    // By what it is, not by what it does: orders to it need a lease.
    kind: 'broker' as const,
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
  const other = {
    ...worker,
    name: 'other',
    kind: 'other' as const,
    log: join(folder, 'other.log'),
    metrics: undefined,
  }
  await writePlan(1, [worker, other])

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

    const order = (process: string, act: string, fence?: { keeper: string; token: number }) =>
      agent.post(`/api/processes/${process}/${act}`, { fence, reason: 'test' })
    const restart = (keeper: string, token: number) => order('worker', 'restart', { keeper, token })
    const killAgent = async (): Promise<void> => {
      await agent.kill('SIGKILL')
      agent.start()
      await agent.until('it is up', ({ processes }) => processes.length === 2)
    }

    await t.test(
      'an order with a token below the highest of its keeper is refused, also after kill -9; what another keeper says does not count',
      async () => {
        assert.equal((await restart('hub', 7_000)).status, 200)
        assert.equal((await restart('edge', 3)).status, 200)
        for (const times of ['before', 'after'] as const) {
          for (const [keeper, token] of [
            ['hub', 6_999],
            ['edge', 2],
          ] as const) {
            const refused = await restart(keeper, token)
            const { code } = (await refused.json()) as { code: string }
            assert.deepEqual([refused.status, code], [409, 'FENCING_TOKEN_STALE'], `${keeper} ${times}`)
          }
          assert.equal((await restart('edge', 3)).status, 200)
          assert.equal((await restart('hub', 7_000)).status, 200)
          if (times === 'before') await killAgent()
        }
      },
    )

    await t.test('without a lease a broker is not touched, anything else is', async () => {
      const bothRun = async (what: string) => {
        const { processes } = await agent.until(what, ({ processes: all }) =>
          ['worker', 'other'].every(each => all.some(({ name, pid }) => name === each && pid !== null)),
        )
        return ['worker', 'other'].map(each => processes.find(({ name }) => name === each)!.pid)
      }
      const before = await bothRun('both run')
      for (const act of ['restart', 'stop', 'start', 'kill']) {
        const refused = await order('worker', act)
        const { code } = (await refused.json()) as { code: string }
        assert.deepEqual([refused.status, code], [409, 'ORDER_WITHOUT_LEASE'], act)
      }
      // As it was ordered before there were keepers.
      const earlier = await agent.post('/api/processes/worker/kill', { token: 9_000, reason: 'test', pid: 1 })
      assert.equal(earlier.status, 409)
      assert.equal((await order('other', 'restart')).status, 200)
      const after = await bothRun('both run again')
      assert.equal(after[0], before[0])
      assert.notEqual(after[1], before[1])
      const fence = { keeper: 'hub', token: 8_000 }
      assert.equal((await order('nobody', 'stop', fence)).status, 404)
      assert.equal((await order('worker', 'explode', fence)).status, 400)
      // What was ordered of nobody has not made others' orders stale.
      assert.equal((await restart('hub', 7_000)).status, 200)
    })

    await t.test('what an earlier version had obeyed holds for every keeper at first', async () => {
      await agent.kill('SIGKILL')
      await writeFile(join(agent.root, 'agent', 'fencing.json'), JSON.stringify({ highest: 500 }))
      agent.start()
      await agent.until('it is up', ({ processes }) => processes.length === 2)
      assert.deepEqual([(await restart('edge', 499)).status, (await restart('edge', 500)).status], [409, 200])
      await agent.kill('SIGKILL')
      agent.start()
      await agent.until('it is up', ({ processes }) => processes.length === 2)
      assert.equal((await restart('hub', 499)).status, 409)
    })

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
