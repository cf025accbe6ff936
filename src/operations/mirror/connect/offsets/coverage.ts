/** Which records of a source its copy holds: told by what is in them, whatever order and how often they were copied. Pure. */

/** A record by its offset and what tells it apart: a digest over time, key, value and headers. */
export interface SeenRecord {
  readonly offset: number
  readonly digest: string
}

export type Coverage =
  /** The copy holds all of them. */
  | { readonly kind: 'all' }
  /** The copy holds all before this one, and none from it on. */
  | { readonly kind: 'from'; readonly offset: number }
  /** The copy lacks one, and holds a later one. */
  | { readonly kind: 'holes'; readonly lacks: number; readonly holds: number }
  /** Where it seems to end lies one of several that are alike: one copied twice and two copied once look the same. */
  | { readonly kind: 'alike'; readonly offset: number }

/**
 * @param records in order; those before `since` are known to be copied, and only tell which later ones are like them
 * @param copies how often each digest is in the copy
 */
export function coverageOf(
  records: readonly SeenRecord[],
  copies: ReadonlyMap<string, number>,
  since: number,
): Coverage {
  const totals = countsOf(records)
  const before = new Map<string, number>()
  let lacks: number | undefined
  let last: SeenRecord | undefined
  for (const record of records) {
    const earlier = before.get(record.digest) ?? 0
    before.set(record.digest, earlier + 1)
    if (record.offset < since) continue
    // Of records that are alike, as many are there as the copy holds, the earlier ones first.
    const isThere = earlier < (copies.get(record.digest) ?? 0)
    if (!isThere) lacks ??= record.offset
    else if (lacks === undefined) last = record
    // Of one that is like others there may be too many, from what was copied twice.
    else if (totals.get(record.digest) === 1) return { kind: 'holes', lacks, holds: record.offset }
  }
  if (last !== undefined && totals.get(last.digest)! > 1) return { kind: 'alike', offset: last.offset }
  return lacks === undefined ? { kind: 'all' } : { kind: 'from', offset: lacks }
}

export function countsOf(records: Iterable<{ readonly digest: string }>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { digest } of records) counts.set(digest, (counts.get(digest) ?? 0) + 1)
  return counts
}
