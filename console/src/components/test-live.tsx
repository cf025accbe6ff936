import { lazy, Suspense, useMemo } from 'react'
import type { TestDetail, TestEvent } from '../api/client.ts'
import { count, duration } from '../format.ts'
import type { ChartMark } from './chart.tsx'
import { Stat, Stats } from './figures.tsx'
import { Section } from './page.tsx'
import { EmptyState } from './states.tsx'
import { Status, type Tone } from './status.tsx'
import { type Column, Table } from './table.tsx'
import { testWords } from './test-state.tsx'

const Chart = lazy(async () => ({ default: (await import('./chart.tsx')).Chart }))

type Sample = Extract<TestEvent, { readonly kind: 'sample' }>
type MarkEvent = Extract<TestEvent, { readonly kind: 'mark' }>

/** Shorter courses are drawn as if they were so long. */
const LEAST_MS = 30_000

const samplesOf = (events: readonly TestEvent[]): readonly Sample[] =>
  events.filter((event): event is Sample => event.kind === 'sample')
const marksOf = (events: readonly TestEvent[]): readonly MarkEvent[] =>
  events.filter((event): event is MarkEvent => event.kind === 'mark').sort((a, b) => a.at - b.at)

/** Told to those who do not see the page: what has changed. */
export function TestTold({ detail }: { readonly detail: TestDetail }) {
  const last = detail.events.items.findLast(({ kind }) => kind === 'mark' || kind === 'run')
  const what = last !== undefined && 'text' in last ? `: ${last.text}` : ''
  return (
    <p className="hidden" role="status">
      {`Test ${detail.test.name} ${testWords(detail.test.state)}${what}`}
    </p>
  )
}

/** How it is now. */
export function TestNow({ detail }: { readonly detail: TestDetail }) {
  const last = samplesOf(detail.events.items).at(-1)
  return (
    <Stats>
      <Stat name="Acknowledged" value={last === undefined ? '–' : `${count(last.perSecond)}/s`} />
      <Stat
        name="Longest wait"
        value={last === undefined ? '–' : duration(last.waitMs)}
        note="of a record that is due"
      />
      <Stat
        name="Under-replicated"
        value={last === undefined ? '–' : count(last.underReplicated)}
        note="partitions"
      />
      <Stat
        name="Without a leader"
        value={last === undefined ? '–' : count(last.leaderless)}
        note="partitions"
      />
      <Stat name="Silent" value={last === undefined ? '–' : count(last.silent)} note="brokers" />
    </Stats>
  )
}

/** What clients saw, second by second, with what happened marked on it. */
export function TestCourse({ detail }: { readonly detail: TestDetail }) {
  const { items } = detail.events
  const samples = useMemo(() => samplesOf(items), [items])
  const marks = useMemo(() => marksOf(items), [items])
  const chartMarks = useMemo<readonly ChartMark[]>(
    () => marks.map(({ at }, i) => ({ at, name: String(i + 1) })),
    [marks],
  )
  const from = samples[0]?.at ?? detail.test.startedAt
  const to = Math.max(samples.at(-1)?.at ?? from, from + LEAST_MS)
  const line = (name: string, unit: string, of: (sample: Sample) => number) => [
    { name, labels: { name }, unit, points: samples.map(sample => [sample.at, of(sample)]) },
  ]
  const shared = { from, to, marks: chartMarks, nameOf: ({ name }: { readonly name: string }) => name }
  return (
    <>
      <div className="panels">
        <div className="panel">
          <div className="panel-head">
            <h2>Records acknowledged</h2>
          </div>
          <Suspense fallback={<div className="chart-room" />}>
            <Chart
              {...shared}
              label="Records acknowledged a second"
              unit="records/s"
              series={line('acknowledged', 'records/s', ({ perSecond }) => perSecond)}
            />
          </Suspense>
        </div>
        <div className="panel">
          <div className="panel-head">
            <h2>Longest wait of a record that is due</h2>
          </div>
          <Suspense fallback={<div className="chart-room" />}>
            <Chart
              {...shared}
              label="Longest wait of a record that is due"
              unit="ms"
              series={line('longest wait', 'ms', ({ waitMs }) => waitMs)}
            />
          </Suspense>
        </div>
      </div>
      <ol className="marks" aria-label="What happened, as marked in the charts">
        {marks.map(({ at, mark, text }, i) => (
          <li key={`${at} ${mark} ${text}`}>
            <b className="mark-number">{i + 1}</b>
            <span className="mark-at">+{duration(at - from)}</span>
            <Status tone={MARK_TONES[mark]}>{mark}</Status>
            <span className="wrap">{text}</span>
          </li>
        ))}
      </ol>
    </>
  )
}

const MARK_TONES: Readonly<Record<MarkEvent['mark'], Tone>> = {
  fault: 'bad',
  planned: 'off',
  over: 'off',
  detected: 'warn',
  acted: 'warn',
  available: 'ok',
  healed: 'ok',
}

interface Expected {
  readonly what: string
  readonly expected: string
  readonly found: string
  readonly state: 'met' | 'missed' | 'open'
}

const EXPECTED_TONES: Readonly<Record<Expected['state'], Tone>> = { met: 'ok', missed: 'bad', open: 'off' }

const EXPECTED: readonly Column<Expected>[] = [
  { name: 'What', cell: row => row.what },
  {
    name: 'Met',
    width: '96px',
    cell: row => <Status tone={EXPECTED_TONES[row.state]}>{row.state}</Status>,
  },
  { name: 'Expected', width: '26%', cell: row => row.expected },
  { name: 'Found', width: '30%', cell: row => row.found },
]

/** As they stand while it runs; as they were met in the end. */
export function TestExpectations({ detail }: { readonly detail: TestDetail }) {
  const { standing, result, test } = detail
  const rows: readonly Expected[] =
    result?.report?.expectations.map(({ met, ...each }) => ({ ...each, state: met ? 'met' : 'missed' })) ??
    standing.map(({ soFar, ...each }) => ({ ...each, found: soFar }))
  if (rows.length === 0 && test.what !== 'scenario') return null
  return (
    <Section title={test.state === 'running' ? 'Expectations, as they stand' : 'Expectations'}>
      <Table
        label="Expectations"
        columns={EXPECTED}
        rows={rows}
        rowKey={row => row.what}
        minWidth={560}
        empty={
          <EmptyState title="It was not judged">It ended before there was anything to judge.</EmptyState>
        }
      />
    </Section>
  )
}

const LAST_NOTES = 60

/** What it has told, the newest first. */
export function TestNotes({ detail }: { readonly detail: TestDetail }) {
  const notes = detail.events.items
    .flatMap(event => (event.kind === 'note' || event.kind === 'run' ? [event] : []))
    .slice(-LAST_NOTES)
    .reverse()
  return (
    <Section title="What it tells">
      <ol className="marks plain" aria-label="What it tells, newest first">
        {notes.map(event => (
          <li key={`${event.at} ${event.kind} ${event.text}`}>
            <span className="mark-at">+{duration(event.at - detail.test.startedAt)}</span>
            <span className="wrap">{event.text}</span>
          </li>
        ))}
      </ol>
    </Section>
  )
}
