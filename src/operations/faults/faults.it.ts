import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { seededRandom } from '../../../test/wire/random.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import { ensureKafka } from '../../foundation/kafka-dist/kafka-dist.ts'
import { adopt } from '../../foundation/process/run.ts'
import { BatchBuilder } from '../../foundation/wire/build.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { prepareNode } from '../fleet/brokers/driver.ts'
import { brokerPrincipal } from '../fleet/contract.ts'
import { readAndCheck } from './analysis/read.ts'
import type { TestedCluster } from './contract.ts'
import { type FailureKind, kindsNamed, measureFailures } from './failures.ts'
import { isStopped } from './inject.ts'
import { judge } from './judge.ts'
import { activeFaults, endedFaults } from './leases/record.ts'
import { startLoad } from './load/generator.ts'
import { writeRecord } from './load/record.ts'
import { timelineOf } from './report.ts'
import { type RunResult, runScenario } from './run.ts'
import { scenarioOf } from './scenario.ts'

const COORDINATOR = fileURLToPath(new URL('./testing/coordinator.ts', import.meta.url))
const DEADLINE_MS = 60_000

/** The test cluster's brokers, as the room knows them; their directories are swept with it, whatever is started there. */
async function testedCluster({ placed }: TestCluster): Promise<TestedCluster> {
  const dist = await ensureKafka(placed.version)
  const nodes = await Promise.all(
    placed.nodes.map(async node => ({
      id: node.id,
      process: await prepareNode(placed, node, dist, join(dirname(node.home), 'run')),
    })),
  )
  const bootstrap = placed.nodes.map(({ ports }) => `127.0.0.1:${ports.client}`)
  return { name: placed.name, version: placed.version, bootstrap, nodes }
}

