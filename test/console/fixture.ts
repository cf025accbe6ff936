import type { Activity, Group, LinkDetail, LogLine, ProcessStatus } from '../../src/entry/api/models.ts'
import type {
  BrokerFacts,
  ClusterFacts,
  FleetFacts,
  Platform,
  RawRecord,
  RecordsRead,
  SampleFacts,
  TopicFacts,
} from '../../src/entry/api/platform.ts'
import { AjnaError, errorKind } from '../../src/foundation/errors/errors.ts'
import { encodePosition } from '../../src/foundation/positions/position.ts'
import { xxh32 } from '../../src/foundation/positions/xxh32.ts'
import type { BucketVerdict, StreamVerdict, Tier } from '../../src/operations/completeness/contract.ts'
import { BUCKET_MS, tiers } from '../../src/operations/completeness/contract.ts'
import { encodeSample } from '../../src/operations/hosts/contract.ts'

/**
 * A fleet that exists only in numbers: deterministic for a seed, with a clock that follows the real one, so that the API
 * and the console can be looked at in any state, and at the size of the original (100 clusters, 50,000 topics).
 */

export const SQL_REFUSED = errorKind(
  'FIXTURE_SQL',
  'The SQL could not be parsed.',
  'Mend the SQL at the place named.',
  2,
)

export type Mood = 'calm' | 'trouble' | 'large' | 'empty'

export interface Fixture {
  readonly platform: Platform
  /** Changes a cluster's facts and tells whoever listens. */
  change(cluster: string, edit: (facts: ClusterFacts) => ClusterFacts): void
  /** Lets one log line come in. */
  line(text: string): void
}

/** mulberry32: small, fast, good enough for numbers to look at. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const GIB = 1024 ** 3
const HOSTS = ['edge-01', 'hub-01']

export function createFixture(mood: Mood = 'calm', seed = 7): Fixture {
  const random = randomFrom(seed)
  const startedAt = Date.now() - 3 * HOUR - 12 * MINUTE
  const born = Date.now()
  let clusters = clustersOf(mood, random, born)
  const fleetListeners = new Set<() => void>()
  const lineListeners = new Set<{
    filter: Parameters<Platform['logs']['tail']>[0]
    line: (line: LogLine) => void
  }>()
  const activities = mood === 'empty' ? [] : activitiesOf(mood, born)
  const activityListeners = new Set<(entry: Activity) => void>()
  let lines = 0

  const platform: Platform = {
    name: mood === 'large' ? 'global' : 'two-sites',
    version: '0.1.0',
    startedAt,
    now: Date.now,
    fleet: () => fleetOf(mood, clusters, born),
    onFleet: (changed, signal) => listen(fleetListeners, changed, signal),
    async topicConfig(cluster, topic) {
      const known = clusters.find(each => each.name === cluster)?.topics.some(each => each.name === topic)
      return known === true ? CONFIG : undefined
    },
    readRecords: async request => recordsOf(clusters, request, born),
    streamOf: stream => STREAMS.find(each => each.stream === stream),
    logs: {
      query: (sql, limit) => queryLogs(sql, limit, born),
      tail: (filter, line, signal) => listen(lineListeners, { filter, line }, signal),
    },
    metrics: {
      list: () =>
        mood === 'empty'
          ? []
          : METRICS.flatMap(metric =>
              metric.labels.map(labels => ({
                ...metric,
                labels,
                lastTime: Date.now(),
                lastValue: valueAt(metric, labels, Date.now()),
              })),
            ),
      range: ({ name, labels, from, to, stepMs }) =>
        METRICS.filter(metric => metric.name === name).flatMap(metric =>
          metric.labels
            .filter(each =>
              Object.entries(labels).every(
                ([label, value]) => (each as Record<string, string>)[label] === value,
              ),
            )
            .map(each => ({
              name,
              labels: each,
              unit: name.endsWith('_total') ? `${metric.unit}/s` : metric.unit,
              points: pointsOf(metric, each, from, to, stepMs),
            })),
        ),
      onSample: (name, sample, signal) => sampleEverySecond(name, sample, signal),
    },
    completeness: {
      buckets: (from, to) => (mood === 'empty' ? [] : bucketsOf(mood, from, to)),
      streams: bucket => streamsOf(mood, bucket),
      counters: () =>
        mood === 'empty'
          ? []
          : tiers.map((tier, i) => ({
              tier,
              cluster: i === 0 ? 'edge' : 'hub',
              topic: 'logs.edge',
              lag: i * 240,
              records: 1_284_000 - i * 240,
              withoutPosition: 0,
              at: Date.now() - 800,
            })),
    },
    activity: {
      list: ({ before, limit, search }) => {
        const from = before === undefined ? 0 : activities.findIndex(entry => entry.id === before) + 1
        return activities
          .slice(from)
          .filter(entry =>
            `${entry.summary} ${entry.actor} ${entry.action} ${entry.subject.name}`
              .toLowerCase()
              .includes(search.toLowerCase()),
          )
          .slice(0, limit)
      },
      get: id => activities.find(entry => entry.id === id),
      onEntry: (entry, signal) => listen(activityListeners, entry, signal),
    },
    brokers: {
      previewRestart: async (cluster, broker) => ({
        what: `Stop the process of broker ${broker} in order and start it again`,
        where: `${cluster}, host ${cluster}-01, rack r${broker}`,
        howLong: 'about 8 s: its last three restarts took 7.1, 7.9 and 8.4 s',
        effects: [
          '42 partitions elect another leader, each within a second',
          '126 replicas leave their ISR until the broker has caught up',
        ],
        undo: 'Nothing to undo: the broker comes back with its data; leaders return to it within 5 minutes.',
      }),
      async restart(cluster, broker, { actor, reason }) {
        const entry: Activity = {
          id: `act-${activities.length + 1}`,
          at: Date.now(),
          actor,
          action: 'broker.restart',
          subject: { kind: 'broker', name: String(broker), cluster },
          summary: `Restart of broker ${broker} of ${cluster}`,
          reason,
          outcome: 'running',
          evidence: [],
          endedAt: null,
        }
        activities.unshift(entry)
        for (const tell of activityListeners) tell(entry)
        const timer = setTimeout(() => {
          const done: Activity = {
            ...entry,
            outcome: 'done',
            endedAt: Date.now(),
            evidence: [
              { label: 'stopped in', value: '2.1 s' },
              { label: 'in sync again after', value: '7.8 s' },
            ],
          }
          activities[activities.indexOf(entry)] = done
          for (const tell of activityListeners) tell(done)
        }, 400)
        timer.unref()
        return entry
      },
    },
  }

  return {
    platform,
    change(name, edit) {
      clusters = clusters.map(cluster => (cluster.name === name ? edit(cluster) : cluster))
      for (const tell of fleetListeners) tell()
    },
    line(text) {
      const made: LogLine = {
        id: `5f1c9a3be0d27784:${lines * 120}`,
        time: Date.now(),
        tenant: 'platform',
        site: 'edge',
        host: 'edge-01',
        file: '/var/log/kafka/server.log',
        position: lines++ * 120,
        line: text,
      }
      for (const { filter, line } of lineListeners) {
        if (filter.match === undefined || text.toLowerCase().includes(filter.match.toLowerCase())) line(made)
      }
    },
  }
}

function listen<Listener>(listeners: Set<Listener>, listener: Listener, signal: AbortSignal): void {
  listeners.add(listener)
  signal.addEventListener('abort', () => listeners.delete(listener), { once: true })
}

/* ---- clusters ---- */

