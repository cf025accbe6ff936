import { randomUUID } from 'node:crypto'
import type { Activity, Evidence } from './contract.ts'

export const DROPPED = 'activity.dropped'
/** What their ids begin with: they are found by the names of their files. */
export const DROPPED_ID = 'dropped-'
const COUNT = 'entries: '
const FIRST = 'first began'

/**
 * One entry for those that a full outbox drops, so that what is missing is known by number, kind and time. Earlier ones of
 * its kind among them are added up in it. Pure but for its id.
 *
 * @param unreadable files that held no entry
 */
export function droppedEntry(
  host: string,
  now: number,
  entries: readonly Activity[],
  unreadable: number,
): Activity {
  const counts = new Map<string, number>(unreadable === 0 ? [] : [['unreadable', unreadable]])
  for (const entry of entries)
    for (const [what, count] of entry.action === DROPPED
      ? countsIn(entry.evidence)
      : [[entry.action, 1] as const])
      counts.set(what, (counts.get(what) ?? 0) + count)
  const begun = entries.map(
    entry => (entry.action === DROPPED ? firstIn(entry.evidence) : undefined) ?? entry.at,
  )
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return {
    id: `${DROPPED_ID}${randomUUID()}`,
    revision: 0,
    at: now,
    actor: 'outbox',
    action: DROPPED,
    subject: { kind: 'host', name: host, cluster: null },
    summary: `${host} dropped ${total} entries that the journal had not taken: the outbox was full`,
    reason: null,
    outcome: 'failed',
    evidence: [
      ...(begun.length === 0
        ? []
        : [
            { label: FIRST, value: timeOf(Math.min(...begun)) },
            { label: 'last began', value: timeOf(Math.max(...begun)) },
          ]),
      ...[...counts].map(([what, count]) => ({ label: `${COUNT}${what}`, value: String(count) })),
    ],
    endedAt: now,
  }
}

const timeOf = (at: number): string => new Date(at).toISOString()

function countsIn(evidence: readonly Evidence[]): (readonly [string, number])[] {
  return evidence
    .filter(({ label }) => label.startsWith(COUNT))
    .map(({ label, value }) => [label.slice(COUNT.length), Number(value)] as const)
}

function firstIn(evidence: readonly Evidence[]): number | undefined {
  const said = evidence.find(({ label }) => label === FIRST)?.value
  return said === undefined ? undefined : Date.parse(said)
}
