/** Deciding again on an incident that nobody has acted on: who had it may be gone, what stood against it over. Pure. */
import type { Decision, Incident } from './contract.ts'

/** One that is told nothing of for so long is decided on again; the more was told of it, the later. */
export const AGAIN_MS = 15_000
const PATIENT_AFTER = 4

/** Told, and nobody has begun to act. */
export const isUnacted = ({ state, actedAt }: Incident): boolean => state === 'open' && actedAt === null

export function mayBeDue(incident: Incident, at: number): boolean {
  if (!isUnacted(incident)) return false
  const { timeline, detectedAt } = incident
  return (
    at - (timeline.at(-1)?.at ?? detectedAt) >= AGAIN_MS * (1 + Math.floor(timeline.length / PATIENT_AFTER))
  )
}

/** Whether a decision has to be told, besides what was told: an act has, and reasons against it that are others now. */
export function isNews(
  decision: Decision,
  { decision: told }: Incident,
): decision is Exclude<Decision, { kind: 'wait' }> {
  if (decision.kind === 'wait') return false
  if (decision.kind === 'act') return true
  return decision.kind !== told.kind || decision.reasons.join() !== told.reasons.join()
}

export function decidedText(decision: Exclude<Decision, { kind: 'wait' }>): string {
  if (decision.kind === 'refuse') return `decided again: nothing is done: ${decision.reasons.join('; ')}`
  return `decided again: ${decision.kind === 'propose' ? 'proposed: ' : ''}${decision.remedy}`
}
