import { incidentId } from './chronicle.ts'
import { isStanding } from './conditions/standing.ts'
import { type Diagnosis, type Incident, isOver, type Subject, subjectKey } from './contract.ts'
import { nameOf } from './recovery.ts'

/** Whether an incident was opened for such a diagnosis. */
export function isAbout(
  diagnosis: Diagnosis,
  { id, cause, subject }: Pick<Incident, 'id' | 'cause' | 'subject'>,
): boolean {
  // Another healer, or this one before it was killed, may have seen it begin at another moment.
  if (isStanding(cause)) return diagnosis.cause === cause && isOfSame(diagnosis.subject, subject)
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
  if (isStanding(cause)) return isTold(diagnosis, incidents) ? undefined : id
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

/** What stands has one incident, until it is over; what began before that is part of it. */
function isTold({ cause, cluster, subject, beganAt }: Diagnosis, incidents: readonly Incident[]): boolean {
  return incidents.some(
    each =>
      each.cluster === cluster &&
      each.cause === cause &&
      isOfSame(each.subject, subject) &&
      (!isOver(each) || beganAt <= settledAt(each)),
  )
}

/** Healers may group partitions differently. */
export function isOfSame(a: Subject, b: Subject): boolean {
  if (a.kind !== 'partitions' || b.kind !== 'partitions') return subjectKey(a) === subjectKey(b)
  const its = new Set(a.partitions.map(nameOf))
  return b.partitions.some(each => its.has(nameOf(each)))
}

/** An act has had its effect by then, or has none. */
const EFFECT_MS = 30_000

/** What began before then is part of it. */
function settledAt(incident: Incident): number {
  const { detectedAt, actedAt, availableAt, timeline } = incident
  if (isOver(incident)) return timeline.at(-1)?.at ?? detectedAt
  return availableAt ?? (actedAt === null ? detectedAt : actedAt + EFFECT_MS)
}
