/** Links as the API answers them. Pure. */
import type { LinkDetail, LinkPartition, LinkRow } from '../models.ts'

export function linkRow({ assigned: _a, workers: _w, keep: _k, keeps: _n, ...row }: LinkDetail): LinkRow {
  return row
}

/** Those that need somebody come first, then those that do badly: of thousands, the first screen is what counts. */
export const linkDetail = (link: LinkDetail): LinkDetail => ({
  ...link,
  assigned: link.assigned.toSorted((a, b) => urgency(a) - urgency(b) || byName(a, b)),
})

const STATES: Readonly<Partial<Record<LinkPartition['state'], number>>> = {
  halted: 0,
  blocked: 1,
  waiting: 3,
}
const VERDICTS: Readonly<Record<NonNullable<LinkPartition['verdict']>, number>> = {
  stopped: 2,
  stalled: 2,
  rewound: 2,
  warning: 4,
  ok: 6,
}

/** 0 is the most urgent. */
function urgency({ state, verdict, missing }: LinkPartition): number {
  const badly = verdict === null ? 6 : VERDICTS[verdict]
  return Math.min(STATES[state] ?? 6, badly, missing.length > 0 ? 5 : 6)
}

const byName = (a: LinkPartition, b: LinkPartition): number =>
  a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1
