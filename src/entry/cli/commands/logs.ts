import { AjnaError } from '../../../foundation/errors/errors.ts'
import { readEvents } from '../../../foundation/http/read-events.ts'
import { type Column, renderTable } from '../../../foundation/text/table.ts'
import { CONTROL_UNREACHABLE, dataOf } from '../../api/client.ts'
import { type LogLine, type LogTable, logLineModel } from '../../api/models.ts'
import { connectApi } from '../api.ts'
import { print, printJson, say } from '../output.ts'

type Row = LogTable['rows'][number]

export async function query(
  sql: string,
  options: { readonly limit: number; readonly json?: boolean },
): Promise<void> {
  const { api } = await connectApi()
  const table = dataOf(await api.POST('/api/logs/query', { body: { sql, limit: options.limit } }))
  if (options.json === true) return printJson(table)
  const columns = table.columns.map(
    ({ name, type }, at): Column<Row> => ({
      title: name,
      value: row => String(row[at] ?? ''),
      align: /INT|DOUBLE|DECIMAL|FLOAT/.test(type) ? 'right' : 'left',
      shrinkTo: 10,
    }),
  )
  print(renderTable(columns, table.rows))
  say(
    `${table.rows.length} rows${table.truncated ? ' (there are more; see --limit)' : ''}, ${table.elapsedMs.toFixed(0)} ms`,
  )
}

interface TailOptions {
  readonly site?: string
  readonly host?: string
  readonly file?: string
  readonly grep?: string
  readonly lines?: number
  readonly json?: boolean
}

/** Prints lines as they arrive, until Ctrl-C, `--lines`, or the reader of its output has gone. */
export async function tail(options: TailOptions): Promise<void> {
  const { base, token } = await connectApi()
  const filter = new URLSearchParams()
  const given = { site: options.site, host: options.host, file: options.file, match: options.grep }
  for (const [name, value] of Object.entries(given)) if (value !== undefined) filter.set(name, value)
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  let left = options.lines ?? Number.POSITIVE_INFINITY
  try {
    const response = await fetch(`${base}/api/logs/tail?${filter}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: ending.signal,
    })
    if (!response.ok) dataOf({ error: await response.json(), response })
    for await (const event of readEvents(response.body!)) {
      if (event.event === 'dropped') say('some lines were left out: this reader is slower than the log')
      if (event.event !== 'line') continue
      show(logLineModel.parse(JSON.parse(event.data)), options.json === true)
      if (--left <= 0) break
    }
  } catch (cause) {
    if (ending.signal.aborted) return
    if (cause instanceof AjnaError) throw cause
    throw new AjnaError(CONTROL_UNREACHABLE, `nothing answers at ${base}`, { cause })
  } finally {
    ending.abort()
  }
}

function show(line: LogLine, json: boolean): void {
  if (json) print(JSON.stringify(line))
  else
    print(
      `${new Date(line.time).toISOString()}  ${line.host}  ${line.file.split('/').slice(-2).join('/')}  ${line.line}`,
    )
}
