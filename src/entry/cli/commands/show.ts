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

export const list = (noun: Noun, options: ListOptions): Promise<void> => faces[noun].list(options)
export const show = (noun: Shown, name: string, options: ListOptions): Promise<void> =>
  faces[noun].show(name, options)

/** How one kind of thing is listed and shown. */
interface Face {
  list(options: ListOptions): Promise<void>
  show(name: string, options: ListOptions): Promise<void>
}

interface Named {
  readonly name: string
}

/** Each row can be shown too, unless there is more to see of one. */
interface Sight<Row extends Named> {
  readonly rows: () => Promise<readonly Row[]>
  readonly columns: readonly Column<Row>[]
}

const listsAs = <Row extends Named>({ rows, columns }: Sight<Row>): Face['list'] =>
  async function list({ json, search = '' }) {
    const found = (await rows()).filter(({ name }) => name.includes(search))
    if (json === true) printJson(found)
    else print(renderTable(columns, found))
  }

const showsAs = <Thing>(
  one: (name: string) => Promise<Thing>,
  render: (thing: Thing) => string,
): Face['show'] =>
  async function show(name, { json }) {
    const thing = await one(name)
    if (json === true) printJson(thing)
    else print(render(thing))
  }

/** Shown as it is listed. */
function rowsOnly<Row extends Named>(noun: Shown, sight: Sight<Row>): Face {
  const one = async (name: string): Promise<Row> => {
    const found = (await sight.rows()).find(row => row.name === name)
    if (found === undefined) throw new AjnaError(NAME_UNKNOWN, `there is no ${noun} ${name}`)
    return found
  }
  return { list: listsAs(sight), show: showsAs(one, row => renderTable(sight.columns, [row])) }
}

async function topicRows(): Promise<readonly TopicRow[]> {
  const { api } = await connectApi()
  const rows: TopicRow[] = []
  for (let total = 1; rows.length < total; ) {
    const query = { offset: rows.length, limit: PAGE }
    const next = dataOf(await api.GET('/api/topics', { params: { query } }))
    rows.push(...next.items)
    total = next.items.length === 0 ? rows.length : next.total
  }
  return rows
}

async function tenantRows() {
  const { file } = await connectApi()
  return file.fleet.tenants.map(tenant => ({
    ...tenant,
    topics: file.fleet.topics.filter(topic => topic.tenant === tenant.name).map(topic => topic.name),
  }))
}

async function agentRows() {
  const { file, token } = await connectApi()
  const ending = new AbortController()
  try {
    const agent = watchAgent({ port: file.ports.agent, token, signal: ending.signal })
    const status = await agent.ask()
    return [{ name: status.host, ...status }]
  } finally {
    ending.abort()
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

const clusterColumns: readonly Column<ClusterSummary>[] = [
  { title: 'CLUSTER', value: row => row.name },
  { title: 'SITE', value: row => row.site },
  { title: 'STATE', value: row => row.state },
  { title: 'BROKERS', value: row => `${row.brokersUp}/${row.brokersDeclared}`, align: 'right' },
  { title: 'TOPICS', value: row => row.topics, align: 'right' },
  { title: 'PARTITIONS', value: row => row.partitions, align: 'right' },
  { title: 'UNDER-REPLICATED', value: row => row.underReplicated, align: 'right' },
  { title: 'REC/S', value: row => whole(row.recordsInPerSecond), align: 'right' },
  { title: 'MiB', value: row => mib(row.logBytes), align: 'right' },
]

const topicColumns: readonly Column<TopicRow>[] = [
  { title: 'TOPIC', value: row => row.name, shrinkTo: 20 },
  { title: 'STATE', value: row => row.state },
  { title: 'CLUSTERS', value: row => row.clusters.join(', '), shrinkTo: 12 },
  { title: 'PARTITIONS', value: row => row.partitions, align: 'right' },
  { title: 'RF', value: row => row.replicationFactor, align: 'right' },
  { title: 'RECORDS', value: row => whole(row.records), align: 'right' },
  { title: 'REC/S', value: row => whole(row.recordsInPerSecond), align: 'right' },
  { title: 'MiB', value: row => mib(row.sizeBytes), align: 'right' },
]

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

const faces: Readonly<Record<Shown, Face>> & Readonly<Record<'link', Pick<Face, 'list'>>> = {
  cluster: {
    list: listsAs({
      rows: async () => dataOf(await (await connectApi()).api.GET('/api/fleet')).clusters,
      columns: clusterColumns,
    }),
    show: showsAs(
      async cluster =>
        dataOf(
          await (await connectApi()).api.GET('/api/clusters/{cluster}', { params: { path: { cluster } } }),
        ),
      cluster => `${renderTable(clusterColumns, [cluster])}\n\n${renderBrokers(cluster)}`,
    ),
  },
  topic: {
    list: listsAs({ rows: topicRows, columns: topicColumns }),
    show: showsAs(
      async topic =>
        dataOf(await (await connectApi()).api.GET('/api/topics/{topic}', { params: { path: { topic } } })),
      renderTopic,
    ),
  },
  link: {
    list: listsAs({
      rows: async () => dataOf(await (await connectApi()).api.GET('/api/links')).links,
      columns: linkColumns,
    }),
  },
  tenant: rowsOnly('tenant', {
    rows: tenantRows,
    columns: [
      { title: 'TENANT', value: row => row.name },
      { title: 'TOPICS', value: row => row.topics.join(', '), shrinkTo: 20 },
      { title: 'DESCRIPTION', value: row => row.description, shrinkTo: 20 },
    ],
  }),
  agent: rowsOnly('agent', {
    rows: agentRows,
    columns: [
      { title: 'HOST', value: row => row.host },
      { title: 'SITE', value: row => row.site },
      { title: 'SHIPPING', value: row => row.shipping.state },
      { title: 'FILES', value: row => row.files.length, align: 'right' },
      { title: 'LAG BYTES', value: row => whole(row.shipping.lagBytes), align: 'right' },
      { title: 'ACKNOWLEDGED', value: row => whole(row.shipping.acknowledgedRecords), align: 'right' },
      { title: 'SPOOL MiB', value: row => mib(row.spool.bytes), align: 'right' },
      { title: 'LOST BYTES', value: row => whole(row.shipping.lostBytes), align: 'right' },
      { title: 'PROCESSES', value: row => row.processes.length, align: 'right' },
    ],
  }),
}
