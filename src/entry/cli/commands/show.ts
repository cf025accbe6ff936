import { AjnaError, errorKind } from '../../../foundation/errors/errors.ts'
import { type Column, renderTable } from '../../../foundation/text/table.ts'
import { dataOf } from '../../api/client.ts'
import type { ClusterDetail, ClusterSummary, LinkRow, TopicDetail, TopicRow } from '../../api/models.ts'
import { watchAgent } from '../../control/agents.ts'
import { connectApi } from '../api.ts'
import { print, printJson } from '../output.ts'

export type Noun = 'cluster' | 'topic' | 'tenant' | 'link' | 'agent'
/** A link is shown by link-show.ts: it has more than fits a screen. */
type Shown = Exclude<Noun, 'link'>

const NAME_UNKNOWN = errorKind(
  'NAME_UNKNOWN',
  'The fleet has nothing of that kind and name.',
  'See the names with `ajna <noun> list`.',
  2,
)

interface ListOptions {
  readonly json?: boolean
  readonly search?: string
}

const PAGE = 500

export async function list(noun: Noun, options: ListOptions): Promise<void> {
  const rows = (await listed(noun)).filter(row => named(row).includes(options.search ?? ''))
  if (options.json === true) return printJson(rows)
  print(renderTable(columnsOf(noun), rows))
}

export async function show(noun: Shown, name: string, options: ListOptions): Promise<void> {
  const thing = await shown(noun, name)
  if (options.json === true) return printJson(thing)
  print(renderThing(noun, thing))
}

type Row = Readonly<Record<string, unknown>> & { readonly name: string }
const named = (row: Row): string => row.name

async function listed(noun: Noun): Promise<readonly Row[]> {
  const { api, file } = await connectApi()
  switch (noun) {
    case 'cluster':
      return dataOf(await api.GET('/api/fleet')).clusters as unknown as Row[]
    case 'topic':
      return topics(async offset =>
        dataOf(await api.GET('/api/topics', { params: { query: { offset, limit: PAGE } } })),
      )
    case 'tenant':
      return file.fleet.tenants.map(tenant => ({
        ...tenant,
        topics: file.fleet.topics.filter(topic => topic.tenant === tenant.name).map(topic => topic.name),
      }))
    case 'link':
      return dataOf(await api.GET('/api/links')).links as unknown as Row[]
    case 'agent':
      return [await agentRow()]
    default:
      return noun satisfies never
  }
}

async function topics(
  page: (offset: number) => Promise<{ readonly total: number; readonly items: readonly TopicRow[] }>,
): Promise<Row[]> {
  const rows: TopicRow[] = []
  for (let total = 1; rows.length < total; ) {
    const next = await page(rows.length)
    rows.push(...next.items)
    total = next.items.length === 0 ? rows.length : next.total
  }
  return rows as unknown as Row[]
}

async function agentRow(): Promise<Row> {
  const { file, token } = await connectApi()
  const ending = new AbortController()
  try {
    const agent = watchAgent({ port: file.ports.agent, token, signal: ending.signal })
    const status = await agent.ask()
    return { name: status.host, ...status }
  } finally {
    ending.abort()
  }
}

async function shown(noun: Shown, name: string): Promise<Row> {
  const { api } = await connectApi()
  switch (noun) {
    case 'cluster':
      return dataOf(
        await api.GET('/api/clusters/{cluster}', { params: { path: { cluster: name } } }),
      ) as unknown as Row
    case 'topic':
      return dataOf(
        await api.GET('/api/topics/{topic}', { params: { path: { topic: name } } }),
      ) as unknown as Row
    case 'tenant':
    case 'agent': {
      const found = (await listed(noun)).find(row => row.name === name)
      if (found === undefined) throw new AjnaError(NAME_UNKNOWN, `there is no ${noun} ${name}`)
      return found
    }
    default:
      return noun satisfies never
  }
}

export const whole = (value: number | null | undefined): string =>
  value === null || value === undefined ? '-' : Math.round(value).toLocaleString('en')
export const seconds = (ms: number | null): string => (ms === null ? '-' : (ms / 1_000).toFixed(1))
const mib = (bytes: number | null): string => (bytes === null ? '-' : (bytes / 1024 ** 2).toFixed(1))

export const linkColumns: readonly Column<LinkRow>[] = [
  { title: 'LINK', value: row => row.name },
  { title: 'FROM → TO', value: row => `${row.from} → ${row.to}` },
  { title: 'STATE', value: row => row.state },
  { title: 'PARTITIONS', value: row => row.partitions, align: 'right' },
  { title: 'LAG RECORDS', value: row => whole(row.lagRecords), align: 'right' },
  { title: 'LAG s', value: row => seconds(row.lagMs), align: 'right' },
  { title: 'VERDICT', value: row => row.verdict ?? '-' },
  { title: 'REC/S', value: row => whole(row.recordsPerSecond), align: 'right' },
  { title: 'WHY', value: row => row.reason, shrinkTo: 10 },
]

