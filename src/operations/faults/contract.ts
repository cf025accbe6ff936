import type { ProcessSpec } from '../../foundation/process/run.ts'
import type { Cause, Incident, Remedy } from '../heal/contract.ts'
import type { FaultyDisk } from './disk/disk.ts'
import { diskFaultKinds } from './disk/kibosh.ts'

/**
 * What is done to a broker. `down`: killed, and not started again, its agent has been told so. `unregister`: the cluster forgets
 * it while it runs, and it never registers again by itself. `bad-config`: its settings become such that it cannot start, and it
 * dies. `partition`, `reset`, `throttle`, `delay`: to its connections. `clock-skew`: its wall clock is set wrong while it runs.
 * `disk-…`: to the disk of one of its log dirs. `segment-corrupt`: to some bytes of one of its
 * replicas.
 */
export const faultKinds = [
  'kill',
  'freeze',
  'crash-loop',
  'down',
  'unregister',
  'bad-config',
  'partition',
  'reset',
  'throttle',
  'delay',
  'clock-skew',
  'segment-corrupt',
  ...diskFaultKinds,
] as const
export type FaultKind = (typeof faultKinds)[number]

/**
 * What of Ajna itself fails together with brokers. `host`: the agent of the broker's host, at the same moment. `agent`: the
 * same, before, and unnoticed. `leases`: the cluster that keeps leases and incidents. `healer-dies`, `healer-freezes`: the
 * healer that acts first, between its lease and its act; another one looks on.
 */
export const impairments = ['host', 'agent', 'leases', 'healer-dies', 'healer-freezes'] as const
export type Impairment = (typeof impairments)[number]

/** A broker that a fault may be done to: how it is run, which is also how it is found and run again. */
export interface TestedNode {
  readonly id: number
  readonly process: ProcessSpec
  /** Path of its settings (server.properties). */
  readonly settings: string
  /** The file that says how wrong its clock is; absent where it cannot be. */
  readonly clock?: string
  /** How its connections are told from others; absent where faults in the network are not possible. */
  readonly network?: NodeNetwork
  /** Where one of its log dirs lies, which can be made to fail; the others, and the metadata log, do not. */
  readonly disk?: FaultyDisk
}

export interface NodeNetwork {
  /** Group id that only its process has. */
  readonly gid: number
  /** Of all its listeners. */
  readonly ports: readonly number[]
}

/** What is done to packets between a broker and others. JSON-safe. */
export interface NetworkEffect {
  /** Of the broker's packets: those it sends, those it is sent, or both. */
  readonly way: 'both' | 'in' | 'out'
  /** Ids of brokers; 0: everybody who is no broker. */
  readonly from: readonly number[]
  readonly act:
    | { readonly kind: 'partition' }
    /** Whoever sends is answered with a TCP reset. */
    | { readonly kind: 'reset' }
    /** Bytes come so much later, more or less by the jitter, in their order; the seed decides. */
    | { readonly kind: 'delay'; readonly byMs: number; readonly jitterMs: number; readonly seed: number }
    /** What is beyond it is lost, as in a full queue. */
    | { readonly kind: 'throttle'; readonly bytesPerSecond: number }
}

/** A cluster that is there to be tested: its brokers are kept alive by a {@link Healer}'s agents, or by nobody. JSON-safe. */
export interface TestedCluster {
  readonly name: string
  /** Kafka's. */
  readonly version: string
  readonly bootstrap: readonly string[]
  readonly nodes: readonly TestedNode[]
}

/** What a node is run with, from its next start on. */
export interface NodeSetup {
  /** Kafka's. */
  readonly version: string
  /** Over those that every broker has, by their Kafka names. */
  readonly settings: Readonly<Record<string, string>>
}

/** Whoever runs the tested cluster's nodes: what planned operations need of them. */
export interface NodeSetups {
  /** Writes a node's files anew; how it is started stays the same. */
  prepare(broker: number, setup: NodeSetup): Promise<void>
  /** Features of a release and the level of each, as it forms a cluster. */
  features(version: string): Promise<ReadonlyMap<string, number>>
}

