import {
  type LinkDefinition,
  type LinkDefinitionInput,
  type LinkEnd,
  linkDefinitionSchema,
} from '../../definition.ts'
import { type ClientSettings, clientEnd } from './client-end.ts'
import type { Gathered } from './gathered.ts'
import type { Problem } from './key.ts'
import { fieldsWithKeys } from './link-keys.ts'
import type { PemFile } from './pem.ts'
import type { ConnectorConfig, Reading } from './reading.ts'

/** What a translation knows besides the configuration. */
export interface TranslationContext {
  /** Directory for PEM texts that a configuration holds; an absolute path. */
  readonly pemDirectory: string
  /** The cluster that copies go to when a configuration names none: what a Connect worker's own cluster is. */
  readonly defaultTarget: LinkEnd | null
  /**
   * Whether who asks may do what this process may: act as the fleet's principals, and read the files that it reads. Else a
   * configuration holds its certificates itself, as text.
   */
  readonly trusted: boolean
}

export interface Translation {
  /** Undefined when there are problems. Its `desired` says nothing: the state is not part of a configuration. */
  readonly definition: LinkDefinition | undefined
  readonly problems: readonly Problem[]
  /** To be written before the definition is put. */
  readonly files: readonly PemFile[]
  /** The configuration as it may be kept and shown: PEM texts are replaced by the paths of their files. */
  readonly config: ConnectorConfig
}

export type DefinitionFields = Omit<LinkDefinitionInput, 'name' | 'source' | 'target'>

export interface SideOfLink {
  readonly side: 'source' | 'target'
  readonly settings: ClientSettings
  /** Where a key is reported that should be there and is not. */
  readonly prefix: string
}

const OPEN_TO_ALL =
  'is refused: this server is open to everyone on the machine (connect.access). Name addresses, and give certificates as text; or ask with the session’s token'

/** One side as a cluster of the fleet, else as its own settings say. Undefined: see the problems gathered. */
export function chooseEnd(
  { side, settings, prefix }: SideOfLink,
  reading: Reading,
  context: TranslationContext,
  gathered: Gathered,
): LinkEnd | undefined {
  const { problems } = gathered
  const key = `ajna.${side}.cluster`
  const cluster = reading.text(key)
  const principal = reading.text(`ajna.${side}.principal`)
  if (!context.trusted)
    for (const named of [key, `ajna.${side}.principal`])
      if (reading.text(named) !== null) problems.push({ key: named, message: OPEN_TO_ALL })
  if (cluster === null) {
    if (principal !== null)
      problems.push({
        key: `ajna.${side}.principal`,
        message: `needs ${key}; addresses come with certificates of their own`,
      })
    const otherwise = side === 'target' ? context.defaultTarget : null
    const { pemDirectory, trusted } = context
    return clientEnd(settings, { prefix, pemDirectory, otherwise, anyFile: trusted }, gathered)
  }
  const addresses = settings.get('bootstrap.servers')?.key
  if (addresses !== undefined)
    problems.push({ key, message: `names the ${side} a second time, besides ${addresses}` })
  return principal === null ? { cluster } : { cluster, principal }
}

/** The fields that the keys `ajna.…` decide. */
export function linkFields(
  reading: Reading,
  gathered: Gathered,
  defaults: { readonly onMissingTopic: LinkDefinition['onMissingTopic'] },
): Omit<DefinitionFields, 'topics'> {
  const word = <Word extends string>(key: string, otherwise: Word): Word =>
    (reading.text(key) as Word | null) ?? otherwise
  const amount = (key: string): number | null => reading.value(key) as number | null
  return {
    ...moreFields(reading, gathered),
    offsets: word('ajna.offsets', 'identity'),
    onMissingTopic: word('ajna.on.missing.topic', defaults.onMissingTopic),
    onLoss: word('ajna.on.loss', 'halt'),
    onSourceDeleted: word('ajna.on.source.deleted', 'halt'),
    onFewerPartitions: word('ajna.on.fewer.partitions', 'widen'),
    maxGap: amount('ajna.max.gap') ?? 1_000_000,
    rate: { link: amount('ajna.rate.link'), topic: amount('ajna.rate.topic') },
    headers: headerRules(reading, gathered),
  }
}

function headerRules(reading: Reading, { problems }: Gathered): LinkDefinition['headers'] {
  const key = 'ajna.headers'
  try {
    return linkDefinitionSchema.shape.headers.parse(JSON.parse(reading.text(key) ?? '[]'))
  } catch {
    problems.push({ key, message: 'is no JSON list of {"key", "value", "act": "drop" or "keep"}' })
    return []
  }
}

function moreFields(reading: Reading, { problems }: Gathered): object {
  const key = 'ajna.more'
  const fields = jsonObject(reading.text(key) ?? '{}')
  if (fields === undefined) problems.push({ key, message: 'is no JSON object' })
  const doubled = Object.keys(fields ?? {}).filter(field => fieldsWithKeys.has(field))
  if (doubled.length > 0) problems.push({ key, message: `${doubled.join(', ')}: has keys of its own` })
  return fields ?? {}
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** Puts everything together; what the definition's own schema finds is reported under the key it comes from. */
export function conclude(
  reading: Reading,
  gathered: Gathered,
  parts: {
    readonly source: LinkEnd | undefined
    readonly target: LinkEnd | undefined
    readonly fields: DefinitionFields
  },
): Translation {
  const problems = [...reading.problems, ...gathered.problems]
  const whole = { files: gathered.files, config: configToKeep(reading, gathered) }
  if (problems.length > 0 || parts.source === undefined || parts.target === undefined)
    return { definition: undefined, problems, ...whole }
  const parsed = linkDefinitionSchema.safeParse({
    name: reading.text('name'),
    source: parts.source,
    target: parts.target,
    ...parts.fields,
  })
  if (parsed.success) return { definition: parsed.data, problems, ...whole }
  return { definition: undefined, problems: parsed.error.issues.map(schemaProblem), ...whole }
}

/** Without secrets: what was one is a file by now, or had no effect. */
function configToKeep(reading: Reading, { keep }: Gathered): ConnectorConfig {
  const kept: Record<string, string> = {}
  for (const { spec, text } of reading.entries)
    if (text !== undefined && spec.type !== 'PASSWORD') kept[spec.name] = text
  for (const [key, text] of Object.entries(keep)) if (text !== null) kept[key] = text
  return kept
}

const KEYS_OF_FIELDS: Readonly<Record<string, string>> = {
  name: 'name',
  topics: 'topics',
  replicationFactor: 'replication.factor',
  maxGap: 'ajna.max.gap',
  rate: 'ajna.rate.link',
  headers: 'ajna.headers',
}

const schemaProblem = (issue: {
  readonly path: readonly PropertyKey[]
  readonly message: string
}): Problem => ({
  key: KEYS_OF_FIELDS[String(issue.path[0])] ?? 'ajna.more',
  message: issue.message,
})
