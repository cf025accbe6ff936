import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ProcessStatus } from '../models.ts'
import type { BrokerFacts, ClusterFacts, FleetFacts, LinkFacts, TopicFacts } from '../platform.ts'
import { clusterFindingsOf, findingsOf } from './findings.ts'

const NOW = 1_790_000_000_000

const broker = (id: number, more: Partial<BrokerFacts> = {}): BrokerFacts => ({
  id,
  host: 'h',
  port: 9092,
  rack: `r${id}`,
  state: 'up',
  since: NOW - 60_000,
  disks: [{ path: 'data-0', error: null, usedBytes: 10, totalBytes: 100, logBytes: 5, replicas: 1 }],
  recordsInPerSecond: null,
  bytesInPerSecond: null,
  bytesOutPerSecond: null,
  managed: true,
  leaseRefusals: [],
  ...more,
})

const topic = (isr: number[], leader = isr[0] ?? -1): TopicFacts => ({
  name: 't',
  id: 'x',
  internal: false,
  link: null,
  minIsr: 2,
  recordsInPerSecond: null,
  partitions: [
    {
      partition: 0,
      leader,
      leaderEpoch: 1,
      replicas: [1, 2, 3],
      isr,
      startOffset: 0,
      endOffset: 1,
      sizeBytes: 1,
    },
  ],
})

const cluster = (more: Partial<ClusterFacts> = {}): ClusterFacts => ({
  name: 'edge',
  site: 'edge',
  driver: 'local',
  version: '4.3.1',
  declared: [],
  observedAt: NOW - 1_000,
  unreachable: null,
  since: NOW - 5_000,
  controllerId: 1,
  quorum: null,
  brokers: [broker(1), broker(2), broker(3)],
  topics: [topic([1, 2, 3])],
  groups: [],
  failures: [],
  recordsInPerSecond: null,
  bytesInPerSecond: null,
  history: [],
  ...more,
})

const fleet = (more: Partial<FleetFacts> = {}): FleetFacts => ({
  observedAt: NOW,
  sites: [],
  clusters: [cluster()],
  links: [],
  processes: [],
  eventToInsight: { p50Ms: 1_000, p95Ms: 9_000, samples: 10, observedAt: NOW },
  incomplete: [],
  ...more,
})

const agent = (more: Partial<ProcessStatus>): ProcessStatus => ({
  site: 'edge',
  host: 'edge-01',
  name: 'agent',
  role: 'agent',
  state: 'running',
  pid: 1,
  since: NOW,
  restarts: 3,
  lastExit: 'exit 1',
  residentBytes: null,
  cpu: null,
  ...more,
})

const link = (more: Partial<LinkFacts>): LinkFacts => ({
  name: 'edge-to-hub',
  from: 'edge',
  to: 'hub',
  owner: 'fleet',
  desired: 'running',
  state: 'running',
  reason: '',
  since: NOW,
  observedAt: NOW,
  topics: 1,
  partitions: 1,
  haltedPartitions: 0,
  blockedPartitions: 0,
  lagRecords: 0,
  lagMs: 0,
  recordsPerSecond: 0,
  bytesPerSecond: 0,
  history: [],
  lagHistory: [],
  verdict: 'ok',
  verdicts: { ok: 1, warning: 0, stalled: 0, stopped: 0, rewound: 0 },
  missingOffsets: 0,
  sides: null,
  reverseOf: null,
  workers: [],
  keeps: [],
  keep: null,
  assigned: [],
  ...more,
})

const switching = (stuck: string | null): LinkFacts =>
  link({
    state: 'stopped',
    sides: {
      phase: 'promoting',
      underWay: {
        action: 'promote',
        planned: true,
        startedAt: 1,
        step: 'seal-source',
        stuck,
        here: false,
        steps: [{ name: 'seal-source', text: 'close', startedAt: 2, endedAt: null }],
      },
    },
  })

const disk = (more: object) => ({ ...broker(1).disks[0]!, ...more })