describe('faults on the brokers of a real cluster, without a healer', { timeout: 600_000 }, () => {
  const random = seededRandom()
  const signal = AbortSignal.timeout(580_000)
  let owned: TestCluster
  let cluster: TestedCluster
  let folder: string

  before(async () => {
    console.log(`# seed ${random.seed}`)
    owned = await startCluster({ nodes: 3, name: 'faults' })
    cluster = await testedCluster(owned)
    folder = join(dirname(owned.placed.nodes[0]!.home), 'faults')
  })
  after(() => owned[Symbol.asyncDispose]())

  const note = (what: string): void => console.log(`# ${what}`)

  /** The kind's fault for a shorter time than when it is measured: still longer than a broker's session (3 s). */
  const briefly = (name: string, lasts: string): FailureKind => {
    const [kind] = kindsNamed([name])
    return { ...kind!, fault: { ...kind!.fault, for: lasts } }
  }

  async function measure(kind: FailureKind): Promise<RunResult> {
    const results: RunResult[] = []
    const [figures] = await measureFailures({
      cluster,
      kinds: [kind],
      runs: 1,
      folder,
      random: random.next,
      note,
      ran: (_, scenario, result) => {
        for (const line of timelineOf(result)) note(line)
        assert.deepEqual(
          judge(scenario, result).filter(({ met }) => !met),
          [],
          `seed ${random.seed}`,
        )
        results.push(result)
      },
      signal,
    })
    note(JSON.stringify(figures))
    assert.deepEqual([figures!.lost, figures!.duplicated, figures!.reordered], [0, 0, 0])
    assert.equal(figures!.detectionMs, null, 'nobody is there to detect anything')
    assert.deepEqual(await activeFaults(folder), [])
    return results[0]!
  }

  test('a leader killed: clients wait, nothing acknowledged is lost or repeated, redundancy returns with the broker', async () => {
    const [fault] = (await measure(briefly('broker-kill', '8s'))).faults
    assert.ok(fault!.brokers[0]!.leads > 0 && !fault!.brokers[0]!.controller)
    assert.ok(fault!.availability.partitionsStopped > 0, 'a gap was seen')
    assert.ok(fault!.availability.longestGapMs > 0 && fault!.availability.restoredMs! > 0)
    assert.ok(fault!.redundancyRestoredMs! >= fault!.revertedAt - fault!.at)
  })

  test('the controller frozen: the same, and the same process goes on', async () => {
    const pids = async () =>
      Promise.all(
        cluster.nodes.map(async ({ process }) => (await adopt(process.runDir, process.name))?.record.pid),
      )
    const before = await pids()
    const [fault] = (await measure(briefly('controller-freeze', '8s'))).faults
    assert.ok(fault!.brokers[0]!.controller)
    assert.ok(fault!.availability.partitionsStopped > 0, 'a gap was seen')
    assert.deepEqual(await pids(), before)
  })

  test('a broker that only follows, killed: partitions it was in sync with wait too', async () => {
    const [fault] = (await measure(briefly('follower-kill', '8s'))).faults
    assert.equal(fault!.brokers[0]!.leads, 0)
    assert.ok(fault!.availability.partitionsStopped > 0, 'a gap was seen')
  })

  test('a crash-loop ends with a broker that runs and is in sync', async () => {
    const [kind] = kindsNamed(['crash-loop'])
    const [fault] = (await measure({ ...kind!, fault: { ...kind!.fault, every: '2s' } })).faults
    const { process } = cluster.nodes.find(({ id }) => id === fault!.brokers[0]!.id)!
    assert.ok((await adopt(process.runDir, process.name)) !== undefined)
  })

  test('all brokers killed at once: nothing acknowledged is lost', async () => {
    const result = await measure(briefly('all-brokers-kill', '2s'))
    assert.equal(result.faults[0]!.availability.partitionsStopped, 6)
    assert.ok(result.records.acknowledged > 0)
  })

  test('what is planted in a real log is found, each to the record', async () => {
    const [topic, partitions, run] = ['planted', 2, randomBytes(8)]
    const { bootstrap } = cluster
    await using admin = openCluster({ bootstrap, clientId: 'planted' })
    await admin.createTopics([{ name: topic, layout: { partitions, replicationFactor: 3 } }], { signal })
    const size = { recordsPerSecond: 400, recordBytes: 100, requestTimeoutMs: 3_000 }
    await using load = await startLoad({ bootstrap, topic, partitions, producers: 2, run, signal, ...size })
    await delay(2_000, undefined, { signal })
    const { streams, failure } = await load.stop(DEADLINE_MS)
    assert.equal(failure, null)
    await using wire = openWire({ bootstrap, clientId: 'planted' })
    const task = { wire, topic, partitions, run, sent: streams, deadlineMs: DEADLINE_MS, signal }
    const clean = await readAndCheck(task)
    const sent = streams.reduce((sum, stream) => sum + stream.sent, 0)
    assert.ok(sent > 400)
    assert.deepEqual(clean, {
      acknowledged: sent,
      unknown: 0,
      found: sent,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      foreign: 0,
      examples: [],
    })

    await using producer = await wire.producer({}, signal)
    const copy = (sequence: number): Buffer => {
      const value = Buffer.alloc(100)
      writeRecord(value, run, { producer: 1, partition: 0, sequence })
      return value
    }
    const planted = [
      copy(7),
      copy(7),
      copy(streams.find(each => each.producer === 1)!.sent),
      Buffer.from('noise'),
    ]
    const batch = new BatchBuilder()
    for (const value of planted) batch.add({ timestamp: Date.now(), value })
    await producer.append(topic, 0, batch.finish())
    await wire.deleteRecords([{ topic, partition: 1, before: 5 }], signal)
    const { lost, duplicated, reordered, foreign, examples } = await readAndCheck(task)
    assert.deepEqual(
      { lost, duplicated, reordered, foreign },
      { lost: 5, duplicated: 2, reordered: 0, foreign: 2 },
    )
    for (const each of examples) note(each)
  })

  test('a coordinator killed -9 in the middle of a freeze: the broker wakes by itself and serves', async () => {
    const { process: spec } = cluster.nodes[0]!
    assert.equal(spec.name, brokerPrincipal(owned.name, 1))
    const { pid } = (await adopt(spec.runDir, spec.name))!.record
    const coordinator = spawn(
      process.execPath,
      [COORDINATOR, folder, JSON.stringify(cluster), '1', 'freeze', '600000'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await once(coordinator.stdout!, 'data')
    assert.ok(await isStopped(pid))
    assert.equal((await activeFaults(folder)).length, 1)
    coordinator.kill('SIGKILL')
    const deadline = Date.now() + DEADLINE_MS
    while ((await activeFaults(folder)).length > 0) {
      assert.ok(Date.now() < deadline, 'it is still frozen')
      await delay(50)
    }
    assert.equal(await isStopped(pid), false)
    assert.match((await endedFaults(folder))[0]!.why, /its controller, process \d+, is gone/)
    const scenario = scenarioOf({ name: 'afterwards', load: { duration: '2s' } })
    const result = await runScenario({ scenario, cluster, folder, random: random.next, note, signal })
    assert.deepEqual(
      judge(scenario, result).filter(({ met }) => !met),
      [],
    )
  })

  test('a fault that nobody can be the victim of is said, and nothing is left of the run', async () => {
    const scenario = scenarioOf({
      name: 'no-follower',
      faults: [
        { at: '0s', fault: 'freeze', broker: 'leader', for: '30s' },
        { at: '1s', fault: 'kill', broker: 'follower', for: '1s' },
      ],
    })
    await assert.rejects(runScenario({ scenario, cluster, folder, random: random.next, note, signal }), {
      code: 'FAULT_TARGET_NONE',
    })
    assert.deepEqual(await activeFaults(folder), [])
    for (const { process: spec } of cluster.nodes)
      assert.equal(await isStopped((await adopt(spec.runDir, spec.name))!.record.pid), false)
  })
})
