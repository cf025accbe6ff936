import { type Interval, IntervalSet } from '../../../foundation/positions/intervals.ts'
import type { StreamId } from '../../../foundation/positions/position.ts'
import type { Cover } from './batch.ts'
import type { WrittenByStream } from './written.ts'

/** What is known of one stream's way. */
export interface Account {
  /** In the cluster, or in quarantine: settled for good. */
  readonly held: IntervalSet
  /** In the spool or held: needs its file no more. */
  readonly taken: IntervalSet
  /** Event time of the last record of `taken`, ms. */
  event: number | undefined
  /** When it last changed, ms. */
  touched: number
}

/**
 * Where every stream of this host stands, by id: also of streams whose file was not met (again) yet. Together with the
 * marks it is the agent's checkpoint.
 */
export interface Ledger {
  account(stream: StreamId): Account
  missing(cover: Cover): readonly Interval[]
  spooled(covers: readonly Cover[]): void
  resolved(cover: Cover): void
  readBack(written: WrittenByStream): void
  restore(stream: StreamId, held: readonly Interval[], event: number | undefined, touched: number): void
  forget(stream: StreamId): void
  entries(): Iterable<readonly [StreamId, Account]>
  /** Bytes resolved that were held already: each one a byte shipped twice. */
  readonly repeated: number
}

export function createLedger(now: () => number): Ledger {
  const accounts = new Map<StreamId, Account>()
  let repeated = 0

  function account(stream: StreamId): Account {
    let found = accounts.get(stream)
    if (found === undefined) {
      found = { held: IntervalSet.of(), taken: IntervalSet.of(), event: undefined, touched: now() }
      accounts.set(stream, found)
    }
    return found
  }

  function take(cover: Cover): Account {
    const found = account(cover.stream)
    if (cover.end >= found.taken.end) found.event = cover.event
    found.taken.add(cover.start, cover.end)
    found.touched = now()
    return found
  }

  return {
    account,
    missing: ({ stream, start, end }) => accounts.get(stream)?.held.gaps(start, end) ?? [[start, end]],
    spooled(covers) {
      for (const cover of covers) take(cover)
    },
    resolved(cover) {
      take(cover)
      account(cover.stream).held.add(cover.start, cover.end)
    },
    readBack(written) {
      for (const [stream, { ranges, event }] of written) {
        const found = account(stream)
        if (ranges.end >= found.taken.end) found.event = event
        for (const [start, end] of ranges) {
          repeated += end - start - found.held.add(start, end)
          found.taken.add(start, end)
        }
        found.touched = now()
      }
    },
    restore(stream, held, event, touched) {
      const found = account(stream)
      found.held.merge(IntervalSet.of(...held))
      found.taken.merge(found.held)
      found.event = event
      found.touched = touched
    },
    forget: stream => void accounts.delete(stream),
    entries: () => accounts.entries(),
    get repeated() {
      return repeated
    },
  }
}
