import { useVirtualizer } from '@tanstack/react-virtual'
import { type CSSProperties, type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { go, setQuery, usePlace } from '../router.tsx'
import { EmptyState } from './states.tsx'

export interface Column<Row> {
  readonly name: string
  /** Shown beside the name; the cells then hold bare figures. */
  readonly unit?: string
  /** Figures stand right. */
  readonly numeric?: boolean
  /** Gives way when a drawer stands beside the table. */
  readonly minor?: boolean
  /** CSS width; the rest is shared. */
  readonly width?: string
  /** Orders the table: the server's word for it, or a value of the row. */
  readonly sort?: string | ((row: Row) => string | number | null)
  readonly cell: (row: Row) => ReactNode
}

export interface TableProps<Row> {
  readonly label: string
  readonly columns: readonly Column<Row>[]
  readonly rowKey: (row: Row) => string
  /** Where Enter leads. */
  readonly open?: (row: Row) => string
  readonly isOpen?: (row: Row) => boolean
  readonly empty: ReactNode
  readonly minWidth?: number
}

/** A table of rows that are all here; ordered here. */
export function Table<Row>({ rows, ...props }: TableProps<Row> & { readonly rows: readonly Row[] }) {
  const { query } = usePlace()
  const column = props.columns.find(each => each.name === query.get('sort'))
  const key = typeof column?.sort === 'function' ? column.sort : undefined
  const sorted = key === undefined ? rows : [...rows].sort(byKey(key, query.get('order') === 'desc'))
  return <Grid {...props} count={rows.length} rowAt={index => sorted[index]} />
}

function byKey<Row>(
  key: (row: Row) => string | number | null,
  descending: boolean,
): (a: Row, b: Row) => number {
  const sign = descending ? -1 : 1
  return (a, b) => {
    const [left, right] = [key(a), key(b)]
    if (left === right) return 0
    if (left === null) return 1
    if (right === null) return -1
    return left < right ? -sign : sign
  }
}

interface GridProps<Row> extends TableProps<Row> {
  readonly count: number
  /** undefined: not here yet. */
  readonly rowAt: (index: number) => Row | undefined
  /** Says which rows are in sight, so that they can be fetched. */
  readonly onRange?: (first: number, last: number) => void
}

const ROW_HEIGHT = 28
/** Lists up to this long are simply drawn. */
const DRAWN_WHOLE = 120

/** Rows come into being as they come into sight; arrows move, Enter opens. */
export function Grid<Row>(props: GridProps<Row>) {
  const { columns, count, label, minWidth = 640 } = props
  const scroller = useRef<HTMLDivElement>(null)
  const [active, setActive] = useState(0)
  const virtual = count > DRAWN_WHOLE
  const rows = useVirtualizer({
    count: virtual ? count : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
  })
  const items = rows.getVirtualItems()
  const first = virtual ? (items[0]?.index ?? 0) : 0
  const last = virtual ? (items.at(-1)?.index ?? 0) : count - 1
  const { onRange } = props
  useEffect(() => {
    if (count > 0) onRange?.(first, last)
  }, [onRange, first, last, count])

  if (count === 0) return <>{props.empty}</>
  const current = Math.min(active, count - 1)
  const before = virtual ? (items[0]?.start ?? 0) : 0
  const after = virtual ? rows.getTotalSize() - (items.at(-1)?.end ?? 0) : 0
  const indexes = Array.from({ length: last - first + 1 }, (_, i) => first + i)

  function move(event: KeyboardEvent): void {
    const to = movedTo(event.key, current, count)
    if (event.key === 'Enter' && event.target instanceof HTMLTableRowElement) {
      const row = props.rowAt(current)
      if (row !== undefined && props.open !== undefined) go(props.open(row))
    }
    if (to === undefined || event.target instanceof HTMLInputElement) return
    event.preventDefault()
    setActive(to)
    if (virtual) rows.scrollToIndex(to)
    requestAnimationFrame(() =>
      scroller.current
        ?.querySelector<HTMLElement>(`tr[data-index="${to}"]`)
        ?.focus({ preventScroll: virtual }),
    )
  }

  return (
    <section
      ref={scroller}
      className={`table-frame ${virtual ? 'virtual' : ''}`}
      aria-label={label}
      onKeyDown={move}
    >
      <table aria-rowcount={count + 1} style={{ '--table-min': `${minWidth}px` } as CSSProperties}>
        <caption className="hidden">{label}</caption>
        <colgroup>
          {columns.map(column => (
            <col
              key={keyOf(column)}
              className={column.minor === true ? 'minor' : ''}
              style={column.width === undefined ? undefined : { width: column.width }}
            />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(column => (
              <HeaderCell key={keyOf(column)} column={column} />
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <Spacer height={before} columns={columns.length} />}
          {indexes.map(index => (
            <BodyRow
              key={index}
              {...props}
              index={index}
              isActive={index === current}
              activate={() => setActive(index)}
            />
          ))}
          {after > 0 && <Spacer height={after} columns={columns.length} />}
        </tbody>
      </table>
    </section>
  )
}

function movedTo(key: string, current: number, count: number): number | undefined {
  switch (key) {
    case 'ArrowDown':
    case 'j':
      return Math.min(count - 1, current + 1)
    case 'ArrowUp':
    case 'k':
      return Math.max(0, current - 1)
    case 'PageDown':
      return Math.min(count - 1, current + 20)
    case 'PageUp':
      return Math.max(0, current - 20)
    case 'Home':
      return 0
    case 'End':
      return count - 1
    default:
      return undefined
  }
}

const keyOf = <Row,>(column: Column<Row>): string => `${column.name} ${column.unit ?? ''}`

const classOf = <Row,>({ numeric, minor }: Column<Row>): string =>
  [numeric === true && 'number', minor === true && 'minor'].filter(Boolean).join(' ')

function Spacer({ height, columns }: { readonly height: number; readonly columns: number }) {
  return (
    <tr className="spacer">
      <td colSpan={columns} style={{ height }} />
    </tr>
  )
}

function HeaderCell<Row>({ column }: { readonly column: Column<Row> }) {
  const { query } = usePlace()
  const key = typeof column.sort === 'string' ? column.sort : column.name
  const sorted = query.get('sort') === key
  const descending = query.get('order') === 'desc'
  const text = (
    <>
      {column.name}
      {column.unit !== undefined && <span className="unit"> {column.unit}</span>}
    </>
  )
  const className = classOf(column)
  if (column.sort === undefined)
    return (
      <th className={className} scope="col">
        {text}
      </th>
    )
  const next = sorted && !descending ? 'desc' : 'asc'
  return (
    <th
      className={className}
      scope="col"
      aria-sort={sorted ? (descending ? 'descending' : 'ascending') : 'none'}
    >
      <button
        type="button"
        className="sort"
        onClick={() => setQuery({ sort: key, order: next === 'asc' ? null : next })}
      >
        {text}
        <span aria-hidden="true" className="sort-mark">
          {sorted ? (descending ? '↓' : '↑') : ''}
        </span>
      </button>
    </th>
  )
}

function BodyRow<Row>({
  index,
  isActive,
  activate,
  ...props
}: GridProps<Row> & { readonly index: number; readonly isActive: boolean; readonly activate: () => void }) {
  const row = props.rowAt(index)
  if (row === undefined) {
    return (
      <tr aria-rowindex={index + 2} className="pending">
        <td colSpan={props.columns.length}>
          <span className="loading-bar" />
        </td>
      </tr>
    )
  }
  return (
    <tr
      key={props.rowKey(row)}
      data-index={index}
      aria-rowindex={index + 2}
      aria-selected={props.isOpen?.(row) ? true : undefined}
      tabIndex={isActive ? 0 : -1}
      onFocus={activate}
    >
      {props.columns.map(column => (
        <td key={keyOf(column)} className={classOf(column)}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  )
}

/** What an empty list says when a filter made it so. */
export function NothingFound({ what, search }: { readonly what: string; readonly search: string }) {
  if (search === '') return <EmptyState title={`No ${what}`} />
  return (
    <EmptyState title={`No ${what} match “${search}”`}>
      All words must occur; letter case is ignored.
    </EmptyState>
  )
}
