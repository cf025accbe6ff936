/**
 * When a partition acknowledged nothing though writes were due, as its clients saw it. Times are ms.
 *
 * An acknowledgement ends a wait that began when the oldest record not yet acknowledged was due, or with the
 * acknowledgement before it, whichever is later: so a healthy partition's waits are its latencies, and a partition that is
 * written to rarely is not unavailable in between.
 */
export interface Gap {
  readonly from: number
  /** When it ended; the end of the load for one that never did. */
  readonly to: number
  /** No acknowledgement ended it. */
  readonly open: boolean
}

export interface PartitionTimeline {
  readonly partition: number
  lastAckAt: number
  acknowledged: number
  /** Waits of {@link GAP_FROM_MS} and longer, oldest first. */
  readonly gaps: Gap[]
  /** Of those there was no room for: the shortest. */
  gapsDropped: number
}

/** A shorter wait is latency, not an outage. */
export const GAP_FROM_MS = 500
const MAX_GAPS = 1_000

export const partitionTimeline = (partition: number, startAt: number): PartitionTimeline => ({
  partition,
  lastAckAt: startAt,
  acknowledged: 0,
  gaps: [],
  gapsDropped: 0,
})

/**
 * @param at not before the acknowledgement noted last
 * @param oldestDue when the oldest record of the partition that had not been acknowledged until now was due
 */
export function noteAcknowledgement(
  timeline: PartitionTimeline,
  at: number,
  oldestDue: number,
  records: number,
): void {
  noteWait(timeline, { from: Math.max(timeline.lastAckAt, oldestDue), to: at, open: false })
  timeline.lastAckAt = at
  timeline.acknowledged += records
}

/** The load has ended. @param oldestDue undefined: everything was acknowledged */
export function closeTimeline(timeline: PartitionTimeline, at: number, oldestDue: number | undefined): void {
  if (oldestDue !== undefined && oldestDue < at)
    noteWait(timeline, { from: Math.max(timeline.lastAckAt, oldestDue), to: at, open: true })
}

const lengthOf = ({ from, to }: Gap): number => to - from

function noteWait(timeline: PartitionTimeline, gap: Gap): void {
  if (lengthOf(gap) < GAP_FROM_MS) return
  const { gaps } = timeline
  gaps.push(gap)
  if (gaps.length <= MAX_GAPS) return
  let shortest = 0
  for (const [index, each] of gaps.entries()) if (lengthOf(each) < lengthOf(gaps[shortest]!)) shortest = index
  gaps.splice(shortest, 1)
  timeline.gapsDropped++
}
