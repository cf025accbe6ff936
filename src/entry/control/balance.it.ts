import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type SharedCluster,
  sharedCluster,
  startCluster,
  type TestCluster,
} from '../../../test/fleets/cluster.ts'
import { type Healers, startHealers } from '../../../test/heal/healers.ts'
import { batchOf, readTopic } from '../../../test/wire/records.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import type { PartitionState } from '../../foundation/kafka/topics.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { brokerPrincipal } from '../../operations/fleet/contract.ts'
import type { Patience } from '../../operations/heal/conditions/facts.ts'
import { type Incident, policyOf } from '../../operations/heal/contract.ts'
import type { ProcessAct } from '../../operations/hosts/contract.ts'
import { baseOf, headersOf } from './agents.ts'

const DEADLINE_MS = 420_000
/**
 * What Kafka does by itself about it must not be what is seen; replicas fall out of the ISR soon, so that the test is short; and
 * followers fetch a batch at a time, since one that has all after its first fetch is not throttled.
 */
const SETTINGS = {
  'auto.leader.rebalance.enable': 'false',
  'replica.lag.time.max.ms': '1500',
  'replica.fetch.max.bytes': '1',
}
const PATIENCE: Partial<Patience> = {
  silentMs: 30_000,
  settledMs: 2_000,
  catchUpMs: 4_000,
  unbalancedMs: 2_000,
  quorumMs: 2_000,
  behindMs: 3_000,
  movingMs: 2_000,
  calmMs: 1_500,
  flaps: 2,
  lookMs: 1_000,
}
const PARTITIONS = 8
const EXPLAINED = ['under-replicated', 'leaders-unbalanced', 'quorum-at-risk']