function clustersOf(mood: Mood, random: () => number, now: number): ClusterFacts[] {
  if (mood === 'empty')
    return [
      {
        ...clusterOf('edge', 'edge', [], random, now),
        observedAt: null,
        brokers: [],
        controllerId: null,
        quorum: null,
        groups: [],
        history: [],
      },
    ]
  if (mood === 'large') return largeClusters(random, now)
  const edge = clusterOf('edge', 'edge', smallTopics('edge', null), random, now)
  const hub = clusterOf('hub', 'hub', smallTopics('hub', 'edge-to-hub'), random, now)
  return mood === 'calm' ? [edge, hub] : [edge, withBrokerDown(hub, 2, now - 94_000)]
}

function smallTopics(cluster: string, link: string | null): TopicFacts[] {
  const named = (
    name: string,
    partitions: number,
    perPartition: number,
    rate: number | null,
    of: string | null = null,
    internal = false,
  ): TopicFacts => ({
    name,
    id: Buffer.from(name.padEnd(16, 'x').slice(0, 16)).toString('base64url'),
    internal,
    link: of,
    minIsr: 2,
    recordsInPerSecond: rate,
    partitions: Array.from({ length: partitions }, (_, partition) => ({
      partition,
      leader: 1 + (partition % 3),
      leaderEpoch: 4,
      replicas: [1 + (partition % 3), 1 + ((partition + 1) % 3), 1 + ((partition + 2) % 3)],
      isr: [1, 2, 3],
      startOffset: 0,
      endOffset: perPartition + partition * 31,
      sizeBytes: perPartition * 180,
    })),
  })
  return [
    named('__consumer_offsets', 8, 4_020, 0.4, null, true),
    named('ajna.audit.edge', 1, 18_200, 3.1, link),
    named('ajna.control.activity', 1, 420, 0.02),
    named('ajna.streams.edge', 1, 96, 0.01, link),
    named('logs.edge', 12, 107_000, 842, link),
    named('metrics.edge', 6, 64_800, 211, link),
    ...(cluster === 'hub'
      ? [named('orders.v1', 24, 12_300, 61), named('payments.settled', 12, 4_400, 18.5)]
      : [named('orders.v1', 24, 12_300, 61)]),
  ]
}

