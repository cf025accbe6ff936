import { listed } from '../../foundation/config/problem.ts'
import { duration } from '../../foundation/config/units.ts'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import { pause } from '../../foundation/wire/backoff.ts'
import type { Incident } from '../heal/contract.ts'
import type {
  ExpectedHealing,
  FailureFigures,
  Healer,
  Impairment,
  Spread,
  TestedCluster,
} from './contract.ts'
import { TEST_KIND_UNKNOWN } from './errors.ts'
import type { RunFollower } from './follow.ts'
import { judge } from './judge.ts'
import { type RunResult, runScenario } from './run.ts'
import {
  type FaultInput,
  needsClocks,
  needsDisks,
  type Scenario,
  type ScenarioInput,
  scenarioOf,
} from './scenario.ts'

/** A kind of failure that is measured: what is done, and, with a healer at work, what must be told of it and done about it. */
export interface FailureKind {
  readonly name: string
  readonly what: string
  /** The first one begins when the load has warmed up: `at` counts from then. */
  readonly faults: readonly FaultInput[]
  /** What of Ajna itself fails too; such a kind is measured with a healer only. */
  readonly impaired?: Impairment
  readonly expect: ExpectedHealing
  /** The broker it hits must lead nothing: which one is not the controller is seen before the topic is made. */
  readonly spareOne?: boolean
  /** So many of its faults only bring about what the failure meets. */
  readonly prelude?: number
  /** What of the cluster and the load is not as usual. */
  readonly setting?: Pick<ScenarioInput, 'cluster' | 'load'>
}

/** Longer than a broker's session and an election: what comes back before the fault is taken back, came back by itself. */
const HOLD = '12s'
/** Longer than a broker takes to give up a log dir, and than its clients wait for it. */
const DISK_HOLD = '15s'

/** Of the usual: a dead broker is taken off the cluster, a frozen one killed before; that alone, if nobody waits for it any more. */
const DEAD: ExpectedHealing = { incident: 'broker-dead', remedy: ['unregister'] }
const FROZEN: ExpectedHealing = { incident: 'broker-frozen', remedy: ['kill-and-unregister', 'kill'] }

/** A pause that is soon over, or trouble in the network: the process is well, and who ended it would only make things worse. */
const UNTOUCHED: ExpectedHealing = { incident: 'none', remedy: 'none' }

/** One after another leads, and all of them may be away at once: a controller that has none of the replicas lives on. */
const succession = (minInSync: number): NonNullable<FailureKind['setting']> => ({
  cluster: { nodes: 4, controllers: 1, minInSync },
  load: { succession: true },
})

/**
 * One leader after another, away until the third one is down too: back before, they would be in sync again, and Kafka elect
 * them.
 */
const TWO_LEADERS_DOWN: readonly FaultInput[] = ['0s', '6s'].map(at => ({
  ...{ at, fault: 'down', broker: 'leader', for: '60s', untilFault: 3 },
}))

