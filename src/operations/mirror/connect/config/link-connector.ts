import { type LinkDefinition, type LinkEnd, linkDefinitionSchema } from '../../definition.ts'
import { clientSettings } from './client-end.ts'
import { clusterKeys } from './client-keys.ts'
import { connectorKeys, sourceConnectorKeys } from './connect-keys.ts'
import { newlyGathered } from './gathered.ts'
import type { Problem } from './key.ts'
import { fieldsWithKeys, linkConnectorKeys, linkKeys } from './link-keys.ts'
import { type ConnectorConfig, familyOf, type KeyTable, type Reading } from './reading.ts'
import { predicateFamily, readTransforms, transformFamily } from './transforms.ts'
import { chooseEnd, conclude, linkFields, type Translation, type TranslationContext } from './translation.ts'
import { listOf } from './value.ts'

/** A link as it is, as a connector: what is written of links that no connector's configuration made, and read again. */
export const LINK_CONNECTOR = 'ajna.LinkConnector'

export const linkConnectorTable: KeyTable = {
  keys: [...connectorKeys, ...linkConnectorKeys, ...linkKeys, ...sourceConnectorKeys],
  also: [],
  families: [
    familyOf(
      'source.cluster.',
      clusterKeys,
      'the source’s addresses and certificates: bootstrap.servers, security.protocol and ssl.… of a client.',
    ),
    familyOf('target.cluster.', clusterKeys, 'the target’s, likewise.'),
    transformFamily,
    predicateFamily,
  ],
}

export function translateLinkConnector(reading: Reading, context: TranslationContext): Translation {
  const gathered = newlyGathered()
  const { problems } = gathered
  const end = (side: 'source' | 'target') => {
    const prefix = `${side}.cluster.`
    const settings = clientSettings(reading.config, [prefix])
    return chooseEnd({ side, settings, prefix }, reading, context, gathered)
  }
  const source = end('source')
  const target = end('target')
  const topics = {
    include: [...patternsOf(reading, 'topics', problems)],
    exclude: [...patternsOf(reading, 'topics.exclude', problems)],
  }
  const transformed = readTransforms(reading.config, reading.list('transforms'), reading.list('predicates'))
  problems.push(...transformed.problems)
  const fields = linkFields(reading, gathered, { onMissingTopic: 'create' })
  return conclude(reading, gathered, {
    source,
    target,
    fields: {
      ...fields,
      topics,
      rename: {
        prefix: transformed.prefix + (reading.text('rename.prefix') ?? ''),
        suffix: (reading.text('rename.suffix') ?? '') + transformed.suffix,
      },
      replicationFactor: reading.value('replication.factor') as number | null,
      headers: [...(fields.headers ?? []), ...transformed.headers],
    },
  })
}

/** Separated by commas, or a JSON list where a pattern has commas itself. */
function patternsOf(reading: Reading, key: string, problems: Problem[]): readonly string[] {
  const text = reading.config[key]?.trim() ?? ''
  if (!text.startsWith('[')) return listOf(text).filter(Boolean)
  try {
    const list: unknown = JSON.parse(text)
    if (Array.isArray(list) && list.every(each => typeof each === 'string')) return list
  } catch {
    // Reported below, as what is JSON but no list of texts.
  }
  problems.push({ key, message: 'begins like a JSON list and is none of texts' })
  return []
}

/** The other way: reading what this writes gives the same definition again. */
export function linkConnectorConfig(definition: LinkDefinition): ConnectorConfig {
  const { topics, rename, rate } = definition
  const optional = {
    'topics.exclude': topics.exclude.length === 0 ? null : listText(topics.exclude),
    'rename.prefix': rename.prefix === '' ? null : rename.prefix,
    'rename.suffix': rename.suffix === '' ? null : rename.suffix,
    'replication.factor': definition.replicationFactor,
    'ajna.rate.link': rate.link,
    'ajna.rate.topic': rate.topic,
    'ajna.headers': definition.headers.length === 0 ? null : JSON.stringify(definition.headers),
    'ajna.more': moreOf(definition),
  }
  const all: Record<string, string | number | null> = {
    name: definition.name,
    'connector.class': LINK_CONNECTOR,
    'tasks.max': 1,
    ...endConfig('source', definition.source),
    ...endConfig('target', definition.target),
    topics: listText(topics.include),
    'ajna.offsets': definition.offsets,
    'ajna.on.loss': definition.onLoss,
    'ajna.on.source.deleted': definition.onSourceDeleted,
    'ajna.on.fewer.partitions': definition.onFewerPartitions,
    'ajna.on.missing.topic': definition.onMissingTopic,
    'ajna.max.gap': definition.maxGap,
    ...optional,
  }
  return Object.fromEntries(
    Object.entries(all).flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]])),
  )
}

const NOTHING_KEPT = JSON.stringify(linkDefinitionSchema.shape.keep.parse({}))

function moreOf(definition: LinkDefinition): string | null {
  const more = Object.entries(definition).filter(
    ([field, value]) =>
      !fieldsWithKeys.has(field) && !(field === 'keep' && JSON.stringify(value) === NOTHING_KEPT),
  )
  return more.length === 0 ? null : JSON.stringify(Object.fromEntries(more))
}

const listText = (patterns: readonly string[]): string =>
  patterns.some(pattern => pattern.includes(',') || pattern.startsWith('[') || pattern.trim() !== pattern)
    ? JSON.stringify(patterns)
    : patterns.join(',')

function endConfig(side: 'source' | 'target', end: LinkEnd): Record<string, string | null> {
  if ('cluster' in end)
    return { [`ajna.${side}.cluster`]: end.cluster, [`ajna.${side}.principal`]: end.principal ?? null }
  const prefix = `${side}.cluster.`
  const { bootstrap, tls } = end
  return {
    [`${prefix}bootstrap.servers`]: bootstrap.join(','),
    ...(tls === null
      ? {}
      : {
          [`${prefix}security.protocol`]: 'SSL',
          [`${prefix}ssl.truststore.type`]: 'PEM',
          [`${prefix}ssl.truststore.location`]: tls.ca,
          [`${prefix}ssl.keystore.type`]: 'PEM',
          [`${prefix}ssl.keystore.location`]: tls.key,
        }),
  }
}
