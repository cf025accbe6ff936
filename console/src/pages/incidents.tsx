import { useQuery } from '@tanstack/react-query'
import { api, data, type HealedCluster, type Incident } from '../api/client.ts'
import { incidentsQuery } from '../api/queries.ts'
import { Drawer } from '../components/drawer.tsx'
import { IncidentWhole, incidentTitle, incidentTones, since } from '../components/incident.tsx'
import { Page } from '../components/page.tsx'
import { Answer, EmptyState } from '../components/states.tsx'
import { Glyph, Status } from '../components/status.tsx'
import { type Column, Table } from '../components/table.tsx'
import { TimeAgo } from '../components/time-ago.tsx'
import { clock, day } from '../format.ts'
import { A, at } from '../router.tsx'

const FOLLOW_MS = 1_000

export function IncidentsPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const incidents = useQuery(incidentsQuery())
  const id = params['id']
  return (
    <Page
      title="Incidents"
      beside={<span className="quiet">failures, how they were told, and what was done about them</span>}
    >
      <Answer query={incidents}>
        {({ items, clusters }) => (
          <>
            <Standing clusters={clusters} />
            <div className={id === undefined ? '' : 'with-drawer'}>
              <Table
                label="Incidents, newest first"
                columns={COLUMNS}
                rows={items}
                rowKey={row => row.id}
                open={row => at('incidents', row.id)}
                isOpen={row => row.id === id}
                minWidth={900}
                empty={
                  <EmptyState title="Nothing has failed">
                    A broker that dies or freezes appears here within seconds, with its signs, what was done
                    and what was not, and when writes flowed again.
                  </EmptyState>
                }
              />
              {id !== undefined && <IncidentDrawer id={id} />}
            </div>
          </>
        )}
      </Answer>
    </Page>
  )
}

/** Where failures are not acted on, and why; nothing when they are everywhere. */
function Standing({ clusters }: { readonly clusters: readonly HealedCluster[] }) {
  const idle = clusters.filter(({ state }) => state !== 'watching')
  if (clusters.length > 0 && idle.length === 0) return null
  return (
    <div className="notice" role="status">
      <Glyph tone="warn" />
      <div>
        {clusters.length === 0 && (
          <p>
            No cluster of this fleet is healed: each needs another one that keeps its leases and incidents.
          </p>
        )}
        {idle.map(({ cluster, keptAt, state, reason }) => (
          <p key={cluster}>
            {state === 'paused'
              ? `${cluster}: healing is paused: ${reason}`
              : `${cluster}: nothing is acted on, since ${keptAt}, which keeps its leases, cannot be reached`}
          </p>
        ))}
      </div>
    </div>
  )
}

const COLUMNS: readonly Column<Incident>[] = [
  {
    name: 'Began',
    unit: 'UTC',
    width: '152px',
    cell: row => (
      <span className="quiet">
        {day(row.beganAt)} <span className="strong">{clock(row.beganAt)}</span>
      </span>
    ),
  },
  { name: 'Ago', numeric: true, minor: true, width: '120px', cell: row => <TimeAgo at={row.beganAt} /> },
  {
    name: 'State',
    width: '104px',
    cell: row => <Status tone={incidentTones[row.state]}>{row.state}</Status>,
  },
  {
    name: 'What',
    cell: row => <A href={at('incidents', row.id)}>{incidentTitle(row)}</A>,
  },
  {
    name: 'Remedy',
    minor: true,
    width: '17%',
    cell: row => row.decision.remedy?.replaceAll('-', ' ') ?? 'none',
  },
  {
    name: 'Found',
    unit: 'after',
    numeric: true,
    minor: true,
    width: '96px',
    cell: row => since(row, row.detectedAt),
  },
  {
    name: 'Writable',
    unit: 'after',
    numeric: true,
    width: '112px',
    cell: row => since(row, row.availableAt),
  },
  { name: 'Redundant', unit: 'after', numeric: true, width: '128px', cell: row => since(row, row.healedAt) },
]

function IncidentDrawer({ id }: { readonly id: string }) {
  const query = useQuery({
    queryKey: ['incidents', 'one', id],
    queryFn: ({ signal }) => data(api.GET('/api/incidents/{id}', { params: { path: { id } }, signal })),
    refetchInterval: query => (isOver(query.state.data?.state) ? false : FOLLOW_MS),
  })
  return (
    <Drawer title={query.data === undefined ? 'Incident' : incidentTitle(query.data)} closeTo="/incidents">
      <Answer query={query}>{incident => <IncidentWhole incident={incident} />}</Answer>
    </Drawer>
  )
}

const isOver = (state: Incident['state'] | undefined): boolean => state === 'healed' || state === 'failed'
