/** Which partitions' tails become objects now. Pure. */

export interface TailFacts {
  readonly key: string
  readonly rows: number
  /** Of the lines. */
  readonly bytes: number
  /** When its oldest uncommitted offset was fetched, ms since the epoch; undefined when there is nothing to commit. */
  readonly since: number | undefined
  /** Rows whose stream is not described yet, and since when. */
  readonly undescribedSince: number | undefined
}

export interface RollRules {
  readonly bytes: number
  readonly rows: number
  readonly ms: number
  readonly tailBytes: number
  readonly unknownStreamMs: number
}

export interface Roll {
  readonly key: string
  readonly reason: 'bytes' | 'rows' | 'age' | 'pressure'
}

/**
 * What must be committed, most urgent first. A tail with undescribed streams waits for their descriptions (they travel in
 * another topic) up to `unknownStreamMs`, unless memory presses.
 */
export function decideRolls(tails: readonly TailFacts[], rules: RollRules, now: number): readonly Roll[] {
  const rolls: Roll[] = []
  const total = tails.reduce((sum, tail) => sum + tail.bytes, 0)
  for (const tail of tails) {
    const reason = reasonFor(tail, rules, now)
    if (reason !== undefined) rolls.push({ key: tail.key, reason })
  }
  if (total > rules.tailBytes * pressureShare) {
    const largest = tails.reduce((a, b) => (b.bytes > a.bytes ? b : a))
    if (!rolls.some(roll => roll.key === largest.key)) rolls.unshift({ key: largest.key, reason: 'pressure' })
  }
  return rolls
}

/** Making room begins before there is none: fetching goes on meanwhile. */
const pressureShare = 0.5

function reasonFor(tail: TailFacts, rules: RollRules, now: number): Roll['reason'] | undefined {
  if (tail.since === undefined) return undefined
  const full = tail.bytes >= rules.bytes ? 'bytes' : tail.rows >= rules.rows ? 'rows' : undefined
  const due = full ?? (now - tail.since >= rules.ms ? 'age' : undefined)
  return waitsForStreams(tail.undescribedSince, rules.unknownStreamMs, now) ? undefined : due
}

/** Whether rows of streams that are not described yet are held back. */
export const waitsForStreams = (
  undescribedSince: number | undefined,
  unknownStreamMs: number,
  now: number,
): boolean => undescribedSince !== undefined && now - undescribedSince < unknownStreamMs
