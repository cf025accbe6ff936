import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import type { Lease } from '../fleet/interlock/contract.ts'
import { ask } from './asking.ts'
import { diagnosisOf } from './causes/leaderless.ts'
import { createChronicle, opened } from './chronicle.ts'
import type {
  BrokerFacts,
  HealFacts,
  HealPolicy,
  Incident,
  IncidentsCommand,
  IncidentsState,
} from './contract.ts'
import { decide } from './decide.ts'
import { diagnose } from './diagnose.ts'
import { carryOutDue, isDue } from './due.ts'
import { incidentsMachine } from './machine.ts'
import type { LeaderlessFacts, SeenLog } from './recovery.ts'
import { type Again, proposedNow, type Work } from './work.ts'

/** The healer's process ends here: nothing of it goes on. */
class Killed extends Error {}

const ORDER = [3, 1, 2]
const EPOCHS = [{ epoch: 4, start: 0 }]

/** A cluster of one partition, whose last leader is gone with 12 records more than broker 2 has. */
function simulated() {
  let calls = 0
  let killBefore = Infinity
  let state: IncidentsState = incidentsMachine.initial
  let offset = 0
  const cluster = {
    leader: null as number | null,
    replicas: ORDER,
    lastEnd: 120,
    bestEnd: 108,
    elections: [] as string[],
  }
  const step = (): void => {
    if (++calls >= killBefore) throw new Killed()
  }
  const log = (broker: number, end: number, isUp: boolean): SeenLog => ({
    broker,
    saidEnd: isUp ? end : null,
    onDisk: { start: 0, end, epochs: EPOCHS, highWatermark: 80 },
    problem: null,
  })
  const submit = (command: IncidentsCommand): string | undefined => {
    const meta = { offset, at: offset++, writer: 'w', machineVersion: 2 }
    const applied = incidentsMachine.apply(state, command, meta)
    if (!applied.accepted) return applied.reason
    state = applied.state
    return undefined
  }
  const again = async (): Promise<Again> => {
    step()
    if (cluster.leader !== null) return { kind: 'gone' }
    const seen: LeaderlessFacts = {
      ...{ topic: 'orders', partition: 0, leaderEpoch: 6, replicas: cluster.replicas },
      ...{ since: 0, inSync: [3], lastKnown: [] },
      logs: [log(1, 90, true), log(2, cluster.bestEnd, true), log(3, cluster.lastEnd, false)],
    }
    const facts: HealFacts = {
      at: 10_000,
      cluster: 'edge',
      brokers: BROKERS,
      partitions: [],
      leaderless: [seen],
    }
    return { kind: 'so', facts, diagnosis: diagnosisOf([seen], facts) }
  }
  const described = () => ({
    partition: 0,
    leader: cluster.leader,
    leaderEpoch: 6,
    replicas: cluster.replicas,
    isr: [],
    offline: [],
  })
  const admin = {
    async describeTopics() {
      step()
      return [{ name: 'orders', id: '', internal: false, partitions: [described()] }]
    },
    async listReassignments() {
      step()
      return []
    },
    async reassign(moves: readonly { replicas: readonly number[] }[]) {
      step()
      cluster.replicas = [...moves[0]!.replicas]
      return moves.map(item => ({ item, error: null }))
    },
    async electLeaders(kind: string, partitions: readonly unknown[]) {
      step()
      cluster.leader = cluster.replicas.find(id => id !== 3)!
      cluster.elections.push(`${kind}: ${cluster.leader}`)
      return partitions.map(item => ({ item, error: null }))
    },
  } as unknown as ClusterAdmin
  const lease = {
    ...{ id: 'l', token: 1, domain: { kind: 'cluster', cluster: 'edge' } },
    holds: () => true,
    ended: new AbortController().signal,
    // Of one that was killed it ends by itself.
    release: async () => true,
  } as unknown as Lease
  const work = {
    cluster: 'edge',
    brokers: [],
    admin,
    interlock: () => ({ acquire: async () => ({ granted: true, lease }), held: () => [], history: () => [] }),
    book: {
      list: () => state.incidents,
      paused: () => state.paused?.reason ?? null,
      async tell(incident: Incident) {
        step()
        return submit({ kind: 'tell', incident })
      },
    },
    now: () => 1,
    log: silentLogger,
    signal: new AbortController().signal,
    answers: () => true,
    stirredAt: () => 0,
    decide: ({ diagnosis, facts }: Parameters<Work['decide']>[0]) =>
      decide(diagnosis, facts, { 'partition-leaderless': 'automatic' } as HealPolicy, {
        ...{ acts: [], incidents: [], paused: null, hasInterlock: true },
      }),
    lookAgain: again,
  } as unknown as Work
  return {
    cluster,
    work,
    submit,
    again,
    incident: () => state.incidents[0]!,
    killBefore(call: number) {
      calls = 0
      killBefore = call
    },
    calls: () => calls,
  }
}

