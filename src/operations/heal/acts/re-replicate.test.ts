import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterAdmin } from '../../../foundation/kafka/admin.ts'
import { silentLogger } from '../../../foundation/log/log.ts'
import type { Lease } from '../../fleet/interlock/contract.ts'
import type { CorruptSegment, ProcessStatus, ReplicaVerified } from '../../hosts/contract.ts'
import { corruptCare } from '../causes/corrupt.ts'
import { createChronicle, opened } from '../chronicle.ts'
import { type HealFacts, type Incident, policyOf, type ReplicaSubject } from '../contract.ts'
import { lookAt, stateOf, toldBy, verifyNow } from '../corruption.ts'
import { damagedIn } from '../damage.ts'
import { carryOutDue } from '../due.ts'
import { proposedNow, type Work } from '../work.ts'
import { reReplicate } from './re-replicate.ts'

const SUBJECT: ReplicaSubject = { kind: 'replica', broker: 1, topic: 'orders', partition: 0 }
const SEGMENT: CorruptSegment = {
  ...{ topic: 'orders', partition: 0, path: '/data/orders-0/00.log', inode: 77, segment: 100 },
  ...{ position: 610, from: 120, to: 130, batches: 1, what: 'a bad batch', since: 1 },
}
const statusOf = (id: number, corrupt: CorruptSegment[]): ProcessStatus => ({
  ...{ name: `kafka-${id}`, state: 'ready', pid: id, since: 1, lastEnd: null, starts: 1, dirs: [] },
  corrupt,
})
const lease = {
  ...{ holds: () => true, release: async () => true },
} as unknown as Lease

interface World {
  readonly work: Work
  /** Requests and tellings, in order. */
  readonly done: string[]
  readonly told: Incident[]
}

/** Three brokers; that of the first has a damaged replica, which it leads. */
function world(
  others: Readonly<Record<number, ReplicaVerified['state']>>,
  damagedToo: readonly number[] = [],
): World {
  const done: string[] = []
  const told: Incident[] = []
  let lists = 0
  const admin = {
    describeTopics: async () => [
      {
        name: 'orders',
        partitions: [{ partition: 0, leader: 1, replicas: [1, 2, 3], isr: [1, 2, 3], offline: [] }],
      },
    ],
    readReplica: async () => ({ error: 'CORRUPT_MESSAGE', records: Buffer.alloc(0) }),
    describeConfigs: async () => [{ entries: new Map([['min.insync.replicas', { value: '2' }]]) }],
    listReassignments: async () => [],
    describeLogDirs: async () => [{ replicas: lists++ === 0 ? [{ topic: 'orders', partition: 0 }] : [] }],
    reassign: async (moves: readonly { replicas: readonly number[] }[]) => {
      done.push(`assigned to ${moves[0]!.replicas.join()}, asked for the log dirs ${lists} times`)
      return moves.map(item => ({ item, error: null }))
    },
  } as unknown as ClusterAdmin
  const brokers = [1, 2, 3].map(id => ({ id, rack: null, host: '', port: 1, process: `kafka-${id}` }))
  const processes = [1, 2, 3].map(id =>
    statusOf(id, id === 1 || damagedToo.includes(id) ? [{ ...SEGMENT, from: 120 + 100 * (id - 1) }] : []),
  )
  const work: Work = {
    ...{ cluster: 'edge', brokers, admin, tls: undefined, policy: policyOf('propose'), log: silentLogger },
    agent: {
      processes: async () => ({ version: 1, processes }),
      ran: async () => undefined,
      replicas: async () => undefined,
      verify: async process => ({ state: others[Number(process.at(-1))]!, says: 'so it says', digest: null }),
      kill: async () => assert.fail('nothing is killed'),
      prepareLogDir: async () => assert.fail('nothing is made ready'),
    },
    interlock: () => ({
      acquire: async () => ({ granted: true, lease }),
      obstacle: () => undefined,
      held: () => [],
      history: () => [],
    }),
    book: {
      list: () => told.slice(-1),
      paused: () => null,
      async tell(incident) {
        told.push(incident)
        done.push(`told: ${incident.state}`)
        return undefined
      },
    },
    now: () => 1_000_000,
    signal: AbortSignal.timeout(20_000),
    answers: () => true,
    isWell: () => false,
    stands: () => true,
    stirredAt: () => 0,
    stillSo: async () => true,
    hasWoken: async () => false,
    again: async () => undefined,
    decide: () => ({ kind: 'wait', why: 'nobody is asked' }),
    lookAgain: async () => so(work),
  }
  return { work, done, told }
}

async function so(work: Work) {
  const told = toldBy(work, (await work.agent.processes(-1, work.signal)).processes)
  const damaged = await lookAt(work, damagedIn(told)[0]!, told, verifyNow(work))
  const state = await stateOf(work, SUBJECT)
  const facts: HealFacts = {
    at: 1_000_000,
    cluster: 'edge',
    brokers: [],
    partitions: [state!],
    damaged: [damaged],
  }
  return { kind: 'so' as const, facts, diagnosis: corruptCare.diagnose(facts)[0]! }
}

test('a replica is thrown away only once the others were read again, and comes back once its broker has let go', async () => {
  const { work, done } = world({ 2: 'unknown', 3: 'well' })
  await reReplicate(work, SUBJECT, lease)
  assert.deepEqual(done, [
    // The undamaged one first: the controller has it lead.
    'assigned to 3,2, asked for the log dirs 0 times',
    'assigned to 1,2,3, asked for the log dirs 2 times',
  ])
})

for (const [what, others, damagedToo] of [
  ['none of the others is undamaged by now', { 2: 'damaged', 3: 'unknown' }, []],
  ['the others are damaged elsewhere', { 2: 'well', 3: 'well' }, [2, 3]],
] as const)
  test(`nothing is thrown away when ${what}`, async () => {
    const { work, done } = world(others, damagedToo)
    await assert.rejects(reReplicate(work, SUBJECT, lease), { code: 'HEAL_ACT_FAILED' })
    assert.deepEqual(done, [])
  })

test('what a person has approved is written down before it is begun, so that another healer can make it whole', async () => {
  const { work, done, told } = world({ 2: 'well', 3: 'well' })
  const { diagnosis, ...seen } = await so(work)
  const chronicle = createChronicle(work, {
    ...opened(work, diagnosis, proposedNow({ ...seen, diagnosis })!),
    state: 'approved',
  })
  await chronicle.begin()
  done.length = 0
  await carryOutDue(work, chronicle)
  assert.deepEqual(
    done.map(each => each.replace(/, asked.*/, '')),
    ['told: acting', 'assigned to 2,3', 'assigned to 1,2,3', 'told: acting'],
  )
  const labels = told.at(-1)!.evidence.map(({ label, value }) => `${label}: ${value}`)
  assert.ok(labels.includes('damaged offsets: 120 to 129'), labels.join('; '))
  assert.ok(labels.includes('assigned replicas: orders-0:1,2,3'), labels.join('; '))
})