function clusterOf(
  name: string,
  site: string,
  topics: TopicFacts[],
  random: () => number,
  now: number,
  brokerCount = 3,
): ClusterFacts {
  const totalRate = topics.reduce((sum, topic) => sum + (topic.recordsInPerSecond ?? 0), 0)
  const totalBytes = topics.reduce(
    (sum, topic) =>
      sum + topic.partitions.reduce((bytes, partition) => bytes + (partition.sizeBytes ?? 0), 0),
    0,
  )
  const brokers: BrokerFacts[] = Array.from({ length: brokerCount }, (_, i) => ({
    id: i + 1,
    host: '127.0.0.1',
    port: 19_092 + i,
    rack: `r${(i % 3) + 1}`,
    state: 'up',
    since: now - 3 * HOUR + i * 1_300,
    disks: [
      {
        path: `clusters/${name}/${i + 1}/data-0`,
        error: null,
        usedBytes: Math.round((88 + i * 4 + random() * 9) * GIB),
        totalBytes: 256 * GIB,
        logBytes: Math.round(totalBytes),
        replicas: topics.reduce((sum, topic) => sum + topic.partitions.length, 0),
      },
    ],
    recordsInPerSecond: totalRate / brokerCount,
    bytesInPerSecond: (totalRate / brokerCount) * 214,
    bytesOutPerSecond: (totalRate / brokerCount) * 430,
    managed: true,
  }))
  return {
    name,
    site,
    driver: 'local',
    version: '4.3.1',
    declared: brokers.map(({ id, rack }) => ({ id, rack })),
    observedAt: now,
    unreachable: null,
    since: now - 3 * HOUR,
    controllerId: 1,
    quorum: {
      leaderId: 1,
      epoch: 7,
      voters: brokers.slice(0, 3).map(({ id }) => ({ id, lagRecords: 0, lagMs: id * 20 })),
    },
    brokers,
    topics,
    groups: topics.length === 0 ? [] : groupsOf(name),
    failures: [],
    recordsInPerSecond: totalRate,
    bytesInPerSecond: totalRate * 214,
    history: Array.from({ length: 30 }, (_, i) =>
      Math.round(totalRate * (0.86 + 0.2 * Math.sin(i / 4) + random() * 0.14)),
    ),
  }
}

function groupsOf(cluster: string): Group[] {
  const group = (name: string, topic: string, lags: number[], members: number): Group => ({
    name,
    state: members === 0 ? 'Empty' : 'Stable',
    protocol: 'consumer',
    members,
    topics: [topic],
    lagRecords: lags.reduce((sum, lag) => sum + lag, 0),
    lagMs: Math.max(...lags) * 12,
    partitions: lags.map((lag, partition) => ({
      topic,
      partition,
      committed: 12_300 - lag,
      end: 12_300,
      lagRecords: lag,
      lagMs: lag * 12,
    })),
  })
  return cluster === 'hub'
    ? [
        group('billing', 'payments.settled', [0, 3, 1, 0, 0, 2, 0, 0, 1, 0, 0, 0], 4),
        group(
          'fraud-scoring',
          'orders.v1',
          Array.from({ length: 24 }, (_, i) => (i * 7) % 41),
          8,
        ),
        group(
          'nightly-export',
          'orders.v1',
          Array.from({ length: 24 }, (_, i) => 4_000 + i * 13),
          0,
        ),
      ]
    : [
        group(
          'orders-enrich',
          'orders.v1',
          Array.from({ length: 24 }, (_, i) => i % 5),
          6,
        ),
      ]
}

function withBrokerDown(cluster: ClusterFacts, id: number, since: number): ClusterFacts {
  return {
    ...cluster,
    since,
    brokers: cluster.brokers.map(broker =>
      broker.id === id
        ? {
            ...broker,
            state: 'down',
            since,
            recordsInPerSecond: null,
            bytesInPerSecond: null,
            bytesOutPerSecond: null,
          }
        : broker,
    ),
    topics: cluster.topics.map(topic => ({
      ...topic,
      partitions: topic.partitions.map(partition => {
        const isr = partition.isr.filter(replica => replica !== id)
        return {
          ...partition,
          isr,
          leader: partition.leader === id ? isr[0]! : partition.leader,
          leaderEpoch: partition.leaderEpoch + (partition.leader === id ? 1 : 0),
        }
      }),
    })),
  }
}

const LARGE_CLUSTERS = 100
const LARGE_TOPICS = 50_000
const DOMAINS = [
  'orders',
  'payments',
  'users',
  'search',
  'logs',
  'metrics',
  'audit',
  'billing',
  'inventory',
  'email',
  'push',
  'sessions',
]

