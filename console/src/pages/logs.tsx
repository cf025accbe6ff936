import { useMutation } from '@tanstack/react-query'
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { ApiError, api, data, type LogLine, type LogTable } from '../api/client.ts'
import { SearchBox } from '../components/inputs.tsx'
import { Page, Tabs, Toolbar } from '../components/page.tsx'
import { EmptyState, ErrorPanel } from '../components/states.tsx'
import { Glyph, type Tone } from '../components/status.tsx'
import { type Column, Table } from '../components/table.tsx'
import { TimeAgo } from '../components/time-ago.tsx'
import { clock, count, instant } from '../format.ts'
import { usePlace } from '../router.tsx'

export function LogsPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const tab = params['tab'] ?? 'live'
  return (
    <Page title="Logs">
      <Tabs
        label="Ways to read logs"
        active={tab}
        tabs={[
          { name: 'live', href: '/logs' },
          { name: 'query', href: '/logs/query' },
        ]}
      />
      {tab === 'query' ? <Query /> : <Tail />}
    </Page>
  )
}

/* ---- live ---- */

/** Lines kept on the page: the oldest go first. */
const KEPT = 2_000
/** The page begins with so many of the newest lines. */
const BACKLOG = 200
/** Lines are drawn so often, however many come. */
const DRAW_MS = 200

interface TailState {
  readonly lines: readonly LogLine[]
  readonly dropped: number
  readonly connected: boolean
}

/** What comes with a backlog may be here already: after a pause, or when the server was away. */
function joined(old: readonly LogLine[], come: readonly LogLine[]): LogLine[] {
  const known = new Set(old.map(({ id }) => id))
  const fresh = come.filter(({ id }) => !known.has(id) && known.add(id))
  return [...old, ...fresh].slice(-KEPT)
}

const NO_LINES: TailState = { lines: [], dropped: 0, connected: false }

function useTail(filter: string, paused: boolean): TailState {
  const [state, setState] = useState(NO_LINES)
  useEffect(() => {
    if (paused) return
    const source = new EventSource(`/api/logs/tail?${filter}${filter === '' ? '' : '&'}backlog=${BACKLOG}`)
    let fresh: LogLine[] = []
    let dropped = 0
    let connected = false
    const timer = setInterval(() => {
      const come = fresh
      const lost = dropped
      fresh = []
      dropped = 0
      setState(old =>
        come.length === 0 && lost === 0 && old.connected === connected
          ? old
          : { lines: joined(old.lines, come), dropped: old.dropped + lost, connected },
      )
    }, DRAW_MS)
    source.onopen = () => {
      connected = true
    }
    source.onerror = () => {
      connected = false
    }
    source.addEventListener('line', event => {
      fresh.push(JSON.parse(event.data) as LogLine)
      if (fresh.length > KEPT) fresh.shift()
    })
    source.addEventListener('dropped', event => {
      dropped += (JSON.parse(event.data) as { count: number }).count
    })
    return () => {
      clearInterval(timer)
      source.close()
    }
  }, [filter, paused])
  return state
}

const FILTERS = ['match', 'host', 'file'] as const

function Tail() {
  const { query } = usePlace()
  const filter = new URLSearchParams(
    FILTERS.flatMap(name => (query.get(name) ? [[name, query.get(name)!]] : [])),
  ).toString()
  return <TailView key={filter} filter={filter} />
}

