import { NO_METRIC_PLUGINS, NO_PROVIDERS, NO_TIMES, securityKeys } from './client-keys.ts'
import { ignored, type KeySpec, type KeyValue, oneOf, refused, understood } from './key.ts'

/** The keys of MirrorMaker 2's connectors (4.3.1). */

export const DEFAULT_POLICY = 'org.apache.kafka.connect.mirror.DefaultReplicationPolicy'
export const IDENTITY_POLICY = 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy'

const DEFAULT_EXCLUDES = 'mm2.*\\.internal,.*\\.replica,__.*'
const SETTINGS_LEFT_ALONE =
  'follower.replication.throttled.replicas,leader.replication.throttled.replicas,message.timestamp.difference.max.ms,log.message.timestamp.before.max.ms,log.message.timestamp.after.max.ms,message.timestamp.type,unclean.leader.election.enable,min.insync.replicas'

const NO_CLASSES = {
  because: 'No Java classes are loaded.',
  instead: 'Leave it out; what its default does is done.',
}
const ALWAYS_ENABLED = {
  because: 'A link is stopped by its state, not by its configuration.',
  instead: 'Leave it out; create it with initial_state STOPPED, or PUT …/stop.',
}
const ALWAYS_FOLLOWED = {
  because: 'A copy that does not follow its topic is no copy.',
  instead: 'Leave it out; name the topics one by one to copy no others.',
}
const SETTINGS_FOLLOW = {
  because: 'Copies have the settings of their topics, but those of brokers, times and compression.',
  instead: 'Leave it out.',
}
const NO_OFFSET_SYNCS =
  'no offset-syncs topic is written: offsets are equal at both ends, or their exact mapping is kept by the link.'
const NO_HEARTBEATS =
  'a link measures its lag itself, without heartbeats; a topic of that name is copied when `topics` says so.'
const NOT_THE_CLIENTS = 'as in MirrorMaker 2, clients take theirs from source.cluster.… and target.cluster.….'
const SOON_ENOUGH = 'a link looks every few seconds.'
const HOW_OFTEN = 'how often. Default: every 5 seconds; of several the shortest.'

/** What a link's definition takes. */
const interval = (value: KeyValue): string | undefined =>
  typeof value === 'number' && (value < 1 || value > 3_600)
    ? `${value} is not from 1 to 3600 seconds`
    : undefined

const mirrorKeys: readonly KeySpec[] = [
  refused(['enabled', 'BOOLEAN', 'true', 'LOW'], ALWAYS_ENABLED),
  understood(
    ['source.cluster.alias', 'STRING', null, 'HIGH'],
    'prefix of the copies’ names, unless the policy keeps names; `cluster` in the offsets.',
    { required: true },
  ),
  understood(
    ['target.cluster.alias', 'STRING', 'target', 'HIGH'],
    'topics that came from there are not copied back, as their names say.',
  ),
  ignored(['admin.timeout.ms', 'LONG', '60000', 'LOW'], NO_TIMES),
  understood(
    ['replication.policy.class', 'CLASS', DEFAULT_POLICY, 'LOW'],
    'DefaultReplicationPolicy: copies are named <source alias><separator><topic>. IdentityReplicationPolicy: names are kept.',
    { check: oneOf(DEFAULT_POLICY, IDENTITY_POLICY) },
  ),
  understood(
    ['replication.policy.separator', 'STRING', '.', 'LOW'],
    'what stands between the alias and the name.',
    {
      check: value =>
        /^[A-Za-z0-9._-]+$/.test(String(value)) ? undefined : 'no part of a topic’s name can be that',
    },
  ),
  ignored(
    ['replication.policy.internal.topic.separator.enabled', 'BOOLEAN', 'true', 'LOW'],
    'MirrorMaker’s own topics are left out under either name.',
  ),
  refused(
    ['forwarding.admin.class', 'CLASS', 'org.apache.kafka.clients.admin.ForwardingAdmin', 'LOW'],
    NO_CLASSES,
  ),
  ignored(
    ['metric.reporters', 'LIST', 'org.apache.kafka.common.metrics.JmxReporter', 'LOW'],
    NO_METRIC_PLUGINS,
  ),
  ...securityKeys.map(
    (spec): KeySpec => ignored([spec.name, spec.type, spec.default, spec.importance], NOT_THE_CLIENTS),
  ),
  refused(['config.providers', 'LIST', '', 'LOW'], NO_PROVIDERS),
]