function largeClusters(random: () => number, now: number): ClusterFacts[] {
  const perCluster = LARGE_TOPICS / LARGE_CLUSTERS
  return Array.from({ length: LARGE_CLUSTERS }, (_, c) => {
    const site = `dc${String(1 + Math.floor(c / 4)).padStart(2, '0')}`
    const topics: TopicFacts[] = Array.from({ length: perCluster }, (_, t) => {
      const number = c * perCluster + t
      const rate = Math.round(random() ** 4 * 40_000) / 10
      return {
        name: `${DOMAINS[number % DOMAINS.length]}.tenant-${String(number % 977).padStart(3, '0')}.v${1 + (number % 3)}.${number}`,
        id: Buffer.from(String(number).padStart(16, '0')).toString('base64url'),
        internal: false,
        link: null,
        minIsr: 2,
        recordsInPerSecond: rate,
        partitions: Array.from({ length: 6 }, (_, partition) => {
          const first = (number + partition) % 25
          const replicas = [1 + first, 1 + ((first + 8) % 25), 1 + ((first + 16) % 25)]
          return {
            partition,
            leader: replicas[0]!,
            leaderEpoch: 2,
            replicas,
            isr: replicas,
            startOffset: 0,
            endOffset: Math.round(rate * 86_400),
            sizeBytes: Math.round(rate * 86_400 * 312),
          }
        }),
      }
    })
    const cluster = clusterOf(`${site}-k${1 + (c % 4)}`, site, topics, random, now, 25)
    return c === 41
      ? withBrokerDown(cluster, 7, now - 8 * MINUTE)
      : c === 77
        ? {
            ...cluster,
            unreachable: {
              since: now - 42_000,
              message: 'no broker answered within 4 s (last: connection refused)',
            },
          }
        : cluster
  })
}

/* ---- fleet ---- */

function fleetOf(mood: Mood, clusters: readonly ClusterFacts[], born: number): FleetFacts {
  const now = Date.now()
  const fresh = clusters.map(cluster => ({
    ...cluster,
    observedAt:
      cluster.observedAt === null || cluster.unreachable !== null ? cluster.observedAt : now - 1_200,
  }))
  const sites = [...new Set(clusters.map(cluster => cluster.site))]
  return {
    observedAt: now,
    sites: sites.map(name => ({
      name,
      description: name === 'hub' ? 'aggregate, archive' : '',
      hosts: mood === 'large' ? Array.from({ length: 6 }, (_, i) => `${name}-h${i + 1}`) : [`${name}-01`],
    })),
    clusters: fresh,
    links: mood === 'empty' ? [] : linksOf(mood, clusters, now),
    processes: processesOf(mood, clusters, born),
    eventToInsight:
      mood === 'empty'
        ? null
        : { p50Ms: 1_840, p95Ms: mood === 'trouble' ? 12_300 : 3_120, samples: 4_096, observedAt: now },
    incomplete:
      mood === 'trouble'
        ? bucketsOf(mood, now - 6 * HOUR, now).filter(bucket =>
            bucket.tiers.some(tier => tier.state === 'missing'),
          )
        : [],
  }
}

function processesOf(mood: Mood, clusters: readonly ClusterFacts[], now: number): ProcessStatus[] {
  const process = (
    host: string,
    name: string,
    role: string,
    mib: number,
    cpu: number,
    more: Partial<ProcessStatus> = {},
  ): ProcessStatus => ({
    site: host.replace(/-\w+$/, ''),
    host,
    name,
    role,
    state: 'running',
    pid: 20_000 + name.length * 131 + mib,
    since: now - 3 * HOUR,
    restarts: 0,
    lastExit: null,
    residentBytes: mib * 1024 ** 2,
    cpu,
    ...more,
  })
  if (mood === 'empty') return [process('edge-01', 'control', 'control', 120, 0.04)]
  const brokers = clusters.slice(0, 8).flatMap(cluster =>
    cluster.brokers.slice(0, 3).map(broker =>
      process(
        mood === 'large' ? `${cluster.site}-h${broker.id}` : `${cluster.site}-01`,
        `kafka-${cluster.name}-${broker.id}`,
        'broker',
        330 + broker.id * 7,
        0.06 + broker.id * 0.01,
        broker.state === 'down'
          ? {
              state: 'backing-off',
              pid: null,
              restarts: 3,
              since: broker.since,
              lastExit: 'killed by SIGKILL',
              residentBytes: null,
              cpu: null,
            }
          : {},
      ),
    ),
  )
  return [
    process('edge-01', 'agent', 'agent', 128, 0.11),
    process('edge-01', 'auditor', 'auditor', 74, 0.03),
    ...brokers,
    process('hub-01', 'mirror', 'mirror', 141, 0.09),
    process(
      'hub-01',
      'archive',
      'archive',
      402,
      0.14,
      mood === 'trouble'
        ? {
            restarts: 1,
            since: now - 14 * MINUTE,
            lastExit: 'exit 1: object store: ENOSPC: no space left on device',
          }
        : {},
    ),
    process('hub-01', 'control', 'control', 166, 0.05),
  ]
}

