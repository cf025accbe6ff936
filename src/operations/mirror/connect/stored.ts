import { createHash } from 'node:crypto'
import type { LinkDefinition } from '../definition.ts'
import type { LinkEntry } from '../registry.ts'
import { type ConnectorKind, connectorKind } from './config/connectors.ts'
import { LINK_CONNECTOR, linkConnectorConfig } from './config/link-connector.ts'
import type { ConnectorConfig } from './config/reading.ts'

/** A connector's configuration, kept with its link as it was given. */

const CONFIG = 'connect.config'
const MADE = 'connect.made'

export function annotationsOf(config: ConnectorConfig, definition: LinkDefinition): LinkEntry['annotations'] {
  return { [CONFIG]: JSON.stringify(config), [MADE]: fingerprint(definition) }
}

/** What a definition is made of, whatever state it is in. */
function fingerprint(definition: LinkDefinition): string {
  const { desired: _, ...rest } = definition
  return createHash('sha256').update(canonical(rest)).digest('base64url').slice(0, 22)
}

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )

export interface StoredConnector {
  readonly kind: ConnectorKind
  readonly config: ConnectorConfig
}

/**
 * The configuration a link came from; of one that came from elsewhere, or was changed elsewhere since, what it is now.
 */
export function connectorOf(entry: LinkEntry): StoredConnector {
  const text = entry.annotations[CONFIG]
  if (text !== undefined && entry.annotations[MADE] === fingerprint(entry.definition)) {
    const config = JSON.parse(text) as ConnectorConfig
    const kind = connectorKind(config['connector.class'] ?? '')
    if (kind !== undefined) return { kind, config }
  }
  return { kind: connectorKind(LINK_CONNECTOR)!, config: linkConnectorConfig(entry.definition) }
}

export const tasksMaxOf = (config: ConnectorConfig): number =>
  Math.max(1, Math.trunc(Number(config['tasks.max'] ?? 1)) || 1)
