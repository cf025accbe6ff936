/** Incidents in their journal, and as entries of the activity. */
import type { Journal } from '../../foundation/journal/journal.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import {
  type Incident,
  type IncidentsCommand,
  type IncidentsState,
  isOver,
  subjectText,
} from '../../operations/heal/contract.ts'
import type { IncidentBook } from '../../operations/heal/ends.ts'
import { nameOf } from '../../operations/heal/recovery.ts'

export function bookOf(journal: Journal<IncidentsState, IncidentsCommand>): IncidentBook {
  return {
    list: () => journal.state().incidents,
    paused: () => journal.state().paused?.reason ?? null,
    async tell(incident, signal) {
      const outcome = await journal.submit({ kind: 'tell', incident }, { signal })
      return outcome.accepted ? undefined : outcome.reason
    },
  }
}

function subjectOf({ subject, cluster }: Incident): Activity['subject'] {
  switch (subject.kind) {
    case 'broker':
    case 'log-dir':
      return { kind: 'broker', name: String(subject.broker), cluster }
    case 'replica':
      return { kind: 'partition', name: nameOf(subject), cluster }
    case 'replicas':
      return { kind: 'broker', name: String(subject.on), cluster }
    case 'partitions': {
      const [first] = subject.partitions
      return { kind: 'partition', name: nameOf(first!), cluster }
    }
    case 'leaders':
    case 'quorum':
    case 'movement':
      return { kind: 'cluster', name: cluster, cluster }
    default:
      return subject satisfies never
  }
}

const OUTCOMES = { healed: 'done', failed: 'failed' } as const

/** One entry an incident, told anew with it. */
export function entryOf(incident: Incident): Activity {
  const { id, revision, cluster, subject, cause, state, decision, signals, evidence, timeline, detectedAt } =
    incident
  const { remedy, reasons, kind } = decision
  const last = timeline.at(-1)!
  return {
    id,
    revision,
    at: detectedAt,
    actor: 'healer',
    action: `heal.${remedy ?? kind}`,
    subject: subjectOf(incident),
    summary: `${cause}: ${subjectText(subject)} of ${cluster}; ${last.text}`.slice(0, 500),
    reason: reasons.join('; ').slice(0, 500) || null,
    outcome: state === 'healed' || state === 'failed' ? OUTCOMES[state] : 'running',
    evidence: [
      ...signals.map(({ source, says }) => ({ label: `sign: ${source}`, value: says })),
      ...evidence.map(({ when, label, value }) => ({ label: `${when}: ${label}`, value })),
      ...timeline.map(({ at, text }) => ({ label: new Date(at).toISOString(), value: text })),
    ].slice(0, 40),
    endedAt: isOver(incident) ? last.at : null,
  }
}
