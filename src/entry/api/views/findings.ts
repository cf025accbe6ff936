import type { BucketVerdict } from '../../../operations/completeness/contract.ts'
import { actionNames } from '../../../operations/mirror/failover/plan.ts'
import type { Delay, Finding, ProcessStatus, Severity } from '../models.ts'
import type { BrokerFacts, ClusterFacts, FleetFacts, LinkFacts } from '../platform.ts'
import { healthOf, many } from './clusters.ts'

/**
 * Is anything wrong, where, since when, what is being done, what may a person do: worst first, then oldest first.
 * A symptom whose cause is in the list already is left out (the partitions a dead broker leaves under-replicated).
 */

/** The fleet's aim: from an event on a host to its sample on a chart. */
export const EVENT_TO_INSIGHT_AIM_MS = 10_000
/** A cluster's picture older than this is no longer the present. */
const STALE_AFTER_MS = 30_000
const DISK_WARNING = 0.85
const DISK_CRITICAL = 0.95

const RANK: Record<Severity, number> = { critical: 0, warning: 1, info: 2 }

export function findingsOf(fleet: FleetFacts): Finding[] {
  return [
    ...fleet.clusters.flatMap(cluster => clusterFindings(cluster, fleet)),
    ...fleet.processes.flatMap(processFindings),
    ...fleet.links.flatMap(linkFindings),
    ...completenessFindings(fleet.incomplete),
    ...delayFindings(fleet.eventToInsight),
  ].sort((a, b) => RANK[a.severity] - RANK[b.severity] || a.since - b.since || (a.id < b.id ? -1 : 1))
}

export const clusterFindingsOf = (fleet: FleetFacts, cluster: string): Finding[] =>
  findingsOf(fleet).filter(
    ({ subject }) => (subject.kind === 'cluster' ? subject.name : subject.cluster) === cluster,
  )

function clusterFindings(cluster: ClusterFacts, fleet: FleetFacts): Finding[] {
  const subject = { kind: 'cluster', name: cluster.name, cluster: null } as const
  if (cluster.unreachable !== null) {
    return [
      {
        id: `cluster-unreachable:${cluster.name}`,
        severity: 'critical',
        title: `Cluster ${cluster.name} cannot be reached`,
        subject,
        since: cluster.unreachable.since,
        evidence: [cluster.unreachable.message, lastRead(cluster)],
        doing: 'it is tried again every few seconds; agents keep what they ship in their spools',
        remedy: `Look at the processes of its brokers at site ${cluster.site} and at their logs.`,
      },
    ]
  }
  if (cluster.observedAt === null) return [notReadYet(cluster, fleet, subject)]
  return [
    ...cluster.brokers.flatMap(broker => brokerFindings(cluster, broker)),
    ...partitionFindings(cluster),
    ...staleFindings(cluster, fleet),
  ]
}

/** Not a fault, but nothing may be called well that was never looked at. */
function notReadYet(cluster: ClusterFacts, fleet: FleetFacts, subject: Finding['subject']): Finding {
  return {
    id: `not-read:${cluster.name}`,
    severity: 'info',
    title: `Cluster ${cluster.name} has not been read yet`,
    subject,
    since: cluster.since ?? fleet.observedAt,
    evidence: cluster.failures.map(failure => `${failure.part}: ${failure.message}`),
    doing: 'its brokers are asked until they answer',
    remedy: 'If this lasts longer than a start takes, look at the processes of its brokers.',
  }
}

const lastRead = (cluster: ClusterFacts): string =>
  cluster.observedAt === null ? 'never read' : `last read ${minuteOf(cluster.observedAt)}`

function brokerFindings(cluster: ClusterFacts, broker: BrokerFacts): Finding[] {
  const subject = { kind: 'broker', name: String(broker.id), cluster: cluster.name } as const
  const name = `broker ${broker.id} of ${cluster.name}`
  const since = broker.since ?? cluster.observedAt ?? 0
  const findings: Finding[] = []
  if (broker.state === 'down') {
    findings.push({
      id: `broker-down:${cluster.name}:${broker.id}`,
      severity: 'critical',
      title: `${capital(name)} is down`,
      subject,
      since,
      evidence: [
        `rack ${broker.rack ?? '(none)'}`,
        `${many(healthOf(cluster).underReplicated, 'partition')} of the cluster under-replicated`,
      ],
      doing: broker.managed ? 'its agent restarts it' : null,
      remedy: broker.managed
        ? 'If it does not come back, read the reason of its last exit on its host’s page.'
        : 'Start it on its host: no agent of this fleet keeps it.',
    })
  }
  for (const disk of broker.disks) findings.push(...diskFindings(disk, name, subject, since, cluster.name))
  return findings
}

