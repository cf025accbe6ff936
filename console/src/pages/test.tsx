import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { TestDetail } from '../api/client.ts'
import { testQuery } from '../api/queries.ts'
import { Facts } from '../components/drawer.tsx'
import { Stat, Stats } from '../components/figures.tsx'
import { IncidentWhole, incidentTitle } from '../components/incident.tsx'
import { Page, Section } from '../components/page.tsx'
import { Answer } from '../components/states.tsx'
import { Glyph } from '../components/status.tsx'
import { type Column, Table } from '../components/table.tsx'
import { StopTestDialog } from '../components/test-dialogs.tsx'
import { TestCourse, TestExpectations, TestNotes, TestNow, TestTold } from '../components/test-live.tsx'
import { TestState } from '../components/test-state.tsx'
import { Instant } from '../components/time-ago.tsx'
import { count, duration } from '../format.ts'

const CRUMBS = [{ name: 'Tests', href: '/tests' }]

export function TestPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const id = params['id'] ?? ''
  const query = useQuery(testQuery(id, useQueryClient()))
  const test = query.data?.test
  return (
    <Page
      title={test?.name ?? 'Test'}
      crumbs={CRUMBS}
      beside={test === undefined ? undefined : <TestState state={test.state} />}
    >
      <Answer query={query}>{detail => <Whole detail={detail} />}</Answer>
    </Page>
  )
}

function Whole({ detail }: { readonly detail: TestDetail }) {
  const { test, result, incidents, scenario, events } = detail
  const running = test.state === 'running'
  const sampled = events.items.some(({ kind }) => kind === 'sample')
  return (
    <>
      <TestTold detail={detail} />
      <Beginning detail={detail} />
      <Ended detail={detail} />
      {running ? <TestNow detail={detail} /> : <Found detail={detail} />}
      {(running || sampled) && (
        <Section title="As clients saw it">
          <TestCourse detail={detail} />
        </Section>
      )}
      <TestExpectations detail={detail} />
      {result?.report != null && <Faults report={result.report} />}
      {result?.failures != null && <Failures failures={result.failures} />}
      {result?.reproduces != null && (
        <Section title="The shortest scenario that fails">
          <pre className="scenario">{result.reproduces}</pre>
        </Section>
      )}
      {incidents.length > 0 && (
        <Section title="Incidents of its cluster">
          {incidents.map(incident => (
            <details key={incident.id} className="fold">
              <summary>
                {incidentTitle(incident)}: {incident.state}
              </summary>
              <IncidentWhole incident={incident} ofTest />
            </details>
          ))}
        </Section>
      )}
      {result !== null && result.runs.length > 0 ? (
        <Timelines runs={result.runs} />
      ) : (
        <TestNotes detail={detail} />
      )}
      {scenario !== null && (
        <Section title="Its scenario">
          <pre className="scenario">{scenario}</pre>
        </Section>
      )}
    </>
  )
}

function Beginning({ detail: { test, result } }: { readonly detail: TestDetail }) {
  const [stopping, setStopping] = useState(false)
  const running = test.state === 'running'
  return (
    <div className="test-head">
      <Facts
        facts={[
          ['Began', <Instant key="began" at={test.startedAt} />],
          ['By', test.reason === null ? test.by : `${test.by}: ${test.reason}`],
          ['Healer', test.healer ? 'at work, as in a fleet' : 'none: Kafka alone'],
          ['Seed', String(test.seed)],
          ['Id', <code key="id">{test.id}</code>],
        ]}
      />
      <div className="acts">
        {running && (
          <button
            type="button"
            className="button"
            disabled={test.stopped !== null}
            onClick={() => setStopping(true)}
          >
            {test.stopped === null ? 'Stop…' : 'Stopping…'}
          </button>
        )}
        {result?.version != null && (
          <a className="button" href={`/api/tests/${test.id}/report`} download>
            Download the report
          </a>
        )}
      </div>
      {stopping && <StopTestDialog test={test} close={() => setStopping(false)} />}
    </div>
  )
}

