import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api'
import { AjnaError, describeError } from '../errors/errors.ts'
import { TablesFailed } from './errors.ts'
import { type Json, toJson } from './json.ts'

export interface TablesOptions {
  /** A database file that belongs to this process alone; absent: in memory. */
  readonly file?: string
  /** Tables in memory and running queries together; beyond it they spill, or fail with an out-of-memory error. */
  readonly memoryBytes: number
  readonly threads: number
  /** Where memory spills to; absent: nowhere. */
  readonly spill?: { readonly directory: string; readonly maxBytes: number }
  /** The only directories whose files any statement may read or write from now on. Absent: none, and no network either way. */
  readonly directories?: readonly string[]
}

export interface Tables {
  /** A connection of its own: one statement at a time, its own transaction. Close it. */
  connect(): Promise<DuckDBConnection>
  /** Runs statements on a connection of their own. Throws TABLES_FAILED. */
  run(sql: string, values?: readonly DuckDBValue[]): Promise<void>
  /** Rows as objects of JSON values (json.ts). Throws TABLES_FAILED. */
  read<Row extends Record<string, Json>>(sql: string, values?: readonly DuckDBValue[]): Promise<Row[]>
  close(): void
}

/**
 * A DuckDB whose configuration is locked once it is open: UTC, no extensions from outside, no network, no files but those
 * under `directories`. Throws TABLES_FAILED.
 */
export async function openTables(options: TablesOptions): Promise<Tables> {
  const instance = await DuckDBInstance.create(options.file ?? ':memory:', {
    memory_limit: `${options.memoryBytes}B`,
    threads: String(options.threads),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_persistent_secrets: 'false',
    temp_directory: options.spill?.directory ?? '',
    ...(options.spill === undefined ? {} : { max_temp_directory_size: `${options.spill.maxBytes}B` }),
  }).catch(rethrow('open the database'))

  async function withConnection<T>(
    sql: string,
    act: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T> {
    const connection = await instance.connect()
    try {
      return await act(connection)
    } catch (error) {
      return rethrow(sql)(error)
    } finally {
      connection.closeSync()
    }
  }
  const tables: Tables = {
    connect: () => instance.connect(),
    run: (sql, values) =>
      withConnection(sql, async connection => {
        await connection.run(sql, values === undefined ? undefined : [...values])
      }),
    read: <Row extends Record<string, Json>>(sql: string, values?: readonly DuckDBValue[]) =>
      withConnection(sql, async connection => {
        const reader = await connection.runAndReadAll(sql, values === undefined ? undefined : [...values])
        const names = reader.columnNames()
        return reader
          .getRows()
          .map(row => Object.fromEntries(row.map((value, i) => [names[i]!, toJson(value)])) as Row)
      }),
    close: () => instance.closeSync(),
  }
  const list = (options.directories ?? []).map(quoted).join(', ')
  await tables.run(`
    SET GLOBAL TimeZone = 'UTC';
    SET GLOBAL allowed_directories = [${list}];
    SET GLOBAL enable_external_access = false;
    SET GLOBAL lock_configuration = true`)
  return tables
}

/** A text as an SQL literal. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

const rethrow =
  (sql: string) =>
  (error: unknown): never => {
    if (error instanceof AjnaError) throw error
    const statement = sql.trim().replaceAll(/\s+/g, ' ').slice(0, 200)
    throw new AjnaError(TablesFailed, describeError(error).split('\n')[0]!, { details: { statement } })
  }
