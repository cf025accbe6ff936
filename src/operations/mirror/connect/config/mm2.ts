import type { LinkDefinitionInput } from '../../definition.ts'
import { clientSettings } from './client-end.ts'
import { adminKeys, clusterKeys, consumerKeys, producerKeys } from './client-keys.ts'
import { connectorKeys, sourceConnectorKeys } from './connect-keys.ts'
import { newlyGathered } from './gathered.ts'
import { groupAlphabet } from './java-regex.ts'
import type { Problem } from './key.ts'
import { linkKeys } from './link-keys.ts'
import {
  checkpointOnlyKeys,
  heartbeatOnlyKeys,
  IDENTITY_POLICY,
  mirrorCheckpointKeys,
  mirrorHeartbeatKeys,
  mirrorSourceKeys,
} from './mm2-keys.ts'
import { regexPatterns } from './patterns.ts'
import { familyOf, type KeyFamily, type KeyTable, type Reading } from './reading.ts'
import { predicateFamily, readTransforms, transformFamily } from './transforms.ts'
import { chooseEnd, conclude, linkFields, type Translation, type TranslationContext } from './translation.ts'

export const MIRROR_SOURCE = 'org.apache.kafka.connect.mirror.MirrorSourceConnector'
export const MIRROR_CHECKPOINT = 'org.apache.kafka.connect.mirror.MirrorCheckpointConnector'
export const MIRROR_HEARTBEAT = 'org.apache.kafka.connect.mirror.MirrorHeartbeatConnector'

/** Of each side in MirrorMaker's order: what comes later wins. */
const SOURCE_PREFIXES = ['source.cluster.', 'consumer.', 'source.consumer.']
const TARGET_PREFIXES = [
  'target.cluster.',
  'admin.',
  'target.admin.',
  'producer.',
  'target.producer.',
  'producer.override.',
]

const SOURCE = 'the source’s'
const TARGET = 'the target’s'
const OVER = (prefix: string): string => `, over ${prefix}`
const UNUSED = 'no effect: of a client that a link does not have.'

const families: readonly KeyFamily[] = [
  familyOf(
    'source.cluster.',
    clusterKeys,
    `${SOURCE} addresses and certificates: bootstrap.servers, security.protocol and ssl.… of a client.`,
  ),
  familyOf('target.cluster.', clusterKeys, `${TARGET}, likewise.`),
  familyOf('consumer.', consumerKeys, `settings of a consumer: ${SOURCE}${OVER('source.cluster.')}`),
  familyOf('source.consumer.', consumerKeys, `settings of a consumer: ${SOURCE}${OVER('consumer.')}`),
  familyOf('admin.', adminKeys, `settings of an admin client: ${TARGET}${OVER('target.cluster.')}`),
  familyOf('target.admin.', adminKeys, `settings of an admin client: ${TARGET}${OVER('admin.')}`),
  familyOf('producer.', producerKeys, `settings of a producer: ${TARGET}${OVER('target.admin.')}`),
  familyOf('target.producer.', producerKeys, `settings of a producer: ${TARGET}${OVER('producer.')}`),
  familyOf(
    'producer.override.',
    producerKeys,
    `settings of a producer: ${TARGET}${OVER('target.producer.')}`,
  ),
  familyOf('target.consumer.', consumerKeys, UNUSED),
  familyOf('source.producer.', producerKeys, UNUSED),
  familyOf('source.admin.', adminKeys, UNUSED),
  familyOf('admin.override.', adminKeys, UNUSED),
  transformFamily,
  predicateFamily,
]

export const mirrorSourceTable: KeyTable = {
  keys: [...connectorKeys, ...mirrorSourceKeys, ...sourceConnectorKeys, ...linkKeys],
  also: [...checkpointOnlyKeys, ...heartbeatOnlyKeys],
  families,
}
export const mirrorCheckpointTable: KeyTable = {
  keys: [...connectorKeys, ...mirrorCheckpointKeys, ...sourceConnectorKeys],
  also: [...mirrorSourceKeys, ...heartbeatOnlyKeys],
  families,
}
export const mirrorHeartbeatTable: KeyTable = {
  keys: [...connectorKeys, ...mirrorHeartbeatKeys, ...sourceConnectorKeys],
  also: [...mirrorSourceKeys, ...checkpointOnlyKeys],
  families,
}

