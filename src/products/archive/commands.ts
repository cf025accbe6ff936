/** What `ajna logs query` and `ajna logs tail` print. Pure. */
import { stripVTControlCharacters } from 'node:util'
import { type Column, count, renderTable } from '../../foundation/text/table.ts'
import type { QueryAnswer, TailLine } from './contract.ts'

/** What a cell may be shortened to where the table is too wide. */
const narrowest = 12

/** A table, and what a reader must know about it beneath. */
export function renderQuery(answer: QueryAnswer, maxWidth = 100): string {
  const columns = answer.columns.map(
    ({ name }, at): Column<readonly unknown[]> => ({
      title: name,
      value: row => cellText(row[at]),
      align: answer.rows.some(row => typeof row[at] === 'number') ? 'right' : 'left',
      shrinkTo: narrowest,
    }),
  )
  const table = renderTable(columns, answer.rows, maxWidth)
  const rows = answer.truncated
    ? `the first ${count(answer.rows.length, 'row')}; there are more (--limit)`
    : count(answer.rows.length, 'row')
  return `${table}\n\n${rows} in ${answer.ms.toLocaleString('en-US')} ms, ${answer.objects.read} of ${count(answer.objects.all, 'object')} read`
}

/** One JSON document: rows as objects by column name (the last of equal names counts). */
export function queryJson(answer: QueryAnswer): string {
  const rows = answer.rows.map(row =>
    Object.fromEntries(answer.columns.map(({ name }, at) => [name, row[at]])),
  )
  return JSON.stringify({ ...answer, rows })
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '–'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** `05:24:11.123 web-1 /var/log/app.log │ the line`; whole, with control characters made harmless. */
export function renderTailLine(line: TailLine): string {
  const from =
    line.host === null ? `${line.topic}/${line.partition}/${line.offset}` : `${line.host} ${line.file}`
  return `${line.time.slice(11, 23)} ${harmless(from)} │ ${harmless(line.line ?? '(no value)')}`
}

/** Said where lines were left out because the reader was too slow. */
export const renderDropped = (lines: number): string =>
  `… ${count(lines, 'line')} left out: read faster, or filter`

/** A log line may hold escape sequences; a terminal must not obey them. */
const harmless = (text: string): string =>
  stripVTControlCharacters(text).replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, '·')
