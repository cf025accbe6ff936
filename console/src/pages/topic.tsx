import { useQueries, useQuery } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useState } from 'react'
import { api, data, type Message, type Payload, type Topic } from '../api/client.ts'
import { topicConfigQuery, topicQuery } from '../api/queries.ts'
import { Drawer, Facts } from '../components/drawer.tsx'
import { Select } from '../components/inputs.tsx'
import { Page, Tabs, Toolbar } from '../components/page.tsx'
import { Answer, EmptyState, ErrorPanel, Loading } from '../components/states.tsx'
import { State } from '../components/status.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Instant, TimeAgo } from '../components/time-ago.tsx'
import { bytes, compact, count, instant } from '../format.ts'
import { A, at, setQuery, usePlace } from '../router.tsx'
import { Partitions } from './cluster.tsx'

type Place = Topic['clusters'][number]

export function TopicPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const name = params['topic'] ?? ''
  const tab = params['tab'] ?? 'clusters'
  const query = useQuery(topicQuery(name))
  return (
    <Page
      title={name}
      crumbs={[{ name: 'Topics', href: '/topics' }]}
      beside={query.data && <Beside topic={query.data} />}
    >
      <Tabs
        label="Parts of the topic"
        active={tab}
        tabs={[
          { name: 'clusters', href: at('topics', name) },
          { name: 'partitions', href: at('topics', name, 'partitions') },
          { name: 'messages', href: at('topics', name, 'messages') },
          { name: 'config', href: at('topics', name, 'config') },
        ]}
      />
      <Answer query={query}>
        {topic => (
          <>
            {tab === 'clusters' && <Clusters topic={topic} />}
            {tab === 'partitions' && (
              <AtCluster topic={topic}>
                {(cluster, choice) => <Partitions cluster={cluster} topic={name} choice={choice} />}
              </AtCluster>
            )}
            {tab === 'messages' && (
              <AtCluster topic={topic}>
                {(cluster, choice) => (
                  <Messages key={cluster} topic={topic} cluster={cluster} choice={choice} />
                )}
              </AtCluster>
            )}
            {tab === 'config' && <Config topic={topic} />}
          </>
        )}
      </Answer>
    </Page>
  )
}

function Beside({ topic }: { readonly topic: Topic }) {
  const worst = topic.clusters.find(place => place.state !== 'ok')?.state ?? 'ok'
  const names = (role: Place['role']): string =>
    topic.clusters
      .filter(place => place.role === role)
      .map(place => place.cluster)
      .join(', ')
  const [written, copied] = [names('origin'), names('copy')]
  return (
    <>
      <State name={worst} />
      <span className="quiet">
        {[written !== '' && `written on ${written}`, copied !== '' && `copied to ${copied}`]
          .filter(Boolean)
          .join(', ')}
      </span>
    </>
  )
}

const PLACE_COLUMNS: readonly Column<Place>[] = [
  {
    name: 'Cluster',
    width: '10%',
    cell: place => <A href={at('clusters', place.cluster)}>{place.cluster}</A>,
  },
  {
    name: 'Role',
    width: '15%',
    cell: place =>
      place.link === null ? (
        'written here'
      ) : (
        <>
          copied by{' '}
          <A className="plain" href={at('links', place.link)}>
            {place.link}
          </A>
        </>
      ),
  },
  { name: 'State', width: '10%', cell: place => <State name={place.state} /> },
  {
    name: 'Partitions',
    numeric: true,
    cell: place => `${count(place.partitions)} × ${place.replicationFactor}`,
  },
  { name: 'Records', numeric: true, cell: place => count(place.records) },
  { name: 'Size', numeric: true, cell: place => bytes(place.sizeBytes) },
  {
    name: 'In',
    unit: 'records/s',
    numeric: true,
    cell: place => (place.recordsInPerSecond === null ? '–' : compact(place.recordsInPerSecond)),
  },
  { name: 'Topic id', width: '18%', cell: place => <code>{place.topicId}</code> },
  { name: 'Seen', numeric: true, cell: place => <TimeAgo at={place.observedAt} /> },
]

function Clusters({ topic }: { readonly topic: Topic }) {
  return (
    <Table
      label={`${topic.name} at every cluster`}
      columns={PLACE_COLUMNS}
      rows={topic.clusters}
      rowKey={place => place.cluster}
      open={place => at('clusters', place.cluster)}
      minWidth={960}
      empty={<EmptyState title="No cluster has it" />}
    />
  )
}

/** One cluster of those that have the topic, chosen in the address. */
function AtCluster({
  topic,
  children,
}: {
  readonly topic: Topic
  readonly children: (cluster: string, choice: ReactNode) => ReactNode
}) {
  const { query } = usePlace()
  const names = topic.clusters.map(place => place.cluster)
  const cluster = names.find(name => name === query.get('cluster')) ?? names[0]!
  return children(
    cluster,
    names.length > 1 && <Select label="At cluster" name="cluster" value={cluster} options={names} />,
  )
}

