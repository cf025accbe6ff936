import { type Interval, IntervalSet } from '../../foundation/positions/intervals.ts'
import type { StreamId } from '../../foundation/positions/position.ts'
import {
  type AuditRecord,
  BUCKET_MS,
  type ByteRange,
  LONGEST_GRACE_MS,
  type StreamAccount,
  type Tier,
  tiers,
} from './contract.ts'

/** What is known of one stream: what its file holds, by bucket, and what each tier holds of it. */
export interface StreamLedger {
  readonly stream: StreamId
  about: StreamAbout | undefined
  readonly buckets: Map<number, BucketLedger>
  /** Every byte that has been assigned to a bucket: the first word on a byte counts. */
  readonly assigned: IntervalSet
  readonly held: Record<Tier, IntervalSet>
  /** Bytes seen more than once at the tier. */
  readonly repeated: Record<Tier, IntervalSet>
  /** When something of it was first seen at a tier that is counted, ms; undefined: not yet. */
  heldSince: number | undefined
}

export interface StreamAbout {
  readonly site: string
  readonly host: string
  readonly tenant: string
  readonly path: string
  readonly firstSeen: number
}

export interface BucketLedger {
  readonly audited: IntervalSet
  lines: number
  /** Bytes that were said after the bucket had closed although the stream was being watched before. */
  lateBytes: number
  /** When the auditor last said something about it, ms. */
  lastWord: number
}

export interface HostWatch {
  readonly site: string
  readonly at: number
  readonly files: number
  readonly pendingBytes: number
}

/** A file's content that not even the auditor saw. */
export interface Unseen {
  readonly stream: StreamId
  readonly host: string
  readonly path: string
  readonly from: number
  readonly at: number
  readonly certain: boolean
}

export interface Ledger {
  readonly streams: Map<StreamId, StreamLedger>
  readonly byBucket: Map<number, Set<StreamId>>
  readonly watches: Map<string, HostWatch>
  readonly unseen: Unseen[]
  /** When records of a tier were last gone before they could be counted, ms; 0: never. */
  readonly uncountedAt: Record<Tier, number>
}

export const MAX_UNSEEN = 1_000

export const emptyLedger = (): Ledger => ({
  streams: new Map(),
  byBucket: new Map(),
  watches: new Map(),
  unseen: [],
  uncountedAt: { local: 0, aggregate: 0, archive: 0 },
})

const perTier = (): Record<Tier, IntervalSet> => ({
  local: IntervalSet.of(),
  aggregate: IntervalSet.of(),
  archive: IntervalSet.of(),
})

export function streamOf(ledger: Ledger, stream: StreamId): StreamLedger {
  const known = ledger.streams.get(stream)
  if (known !== undefined) return known
  const fresh: StreamLedger = {
    stream,
    about: undefined,
    buckets: new Map(),
    assigned: IntervalSet.of(),
    held: perTier(),
    repeated: perTier(),
    heldSince: undefined,
  }
  ledger.streams.set(stream, fresh)
  return fresh
}

/** @param now when the record was read, ms: saying the same twice changes nothing but that */
export function applyAudit(ledger: Ledger, record: AuditRecord, now: number): void {
  switch (record.type) {
    case 'stream': {
      const { stream, site, host, tenant, path, firstSeen } = record
      const known = streamOf(ledger, stream)
      known.about ??= { site, host, tenant, path, firstSeen }
      return
    }
    case 'ranges': {
      const stream = streamOf(ledger, record.stream)
      for (const range of record.ranges) assign(ledger, stream, range, now)
      return
    }
    case 'watch': {
      const { site, at, files, pendingBytes } = record
      const before = ledger.watches.get(record.host)
      if (before === undefined || at > before.at)
        ledger.watches.set(record.host, { site, at, files, pendingBytes })
      return
    }
    case 'unseen': {
      const { type: _, ...unseen } = record
      ledger.unseen.push(unseen)
      if (ledger.unseen.length > MAX_UNSEEN) ledger.unseen.shift()
      return
    }
    default:
      record satisfies never
  }
}

function assign(
  ledger: Ledger,
  stream: StreamLedger,
  range: { readonly bucket: number; readonly start: number; readonly end: number; readonly lines: number },
  now: number,
): void {
  const fresh = stream.assigned.gaps(range.start, range.end)
  if (fresh.length === 0) return
  const bucket = bucketOf(ledger, stream, range.bucket)
  const closedAt = range.bucket + BUCKET_MS + LONGEST_GRACE_MS
  const late = now > closedAt && (stream.about?.firstSeen ?? now) < closedAt
  for (const [start, end] of fresh) {
    stream.assigned.add(start, end)
    bucket.audited.add(start, end)
    if (late) bucket.lateBytes += end - start
  }
  if (isWhole(fresh, range)) bucket.lines += range.lines
  bucket.lastWord = now
}

/** Lines are only counted for ranges that are wholly new; after a restart ranges begin where the last ended. */
const isWhole = (fresh: readonly Interval[], range: { start: number; end: number }): boolean =>
  fresh.length === 1 && fresh[0]![0] === range.start && fresh[0]![1] === range.end