function TailView({ filter }: { readonly filter: string }) {
  const [paused, setPaused] = useState(false)
  const { lines, dropped, connected } = useTail(filter, paused)
  const frame = useRef<HTMLDivElement>(null)
  const following = useRef(true)
  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines are what is followed
  useEffect(() => {
    if (following.current && frame.current !== null) frame.current.scrollTop = frame.current.scrollHeight
  }, [lines])
  const scrolled = useCallback(() => {
    const element = frame.current
    if (element !== null)
      following.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40
  }, [])
  return (
    <>
      <Toolbar>
        <SearchBox label="Lines that hold" name="match" placeholder="Lines that hold…" />
        <SearchBox label="Host" name="host" placeholder="host" />
        <SearchBox label="File" name="file" placeholder="part of the path" />
        <button type="button" className="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? 'Go on' : 'Pause'}
        </button>
        <span className="quiet" role="status">
          {paused ? 'paused' : connected ? 'live' : 'connecting…'} · {count(lines.length)} lines
          {dropped > 0 ? ` · ${count(dropped)} left out: they came faster than this page reads` : ''}
        </span>
      </Toolbar>
      {lines.length === 0 ? (
        <EmptyState title={paused ? 'Paused' : 'Waiting for the next line'}>
          {filter === ''
            ? 'None came within the last 15 minutes. New lines of every shipped file appear here as they arrive.'
            : 'No line of the last 15 minutes has passed the filter, and none has come since.'}
        </EmptyState>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys
        <div ref={frame} className="tail" role="log" aria-label="Live log" tabIndex={0} onScroll={scrolled}>
          {lines.map(line => (
            <TailLine key={line.id} line={line} />
          ))}
        </div>
      )}
    </>
  )
}

function TailLine({ line }: { readonly line: LogLine }) {
  const level = levelOf(line.line)
  return (
    <div className={`tail-line ${level === undefined ? '' : `tone-${level}`}`}>
      <time title={instant(line.time)}>{clock(line.time)}</time>
      <span className="tail-from" title={`${line.host}: ${line.file}, byte ${count(line.position)}`}>
        {line.host} {line.file.split('/').at(-1)}
      </span>
      <span className="tail-mark">{level !== undefined && <Glyph tone={level} />}</span>
      <span className="tail-text">{line.line}</span>
    </div>
  )
}

function levelOf(text: string): Tone | undefined {
  const head = text.slice(0, 120)
  if (/\b(ERROR|FATAL|CRITICAL|SEVERE)\b|"level":"(error|fatal)"/.test(head)) return 'bad'
  return /\bWARN(ING)?\b|"level":"warn"/.test(head) ? 'warn' : undefined
}

/* ---- query ---- */

const HISTORY_KEY = 'ajna.sql'
const HISTORY_LENGTH = 50
const FIRST_SQL =
  'select time, host, file, line\nfrom logs\nwhere time > now() - interval 1 hour\norder by time desc\nlimit 200'
const EXAMPLES: readonly (readonly [name: string, sql: string])[] = [
  ['Newest lines', FIRST_SQL],
  [
    'Errors by file',
    "select host, file, count(*) as lines\nfrom logs\nwhere line like '%ERROR%'\ngroup by all\norder by lines desc",
  ],
  [
    'Lines per 10 minutes',
    'select time_bucket(interval 10 minutes, time) as bucket, count(*) as lines\nfrom logs\nwhere time > now() - interval 6 hours\ngroup by bucket\norder by bucket',
  ],
]

function readHistory(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(HISTORY_KEY) ?? '[]')
    return Array.isArray(kept) ? kept.filter(each => typeof each === 'string') : []
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DOMException) return []
    throw error
  }
}

