import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { LinkPartitionStatus } from '../contract.ts'
import type { LinkEntry, LinkRegistry } from '../registry.ts'
import type { ConnectorKind } from './config/connectors.ts'
import type { ConnectorInfo, ConnectorStateInfo, TaskInfo } from './contract.ts'
import { CONNECT_UNKNOWN } from './errors.ts'
import { connectorOf, tasksMaxOf } from './stored.ts'
import { connectorState, tasksOf } from './tasks.ts'

/** Links as Connect shows connectors. */
export interface ConnectorViews {
  info(entry: LinkEntry): ConnectorInfo
  state(entry: LinkEntry): ConnectorStateInfo
  tasks(entry: LinkEntry): readonly TaskInfo[]
  /** Partitions of one task. @throws AjnaError CONNECT_UNKNOWN */
  task(entry: LinkEntry, index: number): readonly { readonly topic: string; readonly partition: number }[]
}

export interface ViewOptions {
  readonly registry: LinkRegistry
  /** host:port of this server, asked once it listens. */
  readonly workerId: () => string
  /** Ajna's own. */
  readonly version: string
  readonly now: () => number
}

export function connectorViews({ registry, workerId, version, now }: ViewOptions): ConnectorViews {
  const taskLists = (entry: LinkEntry): readonly (readonly LinkPartitionStatus[])[] => {
    const { name, desired } = entry.definition
    if (desired === 'stopped') return []
    return tasksOf(registry.status(name)?.partitions ?? [], tasksMaxOf(connectorOf(entry).config))
  }
  return {
    info(entry) {
      const { name } = entry.definition
      const tasks = taskLists(entry).map((_, task) => ({ connector: name, task }))
      return { name, config: connectorOf(entry).config, tasks, type: 'source' }
    },
    state(entry) {
      const tasksMax = tasksMaxOf(connectorOf(entry).config)
      const context = { workerId: workerId(), version, now: now() }
      return connectorState(entry, registry.status(entry.definition.name), tasksMax, context)
    },
    tasks(entry) {
      const { kind, config } = connectorOf(entry)
      return taskLists(entry).map((partitions, task) => ({
        id: { connector: entry.definition.name, task },
        config: { ...config, ...taskConfig(kind, partitions) },
      }))
    },
    task(entry, index) {
      const partitions = taskLists(entry)[index]
      if (partitions !== undefined) return partitions.map(({ topic, partition }) => ({ topic, partition }))
      throw new AjnaError(CONNECT_UNKNOWN, `connector ${entry.definition.name} has no task ${index}`)
    },
  }
}

/** A task's partitions as the original connector writes them into its tasks. */
function taskConfig(
  { taskKey, offsets }: ConnectorKind,
  partitions: readonly { readonly topic: string; readonly partition: number }[],
): Readonly<Record<string, string>> {
  const list = partitions.map(({ topic, partition }) => ({ topic, partition }))
  return offsets === 'mirus'
    ? { [taskKey]: JSON.stringify(list) }
    : { [taskKey]: list.map(({ topic, partition }) => `${topic}-${partition}`).join(',') }
}
