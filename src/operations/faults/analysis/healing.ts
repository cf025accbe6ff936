import { type Cause, type Incident, type Remedy, subjectText } from '../../heal/contract.ts'
import type { ExpectedHealing, HealingFigures } from '../contract.ts'

/**
 * What a healer made of a fault: the incidents that it told of from the fault on until the next. Pure.
 *
 * @param to the next fault, or the end; ms since the epoch
 */
export function healingOf(
  incidents: readonly Incident[],
  expected: Cause | undefined,
  { at, to }: { readonly at: number; readonly to: number },
): HealingFigures {
  const since = (time: number | null): number | null => (time === null ? null : Math.round(time - at))
  const its = incidents
    .filter(({ detectedAt }) => detectedAt >= at && detectedAt < to)
    .sort((a, b) => a.detectedAt - b.detectedAt)
  const first = its.find(({ cause }) => expected === undefined || cause === expected)
  const acted = its.flatMap(({ actedAt }) => (actedAt === null ? [] : [actedAt]))
  return {
    detectionMs: since(first?.detectedAt ?? null),
    actedMs: acted.length === 0 ? null : since(Math.min(...acted)),
    incidents: its.map(each => ({
      id: each.id,
      cause: each.cause,
      subject: subjectText(each.subject),
      remedy: each.actedAt === null ? null : each.decision.remedy,
      refused: each.decision.kind === 'refuse' ? each.decision.reasons.join('; ') : null,
      state: each.state,
      detectedMs: since(each.detectedAt)!,
      actedMs: since(each.actedAt),
      availableMs: since(each.availableAt),
      healedMs: since(each.healedAt),
    })),
  }
}

/** What was done, each once; where a person must be asked, about that alone. */
export function remediesDone(
  { incident, proposed }: ExpectedHealing,
  incidents: readonly Incident[],
): readonly Remedy[] {
  const done = incidents
    .filter(({ cause }) => proposed !== true || cause === incident)
    .flatMap(({ actedAt, decision }) =>
      actedAt === null || decision.remedy === null ? [] : [decision.remedy],
    )
  return [...new Set(done)]
}
