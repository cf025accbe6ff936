/**
 * Latencies in slots of a second, by when the record was meant to be sent. Each slot is a histogram whose buckets grow by
 * an eighth of a doubling: a percentile is at most 9 % above the truth, and a slot takes half a kilobyte however many
 * records it holds.
 */
const PER_DOUBLING = 8
/** From 1 ms to 2^20 ms (17 minutes). */
const BUCKETS = 20 * PER_DOUBLING + 1
export const SLOT_MS = 1_000

export interface Latencies {
  readonly startAt: number
  readonly slots: Uint32Array[]
  /** Exact, per slot. */
  readonly longest: number[]
}

export interface LatencySummary {
  readonly records: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export const latencies = (startAt: number): Latencies => ({ startAt, slots: [], longest: [] })

const bucketOf = (ms: number): number =>
  ms <= 1 ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log2(ms) * PER_DOUBLING))
const upperBound = (bucket: number): number => 2 ** (bucket / PER_DOUBLING)

export function noteLatency(all: Latencies, dueAt: number, at: number): void {
  const slot = Math.max(0, Math.floor((dueAt - all.startAt) / SLOT_MS))
  while (all.slots.length <= slot) {
    all.slots.push(new Uint32Array(BUCKETS))
    all.longest.push(0)
  }
  const ms = at - dueAt
  all.slots[slot]![bucketOf(ms)]!++
  all.longest[slot] = Math.max(all.longest[slot]!, ms)
}

/** Of the slots that begin in [from, to). Undefined: none holds a record. */
export function summarize(all: Latencies, from: number, to: number): LatencySummary | undefined {
  const total = new Float64Array(BUCKETS)
  let records = 0
  let maxMs = 0
  for (const [index, slot] of all.slots.entries()) {
    const begins = all.startAt + index * SLOT_MS
    if (begins < from || begins >= to) continue
    maxMs = Math.max(maxMs, all.longest[index]!)
    for (const [bucket, count] of slot.entries()) {
      total[bucket]! += count
      records += count
    }
  }
  if (records === 0) return undefined
  const percentile = (share: number): number => {
    let seen = 0
    const bucket = total.findIndex(count => (seen += count) >= records * share)
    return Math.min(upperBound(bucket), maxMs)
  }
  return { records, p50Ms: round(percentile(0.5)), p99Ms: round(percentile(0.99)), maxMs: round(maxMs) }
}

const round = (ms: number): number => Math.round(ms * 10) / 10
