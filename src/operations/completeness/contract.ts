import { z } from 'zod'

/**
 * Completeness: what the files of a host hold (the auditor's word) against what each tier holds (interval sets of
 * positions), by stream and 10-minute bucket of event time.
 */

/** Event-time buckets, ms. */
export const BUCKET_MS = 600_000

export const tiers = ['local', 'aggregate', 'archive'] as const
export type Tier = (typeof tiers)[number]

/**
 * How long after its end a bucket may still be filled at a tier before it is judged there, ms. The archive commits a
 * partition's lines every two minutes.
 */
export const GRACE_MS: Readonly<Record<Tier, number>> = Object.freeze({
  local: 60_000,
  aggregate: 60_000,
  archive: 240_000,
})

/** From when on a bucket is judged at every tier. */
export const LONGEST_GRACE_MS = Math.max(...Object.values(GRACE_MS))

export const auditTopic = (site: string): string => `ajna.audit.${site}`

/** What others write into the topic may be anything: only what could be an auditor's word is taken for one. */
const amount = z.int().nonnegative()
const moment = z.int().nonnegative().max(8_640_000_000_000_000)
const text = z.string().max(8_192)
const streamIdText = z.string().regex(/^[0-9a-f]{16}$/)

/**
 * What an auditor publishes to its site's audit topic, JSON (small, few, read by people too).
 *
 * `ranges`: bytes [start, end) of a stream whose lines fall into the bucket that starts at `bucket` (ms, a multiple of
 * BUCKET_MS). Ranges may be said again after a restart; the first word on a byte counts.
 * `watch`: the auditor looked at every file of its host at `at`; `pendingBytes` lines were there that it had not read yet.
 */
export const auditRecord = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('stream'),
    stream: streamIdText,
    site: text,
    host: text,
    tenant: text,
    path: text,
    firstSeen: moment,
  }),
  z.strictObject({
    type: z.literal('ranges'),
    stream: streamIdText,
    ranges: z.array(
      z
        .strictObject({ bucket: moment.multipleOf(BUCKET_MS), start: amount, end: amount, lines: amount })
        .refine(({ start, end }) => start <= end),
    ),
  }),
  z.strictObject({
    type: z.literal('watch'),
    host: text,
    site: text,
    at: moment,
    files: amount,
    pendingBytes: amount,
  }),
  /**
   * Bytes of a stream from `from` on that not even the auditor saw. certain: they were there and were cut off before they
   * were read; else: the file went away while the auditor was not running, and may have had more.
   */
  z.strictObject({
    type: z.literal('unseen'),
    stream: streamIdText,
    host: text,
    path: text,
    from: amount,
    at: moment,
    certain: z.boolean(),
  }),
])
export type AuditRecord = Readonly<z.infer<typeof auditRecord>>

export const byteRange = z.object({ start: z.number(), end: z.number() })
export type ByteRange = Readonly<z.infer<typeof byteRange>>

/**
 * open: the bucket has not closed; unknown: its host's auditor has not testified past the bucket's end, or records that may
 * have held what is missing were gone before they could be counted;
 * complete: every audited byte is there exactly once; missing, duplicated: as they say; missing outranks duplicated.
 */
export const verdictState = z.enum(['open', 'unknown', 'complete', 'missing', 'duplicated'])
export type VerdictState = z.infer<typeof verdictState>

export const tierVerdict = z.object({
  tier: z.enum(tiers),
  state: verdictState,
  /** Bytes of this bucket found at the tier. */
  bytes: z.number(),
  missingBytes: z.number(),
  duplicatedBytes: z.number(),
  /** What is missing here, at most 100 ranges. */
  missing: z.array(byteRange),
  /** Of `missing`, the bytes the tier before still has: lost (or still under way) between it and this one. */
  lostHereBytes: z.number(),
})
export type TierVerdict = Readonly<z.infer<typeof tierVerdict>>

export const streamVerdict = z.object({
  bucket: z.number(),
  stream: z.string(),
  site: z.string(),
  tenant: z.string(),
  host: z.string(),
  path: z.string(),
  auditedBytes: z.number(),
  auditedLines: z.number(),
  /** Bytes said after the bucket had closed. */
  lateBytes: z.number(),
  tiers: z.array(tierVerdict),
})
export type StreamVerdict = Readonly<z.infer<typeof streamVerdict>>

export const bucketVerdict = z.object({
  bucket: z.number(),
  /** Judged at every tier. */
  closed: z.boolean(),
  streams: z.number(),
  auditedBytes: z.number(),
  auditedLines: z.number(),
  lateBytes: z.number(),
  tiers: z.array(
    z.object({
      tier: z.enum(tiers),
      state: verdictState,
      missingBytes: z.number(),
      duplicatedBytes: z.number(),
      /** Audited bytes present, 0 to 1. */
      ratio: z.number(),
    }),
  ),
})
export type BucketVerdict = Readonly<z.infer<typeof bucketVerdict>>

/** Where each tier's counter stands. */
export const counterStatus = z.object({
  tier: z.enum(tiers),
  cluster: z.string(),
  topic: z.string(),
  /** Records not counted yet. */
  lag: z.number(),
  records: z.number(),
  withoutPosition: z.number(),
  at: z.number(),
})
export type CounterStatus = Readonly<z.infer<typeof counterStatus>>

/** Bytes of a file that not even the auditor saw; see the audit record of that name. */
export const unseenBytes = z.object({
  stream: z.string(),
  host: z.string(),
  path: z.string(),
  from: z.number(),
  at: z.number(),
  certain: z.boolean(),
})
export type UnseenBytes = Readonly<z.infer<typeof unseenBytes>>

/** A tier's account of one stream: what it holds and what it holds more than once. */
export interface StreamAccount {
  readonly stream: string
  readonly held: readonly ByteRange[]
  readonly repeated: readonly ByteRange[]
}
