import { incidentId } from './chronicle.ts'
import { type Diagnosis, type Incident, isOver, subjectKey } from './contract.ts'

/** Whether the incident of this id was opened for such a diagnosis. */
export function isAbout(diagnosis: Diagnosis, id: string): boolean {
  const first = incidentId(diagnosis)
  return id === first || id.startsWith(`${first}-again-`)
}

/**
 * Under which id a diagnosis opens an incident; the same for every healer that sees the same failure. Undefined: there is
 * nothing new in it. It has its incident, or is part of one that is being acted on (a frozen broker that was killed is
 * dead); what fails anew, after writes flowed without it and before it was whole again, is another failure, and so is what
 * the same process does again after an incident was over. Pure.
 */
export function newIncidentId(diagnosis: Diagnosis, incidents: readonly Incident[]): string | undefined {
  const { cause, cluster, subject, beganAt } = diagnosis
  const id = incidentId(diagnosis)
  const key = subjectKey(subject)
  if (subject.kind === 'partitions') {
    const isKnown = (each: Incident): boolean =>
      each.cluster === cluster && subjectKey(each.subject) === key && !isOver(each)
    return incidents.some(each => each.id === id || isKnown(each)) ? undefined : id
  }
  let again = 0
  for (const each of incidents) {
    const isSame = each.id === id || each.id.startsWith(`${id}-again-`)
    const isOfSubject = each.cluster === cluster && subjectKey(each.subject) === key
    if (isSame && !isOver(each)) return undefined
    // Nobody testifies for what is lost: its marks are only times. What is found out once somebody does is another matter.
    if (isOfSubject && cause === 'broker-lost' && each.cause === cause && !isOver(each)) return undefined
    if ((cause === 'broker-lost') !== (each.cause === 'broker-lost')) continue
    if (isSame) again++
    else if (!isOfSubject || isOver(each)) continue
    if (beganAt <= settledAt(each)) return undefined
  }
  return again === 0 ? id : `${id}-again-${again}`.slice(-64)
}

/** An act has had its effect by then, or has none. */
const EFFECT_MS = 30_000

/** What began before then is part of it. */
function settledAt(incident: Incident): number {
  const { detectedAt, actedAt, availableAt, timeline } = incident
  if (isOver(incident)) return timeline.at(-1)?.at ?? detectedAt
  return availableAt ?? (actedAt === null ? detectedAt : actedAt + EFFECT_MS)
}
