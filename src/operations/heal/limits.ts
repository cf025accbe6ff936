/** A healer must not be able to make an outage by repeating itself: beyond these it asks. Pure. */
import { type Incident, type Subject, subjectKey, subjectText } from './contract.ts'

export const LIMITS = { windowMs: 600_000, actsPerSubject: 3, actsPerCluster: 6 }

/** What of a cluster was acted on, and when, ms since the epoch. */
export interface Acted {
  readonly subject: Subject
  readonly at: number
}

export function actsIn(incidents: readonly Incident[], cluster: string): Acted[] {
  return incidents.flatMap(each =>
    each.cluster === cluster && each.actedAt !== null ? [{ subject: each.subject, at: each.actedAt }] : [],
  )
}

/** Why one more act would be too many. */
export function excessOf(acts: readonly Acted[], subject: Subject, at: number): string[] {
  // Giving leadership back endangers nothing: it takes nothing from what may be done about failures, nor they from it.
  const isLeaders = subject.kind === 'leaders'
  const recent = acts.filter(
    each => at - each.at < LIMITS.windowMs && (each.subject.kind === 'leaders') === isLeaders,
  )
  const minutes = LIMITS.windowMs / 60_000
  const key = subjectKey(subject)
  const reasons: string[] = []
  if (recent.filter(each => subjectKey(each.subject) === key).length >= LIMITS.actsPerSubject)
    reasons.push(
      `${subjectText(subject)} was healed ${LIMITS.actsPerSubject} times in ${minutes} minutes: it does not stay up`,
    )
  if (recent.length >= LIMITS.actsPerCluster)
    reasons.push(`${recent.length} acts on this cluster in ${minutes} minutes: something else is wrong`)
  return reasons
}
