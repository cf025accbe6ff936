import { type Interval, IntervalSet } from '../../foundation/positions/intervals.ts'

/** What is held of one stream, and of that what is held more than once. */
export interface Account {
  readonly held: IntervalSet
  readonly repeated: IntervalSet
}

export const emptyAccount = (): Account => ({ held: IntervalSet.of(), repeated: IntervalSet.of() })

/** Adds positions [start, end) to an account; what was held already is repeated. */
export function account({ held, repeated }: Account, start: number, end: number): void {
  if (start < held.end) {
    // Out of order, or again: what is no gap is there already.
    let position = start
    for (const [low, high] of held.gaps(start, end)) {
      repeated.add(position, low)
      position = high
    }
    repeated.add(position, end)
  }
  held.add(start, end)
}

export function accountAll(
  into: Account,
  part: { readonly held: Iterable<Interval>; readonly repeated: Iterable<Interval> },
): void {
  for (const [start, end] of part.held) account(into, start, end)
  for (const [start, end] of part.repeated) into.repeated.add(start, end)
}
