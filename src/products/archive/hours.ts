import type { Cell } from './layout.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** Event times further from the shipping time than this are not an hour's running log: old files shipped for the first time. */
const lateMs = dayMs
const earlyMs = hourMs

/**
 * Which date and hour a row is filed under, as one number: the hour of its event time since the epoch; or, for a backfill,
 * minus one minus the day it was shipped. A year of an old log would make 8,760 hours of a few lines each; pruning does not
 * need them, since every object says the times of its rows.
 */
export function hourCode(time: number, shipped: number): number {
  const backfill = shipped - time > lateMs || time - shipped > earlyMs
  return backfill ? -1 - Math.floor(shipped / dayMs) : Math.floor(time / hourMs)
}

/** {@link hourCode} over columns t.time and t.shipped. */
export const hourSql = `(CASE WHEN t.shipped - t.time > ${lateMs} OR t.time - t.shipped > ${earlyMs}
  THEN -1 - floor(t.shipped / ${dayMs}) ELSE floor(t.time / ${hourMs}) END)::INTEGER`

export function hourOfCode(code: number): Pick<Cell, 'date' | 'hour'> {
  if (code < 0) return { date: new Date((-1 - code) * dayMs).toISOString().slice(0, 10), hour: 'backfill' }
  const text = new Date(code * hourMs).toISOString()
  return { date: text.slice(0, 10), hour: text.slice(11, 13) }
}
