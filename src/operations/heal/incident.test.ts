import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import type { HeldLease, Interlock } from '../fleet/interlock/contract.ts'
import { incidentId } from './chronicle.ts'
import { type Diagnosis, type Incident, policyOf, type Remedy } from './contract.ts'
import { handle, resume } from './incident.ts'
import type { Work } from './work.ts'

const NOW = 1_700_000_000_000
const ISR = [1, 2, 3]

const frozen: Diagnosis = {
  cause: 'broker-frozen',
  cluster: 'edge',
  subject: { kind: 'broker', broker: 1 },
  domain: { kind: 'broker', cluster: 'edge', rack: 'r1', broker: 1 },
  beganAt: NOW - 1_000,
  mark: '4711-abc',
  signals: [],
  pid: 4711,
  affected: { leaderless: 1, waitingForIt: 1, lastInSync: [] },
}

interface World {
  readonly work: Work
  /** What was done, in order. */
  readonly done: string[]
  readonly told: Incident[]
  now: number
}

/** One broker of three that is frozen until it is killed; then all is whole at once. */
function world(change: Partial<Work> = {}): World {
  const done: string[] = []
  const told: Incident[] = []
  let isDead = false
  const grant: Interlock['acquire'] = async ({ domain }) => ({
    granted: true,
    lease: {
      ...{
        id: 'lease',
        domain,
        fence: { keeper: 'k', token: 7 },
        holds: () => true,
        ended: new AbortController().signal,
      },
      release: async ({ outcome }) => done.push(`released: ${outcome}`) > 0,
    },
  })
  const admin = {
    describeCluster: async () => ({ brokers: [] }),
    describeTopics: async () => [
      {
        name: 'orders',
        partitions: [{ partition: 0, leader: isDead ? 1 : 2, replicas: ISR, isr: isDead ? ISR : [2, 3] }],
      },
    ],
    electLeaders: async () => [],
    unregisterBroker: async () => done.push('unregistered') > 0,
  } as unknown as ClusterAdmin
  const here: World = {
    done,
    told,
    now: NOW,
    work: {
      cluster: 'edge',
      brokers: [{ id: 1, rack: 'r1', host: '127.0.0.1', port: 1, process: 'kafka-edge-1' }],
      admin,
      tls: undefined,
      agent: {
        processes: async () => ({ version: 1, processes: [] }),
        ran: async () => undefined,
        replicas: async () => undefined,
        verify: async () => undefined,
        async kill(_, pid, fence) {
          done.push(`killed ${pid} under ${fence.keeper}:${fence.token}`)
          isDead = true
        },
        prepareLogDir: async () => {},
      },
      interlock: () => ({ acquire: grant, obstacle: () => undefined, held: () => [], history: () => [] }),
      book: {
        list: () => told,
        paused: () => null,
        async tell(incident) {
          told.push(incident)
          return undefined
        },
      },
      policy: policyOf('automatic'),
      now: () => here.now,
      log: silentLogger,
      signal: AbortSignal.timeout(20_000),
      answers: () => isDead,
      isWell: () => true,
      stirredAt: () => 0,
      stands: () => true,
      hasWoken: async () => false,
      stillSo: async () => true,
      again: async () => ({ diagnosis: frozen, decision: act('kill') }),
      decide: () => ({ kind: 'wait', why: 'nobody is asked' }),
      lookAgain: async () => ({ kind: 'gone' }),
      ...change,
    },
  }
  return here
}

const act = (remedy: Remedy) => ({ kind: 'act', remedy, reasons: [], refused: [] }) as const

/** As another healer told it right before its act, and then fell silent. */
const begun: Incident = {
  id: 'edge-1-4711-abc',
  revision: 1,
  cluster: 'edge',
  subject: frozen.subject,
  cause: frozen.cause,
  state: 'acting',
  beganAt: NOW - 11_000,
  detectedAt: NOW - 10_000,
  actedAt: NOW - 9_900,
  availableAt: NOW - 7_000,
  healedAt: null,
  signals: [],
  decision: { kind: 'act', remedy: 'kill-and-unregister', reasons: [], refused: [] },
  evidence: [],
  timeline: [{ at: NOW - 9_900, text: 'acting: kill-and-unregister' }],
}

