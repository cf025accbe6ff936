/** Topic settings of Kafka 4.3 (org.apache.kafka.common.config.TopicConfig), by the names it gives them. */
export const topicConfigNames: readonly string[] = [
  'cleanup.policy',
  'compression.gzip.level',
  'compression.lz4.level',
  'compression.type',
  'compression.zstd.level',
  'delete.retention.ms',
  'file.delete.delay.ms',
  'flush.messages',
  'flush.ms',
  'follower.replication.throttled.replicas',
  'index.interval.bytes',
  'leader.replication.throttled.replicas',
  'local.retention.bytes',
  'local.retention.ms',
  'max.compaction.lag.ms',
  'max.message.bytes',
  'message.timestamp.after.max.ms',
  'message.timestamp.before.max.ms',
  'message.timestamp.type',
  'min.cleanable.dirty.ratio',
  'min.compaction.lag.ms',
  'min.insync.replicas',
  'preallocate',
  'remote.log.copy.disable',
  'remote.log.delete.on.disable',
  'remote.storage.enable',
  'retention.bytes',
  'retention.ms',
  'segment.bytes',
  'segment.index.bytes',
  'segment.jitter.ms',
  'segment.ms',
  'unclean.leader.election.enable',
]

/** Settings that have a field of their own in `ajna.yaml`: said in one place only. */
export const settledByFields: Readonly<Record<string, string>> = {
  'cleanup.policy': 'cleanup',
  'min.insync.replicas': 'minInsyncReplicas',
  'retention.bytes': 'retentionSize',
  'retention.ms': 'retention',
}

/** Settings that belong to a reassignment under way, not to the declaration: never planned, never drift. */
export const transientConfigs: ReadonlySet<string> = new Set([
  'follower.replication.throttled.replicas',
  'leader.replication.throttled.replicas',
])