function linksOf(mood: Mood, clusters: readonly ClusterFacts[], now: number): LinkDetail[] {
  if (mood === 'large')
    return clusters
      .slice(0, 24)
      .map((cluster, i) =>
        linkOf(`${cluster.name}-to-${clusters[99]!.name}`, cluster, clusters[99]!.name, i === 5, now),
      )
  return [linkOf('edge-to-hub', clusters[0]!, 'hub', mood === 'trouble', now)]
}

function linkOf(name: string, from: ClusterFacts, to: string, lagging: boolean, now: number): LinkDetail {
  const topics = from.topics
    .filter(topic => /^(logs|metrics|ajna\.(audit|streams))/.test(topic.name))
    .slice(0, 6)
  const assigned = topics.flatMap(topic =>
    topic.partitions.map(({ partition, endOffset }) => {
      const lag = lagging ? 18_000 + partition * 410 : (partition * 13) % 40
      return {
        topic: topic.name,
        partition,
        state: lag > 100 ? 'copying' : 'caught-up',
        reason: '',
        halted: false,
        sourceEnd: endOffset,
        targetEnd: (endOffset ?? 0) - lag,
        lagRecords: lag,
        lagMs: lagging ? 21_000 + partition * 90 : 340 + partition * 11,
      }
    }),
  )
  return {
    name,
    from: from.name,
    to,
    state: lagging ? 'lagging' : 'running',
    reason: lagging ? `target broker ${to}/2 acknowledged nothing for 9 s` : '',
    since: lagging ? now - 88_000 : now - 3 * HOUR,
    observedAt: now - 700,
    topics: topics.length,
    partitions: assigned.length,
    haltedPartitions: 0,
    lagRecords: assigned.reduce((sum, each) => sum + each.lagRecords, 0),
    lagMs: Math.max(0, ...assigned.map(each => each.lagMs)),
    recordsPerSecond: lagging ? 210 : 1_056,
    bytesPerSecond: lagging ? 45_000 : 226_000,
    history: Array.from({ length: 30 }, (_, i) => (lagging && i > 26 ? 210 : 1_000 + ((i * 37) % 113))),
    assigned,
  }
}

/* ---- topics and records ---- */

const CONFIG = [
  { name: 'cleanup.policy', value: 'delete', source: 'default config', isDefault: true, sensitive: false },
  {
    name: 'compression.type',
    value: 'producer',
    source: 'default config',
    isDefault: true,
    sensitive: false,
  },
  {
    name: 'max.message.bytes',
    value: '1048588',
    source: 'default config',
    isDefault: true,
    sensitive: false,
  },
  {
    name: 'min.insync.replicas',
    value: '2',
    source: 'dynamic topic config',
    isDefault: false,
    sensitive: false,
  },
  {
    name: 'retention.ms',
    value: '345600000',
    source: 'dynamic topic config',
    isDefault: false,
    sensitive: false,
  },
  {
    name: 'segment.bytes',
    value: '134217728',
    source: 'dynamic topic config',
    isDefault: false,
    sensitive: false,
  },
]

const STREAMS = [
  { stream: '5f1c9a3be0d27784', host: 'edge-01', path: '/var/log/kafka/server.log' },
  { stream: '0a77c1f2d9e34b58', host: 'edge-01', path: '/var/log/dpkg.log' },
]

export const LINES = [
  '[2026-11-23 05:41:07,113] INFO [ReplicaFetcher replicaId=2, leaderId=1, fetcherId=0] Truncating partition logs.edge-4 with TruncationState(offset=107124, completed=true) (kafka.server.ReplicaFetcherThread)',
  '[2026-11-23 05:41:07,408] WARN [Controller id=1] Broker 2 has been fenced after its session expired (org.apache.kafka.controller.ClusterControlManager)',
  '2026-11-23 05:40:59 status installed libssl3:amd64 3.0.15-1~deb12u1',
  '[2026-11-23 05:41:09,002] ERROR [KafkaServer id=2] Fatal error during startup: log directory data-0 is locked (kafka.server.KafkaServer)',
  '{"level":"info","time":"2026-11-23T05:41:09.551Z","component":"agent","msg":"batch acknowledged","topic":"logs.edge","records":512}',
]

