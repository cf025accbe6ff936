import { z } from 'zod'

/**
 * A link copies topics from a source cluster to a target cluster, batch by batch as they are, each record to the offset it
 * has at the source. The target's log is the checkpoint: nothing about positions is stored elsewhere.
 */

export interface LinkSpec {
  readonly name: string
  /** Names of topics, or patterns in which `*` stands for any characters. The copies keep the names. */
  readonly topics: readonly string[]
  /** Replicas of the topics it creates; default as at the source. */
  readonly replicationFactor?: number
  /**
   * When retention at the source overtook the link: `halt` the partition for a decision (default), or `continue` at what is
   * left. Either way the offsets that are missing are said.
   */
  readonly onLoss?: 'halt' | 'continue'
  /** Offsets that may be filled one marker each in one gap; beyond it the partition halts. Default 1,000,000. */
  readonly maxGap?: number
}

/** What a link keeps for ever. JSON-safe. */
export const linkStateSchema = z.strictObject({
  version: z.literal(1),
  /** The producer id under which it appends copies, by position; decimal, as are the others. */
  producerId: z.string().regex(/^\d+$/),
  /** The one under which it claims the offsets before a source's log start. */
  fillerId: z.string().regex(/^\d+$/),
  /** The one of its markers, which fill gaps. */
  markerId: z.string().regex(/^\d+$/),
  /** Raised by each worker that starts: the markers of older ones are refused wherever it has written one. */
  coordinatorEpoch: z.int().nonnegative(),
  /** Ids of the topics it has begun to copy, by name: another id at the source is another topic. */
  topics: z.record(z.string(), z.strictObject({ sourceId: z.string() })),
  /** Offsets [from, to) that the target will never have, because the source no longer had them. */
  missing: z.array(z.strictObject({ topic: z.string(), partition: z.int(), from: z.int(), to: z.int() })),
})
export type LinkState = z.infer<typeof linkStateSchema>

/** Where a link's state is kept. `save` has happened when it resolves; a crash leaves the old state or the new. */
export interface LinkStore {
  load(): Promise<LinkState | undefined>
  save(state: LinkState): Promise<void>
}

export interface LinkTopic {
  readonly name: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly config: Readonly<Record<string, string>>
}

/** What a link needs done at a cluster besides moving records. Failures throw. */
export interface LinkAdmin {
  /** Settings of topics' own (not inherited ones), by topic. Topics that do not exist are left out. */
  settings(
    topics: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>>
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
}

const offset = z.int().nonnegative()

/** Offsets [from, to) that the target will never have, because the source no longer had them. */
export const missingSchema = z.strictObject({ from: offset, to: offset })

/**
 * `starting`: looking at both logs. `copying`, `caught-up`. `filling`: claiming offsets that hold no data. `waiting`: one of
 * the clusters does not serve it just now; it tries on. `blocked`: somebody has to allow or fix something; it tries on.
 * `halted`: somebody has to decide; nothing more is copied until then.
 */
export const linkPartitionStates = [
  'starting',
  'copying',
  'caught-up',
  'filling',
  'waiting',
  'blocked',
  'halted',
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
] as const
export type HaltReason = (typeof haltReasons)[number]

export const linkPartitionStatusSchema = z.strictObject({
  topic: z.string(),
  partition: z.int().nonnegative(),
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
})
export type LinkPartitionStatus = z.infer<typeof linkPartitionStatusSchema>

export const linkStatusSchema = z.strictObject({
  link: z.string(),
  /** `deposed`: another worker with a higher epoch does the work. */
  state: z.enum(['starting', 'running', 'deposed', 'stopped']),
  reason: z.string(),
  startedAt: z.number(),
  observedAt: z.number(),
  partitions: z.array(linkPartitionStatusSchema).readonly(),
})
export type LinkStatus = z.infer<typeof linkStatusSchema>
