import { type Activity, byBeginning, supersedes } from './contract.ts'
import type { Waiting } from './outbox.ts'

/** What is to be done with what waits in an outbox, as the journal stands. */
export interface Carrying {
  /** Not in the journal yet, oldest first. */
  readonly send: readonly Waiting[]
  /** In the journal, and not noted so: it stays, since its teller goes on from it. */
  readonly mark: readonly Waiting[]
  /** In the journal and ended, or overtaken by a later telling: of no more use here. */
  readonly remove: readonly Waiting[]
}

/**
 * Pure.
 *
 * @param journal what the journal holds, by id
 * @param accepted files whose entry was read back as accepted, though the journal need not hold it any more (bounded)
 */
export function decideCarrying(
  waiting: readonly Waiting[],
  journal: ReadonlyMap<string, Activity>,
  accepted: ReadonlySet<string>,
): Carrying {
  const latest = latestOf(waiting)
  const send: Waiting[] = []
  const mark: Waiting[] = []
  const remove: Waiting[] = []
  for (const each of waiting) {
    const { entry, told, file } = each
    const there = journal.get(entry.id)
    const isIn = told || accepted.has(file) || (there !== undefined && !supersedes(entry, there))
    // What is kept for its teller: the last telling of what has not ended, neither here nor there.
    const goesOn = entry.outcome === 'running' && (there === undefined || there.outcome === 'running')
    if (latest.get(entry.id) !== each) remove.push(each)
    else if (!isIn) send.push(each)
    else if (!goesOn) remove.push(each)
    else if (!told) mark.push(each)
  }
  return { send: send.sort((a, b) => byBeginning(a.entry, b.entry)), mark, remove }
}

/** Of each entry the telling that counts; of two files of one telling, the one that is known to be in the journal. */
function latestOf(waiting: readonly Waiting[]): ReadonlyMap<string, Waiting> {
  const latest = new Map<string, Waiting>()
  for (const each of waiting) {
    const known = latest.get(each.entry.id)
    const same = known?.entry.revision === each.entry.revision
    if (known === undefined || supersedes(each.entry, known.entry) || (same && each.told))
      latest.set(each.entry.id, each)
  }
  return latest
}

/** Journal and outbox as one list, oldest first: of each entry the telling that counts. Pure. */
export function merged(journal: readonly Activity[], waiting: readonly Waiting[]): Activity[] {
  const entries = new Map(journal.map(entry => [entry.id, entry]))
  for (const { entry } of waiting) {
    const known = entries.get(entry.id)
    if (known === undefined || supersedes(entry, known)) entries.set(entry.id, entry)
  }
  return [...entries.values()].sort(byBeginning)
}