/** To measure one more kind, add it here. */
export const failureKinds: readonly FailureKind[] = [
  {
    name: 'broker-kill',
    what: 'kill -9 of a broker that leads partitions and is not the controller',
    faults: [{ at: '0s', fault: 'kill', broker: 'leader', for: HOLD }],
    expect: DEAD,
  },
  {
    name: 'broker-freeze',
    what: 'SIGSTOP of a broker that leads partitions and is not the controller',
    faults: [{ at: '0s', fault: 'freeze', broker: 'leader', for: HOLD }],
    expect: FROZEN,
  },
  {
    name: 'broker-blink',
    what: 'SIGSTOP of a leading broker for half a second, as when its machine is moved: to be left alone',
    faults: [{ at: '0s', fault: 'freeze', broker: 'leader', for: '500ms' }],
    expect: UNTOUCHED,
  },
  {
    name: 'controller-kill',
    what: 'kill -9 of the active controller, which leads partitions too',
    faults: [{ at: '0s', fault: 'kill', broker: 'controller', for: HOLD }],
    expect: DEAD,
  },
  {
    name: 'controller-freeze',
    what: 'SIGSTOP of the active controller, which leads partitions too',
    faults: [{ at: '0s', fault: 'freeze', broker: 'controller', for: HOLD }],
    expect: FROZEN,
  },
  {
    name: 'follower-kill',
    what: 'kill -9 of a broker that only follows',
    faults: [{ at: '0s', fault: 'kill', broker: 'follower', for: HOLD }],
    expect: DEAD,
    spareOne: true,
  },
  {
    name: 'follower-freeze',
    what: 'SIGSTOP of a broker that only follows',
    faults: [{ at: '0s', fault: 'freeze', broker: 'follower', for: HOLD }],
    expect: FROZEN,
    spareOne: true,
  },
  {
    name: 'crash-loop',
    what: 'a leading broker that dies 3 s after each of two starts',
    faults: [{ at: '0s', fault: 'crash-loop', broker: 'leader', times: 3, every: '3s' }],
    expect: DEAD,
  },
  {
    name: 'rolling-kill',
    what: 'kill -9 of each broker in turn, 15 s apart',
    faults: [1, 2, 3].map((broker, turn) => ({ at: `${turn * 15}s`, fault: 'kill', broker, for: '8s' })),
    expect: DEAD,
  },
  {
    name: 'two-brokers-kill',
    what: 'kill -9 of two brokers of three at once: nothing can be acknowledged until one is back',
    faults: [{ at: '0s', fault: 'kill', broker: ['leader', 'any'], for: '6s' }],
    // Two of three controllers are gone: whether one of them can still be taken off depends on who comes back first.
    expect: { incident: 'broker-dead' },
  },
  {
    name: 'all-brokers-kill',
    what: 'kill -9 of all brokers at once (processes, not machines: the page cache lives on)',
    faults: [{ at: '0s', fault: 'kill', broker: 'all', for: '3s' }],
    // Nobody is left who could be asked to act.
    expect: { incident: 'broker-dead', remedy: 'none' },
  },
  {
    name: 'zombie',
    what: 'a leading broker is unregistered while it runs: it answers clients, and never registers again by itself',
    faults: [{ at: '0s', fault: 'unregister', broker: 'leader', for: '90s' }],
    expect: { incident: 'broker-unregistered', remedy: ['kill'] },
  },
  {
    name: 'bad-config',
    what: 'settings that no broker starts with are put on a leading broker, which dies; they are taken back after 12 s',
    faults: [{ at: '0s', fault: 'bad-config', broker: 'leader', for: HOLD }],
    expect: DEAD,
  },
  {
    name: 'host-down',
    what: 'a leading broker and the agent of its host are gone at the same moment, for 12 s: nobody testifies',
    faults: [{ at: '0s', fault: 'kill', broker: 'leader', for: HOLD }],
    impaired: 'host',
    expect: { incident: 'broker-lost', remedy: 'none' },
  },
  {
    name: 'agent-dead',
    what: "the agent of a leading broker's host has been gone for 2 s when the broker is killed, for 12 s",
    faults: [{ at: '0s', fault: 'kill', broker: 'leader', for: HOLD }],
    impaired: 'agent',
    expect: { incident: 'broker-lost', remedy: 'none' },
  },
  {
    name: 'agent-dead-freeze',
    what: "the same, and the broker is frozen: nobody can end what its clients' requests hang in",
    faults: [{ at: '0s', fault: 'freeze', broker: 'leader', for: HOLD }],
    impaired: 'agent',
    expect: { incident: 'broker-lost', remedy: 'none' },
  },
  {
    name: 'leases-away',
    what: 'the cluster that keeps leases and incidents is down when a leading broker is killed: Kafka alone',
    faults: [{ at: '0s', fault: 'kill', broker: 'leader', for: HOLD }],
    impaired: 'leases',
    // It is told of once that can be written down; by then there is nothing left to do.
    expect: { incident: 'broker-dead', remedy: 'none' },
  },
  {
    name: 'healer-dies',
    what: 'a leading broker freezes, and the healer dies between its lease and its act: another one takes over',
    faults: [{ at: '0s', fault: 'freeze', broker: 'leader', for: '60s' }],
    impaired: 'healer-dies',
    expect: FROZEN,
  },
  {
    name: 'healer-freezes',
    what: 'the same, and that healer only freezes; it wakes after the other one has acted, and is refused',
    faults: [{ at: '0s', fault: 'freeze', broker: 'leader', for: '60s' }],
    impaired: 'healer-freezes',
    expect: FROZEN,
  },
  {
    name: 'leaderless',
    what: 'the last in-sync replica is gone for good; of the two that come back, at different offsets, one has all it had',
    faults: [
      ...TWO_LEADERS_DOWN,
      // What it followed until then it has, and no more: alone it acknowledges nothing.
      { at: '6s', fault: 'down', broker: 'last', for: '40s' },
    ],
    prelude: 2,
    setting: succession(2),
    expect: { incident: 'partition-leaderless', remedy: ['elect-most-advanced'] },
  },
  {
    name: 'leaderless-unsafe',
    what: 'the same, and alone it had acknowledged what nobody else has: a person is asked, and it comes back after 40 s',
    faults: [...TWO_LEADERS_DOWN, { at: '12s', fault: 'down', broker: 'last', for: '40s' }],
    prelude: 2,
    setting: succession(1),
    expect: { incident: 'partition-leaderless', remedy: 'none', proposed: true },
  },
  {
    name: 'leader-isolated',
    what: 'a leader that is cut off from all other brokers and controllers; its clients still reach it',
    faults: [{ at: '0s', fault: 'partition', broker: 'leader', for: HOLD }],
    expect: UNTOUCHED,
  },
  {
    name: 'controller-isolated',
    what: 'the active controller cut off from all other brokers and controllers',
    faults: [{ at: '0s', fault: 'partition', broker: 'controller', for: HOLD }],
    expect: UNTOUCHED,
  },
  {
    name: 'leader-mute',
    what: 'a one-way partition: others hear nothing of what a leader sends',
    faults: [{ at: '0s', fault: 'partition', broker: 'leader', way: 'out', for: HOLD }],
    expect: UNTOUCHED,
  },
  {
    name: 'leader-deaf',
    what: 'a one-way partition: a leader hears nothing of what others send',
    faults: [{ at: '0s', fault: 'partition', broker: 'leader', way: 'in', for: HOLD }],
    expect: UNTOUCHED,
  },
  {
    name: 'clients-cut',
    what: 'a leader that no client reaches, though all brokers do',
    faults: [{ at: '0s', fault: 'partition', broker: 'leader', from: 'clients', for: HOLD }],
    expect: UNTOUCHED,
  },
  {
    name: 'connections-reset',
    what: 'every connection of a leader reset, those of clients too, for three seconds',
    faults: [{ at: '0s', fault: 'reset', broker: 'leader', from: 'all', for: '3s' }],
    expect: UNTOUCHED,
  },
  {
    name: 'clock-ahead',
    what: "a leading broker's clock is set ten minutes ahead while it runs, and right again after 12 s",
    faults: [{ at: '0s', fault: 'clock-skew', broker: 'leader', ahead: '10m', for: HOLD }],
    expect: UNTOUCHED,
  },
  {
    name: 'slow-link',
    what: 'a leader as far away from other brokers as another continent: 100 ms each way, half as much more or less',
    faults: [{ at: '0s', fault: 'delay', broker: 'leader', by: '100ms', jitter: '50ms', for: HOLD }],
    expect: UNTOUCHED,
  },
  {
    name: 'slow-network',
    what: 'a leader whose packets beyond 64 KiB a second to other brokers are lost',
    faults: [{ at: '0s', fault: 'throttle', broker: 'leader', way: 'out', bandwidth: '64KiB', for: HOLD }],
    expect: UNTOUCHED,
  },
  {
    name: 'disk-error',
    what: 'EIO on every read and write of one of two log dirs of a leading broker',
    faults: [{ at: '0s', fault: 'disk-error', broker: 'leader', for: DISK_HOLD }],
    expect: { incident: 'disk-failed', remedy: ['withdraw-replicas'] },
  },
  {
    name: 'disk-full',
    what: 'no space left on the disk of one of two log dirs of a leading broker',
    faults: [{ at: '0s', fault: 'disk-full', broker: 'leader', for: DISK_HOLD }],
    expect: { incident: 'disk-full', remedy: ['withdraw-replicas'] },
  },
  {
    name: 'disk-slow',
    what: 'each write and sync on the disk of one of two log dirs of a leading broker takes 2 s longer',
    faults: [{ at: '0s', fault: 'disk-slow', broker: 'leader', for: DISK_HOLD }],
    expect: { incident: 'disk-slow', remedy: 'none' },
  },
  {
    name: 'disk-gone',
    what: 'the disk of one of two log dirs of a leading broker is pulled out',
    faults: [{ at: '0s', fault: 'disk-gone', broker: 'leader', for: DISK_HOLD }],
    expect: { incident: 'disk-failed', remedy: ['withdraw-replicas'] },
  },
  {
    name: 'segment-corrupt',
    what: 'bytes flipped in a closed segment of a partition that a broker leads',
    faults: [{ at: '0s', fault: 'segment-corrupt', broker: 'leader', for: '90s' }],
    expect: { incident: 'segment-corrupt', remedy: ['re-replicate'] },
  },
]

