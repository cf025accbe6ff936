/**
 * Lag in time without reading a record: when the log's end passed the committed offset, by the ends seen since. Behind by
 * more than is remembered, the age of the oldest memory is a lower bound.
 */
export interface EndHistory {
  note(partition: string, end: number, at: number): void
  /** How long ago the oldest record not yet read was written, ms; 0 when everything is read; null: no end seen yet. */
  lagMs(partition: string, committed: number, now: number): number | null
}

interface Seen {
  readonly at: number
  readonly end: number
}

export function createEndHistory(remembered = 300): EndHistory {
  const byPartition = new Map<string, Seen[]>()
  return {
    note(partition, end, at) {
      const seen = byPartition.get(partition) ?? []
      byPartition.set(partition, seen)
      const last = seen.at(-1)
      // Only when the end moves is there something new to remember; the time of the last look at the old end is kept.
      if (last !== undefined && last.end === end && seen.at(-2)?.end === end)
        seen[seen.length - 1] = { at, end }
      else seen.push({ at, end })
      if (seen.length > remembered) seen.shift()
    },
    lagMs(partition, committed, now) {
      const seen = byPartition.get(partition)
      const newest = seen?.at(-1)
      if (seen === undefined || newest === undefined) return null
      if (newest.end <= committed) return 0
      // The first unread record was written after the last look at which the end was not beyond the committed offset.
      const before = seen.findLast(({ end }) => end <= committed)
      return Math.max(0, now - (before ?? seen[0]!).at)
    },
  }
}
