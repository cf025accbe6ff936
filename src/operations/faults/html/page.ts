import { type ComparedKind, comparedText } from '../compare.ts'
import type { FailureFigures, Spread } from '../contract.ts'
import type { Expectation } from '../judge.ts'
import { NO_HEALER, WITH_HEALER } from '../report.ts'
import { escapeHtml } from './escape.ts'
import { STYLE } from './style.ts'
import { renderTimeline } from './timeline.ts'
import type { RunTrace } from './trace.ts'

/** A report of tests as one page, whole in itself: no script, nothing that is loaded from elsewhere. Pure. */

export interface PageRun {
  readonly name: string
  /** What was done, for people. */
  readonly what: string
  readonly expectations: readonly Expectation[]
  readonly trace: RunTrace
  /** What happened, in order. */
  readonly timeline: readonly string[]
}

export interface PageTask {
  readonly title: string
  /** ms since the epoch. */
  readonly at: number
  readonly version: string
  readonly seed: number
  readonly healer: string | null
  /** Absent: one scenario was run, no kinds were measured. */
  readonly failures?: readonly FailureFigures[] | undefined
  readonly compared?: { readonly file: string; readonly kinds: readonly ComparedKind[] } | undefined
  readonly runs: readonly PageRun[]
}

export function renderPage(task: PageTask): string {
  const { title, at, version, seed, healer, failures, compared, runs } = task
  const time = `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const missed = runs.filter(({ expectations }) => expectations.some(({ met }) => !met)).length
  const verdict =
    missed === 0
      ? '<span class="verdict met">✓ as expected</span>'
      : `<span class="verdict missed">✗ ${missed} of ${runs.length} runs not as expected</span>`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${verdict} <span class="soft">· <time datetime="${new Date(at).toISOString()}">${time}</time> · Kafka ${escapeHtml(version)} · seed ${seed} · ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}</span></p>
<p class="soft">${escapeHtml(healer === null ? NO_HEALER : WITH_HEALER)}</p>
${failures === undefined ? '' : failuresTable(failures)}
${compared === undefined ? '' : comparedTable(compared)}
<h2>Runs</h2>
<p class="soft">Shaded: the fault's time. Gaps: a partition had due writes and acknowledged none for half a second or longer. Latency counts from when a record was due. Out of sync: partitions with a replica that is not in sync.</p>
${runs.map(renderRunCard).join('\n')}
</main>
</body>
</html>
`
}

interface Cell<Row> {
  readonly title: string
  readonly html: (row: Row) => string
  readonly text?: boolean
}

/** The first column names the row. */
function table<Row>(caption: string, cells: readonly Cell<Row>[], rows: readonly Row[]): string {
  const className = ({ text }: Cell<Row>): string => (text ? ' class="text"' : '')
  const head = cells.map(cell => `<th scope="col"${className(cell)}>${cell.title}</th>`).join('')
  const body = rows.map(row => {
    const [first, ...rest] = cells
    const data = rest.map(cell => `<td${className(cell)}>${cell.html(row)}</td>`).join('')
    return `<tr><th scope="row">${first!.html(row)}</th>${data}</tr>`
  })
  // It can be scrolled sideways by keyboard too.
  return `<div class="wide" tabindex="0" role="region" aria-label="${escapeHtml(caption)}"><table><caption>${escapeHtml(caption)}</caption><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
}

const ms = (value: number | null, absent = 'never'): string =>
  value === null ? absent : value.toLocaleString('en-US')
const spread = ({ median, worst }: Spread): string => `${ms(median)} / ${ms(worst)}`

function failuresTable(failures: readonly FailureFigures[]): string {
  const expected = (what: string | null, times: number, runs: number): string =>
    what === null ? 'any' : what === 'none' ? 'none' : `${escapeHtml(what)} ${times}/${runs}`
  return `<h2>Failures</h2>${table<FailureFigures>(
    'Times are ms from the fault on: median / worst of all runs.',
    [
      { title: 'Failure', html: row => escapeHtml(row.kind) },
      { title: 'Runs', html: row => String(row.runs) },
      {
        title: 'As expected',
        text: true,
        html: ({ met, runs }) =>
          met === runs
            ? '<span class="verdict met">✓ yes</span>'
            : `<span class="verdict missed">✗ ${runs - met} not</span>`,
      },
      { title: 'Detected', html: row => ms(row.detectionMs, '–') },
      {
        title: 'Acted',
        html: row => (row.actedMs.median === null ? '–' : spread(row.actedMs)),
      },
      { title: 'Available', html: row => spread(row.availabilityRestoredMs) },
      { title: 'Longest gap', html: row => spread(row.longestGapMs) },
      { title: 'Redundant', html: row => spread(row.redundancyRestoredMs) },
      { title: 'Lost', html: row => row.lost.toLocaleString('en-US') },
      { title: 'Repeated', html: row => row.duplicated.toLocaleString('en-US') },
      {
        title: 'Incident, remedy',
        text: true,
        html: ({ healing, runs }) =>
          healing === null
            ? '–'
            : `${expected(healing.incident, healing.incidentRaised, runs)}, ${expected(healing.remedy, healing.remedyDone, runs)}`,
      },
    ],
    failures,
  )}`
}

function comparedTable({ file, kinds }: NonNullable<PageTask['compared']>): string {
  const column = (title: string, at: number): Cell<ComparedKind> => ({
    title,
    html: ({ figures }) => {
      const figure = figures[at]!
      return `<span class="${figure.verdict}">${escapeHtml(comparedText(figure))}</span>`
    },
  })
  return `<h2>Compared with an earlier report</h2>${table<ComparedKind>(
    `Before → now, medians in ms; before: ${file}. Said to be worse only beyond what runs differ among themselves.`,
    [
      { title: 'Failure', html: row => escapeHtml(row.kind) },
      { title: 'Runs', html: ({ runs }) => `${runs.before}, ${runs.now}` },
      column('Detected', 0),
      column('Available', 1),
      column('Redundant', 2),
      column('Lost', 3),
      column('Repeated', 4),
    ],
    kinds,
  )}`
}

function renderRunCard({ name, what, expectations, trace, timeline }: PageRun): string {
  const missed = expectations.filter(({ met }) => !met)
  const verdict =
    missed.length === 0
      ? '<span class="verdict met">✓ as expected</span>'
      : '<span class="verdict missed">✗ not as expected</span>'
  return `<article>
<h3>${escapeHtml(name)} ${verdict}</h3>
<p class="soft">${escapeHtml(what)}</p>
${missed.map(each => `<p class="worse">${escapeHtml(`${each.what}: expected ${each.expected}, found ${each.found}`)}</p>`).join('')}
${renderTimeline(trace, `Timeline of ${name}: throughput, latency, gaps of each partition, partitions out of sync; the list below says the same`)}
<details><summary>What was expected</summary>
${table<Expectation>(
  'Expectations',
  [
    { title: 'What', html: row => escapeHtml(row.what) },
    { title: 'Expected', text: true, html: row => escapeHtml(row.expected) },
    { title: 'Found', text: true, html: row => escapeHtml(row.found) },
    { title: 'Met', text: true, html: row => (row.met ? '✓ yes' : '✗ no') },
  ],
  expectations,
)}</details>
<details><summary>What happened, in order (s after the load's start)</summary><ol>${timeline.map(line => `<li>${escapeHtml(line.trim())}</li>`).join('')}</ol></details>
</article>`
}
