import type { DuckDBConnection, DuckDBResult } from '@duckdb/node-api'
import { AjnaError } from '../errors/errors.ts'
import { SqlFailed, SqlForbidden, SqlInvalid, SqlTimeout, SqlTooLarge } from './errors.ts'
import { guardSelect, type SyntaxNode } from './guard.ts'
import { type Json, toJson } from './json.ts'

export interface SelectLimits {
  readonly timeoutMs: number
  /** Rows beyond it are left out, and the end says `truncated`. */
  readonly maxRows: number
  /** Of the rows as JSON text; beyond it the query fails with SQL_TOO_LARGE. */
  readonly maxBytes: number
}

export interface SelectColumn {
  readonly name: string
  /** As DuckDB writes it, e.g. `TIMESTAMP WITH TIME ZONE`. */
  readonly type: string
}

/** Columns once, then rows (never an empty list), then the end once. */
export type SelectPart =
  | { readonly kind: 'columns'; readonly columns: readonly SelectColumn[] }
  | { readonly kind: 'rows'; readonly rows: readonly (readonly Json[])[] }
  | { readonly kind: 'end'; readonly rows: number; readonly truncated: boolean }

const maxSqlCharacters = 65_536

/**
 * The syntax tree of a user's SQL, if it is one SELECT that keeps to the given tables and to functions of its own values.
 * Nothing of it has been run. Throws SQL_INVALID (with the line and column of a syntax error), SQL_FORBIDDEN.
 */
export async function checkSelect(
  connection: DuckDBConnection,
  sql: string,
  tables: ReadonlySet<string>,
): Promise<SyntaxNode> {
  if (sql.length > maxSqlCharacters)
    throw new AjnaError(
      SqlTooLarge,
      `the SQL is ${sql.length} characters long, ${maxSqlCharacters} are allowed`,
    )
  const reader = await connection.runAndReadAll(
    'SELECT CAST(json_serialize_sql(CAST($1 AS VARCHAR)) AS VARCHAR)',
    [sql],
  )
  const parsed = JSON.parse(String(reader.getRows()[0]![0])) as {
    error: boolean
    error_type?: string
    error_message?: string
    position?: string
    statements?: SyntaxNode[]
  }
  if (parsed.error) {
    if (parsed.error_type === 'not implemented')
      throw new AjnaError(SqlForbidden, 'only a SELECT may be run here')
    throw syntaxError(sql, parsed.error_message ?? 'it does not parse', parsed.position)
  }
  const [statement, second] = parsed.statements ?? []
  if (statement === undefined) throw new AjnaError(SqlInvalid, 'the SQL is empty')
  if (second !== undefined) throw new AjnaError(SqlForbidden, 'only one statement may be run at a time')
  guardSelect(statement, tables)
  return statement
}

function syntaxError(sql: string, message: string, position: string | undefined): AjnaError {
  const at = Number(position)
  if (position === undefined || !Number.isInteger(at)) return new AjnaError(SqlInvalid, message)
  const before = Buffer.from(sql).subarray(0, at).toString().split('\n')
  const line = before.length
  const column = (before.at(-1)?.length ?? 0) + 1
  return new AjnaError(SqlInvalid, `line ${line}, column ${column}: ${message}`, {
    details: { line, column, position: at },
  })
}

/**
 * Runs a checked SELECT within limits, streaming. Ending the iteration early, or the signal, interrupts it. The connection
 * belongs to the query until then.
 *
 * @throws AjnaError SQL_INVALID, SQL_FORBIDDEN, SQL_FAILED, SQL_TIMEOUT, SQL_TOO_LARGE; the signal's reason when it aborted
 */
export async function* select(
  connection: DuckDBConnection,
  sql: string,
  limits: SelectLimits,
  signal?: AbortSignal,
): AsyncGenerator<SelectPart, void, undefined> {
  const stop = new AbortController()
  const stopWith = (reason: unknown): void => {
    stop.abort(reason)
    connection.interrupt()
  }
  const onAbort = (): void => stopWith(signal?.reason)
  const timer = setTimeout(
    () => stopWith(new AjnaError(SqlTimeout, `the query did not end within ${limits.timeoutMs} ms`)),
    limits.timeoutMs,
  )
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  try {
    stop.signal.throwIfAborted()
    const result = await connection.stream(sql)
    stop.signal.throwIfAborted()
    yield { kind: 'columns', columns: columnsOf(result) }
    yield* rowsOf(result, limits, stop.signal)
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : sqlError(error)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    connection.interrupt()
  }
}

function columnsOf(result: DuckDBResult): SelectColumn[] {
  const types = result.columnTypes()
  return result.deduplicatedColumnNames().map((name, at) => ({ name, type: String(types[at]) }))
}

async function* rowsOf(
  result: DuckDBResult,
  limits: SelectLimits,
  stop: AbortSignal,
): AsyncGenerator<SelectPart, void, undefined> {
  let rows = 0
  let bytes = 0
  for (
    let chunk = await result.fetchChunk();
    chunk !== null && chunk.rowCount > 0;
    chunk = await result.fetchChunk()
  ) {
    stop.throwIfAborted()
    const left = limits.maxRows - rows
    const part = chunk
      .getRows()
      .slice(0, left)
      .map(row => row.map(toJson))
    rows += part.length
    bytes += sizeOf(part)
    if (bytes > limits.maxBytes)
      throw new AjnaError(SqlTooLarge, `the answer is larger than ${limits.maxBytes} bytes`, {
        details: { rows },
      })
    if (part.length > 0) yield { kind: 'rows', rows: part }
    if (chunk.rowCount > left) {
      yield { kind: 'end', rows, truncated: true }
      return
    }
  }
  stop.throwIfAborted()
  yield { kind: 'end', rows, truncated: false }
}

/** About what the values take as JSON text, without making it. */
function sizeOf(value: Json): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value !== 'object' || value === null) return 8
  let size = 2
  for (const item of Object.values(value)) size += sizeOf(item as Json) + 1
  return size
}

/** DuckDB's errors begin with their class, e.g. `Binder Error: …`. */
function sqlError(error: unknown): AjnaError {
  if (error instanceof AjnaError) return error
  const message = error instanceof Error ? error.message : String(error)
  const [, type = ''] = /^([A-Za-z ]+?) ?Error: /.exec(message) ?? []
  const kind =
    /Out of Memory|memory|Out of Range.*size/i.test(type) ||
    /failed to (allocate|offload)|could not allocate|maximum swap space/i.test(message)
      ? SqlTooLarge
      : type === 'Permission'
        ? SqlForbidden
        : ['Parser', 'Syntax', 'Binder', 'Catalog', 'Mismatch Type'].includes(type)
          ? SqlInvalid
          : SqlFailed
  return new AjnaError(kind, message.trim(), { cause: error })
}
