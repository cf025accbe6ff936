import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { type Activity, api, data, type JournalStanding } from '../api/client.ts'
import { activityQuery } from '../api/queries.ts'
import { Drawer, Facts } from '../components/drawer.tsx'
import { SearchBox } from '../components/inputs.tsx'
import { Page, Toolbar } from '../components/page.tsx'
import { Answer, EmptyState } from '../components/states.tsx'
import { Glyph, State, Status } from '../components/status.tsx'
import { type Column, NothingFound, Table } from '../components/table.tsx'
import { Instant, TimeAgo } from '../components/time-ago.tsx'
import { clock, day, duration, plural } from '../format.ts'
import { A, at, pathOf, usePlace } from '../router.tsx'

const PAGE = 200

export function ActivityPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const { query } = usePlace()
  const search = query.get('q') ?? ''
  const [limit, setLimit] = useState(PAGE)
  const activity = useQuery(activityQuery(search, Math.min(limit, 500)))
  useLiveEntries()
  const id = params['id']
  return (
    <Page
      title="Activity"
      beside={<span className="quiet">every change: who, what, why, with what evidence</span>}
    >
      <Toolbar>
        <SearchBox label="Search activity" placeholder="Search by who, what or where" />
      </Toolbar>
      <Answer query={activity}>
        {({ items, more, journal }) => (
          <>
            <Standing journal={journal} />
            <div className={id === undefined ? '' : 'with-drawer'}>
              <div>
                <Table
                  label="Activity, newest first"
                  columns={COLUMNS}
                  rows={items}
                  rowKey={entry => entry.id}
                  open={entry => at('activity', entry.id)}
                  isOpen={entry => entry.id === id}
                  minWidth={860}
                  empty={
                    search === '' ? (
                      <EmptyState title="Nothing has changed yet">
                        Starts, applied declarations, restarts and acts of operators appear here with their
                        evidence.
                      </EmptyState>
                    ) : (
                      <NothingFound what="entries" search={search} />
                    )
                  }
                />
                {more && limit < 500 && (
                  <button type="button" className="button" onClick={() => setLimit(limit + PAGE)}>
                    Show older
                  </button>
                )}
              </div>
              {id !== undefined && <EntryDrawer id={id} />}
            </div>
          </>
        )}
      </Answer>
    </Page>
  )
}

/** What is not in the list, and why; nothing when it is whole. */
function Standing({ journal }: { readonly journal: JournalStanding }) {
  const { state, cluster, asOf, awaySince, problem, waiting } = journal
  if (state === 'following' && (problem === null || waiting === 0)) return null
  const waits = `${plural(waiting, 'entry', 'entries')} told on this machine ${waiting === 1 ? 'waits' : 'wait'}`
  return (
    <div className="notice" role="status">
      <Glyph tone="warn" />
      <div>
        {state === 'none' && (
          <p>This fleet keeps no activity journal: shown is what this machine has told lately.</p>
        )}
        {state === 'away' && (
          <p>
            The journal on {cluster} cannot be read{' '}
            {awaySince !== null && (
              <>
                since <Instant at={awaySince} />
              </>
            )}
            . Shown is what it held {asOf === null ? 'when it was last read' : <Instant at={asOf} />}, and all
            that this machine has told{waiting === 0 ? '' : `; ${waits} to be carried`}.
          </p>
        )}
        {state === 'following' && (
          <p>
            {waits} to be taken into the journal on {cluster}.
          </p>
        )}
        {problem !== null && <p className="quiet wrap">{problem}</p>}
      </div>
    </div>
  )
}

const COLUMNS: readonly Column<Activity>[] = [
  {
    name: 'Time',
    unit: 'UTC',
    width: '152px',
    cell: entry => (
      <span className="quiet">
        {day(entry.at)} <span className="strong">{clock(entry.at)}</span>
      </span>
    ),
  },
  { name: 'Ago', numeric: true, minor: true, width: '128px', cell: entry => <TimeAgo at={entry.at} /> },
  { name: 'Outcome', width: '96px', cell: entry => <Outcome name={entry.outcome} /> },
  { name: 'What', cell: entry => <A href={at('activity', entry.id)}>{entry.summary}</A> },
  { name: 'Who', width: '14%', cell: entry => entry.actor },
  {
    name: 'Why',
    minor: true,
    width: '18%',
    cell: entry => (
      <span className="quiet" title={entry.reason ?? ''}>
        {entry.reason ?? ''}
      </span>
    ),
  },
]

/** An act that runs is neither good nor bad yet. */
function Outcome({ name }: { readonly name: Activity['outcome'] }) {
  return name === 'running' ? <Status tone="off">running</Status> : <State name={name} />
}

function EntryDrawer({ id }: { readonly id: string }) {
  const query = useQuery({
    queryKey: ['activity', 'one', id],
    queryFn: ({ signal }) => data(api.GET('/api/activity/{id}', { params: { path: { id } }, signal })),
  })
  return (
    <Drawer title={query.data?.summary ?? 'Entry'} closeTo="/activity">
      <Answer query={query}>
        {entry => (
          <>
            <Facts
              facts={[
                ['Outcome', <Outcome key="outcome" name={entry.outcome} />],
                ['Begun', <Instant key="at" at={entry.at} />],
                ['Took', entry.endedAt === null ? 'not ended yet' : duration(entry.endedAt - entry.at)],
                ['Who', entry.actor],
                ['Why', entry.reason ?? 'no reason given: not asked for'],
                [
                  'Where',
                  <A key="where" className="plain" href={pathOf(entry.subject)}>
                    {entry.subject.cluster === null ? '' : `${entry.subject.cluster} / `}
                    {entry.subject.name}
                  </A>,
                ],
              ]}
            />
            <h3>Evidence</h3>
            {entry.evidence.length === 0 ? (
              <p className="quiet">none was recorded</p>
            ) : (
              <Facts facts={entry.evidence.map(({ label, value }) => [label, value] as const)} />
            )}
          </>
        )}
      </Answer>
    </Drawer>
  )
}

/** New and changed entries come by themselves. */
function useLiveEntries(): void {
  const queries = useQueryClient()
  useEffect(() => {
    const source = new EventSource('/api/activity/live')
    source.addEventListener('entry', () => void queries.invalidateQueries({ queryKey: ['activity'] }))
    return () => source.close()
  }, [queries])
}