function recordsOf(
  clusters: readonly ClusterFacts[],
  request: Parameters<Platform['readRecords']>[0],
  born: number,
): RecordsRead {
  const topic = clusters
    .find(cluster => cluster.name === request.cluster)
    ?.topics.find(each => each.name === request.topic)
  const records: RawRecord[] = []
  const next: { partition: number; offset: number; end: number }[] = []
  for (const { partition, at } of request.from) {
    const end = topic?.partitions.find(each => each.partition === partition)?.endOffset ?? 0
    let offset =
      at.kind === 'before-end' ? Math.max(0, end - at.records) : at.kind === 'offset' ? at.offset : 0
    for (; offset < end && records.length < request.limit; offset++)
      records.push(recordAt(request.topic, partition, offset, born - (end - offset) * 90))
    next.push({ partition, offset, end })
  }
  return { records: records.sort((a, b) => a.timestamp - b.timestamp), next, cutShort: false }
}

function recordAt(topic: string, partition: number, offset: number, timestamp: number): RawRecord {
  if (topic.startsWith('metrics')) {
    const sample = {
      time: timestamp - 40,
      name: 'host_cpu_busy_ratio',
      labels: { host: 'edge-01', site: 'edge' },
      value: 0.21 + (offset % 17) / 100,
      unit: 'ratio',
    }
    return { partition, offset, timestamp, key: null, value: encodeSample(sample), headers: [] }
  }
  if (topic.startsWith('logs')) {
    const value = Buffer.from(LINES[offset % LINES.length]!)
    const { stream } = STREAMS[offset % STREAMS.length]!
    const position = encodePosition({
      stream,
      start: offset * 180,
      length: value.length + 1,
      eventDelta: -212,
      hash: xxh32(value),
    })
    return { partition, offset, timestamp, key: null, value, headers: [{ name: 'p', value: position }] }
  }
  if (offset % 7 === 3)
    return {
      partition,
      offset,
      timestamp,
      key: Buffer.from(`order-${offset}`),
      value: Buffer.from([0xff, 0xd8, 0x00, 0x10, offset & 0xff]),
      headers: [],
    }
  return {
    partition,
    offset,
    timestamp,
    key: Buffer.from(`order-${offset}`),
    value: Buffer.from(
      JSON.stringify({
        order: offset,
        customer: `c-${offset % 311}`,
        cents: (offset * 137) % 100_000,
        currency: 'EUR',
      }),
    ),
    headers: [{ name: 'trace', value: Buffer.from(`t-${offset.toString(16)}`) }],
  }
}

/* ---- logs ---- */

async function queryLogs(sql: string, limit: number, born: number): ReturnType<Platform['logs']['query']> {
  if (!/^\s*(select|with)\b/i.test(sql)) {
    throw new AjnaError(
      SQL_REFUSED,
      `Parser Error: syntax error at or near "${sql.trim().split(/\s/)[0]}" at line 1, character 1`,
      { details: { line: 1, character: 1 } },
    )
  }
  if (/count\(\*\)/i.test(sql)) {
    return {
      columns: [
        { name: 'host', type: 'VARCHAR' },
        { name: 'file', type: 'VARCHAR' },
        { name: 'lines', type: 'BIGINT' },
      ],
      rows: [
        ['edge-01', '/var/log/kafka/server.log', 811_204],
        ['edge-01', '/var/log/dpkg.log', 5_012],
        ['edge-01', 'logs/agent.log', 98_411],
      ],
      truncated: false,
      elapsedMs: 71.2,
      searchedThrough: Date.now() - 2_100,
    }
  }
  const rows = Array.from({ length: Math.min(limit, 1_000) }, (_, i) => [
    new Date(born - i * 731).toISOString(),
    'platform',
    'edge',
    'edge-01',
    i % 3 === 0 ? '/var/log/dpkg.log' : '/var/log/kafka/server.log',
    4_100_000 - i * 180,
    LINES[i % LINES.length]!,
  ])
  return {
    columns: [
      { name: 'time', type: 'TIMESTAMP' },
      { name: 'tenant', type: 'VARCHAR' },
      { name: 'site', type: 'VARCHAR' },
      { name: 'host', type: 'VARCHAR' },
      { name: 'file', type: 'VARCHAR' },
      { name: 'position', type: 'BIGINT' },
      { name: 'line', type: 'VARCHAR' },
    ],
    rows,
    truncated: true,
    elapsedMs: 118.4,
    searchedThrough: Date.now() - 2_100,
  }
}

/* ---- metrics ---- */

interface FixtureMetric {
  readonly name: string
  readonly unit: string
  readonly labels: readonly Readonly<Record<string, string>>[]
  readonly base: number
  readonly swing: number
}