function diskFindings(
  disk: BrokerFacts['disks'][number],
  name: string,
  subject: Finding['subject'],
  since: number,
  cluster: string,
): Finding[] {
  const id = `${cluster}:${subject.name}:${disk.path}`
  if (disk.error !== null) {
    return [
      {
        id: `disk-offline:${id}`,
        severity: 'critical',
        title: `A log directory of ${name} is offline`,
        subject,
        since,
        evidence: [disk.path, disk.error],
        doing: null,
        remedy: 'Replace the disk, format the empty directory for this cluster, and restart the broker.',
      },
    ]
  }
  const full = disk.totalBytes === null ? 0 : disk.usedBytes / disk.totalBytes
  if (full < DISK_WARNING) return []
  return [
    {
      id: `disk-full:${id}`,
      severity: full >= DISK_CRITICAL ? 'critical' : 'warning',
      title: `The disk of ${name} is ${Math.floor(full * 100)} % full`,
      subject,
      since,
      evidence: [disk.path, `${disk.logBytes.toLocaleString('en-US')} bytes of it are Kafka’s`],
      doing: null,
      remedy:
        'Lower the retention of its largest topics, or give it a larger disk: a full disk takes the broker’s log directory offline.',
    },
  ]
}

/** Partitions whose trouble no broker that is down explains. */
function partitionFindings(cluster: ClusterFacts): Finding[] {
  const { offline, underReplicated } = healthOf(cluster)
  const subject = { kind: 'cluster', name: cluster.name, cluster: null } as const
  const since = cluster.since ?? cluster.observedAt ?? 0
  const findings: Finding[] = []
  if (offline > 0) {
    findings.push({
      id: `offline-partitions:${cluster.name}`,
      severity: 'critical',
      title: `${many(offline, 'partition')} of ${cluster.name} ${offline === 1 ? 'has' : 'have'} no leader`,
      subject,
      since,
      evidence: ['nothing can be written to or read from them'],
      doing: null,
      remedy:
        'Bring back a broker that held them; an unclean election would lose what only the missing replicas hold.',
    })
  }
  if (underReplicated > 0 && cluster.brokers.every(broker => broker.state !== 'down')) {
    findings.push({
      id: `under-replicated:${cluster.name}`,
      severity: 'warning',
      title: `${many(underReplicated, 'partition')} of ${cluster.name} ${underReplicated === 1 ? 'is' : 'are'} under-replicated`,
      subject,
      since,
      evidence: ['every broker is up: replicas are catching up, or one is too slow'],
      doing: 'followers fetch what they lack',
      remedy:
        'If the number does not fall, look for a slow disk or a saturated network at the brokers missing from the ISRs.',
    })
  }
  return findings
}

function staleFindings(cluster: ClusterFacts, fleet: FleetFacts): Finding[] {
  if (cluster.observedAt === null || fleet.observedAt - cluster.observedAt < STALE_AFTER_MS) return []
  return [
    {
      id: `stale:${cluster.name}`,
      severity: 'warning',
      title: `What is shown of ${cluster.name} is no longer the present`,
      subject: { kind: 'cluster', name: cluster.name, cluster: null },
      since: cluster.observedAt,
      evidence: [
        lastRead(cluster),
        ...cluster.failures.map(failure => `${failure.part}: ${failure.message}`),
      ],
      doing: 'it is read again every few seconds',
      remedy: 'If this stays, look at the control process’s log for what keeps it from reading the cluster.',
    },
  ]
}

function processFindings(process: ProcessStatus): Finding[] {
  // A broker that is down is said by its cluster.
  if (process.role === 'broker' && process.state !== 'failed') return []
  if (process.state !== 'failed' && process.state !== 'backing-off') return []
  const given = process.state === 'failed'
  return [
    {
      id: `process:${process.host}:${process.name}`,
      severity: given ? 'critical' : 'warning',
      title: given
        ? `${process.name} on ${process.host} keeps crashing and was given up`
        : `${process.name} on ${process.host} has crashed`,
      subject: { kind: 'process', name: `${process.host}/${process.name}`, cluster: null },
      since: process.since ?? 0,
      evidence: [
        `${many(process.restarts, 'restart')}`,
        ...(process.lastExit === null ? [] : [process.lastExit]),
      ],
      doing: given ? null : 'it is restarted after a pause that grows with each crash',
      remedy: given
        ? 'Mend what its last exit names, then start it again.'
        : 'Nothing, unless it goes on: its last exit says why.',
    },
  ]
}

