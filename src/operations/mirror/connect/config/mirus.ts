import { type ClientSettings, clientSettings } from './client-end.ts'
import { adminKeys, consumerKeys, producerKeys } from './client-keys.ts'
import { connectorKeys, sourceConnectorKeys } from './connect-keys.ts'
import { newlyGathered } from './gathered.ts'
import { linkKeys } from './link-keys.ts'
import { mirusKeys } from './mirus-keys.ts'
import { regexPatterns, topicNames } from './patterns.ts'
import { familyOf, type KeyTable, type Reading } from './reading.ts'
import { predicateFamily, readTransforms, transformFamily } from './transforms.ts'
import { chooseEnd, conclude, linkFields, type Translation, type TranslationContext } from './translation.ts'

export const MIRUS_SOURCE = 'com.salesforce.mirus.MirusSourceConnector'

export const mirusTable: KeyTable = {
  keys: [...connectorKeys, ...mirusKeys, ...sourceConnectorKeys, ...linkKeys],
  also: [],
  families: [
    familyOf('consumer.', consumerKeys, 'settings of a consumer: the source’s addresses and certificates.'),
    familyOf(
      'destination.consumer.',
      consumerKeys,
      'settings of a consumer: the target’s addresses and certificates; what is not said is as at the source.',
    ),
    familyOf(
      'producer.override.',
      producerKeys,
      'settings of a producer: the target’s, over destination.consumer.',
    ),
    familyOf(
      'admin.override.',
      adminKeys,
      'settings of an admin client: the target’s, over destination.consumer.',
    ),
    transformFamily,
    predicateFamily,
  ],
}

/** Mirus takes the destination's settings over the source's, so that what both have in common is said once. */
function targetSettings(reading: Reading): ClientSettings {
  const shared = clientSettings(reading.config, ['consumer.'])
  const own = clientSettings(reading.config, [
    'destination.consumer.',
    'admin.override.',
    'producer.override.',
  ])
  const servers = reading.text('destination.bootstrap.servers')
  const settings = new Map([...shared, ...own])
  if (own.has('bootstrap.servers')) return settings
  settings.delete('bootstrap.servers')
  if (servers !== null)
    settings.set('bootstrap.servers', { key: 'destination.bootstrap.servers', text: servers })
  return settings
}

export function translateMirus(reading: Reading, context: TranslationContext): Translation {
  const gathered = newlyGathered()
  const { problems } = gathered
  const end = (side: 'source' | 'target', settings: ClientSettings, prefix: string) =>
    chooseEnd({ side, settings, prefix }, reading, context, gathered)
  const source = end('source', clientSettings(reading.config, ['consumer.']), 'consumer.')
  const target = end('target', targetSettings(reading), 'destination.consumer.')
  const include = [
    ...topicNames('topics.whitelist', reading.list('topics.whitelist'), problems),
    ...regexPatterns('topics.regex', [reading.text('topics.regex') ?? ''], problems),
    ...regexPatterns('topics.regex.list', reading.list('topics.regex.list'), problems),
  ]
  if (include.length === 0 && problems.length === 0)
    problems.push({
      key: 'topics.whitelist',
      message: 'no topics are named: give topics.whitelist, topics.regex or topics.regex.list',
    })
  const transformed = readTransforms(reading.config, reading.list('transforms'), reading.list('predicates'))
  problems.push(...transformed.problems)
  const mustExist = reading.value('enable.destination.topic.checking') === true
  const fields = linkFields(reading, gathered, {
    onMissingTopic: mustExist ? 'wait' : 'create',
  })
  return conclude(reading, gathered, {
    source,
    target,
    fields: {
      ...fields,
      topics: { include },
      rename: {
        prefix: transformed.prefix + (reading.text('destination.topic.name.prefix') ?? ''),
        suffix: (reading.text('destination.topic.name.suffix') ?? '') + transformed.suffix,
      },
      headers: [...(fields.headers ?? []), ...transformed.headers],
    },
  })
}
