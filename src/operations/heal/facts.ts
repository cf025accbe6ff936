/** Facts of one cluster, gathered from its controller, its hosts' agent and the probes. */
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import type { RegisteredBroker } from '../../foundation/kafka/facts.ts'
import type { ProcessStatus } from '../hosts/contract.ts'
import type { BrokerFacts, HealFacts, PartitionFacts, ProcessEnd, Testimony } from './contract.ts'
import type { HealedBroker } from './ends.ts'
import { type LogDirWords, logDirFacts } from './log-dirs.ts'
import type { Probes } from './probe.ts'

const ASK_MS = 1_500
/** Its agent starts it again only when it is told to. */
const GIVEN_UP: ReadonlySet<ProcessStatus['state']> = new Set(['gave-up', 'stopped', 'ended'])

/** What the controller says; null: it did not. */
export interface ControllerView {
  readonly brokers: readonly RegisteredBroker[]
  readonly partitions: readonly PartitionFacts[]
}

/** @throws what the cluster answers */
export async function controllerView(admin: ClusterAdmin, signal: AbortSignal): Promise<ControllerView> {
  const call = { signal, deadlineMs: ASK_MS }
  const [{ brokers }, topics] = await Promise.all([
    admin.describeCluster(call),
    admin.describeTopics('all', call),
  ])
  const partitions = topics.flatMap(({ name: topic, partitions: each }) =>
    each.map(state => ({ topic, ...state })),
  )
  return { brokers, partitions }
}

export interface Sides {
  readonly cluster: string
  readonly brokers: readonly HealedBroker[]
  readonly view: ControllerView | null
  /** Null: the agent does not answer. */
  readonly processes: readonly ProcessStatus[] | null
  /** Whether a broker's process was seen running when it was watched; absent: not watched. */
  readonly ran: ReadonlyMap<number, boolean>
  readonly probes: Probes
  readonly logDirs: LogDirWords
  /** How many in-sync replicas acknowledge a write of a topic; null: not known. */
  readonly needs: (topic: string) => number | null
  readonly damaged: NonNullable<HealFacts['damaged']>
  readonly at: number
}

export function factsOf(sides: Sides): HealFacts {
  const { cluster, brokers, view, processes, ran, probes, logDirs, needs, damaged, at } = sides
  const statusOf = (process: string) => processes?.find(({ name }) => name === process)
  return {
    at,
    cluster,
    damaged,
    partitions: view?.partitions.map(each => ({ ...each, needs: needs(each.topic) })) ?? null,
    brokers: brokers.map(
      ({ id, rack, process }): BrokerFacts => ({
        id,
        rack,
        registration: registrationOf(id, view),
        testimony: testimonyOf(processes, process, ran.get(id) ?? null),
        dirs: logDirFacts(statusOf(process), logDirs.of(id)),
        probe: probes.of(id),
      }),
    ),
  }
}

function registrationOf(id: number, view: ControllerView | null): BrokerFacts['registration'] {
  if (view === null) return 'unknown'
  const found = view.brokers.find(broker => broker.id === id)
  if (found === undefined) return 'absent'
  return found.fenced === true ? 'fenced' : 'up'
}

/** What the agents say of one process. */
export function testimonyOf(
  processes: readonly ProcessStatus[] | null,
  process: string,
  ran: boolean | null,
): Testimony {
  const [status, ...others] = processes?.filter(({ name }) => name === process) ?? []
  if (status === undefined) return { kind: 'none' }
  if (others.some(({ pid }) => pid !== status.pid))
    return { kind: 'disputed', says: [status, ...others].map(({ pid }) => livesText(pid)).toSorted() }
  const lastEnd = endOf(status)
  if (status.pid === null || status.since === null)
    return { kind: 'dead', lastEnd, givenUp: GIVEN_UP.has(status.state) }
  return { kind: 'running', pid: status.pid, since: status.since, ran, lastEnd }
}

const livesText = (pid: number | null): string => (pid === null ? 'it does not run' : `process ${pid} runs`)

function endOf({ lastEnd }: ProcessStatus): ProcessEnd | null {
  if (lastEnd === null) return null
  const { at, pid, code, signal, expected } = lastEnd
  const how = signal ?? (code === null ? 'nobody was told how' : `code ${code}`)
  return { at, pid, how, expected }
}