/** Why there is no result; nothing when there is one. */
function Ended({ detail: { test } }: { readonly detail: TestDetail }) {
  const { state, stopped, error } = test
  if (state === 'met' || state === 'missed' || (state === 'running' && stopped === null)) return null
  return (
    <div className="notice" role="status">
      <Glyph tone={state === 'failed' ? 'bad' : 'warn'} />
      <div>
        {stopped !== null && (
          <p>
            {stopped.by} asked for its end: {stopped.reason}
          </p>
        )}
        {state === 'died' && (
          <p>
            Its process is gone and has not said how it ended. What it had broken is undone by its watchdogs.
          </p>
        )}
        {error !== null && (
          <>
            <p className="wrap">{error.message}</p>
            <p>
              {error.remedy} <code>{error.code}</code>
            </p>
          </>
        )}
      </div>
    </div>
  )
}

function Found({ detail: { test } }: { readonly detail: TestDetail }) {
  const time = (value: number | null): string => (value === null ? '–' : duration(value))
  const figure = (value: number | null): string => (value === null ? '–' : count(value))
  return (
    <Stats>
      <Stat
        name="Writable again"
        value={time(test.availabilityRestoredMs)}
        note="after the fault, at worst"
      />
      <Stat name="Redundant again" value={time(test.redundancyRestoredMs)} note="after the fault, at worst" />
      <Stat name="Lost" value={figure(test.lost)} note="acknowledged records" />
      <Stat name="Repeated" value={figure(test.duplicated)} note="records" />
      <Stat name="Acknowledged" value={figure(test.acknowledged)} note="records" />
    </Stats>
  )
}

type Report = NonNullable<NonNullable<TestDetail['result']>['report']>
type Fault = Report['faults'][number]

const ms = (value: number | null): string => (value === null ? 'never' : count(value))

const FAULTS: readonly Column<Fault>[] = [
  {
    name: 'Fault',
    cell: row =>
      `${row.fault}: broker ${row.brokers.map(({ id, controller }) => `${id}${controller ? ' (controller)' : ''}`).join(', ')}`,
  },
  { name: 'At', unit: 's', numeric: true, width: '64px', cell: row => (row.atMs / 1_000).toFixed(1) },
  {
    name: 'Stopped',
    unit: 'part.',
    numeric: true,
    minor: true,
    width: '112px',
    cell: row => count(row.partitionsStopped),
  },
  {
    name: 'Detected',
    unit: 'ms',
    numeric: true,
    width: '104px',
    cell: row => (row.healing === null ? '–' : ms(row.healing.detectionMs)),
  },
  {
    name: 'Acted',
    unit: 'ms',
    numeric: true,
    minor: true,
    width: '88px',
    cell: row => (row.healing === null ? '–' : ms(row.healing.actedMs)),
  },
  {
    name: 'Writable',
    unit: 'ms',
    numeric: true,
    width: '104px',
    cell: row => ms(row.availabilityRestoredMs),
  },
  {
    name: 'Longest gap',
    unit: 'ms',
    numeric: true,
    minor: true,
    width: '128px',
    cell: row => ms(row.longestGapMs),
  },
  { name: 'Redundant', unit: 'ms', numeric: true, width: '120px', cell: row => ms(row.redundancyRestoredMs) },
]

type Operation = Report['operations'][number]

const OPERATIONS: readonly Column<Operation>[] = [
  { name: 'Operation', cell: row => row.what },
  { name: 'Ended', width: '104px', cell: row => row.state },
  { name: 'At', unit: 's', numeric: true, width: '64px', cell: row => (row.atMs / 1_000).toFixed(1) },
  { name: 'Took', unit: 's', numeric: true, width: '72px', cell: row => (row.tookMs / 1_000).toFixed(1) },
  {
    name: 'Brokers',
    minor: true,
    cell: ({ brokers }) =>
      brokers.map(({ id, wholeMs }) => `${id} in ${(wholeMs / 1_000).toFixed(1)} s`).join(', ') || '–',
  },
  { name: 'Longest gap', unit: 'ms', numeric: true, width: '128px', cell: row => count(row.longestGapMs) },
]

