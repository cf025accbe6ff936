import { type Incident, isOver, subjectText } from '../../heal/contract.ts'
import type { markKinds } from './model.ts'

export type MarkKind = (typeof markKinds)[number]

/** A moment of a run that stands in its pictures. */
export interface Mark {
  readonly at: number
  readonly kind: MarkKind
  readonly text: string
}

/** What became of an incident when, so far; ms since the epoch. */
export function incidentMarks(incident: Incident): readonly Mark[] {
  const { cause, subject, decision, detectedAt, actedAt, availableAt, healedAt } = incident
  const mark = (at: number | null, kind: MarkKind, text: string): Mark[] =>
    at === null ? [] : [{ at, kind, text }]
  return [
    ...mark(detectedAt, 'detected', `detected: ${cause} of ${subjectText(subject)}`),
    ...mark(actedAt, 'acted', `acts: ${decision.remedy ?? 'nothing'}`),
    ...mark(availableAt, 'available', 'writes flow without it'),
    ...mark(isOver(incident) ? healedAt : null, 'healed', 'every replica in sync'),
  ]
}