/* ---- messages ---- */

const FROM = ['latest', 'earliest', 'offset', 'time'] as const
const FROM_NAMES = { latest: 'the newest', earliest: 'the oldest', offset: 'an offset', time: 'a time' }

function Messages({
  topic,
  cluster,
  choice,
}: {
  readonly topic: Topic
  readonly cluster: string
  readonly choice: ReactNode
}) {
  const { query } = usePlace()
  const partitions = topic.clusters.find(place => place.cluster === cluster)?.partitions ?? 0
  const from = FROM.find(each => each === query.get('from')) ?? 'latest'
  const partition = query.get('partition') ?? ''
  const atText = query.get('at') ?? ''
  const place = from === 'time' ? Date.parse(atText) : Number(atText)
  const asked = {
    cluster,
    from,
    limit: 100,
    ...(partition !== '' && { partition: Number(partition) }),
    ...((from === 'offset' || from === 'time') && Number.isFinite(place) && { at: place }),
  } as const
  const messages = useQuery({
    queryKey: ['messages', topic.name, JSON.stringify(asked)],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/topics/{topic}/messages', {
          params: { path: { topic: topic.name }, query: asked },
          signal,
        }),
      ),
  })
  const opened = query.get('open')
  const found = messages.data?.messages.find(message => keyOf(message) === opened)
  return (
    <>
      <Toolbar>
        {choice}
        <Select label="From" name="from" value={from} options={FROM} names={FROM_NAMES} />
        {(from === 'offset' || from === 'time') && <PlaceForm key={from} from={from} given={atText} />}
        <Select
          label="Partition"
          name="partition"
          value={partition}
          options={['', ...Array.from({ length: partitions }, (_, i) => String(i))]}
        />
        <button type="button" className="button" onClick={() => void messages.refetch()}>
          Read again
        </button>
        {messages.data !== undefined && (
          <span className="quiet">
            {count(messages.data.messages.length)} records
            {messages.data.cutShort ? ', cut short by size or time' : ''}
          </span>
        )}
      </Toolbar>
      {messages.error !== null && <ErrorPanel error={messages.error} retry={() => void messages.refetch()} />}
      {messages.isPending && <Loading rows={12} />}
      {messages.data !== undefined && (
        <div className={found === undefined ? '' : 'with-drawer'}>
          <Table
            label={`Records of ${topic.name} on ${cluster}`}
            columns={MESSAGE_COLUMNS}
            rows={from === 'latest' ? messages.data.messages.toReversed() : messages.data.messages}
            rowKey={keyOf}
            open={openOf}
            isOpen={message => message === found}
            minWidth={880}
            empty={
              <EmptyState title="No records there">
                The partitions are empty, or begin after the place asked for.
              </EmptyState>
            }
          />
          {found !== undefined && <MessageDrawer message={found} />}
        </div>
      )}
    </>
  )
}

function PlaceForm({ from, given }: { readonly from: 'offset' | 'time'; readonly given: string }) {
  const [text, setText] = useState(given)
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    setQuery({ at: text })
  }
  return (
    <form onSubmit={submit}>
      <input
        className="input"
        aria-label={from === 'offset' ? 'Offset' : 'Time, UTC'}
        placeholder={from === 'offset' ? 'offset' : '2026-11-23T05:41:00Z'}
        value={text}
        onChange={event => setText(event.target.value)}
        onBlur={() => setQuery({ at: text })}
      />
    </form>
  )
}

const keyOf = (message: Message): string => `${message.partition}-${message.offset}`

/** The present address with a record open: it can be shared. */
function openOf(message: Message): string {
  const query = new URLSearchParams(location.search)
  query.set('open', keyOf(message))
  return `${location.pathname}?${query}`
}

const MESSAGE_COLUMNS: readonly Column<Message>[] = [
  { name: 'Partition', numeric: true, width: '76px', cell: message => message.partition },
  {
    name: 'Offset',
    numeric: true,
    width: '96px',
    cell: message => <A href={openOf(message)}>{count(message.offset)}</A>,
  },
  {
    name: 'Time',
    unit: 'UTC',
    width: '172px',
    cell: message => (
      <span title={instant(message.timestamp)}>{instant(message.timestamp).slice(0, -4)}</span>
    ),
  },
  { name: 'Key', minor: true, width: '14%', cell: message => <Preview payload={message.key} /> },
  { name: 'Value', cell: message => <Preview payload={message.value} /> },
  { name: 'As', width: '56px', cell: message => <span className="quiet">{message.value.encoding}</span> },
  { name: 'Size', numeric: true, minor: true, width: '76px', cell: message => bytes(message.value.bytes) },
]

