import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { api, type Broker, type Cluster, data, type Group, type Partition } from '../api/client.ts'
import { clusterQuery } from '../api/queries.ts'
import { Drawer, Facts } from '../components/drawer.tsx'
import { Meter, Stat, Stats } from '../components/figures.tsx'
import { Findings } from '../components/findings.tsx'
import { SearchBox, Select } from '../components/inputs.tsx'
import { Page, Section, Tabs, Toolbar } from '../components/page.tsx'
import { usePaged } from '../components/paged.ts'
import { RestartDialog } from '../components/restart.tsx'
import { Answer, EmptyState, ErrorPanel, Loading } from '../components/states.tsx'
import { State } from '../components/status.tsx'
import { type Column, Grid, NothingFound, Table } from '../components/table.tsx'
import { Instant, TimeAgo } from '../components/time-ago.tsx'
import { bytes, compact, count, duration, percent } from '../format.ts'
import { A, at, usePlace } from '../router.tsx'

type Params = Readonly<Record<string, string>>

export function ClusterPage({ params }: { readonly params: Params }) {
  const name = params['cluster'] ?? ''
  const query = useQuery(clusterQuery(name))
  return (
    <Page
      title={name}
      crumbs={[{ name: 'Fleet', href: '/' }]}
      beside={query.data && <Beside cluster={query.data} />}
    >
      <Answer query={query}>
        {cluster => <ClusterView cluster={cluster} tab={params['tab'] ?? 'brokers'} item={params['item']} />}
      </Answer>
    </Page>
  )
}

function Beside({ cluster }: { readonly cluster: Cluster }) {
  return (
    <>
      <State name={cluster.state} />
      <span className="quiet">
        {cluster.reason !== '' && `${cluster.reason} · `}
        {cluster.since !== null && (
          <>
            since <Instant at={cluster.since} /> ·{' '}
          </>
        )}
        site {cluster.site} · Kafka {cluster.version ?? 'of unknown version'} · seen{' '}
        <TimeAgo at={cluster.observedAt} />
      </span>
    </>
  )
}

function ClusterView({
  cluster,
  tab,
  item,
}: {
  readonly cluster: Cluster
  readonly tab: string
  readonly item: string | undefined
}) {
  const to = (name: string): string => at('clusters', cluster.name, name)
  return (
    <>
      <Findings findings={cluster.findings} nothing="Nothing is wrong with this cluster." />
      <Stats>
        <Stat
          name="Brokers up"
          value={`${cluster.brokersUp} / ${cluster.brokersDeclared}`}
          note={`${cluster.racks} racks · controller ${cluster.controllerId ?? 'unknown'}`}
        />
        <Stat
          name="Partitions"
          value={count(cluster.partitions)}
          note={`${count(cluster.underReplicated)} under-replicated · ${count(cluster.offline)} offline`}
        />
        <Stat
          name="Records in"
          value={cluster.recordsInPerSecond === null ? '–' : `${compact(cluster.recordsInPerSecond)}/s`}
          note={cluster.bytesInPerSecond === null ? '' : `${bytes(cluster.bytesInPerSecond)}/s`}
        />
        <Stat name="On disk" value={bytes(cluster.logBytes)} note={`${count(cluster.topics)} topics`} />
      </Stats>
      {cluster.failures.length > 0 && (
        <EmptyState title="Some parts could not be read">
          {cluster.failures.map(failure => `${failure.part}: ${failure.message}`).join(' · ')}
        </EmptyState>
      )}
      <Tabs
        label="Parts of the cluster"
        active={tab}
        tabs={[
          { name: 'brokers', href: at('clusters', cluster.name), count: count(cluster.brokers.length) },
          { name: 'partitions', href: to('partitions'), count: count(cluster.partitions) },
          { name: 'groups', href: to('groups'), count: count(cluster.groups.length) },
          { name: 'quorum', href: to('quorum') },
        ]}
      />
      {tab === 'brokers' && <Brokers cluster={cluster} open={item} />}
      {tab === 'partitions' && <Partitions cluster={cluster.name} />}
      {tab === 'groups' && <Groups cluster={cluster} open={item} />}
      {tab === 'quorum' && <Quorum cluster={cluster} />}
    </>
  )
}

/* ---- brokers ---- */

