import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { LinkDefinition } from '../definition.ts'
import { LINK_OWNED } from '../errors.ts'
import type { LinkEntry, LinkRegistry } from '../registry.ts'
import { type ConnectorKind, connectorKind, connectorKinds, translateConnector } from './config/connectors.ts'
import type { Problem } from './config/key.ts'
import type { PemFile } from './config/pem.ts'
import type { ConnectorConfig } from './config/reading.ts'
import type { Translation, TranslationContext } from './config/translation.ts'
import { CONNECT_CONFIG_INVALID, CONNECT_EXISTS, CONNECT_NOT_STOPPED, CONNECT_UNKNOWN } from './errors.ts'
import { annotationsOf, connectorOf } from './stored.ts'

/** What may be done to connectors: over the links' registry, and nothing else. */

export interface ConnectorActions {
  /** @throws AjnaError CONNECT_UNKNOWN */
  get(name: string): LinkEntry
  create(name: string, config: GivenConfig, desired: LinkDefinition['desired']): Promise<LinkEntry>
  /** Makes it, or changes what differs; its state stays. */
  configure(
    name: string,
    config: GivenConfig,
  ): Promise<{ readonly entry: LinkEntry; readonly isNew: boolean }>
  /** Null takes a key out. */
  patch(name: string, changes: GivenConfig): Promise<LinkEntry>
  setDesired(name: string, desired: LinkDefinition['desired']): Promise<void>
  remove(name: string): Promise<void>
  /** A stopped connector, whose offsets may be changed. @throws AjnaError CONNECT_NOT_STOPPED */
  stopped(name: string): LinkEntry
}

/** As it arrives; numbers and truth values are taken for their texts. */
export type GivenConfig = Readonly<Record<string, string | number | boolean | null>>

export interface ActionOptions {
  readonly registry: LinkRegistry
  readonly translation: TranslationContext
  /** Resolves when the file is there, readable by this process alone. */
  readonly writePem: (file: PemFile) => Promise<void>
}

/** It is kept in a record of the links' journal. */
const MAX_CONFIG_CHARACTERS = 90_000

export function connectorActions({ registry, translation, writePem }: ActionOptions): ConnectorActions {
  const get = (name: string): LinkEntry => {
    const entry = registry.get(name)
    if (entry === undefined)
      throw new AjnaError(CONNECT_UNKNOWN, `there is no connector ${JSON.stringify(name)}`)
    return entry
  }

  const changeable = (name: string): LinkEntry => {
    const entry = get(name)
    if (entry.owner === 'fleet')
      throw new AjnaError(LINK_OWNED, `link ${name} is declared in the fleet’s file`)
    if (entry.owner === 'switch')
      throw new AjnaError(LINK_OWNED, `link ${name} is the way back of one whose sides are switched`)
    return entry
  }

  /** Whether a link runs is everybody's to say who is trusted; of others, only of what they may change. */
  const mayRun = translation.trusted ? get : changeable

  /** @param expected version that is replaced; 0: none */
  async function put(
    config: ConnectorConfig,
    desired: LinkDefinition['desired'],
    expected: number,
  ): Promise<LinkEntry> {
    const translated = translateOrThrow(config, translation)
    await Promise.all(translated.files.map(writePem))
    const annotations = annotationsOf(translated.config, translated.definition)
    if (JSON.stringify(translated.config).length > MAX_CONFIG_CHARACTERS)
      throw invalid([
        { key: 'name', message: `a configuration has at most ${MAX_CONFIG_CHARACTERS} characters` },
      ])
    return registry.put({ ...translated.definition, desired }, { expected, owner: 'api', annotations })
  }

  async function replace(entry: LinkEntry, config: ConnectorConfig): Promise<LinkEntry> {
    const { definition, version, annotations } = entry
    const translated = translateOrThrow(config, translation)
    const same = Object.entries(annotationsOf(translated.config, translated.definition)).every(
      ([key, value]) => annotations[key] === value,
    )
    return same ? entry : put(config, definition.desired, version)
  }

  return {
    get,
    async create(name, given, desired) {
      if (registry.get(name) !== undefined)
        throw new AjnaError(CONNECT_EXISTS, `there is a connector ${JSON.stringify(name)} already`)
      return put(named(name, texts(given)), desired, 0)
    },
    async configure(name, given) {
      const config = named(name, texts(given))
      if (registry.get(name) === undefined) return { entry: await put(config, 'running', 0), isNew: true }
      return { entry: await replace(changeable(name), config), isNew: false }
    },
    async patch(name, changes) {
      const entry = changeable(name)
      const merged = { ...connectorOf(entry).config, ...changes }
      const kept = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null))
      return replace(entry, named(name, texts(kept)))
    },
    async setDesired(name, desired) {
      if (mayRun(name).definition.desired !== desired) await registry.setDesired(name, desired)
    },
    async remove(name) {
      changeable(name)
      await registry.remove(name)
    },
    stopped(name) {
      const entry = mayRun(name)
      if (entry.definition.desired !== 'stopped')
        throw new AjnaError(CONNECT_NOT_STOPPED, `connector ${name} is ${entry.definition.desired}`)
      return entry
    },
  }
}

function texts(given: GivenConfig): ConnectorConfig {
  const empty = Object.entries(given).find(([, value]) => value === null)
  if (empty !== undefined) throw invalid([{ key: empty[0], message: 'must not be null' }])
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, String(value)]))
}

/** The name in the address is the connector's; one in the configuration may only say the same. */
function named(name: string, config: ConnectorConfig): ConnectorConfig {
  const included = config['name']
  if (included !== undefined && included !== name)
    throw invalid([
      {
        key: 'name',
        message: `is ${JSON.stringify(included)}, but the request is about ${JSON.stringify(name)}`,
      },
    ])
  return { ...config, name }
}

/** @throws AjnaError CONNECT_CONFIG_INVALID, CONNECT_UNKNOWN */
export function kindOf(config: ConnectorConfig): ConnectorKind {
  const wanted = config['connector.class']
  if (wanted === undefined || wanted.trim() === '')
    throw invalid([{ key: 'connector.class', message: 'must be given' }])
  const kind = connectorKind(wanted)
  if (kind !== undefined) return kind
  const known = connectorKinds.map(each => each.class).join(', ')
  throw invalid([
    { key: 'connector.class', message: `${JSON.stringify(wanted.slice(0, 200))} is none of ${known}` },
  ])
}

function translateOrThrow(
  config: ConnectorConfig,
  context: TranslationContext,
): Translation & { readonly definition: LinkDefinition } {
  const { definition, ...rest } = translateConnector(kindOf(config), config, context)
  if (definition === undefined) throw invalid(rest.problems)
  return { definition, ...rest }
}

function invalid(problems: readonly Problem[]): AjnaError {
  const count = `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`
  const lines = problems.map(({ key, message }) => `${key}: ${message}`)
  return new AjnaError(CONNECT_CONFIG_INVALID, [`the configuration has ${count}`, ...lines].join('\n'), {
    details: { problems },
  })
}