function Preview({ payload }: { readonly payload: Payload }) {
  if (payload.encoding === 'null') return <span className="quiet">null</span>
  return <code className="one-line">{payload.text.slice(0, 300)}</code>
}

function MessageDrawer({ message }: { readonly message: Message }) {
  const query = new URLSearchParams(location.search)
  query.delete('open')
  const closeTo = `${location.pathname}${query.size === 0 ? '' : `?${query}`}`
  const { position } = message
  return (
    <Drawer title={`Partition ${message.partition}, offset ${count(message.offset)}`} closeTo={closeTo}>
      <Facts
        facts={[
          ['Time', <Instant key="time" at={message.timestamp} />],
          ...(position === null
            ? []
            : ([
                [
                  'From',
                  position.path === null ? `stream ${position.stream}` : `${position.host}: ${position.path}`,
                ],
                [
                  'Bytes',
                  `${count(position.start)} to ${count(position.start + position.length)} of the file`,
                ],
                ['Event time', instant(position.eventTime)],
                [
                  'Content',
                  position.hashAgrees ? <State key="hash" name="ok" /> : 'differs from what was shipped',
                ],
              ] as const)),
        ]}
      />
      <PayloadView name="Key" payload={message.key} />
      <PayloadView name="Value" payload={message.value} />
      {message.headers.map(header => (
        <PayloadView key={header.name} name={`Header ${header.name}`} payload={header.value} />
      ))}
    </Drawer>
  )
}

function PayloadView({ name, payload }: { readonly name: string; readonly payload: Payload }) {
  return (
    <section className="payload">
      <h3>
        {name}{' '}
        <span className="quiet">
          {payload.encoding === 'null'
            ? 'null'
            : `${payload.encoding}, ${bytes(payload.bytes)}${payload.truncated ? ', shown in part' : ''}`}
        </span>
      </h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys */}
      {payload.encoding !== 'null' && <pre tabIndex={0}>{pretty(payload)}</pre>}
    </section>
  )
}

function pretty({ encoding, text, truncated }: Payload): string {
  if (encoding === 'hex') return text.replace(/(..)/g, '$1 ')
  return (encoding === 'json' || encoding === 'avro') && !truncated
    ? JSON.stringify(JSON.parse(text), null, 2)
    : text
}

/* ---- config ---- */

interface ConfigRow {
  readonly name: string
  readonly values: readonly (string | null)[]
  readonly source: string
  readonly isDefault: boolean
  readonly differs: boolean
}

/** Every setting beside its value at each cluster; what was set, and what differs, first. */
function Config({ topic }: { readonly topic: Topic }) {
  const clusters = topic.clusters.map(place => place.cluster)
  const queries = useQueries({ queries: clusters.map(cluster => topicConfigQuery(cluster, topic.name)) })
  const failed = queries.find(query => query.error !== null)
  if (failed?.error) return <ErrorPanel error={failed.error} retry={() => void failed.refetch()} />
  if (queries.some(query => query.data === undefined)) return <Loading />
  const columns: readonly Column<ConfigRow>[] = [
    { name: 'Setting', width: '28%', cell: row => <code>{row.name}</code> },
    ...clusters.map((cluster, i) => ({
      name: cluster,
      cell: (row: ConfigRow) => <span className={row.isDefault ? 'quiet' : ''}>{row.values[i] ?? '–'}</span>,
    })),
    { name: 'Set by', width: '20%', cell: row => <span className="quiet">{row.source}</span> },
    {
      name: 'Agrees',
      width: '96px',
      cell: row => (clusters.length < 2 ? '' : row.differs ? <State name="warning" /> : 'yes'),
    },
  ]
  return (
    <Table
      label={`Configuration of ${topic.name}`}
      columns={columns}
      rows={configRows(queries.map(query => query.data!.entries))}
      rowKey={row => row.name}
      minWidth={640}
      empty={<EmptyState title="The brokers named no setting" />}
    />
  )
}

type Entries = readonly {
  readonly name: string
  readonly value: string | null
  readonly source: string
  readonly isDefault: boolean
}[]

function configRows(perCluster: readonly Entries[]): ConfigRow[] {
  const names = [...new Set(perCluster.flatMap(entries => entries.map(entry => entry.name)))].sort()
  const rows = names.map(name => {
    const found = perCluster.map(entries => entries.find(entry => entry.name === name))
    const values = found.map(entry => entry?.value ?? null)
    const first = found.find(entry => entry !== undefined)!
    return {
      name,
      values,
      source: first.source,
      isDefault: found.every(entry => entry?.isDefault ?? true),
      differs: new Set(values).size > 1,
    }
  })
  const rank = (row: ConfigRow): number => (row.differs ? 0 : row.isDefault ? 2 : 1)
  return rows.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}