const BROKER_COLUMNS = (cluster: string): readonly Column<Broker>[] => [
  {
    name: 'Broker',
    width: '104px',
    sort: broker => broker.id,
    cell: broker => (
      <A href={at('clusters', cluster, 'brokers', broker.id)}>
        {broker.id}
        {broker.isController && <span className="quiet"> controller</span>}
      </A>
    ),
  },
  {
    name: 'State',
    width: '96px',
    sort: broker => broker.state,
    cell: broker => <State name={broker.state} />,
  },
  { name: 'Since', width: '124px', numeric: true, cell: broker => <TimeAgo at={broker.since} /> },
  { name: 'Rack', width: '7%', sort: broker => broker.rack, cell: broker => broker.rack ?? '–' },
  { name: 'Leaders', numeric: true, sort: broker => broker.leaders, cell: broker => count(broker.leaders) },
  {
    name: 'Replicas',
    numeric: true,
    sort: broker => broker.replicas,
    cell: broker => count(broker.replicas),
  },
  {
    name: 'Out of sync',
    numeric: true,
    sort: broker => broker.outOfSync,
    cell: broker => count(broker.outOfSync),
  },
  {
    name: 'In',
    unit: 'records/s',
    numeric: true,
    minor: true,
    sort: broker => broker.recordsInPerSecond,
    cell: broker => (broker.recordsInPerSecond === null ? '–' : compact(broker.recordsInPerSecond)),
  },
  {
    name: 'In',
    unit: 'per s',
    numeric: true,
    minor: true,
    cell: broker => (broker.bytesInPerSecond === null ? '–' : bytes(broker.bytesInPerSecond)),
  },
  {
    name: 'Out',
    unit: 'per s',
    numeric: true,
    minor: true,
    cell: broker => (broker.bytesOutPerSecond === null ? '–' : bytes(broker.bytesOutPerSecond)),
  },
  { name: 'Disk', width: '15%', minor: true, cell: broker => <DiskCell broker={broker} /> },
]

function DiskCell({ broker }: { readonly broker: Broker }) {
  const failed = broker.disks.filter(disk => disk.state === 'offline')
  if (failed.length > 0) return <State name="offline" />
  const used = broker.disks.reduce((sum, disk) => sum + disk.usedBytes, 0)
  const total = broker.disks.reduce((sum, disk) => sum + (disk.totalBytes ?? 0), 0)
  return total === 0 ? (
    bytes(used)
  ) : (
    <Meter ratio={used / total} label={`${percent(used / total)} of ${bytes(total)}`} />
  )
}

function Brokers({ cluster, open }: { readonly cluster: Cluster; readonly open: string | undefined }) {
  const opened = cluster.brokers.find(broker => String(broker.id) === open)
  return (
    <div className={opened === undefined ? '' : 'with-drawer'}>
      <Table
        label={`Brokers of ${cluster.name}`}
        columns={BROKER_COLUMNS(cluster.name)}
        rows={cluster.brokers}
        rowKey={broker => String(broker.id)}
        open={broker => at('clusters', cluster.name, 'brokers', broker.id)}
        isOpen={broker => broker === opened}
        minWidth={960}
        empty={
          <EmptyState title="No broker has been seen yet">
            They appear as soon as one of them answers.
          </EmptyState>
        }
      />
      {opened !== undefined && <BrokerDrawer cluster={cluster.name} broker={opened} />}
      {open !== undefined && opened === undefined && (
        <EmptyState title={`${cluster.name} has no broker ${open}`} />
      )}
    </div>
  )
}

function BrokerDrawer({ cluster, broker }: { readonly cluster: string; readonly broker: Broker }) {
  const [restarting, setRestarting] = useState(false)
  return (
    <Drawer title={`Broker ${broker.id} of ${cluster}`} closeTo={at('clusters', cluster)}>
      <Facts
        facts={[
          ['State', <State key="state" name={broker.state} />],
          ['Since', <TimeAgo key="since" at={broker.since} />],
          ['Address', broker.host === null ? '–' : `${broker.host}:${broker.port}`],
          ['Rack', broker.rack ?? '–'],
          ['Leads', `${count(broker.leaders)} of ${count(broker.replicas)} replicas`],
          ['Out of sync', count(broker.outOfSync)],
          ...broker.disks.map(
            disk =>
              [
                disk.path,
                disk.error ??
                  `${bytes(disk.logBytes)} of logs, ${count(disk.replicas)} replicas${disk.totalBytes === null ? '' : `; ${bytes(disk.totalBytes - disk.usedBytes)} free`}`,
              ] as const,
          ),
        ]}
      />
      <p className="ways">
        <A className="plain" href={`${at('clusters', cluster, 'partitions')}?broker=${broker.id}`}>
          Its partitions
        </A>
        <A
          className="plain"
          href={`/metrics/broker?cluster=${encodeURIComponent(cluster)}&broker=${broker.id}`}
        >
          Its metrics
        </A>
      </p>
      <div className="acts">
        <button type="button" className="button" onClick={() => setRestarting(true)}>
          Restart…
        </button>
        {!broker.restart.allowed && <p className="quiet">Not now: {broker.restart.reasons.join('; ')}.</p>}
      </div>
      {restarting && (
        <RestartDialog cluster={cluster} broker={broker.id} close={() => setRestarting(false)} />
      )}
    </Drawer>
  )
}

