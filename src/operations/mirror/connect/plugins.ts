import { type ConnectorKind, connectorKind, connectorKinds } from './config/connectors.ts'
import { type ConfigKeyInfo, keyInfo } from './config/infos.ts'
import type { KeySpec } from './config/key.ts'
import { MIRROR_CHECKPOINT, MIRROR_HEARTBEAT } from './config/mm2.ts'
import { transformPlugins } from './config/transforms.ts'

/** What a configuration may name, as Connect lists its plugins. */

export interface PluginInfo {
  readonly class: string
  readonly type: string
  readonly version: string
}

interface Plugin {
  readonly class: string
  readonly type: string
  readonly keys: readonly KeySpec[]
}

/** Those whose configurations are told what to do instead are not offered. */
const REFUSED: ReadonlySet<string> = new Set([MIRROR_CHECKPOINT, MIRROR_HEARTBEAT])
const CONVERTER = 'org.apache.kafka.connect.converters.ByteArrayConverter'

const others: readonly Plugin[] = [
  ...transformPlugins,
  { class: CONVERTER, type: 'converter', keys: [] },
  { class: CONVERTER, type: 'header_converter', keys: [] },
]

export function listPlugins(version: string, connectorsOnly: boolean): readonly PluginInfo[] {
  const connectors = connectorKinds
    .filter(kind => !REFUSED.has(kind.class))
    .map(kind => ({ class: kind.class, type: 'source' }))
  const all = connectorsOnly ? connectors : [...connectors, ...others]
  return all.map(({ class: name, type }) => ({ class: name, type, version }))
}

/** Undefined: no such plugin. */
export function pluginKeys(name: string): readonly ConfigKeyInfo[] | undefined {
  const kind: ConnectorKind | undefined = connectorKind(name)
  if (kind !== undefined) return kind.table.keys.map(keyInfo)
  return others.find(plugin => plugin.class === name)?.keys.map(keyInfo)
}
