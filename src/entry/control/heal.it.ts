import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { runDirOf, startHealers } from '../../../test/heal/healers.ts'
import { batchOf, readTopic } from '../../../test/wire/records.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import { pidFile, readPidFile } from '../../foundation/process/run.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import { brokerPrincipal } from '../../operations/fleet/contract.ts'
import type { EndedLease, Interlock } from '../../operations/fleet/interlock/contract.ts'
import { type HealPolicy, type Incident, policyOf } from '../../operations/heal/contract.ts'
import type { Keeper } from '../../operations/hosts/keeper.ts'
import { brokerLeases } from './broker-leases.ts'
import { hostAgent } from './host-agent.ts'
import { restarts } from './restarts.ts'

const DEADLINE_MS = 240_000
const AUTOMATIC: HealPolicy = policyOf('automatic')

const PARTITIONS = 6

describe('two healers of one cluster, its leases and incidents kept on another', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const stack = new AsyncDisposableStack()
  let cluster: TestCluster
  let incidents: () => readonly Incident[]
  let leases: () => readonly EndedLease[]
  let interlock: Interlock
  let agent: Keeper

  before(async () => {
    cluster = stack.use(await startCluster({ nodes: 3, name: 'heal' }))
    const healed = stack.use(await startHealers({ cluster, holders: ['first', 'second'], policy: AUTOMATIC }))
    incidents = healed.incidents
    leases = healed.leases
    interlock = healed.interlock
    agent = healed.agent
  })
  after(() => stack.disposeAsync())

  for (const [what, hurt, cause, remedies, victimOf] of [
    ['a leader is killed', 'SIGKILL', 'broker-dead', ['unregister'], leaderOf],
    // On a machine so busy that the controller has fenced it before, nobody waits for it: it is only ended.
    ['a leader is frozen', 'SIGSTOP', 'broker-frozen', ['kill-and-unregister', 'kill'], leaderOf],
    ['the active controller is killed', 'SIGKILL', 'broker-dead', ['unregister'], activeController],
  ] as const) {
    test(`${what}: acted on once, nothing acknowledged is lost, writes flow, every replica returns`, async () => {
      const topic = `heal-${randomUUID()}`
      await createTopic(cluster.bootstrap, topic, { partitions: PARTITIONS, replicas: 3 })
      await using wire = openWire({
        bootstrap: cluster.bootstrap,
        clientId: 'heal-load',
        requestTimeoutMs: 1_500,
      })
      const victim = await victimOf(wire, topic)
      const before = { incidents: incidents().length, leases: leases().length }
      const load = await startLoad(wire, topic, signal)
      const at = Date.now()
      process.kill(await pidOf(victim), hurt)
      const incident = await incidentAfter(before.incidents)
      await load.acknowledgedAgain()
      const acknowledged = await load.stop()

      assert.deepEqual([incident.cause, incident.subject], [cause, { kind: 'broker', broker: victim }])
      assert.equal(incident.decision.kind, 'act')
      const { remedy } = incident.decision
      assert.ok(
        remedies.some(each => each === remedy),
        JSON.stringify(incident),
      )
      const others = incidents().slice(before.incidents + 1)
      assert.deepEqual(others, [], 'one failure is one incident')
      assert.equal(leases().length, before.leases + 1, 'one healer acted, once')
      const waiting = evidenceOn(incident, 'partitions whose acks=all writes wait for it')
      assert.ok(waiting['before']! >= PARTITIONS, JSON.stringify(waiting))
      assert.equal(waiting['after'], 0)
      assert.ok(waiting['end']! >= PARTITIONS)
      const { beganAt, detectedAt, actedAt, availableAt, healedAt } = incident
      // On a machine so busy that its successor may have registered before anything was done, nothing is.
      const isGone = actedAt === null && leases()[0]!.outcome === 'failed'
      const acted = isGone ? [] : [actedAt]
      const order = [beganAt, detectedAt, ...acted, availableAt, healedAt]
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a! - b!),
      )
      assert.deepEqual(await valuesOf(wire, topic, acknowledged, signal), acknowledged)
      const after = order.slice(1).map(each => each! - at)
      console.log(`# ${what}: found, acted, writable, redundant after ${after.join(', ')} ms`)
    })
  }

  test('a person’s restart waits its turn like every act, is obeyed by the host whose broker was healed, and gives way once it serves', async () => {
    const told: Activity[] = []
    const admin = stack.use(openCluster({ bootstrap: cluster.bootstrap, clientId: 'heal-it' }))
    const kept = { keptAt: 'keys', interlock: () => interlock }
    const { restart } = restarts({
      facts: () => undefined,
      agent: hostAgent(agent),
      leases: brokerLeases({ placed: [cluster.placed], leases: () => kept }),
      isUp: async (_, broker, until) =>
        (await admin.describeCluster({ signal: until })).brokers.some(
          ({ id, fenced }) => id === broker && fenced === false,
        ),
      record: async entry => {
        told.push(entry)
        return entry
      },
      now: Date.now,
      log: silentLogger,
    })
    const why = { actor: 'ada', reason: 'new heap size' }
    const [one, two] = cluster.placed.nodes
    const pidBefore = await pidOf(one!.id)
    const domain = { kind: 'broker', cluster: cluster.name, rack: two!.rack, broker: two!.id } as const
    const migration = await interlock.acquire({ domain, purpose: 'a migration' }, signal)
    assert.ok(migration.granted)
    await assert.rejects(restart(cluster.name, one!.id, why, signal), {
      code: 'API_ACT_REFUSED',
      message:
        /second holds broker .*: a migration \(since [\d:]+ UTC, and until [\d:]+ UTC unless renewed\)/,
    })
    assert.deepEqual([told, await pidOf(one!.id)], [[], pidBefore])
    await migration.lease.release({ outcome: 'done' })

    await restart(cluster.name, one!.id, why, signal)
    const [meanwhile] = interlock.held()
    assert.match(meanwhile!.purpose, /a restart, asked for by ada: new heap size/)
    assert.equal((await interlock.acquire({ domain, purpose: 'a migration' }, signal)).granted, false)
    while (told.length < 2) await sleep(50, undefined, { signal })
    const [begun, ended] = told
    assert.deepEqual(
      [begun!.outcome, ended!.outcome, ended!.id],
      ['running', 'done', begun!.id],
      ended!.summary,
    )
    assert.notEqual(await pidOf(one!.id), pidBefore)
    assert.equal(agent.status().find(({ name }) => name.endsWith(`${one!.id}`))?.state, 'ready')
    const its = leases().find(({ id }) => id === meanwhile!.id)
    assert.deepEqual([its?.outcome, its?.evidence], ['done', [{ label: 'activity', value: begun!.id }]])

    // Whoever comes too late is not obeyed, nor who holds nothing.
    const order = hostAgent(agent).order
    const { keeper } = migration.lease.fence
    for (const fence of [{ keeper, token: meanwhile!.token - 1 }, undefined])
      await assert.rejects(order(brokerPrincipal(cluster.name, one!.id), 'stop', fence, 'a test', signal), {
        code: 'AGENT_REFUSED',
      })
    console.log(`# restarted by a person: ${ended!.evidence.at(-1)!.label} ${ended!.evidence.at(-1)!.value}`)
  })

  async function incidentAfter(known: number): Promise<Incident> {
    for (;;) {
      const found = incidents()[known]
      if (found?.state === 'healed') return found
      assert.notEqual(found?.state, 'failed')
      await sleep(50, undefined, { signal })
    }
  }

  const pidOf = async (broker: number): Promise<number> =>
    (await readPidFile(pidFile(runDirOf(cluster.placed), brokerPrincipal(cluster.name, broker))))!.pid

  /** Once the broker that is asked knows the topic that was just made. */
  async function leaderOf(wire: Wire, topic: string): Promise<number> {
    for (;;) {
      const [seen] = await wire.metadata([topic], signal)
      const leader = seen?.partitions[0]?.leader ?? -1
      if (leader >= 0) return leader
      await sleep(50, undefined, { signal })
    }
  }

  async function activeController(): Promise<number> {
    await using admin = openCluster({ bootstrap: cluster.bootstrap, clientId: 'heal-it' })
    return (await admin.describeQuorum({ signal })).leader!
  }
})