/* ---- partitions ---- */

const PARTITION_COLUMNS: readonly Column<Partition>[] = [
  {
    name: 'Topic',
    width: '30%',
    sort: 'topic',
    cell: row => <A href={at('topics', row.topic)}>{row.topic}</A>,
  },
  { name: 'Partition', numeric: true, width: '8%', cell: row => row.partition },
  { name: 'State', width: '14%', sort: 'state', cell: row => <State name={row.state} /> },
  { name: 'Leader', numeric: true, width: '7%', sort: 'leader', cell: row => row.leader ?? 'none' },
  { name: 'Replicas', width: '10%', cell: row => row.replicas.join(' ') },
  { name: 'In sync', width: '10%', cell: row => row.isr.join(' ') },
  {
    name: 'Records',
    numeric: true,
    sort: 'records',
    cell: row =>
      row.endOffset === null || row.startOffset === null ? '–' : count(row.endOffset - row.startOffset),
  },
  {
    name: 'Size',
    numeric: true,
    sort: 'size',
    cell: row => (row.sizeBytes === null ? '–' : bytes(row.sizeBytes)),
  },
]

const STATES = ['all', 'unhealthy', 'offline', 'under-min-isr', 'at-min-isr', 'under-replicated'] as const
const SORTS = ['topic', 'state', 'leader', 'size', 'records'] as const

/** Any cluster's partitions; with a topic, that topic's alone. */
export function Partitions({
  cluster,
  topic,
  choice,
}: {
  readonly cluster: string
  readonly topic?: string
  readonly choice?: ReactNode
}) {
  const { query } = usePlace()
  const search = query.get('q') ?? ''
  const state = STATES.find(each => each === query.get('state')) ?? 'all'
  const sort = SORTS.find(each => each === query.get('sort')) ?? 'topic'
  const order = query.get('order') === 'desc' ? 'desc' : 'asc'
  const broker = query.get('broker')
  const filter = {
    search,
    state,
    sort,
    order,
    ...(topic !== undefined && { topic }),
    ...(broker !== null && { broker: Number(broker) }),
  } as const
  const fetchPage = (offset: number, limit: number, signal: AbortSignal) =>
    data(
      api.GET('/api/clusters/{cluster}/partitions', {
        params: { path: { cluster }, query: { ...filter, offset, limit } },
        signal,
      }),
    )
  const paged = usePaged<Partition>(['partitions', cluster, JSON.stringify(filter)], fetchPage)
  const columns = topic === undefined ? PARTITION_COLUMNS : PARTITION_COLUMNS.slice(1)
  return (
    <>
      <Toolbar>
        {choice}
        {topic === undefined && <SearchBox label="Search partitions by topic" />}
        <Select label="State" name="state" value={state} options={STATES} />
        {broker !== null && <Select label="Broker" name="broker" value={broker} options={['', broker]} />}
        {paged.total !== undefined && <span className="quiet">{count(paged.total)} partitions</span>}
      </Toolbar>
      {paged.error !== null && <ErrorPanel error={paged.error} retry={paged.retry} />}
      {paged.total === undefined ? (
        paged.error === null && <Loading />
      ) : (
        <Grid
          label={`Partitions of ${topic ?? cluster}`}
          columns={columns}
          count={paged.total}
          rowAt={paged.rowAt}
          onRange={paged.onRange}
          rowKey={row => `${row.topic}-${row.partition}`}
          open={row => at('topics', row.topic, 'messages')}
          minWidth={820}
          empty={
            <NothingFound what={state === 'all' ? 'partitions' : `${state} partitions`} search={search} />
          }
        />
      )}
    </>
  )
}

