import type { TopicPartition } from '../../../foundation/kafka/partitions.ts'
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import type { LinkStatus } from '../contract.ts'
import type { GroupFacts } from '../keep/facts.ts'
import type { KeepState } from '../keep/state.ts'
import type { FailoverState } from './state.ts'

/** What is known of a link's two sides when somebody wants to switch them. JSON-safe but for the maps. */

export interface PartitionLog {
  readonly partition: number
  readonly start: number
  /** The high watermark. */
  readonly end: number
  /** The last stable offset: less than `end` while a transaction is open. */
  readonly stable: number
}

export interface SideTopic {
  readonly name: string
  readonly id: string
  /** Of the partitions that answered. */
  readonly logs: readonly PartitionLog[]
  /** Partitions that did not, and why. */
  readonly unknown: readonly { readonly partition: number; readonly reason: string }[]
}

/** `acls`: what nobody is allowed is refused. `none`: no authorizer. */
export type Authorizer = 'acls' | 'none'

export interface SeenSide {
  readonly reachable: true
  readonly authorizer: Authorizer
  readonly acls: readonly AclBinding[]
  /** The link's topics, by their names at this side. */
  readonly topics: ReadonlyMap<string, SideTopic>
  /** Every group that has a position on one of them. */
  readonly groups: readonly GroupFacts[]
}

export type SideFacts = SeenSide | { readonly reachable: false; readonly reason: string }

/** One partition, by its topic's names at both sides. */
export interface TopicPair {
  readonly source: string
  readonly copy: string
}

/** How a partition's log at the source stands to the one at the target, looked at from where they parted. */
export interface Compared {
  /** The source's name of it. */
  readonly topic: string
  readonly partition: number
  /** The first offset at which the two hold different things; null: none in what both hold. */
  readonly differsAt: number | null
  /** Records, not offsets, that the source holds from where they parted; null: not counted. */
  readonly sourceRecords: number | null
  readonly targetRecords: number | null
}

export interface FailoverFacts {
  readonly at: number
  readonly link: string
  readonly topics: readonly TopicPair[]
  /** Partitions of which the copy's offsets are not the source's, and why. */
  readonly mapped: readonly { readonly at: TopicPartition; readonly why: string }[]
  /** Whom the link acts as, at both sides; null: nobody in particular (no authorizer). */
  readonly principal: string | null
  /** Whether a group's positions are kept in step. */
  readonly keepsGroup: (group: string) => boolean
  /** What becomes of positions at the target that the link did not put there. */
  readonly foreignPositions: 'leave' | 'advance'
  /** What the link's worker last said; undefined: nothing lately. */
  readonly status: LinkStatus | undefined
  readonly source: SideFacts
  readonly target: SideFacts
  /** What the link keeps in step, as it remembers it. */
  readonly kept: KeepState
  /** Topic ids at the source that the link copied, by name. */
  readonly copiedIds: ReadonlyMap<string, string>
  /** Only for what goes back to the source, and only where both sides have something past the fork. */
  readonly compared: readonly Compared[]
  readonly state: FailoverState
}

export const pairKey = (topic: string, partition: number): string => `${topic}/${partition}`

/** A side's logs by topic and partition. */
export const logsOf = (side: SeenSide): ReadonlyMap<string, PartitionLog> =>
  new Map(
    [...side.topics.values()].flatMap(({ name, logs }) =>
      logs.map(log => [pairKey(name, log.partition), log] as const),
    ),
  )
