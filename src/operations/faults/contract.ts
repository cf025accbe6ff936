import type { ProcessSpec } from '../../foundation/process/run.ts'
import type { FaultyDisk } from './disk/disk.ts'
import { diskFaultKinds } from './disk/kibosh.ts'

/** What is done to a broker, to its connections, or to its disk. */
export const faultKinds = [
  'kill',
  'freeze',
  'crash-loop',
  'partition',
  'reset',
  'throttle',
  ...diskFaultKinds,
] as const
export type FaultKind = (typeof faultKinds)[number]

/** A broker that a fault may be done to: how it is run, which is also how it is found and run again. */
export interface TestedNode {
  readonly id: number
  readonly process: ProcessSpec
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
    /** What is beyond it is lost, as in a full queue. */
    | { readonly kind: 'throttle'; readonly bytesPerSecond: number }
}

/** A cluster that is there to be tested; nobody else keeps its brokers alive. JSON-safe. */
export interface TestedCluster {
  readonly name: string
  /** Kafka's. */
  readonly version: string
  readonly bootstrap: readonly string[]
  readonly nodes: readonly TestedNode[]
}

/** A broker that ended though no fault was on it, and was started again: nobody else keeps a test's brokers alive. */
export interface UnplannedEnd {
  readonly broker: number
  /** When that was seen, ms since the epoch. */
  readonly at: number
  readonly reason: string
}

/** Whoever repairs what a fault breaks, and can tell when it saw it. This slice has none: Kafka is on its own. */
export interface Healer {
  readonly name: string
  /** When it first said that this broker fails, at or after `since`; ms since the epoch. Undefined: it has not. */
  detectedAt(broker: number, since: number): number | undefined
}

/** One line of `ajna test failures`: all runs of one kind. Times count from the fault, ms; null: it never was. */
export interface FailureFigures {
  readonly kind: string
  readonly runs: number
  /** Null: nobody was there to detect anything. */
  readonly detectionMs: number | null
  /** Until every partition acknowledged writes again, as clients saw it, without what the fault's own end disturbed. */
  readonly availabilityRestoredMs: Spread
  /** The longest that any partition acknowledged nothing though writes were due. */
  readonly longestGapMs: Spread
  /** Until the fault was taken back: the process ran again, or woke. What needed that cannot have been restored sooner. */
  readonly revertedMs: Spread
  /** Until every partition had all its replicas in sync. */
  readonly redundancyRestoredMs: Spread
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
}

/** Over all runs; null when some run never came to it (`worst`), or most of them (`median`). */
export interface Spread {
  readonly median: number | null
  readonly worst: number | null
}