function Query() {
  const [sql, setSql] = useState(() => readHistory()[0] ?? FIRST_SQL)
  const [history, setHistory] = useState(readHistory)
  const run = useMutation({
    mutationFn: (text: string) => data(api.POST('/api/logs/query', { body: { sql: text, limit: 1_000 } })),
    onMutate: text => {
      const kept = [text, ...history.filter(each => each !== text)].slice(0, HISTORY_LENGTH)
      setHistory(kept)
      localStorage.setItem(HISTORY_KEY, JSON.stringify(kept))
    },
  })
  const keys = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
    event.preventDefault()
    run.mutate(sql)
  }
  const fault = run.error instanceof ApiError && run.error.status === 400 ? run.error : undefined
  return (
    <>
      <div className={`editor ${fault === undefined ? '' : 'faulty'}`}>
        <textarea
          aria-label="SQL over the table logs"
          aria-invalid={fault !== undefined}
          aria-describedby="sql-fault"
          spellCheck={false}
          rows={Math.min(14, Math.max(5, sql.split('\n').length + 1))}
          value={sql}
          onChange={event => setSql(event.target.value)}
          onKeyDown={keys}
        />
        <p id="sql-fault" className="editor-fault wrap">
          {fault !== undefined && (
            <>
              <Glyph tone="bad" /> {fault.message}
            </>
          )}
        </p>
      </div>
      <Toolbar>
        <button
          type="button"
          className="button primary"
          disabled={run.isPending}
          onClick={() => run.mutate(sql)}
        >
          {run.isPending ? 'Running…' : 'Run'} <kbd>Ctrl</kbd> <kbd>Enter</kbd>
        </button>
        <label className="select">
          <span>History</span>
          <select className="input history" value="" onChange={event => setSql(event.target.value)}>
            <option value="">{history.length === 0 ? 'empty' : `${history.length} queries`}</option>
            {history.map(each => (
              <option key={each} value={each}>
                {each.replace(/\s+/g, ' ').slice(0, 90)}
              </option>
            ))}
          </select>
        </label>
        {EXAMPLES.map(([name, text]) => (
          <button key={name} type="button" className="button ghost" onClick={() => setSql(text)}>
            {name}
          </button>
        ))}
      </Toolbar>
      {run.error !== null && fault === undefined && (
        <ErrorPanel error={run.error} retry={() => run.mutate(sql)} />
      )}
      {run.data === undefined ? (
        run.error === null && (
          <EmptyState title="Table logs: time, tenant, site, host, file, position, length, line">
            Archived lines and those not yet archived, in one table. Read-only, bounded in time and memory.
          </EmptyState>
        )
      ) : (
        <Result table={run.data} />
      )}
    </>
  )
}

type Cells = readonly LogTable['rows'][number][number][]
interface ResultRow {
  readonly index: number
  readonly cells: Cells
}

const NUMERIC = /INT|DOUBLE|FLOAT|DECIMAL|REAL/

function Result({ table }: { readonly table: LogTable }) {
  const rows = useMemo(() => table.rows.map((cells, index): ResultRow => ({ index, cells })), [table])
  const columns = table.columns.map(
    (column, i): Column<ResultRow> => ({
      name: column.name,
      numeric: NUMERIC.test(column.type),
      ...widthOf(column.name),
      sort: row => sortable(row.cells[i] ?? null),
      cell: row => <CellView value={row.cells[i] ?? null} numeric={NUMERIC.test(column.type)} />,
    }),
  )
  return (
    <>
      <p className="result-head quiet" role="status">
        {count(rows.length)} rows{table.truncated ? ', more matched' : ''} · {count(table.elapsedMs)} ms ·
        searched through{' '}
        {table.searchedThrough === null ? 'nothing yet' : <TimeAgo at={table.searchedThrough} />}
      </p>
      <Table
        label="Result"
        columns={columns}
        rows={rows}
        rowKey={row => String(row.index)}
        minWidth={Math.max(640, columns.length * 120)}
        empty={<EmptyState title="No rows">The query ran and matched nothing.</EmptyState>}
      />
    </>
  )
}

const sortable = (value: Cells[number]): string | number | null =>
  typeof value === 'boolean' ? Number(value) : value
const widthOf = (name: string): { width?: string } =>
  name === 'line' ? { width: '48%' } : name === 'time' ? { width: '188px' } : {}

function CellView({ value, numeric }: { readonly value: Cells[number]; readonly numeric: boolean }) {
  if (value === null) return <span className="quiet">null</span>
  const text = numeric && typeof value === 'number' ? value.toLocaleString('en-US') : String(value)
  return (
    <span className="one-line" title={text}>
      {text}
    </span>
  )
}
