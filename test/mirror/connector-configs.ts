import { connectorKind, translateConnector } from '../../src/operations/mirror/connect/config/connectors.ts'
import { LINK_CONNECTOR } from '../../src/operations/mirror/connect/config/link-connector.ts'
import { MIRUS_SOURCE } from '../../src/operations/mirror/connect/config/mirus.ts'
import { MIRROR_SOURCE } from '../../src/operations/mirror/connect/config/mm2.ts'
import type { Translation } from '../../src/operations/mirror/connect/config/translation.ts'

export const pemDirectory = '/state/mirror/pem'

/** The least that makes a link, per connector. */
export const leastConfigs: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [LINK_CONNECTOR]: {
    name: 'l',
    'connector.class': LINK_CONNECTOR,
    'source.cluster.bootstrap.servers': 'a:9092',
    'target.cluster.bootstrap.servers': 'b:9092',
    topics: 'orders',
  },
  [MIRUS_SOURCE]: {
    name: 'l',
    'connector.class': MIRUS_SOURCE,
    'consumer.bootstrap.servers': 'a:9092',
    'destination.consumer.bootstrap.servers': 'b:9092',
    'topics.whitelist': 'orders',
  },
  [MIRROR_SOURCE]: {
    name: 'l',
    'connector.class': MIRROR_SOURCE,
    'source.cluster.alias': 'a',
    'target.cluster.alias': 'b',
    'source.cluster.bootstrap.servers': 'a:9092',
    'target.cluster.bootstrap.servers': 'b:9092',
    topics: 'orders',
  },
}

/** Of the least configuration with changes; undefined takes a key out. */
export function translated(
  connector: string,
  changes: Readonly<Record<string, string | undefined>> = {},
): Translation {
  const config: Record<string, string> = {}
  for (const [key, value] of Object.entries({ ...leastConfigs[connector], ...changes }))
    if (value !== undefined) config[key] = value
  return translateConnector(connectorKind(config['connector.class']!)!, config, {
    pemDirectory,
    defaultTarget: null,
    trusted: true,
  })
}
