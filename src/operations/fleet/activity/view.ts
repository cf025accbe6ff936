import type { Activity, ActivityLog, ActivityQuery } from './contract.ts'

/** What is shown, and who wants to know of changes. */
export interface ActivityView extends Omit<ActivityLog, 'journal'> {
  /** @param entries oldest first */
  show(entries: readonly Activity[]): void
}

export function createView(): ActivityView {
  const listeners = new Set<(entry: Activity) => void>()
  let shown: readonly Activity[] = []
  let byId: ReadonlyMap<string, Activity> = new Map()
  return {
    show(entries) {
      const before = byId
      shown = entries
      byId = new Map(entries.map(entry => [entry.id, entry]))
      for (const entry of entries)
        if (!isSame(before.get(entry.id), entry)) for (const listener of listeners) listener(entry)
    },
    list: query => listed(shown, query),
    get: id => byId.get(id),
    onEntry(listener, signal) {
      if (signal.aborted) return
      listeners.add(listener)
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true })
    },
  }
}

const isSame = (before: Activity | undefined, now: Activity): boolean =>
  before?.revision === now.revision && before.outcome === now.outcome

/** Newest first. Pure. */
export function listed(entries: readonly Activity[], { before, limit, search }: ActivityQuery): Activity[] {
  const wanted = search.toLowerCase()
  // Unknown: it was the oldest known then, and has gone since with all before it.
  const from = before === undefined ? entries.length : entries.findIndex(({ id }) => id === before)
  const found: Activity[] = []
  for (let index = from - 1; index >= 0 && found.length < limit; index--)
    if (textOf(entries[index]!).includes(wanted)) found.push(entries[index]!)
  return found
}

function textOf({ actor, action, subject, summary, reason, outcome }: Activity): string {
  return [actor, action, subject.kind, subject.name, subject.cluster, summary, reason, outcome]
    .join('\n')
    .toLowerCase()
}