const hostLabels = HOSTS.map(host => ({ host, site: host.replace('-01', '') }))
const brokerLabels = ['edge', 'hub'].flatMap(cluster =>
  [1, 2, 3].map(broker => ({ host: `${cluster}-01`, site: cluster, cluster, broker: String(broker) })),
)
const METRICS: readonly FixtureMetric[] = [
  { name: 'host_cpu_busy_ratio', unit: 'ratio', labels: hostLabels, base: 0.31, swing: 0.16 },
  {
    name: 'host_memory_available_bytes',
    unit: 'bytes',
    labels: hostLabels,
    base: 9.4 * GIB,
    swing: 0.7 * GIB,
  },
  { name: 'host_filesystem_available_bytes', unit: 'bytes', labels: hostLabels, base: 96 * GIB, swing: GIB },
  { name: 'host_network_received_bytes_total', unit: 'bytes', labels: hostLabels, base: 2.4e6, swing: 1.1e6 },
  { name: 'host_network_sent_bytes_total', unit: 'bytes', labels: hostLabels, base: 3.1e6, swing: 1.3e6 },
  { name: 'kafka_messagesin_total', unit: 'records', labels: brokerLabels, base: 352, swing: 90 },
  { name: 'kafka_bytesin_total', unit: 'bytes', labels: brokerLabels, base: 75_000, swing: 19_000 },
  {
    name: 'kafka_underreplicatedpartitions',
    unit: 'partitions',
    labels: brokerLabels,
    base: 0,
    swing: 0,
  },
  {
    name: 'kafka_request_ms',
    unit: 'ms',
    labels: brokerLabels,
    base: 12,
    swing: 6,
  },
  { name: 'jvm_memory_bytes', unit: 'bytes', labels: brokerLabels, base: 210e6, swing: 70e6 },
  { name: 'agent_records_total', unit: 'records', labels: hostLabels, base: 840, swing: 200 },
  { name: 'agent_lag_bytes', unit: 'bytes', labels: hostLabels, base: 3e4, swing: 2e4 },
  { name: 'agent_spool_bytes', unit: 'bytes', labels: [hostLabels[0]!], base: 2e5, swing: 1e5 },
]

function valueAt(metric: FixtureMetric, labels: Readonly<Record<string, string>>, time: number): number {
  const shift = Object.values(labels).join('').length + Number(labels['broker'] ?? 0)
  const noise = Math.sin(time / 7_919 + shift * 3.1) * 0.3 + Math.sin(time / 1_931 + shift) * 0.2
  return Math.max(0, metric.base + metric.swing * (Math.sin(time / 400_000 + shift) * 0.6 + noise))
}

function pointsOf(
  metric: FixtureMetric,
  labels: Readonly<Record<string, string>>,
  from: number,
  to: number,
  stepMs: number,
): [number, number][] {
  const points: [number, number][] = []
  for (let time = Math.ceil(from / stepMs) * stepMs; time <= to; time += stepMs)
    points.push([time, valueAt(metric, labels, time)])
  return points
}

function sampleEverySecond(name: string, sample: (sample: SampleFacts) => void, signal: AbortSignal): void {
  const timer = setInterval(() => {
    const time = Date.now()
    for (const metric of METRICS)
      if (metric.name === name)
        for (const labels of metric.labels)
          sample({ name, labels, time, value: valueAt(metric, labels, time) })
  }, 1_000)
  timer.unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}

/* ---- completeness ---- */

const FILES = [
  { stream: '5f1c9a3be0d27784', path: '/var/log/kafka/server.log', bytes: 9_412_880 },
  { stream: '0a77c1f2d9e34b58', path: '/var/log/dpkg.log', bytes: 61_200 },
  { stream: 'b3117e90aa5c2d16', path: 'logs/agent.log', bytes: 1_204_113 },
  { stream: 'c9025d7711fe8a3c', path: 'logs/control.log', bytes: 388_047 },
]
const LOSS = { from: 4_194_304, to: 4_194_304 + 61_440 }

function bucketsOf(mood: Mood, from: number, to: number): BucketVerdict[] {
  const now = Date.now()
  const buckets: BucketVerdict[] = []
  const oldest = now - 12 * HOUR
  for (
    let bucket = Math.floor(Math.max(from, oldest) / BUCKET_MS) * BUCKET_MS;
    bucket < Math.min(to, now);
    bucket += BUCKET_MS
  ) {
    const streams = streamsOf(mood, bucket)
    const auditedBytes = streams.reduce((sum, each) => sum + each.auditedBytes, 0)
    buckets.push({
      bucket,
      closed: bucket + BUCKET_MS + MINUTE < now,
      streams: streams.length,
      auditedBytes,
      auditedLines: streams.reduce((sum, each) => sum + each.auditedLines, 0),
      lateBytes: streams.reduce((sum, each) => sum + each.lateBytes, 0),
      tiers: tiers.map(tier => {
        const at = streams.map(each => each.tiers.find(one => one.tier === tier)!)
        const missingBytes = at.reduce((sum, one) => sum + one.missingBytes, 0)
        const duplicatedBytes = at.reduce((sum, one) => sum + one.duplicatedBytes, 0)
        const state = at.some(one => one.state === 'open')
          ? 'open'
          : missingBytes > 0
            ? 'missing'
            : duplicatedBytes > 0
              ? 'duplicated'
              : at.some(one => one.state === 'unknown')
                ? 'unknown'
                : 'complete'
        return {
          tier,
          state,
          missingBytes,
          duplicatedBytes,
          ratio: (auditedBytes - missingBytes) / auditedBytes,
        }
      }),
    })
  }
  return buckets
}

