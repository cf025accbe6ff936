import type { ConnectorKind } from './connectors.ts'
import { documentationOf, type KeySpec, type Problem } from './key.ts'
import type { Reading } from './reading.ts'
import { parseValue } from './value.ts'

/** A table and a reading in the form of Connect's answers about configurations. */

export interface ConfigKeyInfo {
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly default_value: string | null
  readonly importance: string
  readonly documentation: string
  readonly group: string | null
  readonly order_in_group: number
  readonly width: string
  readonly display_name: string
  readonly dependents: readonly string[]
}

export interface ConfigValueInfo {
  readonly name: string
  readonly value: string | null
  readonly recommended_values: readonly string[]
  readonly errors: readonly string[]
  readonly visible: boolean
}

export interface ConfigInfos {
  readonly name: string
  readonly error_count: number
  readonly groups: readonly string[]
  readonly configs: readonly { readonly definition: ConfigKeyInfo; readonly value: ConfigValueInfo }[]
}

export function keyInfo(spec: KeySpec): ConfigKeyInfo {
  const { name, type, required, importance, shelf } = spec
  return {
    name,
    type,
    required,
    default_value: spec.default,
    importance,
    documentation: documentationOf(spec),
    group: shelf?.group ?? null,
    order_in_group: shelf?.order ?? -1,
    width: shelf?.width ?? 'NONE',
    display_name: shelf?.title ?? name,
    dependents: [],
  }
}

export function configInfos(
  kind: ConnectorKind,
  reading: Reading,
  problems: readonly Problem[],
): ConfigInfos {
  const errors = Map.groupBy(problems, ({ key }) => key)
  const known = new Set(reading.entries.map(({ spec }) => spec.name))
  const configs = [
    ...reading.entries.map(({ spec, text }) => ({ spec, text })),
    ...[...errors.keys()]
      .filter(key => !known.has(key))
      .map(key => ({ spec: unknownSpec(key), text: reading.config[key] })),
  ].map(({ spec, text }) => {
    const messages = (errors.get(spec.name) ?? []).map(({ message }) => `${spec.name}: ${message}`)
    const value: ConfigValueInfo = {
      name: spec.name,
      value: messages.length > 0 ? null : shownValue(spec, text),
      recommended_values: [],
      errors: messages,
      visible: true,
    }
    return { definition: keyInfo(spec), value }
  })
  return {
    name: kind.class,
    error_count: problems.length,
    groups: [...new Set(kind.table.keys.flatMap(({ shelf }) => (shelf === undefined ? [] : [shelf.group])))],
    configs,
  }
}

const unknownSpec = (name: string): KeySpec => ({
  name,
  type: 'STRING',
  required: false,
  default: null,
  importance: 'LOW',
  fate: { kind: 'refused', because: 'It is no key of this connector.', instead: 'Leave it out.', unless: [] },
})

/** As Connect writes values back: of secrets only that there is one. */
function shownValue(spec: KeySpec, text: string | undefined): string | null {
  if (text === undefined) return spec.default
  if (spec.type === 'PASSWORD') return '[hidden]'
  const parsed = parseValue(spec, text)
  if ('wrong' in parsed) return null
  return Array.isArray(parsed.value) ? parsed.value.join(',') : String(parsed.value)
}
