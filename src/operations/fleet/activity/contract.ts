import { z } from 'zod'

/**
 * The activity: every change to the fleet, who made it, to what, why, on what evidence, how it ended. Kept in a journal on
 * one cluster of the fleet, so that it is the same for all who read it; told through an outbox on each machine's disk, so
 * that it can be told by any process at any time.
 */
export const ACTIVITY_TOPIC = 'ajna.fleet.activity'

/** Of one entry as JSON. Longer ones are cut (`fit.ts`). */
export const MAX_ENTRY_BYTES = 32 * 1024
export const MAX_LINE = 500
export const MAX_LABEL = 100
export const MAX_VALUE = 2_000
export const MAX_EVIDENCE = 40

const line = z.string().min(1).max(MAX_LINE)
const time = z.int().nonnegative()
const count = z.int().nonnegative()

/** What things of the fleet are called, wherever something is said about one. */
export const subject = z.object({
  /** Another kind is another version of the activity's machine. */
  kind: z.enum([
    'fleet',
    'site',
    'host',
    'process',
    'cluster',
    'broker',
    'topic',
    'partition',
    'group',
    'link',
    'archive',
    'completeness',
  ]),
  /** Within its cluster, when it has one: a broker's id, `topic-partition`. */
  name: line,
  cluster: line.nullable(),
})
export type Subject = Readonly<z.infer<typeof subject>>

const evidenceItem = z.object({ label: z.string().max(MAX_LABEL), value: z.string().max(MAX_VALUE) })
export type Evidence = Readonly<z.infer<typeof evidenceItem>>

export const activity = z.object({
  /** Chosen by who tells it; nobody else ever uses it, and telling the same thing again uses it again. */
  id: z.string().regex(/^[0-9a-z-]{1,64}$/),
  /** 0 at first, one more each time the entry is told anew; what is told anew holds all that was told before. */
  revision: count.max(999_999),
  /** When it began, ms since the epoch by the clock of who tells it; the same in every revision. */
  at: time,
  /** Who: a person's session, or a role by name. */
  actor: line,
  /** What, as one word: `broker.restart`, `process.restart`, `fleet.apply`, … */
  action: line,
  subject,
  /** One line a person reads. */
  summary: line,
  /** Why, in the actor's words. */
  reason: line.nullable(),
  /** Once it has ended, an entry is not told anew. */
  outcome: z.enum(['running', 'done', 'failed', 'refused']),
  evidence: z.array(evidenceItem).max(MAX_EVIDENCE),
  endedAt: time.nullable(),
})
export type Activity = Readonly<z.infer<typeof activity>>

/** How the journal stands that most of a list comes from: what is missing from the list while it cannot be read. */
export const journalStanding = z.object({
  /**
   * `following`: the list is whole as of `asOf`. `away`: what others told since `asOf` is missing; this machine's own
   * entries are all there. `none`: the fleet declares no journal, the list is what this machine has told lately.
   */
  state: z.enum(['following', 'away', 'none']),
  /** Where it is kept; null: nowhere. */
  cluster: z.string().nullable(),
  /** When it was last known to be read to its end, ms since the epoch; null: never. */
  asOf: time.nullable(),
  /** Since when it has been away; null: it is not. */
  awaySince: time.nullable(),
  /** Why it cannot be read, or why entries are not taken into it; null: nothing is wrong. */
  problem: z.string().nullable(),
  /** Entries told on this machine that are not known to be in it. */
  waiting: count,
})
export type JournalStanding = Readonly<z.infer<typeof journalStanding>>

export interface ActivityQuery {
  /** The id of the last entry of the page before. */
  readonly before?: string
  readonly limit: number
  /** Looked for, letter case ignored, in all that a person reads. */
  readonly search: string
}

/** What is known of the activity here and now. */
export interface ActivityLog {
  /** Newest first, those that began before `before`; none when that is no longer known: then nothing older is. */
  list(query: ActivityQuery): readonly Activity[]
  get(id: string): Activity | undefined
  /** Calls back with each new or changed entry until the signal aborts. */
  onEntry(entry: (entry: Activity) => void, signal: AbortSignal): void
  journal(): JournalStanding
}

/**
 * Whether one telling of an entry takes the place of another. What has ended stays as it is: repeats, stragglers and
 * second thoughts change nothing.
 */
export function supersedes(later: Activity, earlier: Activity): boolean {
  return earlier.outcome === 'running' && later.revision > earlier.revision
}

/** The order of the log, oldest first: by when things began, and the same everywhere. */
export function byBeginning(a: Activity, b: Activity): number {
  return a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
