import { newlyGathered } from './gathered.ts'
import type { Problem } from './key.ts'
import { LINK_CONNECTOR, linkConnectorTable, translateLinkConnector } from './link-connector.ts'
import { MIRUS_SOURCE, mirusTable, translateMirus } from './mirus.ts'
import {
  MIRROR_CHECKPOINT,
  MIRROR_HEARTBEAT,
  MIRROR_SOURCE,
  mirrorCheckpointTable,
  mirrorHeartbeatTable,
  mirrorSourceTable,
  translateMirrorSource,
} from './mm2.ts'
import { type ConnectorConfig, type KeyTable, type Reading, readConnectorConfig } from './reading.ts'
import { conclude, type Translation, type TranslationContext } from './translation.ts'

/** Whose partitions and offsets a connector's clients expect (GET …/offsets). */
export type OffsetForm = 'link' | 'mirus' | 'mm2'

export interface ConnectorKind {
  readonly class: string
  readonly table: KeyTable
  readonly offsets: OffsetForm
  /** Key of a task's configuration that lists its partitions, as the original writes it. */
  readonly taskKey: string
  translate(reading: Reading, context: TranslationContext): Translation
}

const nothingToRun =
  (message: string) =>
  (reading: Reading): Translation => {
    const gathered = newlyGathered()
    gathered.problems.push({ key: 'connector.class', message })
    return conclude(reading, gathered, {
      source: undefined,
      target: undefined,
      fields: { topics: { include: [] } },
    })
  }

export const connectorKinds: readonly ConnectorKind[] = [
  {
    class: LINK_CONNECTOR,
    table: linkConnectorTable,
    offsets: 'link',
    taskKey: 'task.assigned.partitions',
    translate: translateLinkConnector,
  },
  {
    class: MIRUS_SOURCE,
    table: mirusTable,
    offsets: 'mirus',
    taskKey: 'partitions',
    translate: translateMirus,
  },
  {
    class: MIRROR_SOURCE,
    table: mirrorSourceTable,
    offsets: 'mm2',
    taskKey: 'task.assigned.partitions',
    translate: translateMirrorSource,
  },
  {
    class: MIRROR_CHECKPOINT,
    table: mirrorCheckpointTable,
    offsets: 'mm2',
    taskKey: 'task.assigned.groups',
    translate: nothingToRun(
      'MirrorCheckpointConnector is refused: a link’s offsets need no translation, or their exact mapping is kept by the link itself. Leave the connector out; give sync.group.offsets.enabled to MirrorSourceConnector, and move groups with `ajna link promote`.',
    ),
  },
  {
    class: MIRROR_HEARTBEAT,
    table: mirrorHeartbeatTable,
    offsets: 'mm2',
    taskKey: 'task.index',
    translate: nothingToRun(
      'MirrorHeartbeatConnector is refused: a link measures its own lag, and says so in its status and metrics. Leave the connector out.',
    ),
  },
]

/** Connect takes a class by its whole name, its simple name, and its simple name without `Connector`. */
export function connectorKind(name: string): ConnectorKind | undefined {
  const wanted = name.trim()
  return connectorKinds.find(({ class: whole }) => {
    const simple = whole.slice(whole.lastIndexOf('.') + 1)
    return wanted === whole || wanted === simple || `${wanted}Connector` === simple
  })
}

export function translateConnector(
  kind: ConnectorKind,
  config: ConnectorConfig,
  context: TranslationContext,
): Translation & { readonly reading: Reading } {
  const reading = readConnectorConfig(kind.table, config)
  return { ...kind.translate(reading, context), reading }
}

/** Problems by their keys, in order. */
export function problemsByKey(problems: readonly Problem[]): ReadonlyMap<string, readonly string[]> {
  const byKey = new Map<string, string[]>()
  for (const { key, message } of problems) byKey.set(key, [...(byKey.get(key) ?? []), message])
  return byKey
}
