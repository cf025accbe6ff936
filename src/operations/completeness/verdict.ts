import type { IntervalSet } from '../../foundation/positions/intervals.ts'
import {
  BUCKET_MS,
  type BucketVerdict,
  GRACE_MS,
  LONGEST_GRACE_MS,
  type StreamVerdict,
  type Tier,
  type TierVerdict,
  tiers,
  type VerdictState,
} from './contract.ts'
import type { BucketLedger, Ledger, StreamLedger } from './ledger.ts'

/** How many ranges of missing bytes a verdict names. */
export const MAX_MISSING_RANGES = 100

/** Worst first: what a whole is called when its parts differ. */
const severity: readonly VerdictState[] = ['missing', 'duplicated', 'unknown', 'open', 'complete']

export const worst = (states: readonly VerdictState[]): VerdictState =>
  severity.find(state => states.includes(state)) ?? 'complete'

export interface VerdictQuery {
  /** Buckets that begin in [from, to), ms. */
  readonly from: number
  readonly to: number
  readonly now: number
}

/** One verdict a bucket, newest first. */
export function bucketVerdicts(ledger: Ledger, query: VerdictQuery): BucketVerdict[] {
  return [...ledger.byBucket.keys()]
    .filter(bucket => bucket >= query.from && bucket < query.to)
    .sort((a, b) => b - a)
    .map(bucket => summarise(bucket, streamVerdicts(ledger, bucket, query.now), query.now))
}

function summarise(bucket: number, streams: readonly StreamVerdict[], now: number): BucketVerdict {
  const total = (of: (stream: StreamVerdict) => number): number =>
    streams.reduce((sum, stream) => sum + of(stream), 0)
  const auditedBytes = total(stream => stream.auditedBytes)
  const isOver = now >= bucket + BUCKET_MS + LONGEST_GRACE_MS
  return {
    bucket,
    // Of old lines that the auditor has only just named some may still be on their way.
    closed: isOver && streams.every(stream => stream.tiers.every(({ state }) => state !== 'open')),
    streams: streams.length,
    auditedBytes,
    auditedLines: total(stream => stream.auditedLines),
    lateBytes: total(stream => stream.lateBytes),
    tiers: tiers.map((tier, index) => {
      const missingBytes = total(stream => stream.tiers[index]!.missingBytes)
      return {
        tier,
        state: worst(streams.map(stream => stream.tiers[index]!.state)),
        missingBytes,
        duplicatedBytes: total(stream => stream.tiers[index]!.duplicatedBytes),
        ratio: auditedBytes === 0 ? 1 : (auditedBytes - missingBytes) / auditedBytes,
      }
    }),
  }
}

/** What has been at a tier for so long and no auditor has spoken of is not being audited. */
const UNAUDITED_AFTER_MS = 60_000

/** Streams that tiers hold and no auditor has spoken of, the largest first. */
export function unauditedStreams(ledger: Ledger, now: number): { stream: string; bytes: number }[] {
  return [...ledger.streams.values()]
    .filter(
      ({ about, assigned, heldSince }) =>
        about === undefined && assigned.size === 0 && now - (heldSince ?? now) > UNAUDITED_AFTER_MS,
    )
    .map(({ stream, held }) => ({ stream, bytes: Math.max(...tiers.map(tier => held[tier].covered)) }))
    .sort((a, b) => b.bytes - a.bytes)
}

/** The streams with lines in one bucket, the worst first. */
export function streamVerdicts(ledger: Ledger, bucket: number, now: number): StreamVerdict[] {
  const verdicts: StreamVerdict[] = []
  const { uncountedAt } = ledger
  for (const id of ledger.byBucket.get(bucket) ?? []) {
    const stream = ledger.streams.get(id)!
    const watched = watchedUntil(ledger, stream)
    verdicts.push(judge(stream, bucket, stream.buckets.get(bucket)!, watched, uncountedAt, now))
  }
  const rank = (verdict: StreamVerdict): number =>
    severity.indexOf(worst(verdict.tiers.map(tier => tier.state)))
  return verdicts.sort((a, b) => rank(a) - rank(b) || b.auditedBytes - a.auditedBytes)
}

/** Up to when the auditor of the stream's host has testified to have read everything, ms. */
function watchedUntil(ledger: Ledger, stream: StreamLedger): number {
  return stream.about === undefined ? 0 : (ledger.watches.get(stream.about.host)?.at ?? 0)
}

function judge(
  stream: StreamLedger,
  bucket: number,
  entry: BucketLedger,
  watchedUntil: number,
  uncountedAt: Readonly<Record<Tier, number>>,
  now: number,
): StreamVerdict {
  const end = bucket + BUCKET_MS
  // What the auditor has only just said may still be on its way to the tiers, however old the lines are.
  const settledSince = Math.max(end, entry.lastWord)
  return {
    bucket,
    stream: stream.stream,
    site: stream.about?.site ?? '',
    tenant: stream.about?.tenant ?? '',
    host: stream.about?.host ?? '',
    path: stream.about?.path ?? '',
    auditedBytes: entry.audited.covered,
    auditedLines: entry.lines,
    lateBytes: entry.lateBytes,
    tiers: tiers.map((tier, index) =>
      judgeTier(tier, entry.audited, stream, index === 0 ? undefined : tiers[index - 1], {
        settled: now >= settledSince + GRACE_MS[tier],
        testified: watchedUntil >= end,
        counted: bucket > uncountedAt[tier],
      }),
    ),
  }
}

function judgeTier(
  tier: Tier,
  audited: IntervalSet,
  stream: StreamLedger,
  before: Tier | undefined,
  known: Known,
): TierVerdict {
  const missing = audited.subtract(stream.held[tier])
  const duplicatedBytes = audited.intersect(stream.repeated[tier]).covered
  const lostHere = before === undefined ? missing : missing.intersect(stream.held[before])
  return {
    tier,
    state: stateOf(missing.covered, duplicatedBytes, known),
    bytes: audited.covered - missing.covered,
    missingBytes: missing.covered,
    duplicatedBytes,
    missing: [...missing].slice(0, MAX_MISSING_RANGES).map(([start, end]) => ({ start, end })),
    lostHereBytes: lostHere.covered,
  }
}

/** What there is to judge by, about one bucket at one tier. */
interface Known {
  readonly settled: boolean
  /** The auditor has looked since the bucket ended. */
  readonly testified: boolean
  /** No record of the tier that may have been of this bucket was gone before it could be counted. */
  readonly counted: boolean
}

function stateOf(
  missingBytes: number,
  duplicatedBytes: number,
  { settled, testified, counted }: Known,
): VerdictState {
  if (!settled) return 'open'
  if (missingBytes > 0) return counted ? 'missing' : 'unknown'
  if (duplicatedBytes > 0) return 'duplicated'
  return testified ? 'complete' : 'unknown'
}