/** @throws AjnaError TEST_KIND_UNKNOWN */
export function kindsNamed(
  names: readonly string[] | undefined,
  healer: 'on' | 'off' = 'off',
): readonly FailureKind[] {
  const all = failureKinds.filter(({ impaired }) => impaired === undefined || healer === 'on')
  if (names === undefined) return all
  return names.map(name => {
    const found = all.find(kind => kind.name === name)
    if (found !== undefined) return found
    const needsHealer = failureKinds.some(kind => kind.name === name) ? ' (it needs a healer)' : ''
    throw new AjnaError(
      TEST_KIND_UNKNOWN,
      `${JSON.stringify(name)} is not among ${listed(all.map(each => each.name))}${needsHealer}`,
    )
  })
}

export interface FailuresTask {
  readonly cluster: TestedCluster
  readonly kinds: readonly FailureKind[]
  readonly runs: number
  readonly folder: string
  readonly random: () => number
  readonly healer?: Healer | undefined
  readonly explain?: (broker: number, since: string) => Promise<string>
  readonly note: (what: string) => void
  readonly follower?: RunFollower | undefined
  /** Told of each run as it begins. */
  readonly begins?: (kind: FailureKind) => void
  /** Told of each run as it ends. */
  readonly ran?: (kind: FailureKind, scenario: Scenario, result: RunResult) => void
  readonly signal: AbortSignal
}

