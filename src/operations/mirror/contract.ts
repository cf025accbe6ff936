import { z } from 'zod'
import { keepStatusSchema } from './keep/status.ts'
import type { MappingChange, MaybeMapping } from './mapping.ts'

/**
 * A link copies topics from a source cluster to a target cluster, batch by batch as they are, each record to the offset it
 * has at the source. The target's log is the checkpoint: nothing about positions is stored elsewhere, unless a link may map
 * offsets: then, of partitions where it has to, how they lie to each other (mapping.ts).
 */

/** Offsets [from, to) that the target will never have, because the source no longer had them. */
export interface MissingRange {
  readonly from: number
  readonly to: number
}

/**
 * What a link keeps for ever, as its workers use it. Every change is kept when its promise is; what a worker writes that
 * was deposed meanwhile is refused.
 */
export interface KeptLink {
  /** The producer ids under which it appends copies, claims the offsets before a source's log start, and fills gaps. */
  readonly ids: { readonly producerId: bigint; readonly fillerId: bigint; readonly markerId: bigint }
  /** The coordinator epoch of markers written under a shard's token: later owners' are higher. */
  coordinatorEpoch(token: number): number
  /** Id of the topic at the source that is being copied under this name. */
  sourceIdOf(topic: string): string | undefined
  adopted(): Iterable<string>
  /** Id of the copy that was deleted when a topic of this name was forgotten: brokers may speak of it for a while. */
  deletedCopyOf(topic: string): string | undefined
  missingOf(topic: string, partition: number): readonly MissingRange[]
  /** Where the target's log was found, or said, to be the source's: a log that ends just there may be anybody's. */
  baseOf(topic: string, partition: number): number | undefined
  /**
   * Takes topics on, by name and id at the source. For whoever holds the link's lead.
   *
   * @returns why some are not taken on, by name
   * @throws AjnaError LINK_DEPOSED, what the journal throws
   */
  adopt(topics: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>>
  /**
   * A topic's copy was deleted with it: if one of this name comes again, it is another. For whoever holds the link's lead.
   *
   * @param copyId null: there was none any more
   */
  forget(topic: string, copyId: string | null): Promise<void>
  /** How the copy's offsets lie to the source's where they differ; undefined: they are the source's. */
  mappingOf(topic: string, partition: number): MaybeMapping
  /**
   * Has happened before what lies in it is written.
   *
   * @throws AjnaError LINK_MAPPING_FULL, LINK_DEPOSED, what the journal throws
   */
  noteMapping(topic: string, partition: number, change: MappingChange): Promise<void>
  /** @throws AjnaError LINK_DEPOSED, what the journal throws */
  noteMissing(topic: string, partition: number, range: MissingRange): Promise<void>
}

export interface LinkTopic {
  readonly name: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly config: Readonly<Record<string, string>>
}

/** What a link needs done at a cluster besides moving records. Failures throw. */
export interface LinkAdmin {
  /**
   * Settings of topics' own (not inherited ones), by topic. Topics that do not exist are left out.
   *
   * @throws AjnaError LINK_TOPIC_REFUSED when some may not be looked at: their names are its `topics`
   */
  settings(
    topics: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>>
  /** How large a batch of the topic may be, bytes, whoever set it; null: the cluster does not say. */
  maxMessageBytes(topic: string, signal: AbortSignal): Promise<number | null>
  /** Creates a topic; one that exists already is no failure. */
  createTopic(topic: LinkTopic, signal: AbortSignal): Promise<void>
  /** @param total partitions in all afterwards */
  addPartitions(topic: string, total: number, signal: AbortSignal): Promise<void>
  /** Null: back to the default. */
  changeSettings(
    topic: string,
    set: Readonly<Record<string, string | null>>,
    signal: AbortSignal,
  ): Promise<void>
  /** Deletes the topic that has this id; when there is none, that is no failure. */
  deleteTopic(topic: string, id: string, signal: AbortSignal): Promise<void>
}

const offset = z.int().nonnegative()

export const missingSchema = z.strictObject({ from: offset, to: offset })

/**
 * `starting`: looking at both logs. `copying`, `caught-up`. `filling`: claiming offsets that hold no data. `waiting`: one of
 * the clusters does not serve it just now; it tries on. `blocked`: somebody has to allow or fix something; it tries on.
 * `halted`: somebody has to decide; nothing more is copied until then. `paused`: nothing is to be copied.
 */
export const linkPartitionStates = [
  'starting',
  'copying',
  'caught-up',
  'filling',
  'waiting',
  'blocked',
  'halted',
  'paused',
] as const

/** Why a partition is halted. */
export const haltReasons = [
  'source-recreated',
  'source-truncated',
  'source-gone',
  'source-corrupt',
  'overtaken-by-retention',
  'target-ahead',
  'offsets-displaced',
  'gap-too-large',
  'copy-too-narrow',
  'mapping-full',
] as const
export type HaltReason = (typeof haltReasons)[number]

export const linkPartitionStatusSchema = z.strictObject({
  topic: z.string(),
  partition: z.int().nonnegative(),
  /** When its worker said this, ms; absent: as the whole status. */
  observedAt: z.number().exactOptional(),
  /** Who works on it; absent: whoever says this. */
  worker: z.string().exactOptional(),
  state: z.enum(linkPartitionStates),
  /** Null unless halted. */
  halted: z.enum(haltReasons).nullable(),
  /** What is the matter, for people; empty when nothing is. */
  reason: z.string(),
  /** When it came into this state, ms. */
  since: z.number(),
  /** Where the target's log ends, as far as it was acknowledged; null: not known yet. */
  targetEnd: offset.nullable(),
  /** Where the source's log begins and ends (its last stable offset). */
  sourceStart: offset.nullable(),
  sourceEnd: offset.nullable(),
  lagRecords: offset.nullable(),
  /** Age of the oldest record that is not copied, ms. */
  lagMs: z.number().nonnegative().nullable(),
  /** Copied since the worker began. */
  records: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** Batches that could not pass as they were and were built anew. */
  rebuiltBatches: z.int().nonnegative(),
  /** Offsets claimed by markers. */
  filledOffsets: z.int().nonnegative(),
  missing: z.array(missingSchema).readonly(),
  /** Where the copy's offsets are not the source's; absent: they are. */
  mapping: z
    .strictObject({
      segments: z.int().positive(),
      /** Why the first of them began. */
      why: z.string(),
      /** Everything before this offset of the source is copied; null: not known yet. */
      copiedTo: offset.nullable(),
    })
    .exactOptional(),
})
export type LinkPartitionStatus = z.infer<typeof linkPartitionStatusSchema>

/** Everything before this offset of the source is copied, and acknowledged; null: not known yet. */
export const copiedTo = ({
  mapping,
  targetEnd,
}: Pick<LinkPartitionStatus, 'mapping' | 'targetEnd'>): number | null =>
  mapping === undefined ? targetEnd : mapping.copiedTo

export const linkStatusSchema = z.strictObject({
  link: z.string(),
  state: z.enum(['starting', 'running', 'paused', 'stopped']),
  reason: z.string(),
  startedAt: z.number(),
  observedAt: z.number(),
  partitions: z.array(linkPartitionStatusSchema).readonly(),
  /** How far what else follows the source is in step; absent: nothing is kept, or another worker does it. */
  keep: keepStatusSchema.exactOptional(),
})
export type LinkStatus = z.infer<typeof linkStatusSchema>