function streamsOf(mood: Mood, bucket: number): StreamVerdict[] {
  const now = Date.now()
  const age = Math.floor((now - bucket) / BUCKET_MS)
  const open = bucket + BUCKET_MS + MINUTE > now
  return FILES.map((file, index) => {
    const lossy = mood === 'trouble' && (age === 9 || age === 10) && index === 0
    const doubled = mood === 'trouble' && age === 17 && index === 2
    const tierOf = (tier: Tier): StreamVerdict['tiers'][number] => {
      const missing = lossy && tier !== 'local' ? [{ start: LOSS.from, end: LOSS.to }] : []
      const missingBytes = missing.reduce((sum, range) => sum + range.end - range.start, 0)
      const duplicatedBytes = doubled && tier === 'archive' ? 4_096 : 0
      const state = open
        ? 'open'
        : mood === 'trouble' && age === 30
          ? 'unknown'
          : missingBytes > 0
            ? 'missing'
            : duplicatedBytes > 0
              ? 'duplicated'
              : 'complete'
      return {
        tier,
        state,
        bytes: file.bytes - missingBytes,
        missingBytes,
        duplicatedBytes,
        missing,
        lostHereBytes: tier === 'aggregate' ? missingBytes : 0,
      }
    }
    return {
      bucket,
      stream: file.stream,
      site: 'edge',
      tenant: 'platform',
      host: 'edge-01',
      path: file.path,
      auditedBytes: file.bytes,
      auditedLines: Math.round(file.bytes / 180),
      lateBytes: age === 22 && index === 1 ? 812 : 0,
      tiers: tiers.map(tierOf),
    }
  })
}

/* ---- activity ---- */

function activitiesOf(mood: Mood, now: number): Activity[] {
  const entry = (
    id: number,
    ago: number,
    actor: string,
    action: string,
    subject: Activity['subject'],
    summary: string,
    more: Partial<Activity> = {},
  ): Activity => ({
    id: `a${id}`,
    at: now - ago,
    actor,
    action,
    subject,
    summary,
    reason: null,
    outcome: 'done',
    evidence: [],
    endedAt: now - ago + 900,
    ...more,
  })
  const usual = [
    entry(
      6,
      31 * MINUTE,
      'operator',
      'apply',
      { kind: 'fleet', name: 'two-sites', cluster: null },
      'Applied the declaration: 1 topic created, 2 ACLs added',
      {
        reason: 'orders.v1 for the checkout team',
        evidence: [
          { label: 'created', value: 'topic orders.v1 on edge, 24 partitions' },
          { label: 'digest', value: 'sha256:8d21…e07f' },
        ],
      },
    ),
    entry(
      5,
      48 * MINUTE,
      'agent on hub-01',
      'process.restarted',
      { kind: 'process', name: 'archive', cluster: null },
      'archive ended and was started again',
      {
        outcome: 'done',
        evidence: [
          { label: 'exit', value: 'killed by SIGKILL' },
          { label: 'ready after', value: '2.4 s' },
        ],
      },
    ),
    entry(
      4,
      92 * MINUTE,
      'operator',
      'broker.restart',
      { kind: 'broker', name: '3', cluster: 'edge' },
      'Restart of broker 3 of edge',
      {
        outcome: 'refused',
        reason: 'try new heap size',
        evidence: [{ label: 'refused because', value: 'broker 1 of this cluster is not up' }],
      },
    ),
    entry(
      3,
      2 * HOUR,
      'control',
      'link.started',
      { kind: 'link', name: 'edge-to-hub', cluster: null },
      'Link edge-to-hub took over 20 partitions',
      { evidence: [{ label: 'resumed at', value: 'the target’s log ends' }] },
    ),
    entry(
      2,
      3 * HOUR,
      'control',
      'fleet.started',
      { kind: 'fleet', name: 'two-sites', cluster: null },
      'Fleet started in 21.4 s',
    ),
    entry(
      1,
      3 * HOUR + 30_000,
      'operator',
      'apply',
      { kind: 'fleet', name: 'two-sites', cluster: null },
      'Applied the declaration: 2 clusters, 9 topics, 1 link',
      { reason: 'first start' },
    ),
  ]
  if (mood !== 'trouble') return usual
  return [
    entry(
      7,
      88_000,
      'agent on hub-01',
      'process.restarted',
      { kind: 'broker', name: '2', cluster: 'hub' },
      'kafka-hub-2 ended and is being started again',
      {
        outcome: 'running',
        endedAt: null,
        evidence: [
          { label: 'exit', value: 'killed by SIGKILL' },
          { label: 'attempt', value: '3' },
        ],
      },
    ),
    ...usual,
  ]
}