const broker = (id: number, more: Partial<BrokerFacts> = {}): BrokerFacts => ({
  id,
  rack: null,
  registration: 'up',
  testimony: { kind: 'running', pid: id, since: 1, ran: true, lastEnd: null },
  probe: { kind: 'answers' },
  ...more,
})
const GONE = {
  registration: 'fenced',
  testimony: { kind: 'dead', lastEnd: { at: 1, pid: 3, how: 'SIGKILL', expected: false }, givenUp: true },
  probe: { kind: 'refused' },
} as const
const BROKERS = [broker(1), broker(2), broker(3, GONE)]

/** Proposed, and approved unless a person has to see it first. */
async function proposed(options: { readonly approved: boolean }) {
  const at = simulated()
  const seen = await at.again()
  assert.ok(seen.kind === 'so')
  const decision = proposedNow(seen)
  assert.ok(decision?.kind === 'propose')
  await createChronicle(at.work, opened(at.work, seen.diagnosis, decision)).begin()
  if (options.approved) assert.equal(at.submit(answerTo(at.incident())), undefined)
  return at
}

const answerTo = ({ id, proposal }: Incident): IncidentsCommand => ({
  kind: 'answer',
  ...{ id, proposal: proposal!.number, verdict: 'approve', actor: 'ada', reason: 'read it' },
})

const carryOut = ({ work, incident }: Awaited<ReturnType<typeof proposed>>): Promise<void> =>
  carryOutDue(work, createChronicle(work, incident()))

test('a healer killed before any step of an election: the next one ends it, once, with the order it had', async () => {
  const whole = await proposed({ approved: true })
  whole.killBefore(Infinity)
  await carryOut(whole)
  const steps = whole.calls()
  assert.ok(steps > 8, `${steps} steps`)
  for (let kill = 1; kill <= steps; kill++) {
    const at = await proposed({ approved: true })
    at.killBefore(kill)
    await assert.rejects(carryOut(at), Killed)
    at.killBefore(Infinity)
    assert.ok(isDue(at.incident()), `killed before step ${kill}, it is ${at.incident().state}`)
    await carryOut(at)
    const { leader, replicas, elections } = at.cluster
    assert.deepEqual([leader, replicas, elections], [2, ORDER, ['unclean: 2']], `killed before step ${kill}`)
    assert.equal(isDue(at.incident()), false)
    assert.deepEqual(at.incident().recovery!.partitions[0]!.replicas, ORDER)
    assert.equal(at.incident().proposal!.answer!.actor, 'ada')
  }
})

test('what was approved at one price is not done at another: it is proposed anew, with the new bound', async () => {
  const at = await proposed({ approved: true })
  at.cluster.lastEnd = 125
  await carryOut(at)
  const { state, proposal, recovery } = at.incident()
  assert.deepEqual([at.cluster.leader, state, proposal!.number], [null, 'proposed', 2])
  assert.deepEqual([recovery!.partitions[0]!.loss, proposal!.answer], [17, null])
  assert.equal(at.submit(answerTo(at.incident())), undefined)
  await carryOut(at)
  assert.equal(at.cluster.leader, 2)
})

test('nothing is due before somebody has agreed, nor while healing is paused', async () => {
  const at = await proposed({ approved: false })
  assert.equal(isDue(at.incident()), false)
  at.submit(answerTo(at.incident()))
  at.submit({ kind: 'pause', actor: 'ada', reason: 'a drill' })
  await carryOut(at)
  assert.deepEqual([at.cluster.leader, at.incident().state], [null, 'approved'])
  at.submit({ kind: 'resume', actor: 'ada' })
  await carryOut(at)
  assert.equal(at.cluster.leader, 2)
})

