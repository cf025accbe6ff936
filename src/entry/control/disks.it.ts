import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { type Healers, runDirOf, startHealers } from '../../../test/heal/healers.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import { pidFile, readPidFile } from '../../foundation/process/run.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { availabilityOf } from '../../operations/faults/analysis/availability.ts'
import { readAndCheck } from '../../operations/faults/analysis/read.ts'
import type { TestedCluster } from '../../operations/faults/contract.ts'
import { buildDisk, whyUnavailable } from '../../operations/faults/disk/build.ts'
import {
  diskAt,
  type FaultyDisk,
  loseDisk,
  mountDisk,
  unmountDisk,
} from '../../operations/faults/disk/disk.ts'
import { armFault } from '../../operations/faults/inject.ts'
import { startLoad } from '../../operations/faults/load/generator.ts'
import { serverPropertiesPath } from '../../operations/fleet/brokers/properties.ts'
import { brokerPrincipal } from '../../operations/fleet/contract.ts'
import { type HealPolicy, type Incident, policyOf } from '../../operations/heal/contract.ts'
import { assignmentEvidence } from '../../operations/heal/withdraw.ts'

const DEADLINE_MS = 240_000
const PARTITIONS = 6
/** A usual client's: so long a request under way to a failed disk hangs by itself. */
const REQUEST_TIMEOUT_MS = 30_000
const POLICY: HealPolicy = policyOf('automatic', { 'disk-slow': 'propose' })