const CASES: readonly [what: string, facts: FleetFacts, found: readonly string[]][] = [
  ['a fleet where all is well', fleet(), []],
  ['nothing measured yet', fleet({ eventToInsight: null }), []],
  ['a cluster never read', fleet({ clusters: [cluster({ observedAt: null })] }), ['info not-read:edge']],
  [
    'an unreachable cluster, whatever was seen of it before',
    fleet({
      clusters: [
        cluster({ unreachable: { since: 1, message: 'refused' }, brokers: [broker(1, { state: 'down' })] }),
      ],
    }),
    ['critical cluster-unreachable:edge'],
  ],
  [
    'a dead broker, not the partitions it leaves under-replicated',
    fleet({
      clusters: [cluster({ brokers: [broker(1), broker(2, { state: 'down' })], topics: [topic([1, 3])] })],
    }),
    ['critical broker-down:edge:2'],
  ],
  [
    'a dead broker and the partition nobody can read',
    fleet({ clusters: [cluster({ brokers: [broker(1, { state: 'down' })], topics: [topic([], -1)] })] }),
    ['critical broker-down:edge:1', 'critical offline-partitions:edge'],
  ],
  [
    'replicas that lag though all brokers live',
    fleet({ clusters: [cluster({ topics: [topic([1, 3])] })] }),
    ['warning under-replicated:edge'],
  ],
  [
    'a picture grown old',
    fleet({ clusters: [cluster({ observedAt: NOW - 31_000 })] }),
    ['warning stale:edge'],
  ],
  [
    'a dead disk',
    fleet({
      clusters: [cluster({ brokers: [broker(1, { disks: [disk({ error: 'KAFKA_STORAGE_ERROR' })] })] })],
    }),
    ['critical disk-offline:edge:1:data-0'],
  ],
  [
    'a disk at 84 %',
    fleet({ clusters: [cluster({ brokers: [broker(1, { disks: [disk({ usedBytes: 84 })] })] })] }),
    [],
  ],
  [
    'a disk at 85 %',
    fleet({ clusters: [cluster({ brokers: [broker(1, { disks: [disk({ usedBytes: 85 })] })] })] }),
    ['warning disk-full:edge:1:data-0'],
  ],
  [
    'a disk at 95 %',
    fleet({ clusters: [cluster({ brokers: [broker(1, { disks: [disk({ usedBytes: 95 })] })] })] }),
    ['critical disk-full:edge:1:data-0'],
  ],
  [
    'a disk of unknown size',
    fleet({ clusters: [cluster({ brokers: [broker(1, { disks: [disk({ totalBytes: null })] })] })] }),
    [],
  ],
  [
    'a process that crashed',
    fleet({ processes: [agent({ state: 'backing-off' })] }),
    ['warning process:edge-01:agent'],
  ],
  [
    'a process given up',
    fleet({ processes: [agent({ state: 'failed' })] }),
    ['critical process:edge-01:agent'],
  ],
  ['a process stopped on purpose', fleet({ processes: [agent({ state: 'stopped' })] }), []],
  [
    'a broker’s process backing off, which its cluster says',
    fleet({ processes: [agent({ role: 'broker', state: 'backing-off' })] }),
    [],
  ],
  ['a lagging link', fleet({ links: [link({ state: 'lagging' })] }), ['warning link:edge-to-hub']],
  [
    'a halted link',
    fleet({ links: [link({ state: 'halted', haltedPartitions: 2 })] }),
    ['critical link:edge-to-hub'],
  ],
  [
    'a link that may not write',
    fleet({ links: [link({ state: 'halted', blockedPartitions: 3 })] }),
    ['critical link:edge-to-hub'],
  ],
  ['a link stopped on purpose', fleet({ links: [link({ state: 'stopped' })] }), []],
  ['a switch of sides that goes on', fleet({ links: [switching(null)] }), []],
  [
    'a switch of sides that stands still',
    fleet({ links: [switching('no leader')] }),
    ['critical link-switch:edge-to-hub'],
  ],
  [
    'metrics later than the aim',
    fleet({ eventToInsight: { p50Ms: 1, p95Ms: 10_001, samples: 1, observedAt: NOW } }),
    ['warning event-to-insight'],
  ],
]

describe('what is said to be wrong', () => {
  for (const [what, facts, found] of CASES) {
    it(what, () => {
      assert.deepEqual(
        findingsOf(facts).map(({ severity, id }) => `${severity} ${id}`),
        found,
      )
    })
  }

  it('names for each what a person may do, and where to look', () => {
    for (const [, facts] of CASES) {
      for (const finding of findingsOf(facts)) {
        assert.ok(finding.title.length > 10 && finding.remedy.length > 10)
        assert.ok(finding.subject.name.length > 0)
        assert.ok(Number.isFinite(finding.since))
      }
    }
  })

  it('puts the worst first, then what has lasted longest', () => {
    const found = findingsOf(
      fleet({
        clusters: [
          cluster({ name: 'b', brokers: [broker(1, { state: 'down', since: NOW - 1 })] }),
          cluster({ name: 'a', brokers: [broker(1, { state: 'down', since: NOW - 9 })] }),
        ],
        links: [link({ state: 'lagging', since: 0 })],
      }),
    )
    assert.deepEqual(
      found.map(({ id }) => id),
      ['broker-down:a:1', 'broker-down:b:1', 'link:edge-to-hub'],
    )
  })

  it('tells a cluster’s page that cluster’s troubles alone', () => {
    const facts = fleet({
      clusters: [
        cluster({ brokers: [broker(2, { state: 'down' })] }),
        cluster({ name: 'hub', unreachable: { since: 1, message: 'refused' } }),
      ],
    })
    assert.deepEqual(
      clusterFindingsOf(facts, 'edge').map(({ id }) => id),
      ['broker-down:edge:2'],
    )
    assert.deepEqual(
      clusterFindingsOf(facts, 'hub').map(({ id }) => id),
      ['cluster-unreachable:hub'],
    )
  })
})