/**
 * What is done to a cluster as planned, while it serves. `upgrade`, `downgrade`: to another release, broker by broker. `restart`:
 * the same release, with settings changed if so said. `configure`: settings changed while the brokers run (KIP-226).
 */
export const operationKinds = ['upgrade', 'downgrade', 'restart', 'configure'] as const
export type OperationKind = (typeof operationKinds)[number]

/** A broker that ended though no fault was on it, and was started again: nobody else keeps a test's brokers alive. */
export interface UnplannedEnd {
  readonly broker: number
  /** When that was seen, ms since the epoch. */
  readonly at: number
  readonly reason: string
}

/** Who keeps the tested brokers alive and heals them, as in a fleet. Without one Kafka is on its own. */
export interface Healer {
  readonly name: string
  /** Begins to heal. Nothing is remembered of earlier runs: their acts do not count against what may be done in this one. */
  begin(impaired: Impairment | undefined): Promise<Healing>
}

/** The healing of one run. */
export interface Healing extends AsyncDisposable {
  /** All that were told of in this run. */
  incidents(): readonly Incident[]
  /** The broker's process as the agent of its host has it; undefined: no agent is there, or it runs no process. */
  process(broker: number): { readonly pid: number; readonly ready: boolean } | undefined
  /** What the run is impaired by, done now; resolves once it is. `brokers`: those that a fault is about to hit. */
  impair(brokers: readonly number[]): Promise<void>
  /** Everything that was impaired is as it should be, or about to be. */
  repair(): Promise<void>
  /** Has the agent start a broker that it has given up, or would start later. */
  restart(broker: number): Promise<void>
  /** Has the agent leave a broker as it is once its process has ended, until it is told to {@link restart} it. */
  leave(broker: number): Promise<void>
  /** Has the agent stop it in order, an end that it expects, and start it with what its files say then; resolves once it starts. */
  reload(broker: number): Promise<void>
}

/** What must be told of a failure, and done about it: any of these. Absent: whatever. `none`: nothing may be. */
export interface ExpectedHealing {
  readonly incident?: Cause | 'none' | undefined
  readonly remedy?: readonly Remedy[] | 'none' | undefined
  /** A person must be asked, with what it would cost; then `none` is about that incident only. */
  readonly proposed?: boolean | undefined
}

/** What a healer made of a fault. Times count from the fault, ms; null: never. */
export interface HealingFigures {
  /** The first incident of the expected cause was told; of any cause, if none is expected. */
  readonly detectionMs: number | null
  /** The remedy began. */
  readonly actedMs: number | null
  readonly incidents: readonly {
    readonly id: string
    readonly cause: Cause
    readonly subject: string
    readonly remedy: Remedy | null
    /** What was not done, and why not, for people. */
    readonly refused: string | null
    readonly state: Incident['state']
    readonly detectedMs: number
    readonly actedMs: number | null
    readonly availableMs: number | null
    readonly healedMs: number | null
  }[]
}

/** One line of `ajna test failures`: all runs of one kind. Times count from the fault, ms; null: it never was. */
export interface FailureFigures {
  readonly kind: string
  readonly runs: number
  /** The median; null: nobody was there to detect anything, or nothing was to be told of. */
  readonly detectionMs: number | null
  /** Until the healer began to act. */
  readonly actedMs: Spread
  /** Until every partition acknowledged writes again, as clients saw it, without what the fault's own end disturbed. */
  readonly availabilityRestoredMs: Spread
  /** The longest that any partition acknowledged nothing though writes were due. */
  readonly longestGapMs: Spread
  /**
   * Until the fault was over: the process was started, or woke; where an agent keeps it alive, it served again. What needed
   * that cannot have been restored sooner.
   */
  readonly revertedMs: Spread
  /** Until every partition had all its replicas in sync. */
  readonly redundancyRestoredMs: Spread
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  /** What was to be told and done, and in how many runs it was; null: no healer was at work. */
  readonly healing: {
    readonly incident: string | null
    readonly incidentRaised: number
    readonly remedy: string | null
    readonly remedyDone: number
  } | null
  /** Runs that were as expected. */
  readonly met: number
}

/** Over all runs; null when some run never came to it (`worst`), or most of them (`median`). */
export interface Spread {
  readonly median: number | null
  readonly worst: number | null
}
