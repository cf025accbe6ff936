import {
  type Activity,
  activity,
  type Evidence,
  MAX_ENTRY_BYTES,
  MAX_EVIDENCE,
  MAX_LABEL,
  MAX_LINE,
  MAX_VALUE,
} from './contract.ts'

/** Of an entry as JSON. */
export const bytesOf = (entry: Activity): number => Buffer.byteLength(JSON.stringify(entry))

/**
 * The entry within what an entry may hold: whatever is told is kept, cut where it is too long, and the cut is seen. What
 * comes first in the evidence stays longest.
 */
export function fitted(entry: Activity): Activity {
  const { subject, reason } = entry
  const short: Activity = {
    ...entry,
    actor: line(entry.actor),
    action: line(entry.action),
    summary: line(entry.summary),
    reason: reason === null || reason === '' ? null : cut(reason, MAX_LINE),
    subject: {
      kind: subject.kind,
      name: line(subject.name),
      cluster: subject.cluster === null ? null : line(subject.cluster),
    },
    evidence: evidenceWithin(entry.evidence, MAX_EVIDENCE, MAX_VALUE),
  }
  return activity.parse(withinBytes(short))
}

const line = (text: string): string => cut(text === '' ? '-' : text, MAX_LINE)

/** At most so many UTF-16 units. */
function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}

function evidenceWithin(evidence: readonly Evidence[], most: number, value: number): Evidence[] {
  const fits = evidence.length <= most
  const kept = evidence.slice(0, fits ? most : most - 1)
  const rest = fits ? [] : [{ label: 'left out', value: `${evidence.length - kept.length} more` }]
  return [...kept, ...rest].map(item => ({
    label: cut(item.label, MAX_LABEL),
    value: cut(item.value, value),
  }))
}

function withinBytes(entry: Activity): Activity {
  let fitting = entry
  for (const [most, value] of [
    [MAX_EVIDENCE, 500],
    [MAX_EVIDENCE, 100],
    [10, 100],
    [1, 0],
  ] as const) {
    if (bytesOf(fitting) <= MAX_ENTRY_BYTES) return fitting
    fitting = { ...entry, evidence: evidenceWithin(entry.evidence, most, value) }
  }
  return fitting
}
