import type { LinkDefinition } from '../../definition.ts'
import { atLeast, type KeySpec, oneOf, understood } from './key.ts'

/** What only a link has: keys that every connector here takes besides its own. */
export const linkKeys: readonly KeySpec[] = [
  understood(
    ['ajna.source.cluster', 'STRING', null, 'MEDIUM'],
    'the source as a cluster of the fleet, by name, instead of addresses and certificates.',
  ),
  understood(
    ['ajna.source.principal', 'STRING', null, 'LOW'],
    'whose certificate is used there. Default: the link’s own.',
  ),
  understood(
    ['ajna.target.cluster', 'STRING', null, 'MEDIUM'],
    'the target as a cluster of the fleet, by name, instead of addresses and certificates.',
  ),
  understood(
    ['ajna.target.principal', 'STRING', null, 'LOW'],
    'whose certificate is used there. Default: the link’s own.',
  ),
  understood(
    ['ajna.offsets', 'STRING', 'identity', 'MEDIUM'],
    'identity: each record has the offset it has at the source, or its partition halts. mapped: where that cannot be, an exact mapping is kept.',
    { check: oneOf('identity', 'mapped') },
  ),
  understood(
    ['ajna.on.loss', 'STRING', 'halt', 'MEDIUM'],
    'when retention at the source overtook the link: halt the partition for a decision, or continue at what is left. What is missing is said either way.',
    { check: oneOf('halt', 'continue') },
  ),
  understood(
    ['ajna.on.source.deleted', 'STRING', 'halt', 'MEDIUM'],
    'when a topic is deleted at the source: halt its partitions, or delete the copy.',
    { check: oneOf('halt', 'delete') },
  ),
  understood(
    ['ajna.on.fewer.partitions', 'STRING', 'widen', 'LOW'],
    'when a copy has fewer partitions than its topic: widen it, or halt those it lacks.',
    { check: oneOf('widen', 'halt') },
  ),
  understood(
    ['ajna.on.missing.topic', 'STRING', null, 'LOW'],
    'when there is no copy yet: create it as at the source, or wait until somebody has. Default: create, for Mirus as enable.destination.topic.checking says.',
    { check: oneOf('create', 'wait') },
  ),
  understood(
    ['ajna.max.gap', 'LONG', '1000000', 'LOW'],
    'offsets that may be filled one marker each in one gap.',
    { check: atLeast(0) },
  ),
  understood(
    ['ajna.rate.link', 'LONG', null, 'MEDIUM'],
    'bytes a second written to the target by the link.',
    {
      check: atLeast(1_024),
    },
  ),
  understood(['ajna.rate.topic', 'LONG', null, 'MEDIUM'], 'bytes a second written to the target per topic.', {
    check: atLeast(1_024),
  }),
  understood(
    ['ajna.headers', 'STRING', '[]', 'LOW'],
    'rules on records’ headers as JSON, [{"key": …, "value": …, "act": "drop" or "keep"}]; a link that has one reads every record.',
  ),
  understood(
    ['ajna.more', 'STRING', '{}', 'LOW'],
    'other fields of a link’s definition, as a JSON object: those that no key of their own says.',
  ),
]

/** Fields of a definition that keys say one by one. */
export const fieldsWithKeys: ReadonlySet<string> = new Set<keyof LinkDefinition>([
  'name',
  'source',
  'target',
  'topics',
  'rename',
  'replicationFactor',
  'onMissingTopic',
  'onFewerPartitions',
  'onLoss',
  'onSourceDeleted',
  'maxGap',
  'offsets',
  'rate',
  'headers',
  'desired',
])

/** The keys of LinkConnector: a link as it is, for those that no other connector's configuration made. */
export const linkConnectorKeys: readonly KeySpec[] = [
  understood(
    ['topics', 'LIST', null, 'HIGH'],
    'topics to copy: names, names in which * stands for any characters, or /regular expressions/ for whole names. A JSON list where one of them has a comma.',
    { required: true },
  ),
  understood(['topics.exclude', 'LIST', '', 'HIGH'], 'topics not to copy, written likewise.'),
  understood(['rename.prefix', 'STRING', '', 'MEDIUM'], 'prefix of the copies’ names.'),
  understood(['rename.suffix', 'STRING', '', 'MEDIUM'], 'suffix of the copies’ names.'),
  understood(
    ['replication.factor', 'INT', null, 'LOW'],
    'replicas of the topics the link creates. Default: as at the source.',
    { check: atLeast(1) },
  ),
]
