import type { WorkerLine } from './worker.ts'

/** A span in which a process may act on a shard; ms on the machine's monotonic clock. */
export interface Tenure {
  readonly instance: string
  readonly shard: number
  readonly from: number
  readonly to: number
}

/** Spans in which a process could do nothing: stopped, or dead (to the end). */
export type Absence = readonly [from: number, to: number]

/**
 * Turns what one process said into tenures. A line holds until the next one, and never longer than its lease; the last
 * one until the process died.
 */
export function tenuresOf(lines: readonly WorkerLine[], died: number): Tenure[] {
  const looks = lines.filter(line => line.kind === 'holds')
  return looks.flatMap(({ at, until, instance, shards }, index) => {
    const to = Math.min(until, looks[index + 1]?.at ?? died, died)
    return to > at ? shards.map(shard => ({ instance, shard, from: at, to })) : []
  })
}

/** Two instances that could act on one shard at the same time. */
export function overlaps(tenures: readonly Tenure[]): string[] {
  const found: string[] = []
  for (const [shard, spans] of Map.groupBy(tenures, tenure => tenure.shard)) {
    let last: Tenure | undefined
    for (const span of spans.toSorted((a, b) => a.from - b.from)) {
      if (last !== undefined && last.instance !== span.instance && span.from < last.to)
        found.push(`shard ${shard}: ${last.instance} until ${last.to}, ${span.instance} from ${span.from}`)
      if (last === undefined || span.to > last.to) last = span
    }
  }
  return found
}

/** The longest time each shard was held by no process that could act, between the two moments. */
export function longestUnheld(
  tenures: readonly Tenure[],
  shards: number,
  from: number,
  to: number,
): { shard: number; ms: number; at: number } {
  let longest = { shard: 0, ms: 0, at: from }
  for (let shard = 0; shard < shards; shard++) {
    let heldUntil = from
    const spans = tenures
      .filter(tenure => tenure.shard === shard && tenure.to > from)
      .toSorted((a, b) => a.from - b.from)
    for (const span of [...spans, { from: to, to }]) {
      const ms = Math.min(span.from, to) - heldUntil
      if (ms > longest.ms) longest = { shard, ms, at: heldUntil }
      heldUntil = Math.max(heldUntil, span.to)
    }
  }
  return longest
}

/** What is left of the tenures when the process could not act. */
export function without(tenures: readonly Tenure[], absences: readonly Absence[]): Tenure[] {
  return absences.reduce<Tenure[]>(
    (left, [gone, back]) =>
      left.flatMap(tenure => {
        const before = { ...tenure, to: Math.min(tenure.to, gone) }
        const after = { ...tenure, from: Math.max(tenure.from, back) }
        return [before, after].filter(({ from, to }) => to > from)
      }),
    [...tenures],
  )
}
