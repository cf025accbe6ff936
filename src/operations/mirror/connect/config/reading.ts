import { nearest } from '../../../../foundation/text/nearest.ts'
import type { KeySpec, KeyValue, Problem } from './key.ts'
import { parseValue, shown } from './value.ts'

/** Keys of a family: all those that begin with a prefix. */
export interface KeyFamily {
  readonly prefix: string
  /** What its keys are for, in a sentence. */
  readonly about: string
  /** What is known by the rest of the key; undefined: nothing is. */
  find(rest: string): KeySpec | undefined
  /** For saying what might have been meant. */
  readonly names: readonly string[]
}

export interface KeyTable {
  /** What Connect's forms show. */
  readonly keys: readonly KeySpec[]
  /** Understood as well, without being shown. */
  readonly also: readonly KeySpec[]
  readonly families: readonly KeyFamily[]
}

export type ConnectorConfig = Readonly<Record<string, string>>

/** A configuration, key by key. */
export interface Reading {
  readonly config: ConnectorConfig
  /** Every key that is given or shown, in the table's order, then the others as they were given. */
  readonly entries: readonly ReadEntry[]
  readonly problems: readonly Problem[]
  /** The value of a key of the table, its default when it is not given or not right. */
  value(name: string): KeyValue
  text(name: string): string | null
  list(name: string): readonly string[]
}

export interface ReadEntry {
  readonly spec: KeySpec
  /** As it was given. */
  readonly text: string | undefined
}

/** A table of specs as a family. */
export function familyOf(prefix: string, specs: readonly KeySpec[], about: string): KeyFamily {
  const byName = new Map(specs.map(spec => [spec.name, spec]))
  return { prefix, about, find: rest => byName.get(rest), names: [...byName.keys()] }
}

/** Reads a configuration by its table: every key is known, every value of its type, nothing refused is asked for. */
export function readConnectorConfig(table: KeyTable, config: ConnectorConfig): Reading {
  const known = new Map([...table.also, ...table.keys].map(spec => [spec.name, spec]))
  const shownKeys = new Set(table.keys.map(({ name }) => name))
  const problems: Problem[] = []
  const values = new Map<string, KeyValue>()
  const entries: ReadEntry[] = table.keys.map(spec => ({ spec, text: own(config, spec.name) }))
  for (const [key, text] of Object.entries(config)) {
    if (shownKeys.has(key)) continue
    const spec = known.get(key) ?? inFamily(table.families, key)
    if (spec !== undefined) entries.push({ spec, text })
    else problems.push({ key, message: unknownKey(table, key) })
  }
  for (const { spec, text } of entries) {
    const { value, wrong } = judge(spec, text)
    values.set(spec.name, value)
    if (wrong !== undefined) problems.push({ key: spec.name, message: wrong })
  }
  for (const spec of table.also) if (!values.has(spec.name)) values.set(spec.name, fallback(spec))
  const value = (name: string): KeyValue => {
    const found = values.get(name)
    if (found === undefined) throw new Error(`${name} is no key of this table`)
    return found
  }
  return {
    config,
    entries,
    problems,
    value,
    text: name => {
      const found = value(name)
      return typeof found === 'string' && found !== '' ? found : null
    },
    list: name => {
      const found = value(name)
      return Array.isArray(found) ? (found as readonly string[]) : []
    },
  }
}

/** `${provider:key}` or `${provider:path:key}`: Connect would put another value in its place. */
const PROVIDED = /\$\{[A-Za-z][\w-]*:[^}]*\}/

const own = (config: ConnectorConfig, name: string): string | undefined =>
  Object.hasOwn(config, name) ? config[name] : undefined

function inFamily(families: readonly KeyFamily[], key: string): KeySpec | undefined {
  for (const { prefix, find } of families) {
    if (!key.startsWith(prefix)) continue
    const spec = find(key.slice(prefix.length))
    if (spec !== undefined) return { ...spec, name: key, required: false }
  }
  return undefined
}

const fallback = (spec: KeySpec): KeyValue => {
  if (spec.default === null) return null
  const parsed = parseValue(spec, spec.default)
  return 'value' in parsed ? parsed.value : null
}

function judge(
  spec: KeySpec,
  text: string | undefined,
): { readonly value: KeyValue; readonly wrong?: string } {
  const without = fallback(spec)
  if (text === undefined)
    return spec.required ? { value: without, wrong: 'must be given' } : { value: without }
  if (!spec.name.startsWith('ajna.') && PROVIDED.test(text))
    return {
      value: without,
      wrong:
        'refers to a configuration provider, of which none is loaded; write the value itself, secrets as files',
    }
  const parsed = parseValue(spec, text)
  if ('wrong' in parsed) return { value: without, wrong: parsed.wrong }
  if (spec.required && parsed.value === '') return { value: without, wrong: 'must not be empty' }
  const refusal = refusalOf(spec, text)
  if (refusal !== undefined) return { value: without, wrong: refusal }
  const wrong = spec.check?.(parsed.value)
  return wrong === undefined ? { value: parsed.value } : { value: without, wrong }
}

function refusalOf(spec: KeySpec, text: string): string | undefined {
  const { fate } = spec
  if (fate.kind !== 'refused') return undefined
  const plain = (value: string): string => value.trim().replaceAll(/\s*,\s*/g, ',')
  const accepted = [...fate.unless, spec.default ?? ''].map(plain)
  if (accepted.includes(plain(text)) || accepted.includes(plain(text).toLowerCase())) return undefined
  return `${shown(spec, text)} is refused. ${fate.because} ${fate.instead}`
}

function unknownKey({ keys, also, families }: KeyTable, key: string): string {
  const names = [
    ...[...keys, ...also].map(({ name }) => name),
    ...families
      .filter(({ prefix }) => key.startsWith(prefix))
      .flatMap(({ prefix, names: rest }) => rest.map(name => prefix + name)),
  ]
  const meant = nearest(key, names)
  return meant === undefined
    ? 'is no key of this connector'
    : `is no key of this connector; ${meant} is, if that is what is meant`
}
