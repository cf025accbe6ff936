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
import { serverPropertiesPath } from '../fleet/brokers/properties.ts'
import { brokerPrincipal } from '../fleet/contract.ts'
import { readAndCheck } from './analysis/read.ts'
import type { TestedCluster } from './contract.ts'
import { isStopped } from './inject.ts'
import { judge } from './judge.ts'
import { activeFaults, endedFaults } from './leases/record.ts'
import { startLoad } from './load/generator.ts'
import { writeRecord } from './load/record.ts'
import { timelineOf } from './report.ts'
import { type FaultOutcome, type RunResult, runScenario } from './run.ts'
import { scenarioOf } from './scenario.ts'

const COORDINATOR = fileURLToPath(new URL('./testing/coordinator.ts', import.meta.url))
const DEADLINE_MS = 60_000

/** The test cluster's brokers, as the room knows them; their directories are swept with it, whatever is started there. */
async function testedCluster({ placed }: TestCluster): Promise<TestedCluster> {
  const dist = await ensureKafka(placed.version)
  const nodes = await Promise.all(
    placed.nodes.map(async node => ({
      id: node.id,
      settings: serverPropertiesPath(node),
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

  const pids = async () =>
    Promise.all(
      cluster.nodes.map(async ({ process }) => (await adopt(process.runDir, process.name))?.record.pid),
    )

  describe('one after another, under one load', () => {
    let result: RunResult
    let before: readonly (number | undefined)[]
    let meanwhile: readonly (number | undefined)[]
    const fault = (index: number): FaultOutcome => result.faults[index]!

    test('nothing acknowledged is lost, repeated or reordered, and all is whole in the end', async () => {
      const [spare, other] = await notTheController()
      const scenario = scenarioOf({
        name: 'one-after-another',
        load: { duration: '1s', leaders: cluster.nodes.map(({ id }) => id).filter(id => id !== spare) },
        faults: [
          // Longer than a broker's session (3 s).
          { at: '1s', fault: 'kill', broker: spare, for: '4s' },
          { at: '8s', fault: 'freeze', broker: 'controller', for: '4s' },
          { at: '13500ms', fault: 'crash-loop', broker: other, times: 2, every: '1s' },
          { at: '20s', fault: 'kill', broker: 'all', for: '1s' },
        ],
        // On a busy machine the next one may come before all is whole again; in the end it is.
        expect: { redundancyRestored: false },
      })
      before = await pids()
      const run = runScenario({ scenario, cluster, folder, random: random.next, note: noted, signal })
      result = await run
      for (const line of timelineOf(result)) note(line)
      assert.deepEqual(
        judge(scenario, result).filter(({ met }) => !met),
        [],
        `seed ${random.seed}`,
      )
      assert.ok(result.records.acknowledged > 0)
      assert.ok(result.settled, 'whole in the end')
      assert.ok(
        result.faults.every(({ healing }) => healing === null),
        'nobody is there to detect anything',
      )
      assert.deepEqual(await activeFaults(folder), [])
    })

    /** Who runs is looked at when the freeze is over. */
    function noted(what: string): void {
      note(what)
      if (what === 'freeze is over')
        void pids().then(found => {
          meanwhile = found
        })
    }

    test('a broker that only follows, killed: partitions it was in sync with wait too', () => {
      const { brokers, availability } = fault(0)
      assert.equal(brokers[0]!.leads, 0)
      assert.ok(availability.partitionsStopped > 0, 'a gap was seen')
    })

    test('the controller frozen: clients wait, and the same process goes on', () => {
      const { brokers, availability } = fault(1)
      assert.ok(brokers[0]!.controller)
      assert.ok(availability.partitionsStopped > 0, 'a gap was seen')
      const index = cluster.nodes.findIndex(({ id }) => id === brokers[0]!.id)
      assert.equal(meanwhile[index], before[index])
    })

    test('a broker that dies again and again: clients wait, until it is back', () => {
      const { availability } = fault(2)
      assert.ok(availability.partitionsStopped > 0, 'a gap was seen')
      assert.ok(availability.longestGapMs > 0 && availability.restoredMs! > 0)
    })

    test('all brokers killed at once: every partition waits, and redundancy returns with them', async () => {
      const { availability, redundancyRestoredMs, revertedAt, at } = fault(3)
      assert.equal(availability.partitionsStopped, 6)
      assert.ok(redundancyRestoredMs! >= revertedAt - at)
      assert.ok((await pids()).every(pid => pid !== undefined))
    })
  })

  test('the last in-sync replica is waited for and goes down, and with that the other one comes back: it leads nothing, and nothing is lost', async () => {
    const scenario = scenarioOf({
      name: 'last-in-sync',
      cluster: { replication: 2, minInSync: 1 },
      load: { duration: '1s', succession: true },
      faults: [
        { at: '1s', fault: 'down', broker: 'leader', for: '60s', untilFault: 2 },
        { at: '1s', fault: 'down', broker: 'last', for: '3s' },
      ],
    })
    const found = await runScenario({ scenario, cluster, folder, random: random.next, note, signal })
    for (const line of timelineOf(found)) note(line)
    assert.deepEqual(
      judge(scenario, found).filter(({ met }) => !met),
      [],
    )
    const [first, last] = found.faults
    assert.equal(last!.brokers[0]!.last, true)
    assert.notEqual(last!.brokers[0]!.id, first!.brokers[0]!.id)
    assert.ok(first!.revertedAt >= last!.at && first!.revertedAt < first!.at + 60_000)
    assert.equal(last!.availability.partitionsStopped, 6)
    assert.ok(last!.availability.restoredMs! > 3_000, 'who had less was not elected')
    assert.deepEqual(await activeFaults(folder), [])
  })

  async function notTheController(): Promise<readonly [number, number]> {
    await using admin = openCluster({ bootstrap: cluster.bootstrap, clientId: 'faults-it' })
    const { leader } = await admin.describeQuorum({ signal })
    const [one, two] = cluster.nodes.flatMap(({ id }) => (id === leader ? [] : [id]))
    return [one!, two!]
  }

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
    await using admin = openCluster({ bootstrap: cluster.bootstrap, clientId: 'faults-it' })
    const asked = { signal, deadlineMs: DEADLINE_MS, broker: 1 }
    assert.ok((await admin.describeTopics('all', asked)).length > 0, 'it answers')
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
