import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sharedCluster, startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { type FalseWitness, startFalseWitness } from '../../../test/heal/false-witness.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { type Journal, openJournal } from '../../foundation/journal/journal.ts'
import { openKafkaLog } from '../../foundation/journal/kafka-log.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import { ensureKafka } from '../../foundation/kafka-dist/kafka-dist.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { prepareNode } from '../../operations/fleet/brokers/driver.ts'
import { brokerPrincipal } from '../../operations/fleet/contract.ts'
import type { Domain, Interlock, Lease } from '../../operations/fleet/interlock/contract.ts'
import { openInterlock } from '../../operations/fleet/interlock/interlock.ts'
import { interlockMachine } from '../../operations/fleet/interlock/machine.ts'
import {
  causes,
  type HealPolicy,
  type Incident,
  type IncidentsCommand,
  type IncidentsState,
} from '../../operations/heal/contract.ts'
import { LIMITS } from '../../operations/heal/limits.ts'
import { incidentsMachine } from '../../operations/heal/machine.ts'
import { heal } from '../../operations/heal/run.ts'
import { type Keeper, startKeeper } from '../../operations/hosts/keeper.ts'
import { healedBrokers } from './heal.ts'
import { type Host, hostAgent, hostAgents } from './host-agent.ts'
import { bookOf } from './incidents.ts'

const DEADLINE_MS = 400_000
const AUTOMATIC = Object.fromEntries(causes.map(cause => [cause, 'automatic'])) as HealPolicy
/** A broker that is gone is fenced soon, so that the test is short. */
const SETTINGS = { 'broker.session.timeout.ms': '6000', 'broker.heartbeat.interval.ms': '500' }
const [OTHER, VICTIM, PARTNER] = [1, 2, 3] as const
const MIGRATION = 'migration of edge to hub'

/**
 * One topic, on two of three brokers, both of which have to be in sync: without either of them nothing is acknowledged. What is
 * refused is read as whoever asks for the incident reads it.
 */
