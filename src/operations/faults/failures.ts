import { listed } from '../../foundation/config/problem.ts'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import { pause } from '../../foundation/wire/backoff.ts'
import type { FailureFigures, Healer, Spread, TestedCluster } from './contract.ts'
import { TEST_KIND_UNKNOWN } from './errors.ts'
import { type RunResult, runScenario } from './run.ts'
import { type FaultInput, type Scenario, scenarioOf } from './scenario.ts'

/** A kind of failure that is measured, as a scenario of one fault. */
export interface FailureKind {
  readonly name: string
  readonly what: string
  readonly fault: Omit<FaultInput, 'at'>
  /** The broker it hits must lead nothing: which one is not the controller is seen before the topic is made. */
  readonly spareOne?: boolean
}

/** Longer than a broker's session and an election: what comes back before the fault is taken back, came back by itself. */
const HOLD = '12s'
/** Longer than a broker takes to give up a log dir, and than its clients wait for it. */
const DISK_HOLD = '15s'

export const failureKinds: readonly FailureKind[] = [
  {
    name: 'broker-kill',
    what: 'kill -9 of a broker that leads partitions and is not the controller',
    fault: { fault: 'kill', broker: 'leader', for: HOLD },
  },
  {
    name: 'broker-freeze',
    what: 'SIGSTOP of a broker that leads partitions and is not the controller',
    fault: { fault: 'freeze', broker: 'leader', for: HOLD },
  },
  {
    name: 'broker-blink',
    what: 'SIGSTOP of a leading broker for less than its session lasts, as a long pause for garbage',
    fault: { fault: 'freeze', broker: 'leader', for: '1500ms' },
  },
  {
    name: 'controller-kill',
    what: 'kill -9 of the active controller, which leads partitions too',
    fault: { fault: 'kill', broker: 'controller', for: HOLD },
  },
  {
    name: 'controller-freeze',
    what: 'SIGSTOP of the active controller, which leads partitions too',
    fault: { fault: 'freeze', broker: 'controller', for: HOLD },
  },
  {
    name: 'follower-kill',
    what: 'kill -9 of a broker that only follows',
    fault: { fault: 'kill', broker: 'follower', for: HOLD },
    spareOne: true,
  },
  {
    name: 'follower-freeze',
    what: 'SIGSTOP of a broker that only follows',
    fault: { fault: 'freeze', broker: 'follower', for: HOLD },
    spareOne: true,
  },
  {
    name: 'crash-loop',
    what: 'a leading broker that dies 3 s after each of two starts',
    fault: { fault: 'crash-loop', broker: 'leader', times: 3, every: '3s' },
  },
  {
    name: 'two-brokers-kill',
    what: 'kill -9 of two brokers of three at once: nothing can be acknowledged until one is back',
    fault: { fault: 'kill', broker: ['leader', 'any'], for: '6s' },
  },
  {
    name: 'all-brokers-kill',
    what: 'kill -9 of all brokers at once (processes, not machines: the page cache lives on)',
    fault: { fault: 'kill', broker: 'all', for: '3s' },
  },
  {
    name: 'leader-isolated',
    what: 'a leader that is cut off from all other brokers and controllers; its clients still reach it',
    fault: { fault: 'partition', broker: 'leader', for: HOLD },
  },
  {
    name: 'controller-isolated',
    what: 'the active controller cut off from all other brokers and controllers',
    fault: { fault: 'partition', broker: 'controller', for: HOLD },
  },
  {
    name: 'leader-mute',
    what: 'a one-way partition: others hear nothing of what a leader sends',
    fault: { fault: 'partition', broker: 'leader', way: 'out', for: HOLD },
  },
  {
    name: 'leader-deaf',
    what: 'a one-way partition: a leader hears nothing of what others send',
    fault: { fault: 'partition', broker: 'leader', way: 'in', for: HOLD },
  },
  {
    name: 'clients-cut',
    what: 'a leader that no client reaches, though all brokers do',
    fault: { fault: 'partition', broker: 'leader', from: 'clients', for: HOLD },
  },
  {
    name: 'connections-reset',
    what: 'every connection of a leader reset, those of clients too, for three seconds',
    fault: { fault: 'reset', broker: 'leader', from: 'all', for: '3s' },
  },
  {
    name: 'slow-network',
    what: 'a leader whose packets beyond 64 KiB a second to other brokers are lost',
    fault: { fault: 'throttle', broker: 'leader', way: 'out', bandwidth: '64KiB', for: HOLD },
  },
  {
    name: 'disk-error',
    what: 'EIO on every read and write of one of two log dirs of a leading broker',
    fault: { fault: 'disk-error', broker: 'leader', for: DISK_HOLD },
  },
  {
    name: 'disk-full',
    what: 'no space left on the disk of one of two log dirs of a leading broker',
    fault: { fault: 'disk-full', broker: 'leader', for: DISK_HOLD },
  },
  {
    name: 'disk-slow',
    what: 'each write and sync on the disk of one of two log dirs of a leading broker takes 2 s longer',
    fault: { fault: 'disk-slow', broker: 'leader', for: DISK_HOLD },
  },
  {
    name: 'disk-gone',
    what: 'the disk of one of two log dirs of a leading broker is pulled out',
    fault: { fault: 'disk-gone', broker: 'leader', for: DISK_HOLD },
  },
]

