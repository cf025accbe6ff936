import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { LibraryScenario, Test } from '../api/client.ts'
import { scenariosQuery, testQuery, testsQuery } from '../api/queries.ts'
import { Page, Section, Tabs, Toolbar } from '../components/page.tsx'
import { Answer, EmptyState } from '../components/states.tsx'
import { type Column, Table } from '../components/table.tsx'
import { RunTestDialog } from '../components/test-dialogs.tsx'
import { TestCourse, TestExpectations, TestNow, TestTold } from '../components/test-live.tsx'
import { TestState } from '../components/test-state.tsx'
import { TimeAgo } from '../components/time-ago.tsx'
import { clock, count, day, duration } from '../format.ts'
import { A, at, usePlace } from '../router.tsx'

export function TestsPage() {
  const { path } = usePlace()
  const tab = path === '/tests/library' ? 'library' : 'runs'
  const tests = useQuery(testsQuery())
  return (
    <Page
      title="Tests"
      beside={<span className="quiet">faults on purpose, under load, and what came of them</span>}
    >
      <Tabs
        label="Tests that have run, and those there are"
        active={tab}
        tabs={[
          { name: 'runs', href: '/tests' },
          { name: 'library', href: '/tests/library' },
        ]}
      />
      <Answer query={tests}>
        {({ items, running }) =>
          tab === 'library' ? <Library running={running} /> : <Runs tests={items} running={running} />
        }
      </Answer>
    </Page>
  )
}

function Runs({ tests, running }: { readonly tests: readonly Test[]; readonly running: string | null }) {
  return (
    <>
      {running !== null && <Running id={running} />}
      <Section title="History">
        <Table
          label="Tests, newest first"
          columns={COLUMNS}
          rows={tests}
          rowKey={row => row.id}
          open={row => at('tests', row.id)}
          minWidth={720}
          empty={
            <EmptyState title="No test has run here yet">
              The library has scenarios to run; <code>ajna test run</code> and <code>ajna test failures</code>{' '}
              are listed here too.
            </EmptyState>
          }
        />
      </Section>
    </>
  )
}

/** What runs now. */
function Running({ id }: { readonly id: string }) {
  const query = useQuery(testQuery(id, useQueryClient()))
  return (
    <Answer query={query}>
      {detail => (
        <Section
          title={`Running: ${detail.test.name}`}
          verbatim
          aside={
            <A className="plain" href={at('tests', id)}>
              All of it
            </A>
          }
        >
          <TestTold detail={detail} />
          <TestNow detail={detail} />
          <TestCourse detail={detail} />
          <TestExpectations detail={detail} />
        </Section>
      )}
    </Answer>
  )
}

const figure = (value: number | null): string => (value === null ? '–' : count(value))
const time = (value: number | null): string => (value === null ? '–' : duration(value))

const COLUMNS: readonly Column<Test>[] = [
  { name: 'What', cell: row => <A href={at('tests', row.id)}>{row.name}</A> },
  { name: 'Result', width: '144px', cell: row => <TestState state={row.state} /> },
  {
    name: 'Began',
    unit: 'UTC',
    width: '152px',
    cell: row => (
      <span className="quiet">
        {day(row.startedAt)} <span className="strong">{clock(row.startedAt)}</span>
      </span>
    ),
  },
  { name: 'Ago', numeric: true, minor: true, width: '144px', cell: row => <TimeAgo at={row.startedAt} /> },
  {
    name: 'Writable',
    unit: 'after',
    numeric: true,
    width: '112px',
    cell: row => time(row.availabilityRestoredMs),
  },
  {
    name: 'Redundant',
    unit: 'after',
    numeric: true,
    minor: true,
    width: '128px',
    cell: row => time(row.redundancyRestoredMs),
  },
  { name: 'Lost', numeric: true, width: '72px', cell: row => figure(row.lost) },
  {
    name: 'By',
    minor: true,
    width: '18%',
    cell: row => (row.reason === null ? row.by : `${row.by}: ${row.reason}`),
  },
]

const TEMPLATE = `name: my-scenario
load: { rate: 300 }
faults:
  - { at: 5s, fault: kill, broker: leader, for: 12s }
expect: { redundancyRestored: true }
`

function Library({ running }: { readonly running: string | null }) {
  const scenarios = useQuery(scenariosQuery())
  const [chosen, setChosen] = useState<{ readonly name: string | null; readonly text: string }>()
  const columns: readonly Column<LibraryScenario>[] = [
    { name: 'Scenario', width: '220px', cell: row => row.name },
    { name: 'What and why', cell: row => <span title={row.what}>{row.what}</span> },
    {
      name: 'Act',
      width: '96px',
      cell: row => (
        <button
          type="button"
          className="button"
          aria-label={`Run ${row.name}…`}
          disabled={running !== null}
          onClick={() => setChosen(row)}
        >
          Run…
        </button>
      ),
    },
  ]
  return (
    <>
      <Toolbar>
        <button
          type="button"
          className="button"
          disabled={running !== null}
          onClick={() => setChosen({ name: null, text: TEMPLATE })}
        >
          Write one…
        </button>
        <span className="quiet" role="status">
          {running === null ? '' : 'One test at a time: another one runs.'}
        </span>
      </Toolbar>
      <Answer query={scenarios}>
        {({ items }) => (
          <Table
            label="Scenarios that come with the program"
            columns={columns}
            rows={items}
            rowKey={row => row.name}
            minWidth={640}
            empty={<EmptyState title="No scenario comes with this program" />}
          />
        )}
      </Answer>
      {chosen !== undefined && <RunTestDialog {...chosen} close={() => setChosen(undefined)} />}
    </>
  )
}