describe('what a healer does not do, and says why', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const stack = new AsyncDisposableStack()
  const topic = `pair-${randomUUID()}`
  let cluster: TestCluster
  let keeper: Keeper
  /** Two agents: the one that keeps the brokers, and one of another host; both tell the truth unless told otherwise. */
  let [witness, stranger]: [FalseWitness, FalseWitness] = [undefined!, undefined!]
  let admin: ClusterAdmin
  let journal: Journal<IncidentsState, IncidentsCommand>
  let healerLeases: Interlock
  let otherLeases: Interlock

  before(async () => {
    cluster = stack.use(await startCluster({ nodes: 3, name: 'refusals', settings: SETTINGS }))
    const keys = stack.use(await sharedCluster())
    keeper = stack.use(await startAgent(cluster))
    witness = stack.use(await startFalseWitness(keeper))
    stranger = stack.use(await startFalseWitness(keeper))
    admin = stack.use(openCluster({ bootstrap: cluster.bootstrap, clientId: 'refusals-it' }))
    const layout = { replicas: [[VICTIM, PARTNER]] }
    await admin.createTopics([{ name: topic, layout, config: { 'min.insync.replicas': '2' } }], { signal })
    const names = { leases: `rf.leases.${randomUUID()}`, incidents: `rf.incidents.${randomUUID()}` }
    for (const name of Object.values(names)) await createTopic(keys.bootstrap, name, { replicas: 3 })
    const wire = stack.use(openWire({ bootstrap: keys.bootstrap, clientId: 'refusals-keys' }))
    const log = (name: string) => openKafkaLog({ wire, topic: name })
    const interlockOf = async (holder: string): Promise<Interlock> => {
      const leases = stack.use(await openJournal({ log: log(names.leases), machine: interlockMachine }))
      return stack.use(openInterlock({ journal: leases, holder }))
    }
    healerLeases = await interlockOf('control')
    otherLeases = await interlockOf(MIGRATION)
    journal = stack.use(await openJournal({ log: log(names.incidents), machine: incidentsMachine }))
  })
  beforeEach(() =>
    until('its agent has them all in hand', () => [OTHER, VICTIM, PARTNER].every(id => isReady(id))),
  )
  afterEach(async () => {
    for (const lease of taken.splice(0)) await lease.release({ outcome: 'done' })
    for (const { pid } of keeper.status()) if (pid !== null) wake(pid)
  })
  after(() => stack.disposeAsync())

  test('policy off: a frozen broker is told of and left alone', async () => {
    await using _ = healing({ ...AUTOMATIC, 'broker-frozen': 'off' })
    const pid = freeze(VICTIM)
    const refused = await incidentThat('is refused', isRefused)
    assert.deepEqual(refused.decision.reasons, ['healing of broker-frozen is off: the fleet’s file says so'])
    assertUntouched(refused, pid)
    wake(pid)
    assertNeverActed(await end(refused))
  })

  test('policy propose, min ISR: a person is asked, and not even then is one unregistered without whom too few are in sync', async () => {
    await using _ = healing({ ...AUTOMATIC, 'broker-frozen': 'propose' })
    const pid = freeze(VICTIM)
    // A healer that has just begun may have to ask first how many have to be in sync; then it proposes anew.
    const asked = await incidentThat(
      'is proposed',
      ({ state, decision }) => state === 'proposed' && decision.remedy === 'kill',
    )
    const not = asked.decision.refused.find(({ what }) => what === 'unregister it')
    assert.match(not!.whyNot, new RegExp(`min.insync.replicas of ${topic}-0 \\(1 of 2\\)`))
    assertUntouched(asked, pid)
    const { id, proposal } = asked
    const approval = {
      proposal: proposal!.number,
      verdict: 'approve',
      actor: 'ada',
      reason: 'a test',
    } as const
    assert.ok((await journal.submit({ kind: 'answer', id, ...approval }, { signal })).accepted)
    const healed = await end(asked)
    assert.ok(healed.actedAt !== null && pidOf(VICTIM) !== pid, 'it was killed, and is back')
    assert.ok(!healed.timeline.some(({ text }) => /was unregistered/.test(text)))
  })

  test('min ISR: a dead broker without which too few are in sync is not unregistered, with the partitions named', async () => {
    await using _ = healing(AUTOMATIC)
    const told = (): boolean => incidents().some(each => !known.has(each.id) && isRefused(each))
    // On a machine so busy that its successor may have registered before it was looked at, nothing is diagnosed; and a healer
    // that has just begun may not know yet how many have to be in sync.
    while (!told()) {
      const pid = pidOf(VICTIM)
      process.kill(pid, 'SIGKILL')
      await until('it is told of, or back', () => told() || (isReady(VICTIM) && pidOf(VICTIM) !== pid))
    }
    const refused = await incidentThat('is refused', isRefused)
    assert.equal(refused.cause, 'broker-dead')
    assert.match(
      refused.decision.reasons.join(),
      new RegExp(`fewer replicas are in sync than min.insync.replicas of ${topic}-0 \\(1 of 2\\)`),
    )
    assertNeverActed(await end(refused))
  })

  test('lease held by a migration: healing waits, says for whom and until when, and acts once it is given up', async () => {
    await using _ = healing(AUTOMATIC)
    const lease = await leased({ kind: 'cluster', cluster: cluster.name }, 'moving orders away')
    const pid = freeze(VICTIM)
    const refused = await incidentThat('is refused', isRefused)
    assert.match(
      refused.decision.reasons.join(),
      /^the lease is held: migration of edge to hub holds cluster refusals since 20.* UTC for “moving orders away”, until they give it up, or have been silent for 6 s$/,
    )
    assertUntouched(refused, pid)
    assert.ok(await lease.release({ outcome: 'done' }))
    const healed = await end(refused)
    assert.equal(healed.decision.kind, 'act')
    assert.ok(healed.actedAt !== null)
    assert.notEqual(pidOf(VICTIM), pid)
  })

  test('two racks: while one is worked on, a failure in another waits, and is found to need nothing any more', async () => {
    await using _ = healing(AUTOMATIC)
    const rack = cluster.nodes.find(({ id }) => id === OTHER)!.rack
    const domain = { kind: 'broker', cluster: cluster.name, rack, broker: OTHER } as const
    const lease = await leased(domain, 'healing broker-frozen: kill')
    const pid = freeze(VICTIM)
    const refused = await incidentThat('is refused', isRefused)
    assert.match(
      refused.decision.reasons.join(),
      /^never two racks at once, and the lease is held: .* holds broker 1 of refusals \(rack rack-1\) since/,
    )
    assertUntouched(refused, pid)
    wake(pid)
    assert.ok(await lease.release({ outcome: 'done' }))
    assertNeverActed(await end(refused))
    assert.equal(pidOf(VICTIM), pid)
  })

  test('a flapping broker: after three acts in ten minutes it is left alone, and that is said', async () => {
    await using _ = healing(AUTOMATIC)
    const actedOn = () =>
      incidents().filter(({ subject, actedAt }) => isOf(subject, VICTIM) && actedAt !== null)
    while (actedOn().length < LIMITS.actsPerSubject) {
      freeze(VICTIM)
      await end(await incidentThat('is acted on', ({ actedAt }) => actedAt !== null))
    }
    const pid = freeze(VICTIM)
    const refused = await incidentThat('is refused', isRefused)
    assert.deepEqual(refused.decision.reasons, [
      `broker ${VICTIM} was healed 3 times in 10 minutes: it does not stay up`,
    ])
    assertUntouched(refused, pid)
    wake(pid)
    assertNeverActed(await end(refused))
  })

  test('agents disagree: with a broker that answers, or with each other; nothing is done, and each contradiction is told', async () => {
    await using _ = healing(AUTOMATIC)
    const pids = keeper.status().map(({ pid }) => pid)
    const nameOf = (broker: number): string => brokerPrincipal(cluster.name, broker)
    const died = { at: Date.now(), pid: 4711, code: null, signal: 'SIGKILL', expected: false }
    witness.tell({
      processes: truth =>
        truth.map(each =>
          each.name === nameOf(VICTIM)
            ? { ...each, state: 'waiting', pid: null, since: null, lastEnd: died }
            : each,
        ),
      life: (process, truth) => (process === nameOf(PARTNER) ? { ...truth, ran: false } : truth),
    })
    stranger.tell({
      processes: truth =>
        truth
          .filter(({ name }) => name === nameOf(OTHER))
          .map(each => ({ ...each, state: 'stopped', pid: null, since: null })),
    })
    const told = await Promise.all(
      [VICTIM, PARTNER, OTHER].map(broker =>
        incidentThat(
          `tells of broker ${broker}`,
          ({ cause, subject }) => cause === 'testimony-disputed' && isOf(subject, broker),
        ),
      ),
    )
    const saidBy = (of: string) =>
      told.map(({ signals }) => signals.filter(({ source }) => source === of).map(({ says }) => says))
    assert.deepEqual(saidBy('agent'), [
      ['process 4711 ended (SIGKILL)'],
      [`no thread of process ${pids[2]} runs`],
      ['it does not run', `process ${pids[0]} runs`],
    ])
    assert.deepEqual(saidBy('probe').slice(0, 2), [['it answers'], ['it answers']])
    for (const { decision } of told) {
      assert.equal(decision.kind, 'refuse')
      assert.match(decision.reasons.join(), /the sides contradict each other/)
    }
    witness.tell({})
    stranger.tell({ processes: () => [] })
    for (const each of told) assertNeverActed(await end(each))
    assert.deepEqual(
      keeper.status().map(({ pid }) => pid),
      pids,
    )
  })

  /* ---- what the tests are made of ---- */

  /** As a control process does it with this policy in its fleet's file, until it is disposed. */
  function healing(policy: HealPolicy): AsyncDisposable {
    known = new Set(incidents().map(({ id }) => id))
    const stop = new AbortController()
    const host = (at: FalseWitness, processes: readonly string[]): Host => ({
      processes,
      agent: hostAgent(at),
    })
    const all = keeper.status().map(({ name }) => name)
    stranger.tell({ processes: () => [] })
    const reach = { clientId: 'refusals-healer', connectTimeoutMs: 500, requestTimeoutMs: 800 }
    const asHealer = openCluster({ bootstrap: cluster.bootstrap, ...reach })
    const ended = heal({
      cluster: cluster.name,
      brokers: healedBrokers(cluster.placed),
      admin: asHealer,
      tls: undefined,
      agent: hostAgents([host(witness, all), host(stranger, [])], stop.signal),
      interlock: () => healerLeases,
      book: bookOf(journal),
      policy,
      now: Date.now,
      log: silentLogger,
      signal: stop.signal,
    })
    return {
      async [Symbol.asyncDispose]() {
        stop.abort()
        await ended
        await asHealer.close()
      },
    }
  }

  /** Before the test that runs. */
  let known: ReadonlySet<string> = new Set()
  const incidents = (): readonly Incident[] => journal.state().incidents

  async function incidentThat(what: string, holds: (incident: Incident) => boolean): Promise<Incident> {
    const found = (): Incident | undefined => incidents().find(each => !known.has(each.id) && holds(each))
    await until(`an incident ${what}`, () => found() !== undefined)
    return found()!
  }

  /** How it ends. The next test finds all whole. */
  async function end({ id }: Incident): Promise<Incident> {
    const found = (): Incident => incidents().find(each => each.id === id)!
    await until(`incident ${id} is over`, () => found().state === 'healed')
    known = new Set([...known, id])
    return found()
  }

  const isRefused = ({ state, decision }: Incident): boolean => state === 'open' && decision.kind === 'refuse'
  const isOf = (subject: Incident['subject'], broker: number): boolean =>
    subject.kind === 'broker' && subject.broker === broker

  function assertUntouched({ id }: Incident, pid: number): void {
    assert.equal(pidOf(VICTIM), pid)
    assert.equal(incidents().find(each => each.id === id)!.actedAt, null)
  }

  function assertNeverActed({ actedAt, decision, timeline }: Incident): void {
    assert.equal(actedAt, null, JSON.stringify(timeline))
    assert.notEqual(decision.kind, 'act')
  }

  const statusOf = (broker: number) =>
    keeper.status().find(({ name }) => name === brokerPrincipal(cluster.name, broker))!
  const pidOf = (broker: number): number => statusOf(broker).pid!
  const isReady = (broker: number): boolean => {
    const { state, pid } = statusOf(broker)
    return state === 'ready' && pid !== null
  }

  function freeze(broker: number): number {
    const pid = pidOf(broker)
    process.kill(pid, 'SIGSTOP')
    return pid
  }

  function wake(pid: number): void {
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // It has ended.
    }
  }

  /** Of the test that runs. */
  const taken: Lease[] = []

  /** As somebody else who works on the cluster. */
  async function leased(domain: Domain, purpose: string): Promise<Lease> {
    const answer = await otherLeases.acquire({ domain, purpose, leaseMs: 6_000 }, signal)
    assert.ok(answer.granted)
    taken.push(answer.lease)
    return answer.lease
  }

  async function until(what: string, holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (signal.aborted) throw new Error(`not in time: ${what}: ${JSON.stringify(incidents().at(-1))}`)
      await sleep(25)
    }
  }
})

/** The agent of the host that all brokers are on; they run already. */
async function startAgent({ placed }: TestCluster): Promise<Keeper> {
  const dist = await ensureKafka(placed.version)
  const runDirectory = join(placed.nodes[0]!.home, '..', 'run')
  const processes = placed.nodes.map(async node => ({
    spec: await prepareNode(placed, node, dist, runDirectory),
    port: node.ports.client,
  }))
  return startKeeper({
    host: 'refusals',
    folder: join(runDirectory, '..', 'agent'),
    processes: await Promise.all(processes),
  })
}