describe('what stands in a cluster for too long, two healers watching', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const stack = new AsyncDisposableStack()
  const [led, slow, flapping, unclean] = ['led', 'slow', 'flapping', 'unclean'].map(
    name => `${name}-${randomUUID()}`,
  ) as [string, string, string, string]
  let cluster: TestCluster
  let healers: Healers
  let admin: ClusterAdmin
  let wire: Wire
  /** The leader of most, one that pauses, and the active controller. */
  let [leader, pausing, controller] = [0, 0, 0]
  let writing: Writing
  let keys: SharedCluster

  before(async () => {
    cluster = stack.use(await startCluster({ nodes: 3, name: 'balance', settings: SETTINGS }))
    keys = stack.use(await sharedCluster())
    // A broker pauses here as for a long garbage collection: with nobody who watches its threads it is not called frozen.
    const task = { cluster, keys, patience: PATIENCE, watchesThreads: false }
    const policy = policyOf('automatic')
    healers = stack.use(await startHealers({ ...task, holders: ['first', 'second'], policy }))
    const reach = { bootstrap: cluster.bootstrap, clientId: 'balance-it' }
    admin = stack.use(openCluster(reach))
    wire = stack.use(openWire({ ...reach, requestTimeoutMs: 1_500 }))
    controller = (await admin.describeQuorum({ signal })).leader!
    ;[leader, pausing] = cluster.nodes.map(({ id }) => id).filter(id => id !== controller) as [number, number]
    const others = [leader, controller, pausing]
    const layouts: Record<string, number[][]> = {
      [led]: Array.from({ length: PARTITIONS }, () => others),
      [slow]: [[leader, controller]],
      [flapping]: [others],
      [unclean]: [[leader, pausing]],
    }
    for (const [name, replicas] of Object.entries(layouts)) {
      const config = { 'min.insync.replicas': '1' }
      await admin.createTopics([{ name, layout: { replicas }, config }], { signal })
    }
    writing = await startWriting(wire, [slow, flapping, unclean], signal)
    stack.defer(() => writing.stop())
  })
  after(() => stack.disposeAsync())

  test('preferred leaders that others stand in for are given back, once, under a lease on the cluster', async () => {
    const known = healers.leases().length
    const order = [controller, leader, pausing]
    const moves = Array.from({ length: PARTITIONS }, (_, partition) => ({
      topic: led,
      partition,
      replicas: order,
    }))
    for (const { error } of await admin.reassign(moves, { signal })) assert.equal(error, null)
    const incident = await incidentOf('leaders-unbalanced', ({ state }) => state === 'healed')
    assert.deepEqual([incident.decision.kind, incident.decision.remedy], ['act', 'elect-preferred'])
    assert.deepEqual(incident.subject, { kind: 'leaders' })
    assert.ok((await statesOf(led)).every(each => each.leader === controller))
    const its = healers.incidents().filter(({ cause }) => cause === 'leaders-unbalanced')
    assert.equal(its.length, 1, 'one incident')
    // On a busy machine a lease may be given back because a broker was silent meanwhile: then nothing was done under it.
    const done = healers
      .leases()
      .slice(0, healers.leases().length - known)
      .filter(({ outcome }) => outcome === 'done')
    assert.deepEqual(
      done.map(({ domain }) => domain.kind),
      ['cluster'],
    )
  })

  test('replicas that are moved without a lease are told of, and no longer once they are where they should be', async () => {
    await throttle(slow)
    await writing.acknowledgedAgain(slow)
    const move = { topic: slow, partition: 0, replicas: [leader, controller, pausing] }
    for (const { error } of await admin.reassign([move], { signal })) assert.equal(error, null)
    const told = await incidentOf('data-movement', () => true)
    assert.deepEqual([told.decision.kind, told.state], ['refuse', 'open'])
    assert.match(evidenceOf(told, 'being moved'), new RegExp(`${slow}-0: to broker ${pausing}, off nobody`))
    await throttle(slow, false)
    await incidentOf('data-movement', ({ state }) => state === 'healed')
    await isrIs(slow, [leader, controller, pausing])
  })

  test('a replica that does not catch up though its broker is well is told of, until it does', async () => {
    for (const topic of [slow, unclean]) await throttle(topic)
    await pauseUntilOut([slow, unclean])
    const told = await incidentOf('under-replicated', () => true)
    assert.deepEqual(told.subject, { kind: 'replicas', on: pausing })
    assert.equal(told.decision.kind, 'refuse')
    assert.match(evidenceOf(told, 'out of sync'), new RegExp(`${slow}-0, led by ${leader}`))
    for (const topic of [slow, unclean]) await throttle(topic, false)
    await incidentOf('under-replicated', ({ state }) => state === 'healed')
  })

  test('a broker whose replicas leave and come back again and again is told of once, and left alone', async () => {
    const leases = healers.leases().length
    while (found('isr-flapping') === undefined) {
      await isrIs(flapping, [leader, controller, pausing])
      await sleep(PATIENCE.settledMs!, undefined, { signal })
      await pauseUntilOut([flapping])
    }
    const told = found('isr-flapping')!
    assert.deepEqual(told.subject, { kind: 'replicas', on: pausing })
    assert.deepEqual([told.decision.kind, told.decision.remedy], ['refuse', null])
    assert.equal(healers.leases().length, leases, 'nobody acts')
  })

  test('a dead broker is one incident that explains replicas, leaders and quorum; records that it took with it are told', async () => {
    await throttle(unclean)
    await allow(unclean)
    await pauseUntilOut([unclean])
    await writing.acknowledgedAgain(unclean)
    const before = healers.incidents().length
    // To this one its vote is that of a controller alone, as larger clusters have them: no broker of its own explains it.
    await using voters = await startHealers({
      ...{ cluster, keys, patience: PATIENCE, healed: id => id !== leader },
      ...{ holders: ['voters'], policy: policyOf('off', { 'quorum-at-risk': 'propose' }) },
    })
    await kill(leader)
    await writing.stop()
    const dead = await incidentOf('broker-dead', ({ timeline }) =>
      EXPLAINED.every(cause => timeline.some(({ text }) => text.startsWith(`explains ${cause}`))),
    )
    assert.deepEqual(dead.subject, { kind: 'broker', broker: leader })
    const lost = await incidentOf('unclean-leader', ({ state }) => state === 'failed')
    assert.deepEqual(lost.subject, { kind: 'partitions', partitions: [{ topic: unclean, partition: 0 }] })
    const [, bound] = /at most (\d+)/.exec(evidenceOf(lost, 'records lost')) ?? []
    const [kept] = await readTopic(wire, unclean, 1, signal)
    const missing = writing.acknowledged(unclean) - kept!.length
    assert.ok(missing > 0 && Number(bound) >= missing, `${missing} of at most ${bound} are lost`)

    const risk = await incidentOf('quorum-at-risk', () => true, voters)
    assert.deepEqual([risk.subject, risk.decision.kind], [{ kind: 'quorum' }, 'refuse'])
    assert.match(evidenceOf(risk, 'voters'), /^3, of which 2/)
    assert.equal(evidenceOf(risk, 'voters that keep up'), '2')

    await throttle(unclean, false)
    await order(leader, 'start')
    await incidentOf('quorum-at-risk', ({ state }) => state === 'healed', voters)
    await incidentOf('broker-dead', ({ state }) => state === 'healed')
    await until('it leads again what it should', async () =>
      (await statesOf(flapping)).every(each => each.leader === leader),
    )
    // What would be told for want of that had stood for longer by now.
    await sleep(PATIENCE.settledMs! + PATIENCE.catchUpMs!, undefined, { signal })
    const causes = healers
      .incidents()
      .slice(before)
      .map(({ cause }) => cause)
    assert.deepEqual(causes.toSorted(), ['broker-dead', 'unclean-leader'])
  })

  /* ---- what is done to the cluster ---- */

  /** What is out of sync on the one that pauses comes back at a byte a second: one in sync is not throttled (KIP-73). */
  async function throttle(topic: string, on = true): Promise<void> {
    const replicas = on ? `0:${pausing}` : null
    const set = { 'follower.replication.throttled.replicas': replicas }
    const rate = { 'follower.replication.throttled.rate': on ? '1' : null }
    await alter({ kind: 'topic', name: topic }, set)
    await alter({ kind: 'broker', name: String(pausing) }, rate)
  }

  const allow = (topic: string): Promise<void> =>
    alter({ kind: 'topic', name: topic }, { 'unclean.leader.election.enable': 'true' })

  async function alter(
    resource: { readonly kind: 'topic' | 'broker'; readonly name: string },
    set: Readonly<Record<string, string | null>>,
  ): Promise<void> {
    for (const { error } of await admin.alterConfigs([{ resource, set }], { signal }))
      assert.equal(error, null)
  }

  async function pauseUntilOut(topics: readonly string[]): Promise<void> {
    const { pid } = cluster.nodes.find(({ id }) => id === pausing)!
    process.kill(pid, 'SIGSTOP')
    try {
      const isOut = async (topic: string) =>
        (await statesOf(topic, leader)).every(({ isr }) => !isr.includes(pausing))
      await until('it is out of the ISR', async () => (await Promise.all(topics.map(isOut))).every(Boolean))
      for (const topic of topics) await writing.acknowledgedAgain(topic)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  }

  /** For now: its agent does not start it before it is told to. */
  async function kill(broker: number): Promise<void> {
    const name = brokerPrincipal(cluster.name, broker)
    process.kill(healers.agent.status().find(each => each.name === name)!.pid!, 'SIGKILL')
    await order(broker, 'stop')
  }

  async function order(broker: number, act: ProcessAct): Promise<void> {
    const name = brokerPrincipal(cluster.name, broker)
    const body = JSON.stringify({ fence: { keeper: 'the-test', token: 0 }, reason: 'a test' })
    const init = { method: 'POST', body, headers: headersOf(healers.agent), signal }
    const answer = await fetch(`${baseOf(healers.agent)}/api/processes/${name}/${act}`, init)
    assert.ok(answer.ok, `${act} ${name}: ${answer.status}`)
  }

  /* ---- what is seen of it ---- */

  const found = (cause: Incident['cause'], by = healers): Incident | undefined =>
    by.incidents().findLast(each => each.cause === cause)

  async function incidentOf(
    cause: Incident['cause'],
    holds: (incident: Incident) => boolean,
    by = healers,
  ): Promise<Incident> {
    for (;;) {
      const seen = found(cause, by)
      if (seen !== undefined && holds(seen)) return seen
      if (signal.aborted) throw new Error(`not in time: ${JSON.stringify(by.incidents())}`)
      await sleep(50)
    }
  }

  async function statesOf(topic: string, broker?: number): Promise<readonly PartitionState[]> {
    const [seen] = await admin.describeTopics([topic], {
      signal,
      ...(broker === undefined ? {} : { broker }),
    })
    return seen?.partitions ?? []
  }

  const isrIs = (topic: string, ids: readonly number[]): Promise<void> =>
    until(`the ISR of ${topic} is ${ids}`, async () =>
      (await statesOf(topic, leader)).every(({ isr }) => isr.toSorted().join() === ids.toSorted().join()),
    )

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds().catch(() => false))) {
      if (signal.aborted) throw new Error(`not in time: ${what}`)
      await sleep(50)
    }
  }
})

