import { canRestartBroker } from '../can.ts'
import type { Broker, ClusterDetail, ClusterState, ClusterSummary, Finding } from '../models.ts'
import type { BrokerFacts, ClusterFacts } from '../platform.ts'
import { topicSums } from './topics.ts'

export interface ClusterHealth {
  readonly state: ClusterState
  /** Empty when healthy. */
  readonly reason: string
  readonly underReplicated: number
  readonly offline: number
}

/** Down: nothing answers, or records cannot be read somewhere. Degraded: something that should be there is not. */
export function healthOf(cluster: ClusterFacts): ClusterHealth {
  let underReplicated = 0
  let offline = 0
  for (const sum of topicSums(cluster.topics)) {
    underReplicated += sum.underReplicated
    offline += sum.offline
  }
  const [state, reason] = judge(cluster, underReplicated, offline)
  return { state, reason, underReplicated, offline }
}

function judge(cluster: ClusterFacts, underReplicated: number, offline: number): [ClusterState, string] {
  const away = cluster.brokers.filter(broker => broker.state === 'down')
  if (cluster.unreachable !== null) return ['down', `cannot be read: ${cluster.unreachable.message}`]
  if (cluster.observedAt === null) return ['unknown', 'not read yet']
  if (offline > 0) return ['down', `${many(offline, 'partition')} without a leader`]
  if (away.length > 0)
    return ['degraded', `${many(away.length, 'broker')} down: ${away.map(broker => broker.id).join(', ')}`]
  if (underReplicated > 0) return ['degraded', `${many(underReplicated, 'partition')} under-replicated`]
  const broken = cluster.brokers.flatMap(broker =>
    broker.disks.filter(disk => disk.error !== null).map(() => broker.id),
  )
  if (broken.length > 0) return ['degraded', `a log directory is offline at broker ${broken.join(', ')}`]
  if (cluster.failures.length > 0)
    return ['degraded', `not read: ${cluster.failures.map(failure => failure.part).join(', ')}`]
  return ['healthy', '']
}

export const many = (count: number, noun: string): string =>
  `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`

export function clusterSummary(cluster: ClusterFacts): ClusterSummary {
  const health = healthOf(cluster)
  return {
    name: cluster.name,
    site: cluster.site,
    driver: cluster.driver,
    version: cluster.version,
    state: health.state,
    reason: health.reason,
    since: cluster.unreachable?.since ?? cluster.since,
    observedAt: cluster.observedAt,
    brokersUp: cluster.brokers.filter(broker => broker.state === 'up').length,
    brokersDeclared: Math.max(cluster.declared.length, cluster.brokers.length),
    racks: new Set(cluster.brokers.map(broker => broker.rack).filter(rack => rack !== null)).size,
    controllerId: cluster.controllerId,
    topics: cluster.topics.length,
    partitions: cluster.topics.reduce((count, topic) => count + topic.partitions.length, 0),
    underReplicated: health.underReplicated,
    offline: health.offline,
    logBytes: cluster.brokers.reduce((bytes, broker) => bytes + logBytes(broker), 0),
    recordsInPerSecond: cluster.recordsInPerSecond,
    bytesInPerSecond: cluster.bytesInPerSecond,
    history: [...cluster.history],
  }
}

const logBytes = (broker: BrokerFacts): number =>
  broker.disks.reduce((bytes, disk) => bytes + disk.logBytes, 0)

export function clusterDetail(cluster: ClusterFacts, findings: readonly Finding[]): ClusterDetail {
  const counts = replicaCounts(cluster)
  return {
    ...clusterSummary(cluster),
    findings: [...findings],
    brokers: cluster.brokers.map(broker => brokerView(cluster, broker, counts.get(broker.id))),
    quorum: cluster.quorum === null ? null : { ...cluster.quorum, voters: [...cluster.quorum.voters] },
    groups: [...cluster.groups],
    failures: [...cluster.failures],
  }
}

interface ReplicaCounts {
  leaders: number
  replicas: number
  outOfSync: number
}

function replicaCounts(cluster: ClusterFacts): Map<number, ReplicaCounts> {
  const counts = new Map<number, ReplicaCounts>()
  for (const topic of cluster.topics) {
    for (const { leader, replicas, isr } of topic.partitions) {
      for (const id of replicas) {
        let of = counts.get(id)
        if (of === undefined) counts.set(id, (of = { leaders: 0, replicas: 0, outOfSync: 0 }))
        of.replicas++
        if (id === leader) of.leaders++
        if (!isr.includes(id)) of.outOfSync++
      }
    }
  }
  return counts
}

function brokerView(cluster: ClusterFacts, broker: BrokerFacts, counts: ReplicaCounts | undefined): Broker {
  const { managed: _managed, leaseRefusals: _refusals, disks, ...rest } = broker
  return {
    ...rest,
    isController: broker.id === cluster.controllerId,
    leaders: counts?.leaders ?? 0,
    replicas: counts?.replicas ?? 0,
    outOfSync: counts?.outOfSync ?? 0,
    disks: disks.map(disk => ({
      ...disk,
      state: disk.error === null ? ('online' as const) : ('offline' as const),
    })),
    restart: canRestartBroker(cluster, broker.id),
  }
}