test('an act whose healer fell silent is done by another one, under a lease of its own', async () => {
  const { work, done, told } = world()
  await resume(work, begun)
  assert.deepEqual(done, ['killed 4711 under k:7', 'released: done'])
  assert.equal(told.at(-1)!.state, 'healed')
  assert.ok(told[0]!.timeline.at(-1)!.text.startsWith('nothing was heard for 9900 ms'))
})

test('one that its healer is about to act on is not taken from it because something stirs', async () => {
  const stop = new AbortController()
  const here = world({ stirredAt: () => NOW + 60_000 })
  const told: Incident = {
    ...begun,
    revision: 0,
    state: 'open',
    actedAt: null,
    detectedAt: NOW - 600,
    timeline: [{ at: NOW - 600, text: 'broker-frozen: broker 1; remedy: kill-and-unregister' }],
  }
  const following = resume({ ...here.work, signal: stop.signal }, told)
  setTimeout(() => stop.abort(), 1_000)
  await following
  assert.deepEqual(here.done, [])
})

test('an act that another healer has in hand is only followed', async () => {
  const here = world()
  const stop = new AbortController()
  const following = resume(
    { ...here.work, signal: stop.signal },
    { ...begun, timeline: [{ at: NOW - 500, text: 'acting: kill-and-unregister' }] },
  )
  setTimeout(() => stop.abort(), 1_000)
  await following
  assert.deepEqual(here.done, [])
})

test('what is no longer so once it may be acted on is left alone, and that is told', async () => {
  const stale = world({ stillSo: async () => false, again: async () => undefined })
  const { work } = stale
  const slow: Work = {
    ...work,
    book: {
      ...work.book,
      async tell(incident, signal) {
        // Where incidents are kept was away.
        stale.now += 20_000
        return work.book.tell(incident, signal)
      },
    },
    signal: AbortSignal.timeout(1_000),
  }
  await handle(slow, incidentId(frozen), frozen, act('kill-and-unregister'))
  assert.deepEqual(stale.done, ['released: failed'])
  assert.equal(stale.told.at(-1)!.actedAt, null)
  assert.ok(
    stale.told.at(-1)!.timeline.some(({ text }) => /nothing was done: it is not so any more/.test(text)),
  )
})

test('a broker that was frozen, and has woken by the time of the act, is not killed', async () => {
  const { work, done } = world({ hasWoken: async () => true })
  await handle(
    { ...work, signal: AbortSignal.timeout(1_000) },
    incidentId(frozen),
    frozen,
    act('kill-and-unregister'),
  )
  assert.deepEqual(done, ['released: failed'])
})

test('a lease that somebody else holds: told as a refusal with who and until when, and acted on once it is given up', async () => {
  const { work, done, told } = world()
  const other: HeldLease = {
    ...{
      id: 'other',
      holder: 'a migration',
      purpose: 'moving orders',
      leaseMs: 15_000,
      token: 1,
      renewed: 1,
    },
    ...{ domain: { kind: 'cluster', cluster: 'edge' }, since: NOW - 60_000 },
  }
  let [held, asked]: [readonly HeldLease[], number] = [[other], 0]
  const { acquire, history } = work.interlock()!
  const obstacle = () => (held.length === 0 ? undefined : { lease: other, endsAt: NOW + other.leaseMs })
  const interlock: Interlock = {
    async acquire(request, signal) {
      asked++
      return held.length === 0
        ? acquire(request, signal)
        : { granted: false, reason: 'somebody holds it', obstacle: obstacle() }
    },
    held: () => held,
    obstacle,
    history,
  }
  setTimeout(() => {
    held = []
  }, 700)
  const decision = act('kill-and-unregister')
  await handle({ ...work, interlock: () => interlock }, incidentId(frozen), frozen, decision)
  const refused = told.find(each => each.decision.kind === 'refuse')
  assert.match(
    refused!.decision.reasons.join(),
    /^the lease is held: a migration holds cluster edge since .* for “moving orders”, until they give it up, or have been silent for 15 s$/,
  )
  assert.equal(asked, 2, 'the journal is not asked again before it is free')
  assert.deepEqual(done, ['killed 4711 under k:7', 'unregistered', 'released: done'])
  const { decision: last, state } = told.at(-1)!
  assert.deepEqual([last.kind, last.remedy, state], ['act', 'kill-and-unregister', 'healed'])
})
