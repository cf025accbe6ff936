import {
  BLOB,
  DOUBLE,
  DuckDBBlobValue,
  DuckDBDataChunk,
  type DuckDBType,
  INTEGER,
  VARCHAR,
} from '@duckdb/node-api'
import { AjnaError } from '../errors/errors.ts'
import { TablesFailed } from './errors.ts'
import type { Tables } from './tables.ts'

/** Rows a chunk may hold: DuckDB's vector size. */
export const chunkRows = 2048

/**
 * Column by column what goes into a table at once. `double` holds whole numbers below 2^53 at a third of bigint's cost in
 * JavaScript; `bytes` takes text as UTF-8 without making a string of it.
 */
export type ColumnData =
  | { readonly type: 'double'; readonly values: Float64Array }
  | { readonly type: 'integer'; readonly values: Int32Array }
  | { readonly type: 'bytes'; readonly values: readonly (Uint8Array | null)[] }
  | { readonly type: 'text'; readonly values: readonly (string | null)[] }

const duckTypes: Record<ColumnData['type'], DuckDBType> = {
  double: DOUBLE,
  integer: INTEGER,
  bytes: BLOB,
  text: VARCHAR,
}

/** SQL type of a column filled by {@link appendColumns}. */
export const sqlTypes: Record<ColumnData['type'], string> = {
  double: DOUBLE.toString(),
  integer: INTEGER.toString(),
  bytes: BLOB.toString(),
  text: VARCHAR.toString(),
}

/**
 * Appends `rows` rows to a table in one transaction: all of them are there afterwards, or none and TABLES_FAILED is thrown
 * (out of memory, say). The columns are those of the table, in order.
 */
export async function appendColumns(
  tables: Tables,
  table: string,
  columns: readonly ColumnData[],
  rows: number,
): Promise<void> {
  const connection = await tables.connect()
  try {
    // The appender flushes on its own every 200,000 rows; a transaction makes it one.
    await connection.run('BEGIN')
    const appender = await connection.createAppender(table)
    // One chunk again and again: its memory lies outside JavaScript's, which does not know when to collect many.
    const chunk = DuckDBDataChunk.create(columns.map(column => duckTypes[column.type]))
    for (let from = 0; from < rows; from += chunkRows) {
      const size = Math.min(chunkRows, rows - from)
      chunk.reset()
      chunk.rowCount = size
      for (const [at, column] of columns.entries()) fill(chunk, at, column, from, size)
      appender.appendDataChunk(chunk)
    }
    appender.closeSync()
    await connection.run('COMMIT')
  } catch (error) {
    throw new AjnaError(TablesFailed, `append ${rows} rows to ${table}`, { cause: error })
  } finally {
    connection.closeSync()
  }
}

function fill(chunk: DuckDBDataChunk, at: number, column: ColumnData, from: number, size: number): void {
  const vector = chunk.getColumnVector(at)
  for (let i = 0; i < size; i++) {
    const value = column.values[from + i]!
    vector.setItem(
      i,
      column.type === 'bytes' && value !== null ? new DuckDBBlobValue(value as Uint8Array) : (value as never),
    )
  }
  vector.flush()
}