/** Measures kinds of failures one after another, each in the same load; round by round, so that a change of the machine meets all. */
export async function measureFailures(task: FailuresTask): Promise<readonly FailureFigures[]> {
  const { kinds, runs, note } = task
  const results = new Map<string, JudgedRun[]>(kinds.map(({ name }) => [name, []]))
  for (let run = 1; run <= runs; run++)
    for (const kind of kinds) {
      note(`${kind.name}, run ${run} of ${runs}: ${kind.what}`)
      task.begins?.(kind)
      const scenario = await scenarioFor(kind, task)
      const result = await runScenario({ ...task, scenario })
      const met = judge(scenario, result).every(each => each.met)
      results.get(kind.name)!.push({ ...result, met })
      task.ran?.(kind, scenario, result)
    }
  return kinds.map(kind => figuresOf(kind, results.get(kind.name)!))
}

const WARM_UP_MS = 4_000
const USUAL_NODES = 3

async function scenarioFor(kind: FailureKind, { cluster, healer, signal }: FailuresTask): Promise<Scenario> {
  const leaders = kind.spareOne === true ? await allButOne(cluster, signal) : undefined
  return scenarioOf({
    name: kind.name,
    cluster: { ...kind.setting?.cluster, nodes: cluster.nodes.length },
    load: { ...kind.setting?.load, ...(leaders === undefined ? {} : { leaders: [...leaders] }) },
    faults: kind.faults.map(each => ({ ...each, at: `${WARM_UP_MS + duration().parse(each.at)}ms` })),
    ...(healer === undefined || kind.impaired === undefined ? {} : { impaired: kind.impaired }),
    expect: inputOf(kind.expect),
  })
}

