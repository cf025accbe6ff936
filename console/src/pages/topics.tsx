import { useQuery } from '@tanstack/react-query'
import { api, data, type TopicRow } from '../api/client.ts'
import { fleetQuery } from '../api/queries.ts'
import { Check, SearchBox, Select } from '../components/inputs.tsx'
import { Page, Toolbar } from '../components/page.tsx'
import { usePaged } from '../components/paged.ts'
import { ErrorPanel, Loading } from '../components/states.tsx'
import { State } from '../components/status.tsx'
import { type Column, Grid, NothingFound } from '../components/table.tsx'
import { bytes, compact, count } from '../format.ts'
import { A, at, usePlace } from '../router.tsx'

const COLUMNS: readonly Column<TopicRow>[] = [
  { name: 'Topic', width: '30%', sort: 'name', cell: row => <A href={at('topics', row.name)}>{row.name}</A> },
  { name: 'State', width: '13%', sort: 'state', cell: row => <State name={row.state} /> },
  {
    name: 'Clusters',
    width: '13%',
    sort: 'clusters',
    cell: row => <span title={row.clusters.join(', ')}>{row.clusters.join(', ')}</span>,
  },
  {
    name: 'Partitions',
    numeric: true,
    sort: 'partitions',
    cell: row => `${count(row.partitions)} × ${row.replicationFactor}`,
  },
  {
    name: 'In',
    unit: 'records/s',
    numeric: true,
    sort: 'rate',
    cell: row => (row.recordsInPerSecond === null ? '–' : compact(row.recordsInPerSecond)),
  },
  { name: 'Records', numeric: true, sort: 'records', cell: row => count(row.records) },
  { name: 'Size', numeric: true, sort: 'size', cell: row => bytes(row.sizeBytes) },
]

const SORTS = ['name', 'state', 'partitions', 'size', 'records', 'rate', 'clusters'] as const

export function TopicsPage() {
  const { query } = usePlace()
  const fleet = useQuery(fleetQuery())
  const search = query.get('q') ?? ''
  const cluster = query.get('cluster') ?? ''
  const filter = {
    search,
    sort: SORTS.find(each => each === query.get('sort')) ?? 'name',
    order: query.get('order') === 'desc' ? 'desc' : 'asc',
    internal: query.get('internal') === 'true' ? 'true' : 'false',
    state: query.get('state') === 'unhealthy' ? 'unhealthy' : 'all',
    ...(cluster !== '' && { cluster }),
  } as const
  const paged = usePaged<TopicRow>(['topics', JSON.stringify(filter)], (offset, limit, signal) =>
    data(api.GET('/api/topics', { params: { query: { ...filter, offset, limit } }, signal })),
  )
  return (
    <Page
      title="Topics"
      beside={
        paged.total !== undefined && (
          <span className="quiet">
            {count(paged.total)}
            {search === '' ? '' : ' found'}
          </span>
        )
      }
    >
      <Toolbar>
        <SearchBox label="Search topics" />
        <Select
          label="Cluster"
          name="cluster"
          value={cluster}
          options={[
            '',
            ...(fleet.data?.clusters.map(each => each.name) ?? [cluster].filter(each => each !== '')),
          ]}
        />
        <Select label="State" name="state" value={filter.state} options={['all', 'unhealthy']} />
        <Check label="Kafka’s own" name="internal" />
      </Toolbar>
      {paged.error !== null && <ErrorPanel error={paged.error} retry={paged.retry} />}
      {paged.total === undefined ? (
        paged.error === null && <Loading rows={16} />
      ) : (
        <Grid
          label="Topics"
          columns={COLUMNS}
          count={paged.total}
          rowAt={paged.rowAt}
          onRange={paged.onRange}
          rowKey={row => row.name}
          open={row => at('topics', row.name)}
          minWidth={880}
          empty={<NothingFound what="topics" search={search} />}
        />
      )}
    </Page>
  )
}
