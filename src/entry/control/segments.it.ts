import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { type Healers, startHealers } from '../../../test/heal/healers.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import type { PartitionState } from '../../foundation/kafka/topics.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { readAndCheck } from '../../operations/faults/analysis/read.ts'
import { startLoad } from '../../operations/faults/load/generator.ts'
import { type Incident, policyOf } from '../../operations/heal/contract.ts'
import { assignmentEvidence } from '../../operations/heal/withdraw.ts'
import { verifyReplica } from '../../operations/hosts/scrub/verify.ts'

const DEADLINE_MS = 300_000
/** The least that Kafka allows (KIP-1030). */
const SEGMENT_BYTES = 1024 * 1024
const CONFIG = { 'segment.bytes': String(SEGMENT_BYTES), 'min.insync.replicas': '2' }
const LOAD = { recordsPerSecond: 100, recordBytes: 20_000, requestTimeoutMs: 30_000, producers: 1 }

describe('segments of replicas are damaged while their brokers run', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const stack = new AsyncDisposableStack()
  let cluster: TestCluster
  let healers: Healers
  let admin: ClusterAdmin

  before(async () => {
    cluster = stack.use(await startCluster({ nodes: 3, name: 'segments' }))
    const policy = policyOf('automatic')
    healers = stack.use(await startHealers({ cluster, holders: ['healer'], policy }))
    admin = stack.use(openCluster({ bootstrap: cluster.bootstrap, clientId: 'segments-it' }))
  })
  after(() => stack.disposeAsync())

  test('a leader\u2019s and a follower\u2019s are copied afresh under load, and nothing is lost; where all are damaged a person is told', async t => {
    const { bootstrap } = cluster
    const [topic, rotten] = ['segments-healed', 'segments-rotten']
    await createTopic(bootstrap, topic, { partitions: 2, replicas: 3, config: CONFIG })
    await createTopic(bootstrap, rotten, { partitions: 1, replicas: 3, config: CONFIG })
    const run = randomBytes(8)
    await using load = await startLoad({ bootstrap, topic, partitions: 2, run, signal, ...LOAD })
    const rottenRun = randomBytes(8)
    {
      await using other = await startLoad({
        ...{ bootstrap, topic: rotten, partitions: 1, run: rottenRun, signal, ...LOAD },
      })
      for (const { id } of cluster.nodes) await closedSegment(id, rotten, 0)
      assert.equal((await other.stop(60_000)).failure, null)
    }
    const [first, second] = await statesOf(topic)
    const [leader, follower] = [first!.replicas[0]!, second!.replicas[2]!]
    for (const { id } of cluster.nodes) await flip(await closedSegment(id, rotten, 0))
    const victims = [
      { broker: leader, partition: 0 },
      { broker: follower, partition: 1 },
    ]
    for (const { broker, partition } of victims) await flip(await closedSegment(broker, topic, partition))
    const at = Date.now()

    for (const { broker, partition } of victims) {
      const healed = await incidentOf({ broker, topic, partition }, ({ state }) => state === 'healed')
      assert.deepEqual([healed.cause, healed.decision.remedy], ['segment-corrupt', 're-replicate'])
      assert.deepEqual(new Set(healed.signals.map(({ source }) => source)), new Set(['agent', 'broker']))
      const copies = healed.evidence.filter(({ when, label }) => when === 'end' && /^offsets/.test(label))
      assert.equal(copies.length, 3)
      assert.equal(new Set(copies.map(({ value }) => value)).size, 1, JSON.stringify(copies))
      assert.match(copies[0]!.value, /^well: .* digest [0-9a-f]{16}$/)
      t.diagnostic(
        `broker ${broker}: found after ${healed.detectedAt - at} ms, acted ${healed.actedAt! - at}, healed ${healed.healedAt! - at}`,
      )
    }
    await until('all is as it was', async () => {
      const now = await statesOf(topic)
      return [first!, second!].every(
        (before, i) =>
          now[i]!.replicas.join() === before.replicas.join() &&
          now[i]!.isr.length === 3 &&
          now[i]!.leader === before.replicas[0],
      )
    })

    const { streams, failure } = await load.stop(60_000)
    assert.equal(failure, null)
    await using wire = openWire({ bootstrap, clientId: 'segments-check' })
    const reading = { wire, topic, partitions: 2, run, sent: streams, deadlineMs: 60_000, signal }
    const { lost, duplicated, reordered, acknowledged } = await readAndCheck(reading)
    assert.deepEqual({ lost, duplicated, reordered }, { lost: 0, duplicated: 0, reordered: 0 })
    assert.ok(acknowledged > 0)
    for (const partition of [0, 1]) await assertSameCopies(topic, partition)

    const rottenState = (await statesOf(rotten))[0]!
    for (const { id } of cluster.nodes) {
      const told = await incidentOf({ broker: id, topic: rotten, partition: 0 }, () => true)
      assert.deepEqual([told.decision.kind, told.actedAt], ['refuse', null])
      assert.match(told.decision.reasons.join('; '), /every replica that is in sync is damaged/)
      assert.match(told.decision.reasons.join('; '), /up to \d+ records, offsets \d+ to \d+/)
    }
    assert.equal(rottenState.isr.length, 3, 'nothing was taken away')
  })

  test('a replica that a healer took out of its assignment before it was killed is put back by another', async () => {
    const topic = 'segments-cut-short'
    await createTopic(cluster.bootstrap, topic, { partitions: 1, replicas: 3, config: CONFIG })
    const { replicas } = (await statesOf(topic))[0]!
    const [first, second, broker] = replicas as [number, number, number]
    await admin.reassign([{ topic, partition: 0, replicas: [first, second] }], { signal })
    const at = Date.now() - 60_000
    const refusal = await healers.tell({
      ...{ id: 'segments-cut-short', revision: 0, cluster: cluster.name, cause: 'segment-corrupt' },
      subject: { kind: 'replica', broker, topic, partition: 0 },
      state: 'acting',
      ...{ beganAt: at, detectedAt: at, actedAt: at, availableAt: null, healedAt: null },
      signals: [],
      decision: { kind: 'act', remedy: 're-replicate', reasons: [], refused: [] },
      evidence: [...assignmentEvidence([{ topic, partition: 0, leader: first, replicas, isr: replicas }])],
      timeline: [],
    })
    assert.equal(refusal, undefined)
    await until('they are as they were', async () => {
      const { replicas: now, isr } = (await statesOf(topic))[0]!
      return now.join() === replicas.join() && isr.length === 3
    })
    await until('and it is over', () =>
      healers.incidents().some(({ id, state }) => id === 'segments-cut-short' && state === 'healed'),
    )
  })

  const dirOf = (broker: number): string => cluster.nodes.find(({ id }) => id === broker)!.logDirs[0]!

  /** Once whoever is asked knows of the topic. */
  async function statesOf(topic: string): Promise<readonly PartitionState[]> {
    let found: readonly PartitionState[] = []
    await until(`${topic} is known`, async () => {
      found = (await admin.describeTopics([topic], { signal }))[0]?.partitions ?? []
      return found.length > 0
    })
    return found
  }

  /** A replica's first, once there is another behind it. */
  async function closedSegment(broker: number, topic: string, partition: number): Promise<string> {
    const folder = join(dirOf(broker), `${topic}-${partition}`)
    let logs: readonly string[] = []
    await until(`${folder} has a closed segment`, async () => {
      logs = (await readdir(folder).catch(() => [])).filter(name => name.endsWith('.log')).sort()
      return logs.length > 1
    })
    return join(folder, logs[0]!)
  }

  /** All replicas, over what lies in closed segments of each. */
  async function assertSameCopies(topic: string, partition: number): Promise<void> {
    const range = { topic, partition, from: 0, to: 30 }
    const found = await Promise.all(cluster.nodes.map(({ id }) => verifyReplica([dirOf(id)], range, signal)))
    assert.deepEqual(
      found.map(({ state }) => state),
      ['well', 'well', 'well'],
      JSON.stringify(found),
    )
    assert.equal(new Set(found.map(({ digest }) => digest)).size, 1)
  }

  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await holds())) {
      assert.ok(!signal.aborted, `not in time: ${what}; ${JSON.stringify(healers.incidents())}`)
      await sleep(50)
    }
  }

  async function incidentOf(
    replica: Readonly<{ broker: number; topic: string; partition: number }>,
    is: (incident: Incident) => boolean,
  ): Promise<Incident> {
    const found = (): Incident | undefined =>
      healers
        .incidents()
        .find(
          ({ subject }) =>
            subject.kind === 'replica' &&
            subject.broker === replica.broker &&
            subject.topic === replica.topic &&
            subject.partition === replica.partition,
        )
    await until(`${JSON.stringify(replica)} as it should be`, () => {
      const incident = found()
      assert.notEqual(incident?.state, 'failed')
      return incident !== undefined && is(incident)
    })
    return found()!
  }
})

/** Some bytes in the middle, as a disk that rots. */
async function flip(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  const { size } = await file.stat()
  const bytes = Buffer.alloc(16)
  const at = Math.floor(size / 2)
  await file.read(bytes, 0, bytes.length, at)
  await file.write(
    bytes.map(byte => byte ^ 0xff),
    0,
    bytes.length,
    at,
  )
}
