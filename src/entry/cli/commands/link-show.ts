import { count, renderTable } from '../../../foundation/text/table.ts'
import { type ApiClient, dataOf } from '../../api/client.ts'
import type { LinkDetail, LinkPartition } from '../../api/models.ts'
import type { LinkPartitionQuery } from '../../api/views/links.ts'
import { connectApi } from '../api.ts'
import { print, printJson } from '../output.ts'
import { linkReasons } from './link-reasons.ts'
import { linkColumns, seconds, whole } from './show.ts'

export interface ShowLinkOptions {
  /** What these may be, the API says. */
  readonly state: LinkPartitionQuery['state']
  readonly verdict: LinkPartitionQuery['verdict']
  /** Words of topics' names. */
  readonly topic: string
  readonly sort: LinkPartitionQuery['sort']
  readonly desc?: boolean
  readonly limit: number
  /** Without a limit. */
  readonly all?: boolean
  readonly json?: boolean
}

/** A link as a whole, and those of its partitions that are asked for: the worst of them, as nothing else is said. */
export async function showLink(name: string, options: ShowLinkOptions): Promise<void> {
  const { api } = await connectApi()
  const link = dataOf(await api.GET('/api/links/{link}', { params: { path: { link: name } } }))
  const listed = await partitionsOf(api, name, options)
  if (options.json === true) printJson({ ...link, listed })
  else print(renderLink(link, listed))
}

interface Listed {
  /** How many were meant. */
  readonly total: number
  readonly items: readonly LinkPartition[]
}

const PAGE = 500

async function partitionsOf(api: ApiClient, link: string, options: ShowLinkOptions): Promise<Listed> {
  const { state, verdict, topic, sort, desc, all } = options
  const query = { state, verdict, search: topic, sort, order: desc === true ? 'desc' : 'asc' } as const
  const wanted = all === true ? Number.POSITIVE_INFINITY : options.limit
  const items: LinkPartition[] = []
  for (;;) {
    const limit = Math.min(PAGE, wanted - items.length)
    const page = dataOf(
      await api.GET('/api/links/{link}/partitions', {
        params: { path: { link }, query: { ...query, offset: items.length, limit } },
      }),
    )
    items.push(...page.items)
    if (page.items.length < limit || items.length >= wanted) return { total: page.total, items }
  }
}

export function renderLink(link: LinkDetail, { total, items }: Listed): string {
  const { sides, keep, workers } = link
  const underWay = sides?.underWay ?? null
  const step = underWay?.step == null ? '' : ` at ${underWay.step}`
  const stuck = underWay?.stuck == null ? '' : `: ${underWay.stuck}`
  const switching = underWay === null ? '' : `; ${underWay.action} under way${step}${stuck}`
  const rest = total - items.length
  const reasons = linkReasons(link, items)
  return [
    renderTable([...linkColumns], [link]),
    countsText(link),
    ...(sides === null ? [] : [`Sides: ${sides.phase}${switching}.`]),
    ...(workers.length === 0 ? [] : [renderWorkers(workers)]),
    ...(keep === null ? [] : [renderKeep(keep)]),
    ...(items.length === 0 ? ['No partition is listed.'] : [renderPartitions(items)]),
    ...(rest > 0 ? [`${whole(rest)} more are not listed: --limit, --all, --state, --verdict, --topic.`] : []),
    ...(reasons.length === 0 ? [] : [reasons.join('\n')]),
  ].join('\n\n')
}

/** By state, by verdict, and what is missing; what there is none of is left out. */
function countsText({ states, verdicts, missingOffsets, gapsInAll }: LinkDetail): string {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([what, count]) => `${whole(count)} ${what}`)
      .join(', ')
  const missing =
    gapsInAll === 0 ? '' : ` Missing: ${whole(missingOffsets)} offsets in ${whole(gapsInAll)} gaps.`
  return `Partitions: ${list(states) || 'none'}. Verdicts: ${list(verdicts) || 'none'}.${missing}`
}

const renderWorkers = (workers: LinkDetail['workers']): string =>
  `Workers: ${workers.map(({ name, partitions }) => `${name} (${count(partitions, 'partition')})`).join(', ')}.`

function renderKeep({
  roundAt,
  reason,
  changed,
  failed,
  left,
  groups,
}: NonNullable<LinkDetail['keep']>): string {
  const when = roundAt === null ? 'no round yet' : `last round ${new Date(roundAt).toISOString()}`
  const why = reason === '' ? '' : `; ${reason}`
  const heading = `Kept in step: ${when}, ${changed} changed, ${failed} failed, ${left.length} left${why}.`
  const table = renderTable(
    [
      { title: 'GROUP', value: row => row.group, shrinkTo: 20 },
      { title: 'STATE', value: row => row.state },
      { title: 'HELD RECORDS', value: row => whole(row.heldRecords), align: 'right' },
      { title: 'FRESH TO s', value: row => seconds(row.freshnessMs), align: 'right' },
      { title: 'WHY', value: row => row.reason, shrinkTo: 10 },
    ],
    groups,
  )
  return groups.length === 0 ? heading : `${heading}\n\n${table}`
}

/** Why a copy's offsets are not its source's. */
const mappedText = ({ mapping }: LinkPartition): string =>
  mapping === null ? '' : `mapped in ${mapping.segments}, since ${mapping.why}`

const renderPartitions = (partitions: readonly LinkPartition[]): string =>
  renderTable(
    [
      { title: 'PARTITION', value: row => `${row.topic}-${row.partition}`, shrinkTo: 20 },
      { title: 'STATE', value: row => row.state },
      { title: 'SOURCE END', value: row => whole(row.sourceEnd), align: 'right' },
      { title: 'TARGET END', value: row => whole(row.targetEnd), align: 'right' },
      { title: 'LAG RECORDS', value: row => whole(row.lagRecords), align: 'right' },
      { title: 'LAG s', value: row => seconds(row.lagMs), align: 'right' },
      { title: 'OFFSETS', value: row => (row.mapping === null ? 'identity' : 'mapped') },
      { title: 'VERDICT', value: row => row.verdict ?? '-' },
      { title: 'WHY', value: row => row.reason || row.verdictReason || mappedText(row), shrinkTo: 10 },
    ],
    partitions,
  )
