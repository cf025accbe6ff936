import type { LinkPartitionStatus, LinkStatus } from '../contract.ts'
import type { LinkEntry } from '../registry.ts'
import type { ConnectorState, ConnectorStateInfo, StateInfo, TaskStateInfo } from './contract.ts'

/** A link's partitions as a connector's tasks. */

/**
 * Partitions in order of topic and number, dealt out in turn, as MirrorMaker 2 and Mirus do: who asks twice gets the same
 * tasks, on whichever server.
 */
export function tasksOf<Partition extends { readonly topic: string; readonly partition: number }>(
  partitions: readonly Partition[],
  tasksMax: number,
): readonly (readonly Partition[])[] {
  const sorted = partitions.toSorted((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  )
  const tasks: Partition[][] = Array.from({ length: Math.min(tasksMax, sorted.length) }, () => [])
  sorted.forEach((partition, index) => {
    tasks[index % tasks.length]!.push(partition)
  })
  return tasks
}

/** A status older than this says nothing about now: who said it may be gone. */
const STALE_MS = 30_000
const TRACED_PARTITIONS = 20
const AT_WORK: ReadonlySet<string> = new Set(['starting', 'running', 'paused'])

export interface StateContext {
  readonly workerId: string
  readonly version: string
  readonly now: number
}

/** How a link stands, in Connect's words. */
export function connectorState(
  entry: LinkEntry,
  status: LinkStatus | undefined,
  tasksMax: number,
  context: StateContext,
): ConnectorStateInfo {
  const { name, desired } = entry.definition
  const { state, trace } = linkState(desired, status, context.now)
  const tasks =
    desired === 'stopped'
      ? []
      : tasksOf(status?.partitions ?? [], tasksMax).map(
          (partitions, id): TaskStateInfo => ({ id, ...taskState(partitions, state, trace, context) }),
        )
  return { name, connector: stateInfo(state, trace, context), tasks, type: 'source' }
}

interface Stand {
  readonly state: ConnectorState
  readonly trace: string
}

function linkState(
  desired: LinkEntry['definition']['desired'],
  status: LinkStatus | undefined,
  now: number,
): Stand {
  if (desired === 'stopped') return { state: 'STOPPED', trace: '' }
  if (desired === 'paused') return { state: 'PAUSED', trace: '' }
  if (status === undefined) return { state: 'UNASSIGNED', trace: 'no worker has taken this link up yet' }
  if (now - status.observedAt > STALE_MS) {
    const since = new Date(status.observedAt).toISOString()
    return { state: 'UNASSIGNED', trace: `no worker has said anything about this link since ${since}` }
  }
  if (!AT_WORK.has(status.state))
    return { state: 'UNASSIGNED', trace: status.reason || `the link’s worker is ${status.state}` }
  // It cannot begin, and tries on; what runs and has something to say waits for somebody.
  const state = status.state === 'starting' && status.reason !== '' ? 'FAILED' : 'RUNNING'
  return { state, trace: status.reason }
}

/** A task has failed when somebody has to do something about one of its partitions; its others go on all the same. What waits is only said. */
function taskState(
  partitions: readonly LinkPartitionStatus[],
  state: ConnectorState,
  trace: string,
  context: StateContext,
): StateInfo {
  const failed = partitions.filter(each => each.state === 'halted' || each.state === 'blocked')
  if (failed.length > 0) return stateInfo('FAILED', traceOf(failed), context)
  if (state !== 'RUNNING') return stateInfo(state, trace, context)
  return stateInfo(state, traceOf(partitions.filter(each => each.state === 'waiting')), context)
}

function traceOf(troubled: readonly LinkPartitionStatus[]): string {
  const lines = troubled
    .slice(0, TRACED_PARTITIONS)
    .map(each => `${each.topic}-${each.partition}: ${each.state}: ${each.reason}`)
  const more = troubled.length > lines.length ? [`and ${troubled.length - lines.length} more partitions`] : []
  return [...lines, ...more].join('\n')
}

const stateInfo = (state: ConnectorState, trace: string, { workerId, version }: StateContext): StateInfo => ({
  state,
  worker_id: workerId,
  ...(trace === '' ? {} : { trace }),
  version,
})

/** What a restart answers: those it begins anew, before they have begun. */
export function restarting(
  info: ConnectorStateInfo,
  onlyFailed: boolean,
  includeTasks: boolean,
): ConnectorStateInfo {
  const restart = <Info extends StateInfo>(each: Info, included: boolean): Info => {
    if (!included || (onlyFailed && each.state !== 'FAILED')) return each
    const { trace: _, ...without } = each
    return { ...without, state: 'RESTARTING' } as Info
  }
  return {
    ...info,
    connector: restart(info.connector, true),
    tasks: info.tasks.map(task => restart(task, includeTasks)),
  }
}
