/**
 * When each record is meant to be sent, whatever has become of those before it: a generator that waits for answers would
 * leave out just the writes that an outage makes wait (coordinated omission). A record's latency counts from its intended
 * time. Streams (one per producer and partition) take turns within a period. Times are ms.
 */
export interface Schedule {
  readonly startAt: number
  /** Between two records of a stream. */
  readonly periodMs: number
  readonly streams: number
}

/** @param perSecond records over all streams together */
export const scheduleOf = (startAt: number, perSecond: number, streams: number): Schedule => ({
  startAt,
  periodMs: (streams * 1_000) / perSecond,
  streams,
})

/** When a stream's record is due. */
export const dueAt = ({ startAt, periodMs, streams }: Schedule, stream: number, sequence: number): number =>
  startAt + (sequence + stream / streams) * periodMs

/** How many of a stream's records are due by then. */
export function dueBy(schedule: Schedule, stream: number, now: number): number {
  const { startAt, periodMs, streams } = schedule
  const guess = Math.max(0, Math.floor((now - startAt) / periodMs - stream / streams) + 1)
  // A division may round either way; `dueAt` decides.
  if (dueAt(schedule, stream, guess) <= now) return guess + 1
  return guess > 0 && dueAt(schedule, stream, guess - 1) > now ? guess - 1 : guess
}
