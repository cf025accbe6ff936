import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogDir, Quorum } from './facts.ts'
import { problemsOf } from './problems.ts'
import type { ClusterSnapshot, Part } from './snapshot.ts'

const ok = <Value>(value: Value): Part<Value> => ({ ok: true, value })
const failed = (code: string, message: string): Part<never> => ({ ok: false, error: { code, message } })

const broker = (id: number, fenced: boolean | null = false) => ({
  id,
  host: 'h',
  port: 1,
  rack: null,
  fenced,
})
const voter = (id: number, lag = 0, caughtUpAt: number | null = 10_000) => ({
  id,
  directory: 'A',
  logEndOffset: 100 - lag,
  lag,
  caughtUpAt,
})
const quorum = (voters: Quorum['voters'], leader: number | null = 1): Quorum => ({
  leader,
  epoch: 1,
  highWatermark: 100,
  voters,
  observers: [],
  endpoints: [],
})
const dir = (change: Partial<LogDir>): LogDir => ({
  path: '/d',
  error: null,
  totalBytes: 100,
  usableBytes: 50,
  replicas: [],
  ...change,
})

function healthy(change: Partial<ClusterSnapshot> = {}): ClusterSnapshot {
  return {
    at: 0,
    tookMs: 1,
    cluster: ok({ id: 'c', brokers: [broker(1), broker(2), broker(3)] }),
    quorum: ok(quorum([voter(1), voter(2), voter(3)])),
    features: ok([]),
    topics: ok([topic([1, 2, 3])]),
    eligibleLeaders: ok([]),
    reassignments: ok([]),
    configs: ok([{ topic: 't', own: {}, minInsyncReplicas: 2 }]),
    offsets: ok([]),
    logDirs: ok([{ broker: 1, dirs: ok([dir({})]) }]),
    groups: ok([]),
    quotas: ok([]),
    acls: ok([]),
    ...change,
  }
}

const topic = (isr: readonly number[], leader: number | null = isr[0] ?? null) => ({
  name: 't',
  id: 'T',
  internal: false,
  partitions: [{ partition: 0, leader, leaderEpoch: 1, replicas: [1, 2, 3], isr, offline: [] }],
})

const rules = { brokers: [1, 2, 3] }
const textsOf = (change: Partial<ClusterSnapshot>): string[] =>
  problemsOf(healthy(change), rules).map(problem => `${problem.severity}: ${problem.text}`)

test('a healthy cluster has no problems', () => assert.deepEqual(textsOf({}), []))

const cases: readonly (readonly [string, Partial<ClusterSnapshot>, ...string[]])[] = [
  [
    'a leaderless partition',
    { topics: ok([topic([], null)]) },
    'critical: t-0 has no leader (0 of 3 replicas in sync): it can be neither read nor written.',
  ],
  [
    'a partition under min ISR',
    { topics: ok([topic([1])]) },
    'critical: t-0 has 1 of 3 replicas in sync, 2 needed: acks=all writes are refused.',
  ],
  [
    'a partition at min ISR',
    { topics: ok([topic([1, 2])]) },
    'critical: t-0 has 2 of 3 replicas in sync: one more failure stops acks=all writes.',
  ],
  [
    'an under-replicated partition whose min ISR is not known',
    { topics: ok([topic([1, 2])]), configs: failed('KAFKA_DEADLINE', 'too slow') },
    'warning: Not known: configs (too slow)',
    'warning: t-0 has 2 of 3 replicas in sync.',
  ],
  [
    'no controller',
    { quorum: ok(quorum([voter(1), voter(2), voter(3)], null)) },
    'critical: No controller is active: metadata cannot change.',
  ],
  [
    'one of three controllers behind',
    { quorum: ok(quorum([voter(1), voter(2), voter(3, 5, 100)])) },
    'critical: Of 3 controllers 3 is behind: one more failure stops the controller.',
  ],
  [
    'one of five controllers behind',
    { quorum: ok(quorum([voter(1), voter(2), voter(3, 5, 100), voter(4), voter(5)])) },
    'warning: Of 5 controllers 3 is behind: 1 more may fail.',
  ],
  [
    'a controller that is only a fetch behind',
    { quorum: ok(quorum([voter(1), voter(2), voter(3, 1, 9800)])) },
  ],
  [
    'a declared broker that is not there',
    { cluster: ok({ id: 'c', brokers: [broker(1), broker(2)] }) },
    'critical: Broker 3 is declared and not registered.',
  ],
  [
    'a fenced broker',
    { cluster: ok({ id: 'c', brokers: [broker(1), broker(2), broker(3, true)] }) },
    'critical: Broker 3 is registered and not up (fenced).',
  ],
  [
    'brokers of which nobody says whether they are fenced',
    { cluster: ok({ id: 'c', brokers: [broker(1, null), broker(2, null), broker(3, null)] }) },
  ],
  [
    'an offline log dir',
    {
      logDirs: ok([
        { broker: 2, dirs: ok([dir({ error: 'KAFKA_STORAGE_ERROR', totalBytes: null, usableBytes: null })]) },
      ]),
    },
    'critical: Log dir /d of broker 2 is offline (KAFKA_STORAGE_ERROR).',
  ],
  [
    'a volume filling up',
    { logDirs: ok([{ broker: 2, dirs: ok([dir({ usableBytes: 9 })]) }]) },
    'warning: The volume of /d on broker 2 has 9.0 % left.',
  ],
  [
    'a part nobody asked for, or that is too new',
    { groups: failed('SNAPSHOT_PART_SKIPPED', ''), eligibleLeaders: failed('KAFKA_UNSUPPORTED', '') },
  ],
  [
    'a cluster that cannot be reached',
    {
      cluster: failed('KAFKA_UNREACHABLE', 'h:1 does not answer'),
      topics: failed('KAFKA_UNREACHABLE', 'x'),
      quorum: failed('KAFKA_UNREACHABLE', 'x'),
    },
    'critical: The cluster cannot be reached: h:1 does not answer',
  ],
]

for (const [name, change, ...expected] of cases) {
  test(`${name}: ${expected.length === 0 ? 'no problem' : 'is said'}`, () =>
    assert.deepEqual(textsOf(change), expected))
}

test('what is worst comes first', () => {
  const texts = textsOf({ topics: ok([topic([], null)]), groups: failed('KAFKA_DEADLINE', 'slow') })
  assert.deepEqual(
    texts.map(text => text.split(':')[0]),
    ['critical', 'warning'],
  )
})
