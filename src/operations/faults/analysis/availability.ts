import { GAP_FROM_MS, type Gap, type PartitionTimeline } from '../load/timeline.ts'

/** What part of a run one fault answers for. Times are ms since the epoch. */
export interface FaultWindow {
  readonly at: number
  /** Until when it did harm. */
  readonly harmedUntil: number
  /** When the fault was taken back. */
  readonly revertedAt: number
  /** The next fault, or the end of the load. */
  readonly to: number
}

/** Of one fault, as clients saw it. */
export interface Availability {
  /**
   * From the fault until every partition acknowledged writes again: the end of the outage that it caused, all waits that
   * follow one another without a break. 0: none stopped; null: some never did.
   */
  readonly restoredMs: number | null
  /** The longest that any partition acknowledged nothing though writes were due. */
  readonly longestGapMs: number
  readonly partitionsStopped: number
  /**
   * The longest gap that began only after that: a broker that starts, leaders that return, a log that is recovered. Not part
   * of `restoredMs`.
   */
  readonly afterRevertMs: number
}

/** For so long after the last harm a wait that begins is still of it: by then every partition had a write due. */
const HARM_SHOWS_MS = 1_000

export function availabilityOf(
  partitions: readonly Pick<PartitionTimeline, 'gaps'>[],
  window: FaultWindow,
): Availability {
  const all = partitions.flatMap(({ gaps }) => gaps).sort((a, b) => a.from - b.from)
  let lastEnd = window.at
  let shows = window.harmedUntil + HARM_SHOWS_MS
  const during = new Set<Gap>()
  for (const gap of all) {
    if (gap.to <= window.at || gap.from >= Math.min(shows, window.to)) continue
    during.add(gap)
    lastEnd = Math.max(lastEnd, gap.to)
    // Whoever waits when one of these ends waits for the same reason.
    shows = Math.max(shows, gap.to)
  }
  const later = all
    .filter(gap => gap.from >= window.at && !during.has(gap))
    // One that the next fault made longer counts for that one.
    .map(gap => Math.min(gap.to, window.to) - gap.from)
    .filter(length => length >= GAP_FROM_MS)
  return {
    restoredMs: [...during].some(gap => gap.open) ? null : Math.round(lastEnd - window.at),
    longestGapMs: Math.round(Math.max(0, ...[...during].map(gap => gap.to - gap.from))),
    partitionsStopped: partitions.filter(({ gaps }) => gaps.some(gap => during.has(gap))).length,
    afterRevertMs: Math.round(Math.max(0, ...later)),
  }
}