/* ---- groups ---- */

const GROUP_COLUMNS = (cluster: string): readonly Column<Group>[] => [
  {
    name: 'Group',
    width: '26%',
    sort: group => group.name,
    cell: group => <A href={at('clusters', cluster, 'groups', group.name)}>{group.name}</A>,
  },
  { name: 'State', width: '12%', sort: group => group.state, cell: group => <State name={group.state} /> },
  {
    name: 'Members',
    numeric: true,
    width: '9%',
    sort: group => group.members,
    cell: group => count(group.members),
  },
  {
    name: 'Topics',
    minor: true,
    cell: group => <span title={group.topics.join(', ')}>{group.topics.join(', ')}</span>,
  },
  {
    name: 'Lag',
    unit: 'records',
    numeric: true,
    width: '12%',
    sort: group => group.lagRecords,
    cell: group => (group.lagRecords === null ? '–' : count(group.lagRecords)),
  },
  {
    name: 'Lag',
    unit: 'time',
    numeric: true,
    width: '12%',
    sort: group => group.lagMs,
    cell: group => (group.lagMs === null ? '–' : duration(group.lagMs)),
  },
]

function Groups({ cluster, open }: { readonly cluster: Cluster; readonly open: string | undefined }) {
  const opened = cluster.groups.find(group => group.name === open)
  return (
    <div className={opened === undefined ? '' : 'with-drawer'}>
      <Table
        label={`Consumer groups of ${cluster.name}`}
        columns={GROUP_COLUMNS(cluster.name)}
        rows={cluster.groups}
        rowKey={group => group.name}
        open={group => at('clusters', cluster.name, 'groups', group.name)}
        isOpen={group => group === opened}
        minWidth={720}
        empty={
          <EmptyState title="No consumer group on this cluster">
            Groups appear when they commit offsets or have members.
          </EmptyState>
        }
      />
      {opened !== undefined && (
        <Drawer title={`Group ${opened.name}`} closeTo={at('clusters', cluster.name, 'groups')}>
          <Facts
            facts={[
              ['State', <State key="state" name={opened.state} />],
              ['Members', count(opened.members)],
              ['Lag', opened.lagRecords === null ? '–' : `${count(opened.lagRecords)} records`],
              ['Behind', opened.lagMs === null ? '–' : duration(opened.lagMs)],
            ]}
          />
          <Table
            label={`Lag of ${opened.name} by partition`}
            columns={LAG_COLUMNS}
            rows={opened.partitions}
            rowKey={row => `${row.topic}-${row.partition}`}
            minWidth={360}
            empty={<EmptyState title="It has committed no offset" />}
          />
        </Drawer>
      )}
      {open !== undefined && opened === undefined && (
        <EmptyState title={`${cluster.name} has no group ${open}`} />
      )}
    </div>
  )
}

const LAG_COLUMNS: readonly Column<Group['partitions'][number]>[] = [
  { name: 'Partition', width: '40%', cell: row => `${row.topic}-${row.partition}` },
  { name: 'Committed', numeric: true, cell: row => count(row.committed) },
  { name: 'End', numeric: true, cell: row => count(row.end) },
  { name: 'Lag', numeric: true, cell: row => count(row.lagRecords) },
]

/* ---- quorum ---- */

function Quorum({ cluster }: { readonly cluster: Cluster }) {
  if (cluster.quorum === null) return <EmptyState title="The quorum could not be read" />
  const { leaderId, epoch, voters } = cluster.quorum
  return (
    <Section title={`Leader ${leaderId}, epoch ${epoch}`}>
      <Table
        label="Voters of the metadata quorum"
        columns={VOTER_COLUMNS(leaderId)}
        rows={voters}
        rowKey={voter => String(voter.id)}
        minWidth={360}
        empty={<EmptyState title="The quorum has no voters" />}
      />
    </Section>
  )
}

const VOTER_COLUMNS = (
  leaderId: number,
): readonly Column<NonNullable<Cluster['quorum']>['voters'][number]>[] => [
  { name: 'Voter', cell: voter => `${voter.id}${voter.id === leaderId ? ' (leader)' : ''}` },
  { name: 'Lag', unit: 'records', numeric: true, cell: voter => count(voter.lagRecords) },
  {
    name: 'Caught up',
    numeric: true,
    cell: voter => (voter.lagMs === null ? '–' : `${duration(voter.lagMs)} ago`),
  },
]
