import { GAP_FROM_MS, type Gap, type PartitionTimeline } from '../load/timeline.ts'

/** What part of a run one fault answers for. Times are ms since the epoch. */
export interface FaultWindow {
  readonly at: number
  /** When the fault was taken back. */
  readonly revertedAt: number
  /** The next fault, or the end of the load. */
  readonly to: number
}

/** Of one fault, as clients saw it. */
export interface Availability {
  /** From the fault until every partition acknowledged writes again; 0: none stopped; null: some never did. */
  readonly restoredMs: number | null
  /** The longest that any partition acknowledged nothing though writes were due. */
  readonly longestGapMs: number
  readonly partitionsStopped: number
  /**
   * The longest gap that began only after the fault was taken back: leaders that return, a log that is recovered. Not part of
   * `restoredMs`.
   */
  readonly afterRevertMs: number
}

export function availabilityOf(
  partitions: readonly Pick<PartitionTimeline, 'gaps'>[],
  window: FaultWindow,
): Availability {
  let lastEnd = window.at
  let [longestGapMs, afterRevertMs, partitionsStopped] = [0, 0, 0]
  let restored = true
  for (const { gaps } of partitions) {
    const during = gaps.filter(gap => overlaps(gap, window.at, window.revertedAt))
    if (during.length > 0) partitionsStopped++
    for (const gap of during) {
      longestGapMs = Math.max(longestGapMs, gap.to - gap.from)
      lastEnd = Math.max(lastEnd, gap.to)
      restored &&= !gap.open
    }
    for (const gap of gaps) {
      // One that the next fault made longer counts for that one.
      const length = Math.min(gap.to, window.to) - gap.from
      if (gap.from >= window.revertedAt && length >= GAP_FROM_MS)
        afterRevertMs = Math.max(afterRevertMs, length)
    }
  }
  return {
    restoredMs: restored ? Math.round(lastEnd - window.at) : null,
    longestGapMs: Math.round(longestGapMs),
    partitionsStopped,
    afterRevertMs: Math.round(afterRevertMs),
  }
}

const overlaps = (gap: Gap, from: number, to: number): boolean => gap.to > from && gap.from < to
