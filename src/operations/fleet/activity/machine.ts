import { z } from 'zod'
import type { Applied, Machine } from '../../../foundation/journal/contract.ts'
import { type Activity, activity, byBeginning, MAX_ENTRY_BYTES, supersedes } from './contract.ts'
import { bytesOf } from './fit.ts'

/** The journal keeps this many entries, and this many bytes of them as JSON, well below what a snapshot may hold. */
export const MAX_ENTRIES = 2_000
export const MAX_BYTES = 2 * 1024 * 1024

const command = z.object({ kind: z.literal('put'), entry: activity })
export type ActivityCommand = z.infer<typeof command>

const state = z.object({
  /** By their beginning, oldest first. */
  entries: z.array(activity),
  /** Of the entries as JSON. */
  bytes: z.int().nonnegative(),
})
export type ActivityState = Readonly<z.infer<typeof state>>

/**
 * One command puts an entry under its own id. Entries are in the order in which they began, and the oldest go first, so
 * that in whatever order, and however often, entries are put, the same ones are kept.
 */
export const activityMachine: Machine<ActivityState, ActivityCommand> = {
  version: 1,
  initial: { entries: [], bytes: 0 },
  command,
  state,
  apply: (before, { entry }) => put(before, entry),
}

function put({ entries, bytes }: ActivityState, entry: Activity): Applied<ActivityState> {
  const size = bytesOf(entry)
  if (size > MAX_ENTRY_BYTES)
    return { accepted: false, reason: `an entry of ${size} bytes, at most ${MAX_ENTRY_BYTES} are taken` }
  const known = entries.find(({ id }) => id === entry.id)
  if (known !== undefined && !supersedes(entry, known))
    return { accepted: false, reason: `${entry.id} is there: revision ${known.revision}, ${known.outcome}` }
  const others = known === undefined ? entries : entries.filter(other => other !== known)
  const at = others.findLastIndex(other => byBeginning(other, entry) < 0) + 1
  return {
    accepted: true,
    state: bounded(others.toSpliced(at, 0, entry), bytes + size - (known === undefined ? 0 : bytesOf(known))),
  }
}

function bounded(entries: Activity[], bytes: number): ActivityState {
  let first = 0
  while (entries.length - first > MAX_ENTRIES || bytes > MAX_BYTES) bytes -= bytesOf(entries[first++]!)
  return { entries: first === 0 ? entries : entries.slice(first), bytes }
}