function linkFindings(link: LinkFacts): Finding[] {
  return [...haltFindings(link), ...switchFindings(link)]
}

/** Somebody is switching sides, and it does not go on by itself: meanwhile it may be that nobody can write. */
function switchFindings({ name, sides }: LinkFacts): Finding[] {
  const underWay = sides?.underWay ?? null
  if (underWay === null || underWay.stuck === null) return []
  const { action, step, stuck, startedAt } = underWay
  return [
    {
      id: `link-switch:${name}`,
      severity: 'critical',
      title: `The ${actionNames[action]} of link ${name} stands still`,
      subject: { kind: 'link', name, cluster: null },
      since: underWay.steps.find(each => each.name === step)?.startedAt ?? startedAt,
      evidence: [stuck],
      doing: null,
      remedy: `The link’s page shows its steps; from there, or by \`ajna link ${action} ${name}\`, it goes on where it stands.`,
    },
  ]
}

function haltFindings(link: LinkFacts): Finding[] {
  if (link.state !== 'halted' && link.state !== 'lagging') return []
  const halted = link.state === 'halted'
  return [
    {
      id: `link:${link.name}`,
      severity: halted ? 'critical' : 'warning',
      title: halted ? `Link ${link.name} has ${failedText(link)}` : `Link ${link.name} falls behind`,
      subject: { kind: 'link', name: link.name, cluster: null },
      since: link.since ?? link.observedAt ?? 0,
      evidence: [link.reason].filter(reason => reason !== ''),
      doing: halted
        ? 'its other partitions go on; nothing is written where the copy could differ'
        : 'it copies as fast as the target acknowledges',
      remedy: halted ? failedRemedy(link) : 'If the lag grows, look at the target’s disks and network.',
    },
  ]
}

const failedText = ({ haltedPartitions, blockedPartitions }: LinkFacts): string =>
  [
    ...(haltedPartitions > 0 ? [`halted ${many(haltedPartitions, 'partition')}`] : []),
    ...(blockedPartitions > 0 ? [`${many(blockedPartitions, 'blocked partition')}`] : []),
  ].join(' and ')

const failedRemedy = ({ haltedPartitions, blockedPartitions }: LinkFacts): string =>
  [
    ...(haltedPartitions > 0
      ? [
          'Read the reason of each halted partition on the link’s page: a person must decide which side is right.',
        ]
      : []),
    ...(blockedPartitions > 0
      ? [
          'What is blocked waits until somebody allows or mends what its reason names, then goes on by itself.',
        ]
      : []),
  ].join(' ')

function completenessFindings(incomplete: readonly BucketVerdict[]): Finding[] {
  const lossy = incomplete.filter(bucket => bucket.tiers.some(tier => tier.state === 'missing'))
  const first = lossy[0]
  if (first === undefined) return []
  const missing = lossy.reduce(
    (bytes, bucket) => bytes + Math.max(...bucket.tiers.map(tier => tier.missingBytes)),
    0,
  )
  return [
    {
      id: 'completeness:missing',
      severity: 'critical',
      title: `${many(missing, 'byte')} missing in ${many(lossy.length, 'closed bucket')}`,
      subject: { kind: 'completeness', name: String(first.bucket), cluster: null },
      since: first.bucket,
      evidence: lossy.slice(0, 5).map(
        bucket =>
          `${minuteOf(bucket.bucket)}: ${bucket.tiers
            .filter(tier => tier.state === 'missing')
            .map(tier => tier.tier)
            .join(', ')}`,
      ),
      doing: null,
      remedy:
        'Open the completeness page: it names the host, the file, the bytes, and the tier that lost them.',
    },
  ]
}

function delayFindings(delay: Delay | null): Finding[] {
  if (delay === null || delay.p95Ms <= EVENT_TO_INSIGHT_AIM_MS) return []
  return [
    {
      id: 'event-to-insight',
      severity: 'warning',
      title: `Metrics arrive late: p95 ${(delay.p95Ms / 1_000).toFixed(1)} s, aim ${EVENT_TO_INSIGHT_AIM_MS / 1_000} s`,
      subject: { kind: 'fleet', name: 'event to insight', cluster: null },
      since: delay.observedAt,
      evidence: [`p50 ${(delay.p50Ms / 1_000).toFixed(1)} s over ${many(delay.samples, 'sample')}`],
      doing: null,
      remedy: 'Look where the delay arises: agent’s spool, link lag, or the reader of the metrics topics.',
    },
  ]
}

/** `2026-11-23 04:20 UTC` */
const minuteOf = (time: number): string =>
  `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