describe('disks of a cluster\u2019s brokers fail under load', {
  skip: (await whyUnavailable()) ?? false,
}, () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const stack = new AsyncDisposableStack()
  let cluster: TestCluster
  let healers: Healers
  let admin: ClusterAdmin
  const disks = new Map<number, FaultyDisk>()

  before(async () => {
    cluster = stack.use(
      await startCluster({
        nodes: 3,
        name: 'disks',
        dataDirs: 2,
        async prepare(nodes) {
          const folder = dirname(nodes[0]!.home)
          const program = await buildDisk(join(folder, 'disk'))
          for (const { id, home, dataDirs } of nodes) {
            const [mountPoint, directory] = [dataDirs[1]!, join(home, 'disk')]
            const name = `disk-${id}`
            const files = { runDir: join(folder, 'disks'), consoleFile: join(folder, `${name}.log`) }
            disks.set(id, diskAt({ program, name, mountPoint, directory, ...files }))
            await mountDisk(disks.get(id)!)
          }
        },
      }),
    )
    healers = stack.use(await startHealers({ cluster, holders: ['healer'], policy: POLICY }))
    admin = stack.use(openCluster({ bootstrap: cluster.bootstrap, clientId: 'disks-it' }))
  })
  after(() => stack.disposeAsync())

  for (const [what, kind, back] of [
    ['fails with EIO, and is well again', 'disk-error', async () => undefined],
    ['is pulled out, and replaced by an empty one', 'disk-gone', replaced],
  ] as const)
    test(`a leader\u2019s disk ${what}: its clients are freed, every replica returns, nothing acknowledged is lost`, async t => {
      const topic = `disks-${kind}`
      await createTopic(cluster.bootstrap, topic, { partitions: PARTITIONS, replicas: 3 })
      const victim = await leaderOnItsDisk(topic)
      const known = healers.incidents().length
      const run = randomBytes(8)
      const { bootstrap } = cluster
      const size = { recordsPerSecond: 200, recordBytes: 100, requestTimeoutMs: REQUEST_TIMEOUT_MS }
      const shape = { topic, partitions: PARTITIONS, producers: 2 }
      await using load = await startLoad({ bootstrap, ...shape, ...size, run, signal })
      await until('the load flows', () => load.waitingMs() < 1_000)

      const fault = await armFault({
        folder: join(dirname(cluster.placed.nodes[0]!.home), 'faults'),
        cluster: await tested(),
        node: (await tested()).nodes.find(({ id }) => id === victim)!,
        plan: { kind, times: 1, everyMs: 0, delayMs: 0 },
        purpose: 'a test',
        leaseMs: DEADLINE_MS,
        keptBy: 'its agent',
      })
      const at = await fault.begin(signal)
      const failed = await incidentOf('disk-failed', known, ({ availableAt }) => availableAt !== null)
      await until('writes flow again', () => load.waitingMs() < 1_000)
      assert.deepEqual(failed.subject, {
        kind: 'log-dir',
        broker: victim,
        dir: disks.get(victim)!.mountPoint,
      })
      assert.deepEqual([failed.decision.kind, failed.decision.remedy], ['act', 'withdraw-replicas'])
      assert.deepEqual(new Set(failed.signals.map(({ source }) => source)), new Set(['agent', 'broker']))

      await back(disks.get(victim)!)
      const revertedAt = await fault.revert('the disk is well again')
      const restored = await incidentOf('log-dir-offline', known, isHealed)
      await incidentOf('disk-failed', known, isHealed)
      assert.deepEqual([restored.decision.kind, restored.decision.remedy], ['act', 'restore-log-dir'])
      const [state] = await admin.describeTopics([topic], { signal })
      assert.deepEqual(
        state!.partitions.map(({ isr, offline }) => [isr.length, offline.length]),
        Array.from({ length: PARTITIONS }, () => [3, 0]),
      )
      // On which of its dirs the broker has them is its own affair: those of an empty disk may be on the other one.
      const dirs = await admin.describeLogDirs(victim, { signal })
      assert.deepEqual(
        dirs.map(({ error }) => error),
        [null, null],
      )
      assert.deepEqual(
        healers
          .incidents()
          .slice(known)
          .map(({ cause }) => cause)
          // A busy machine's disks are slow: that is told, and no more.
          .filter(cause => cause !== 'disk-slow')
          .sort(),
        ['disk-failed', 'log-dir-offline'],
        'nothing else was taken for a failure',
      )

      await until('writes flow', () => load.waitingMs() < 1_000)
      const { partitions, streams, failure } = await load.stop(60_000)
      assert.equal(failure, null)
      const gaps = availabilityOf(partitions, {
        at,
        harmedUntil: revertedAt,
        revertedAt,
        to: Number.POSITIVE_INFINITY,
      })
      const since = (time: number | null): number => (time ?? Number.NaN) - at
      t.diagnostic(
        `${JSON.stringify(gaps)} detected ${since(failed.detectedAt)}, acted ${since(failed.actedAt)}, available ${since(failed.availableAt)}; reverted ${since(revertedAt)}, restored ${since(restored.healedAt)}`,
      )
      assert.ok(
        gaps.restoredMs !== null && gaps.restoredMs < REQUEST_TIMEOUT_MS,
        'nobody waited for a timeout',
      )
      await using wire = openWire({ bootstrap, clientId: 'disks-check' })
      const reading = { wire, topic, partitions: PARTITIONS, run, sent: streams, deadlineMs: 60_000, signal }
      const { lost, duplicated, reordered, acknowledged } = await readAndCheck(reading)
      assert.deepEqual({ lost, duplicated, reordered }, { lost: 0, duplicated: 0, reordered: 0 })
      assert.ok(acknowledged > 0)
    })

  test('replicas that a healer took out of their assignment before it was killed are put back by another', async () => {
    const topic = 'disks-cut-short'
    await createTopic(cluster.bootstrap, topic, { partitions: 1, replicas: 3 })
    let replicas: readonly number[] = []
    // Whoever is asked may be the last to hear of it.
    await until('a broker knows of the topic', async () => {
      const [state] = await admin.describeTopics([topic], { signal })
      replicas = state?.partitions[0]?.replicas ?? []
      return replicas.length === 3
    })
    const [first, second, broker] = replicas as [number, number, number]
    await admin.reassign([{ topic, partition: 0, replicas: [first, second] }], { signal })
    const at = Date.now() - 60_000
    const refusal = await healers.tell({
      id: 'disks-cut-short',
      revision: 0,
      cluster: cluster.name,
      subject: { kind: 'log-dir', broker, dir: disks.get(broker)!.mountPoint },
      cause: 'disk-failed',
      state: 'acting',
      ...{ beganAt: at, detectedAt: at, actedAt: at, availableAt: null, healedAt: null },
      signals: [],
      decision: { kind: 'act', remedy: 'withdraw-replicas', reasons: [], refused: [] },
      evidence: [...assignmentEvidence([{ topic, partition: 0, leader: first, replicas, isr: replicas }])],
      timeline: [],
    })
    assert.equal(refusal, undefined)
    await until('they are as they were', async () => {
      const [state] = await admin.describeTopics([topic], { signal })
      const { replicas: now, isr } = state?.partitions[0] ?? { replicas: [], isr: [] }
      return now.join() === replicas.join() && isr.length === 3
    })
    await until('and it is over', () =>
      healers.incidents().some(({ id, state }) => id === 'disks-cut-short' && state === 'healed'),
    )
  })

  const isHealed = ({ state }: Incident): boolean => state === 'healed'

  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await holds())) {
      assert.ok(!signal.aborted, `not in time: ${what}; ${JSON.stringify(healers.incidents())}`)
      await sleep(50)
    }
  }

  async function incidentOf(
    cause: Incident['cause'],
    from: number,
    is: (incident: Incident) => boolean,
  ): Promise<Incident> {
    const found = (): Incident | undefined =>
      healers
        .incidents()
        .slice(from)
        .find(each => each.cause === cause)
    await until(`${cause} as it should be`, () => {
      const incident = found()
      assert.notEqual(incident?.state, 'failed')
      return incident !== undefined && is(incident)
    })
    return found()!
  }

  async function replicasOnDisk(broker: number, topic: string): Promise<readonly number[]> {
    const dirs = await admin.describeLogDirs(broker, { signal })
    const dir = dirs.find(({ path }) => path === disks.get(broker)!.mountPoint)!
    return dir.replicas.filter(each => each.topic === topic).map(({ partition }) => partition)
  }

  /** A broker that is not the controller and leads something that lies on its disk; once everybody knows of the topic. */
  async function leaderOnItsDisk(topic: string): Promise<number> {
    let found: number | undefined
    await until('a broker leads a partition on its disk', async () => {
      const { leader: controller } = await admin.describeQuorum({ signal })
      const [state] = await admin.describeTopics([topic], { signal })
      for (const { id } of cluster.nodes.filter(node => node.id !== controller)) {
        const there = await replicasOnDisk(id, topic)
        if (state?.partitions.some(({ partition, leader }) => leader === id && there.includes(partition)))
          found = id
      }
      return found !== undefined
    })
    return found!
  }

  async function tested(): Promise<TestedCluster> {
    const runDir = runDirOf(cluster.placed)
    const nodes = cluster.nodes.map(async ({ id }) => {
      const name = brokerPrincipal(cluster.name, id)
      const [command, ...args] = (await readPidFile(pidFile(runDir, name)))!.argv
      const process = { name, command: command!, args, runDir, consoleFile: '/dev/null' }
      return {
        id,
        process,
        settings: serverPropertiesPath(cluster.placed.nodes.find(node => node.id === id)!),
        disk: disks.get(id)!,
      }
    })
    const { name, version, bootstrap } = cluster
    return { name, version, bootstrap, nodes: await Promise.all(nodes) }
  }

  /** What was on it is gone with it. */
  async function replaced(disk: FaultyDisk): Promise<void> {
    await loseDisk(disk)
    await unmountDisk(disk.mountPoint)
    await rm(disk.directory, { recursive: true })
    await mkdir(disk.directory)
  }
})
