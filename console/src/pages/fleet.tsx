import { useQuery } from '@tanstack/react-query'
import type { ClusterSummary, Delay, Fleet, Process } from '../api/client.ts'
import { fleetQuery, sessionQuery } from '../api/queries.ts'
import { Sparkline, Stat, Stats } from '../components/figures.tsx'
import { Findings } from '../components/findings.tsx'
import { Page, Section } from '../components/page.tsx'
import { Answer, EmptyState } from '../components/states.tsx'
import { State } from '../components/status.tsx'
import { type Column, Table } from '../components/table.tsx'
import { TimeAgo } from '../components/time-ago.tsx'
import { bytes, compact, count, duration, percent, plural } from '../format.ts'
import { A, at } from '../router.tsx'

export function FleetPage() {
  const query = useQuery(fleetQuery())
  return (
    <Page
      title="Fleet"
      beside={
        query.data && (
          <span className="quiet">
            {[
              plural(query.data.sites.length, 'site'),
              plural(query.data.clusters.length, 'cluster'),
              plural(
                query.data.clusters.reduce((sum, each) => sum + each.brokersDeclared, 0),
                'broker',
              ),
            ].join(' · ')}
          </span>
        )
      }
    >
      <Answer query={query}>{fleet => <FleetView fleet={fleet} />}</Answer>
    </Page>
  )
}

function FleetView({ fleet }: { readonly fleet: Fleet }) {
  const sum = (of: (cluster: ClusterSummary) => number | null): number =>
    fleet.clusters.reduce((total, cluster) => total + (of(cluster) ?? 0), 0)
  return (
    <>
      <Findings findings={fleet.findings} nothing="Nothing is wrong." />
      <Stats>
        <Stat
          name="Records in"
          value={`${compact(sum(cluster => cluster.recordsInPerSecond))}/s`}
          note={`${bytes(sum(cluster => cluster.bytesInPerSecond))}/s`}
        />
        <Stat
          name="Partitions"
          value={count(sum(cluster => cluster.partitions))}
          note={`${count(sum(cluster => cluster.underReplicated))} under-replicated · ${count(sum(cluster => cluster.offline))} offline`}
        />
        <Stat name="On disk" value={bytes(sum(cluster => cluster.logBytes))} note="all replicas" />
        <DelayStat delay={fleet.eventToInsight} />
      </Stats>
      <Section title="Clusters">
        <Table
          label="Clusters"
          columns={CLUSTER_COLUMNS}
          rows={fleet.clusters.toSorted((a, b) => rankOf(a) - rankOf(b))}
          rowKey={cluster => cluster.name}
          open={cluster => at('clusters', cluster.name)}
          minWidth={960}
          empty={
            <EmptyState title="No cluster is declared">
              Declare one in ajna.yaml and run ajna apply.
            </EmptyState>
          }
        />
      </Section>
      <Section title="Processes">
        <Table
          label="Processes"
          columns={PROCESS_COLUMNS}
          rows={fleet.processes}
          rowKey={process => `${process.host}/${process.name}`}
          open={process => at('hosts', process.host)}
          minWidth={880}
          empty={
            <EmptyState title="No process has reported yet">
              Agents report within a few seconds of their start.
            </EmptyState>
          }
        />
      </Section>
    </>
  )
}

/** From an event on a host to its point on a chart, against the aim. */
function DelayStat({ delay }: { readonly delay: Delay | null }) {
  const aim = useQuery(sessionQuery()).data?.aims.eventToInsightMs
  return (
    <Stat
      name="Event to insight, p95"
      value={delay === null ? '–' : duration(delay.p95Ms)}
      note={
        delay === null
          ? 'nothing measured yet'
          : `p50 ${duration(delay.p50Ms)}${aim === undefined ? '' : ` · aim ${duration(aim)}`}`
      }
    />
  )
}

/** The worst first; what is equally well keeps the order of names. */
const rankOf = (cluster: ClusterSummary): number =>
  ['down', 'degraded', 'unknown', 'healthy'].indexOf(cluster.state)

const CLUSTER_COLUMNS: readonly Column<ClusterSummary>[] = [
  {
    name: 'Cluster',
    width: '9%',
    sort: cluster => cluster.name,
    cell: cluster => <A href={at('clusters', cluster.name)}>{cluster.name}</A>,
  },
  { name: 'Site', width: '7%', sort: cluster => cluster.site, cell: cluster => cluster.site },
  {
    name: 'State',
    width: '24%',
    sort: rankOf,
    cell: cluster => (
      <span title={cluster.reason}>
        <State name={cluster.state} /> <span className="quiet">{cluster.reason}</span>
      </span>
    ),
  },
  {
    name: 'Brokers',
    numeric: true,
    width: '7%',
    sort: cluster => cluster.brokersUp,
    cell: cluster => `${cluster.brokersUp} / ${cluster.brokersDeclared}`,
  },
  {
    name: 'Partitions',
    width: '88px',
    numeric: true,
    sort: cluster => cluster.partitions,
    cell: cluster => count(cluster.partitions),
  },
  {
    name: 'Under-replicated',
    width: '112px',
    numeric: true,
    sort: cluster => cluster.underReplicated,
    cell: cluster => count(cluster.underReplicated),
  },
  {
    name: 'In',
    unit: 'records/s',
    numeric: true,
    width: '9%',
    sort: cluster => cluster.recordsInPerSecond,
    cell: cluster => (cluster.recordsInPerSecond === null ? '–' : compact(cluster.recordsInPerSecond)),
  },
  {
    name: 'Last 30 min',
    width: '112px',
    cell: cluster => (
      <Sparkline values={cluster.history} name={`records in per second of ${cluster.name} over 30 minutes`} />
    ),
  },
  {
    name: 'On disk',
    width: '88px',
    numeric: true,
    sort: cluster => cluster.logBytes,
    cell: cluster => bytes(cluster.logBytes),
  },
  { name: 'Seen', numeric: true, width: '8%', cell: cluster => <TimeAgo at={cluster.observedAt} /> },
]

export const PROCESS_COLUMNS: readonly Column<Process>[] = [
  { name: 'Process', width: '16%', sort: process => process.name, cell: process => process.name },
  { name: 'Role', width: '9%', sort: process => process.role, cell: process => process.role },
  {
    name: 'Host',
    width: '10%',
    sort: process => process.host,
    cell: process => <A href={at('hosts', process.host)}>{process.host}</A>,
  },
  {
    name: 'State',
    width: '12%',
    sort: process => process.state,
    cell: process => <State name={process.state} />,
  },
  {
    name: 'Since',
    numeric: true,
    width: '12%',
    sort: process => process.since,
    cell: process => <TimeAgo at={process.since} />,
  },
  {
    name: 'Restarts',
    numeric: true,
    width: '7%',
    sort: process => process.restarts,
    cell: process => count(process.restarts),
  },
  {
    name: 'Memory',
    numeric: true,
    width: '8%',
    sort: process => process.residentBytes,
    cell: process => (process.residentBytes === null ? '–' : bytes(process.residentBytes)),
  },
  {
    name: 'CPU',
    unit: 'of a core',
    numeric: true,
    width: '10%',
    sort: process => process.cpu,
    cell: process => (process.cpu === null ? '–' : percent(process.cpu)),
  },
  {
    name: 'Last exit',
    cell: process => (
      <span className="quiet" title={process.lastExit ?? ''}>
        {process.lastExit ?? ''}
      </span>
    ),
  },
]
