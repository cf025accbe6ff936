import type { Journal } from '../journal/journal.ts'
import type { Logger } from '../log/log.ts'
import type { ShardsClock, ShardsCommand, ShardsState, ShardTerms, ShardTimes } from './contract.ts'
import type { WorkHandlers } from './work.ts'

export const DEFAULT_TIMES: ShardTimes = { beatMs: 1_000, graceMs: 1_500, settleMs: 5_000, movesAtOnce: 4 }

export interface ShardsOptions<S, C> extends WorkHandlers {
  readonly journal: Journal<S, C>
  /** Where in the journal's state the shards are, and how a command of theirs is a command of the journal's. */
  readonly select: (state: S) => ShardsState
  readonly wrap: (command: ShardsCommand) => C
  /** Stays the same when the process restarts; unique among live processes. */
  readonly name: string
  /** Share of the work relative to others', 1 to 16; default 1. */
  readonly weight?: number
  readonly terms: ShardTerms
  /** Default: a beat a second, grace 1.5 s, settle 5 s, 4 moves at a time. */
  readonly times?: Partial<ShardTimes>
  readonly clock?: ShardsClock
  readonly newInstance?: () => string
  readonly logger?: Logger
  /** Ends the joining. */
  readonly signal?: AbortSignal
}