/** @throws AjnaError TEST_KIND_UNKNOWN */
export function kindsNamed(names: readonly string[] | undefined): readonly FailureKind[] {
  if (names === undefined) return failureKinds
  return names.map(name => {
    const found = failureKinds.find(kind => kind.name === name)
    if (found !== undefined) return found
    throw new AjnaError(
      TEST_KIND_UNKNOWN,
      `${JSON.stringify(name)} is not among ${listed(failureKinds.map(each => each.name))}`,
    )
  })
}

export interface FailuresTask {
  readonly cluster: TestedCluster
  readonly kinds: readonly FailureKind[]
  readonly runs: number
  readonly folder: string
  readonly random: () => number
  readonly healer?: Healer
  readonly explain?: (broker: number, since: string) => Promise<string>
  readonly note: (what: string) => void
  /** Told of each run as it ends. */
  readonly ran?: (kind: FailureKind, scenario: Scenario, result: RunResult) => void
  readonly signal: AbortSignal
}

/** Measures kinds of failures one after another, each in the same load; round by round, so that a change of the machine meets all. */
export async function measureFailures(task: FailuresTask): Promise<readonly FailureFigures[]> {
  const { kinds, runs, note } = task
  const results = new Map<string, RunResult[]>(kinds.map(({ name }) => [name, []]))
  for (let run = 1; run <= runs; run++)
    for (const kind of kinds) {
      note(`${kind.name}, run ${run} of ${runs}: ${kind.what}`)
      const scenario = await scenarioFor(kind, task)
      const result = await runScenario({ ...task, scenario })
      results.get(kind.name)!.push(result)
      task.ran?.(kind, scenario, result)
    }
  return kinds.map(({ name }) => figuresOf(name, results.get(name)!))
}

const WARM_UP = '4s'

async function scenarioFor(kind: FailureKind, { cluster, signal }: FailuresTask): Promise<Scenario> {
  const leaders = kind.spareOne === true ? await allButOne(cluster, signal) : undefined
  return scenarioOf({
    name: kind.name,
    cluster: { nodes: cluster.nodes.length },
    ...(leaders === undefined ? {} : { load: { leaders: [...leaders] } }),
    faults: [{ ...kind.fault, at: WARM_UP }],
    expect: {},
  })
}

const ASK_AGAIN_MS = 200

/** Brokers that shall lead: all but one that is not the controller. */
async function allButOne(cluster: TestedCluster, signal: AbortSignal): Promise<readonly number[]> {
  await using admin = openCluster({ bootstrap: cluster.bootstrap, clientId: 'ajna-test' })
  for (;;) {
    const { leader } = await admin.describeQuorum({ signal })
    const spare = cluster.nodes.findLast(({ id }) => id !== leader)
    if (leader !== null && spare !== undefined)
      return cluster.nodes.filter(node => node !== spare).map(({ id }) => id)
    await pause(ASK_AGAIN_MS, signal)
  }
}

/** What the runs of one kind come to. Pure. */
export function figuresOf(kind: string, results: readonly RunResult[]): FailureFigures {
  const faults = results.flatMap(({ faults }) => faults)
  const sum = (of: (result: RunResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0)
  return {
    kind,
    runs: results.length,
    detectionMs: spreadOf(faults.map(each => each.detectionMs)).median,
    availabilityRestoredMs: spreadOf(faults.map(each => each.availability.restoredMs)),
    longestGapMs: spreadOf(faults.map(each => each.availability.longestGapMs)),
    revertedMs: spreadOf(faults.map(each => Math.round(each.revertedAt - each.at))),
    redundancyRestoredMs: spreadOf(faults.map(each => each.redundancyRestoredMs)),
    lost: sum(({ records }) => records.lost),
    duplicated: sum(({ records }) => records.duplicated),
    reordered: sum(({ records }) => records.reordered),
  }
}

/** Never is longer than any time. Of an even number the upper one of the two in the middle: nothing is made up. */
export function spreadOf(values: readonly (number | null)[]): Spread {
  const sorted = [...values].sort((a, b) => (a ?? Number.POSITIVE_INFINITY) - (b ?? Number.POSITIVE_INFINITY))
  return { median: sorted[Math.floor(sorted.length / 2)] ?? null, worst: sorted.at(-1) ?? null }
}