/** What cluster a kind is measured on. */
export function clusterOf(kind: FailureKind) {
  const { nodes = USUAL_NODES, controllers = nodes } = kind.setting?.cluster ?? {}
  return { nodes, controllers, disks: needsDisks(kind), clocks: needsClocks(kind) }
}

const inputOf = ({ incident, remedy, proposed }: ExpectedHealing): ScenarioInput['expect'] => ({
  ...(incident === undefined ? {} : { incident }),
  ...(remedy === undefined ? {} : { remedy: remedy === 'none' ? remedy : [...remedy] }),
  ...(proposed === true ? { proposed } : {}),
})

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

export interface JudgedRun extends RunResult {
  readonly met: boolean
}

/** What the runs of one kind come to. Pure. */
export function figuresOf(
  { name, expect, prelude = 0 }: Pick<FailureKind, 'name' | 'expect' | 'prelude'>,
  results: readonly JudgedRun[],
): FailureFigures {
  const faults = results.flatMap(({ faults }) => faults.slice(prelude))
  const healed = results.flatMap(({ incidents }) => (incidents === null ? [] : [incidents]))
  const inRuns = (holds: (incident: Incident) => boolean): number =>
    healed.filter(incidents => incidents.some(holds)).length
  const sum = (of: (result: RunResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0)
  return {
    kind: name,
    runs: results.length,
    detectionMs: spreadOf(faults.map(each => each.healing?.detectionMs ?? null)).median,
    actedMs: spreadOf(faults.map(each => each.healing?.actedMs ?? null)),
    availabilityRestoredMs: spreadOf(faults.map(each => each.availability.restoredMs)),
    longestGapMs: spreadOf(faults.map(each => each.availability.longestGapMs)),
    revertedMs: spreadOf(faults.map(each => Math.round(each.revertedAt - each.at))),
    redundancyRestoredMs: spreadOf(faults.map(each => each.redundancyRestoredMs)),
    lost: sum(({ records }) => records.lost),
    duplicated: sum(({ records }) => records.duplicated),
    reordered: sum(({ records }) => records.reordered),
    healing:
      healed.length === 0
        ? null
        : {
            incident: expect.incident ?? null,
            incidentRaised: inRuns(({ cause }) => expect.incident === undefined || cause === expect.incident),
            remedy: remedyText(expect.remedy),
            remedyDone: inRuns(({ actedAt, decision: { remedy } }) => {
              if (actedAt === null || remedy === null) return false
              return !Array.isArray(expect.remedy) || expect.remedy.includes(remedy)
            }),
          },
    met: results.filter(({ met }) => met).length,
  }
}

const remedyText = (remedy: ExpectedHealing['remedy']): string | null =>
  remedy === undefined ? null : remedy === 'none' ? remedy : remedy.join(' or ')

/** Never is longer than any time. Of an even number the upper one of the two in the middle: nothing is made up. */
export function spreadOf(values: readonly (number | null)[]): Spread {
  const sorted = [...values].sort((a, b) => (a ?? Number.POSITIVE_INFINITY) - (b ?? Number.POSITIVE_INFINITY))
  return { median: sorted[Math.floor(sorted.length / 2)] ?? null, worst: sorted.at(-1) ?? null }
}
