import { type Column, renderTable } from '../../../foundation/text/table.ts'
import type { TestEvent, TestResult, TestState, TestSummary } from './model.ts'
import type { Standing } from './standing.ts'

/** Tests for people: a list of them, and one as a whole. Pure. */

const instant = (at: number): string => new Date(at).toISOString().slice(0, 19).replace('T', ' ')
const figure = (value: number | null): string => value?.toLocaleString('en-US') ?? '–'

export const stateWords: Readonly<Record<TestState, string>> = {
  running: 'running',
  met: 'as expected',
  missed: 'NOT as expected',
  failed: 'failed',
  stopped: 'stopped',
  died: 'died',
}

export function renderTests(tests: readonly TestSummary[]): string {
  const columns: readonly Column<TestSummary>[] = [
    { title: 'BEGAN (UTC)', value: row => instant(row.startedAt) },
    { title: 'WHAT', value: row => row.name, shrinkTo: 20 },
    { title: 'RESULT', value: row => stateWords[row.state] },
    { title: 'AVAILABLE ms', align: 'right', value: row => figure(row.availabilityRestoredMs) },
    { title: 'REDUNDANT ms', align: 'right', value: row => figure(row.redundancyRestoredMs) },
    { title: 'LOST', align: 'right', value: row => figure(row.lost) },
    { title: 'BY', value: row => row.by },
    { title: 'ID', value: row => row.id },
  ]
  return renderTable(columns, tests, 140)
}

export interface ShownTest {
  readonly summary: TestSummary
  readonly result: TestResult | undefined
  /** While it runs. */
  readonly standing: readonly Standing[]
  readonly events: readonly TestEvent[]
}

const LAST_NOTES = 30

export function renderTest({ summary, result, standing, events }: ShownTest): string {
  const { id, name, state, seed, healer, startedAt, endedAt, by, reason, stopped, error } = summary
  const expectations = result?.report?.expectations.map(each => ({
    ...each,
    met: each.met ? 'met' : 'NOT MET',
  }))
  const soFar = standing.map(each => ({ ...each, found: each.soFar, met: each.state }))
  const rows = expectations ?? soFar
  const notes = events.filter(event => event.kind === 'note').slice(-LAST_NOTES)
  const timeline = result?.runs.length === 1 ? result.runs[0]!.timeline : undefined
  return [
    `${name}: ${stateWords[state]}`,
    [
      `test ${id}, seed ${seed}, healer ${healer ? 'on' : 'off'}`,
      `began ${instant(startedAt)} UTC${endedAt === null ? '' : `, ended ${instant(endedAt)} UTC`}; by ${by}${reason === null ? '' : `: ${reason}`}`,
      ...(stopped === null ? [] : [`${stopped.by} asked for its end: ${stopped.reason}`]),
      ...(error === null ? [] : [`${error.code}: ${error.message}`]),
      ...(state === 'died' ? ['its process is gone, and has not said how it ended'] : []),
    ].join('\n'),
    ...(rows.length === 0
      ? []
      : [
          renderTable(
            [
              { title: 'EXPECTATION', value: row => row.what },
              { title: 'EXPECTED', value: row => row.expected, shrinkTo: 20 },
              { title: 'FOUND', value: row => row.found, shrinkTo: 20 },
              { title: '', value: row => row.met },
            ],
            rows,
          ),
        ]),
    ...(timeline === undefined
      ? [
          [
            `Notes (s after its beginning)`,
            ...notes.map(({ at, text }) => `${((at - startedAt) / 1_000).toFixed(1).padStart(8)}  ${text}`),
          ].join('\n'),
        ]
      : [["Timeline (s after the load's start)", ...timeline].join('\n')]),
  ].join('\n\n')
}
