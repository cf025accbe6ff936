import { setTimeout as delay } from 'node:timers/promises'
import type { OrderedLog } from '../../../foundation/journal/contract.ts'
import type { Journal } from '../../../foundation/journal/journal.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import type { Activity, JournalStanding } from './contract.ts'
import { decideCarrying, merged } from './decide.ts'
import type { ActivityCommand, ActivityState } from './machine.ts'
import type { Outbox, Waiting } from './outbox.ts'
import type { ActivityView } from './view.ts'

/** Why the journal is away at first. */
export const NOT_READ_YET = 'it has not been read yet'

export type ActivityJournal = Journal<ActivityState, ActivityCommand>

export interface ActivityOptions {
  readonly outbox: Outbox
  /** Absent: the fleet declares no journal; what is told stays in the outbox. */
  readonly journal?: {
    readonly cluster: string
    /** The log of ACTIVITY_TOPIC, another each time; closed by whoever asked for it. */
    readonly openLog: () => Promise<OrderedLog>
  }
  /** Where a copy is kept of what the journal held. */
  readonly copy: string
  /** Wall clock, ms. */
  readonly now: () => number
  readonly signal: AbortSignal
  readonly logger: Logger
  /** How often the outbox is looked at; default 300. */
  readonly lookMs?: number
  /** How long an entry may take to be read back before that is said, and it is sent again; default 10,000. */
  readonly submitMs?: number
}

/** What a process that carries and shows the activity knows of it. */
export interface Known {
  readonly options: ActivityOptions
  readonly view: ActivityView
  waiting: readonly Waiting[]
  /** Raised whenever other files wait than before. */
  changes: number
  /** Called then. */
  wake: () => void
  /** What the journal held when it was last read, oldest first. */
  entries: readonly Activity[]
  /** The same, as the copy on the disk has it, and as of when. */
  copied: { readonly entries: readonly Activity[]; readonly asOf: number | null }
  asOf: number | null
  awaySince: number | null
  /** Why it is away. */
  away: string | null
  /** Why entries are not taken into it. */
  notTaken: string | null
  /** Files whose entry was read back as accepted. */
  readonly accepted: Set<string>
  /** Files whose entry the journal refuses for good. */
  readonly refused: Set<string>
}

/** Looks at the outbox, and shows what is new. */
export async function look(known: Known): Promise<void> {
  const { outbox, logger } = known.options
  const unreadableBefore = outbox.unreadable().length
  const waiting = await outbox.look()
  const unreadable = outbox.unreadable()
  if (unreadable.length > unreadableBefore)
    logger.error({ unreadable }, 'entries in the outbox cannot be read')
  const before = known.waiting
  if (waiting.length === before.length && waiting.every((each, index) => each === before[index])) return
  known.waiting = waiting
  known.changes++
  known.wake()
  show(known)
}

/** Shows what the journal holds now. */
export function takeIn(known: Known, journal: ActivityJournal): void {
  const { entries } = journal.state()
  if (known.entries === entries) return
  known.entries = entries
  show(known)
}

export function show({ view, entries, waiting }: Known): void {
  view.show(merged(entries, waiting))
}

export function noteRead(known: Known, asOf: number): void {
  if (known.awaySince !== null) known.options.logger.info('the activity journal is followed')
  known.asOf = asOf
  known.awaySince = null
  known.away = null
}

export function noteAway(known: Known, why: string): void {
  const { logger, now } = known.options
  // Once for each absence: how it fails to answer changes with every attempt.
  if (known.away === null || known.away === NOT_READ_YET) logger.warn({ why }, 'the activity journal is away')
  known.awaySince ??= now()
  known.away = why
}

export function standingOf(known: Known): JournalStanding {
  const { options, waiting, entries, accepted, asOf, awaySince, away, notTaken } = known
  const held = new Map(entries.map(entry => [entry.id, entry]))
  return {
    state: options.journal === undefined ? 'none' : awaySince === null ? 'following' : 'away',
    cluster: options.journal?.cluster ?? null,
    asOf,
    awaySince,
    problem: away ?? notTaken,
    waiting: decideCarrying(waiting, held, accepted).send.length,
  }
}

/** Does something again and again, so long after each time, until the signal aborts. */
export async function untilAborted(
  signal: AbortSignal,
  ms: number,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await work()
    await delay(ms, undefined, { signal }).catch(() => undefined)
  }
}
