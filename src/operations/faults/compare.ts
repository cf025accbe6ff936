import { z } from 'zod'
import { readConfig } from '../../foundation/config/config.ts'
import { type Column, renderTable } from '../../foundation/text/table.ts'
import type { FailureFigures, Spread } from './contract.ts'

/** An earlier `ajna test failures --json`, and what has become worse since. */

const spread = z.object({ median: z.number().nullable(), worst: z.number().nullable() })
const earlierSchema = z.object({
  version: z.string(),
  healer: z.string().nullable(),
  failures: z.array(
    z.object({
      kind: z.string(),
      runs: z.number(),
      detectionMs: z.number().nullable(),
      availabilityRestoredMs: spread,
      redundancyRestoredMs: spread,
      lost: z.number(),
      duplicated: z.number(),
    }),
  ),
})
export type EarlierFigures = Pick<
  FailureFigures,
  'kind' | 'runs' | 'detectionMs' | 'availabilityRestoredMs' | 'redundancyRestoredMs' | 'lost' | 'duplicated'
>
export interface EarlierReport {
  readonly version: string
  readonly healer: string | null
  readonly failures: readonly EarlierFigures[]
}

/** @throws AjnaError CONFIG_INVALID with what is not as `ajna test failures --json` writes it */
export const readEarlier = (text: string, file: string): EarlierReport =>
  readConfig(earlierSchema, text, file)

export interface ComparedFigure {
  readonly what: 'detected' | 'available' | 'redundant' | 'lost' | 'duplicated'
  readonly before: number | null
  readonly now: number | null
  /** `noise`: another figure, and no more than runs differ among themselves. */
  readonly verdict: 'same' | 'noise' | 'better' | 'worse'
}

export interface ComparedKind {
  readonly kind: string
  readonly runs: { readonly before: number; readonly now: number }
  readonly figures: readonly ComparedFigure[]
}

/** A median that moves by less is noise, whatever the runs before were like: a share of it, and so many ms. */
const NOISE_SHARE = 0.25
const NOISE_MS = 500

/** The kinds that both have, side by side. Pure. */
export function compareFailures(
  before: readonly EarlierFigures[],
  now: readonly EarlierFigures[],
): readonly ComparedKind[] {
  return now.flatMap(each => {
    const earlier = before.find(({ kind }) => kind === each.kind)
    if (earlier === undefined) return []
    const alone = (value: number | null): Spread => ({ median: value, worst: value })
    return [
      {
        kind: each.kind,
        runs: { before: earlier.runs, now: each.runs },
        figures: [
          compareTimes('detected', alone(earlier.detectionMs), alone(each.detectionMs)),
          compareTimes('available', earlier.availabilityRestoredMs, each.availabilityRestoredMs),
          compareTimes('redundant', earlier.redundancyRestoredMs, each.redundancyRestoredMs),
          compareCounts('lost', earlier.lost, each.lost),
          compareCounts('duplicated', earlier.duplicated, each.duplicated),
        ],
      },
    ]
  })
}

/** Worse: the median is beyond the worst there was, and by more than noise. Better: the worst is below what the median was. */
function compareTimes(what: ComparedFigure['what'], before: Spread, now: Spread): ComparedFigure {
  const figure = { what, before: before.median, now: now.median }
  // Nothing was to be detected, or nobody was there to: then nothing is worse.
  if (what === 'detected' && (before.median === null || now.median === null))
    return { ...figure, verdict: before.median === now.median ? 'same' : 'noise' }
  const [was, is] = [never(before.median), never(now.median)]
  if (was === is) return { ...figure, verdict: 'same' }
  const noise = Math.max(NOISE_MS, Math.min(was, is) * NOISE_SHARE)
  if (is > never(before.worst) && is - was > noise) return { ...figure, verdict: 'worse' }
  if (never(now.worst) < was && was - is > noise) return { ...figure, verdict: 'better' }
  return { ...figure, verdict: 'noise' }
}

function compareCounts(what: ComparedFigure['what'], before: number, now: number): ComparedFigure {
  const verdict = now === before ? 'same' : now > before ? 'worse' : 'better'
  return { what, before, now, verdict }
}

const never = (ms: number | null): number => ms ?? Number.POSITIVE_INFINITY

export const gotWorse = (compared: readonly ComparedKind[]): boolean =>
  compared.some(({ figures }) => figures.some(({ verdict }) => verdict === 'worse'))

/** Before → now, and what that means where it is more than noise. */
export function comparedText({ what, before, now, verdict }: ComparedFigure): string {
  const absent = what === 'detected' ? '-' : 'never'
  const text = (value: number | null): string => value?.toLocaleString('en-US') ?? absent
  const change = before === now ? text(now) : `${text(before)} → ${text(now)}`
  return verdict === 'worse' ? `${change} WORSE` : verdict === 'better' ? `${change} better` : change
}

export function renderCompared(compared: readonly ComparedKind[]): string {
  const column = (title: string, what: ComparedFigure['what']): Column<ComparedKind> => ({
    title,
    value: ({ figures }) => comparedText(figures.find(each => each.what === what)!),
    align: 'right',
  })
  return renderTable(
    [
      { title: 'FAILURE', value: row => row.kind },
      { title: 'RUNS', value: ({ runs }) => `${runs.before}, ${runs.now}`, align: 'right' },
      column('DETECTED ms', 'detected'),
      column('AVAILABLE ms', 'available'),
      column('REDUNDANT ms', 'redundant'),
      column('LOST', 'lost'),
      column('DUPL.', 'duplicated'),
    ],
    compared,
    160,
  )
}