function bucketOf(ledger: Ledger, stream: StreamLedger, bucket: number): BucketLedger {
  const known = stream.buckets.get(bucket)
  if (known !== undefined) return known
  const fresh: BucketLedger = { audited: IntervalSet.of(), lines: 0, lateBytes: 0, lastWord: 0 }
  stream.buckets.set(bucket, fresh)
  const streams = ledger.byBucket.get(bucket) ?? new Set()
  ledger.byBucket.set(bucket, streams.add(stream.stream))
  return fresh
}

/** A record with the bytes [start, end) of a stream was read at a tier, at `now`. */
export function applyHeld(
  ledger: Ledger,
  tier: Tier,
  id: StreamId,
  start: number,
  end: number,
  now: number,
): void {
  const stream = streamOf(ledger, id)
  stream.heldSince ??= now
  const held = stream.held[tier]
  if (start < held.end) {
    for (const [low, high] of overlaps(held, start, end)) stream.repeated[tier].add(low, high)
  }
  held.add(start, end)
}

function overlaps(held: IntervalSet, start: number, end: number): Interval[] {
  const wanted = IntervalSet.of([start, end])
  for (const [low, high] of held.gaps(start, end)) wanted.remove(low, high)
  return [...wanted]
}

/** Records of a tier were gone before they were counted: nobody can say any more which bytes they held. */
export function applyUncounted(ledger: Ledger, tier: Tier, now: number): void {
  ledger.uncountedAt[tier] = now
}

/** A tier that gives whole accounts of its streams (the archive, from its manifests) instead of a log of records. */
export function replaceHeld(ledger: Ledger, tier: Tier, accounts: Iterable<StreamAccount>): void {
  for (const account of accounts) {
    const stream = streamOf(ledger, account.stream)
    stream.held[tier] = setOf(account.held)
    stream.repeated[tier] = setOf(account.repeated)
  }
}

function setOf(ranges: readonly ByteRange[]): IntervalSet {
  const set = IntervalSet.of()
  for (const { start, end } of ranges) set.add(start, end)
  return set
}

/** Forgets buckets that began before a time, and streams of which nothing is left. */
export function forgetBefore(ledger: Ledger, time: number): void {
  for (const [bucket, ids] of ledger.byBucket) {
    if (bucket >= time) continue
    ledger.byBucket.delete(bucket)
    for (const id of ids) ledger.streams.get(id)?.buckets.delete(bucket)
  }
  for (const [id, stream] of ledger.streams) {
    const seenSince = (stream.about?.firstSeen ?? time) >= time
    if (stream.buckets.size === 0 && !seenSince && stream.assigned.size > 0) ledger.streams.delete(id)
  }
}

/** Everything of a ledger as one JSON-safe value, and back. */
export interface LedgerSnapshot {
  readonly streams: readonly {
    readonly stream: StreamId
    readonly about: StreamAbout | null
    readonly buckets: readonly {
      readonly bucket: number
      readonly audited: string
      readonly lines: number
      readonly lateBytes: number
      readonly lastWord: number
    }[]
    readonly held: Readonly<Record<Tier, string>>
    readonly repeated: Readonly<Record<Tier, string>>
    readonly heldSince: number | null
  }[]
  readonly watches: readonly (readonly [host: string, watch: HostWatch])[]
  readonly unseen: readonly Unseen[]
  readonly uncountedAt: Readonly<Record<Tier, number>>
}

const pack = (set: IntervalSet): string => set.encode().toString('base64')
const unpack = (text: string): IntervalSet => IntervalSet.decode(Buffer.from(text, 'base64'))
const mapTiers = <A, B>(of: Readonly<Record<Tier, A>>, change: (value: A) => B): Record<Tier, B> =>
  Object.fromEntries(tiers.map(tier => [tier, change(of[tier])])) as Record<Tier, B>

export function toSnapshot(ledger: Ledger): LedgerSnapshot {
  return {
    streams: [...ledger.streams.values()].map(stream => ({
      stream: stream.stream,
      about: stream.about ?? null,
      buckets: [...stream.buckets].map(([bucket, { audited, lines, lateBytes, lastWord }]) => ({
        bucket,
        audited: pack(audited),
        lines,
        lateBytes,
        lastWord,
      })),
      held: mapTiers(stream.held, pack),
      repeated: mapTiers(stream.repeated, pack),
      heldSince: stream.heldSince ?? null,
    })),
    watches: [...ledger.watches],
    unseen: ledger.unseen,
    uncountedAt: ledger.uncountedAt,
  }
}

export function fromSnapshot(snapshot: LedgerSnapshot): Ledger {
  const ledger: Ledger = {
    streams: new Map(),
    byBucket: new Map(),
    watches: new Map(snapshot.watches),
    unseen: [...snapshot.unseen],
    uncountedAt: { ...snapshot.uncountedAt },
  }
  for (const entry of snapshot.streams) {
    const stream: StreamLedger = {
      stream: entry.stream,
      about: entry.about ?? undefined,
      buckets: new Map(),
      assigned: IntervalSet.of(),
      held: mapTiers(entry.held, unpack),
      repeated: mapTiers(entry.repeated, unpack),
      heldSince: entry.heldSince ?? undefined,
    }
    ledger.streams.set(entry.stream, stream)
    for (const { bucket, audited, lines, lateBytes, lastWord } of entry.buckets) {
      const restored = bucketOf(ledger, stream, bucket)
      restored.audited.merge(unpack(audited))
      Object.assign(restored, { lines, lateBytes, lastWord })
      stream.assigned.merge(restored.audited)
    }
  }
  return ledger
}
