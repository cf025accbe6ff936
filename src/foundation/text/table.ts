import { stripVTControlCharacters } from 'node:util'

/** Lines of text for a terminal: tables never wider than asked, cut where it hurts least. */

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string | number
  /** Numbers right; default left. */
  readonly align?: 'left' | 'right'
  /** A cell may be shortened (with an ellipsis) to this many characters when the table is too wide; default: never. */
  readonly shrinkTo?: number
}

const GAP = '  '
const ELLIPSIS = '…'

/** Characters a terminal shows, colours apart; combining and double-width characters count as one each. */
const width = (text: string): number => [...stripVTControlCharacters(text)].length

function shorten(text: string, to: number): string {
  const characters = [...text]
  return characters.length <= to ? text : `${characters.slice(0, Math.max(0, to - 1)).join('')}${ELLIPSIS}`
}

/** A control character in a cell (a topic's description, a broker's error) must not move the cursor. */
const oneLine = (text: string): string =>
  stripVTControlCharacters(text).replaceAll(/[\u0000-\u001f\u007f]+/g, ' ')

/** How wide each column may be so that the whole fits: takes from the widest column that may shrink, again and again. */
function fit(
  natural: readonly number[],
  least: readonly (number | undefined)[],
  available: number,
): number[] {
  const widths = [...natural]
  const total = (): number => widths.reduce((sum, each) => sum + each, 0)
  while (total() > available) {
    let widest = -1
    widths.forEach((each, column) => {
      const floor = least[column]
      if (floor !== undefined && each > floor && (widest < 0 || each > widths[widest]!)) widest = column
    })
    if (widest < 0) break
    widths[widest]!--
  }
  return widths
}

/** @param maxWidth characters; default 100 */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  maxWidth = 100,
): string {
  const cells = rows.map(row => columns.map(column => oneLine(String(column.value(row)))))
  const natural = columns.map((column, at) =>
    Math.max(width(column.title), ...cells.map(row => width(row[at]!))),
  )
  const least = columns.map(column =>
    column.shrinkTo === undefined ? undefined : Math.max(column.shrinkTo, width(column.title)),
  )
  const widths = fit(natural, least, maxWidth - GAP.length * (columns.length - 1))
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) => {
        const cut = shorten(text, widths[at]!)
        const pad = ' '.repeat(Math.max(0, widths[at]! - width(cut)))
        return columns[at]!.align === 'right' ? pad + cut : cut + pad
      })
      .join(GAP)
      .trimEnd()
  return [line(columns.map(column => column.title)), ...cells.map(line)].join('\n')
}

/** `3 topics`, `1 topic`. */
export const count = (many: number, one: string, more = `${one}s`): string =>
  `${many.toLocaleString('en-US')} ${many === 1 ? one : more}`

/** A text in lines of at most `maxWidth` characters where its words allow, cut at spaces; later lines start with `indent`. */
export function wrap(text: string, maxWidth = 100, indent = ''): string {
  const [lead = ''] = /^ */.exec(text) ?? []
  const [first = '', ...words] = text.slice(lead.length).split(' ')
  const lines: string[] = []
  let line = lead + first
  for (const word of words) {
    const longer = `${line} ${word}`
    if (width(longer) <= maxWidth) {
      line = longer
    } else {
      lines.push(line)
      line = indent + word
    }
  }
  return [...lines, line].join('\n')
}
