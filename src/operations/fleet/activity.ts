import { z } from 'zod'
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { Applied, CommandMeta, Machine } from '../../foundation/journal/contract.ts'
import type { Journal } from '../../foundation/journal/journal.ts'
import { ACTIVITY_NOT_RECORDED } from './errors.ts'

/**
 * The activity log: every change to the fleet, who made it, to what, why, on what evidence, how it ended. A journal
 * (`ACTIVITY_TOPIC`), so it is the same for all readers; bounded, the oldest go first.
 */
export const ACTIVITY_TOPIC = 'ajna.fleet.activity'

const MAX_ENTRIES = 2_000
/** Well below what a snapshot of the journal may hold. */
const MAX_BYTES = 2 * 1024 * 1024

const line = z.string().min(1).max(500)
const time = z.int().nonnegative()
/** What a change may be about. Another kind is another version of the machine. */
const subjectKind = z.enum([
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
])
const evidenceItem = z.object({ label: z.string().max(100), value: z.string().max(2_000) })
export type Evidence = Readonly<z.infer<typeof evidenceItem>>
const evidence = z.array(evidenceItem).max(20)

const entryFields = {
  /** ms since the epoch, by the clock of who says it. */
  at: time,
  /** A person's session, or a role by name. */
  actor: line,
  /** One word: `broker.restart`, `process.restarted`, `apply`, … */
  action: line,
  subject: z.object({ kind: subjectKind, name: line, cluster: line.nullable() }),
  /** One line that a person reads. */
  summary: line,
  /** Why, in the actor's words. */
  reason: line.nullable(),
  evidence,
}
const ending = z.enum(['done', 'failed', 'refused'])

export const activity = z.object({
  ...entryFields,
  /** Where the entry began in the journal: later entries have higher numbers. */
  id: z.string(),
  outcome: z.enum(['running', ...ending.options]),
  endedAt: time.nullable(),
})
export type Activity = Readonly<z.infer<typeof activity>>

const command = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('begin'), ...entryFields }),
  z.object({ kind: z.literal('end'), id: z.string(), at: time, outcome: ending, evidence }),
  /** Something that had already ended when it was told. */
  z.object({ kind: z.literal('record'), ...entryFields, outcome: ending }),
])
export type ActivityCommand = z.infer<typeof command>

const state = z.object({
  /** Oldest first. */
  entries: z.array(activity),
  /** Of the entries as JSON. */
  bytes: z.int().nonnegative(),
})
export type ActivityState = Readonly<z.infer<typeof state>>

export const activityMachine: Machine<ActivityState, ActivityCommand> = {
  version: 1,
  initial: { entries: [], bytes: 0 },
  command,
  state,
  apply: (before, told, meta) =>
    told.kind === 'end' ? applyEnd(before, told) : applyNew(before, told, meta),
}

function applyNew(
  before: ActivityState,
  told: Exclude<ActivityCommand, { kind: 'end' }>,
  { offset }: CommandMeta,
): Applied<ActivityState> {
  const { kind, ...fields } = told
  const outcome = 'outcome' in fields ? fields.outcome : 'running'
  const entry: Activity = {
    ...fields,
    id: String(offset),
    outcome,
    endedAt: kind === 'record' ? told.at : null,
  }
  const entries = [...before.entries, entry]
  return { accepted: true, state: bounded(entries, before.bytes + sizeOf(entry)) }
}

function applyEnd(
  before: ActivityState,
  { id, at, outcome, evidence: found }: Extract<ActivityCommand, { kind: 'end' }>,
): Applied<ActivityState> {
  const index = before.entries.findIndex(entry => entry.id === id)
  const entry = before.entries[index]
  if (entry === undefined) return { accepted: false, reason: `there is no entry ${id} any more` }
  if (entry.outcome !== 'running') return { accepted: false, reason: `${id} ended before: ${entry.outcome}` }
  const whole = { ...entry, outcome, endedAt: at, evidence: [...entry.evidence, ...found] }
  const bytes = before.bytes + sizeOf(whole) - sizeOf(entry)
  return { accepted: true, state: bounded(before.entries.with(index, whole), bytes) }
}