export function translateMirrorSource(reading: Reading, context: TranslationContext): Translation {
  const gathered = newlyGathered()
  const { problems } = gathered
  const end = (side: 'source' | 'target', prefixes: readonly string[]) => {
    const settings = clientSettings(reading.config, prefixes)
    return chooseEnd({ side, settings, prefix: `${side}.cluster.` }, reading, context, gathered)
  }
  const source = end('source', SOURCE_PREFIXES)
  const target = end('target', TARGET_PREFIXES)
  const include = regexPatterns('topics', reading.list('topics'), problems)
  if (include.length === 0 && problems.length === 0)
    problems.push({ key: 'topics', message: 'names no topic' })
  const exclude = [
    ...regexPatterns('topics.exclude', reading.list('topics.exclude'), problems),
    ...neverCopied(reading),
  ]
  const transformed = readTransforms(reading.config, reading.list('transforms'), reading.list('predicates'))
  problems.push(...transformed.problems)
  const fields = linkFields(reading, gathered, { onMissingTopic: 'create' })
  const keep = keptInStep(reading, problems)
  if (keep !== undefined && fields.keep !== undefined)
    problems.push({ key: 'ajna.more', message: 'keep: said by sync.… already' })
  return conclude(reading, gathered, {
    source,
    target,
    fields: {
      ...fields,
      ...(keep === undefined ? {} : { keep }),
      topics: { include, exclude: [...new Set(exclude)] },
      rename: { prefix: transformed.prefix + aliasPrefix(reading), suffix: transformed.suffix },
      replicationFactor: reading.value('replication.factor') as number | null,
      headers: [...(fields.headers ?? []), ...transformed.headers],
    },
  })
}

/** Undefined: nothing was asked for. */
function keptInStep(reading: Reading, problems: Problem[]): LinkDefinitionInput['keep'] {
  const given = (key: string): boolean => Object.hasOwn(reading.config, key)
  const acls = given('sync.topic.acls.enabled') && reading.value('sync.topic.acls.enabled') === true
  const groups = reading.value('sync.group.offsets.enabled') === true
  if (!acls && !groups) return undefined
  const seconds = (isOn: boolean, key: string): number[] =>
    isOn && given(key) ? [reading.value(key) as number] : []
  const everySeconds = Math.min(
    ...seconds(acls, 'sync.topic.acls.interval.seconds'),
    ...seconds(groups, 'sync.group.offsets.interval.seconds'),
  )
  const patterns = (key: string): string[] => regexPatterns(key, reading.list(key), problems, groupAlphabet)
  return {
    ...(acls ? { acls: { include: ['*'] } } : {}),
    // As MirrorMaker does: forward, over what it put there itself before a link relieved it.
    ...(groups
      ? {
          groups: { include: patterns('groups'), exclude: patterns('groups.exclude') },
          foreignPositions: 'advance' as const,
        }
      : {}),
    ...(Number.isFinite(everySeconds) ? { everyMs: everySeconds * 1_000 } : {}),
  }
}

const keepsNames = (reading: Reading): boolean => reading.text('replication.policy.class') === IDENTITY_POLICY

const separatorOf = (reading: Reading): string => reading.text('replication.policy.separator') ?? '.'

const aliasPrefix = (reading: Reading): string =>
  keepsNames(reading) ? '' : `${reading.text('source.cluster.alias') ?? ''}${separatorOf(reading)}`

/**
 * What MirrorMaker 2 leaves out whatever `topics` says (ReplicationPolicy.isInternalTopic, MirrorSourceConnector.isCycle):
 * internal topics, and those whose name says that they came from the target. Where names are kept, heartbeats are not
 * copied: two links towards one another would each write the other's.
 */
function neverCopied(reading: Reading): readonly string[] {
  const separator = separatorOf(reading)
  const internal = ['__*', '.*', '*.internal', '*-internal', `*${separator}internal`]
  const target = reading.text('target.cluster.alias') ?? 'target'
  return keepsNames(reading)
    ? [...internal, 'heartbeats']
    : [...internal, `${target}${separator}*`, `*${separator}${target}${separator}*`]
}
