/** Links as the API answers them: of 10,000s of partitions the sums and those that count, the rest page by page. Pure. */
import type { LinkDetail, LinkGap, LinkPartition, LinkRow, LinkStates } from '../models.ts'
import type { LinkFacts } from '../platform.ts'
import { byText, cut, matcher, orderBy, type Page, type PageRequest } from './page.ts'

export function linkRow({ assigned: _a, workers: _w, keep: _k, keeps: _n, ...row }: LinkFacts): LinkRow {
  return row
}

const MAX_WORST = 10
const MAX_GAPS = 100

export function linkDetail({ assigned, ...link }: LinkFacts): LinkDetail {
  const unhealthy = assigned.filter(each => !isHealthy(each))
  const gaps = gapsOf(assigned)
  return {
    ...link,
    states: statesOf(assigned),
    unhealthyPartitions: unhealthy.length,
    worst: unhealthy.sort(byUrgency).slice(0, MAX_WORST),
    gapsInAll: gaps.length,
    gaps: gaps.sort((a, b) => b.to - b.from - (a.to - a.from) || byPlace(a, b)).slice(0, MAX_GAPS),
  }
}

function statesOf(partitions: readonly LinkPartition[]): LinkStates {
  const states = {
    starting: 0,
    copying: 0,
    'caught-up': 0,
    filling: 0,
    waiting: 0,
    blocked: 0,
    halted: 0,
    paused: 0,
  }
  for (const { state } of partitions) states[state]++
  return states
}

const gapsOf = (partitions: readonly LinkPartition[]): LinkGap[] =>
  partitions.flatMap(({ topic, partition, missing }) =>
    missing.map((range): LinkGap => ({ topic, partition, ...range })),
  )

/** One that is paused is as somebody wants it. */
const AS_WANTED: ReadonlySet<LinkPartition['state']> = new Set(['copying', 'caught-up', 'filling', 'paused'])

const isHealthy = ({ state, verdict }: LinkPartition): boolean =>
  AS_WANTED.has(state) && (verdict === null || verdict === 'ok')

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

type Place = Pick<LinkPartition, 'topic' | 'partition'>
const byPlace = (a: Place, b: Place): number => byText(a.topic, b.topic) || a.partition - b.partition
const byUrgency = (a: LinkPartition, b: LinkPartition): number => urgency(a) - urgency(b) || byPlace(a, b)

export const linkPartitionSorts = [
  'urgency',
  'topic',
  'state',
  'since',
  'verdict',
  'lag',
  'lag-time',
  'missing',
] as const
export type LinkPartitionSort = (typeof linkPartitionSorts)[number]

export interface LinkPartitionQuery extends PageRequest<LinkPartitionSort> {
  /** Exactly; `search` is part of its name. */
  readonly topic?: string | undefined
  readonly state: 'all' | 'unhealthy' | LinkPartition['state']
  readonly verdict: 'all' | NonNullable<LinkPartition['verdict']>
}

export function linkPartitionPage({ assigned }: LinkFacts, query: LinkPartitionQuery): Page<LinkPartition> {
  const { topic, state, verdict } = query
  const wanted = matcher(query.search)
  const rows = assigned.filter(
    row =>
      (topic === undefined ? wanted(row.topic) : row.topic === topic) &&
      (state === 'all' || (state === 'unhealthy' ? !isHealthy(row) : row.state === state)) &&
      (verdict === 'all' || row.verdict === verdict),
  )
  return cut(rows.sort(orderBy(sortKeys[query.sort], query.order, byPlace)), query)
}

/** Worst first. */
const STATE_ORDER: readonly LinkPartition['state'][] = [
  'halted',
  'blocked',
  'waiting',
  'starting',
  'filling',
  'paused',
  'copying',
  'caught-up',
]
const VERDICT_ORDER: readonly NonNullable<LinkPartition['verdict']>[] = [
  'rewound',
  'stopped',
  'stalled',
  'warning',
  'ok',
]

const sortKeys: Readonly<Record<LinkPartitionSort, (row: LinkPartition) => string | number | null>> = {
  urgency,
  topic: row => row.topic,
  state: row => STATE_ORDER.indexOf(row.state),
  since: row => row.since,
  verdict: row => (row.verdict === null ? null : VERDICT_ORDER.indexOf(row.verdict)),
  lag: row => row.lagRecords,
  'lag-time': row => row.lagMs,
  missing: row => row.missing.reduce((sum, { from, to }) => sum + to - from, 0),
}
