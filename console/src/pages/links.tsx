import { useQuery } from '@tanstack/react-query'
import type { Link, LinkRow } from '../api/client.ts'
import { linkQuery, linksQuery } from '../api/queries.ts'
import { Sparkline, Stat, Stats } from '../components/figures.tsx'
import { Page, Section } from '../components/page.tsx'
import { Answer, EmptyState } from '../components/states.tsx'
import { State } from '../components/status.tsx'
import { type Column, Table } from '../components/table.tsx'
import { TimeAgo } from '../components/time-ago.tsx'
import { bytes, compact, count, duration } from '../format.ts'
import { A, at } from '../router.tsx'

export function LinksPage() {
  const query = useQuery(linksQuery())
  return (
    <Page
      title="Links"
      beside={query.data && <span className="quiet">{count(query.data.links.length)} between clusters</span>}
    >
      <Answer query={query}>
        {({ links }) => (
          <Table
            label="Links"
            columns={COLUMNS}
            rows={links}
            rowKey={link => link.name}
            open={link => at('links', link.name)}
            minWidth={960}
            empty={
              <EmptyState title="No link is declared">
                A link copies topics from one cluster to another; declare one under links in ajna.yaml.
              </EmptyState>
            }
          />
        )}
      </Answer>
    </Page>
  )
}

const COLUMNS: readonly Column<LinkRow>[] = [
  {
    name: 'Link',
    width: '12%',
    sort: link => link.name,
    cell: link => <A href={at('links', link.name)}>{link.name}</A>,
  },
  { name: 'From', width: '6%', cell: link => <A href={at('clusters', link.from)}>{link.from}</A> },
  { name: 'To', width: '6%', cell: link => <A href={at('clusters', link.to)}>{link.to}</A> },
  {
    name: 'State',
    width: '19%',
    sort: link => ['halted', 'lagging', 'unknown', 'stopped', 'running'].indexOf(link.state),
    cell: link => (
      <span title={link.reason}>
        <State name={link.state} /> <span className="quiet">{link.reason}</span>
      </span>
    ),
  },
  {
    name: 'Lag',
    unit: 'records',
    numeric: true,
    sort: link => link.lagRecords,
    cell: link => (link.lagRecords === null ? '–' : count(link.lagRecords)),
  },
  {
    name: 'Lag',
    unit: 'time',
    numeric: true,
    cell: link => (link.lagMs === null ? '–' : duration(link.lagMs)),
  },
  {
    name: 'Rate',
    unit: 'records/s',
    numeric: true,
    width: '112px',
    cell: link => (link.recordsPerSecond === null ? '–' : compact(link.recordsPerSecond)),
  },
  {
    name: 'Last 30 min',
    width: '112px',
    cell: link => (
      <Sparkline values={link.history} name={`records per second over ${link.name}, 30 minutes`} />
    ),
  },
  { name: 'Partitions', numeric: true, sort: link => link.partitions, cell: link => count(link.partitions) },
  { name: 'Seen', numeric: true, cell: link => <TimeAgo at={link.observedAt} /> },
]

export function LinkPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const name = params['link'] ?? ''
  const query = useQuery(linkQuery(name))
  return (
    <Page
      title={name}
      crumbs={[{ name: 'Links', href: '/links' }]}
      beside={
        query.data && (
          <>
            <State name={query.data.state} />
            <span className="quiet">
              {query.data.reason} {query.data.since !== null && <TimeAgo at={query.data.since} />}
            </span>
          </>
        )
      }
    >
      <Answer query={query}>{link => <LinkView link={link} />}</Answer>
    </Page>
  )
}

type Assigned = Link['assigned'][number]

function LinkView({ link }: { readonly link: Link }) {
  return (
    <>
      <Stats>
        <Stat
          name="Path"
          value={
            <>
              <A href={at('clusters', link.from)}>{link.from}</A> →{' '}
              <A href={at('clusters', link.to)}>{link.to}</A>
            </>
          }
          note={`${count(link.topics)} topics · ${count(link.partitions)} partitions`}
        />
        <Stat
          name="Lag"
          value={link.lagMs === null ? '–' : duration(link.lagMs)}
          note={link.lagRecords === null ? '' : `${count(link.lagRecords)} records`}
        />
        <Stat
          name="Rate"
          value={link.recordsPerSecond === null ? '–' : `${compact(link.recordsPerSecond)}/s`}
          note={link.bytesPerSecond === null ? '' : `${bytes(link.bytesPerSecond)}/s`}
        />
        <Stat name="Halted" value={count(link.haltedPartitions)} note="partitions waiting for a person" />
      </Stats>
      <Section title="Partitions">
        <Table
          label={`Partitions of ${link.name}`}
          columns={ASSIGNED_COLUMNS}
          rows={link.assigned}
          rowKey={row => `${row.topic}-${row.partition}`}
          open={row => at('topics', row.topic)}
          minWidth={880}
          empty={
            <EmptyState title="The link copies no partition yet">
              Its topics may not exist at the source.
            </EmptyState>
          }
        />
      </Section>
    </>
  )
}

const ASSIGNED_COLUMNS: readonly Column<Assigned>[] = [
  {
    name: 'Topic',
    width: '26%',
    sort: row => row.topic,
    cell: row => <A href={at('topics', row.topic)}>{row.topic}</A>,
  },
  { name: 'Partition', numeric: true, width: '8%', cell: row => row.partition },
  {
    name: 'State',
    width: '22%',
    sort: row => (row.halted ? 0 : 1),
    cell: row => (
      <span title={row.reason}>
        <State name={row.halted ? 'halted' : row.state} /> <span className="quiet">{row.reason}</span>
      </span>
    ),
  },
  { name: 'Source end', numeric: true, cell: row => (row.sourceEnd === null ? '–' : count(row.sourceEnd)) },
  { name: 'Target end', numeric: true, cell: row => (row.targetEnd === null ? '–' : count(row.targetEnd)) },
  {
    name: 'Lag',
    unit: 'records',
    numeric: true,
    sort: row => row.lagRecords,
    cell: row => (row.lagRecords === null ? '–' : count(row.lagRecords)),
  },
  { name: 'Lag', unit: 'time', numeric: true, cell: row => (row.lagMs === null ? '–' : duration(row.lagMs)) },
]