test('who has everything comes back after a person was asked: it is elected by itself, unless they have said no', async () => {
  for (const declined of [false, true]) {
    const at = await proposed({ approved: false })
    if (declined) at.submit({ ...answerTo(at.incident()), verdict: 'decline' } as IncidentsCommand)
    const asking = new AbortController()
    const looked = Promise.withResolvers<void>()
    const work: Work = {
      ...at.work,
      signal: asking.signal,
      // Something new each time: it is looked at again after a second.
      stirredAt: () => Date.now(),
      async lookAgain() {
        setImmediate(looked.resolve)
        return at.again()
      },
    }
    at.cluster.bestEnd = 120
    const asked = ask(work, createChronicle(work, at.incident()))
    await looked.promise
    if (declined) asking.abort()
    await asked.catch(error => assert.ok(declined, error))
    assert.equal(isDue(at.incident()), !declined)
    if (declined) continue
    await carryOut(at)
    assert.deepEqual([at.cluster.leader, at.cluster.elections], [2, ['unclean: 2']])
    assert.equal(at.incident().recovery!.partitions[0]!.loss, 0)
    assert.deepEqual(at.incident().recovery!.partitions[0]!.replicas, ORDER)
  }
})

test('where nobody could be elected, who comes back is looked for each second, and elected by itself', async () => {
  const at = simulated()
  at.cluster.bestEnd = 120
  const seen = await at.again()
  assert.ok(seen.kind === 'so')
  const nobody = { kind: 'refuse', reasons: ['no replica of it lives'], refused: [] } as const
  await createChronicle(at.work, opened(at.work, seen.diagnosis, nobody)).begin()
  assert.equal(at.incident().recovery, undefined)
  await ask(at.work, createChronicle(at.work, at.incident()))
  assert.ok(isDue(at.incident()))
  await carryOut(at)
  assert.equal(at.cluster.leader, 2)
})

test('whoever came back meanwhile leads, and nothing is elected', async () => {
  const at = await proposed({ approved: true })
  at.cluster.leader = 3
  await carryOut(at)
  assert.deepEqual([at.cluster.elections, isDue(at.incident())], [[], false])
})

test('an approval carries out any remedy: a dead broker is unregistered once, and never without being dead still', async () => {
  for (const isDead of [true, false]) {
    const at = simulated()
    const unregistered: number[] = []
    const dead = { testimony: { ...GONE.testimony, lastEnd: { ...GONE.testimony.lastEnd, at: 9_000 } } }
    const facts: HealFacts = {
      at: 10_000,
      cluster: 'edge',
      brokers: [broker(1), broker(2), broker(3, { ...GONE, ...dead })],
      partitions: [{ topic: 'orders', partition: 0, leader: 3, replicas: [3, 1], isr: [3, 1] }],
    }
    const [diagnosis] = diagnose(facts)
    let now: Again = { kind: 'so', diagnosis: diagnosis!, facts }
    const work: Work = {
      ...at.work,
      admin: {
        ...at.work.admin,
        describeCluster: async () => ({ brokers: [] }),
        describeTopics: async () => [{ name: 'orders', partitions: facts.partitions }],
        unregisterBroker: async (id: number) => unregistered.push(id) > 0,
      } as unknown as ClusterAdmin,
      brokers: [{ id: 3, rack: null, host: '', port: 1, process: 'edge-3' }],
      lookAgain: async () => now,
    }
    const decision = proposedNow(now)
    assert.ok(decision?.kind === 'propose' && decision.remedy === 'unregister')
    await createChronicle(work, opened(work, diagnosis!, decision)).begin()
    assert.equal(at.incident().state, 'proposed')
    assert.equal(at.submit(answerTo(at.incident())), undefined)
    if (!isDead) now = { kind: 'gone' }
    await carryOutDue(work, createChronicle(work, at.incident()))
    assert.equal(isDue(at.incident()), false)
    assert.deepEqual([unregistered, at.incident().state], isDead ? [[3], 'acting'] : [[], 'open'])
  }
})