function sizeOf(entry: Activity): number {
  return Buffer.byteLength(JSON.stringify(entry))
}

function bounded(entries: readonly Activity[], bytes: number): ActivityState {
  let first = 0
  while (entries.length - first > MAX_ENTRIES || bytes > MAX_BYTES) bytes -= sizeOf(entries[first++]!)
  return { entries: entries.slice(first), bytes }
}

export type NewActivity = Omit<Extract<ActivityCommand, { kind: 'begin' }>, 'kind'>

export interface ActivityLog {
  /** Something begins; `end` says how it ended. @throws AjnaError ACTIVITY_NOT_RECORDED; what the journal throws */
  begin(entry: NewActivity, signal?: AbortSignal): Promise<Activity>
  /** Undefined when the entry is not there any more, or ended before. */
  end(
    id: string,
    how: {
      readonly at: number
      readonly outcome: 'done' | 'failed' | 'refused'
      readonly evidence?: readonly Evidence[]
    },
    signal?: AbortSignal,
  ): Promise<Activity | undefined>
  /** Something that has ended already. */
  record(
    entry: NewActivity & { readonly outcome: 'done' | 'failed' | 'refused' },
    signal?: AbortSignal,
  ): Promise<Activity>
  /** Newest first, those that began before `before` (an id); `search` looks in all that a person reads. */
  list(query: {
    readonly before?: string
    readonly limit: number
    readonly search: string
  }): readonly Activity[]
  get(id: string): Activity | undefined
  /** Calls back with each new or changed entry until the signal aborts. */
  onEntry(entry: (entry: Activity) => void, signal: AbortSignal): void
}

/** The activity log over its open journal, which stays the caller's. */
export function activityLog(journal: Journal<ActivityState, ActivityCommand>): ActivityLog {
  const get = (id: string) => journal.state().entries.find(entry => entry.id === id)

  async function tell(
    told: Exclude<ActivityCommand, { kind: 'end' }>,
    signal?: AbortSignal,
  ): Promise<Activity> {
    const outcome = await journal.submit(told, signal === undefined ? {} : { signal })
    const entry = outcome.accepted ? outcome.state.entries.at(-1) : undefined
    if (outcome.accepted && entry !== undefined) return entry
    const why = outcome.accepted ? 'it is larger than the whole log may be' : outcome.reason
    throw new AjnaError(ACTIVITY_NOT_RECORDED, `${told.action} of ${told.subject.name}: ${why}`)
  }

  return {
    begin: (entry, signal) => tell({ kind: 'begin', ...entry }, signal),
    record: (entry, signal) => tell({ kind: 'record', ...entry }, signal),
    async end(id, { at, outcome, evidence: found = [] }, signal) {
      const told: ActivityCommand = { kind: 'end', id, at, outcome, evidence: [...found] }
      const ended = await journal.submit(told, signal === undefined ? {} : { signal })
      return ended.accepted ? ended.state.entries.find(entry => entry.id === id) : undefined
    },
    list: query => listed(journal.state().entries, query),
    get,
    onEntry(callback, signal) {
      if (signal.aborted) return
      const end = journal.observe(event => {
        const changed =
          event.kind === 'change'
            ? get(event.command.kind === 'end' ? event.command.id : String(event.meta.offset))
            : undefined
        if (changed !== undefined) callback(changed)
      })
      signal.addEventListener('abort', end, { once: true })
    },
  }
}

function listed(
  entries: readonly Activity[],
  { before, limit, search }: Parameters<ActivityLog['list']>[0],
): readonly Activity[] {
  const wanted = search.toLowerCase()
  const found: Activity[] = []
  for (let index = entries.length - 1; index >= 0 && found.length < limit; index--) {
    const entry = entries[index]!
    if (before !== undefined && Number(entry.id) >= Number(before)) continue
    if (textOf(entry).includes(wanted)) found.push(entry)
  }
  return found
}

function textOf({ actor, action, subject, summary, reason, outcome }: Activity): string {
  return [actor, action, subject.kind, subject.name, subject.cluster, summary, reason, outcome]
    .join('\n')
    .toLowerCase()
}