function evidenceOn({ evidence }: Incident, label: string): Record<string, number> {
  return Object.fromEntries(
    evidence.filter(each => each.label === label).map(({ when, value }) => [when, Number(value)]),
  )
}

/** For so long a leader that has just been elected may show less than it has: until its followers have told it what they have. */
const SETTLES_WITHIN_MS = 20_000

async function valuesOf(
  wire: Wire,
  topic: string,
  acknowledged: readonly (readonly string[])[],
  signal: AbortSignal,
): Promise<string[][]> {
  const until = performance.now() + SETTLES_WITHIN_MS
  for (;;) {
    const read = await readTopic(wire, topic, PARTITIONS, signal)
    if (read.every((records, i) => records.length >= acknowledged[i]!.length) || performance.now() > until)
      return read.map(records => records.map(({ value }) => value))
    await sleep(100, undefined, { signal })
  }
}

/** A writer for each partition, one record after the other. */
async function startLoad(wire: Wire, topic: string, signal: AbortSignal) {
  const producer = await wire.producer({}, signal)
  const acknowledged = Array.from({ length: PARTITIONS }, (): string[] => [])
  let stopped = false
  const writers = acknowledged.map(async (values, partition) => {
    for (let next = 0; !stopped; next++) {
      await producer.append(topic, partition, batchOf(`${partition}-${next}`), signal)
      values.push(`${partition}-${next}`)
    }
  })
  return {
    /** Each partition has acknowledged something new. */
    async acknowledgedAgain(): Promise<void> {
      const before = acknowledged.map(({ length }) => length)
      while (!acknowledged.every(({ length }, i) => length > before[i]!))
        await sleep(20, undefined, { signal })
    },
    async stop(): Promise<readonly (readonly string[])[]> {
      stopped = true
      await Promise.all(writers)
      await producer[Symbol.asyncDispose]()
      return acknowledged
    },
  }
}