export const mirrorSourceKeys: readonly KeySpec[] = [
  ...mirrorKeys,
  understood(
    ['topics', 'LIST', '.*', 'HIGH'],
    'regular expressions; topics whose whole name one of them matches are copied.',
  ),
  understood(
    ['topics.exclude', 'LIST', DEFAULT_EXCLUDES, 'HIGH'],
    'regular expressions; topics whose whole name one of them matches are not copied.',
  ),
  refused(['config.properties.exclude', 'LIST', SETTINGS_LEFT_ALONE, 'HIGH'], SETTINGS_FOLLOW),
  refused(
    ['topic.filter.class', 'CLASS', 'org.apache.kafka.connect.mirror.DefaultTopicFilter', 'LOW'],
    NO_CLASSES,
  ),
  refused(
    [
      'config.property.filter.class',
      'CLASS',
      'org.apache.kafka.connect.mirror.DefaultConfigPropertyFilter',
      'LOW',
    ],
    NO_CLASSES,
  ),
  ignored(['consumer.poll.timeout.ms', 'LONG', '1000', 'LOW'], NO_TIMES),
  refused(['refresh.topics.enabled', 'BOOLEAN', 'true', 'LOW'], ALWAYS_FOLLOWED),
  ignored(['refresh.topics.interval.seconds', 'LONG', '600', 'LOW'], SOON_ENOUGH),
  refused(['sync.topic.configs.enabled', 'BOOLEAN', 'true', 'LOW'], ALWAYS_FOLLOWED),
  ignored(['sync.topic.configs.interval.seconds', 'LONG', '600', 'LOW'], SOON_ENOUGH),
  understood(
    ['sync.topic.acls.enabled', 'BOOLEAN', 'true', 'LOW'],
    'true: what lets principals read the topics, and what denies it, follows at the copies, revocation included; the link may then change rules at the target. Only when it is given: it gives rights.',
  ),
  understood(
    ['sync.topic.acls.interval.seconds', 'LONG', '600', 'LOW'],
    `with sync.topic.acls.enabled: ${HOW_OFTEN}`,
    { check: interval },
  ),
  understood(
    ['replication.factor', 'INT', null, 'LOW'],
    'replicas of the topics the link creates. Default: as at the source (MirrorMaker 2: 2).',
    {
      check: value =>
        typeof value === 'number' && value < 1
          ? 'the brokers’ default cannot be asked for; leave it out to have as many as at the source'
          : undefined,
    },
  ),
  ignored(['offset-syncs.topic.replication.factor', 'SHORT', '3', 'LOW'], NO_OFFSET_SYNCS),
  ignored(['offset.lag.max', 'LONG', '100', 'LOW'], NO_OFFSET_SYNCS),
  ignored(['offset-syncs.topic.location', 'STRING', 'source', 'LOW'], NO_OFFSET_SYNCS, {
    check: oneOf('source', 'target'),
  }),
  ignored(['emit.offset-syncs.enabled', 'BOOLEAN', 'true', 'LOW'], NO_OFFSET_SYNCS),
  ignored(['heartbeats.replication.enabled', 'BOOLEAN', 'true', 'LOW'], NO_HEARTBEATS),
  ignored(['metric.names.formats', 'LIST', 'legacy', 'LOW'], NO_METRIC_PLUGINS),
]

const NO_CHECKPOINTS =
  'no checkpoints are written: offsets are equal at both ends, or their exact mapping is kept by the link.'
const ROUND_BY_ROUND = 'groups are looked for in every round.'

/** Of MirrorCheckpointConnector; MirrorMaker's own examples give them to MirrorSourceConnector too. */
export const checkpointOnlyKeys: readonly KeySpec[] = [
  ignored(['consumer.poll.timeout.ms', 'LONG', '1000', 'LOW'], NO_TIMES),
  understood(
    ['groups', 'LIST', '.*', 'HIGH'],
    'with sync.group.offsets.enabled: regular expressions; groups whose whole name one of them matches follow.',
  ),
  understood(
    ['groups.exclude', 'LIST', 'console-consumer-.*,connect-.*,__.*', 'HIGH'],
    'with sync.group.offsets.enabled: regular expressions; groups whose whole name one of them matches do not.',
  ),
  refused(
    ['group.filter.class', 'CLASS', 'org.apache.kafka.connect.mirror.DefaultGroupFilter', 'LOW'],
    NO_CLASSES,
  ),
  ignored(['refresh.groups.enabled', 'BOOLEAN', 'true', 'LOW'], ROUND_BY_ROUND),
  ignored(['refresh.groups.interval.seconds', 'LONG', '600', 'LOW'], ROUND_BY_ROUND),
  ignored(['emit.checkpoints.enabled', 'BOOLEAN', 'true', 'LOW'], NO_CHECKPOINTS),
  ignored(['emit.checkpoints.interval.seconds', 'LONG', '60', 'LOW'], NO_CHECKPOINTS),
  understood(
    ['sync.group.offsets.enabled', 'BOOLEAN', 'false', 'LOW'],
    'true: positions of groups on the topics follow at the target while nobody reads there, forward over what others put there, back only after a reset at the source.',
  ),
  understood(
    ['sync.group.offsets.interval.seconds', 'LONG', '60', 'LOW'],
    `with sync.group.offsets.enabled: ${HOW_OFTEN}`,
    { check: interval },
  ),
  ignored(['checkpoints.topic.replication.factor', 'SHORT', '3', 'LOW'], NO_CHECKPOINTS),
  ignored(['offset-syncs.topic.location', 'STRING', 'source', 'LOW'], NO_OFFSET_SYNCS, {
    check: oneOf('source', 'target'),
  }),
  refused(
    ['topic.filter.class', 'CLASS', 'org.apache.kafka.connect.mirror.DefaultTopicFilter', 'LOW'],
    NO_CLASSES,
  ),
  ignored(['metric.names.formats', 'LIST', 'legacy', 'LOW'], NO_METRIC_PLUGINS),
]

export const heartbeatOnlyKeys: readonly KeySpec[] = [
  ignored(['emit.heartbeats.enabled', 'BOOLEAN', 'true', 'LOW'], NO_HEARTBEATS),
  ignored(['emit.heartbeats.interval.seconds', 'LONG', '1', 'LOW'], NO_HEARTBEATS),
  ignored(['heartbeats.topic.replication.factor', 'SHORT', '3', 'LOW'], NO_HEARTBEATS),
]

export const mirrorCheckpointKeys: readonly KeySpec[] = [...mirrorKeys, ...checkpointOnlyKeys]
export const mirrorHeartbeatKeys: readonly KeySpec[] = [...mirrorKeys, ...heartbeatOnlyKeys]
