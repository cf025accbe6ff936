import { defaultReplicationFactor, LOCAL_RETENTION_MS, UNLIMITED } from './limits.ts'
import type { ClusterSpec, FleetSpec, TopicSpec } from './schema.ts'

/** What a declaration means where it says nothing: the defaults that depend on other parts of it. Pure. */

export interface BrokerSpec {
  readonly id: number
  readonly rack: string | null
}

/** A cluster's brokers; undefined for clusters that others run. */
export function brokersOf(cluster: ClusterSpec): readonly BrokerSpec[] | undefined {
  if (cluster.driver === 'existing') return undefined
  const { brokers, racks } = cluster
  if (typeof brokers !== 'number') return brokers.map(({ id, rack }) => ({ id, rack: rack ?? null }))
  return Array.from({ length: brokers }, (_, index) => ({
    id: index + 1,
    rack: racks === undefined ? null : racks[index % racks.length]!,
  }))
}

export const replicationOf = (topic: TopicSpec, brokers: number | undefined): number =>
  topic.replicationFactor ?? defaultReplicationFactor(brokers)

/** A cluster collects others' topics when it says so, or when a link leads to it. */
export function isLocalTier(spec: FleetSpec, cluster: string): boolean {
  const tier = spec.clusters[cluster]?.tier
  return tier === undefined ? !Object.values(spec.links).some(link => link.to === cluster) : tier === 'local'
}

/** How long records are kept by time, ms (Infinity: for ever); undefined: compacted, and time does not matter. */
export function effectiveRetention(topic: TopicSpec): number | undefined {
  if (topic.cleanup === 'compact') return undefined
  if (topic.retention === undefined) return LOCAL_RETENTION_MS
  return topic.retention === 'forever' ? Number.POSITIVE_INFINITY : topic.retention
}

/** A topic's settings as Kafka spells them. */
export function topicConfigOf(topic: TopicSpec, minInsync: number): Record<string, string> {
  const retention = effectiveRetention(topic)
  const config: Record<string, string> = {
    ...topic.config,
    'cleanup.policy': typeof topic.cleanup === 'string' ? topic.cleanup : topic.cleanup.join(','),
    'min.insync.replicas': String(minInsync),
  }
  if (retention !== undefined) {
    config['retention.ms'] = String(retention === Number.POSITIVE_INFINITY ? UNLIMITED : retention)
  }
  if (topic.retentionSize !== undefined) config['retention.bytes'] = String(topic.retentionSize)
  return Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)))
}