const evidenceOf = ({ evidence }: Incident, label: string): string =>
  evidence.find(each => each.label === label)?.value ?? ''

interface Writing {
  acknowledged(topic: string): number
  acknowledgedAgain(topic: string): Promise<void>
  stop(): Promise<void>
}

/** One record after the other into each topic's partition. */
async function startWriting(wire: Wire, topics: readonly string[], signal: AbortSignal): Promise<Writing> {
  const producer = await wire.producer({}, signal)
  const counts = new Map(topics.map(topic => [topic, 0]))
  const stopping = new AbortController()
  const until = AbortSignal.any([signal, stopping.signal])
  const writers = topics.map(async topic => {
    while (!until.aborted) {
      await producer.append(topic, 0, batchOf(`${counts.get(topic)}`), until)
      counts.set(topic, counts.get(topic)! + 1)
      await sleep(10, undefined, { signal: until })
    }
  })
  let ended: Promise<void> | undefined
  const end = async (): Promise<void> => {
    stopping.abort()
    await Promise.allSettled(writers)
    await producer[Symbol.asyncDispose]()
  }
  return {
    acknowledged: topic => counts.get(topic)!,
    async acknowledgedAgain(topic) {
      const before = counts.get(topic)!
      while (counts.get(topic)! < before + 10) await sleep(20, undefined, { signal })
    },
    stop: () => (ended ??= end()),
  }
}