interface LatencyRow {
  readonly when: string
  readonly records: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

const LATENCY: readonly Column<LatencyRow>[] = [
  { name: 'When', cell: row => row.when },
  { name: 'Records', numeric: true, minor: true, width: '104px', cell: row => count(row.records) },
  { name: 'p50', unit: 'ms', numeric: true, width: '104px', cell: row => row.p50Ms.toFixed(1) },
  { name: 'p99', unit: 'ms', numeric: true, width: '104px', cell: row => row.p99Ms.toFixed(1) },
  { name: 'Longest', unit: 'ms', numeric: true, width: '112px', cell: row => row.maxMs.toFixed(1) },
]

const WHEN = {
  before: 'before anything was done',
  during: 'until all was redundant',
  after: 'afterwards',
} as const

function Faults({ report }: { readonly report: Report }) {
  const latency = (['before', 'during', 'after'] as const).flatMap(when => {
    const summary = report.latency[when]
    return summary === null ? [] : [{ ...summary, when: WHEN[when] }]
  })
  return (
    <>
      {report.faults.length > 0 && (
        <Section title="Faults" aside={<span className="quiet">times count from the fault</span>}>
          <Table
            label="Faults"
            columns={FAULTS}
            rows={report.faults}
            rowKey={row => `${row.fault} ${row.atMs}`}
            minWidth={720}
            empty={null}
          />
        </Section>
      )}
      {report.operations.length > 0 && (
        <Section
          title="Operations"
          aside={<span className="quiet">each broker until all was in sync again</span>}
        >
          <Table
            label="Operations"
            columns={OPERATIONS}
            rows={report.operations}
            rowKey={row => `${row.what} ${row.atMs}`}
            minWidth={720}
            empty={null}
          />
        </Section>
      )}
      <Section title="Latency" aside={<span className="quiet">from when a record was due</span>}>
        <Table
          label="Latency"
          columns={LATENCY}
          rows={latency}
          rowKey={row => row.when}
          minWidth={480}
          empty={null}
        />
      </Section>
    </>
  )
}

type Figures = NonNullable<NonNullable<TestDetail['result']>['failures']>[number]

const spread = ({ median, worst }: Figures['actedMs']): string => `${ms(median)} / ${ms(worst)}`

const FAILURES: readonly Column<Figures>[] = [
  { name: 'Failure', cell: row => row.kind },
  { name: 'Runs', numeric: true, minor: true, width: '72px', cell: row => count(row.runs) },
  {
    name: 'Detected',
    unit: 'ms',
    numeric: true,
    width: '104px',
    cell: row => (row.detectionMs === null ? '–' : ms(row.detectionMs)),
  },
  {
    name: 'Writable',
    unit: 'ms',
    numeric: true,
    width: '144px',
    cell: row => spread(row.availabilityRestoredMs),
  },
  {
    name: 'Redundant',
    unit: 'ms',
    numeric: true,
    width: '160px',
    cell: row => spread(row.redundancyRestoredMs),
  },
  { name: 'Lost', numeric: true, width: '72px', cell: row => count(row.lost) },
  { name: 'As expected', numeric: true, width: '128px', cell: row => `${row.met} of ${row.runs}` },
]

function Failures({ failures }: { readonly failures: readonly Figures[] }) {
  return (
    <Section title="Failures" aside={<span className="quiet">median / worst, from the fault on</span>}>
      <Table
        label="Failures"
        columns={FAILURES}
        rows={failures}
        rowKey={row => row.kind}
        minWidth={800}
        empty={null}
      />
    </Section>
  )
}

function Timelines({ runs }: { readonly runs: NonNullable<TestDetail['result']>['runs'] }) {
  return (
    <Section title="Timeline" aside={<span className="quiet">s after the load’s start</span>}>
      {runs.map(({ name, timeline }, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: runs of one kind have the same name, and stay where they are
        <details key={`${name} ${i}`} className="fold" open={runs.length === 1}>
          <summary>{runs.length === 1 ? 'What happened, in order' : `${name}, run ${i + 1}`}</summary>
          <pre className="scenario">{timeline.join('\n')}</pre>
        </details>
      ))}
    </Section>
  )
}