function columnsOf(noun: Noun): Column<Row>[] {
  switch (noun) {
    case 'cluster':
      return columns<ClusterSummary>([
        { title: 'CLUSTER', value: row => row.name },
        { title: 'SITE', value: row => row.site },
        { title: 'STATE', value: row => row.state },
        { title: 'BROKERS', value: row => `${row.brokersUp}/${row.brokersDeclared}`, align: 'right' },
        { title: 'TOPICS', value: row => row.topics, align: 'right' },
        { title: 'PARTITIONS', value: row => row.partitions, align: 'right' },
        { title: 'UNDER-REPLICATED', value: row => row.underReplicated, align: 'right' },
        { title: 'REC/S', value: row => whole(row.recordsInPerSecond), align: 'right' },
        { title: 'MiB', value: row => mib(row.logBytes), align: 'right' },
      ])
    case 'topic':
      return columns<TopicRow>([
        { title: 'TOPIC', value: row => row.name, shrinkTo: 20 },
        { title: 'STATE', value: row => row.state },
        { title: 'CLUSTERS', value: row => row.clusters.join(', '), shrinkTo: 12 },
        { title: 'PARTITIONS', value: row => row.partitions, align: 'right' },
        { title: 'RF', value: row => row.replicationFactor, align: 'right' },
        { title: 'RECORDS', value: row => whole(row.records), align: 'right' },
        { title: 'REC/S', value: row => whole(row.recordsInPerSecond), align: 'right' },
        { title: 'MiB', value: row => mib(row.sizeBytes), align: 'right' },
      ])
    case 'tenant':
      return [
        { title: 'TENANT', value: row => row.name },
        { title: 'TOPICS', value: row => (row['topics'] as string[]).join(', '), shrinkTo: 20 },
        { title: 'DESCRIPTION', value: row => String(row['description']), shrinkTo: 20 },
      ]
    case 'link':
      return columns<LinkRow>(linkColumns)
    case 'agent':
      return columns<Awaited<ReturnType<ReturnType<typeof watchAgent>['ask']>> & { readonly name: string }>([
        { title: 'HOST', value: row => row.host },
        { title: 'SITE', value: row => row.site },
        { title: 'SHIPPING', value: row => row.shipping.state },
        { title: 'FILES', value: row => row.files.length, align: 'right' },
        { title: 'LAG BYTES', value: row => whole(row.shipping.lagBytes), align: 'right' },
        { title: 'ACKNOWLEDGED', value: row => whole(row.shipping.acknowledgedRecords), align: 'right' },
        { title: 'SPOOL MiB', value: row => mib(row.spool.bytes), align: 'right' },
        { title: 'LOST BYTES', value: row => whole(row.shipping.lostBytes), align: 'right' },
        { title: 'PROCESSES', value: row => row.processes.length, align: 'right' },
      ])
    default:
      return noun satisfies never
  }
}

/** The columns of one kind of row, as those of any: which kind it is, the noun says. */
const columns = <Kind>(of: readonly Column<Kind>[]): Column<Row>[] => of as unknown as Column<Row>[]

function renderThing(noun: Shown, thing: Row): string {
  const head = renderTable(columnsOf(noun), [thing])
  switch (noun) {
    case 'cluster':
      return `${head}\n\n${renderBrokers(thing as unknown as ClusterDetail)}`
    case 'topic':
      return renderTopic(thing as unknown as TopicDetail)
    case 'tenant':
    case 'agent':
      return head
    default:
      return noun satisfies never
  }
}

const renderBrokers = ({ brokers }: ClusterDetail): string =>
  renderTable(
    [
      { title: 'BROKER', value: row => row.id, align: 'right' },
      { title: 'RACK', value: row => row.rack ?? '-' },
      { title: 'STATE', value: row => `${row.state}${row.isController ? ', controller' : ''}` },
      { title: 'ADDRESS', value: row => (row.host === null ? '-' : `${row.host}:${row.port}`) },
      { title: 'LEADERS', value: row => row.leaders, align: 'right' },
      { title: 'REPLICAS', value: row => row.replicas, align: 'right' },
      { title: 'OUT OF SYNC', value: row => row.outOfSync, align: 'right' },
      { title: 'REC/S', value: row => whole(row.recordsInPerSecond), align: 'right' },
    ],
    brokers,
  )

const renderTopic = (topic: TopicDetail): string =>
  renderTable(
    [
      { title: 'CLUSTER', value: row => row.cluster },
      { title: 'ROLE', value: row => (row.link === null ? row.role : `${row.role} by ${row.link}`) },
      { title: 'STATE', value: row => row.state },
      { title: 'PARTITIONS', value: row => row.partitions, align: 'right' },
      { title: 'RF', value: row => row.replicationFactor, align: 'right' },
      { title: 'RECORDS', value: row => whole(row.records), align: 'right' },
      { title: 'REC/S', value: row => whole(row.recordsInPerSecond), align: 'right' },
      { title: 'TOPIC ID', value: row => row.topicId },
    ],
    topic.clusters,
  )
