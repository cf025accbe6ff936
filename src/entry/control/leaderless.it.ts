import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProduceAcks, Producer } from '@platformatic/kafka'
import { sharedCluster, startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { batchOf, readTopic } from '../../../test/wire/records.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { type Journal, openJournal } from '../../foundation/journal/journal.ts'
import { openKafkaLog } from '../../foundation/journal/kafka-log.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import { ensureKafka } from '../../foundation/kafka-dist/kafka-dist.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { prepareNode } from '../../operations/fleet/brokers/driver.ts'
import { brokerPrincipal } from '../../operations/fleet/contract.ts'
import { openInterlock } from '../../operations/fleet/interlock/interlock.ts'
import { interlockMachine } from '../../operations/fleet/interlock/machine.ts'
import {
  type HealPolicy,
  type Incident,
  type IncidentsCommand,
  type IncidentsState,
  policyOf,
} from '../../operations/heal/contract.ts'
import { incidentsMachine } from '../../operations/heal/machine.ts'
import { heal } from '../../operations/heal/run.ts'
import type { ProcessAct } from '../../operations/hosts/contract.ts'
import { type Keeper, startKeeper } from '../../operations/hosts/keeper.ts'
import { baseOf, headersOf } from './agents.ts'
import { healedBrokers } from './heal.ts'
import { hostAgent } from './host-agent.ts'
import { bookOf } from './incidents.ts'

const DEADLINE_MS = 280_000
/** Dead brokers are left to their agent and to Kafka: here only what nobody leads is healed. */
const POLICY: HealPolicy = policyOf('off', { 'partition-leaderless': 'automatic' })
/** A broker is fenced soon, so that the test is short. */
const SETTINGS = { 'broker.session.timeout.ms': '4000', 'broker.heartbeat.interval.ms': '500' }

const [FIRST, SECOND, THIRD, LAST] = [1, 2, 3, 4] as const
/** The one furthest behind comes right after the last leader: Kafka's own unclean election would take it. */
const ORDER = [LAST, FIRST, SECOND, THIRD]
const RECORDS = 40
const ONLY_LEADER = 17

describe('three survivors at different offsets, the last in-sync replica gone for good', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const stack = new AsyncDisposableStack()
  const [safe, lossy] = [`safe-${randomUUID()}`, `lossy-${randomUUID()}`]
  const acknowledged = new Map<string, string[]>([
    [safe, []],
    [lossy, []],
  ])
  const byLeaderAlone: string[] = []
  let cluster: TestCluster
  let agent: Keeper
  let admin: ClusterAdmin
  let wire: Wire
  let journal: Journal<IncidentsState, IncidentsCommand>

  before(async () => {
    const stop = new AbortController()
    cluster = stack.use(await startCluster({ nodes: 5, name: 'leaderless', settings: SETTINGS }))
    const keys = stack.use(await sharedCluster())
    agent = stack.use(await startAgent(cluster))
    const reach = { bootstrap: cluster.bootstrap, clientId: 'leaderless-it' }
    admin = stack.use(openCluster(reach))
    wire = stack.use(openWire({ ...reach, requestTimeoutMs: 1_500 }))
    const layout = { replicas: [ORDER] }
    const config = { 'min.insync.replicas': '2' }
    for (const name of [safe, lossy]) await admin.createTopics([{ name, layout, config }], { signal })
    const healing = await startHealers(keys.bootstrap, stop.signal)
    stack.defer(async () => {
      stop.abort()
      await Promise.all(healing)
    })
    await killOneAfterAnother()
  })
  after(() => stack.disposeAsync())

  test('the one that has every acknowledged record is elected by itself, and nothing is lost', async () => {
    const incident = await incidentOf(safe, ({ state }) => state === 'healed')
    assert.deepEqual([incident.decision.kind, incident.decision.remedy], ['act', 'elect-most-advanced'])
    const [each] = incident.recovery!.partitions
    assert.deepEqual([each!.leader, each!.loss], [THIRD, 0])
    assertBehindEachOther(incident)
    assert.deepEqual(await valuesOf(safe), acknowledged.get(safe))
    await assertOrderIsRestored(safe)
    console.log(`# safe: led again ${incident.healedAt! - incident.beganAt} ms after nobody led it was seen`)
  })

  test('else a person is asked, the bound is exact, and the approval in the journal carries it out', async () => {
    const asked = await incidentOf(lossy, ({ state }) => state === 'proposed')
    const [each] = asked.recovery!.partitions
    assert.deepEqual([each!.leader, each!.loss], [THIRD, ONLY_LEADER])
    assert.match(asked.decision.reasons.join(), new RegExp(`${ONLY_LEADER} records would be lost`))
    assertBehindEachOther(asked)
    const [still] = await statesOf(lossy)
    assert.equal(still!.leader, null, 'nothing is done before somebody has agreed')

    const { id, proposal } = asked
    const why = { actor: 'ada', reason: 'its disk is broken' }
    const command = { kind: 'answer', id, verdict: 'approve', ...why } as const
    const stale = await journal.submit({ ...command, proposal: proposal!.number + 1 }, { signal })
    assert.equal(stale.accepted, false, 'nobody agrees to what was not proposed')
    assert.ok((await journal.submit({ ...command, proposal: proposal!.number }, { signal })).accepted)

    const healed = await incidentOf(lossy, ({ state }) => state === 'healed')
    const { answer } = healed.proposal!
    assert.deepEqual({ ...answer, at: 0 }, { verdict: 'approve', ...why, at: 0 })
    assert.ok(healed.actedAt! >= answer!.at, 'and nothing was')
    const kept = await valuesOf(lossy)
    assert.deepEqual(kept, acknowledged.get(lossy), 'what enough replicas had acknowledged is kept')
    const lost = byLeaderAlone.filter(value => !kept.includes(value))
    assert.equal(lost.length, each!.loss, 'what is lost is what was said')
    await assertOrderIsRestored(lossy)
  })

  /** Each misses what was written after it: the last one leads alone, and then nobody does. */
  async function killOneAfterAnother(): Promise<void> {
    await using producer = await wire.producer({}, signal)
    const write = async (): Promise<void> => {
      for (const [topic, values] of acknowledged)
        for (let n = 0; n < RECORDS; n++) {
          const value = `${topic}-${values.length}`
          await producer.append(topic, 0, batchOf(value), signal)
          values.push(value)
        }
    }
    await until('it leads', async () => (await leaderOf(safe)) === LAST && (await leaderOf(lossy)) === LAST)
    await until('its agent has them all in hand', async () =>
      agent.status().every(({ state }) => state === 'ready'),
    )
    await write()
    await killForNow(FIRST)
    await isrIs([SECOND, THIRD, LAST])
    await write()
    await killForNow(SECOND)
    await isrIs([THIRD, LAST])
    await write()
    await killForNow(THIRD)
    // Two of five are left: no controller is, and the leader goes on alone with whoever asks for no more than that.
    await writeToLeaderAlone()
    await killForNow(LAST)
    await Promise.all([FIRST, SECOND, THIRD].map(broker => order(broker, 'start')))
  }

  async function writeToLeaderAlone(): Promise<void> {
    const producer = new Producer({
      clientId: 'alone',
      bootstrapBrokers: [...cluster.bootstrap],
      retries: 20,
    })
    try {
      for (let n = 0; n < ONLY_LEADER; n++) {
        const value = `alone-${n}`
        const message = { topic: lossy, partition: 0, value: Buffer.from(value) }
        await producer.send({ messages: [message], acks: ProduceAcks.LEADER })
        byLeaderAlone.push(value)
      }
    } finally {
      await producer.close()
    }
  }

  /** As one who holds a lease that another journal keeps than the healers': their tokens do not concern each other. */
  async function order(broker: number, act: ProcessAct): Promise<void> {
    const name = brokerPrincipal(cluster.name, broker)
    const body = JSON.stringify({ fence: { keeper: 'the-test', token: 0 }, reason: 'a test' })
    const init = { method: 'POST', body, headers: headersOf(agent), signal }
    const answer = await fetch(`${baseOf(agent)}/api/processes/${name}/${act}`, init)
    assert.ok(answer.ok, `${act} ${name}: ${answer.status}`)
  }

  /** At once, and it is not started again before somebody says so. */
  async function killForNow(broker: number): Promise<void> {
    const name = brokerPrincipal(cluster.name, broker)
    process.kill(agent.status().find(each => each.name === name)!.pid!, 'SIGKILL')
    await order(broker, 'stop')
  }

  const isrIs = (ids: readonly number[]): Promise<void> =>
    until(`the ISR is ${ids}`, async () => {
      const states = [...(await statesOf(safe)), ...(await statesOf(lossy))]
      return states.every(({ isr }) => isr.toSorted().join() === ids.join())
    })

  async function statesOf(topic: string) {
    const [found] = await admin.describeTopics([topic], { signal })
    return found?.partitions ?? []
  }

  const leaderOf = async (topic: string) => (await statesOf(topic))[0]?.leader

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds().catch(() => false))) {
      if (signal.aborted) throw new Error(`not in time: ${what}`)
      await sleep(50)
    }
  }

  async function incidentOf(topic: string, holds: (incident: Incident) => boolean): Promise<Incident> {
    for (;;) {
      const its = journal
        .state()
        .incidents.filter(
          ({ subject }) =>
            subject.kind === 'partitions' && subject.partitions.some(each => each.topic === topic),
        )
      assert.ok(its.length <= 1, 'one failure is one incident')
      const [found] = its
      if (found !== undefined && holds(found)) return found
      assert.notEqual(found?.state, 'failed')
      if (signal.aborted) throw new Error(`not in time: ${JSON.stringify(found)}`)
      await sleep(50)
    }
  }

  function assertBehindEachOther({ recovery }: Incident): void {
    const ends = [FIRST, SECOND, THIRD].map(
      id => recovery!.partitions[0]!.logs.find(({ broker }) => broker === id)!.end!,
    )
    assert.ok(ends[0]! < ends[1]! && ends[1]! < ends[2]!, `they end at ${ends}`)
  }

  async function assertOrderIsRestored(topic: string): Promise<void> {
    const [state] = await statesOf(topic)
    assert.deepEqual(state!.replicas, ORDER)
    assert.deepEqual(state!.isr.toSorted(), [FIRST, SECOND, THIRD])
  }

  async function valuesOf(topic: string): Promise<string[]> {
    const expected = acknowledged.get(topic)!.length
    for (;;) {
      const [records] = await readTopic(wire, topic, 1, signal)
      // A leader just elected shows what its followers have told it they have.
      if (records!.length >= expected) return records!.map(({ value }) => value)
      await sleep(100, undefined, { signal })
    }
  }

  /** Two, who keep what they know on another cluster. */
  async function startHealers(bootstrap: readonly string[], stop: AbortSignal): Promise<Promise<void>[]> {
    const names = { interlock: `ll.interlock.${randomUUID()}`, incidents: `ll.incidents.${randomUUID()}` }
    for (const name of Object.values(names)) await createTopic(bootstrap, name, { replicas: 3 })
    const healing: Promise<void>[] = []
    for (const holder of ['first', 'second']) {
      const keys = stack.use(openWire({ bootstrap, clientId: holder }))
      const log = (topic: string) => openKafkaLog({ wire: keys, topic })
      const leases = stack.use(await openJournal({ log: log(names.interlock), machine: interlockMachine }))
      journal = stack.use(await openJournal({ log: log(names.incidents), machine: incidentsMachine }))
      const interlock = stack.use(openInterlock({ journal: leases, holder }))
      const reach = { clientId: holder, connectTimeoutMs: 500, requestTimeoutMs: 800 }
      healing.push(
        heal({
          cluster: cluster.name,
          brokers: healedBrokers(cluster.placed),
          admin: stack.use(openCluster({ bootstrap: cluster.bootstrap, ...reach })),
          tls: undefined,
          agent: hostAgent(agent),
          interlock: () => interlock,
          book: bookOf(journal),
          policy: POLICY,
          now: Date.now,
          log: silentLogger,
          signal: stop,
        }),
      )
    }
    return healing
  }
})

/** The agent of the host that all brokers are on; they run already. */
async function startAgent({ placed }: TestCluster): Promise<Keeper> {
  const dist = await ensureKafka(placed.version)
  const runDirectory = join(placed.nodes[0]!.home, '..', 'run')
  const processes = placed.nodes.map(async node => ({
    spec: await prepareNode(placed, node, dist, runDirectory),
    port: node.ports.client,
    logDirs: node.dataDirs,
  }))
  return startKeeper({
    host: 'leaderless',
    folder: join(runDirectory, '..', 'agent'),
    processes: await Promise.all(processes),
  })
}
