/**
 * What is fetched and not archived yet, in DuckDB tables in memory: one that grows for each partition, and a sealed one
 * while it becomes objects. A table that is done with is dropped whole, which gives its memory back.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { appendColumns } from '../../foundation/tables/appender.ts'
import { openTables, quoted, type Tables } from '../../foundation/tables/tables.ts'
import { type Account, account, emptyAccount } from './accounts.ts'
import type { ArchiveConfig } from './config.ts'
import { hourOfCode, hourSql } from './hours.ts'
import type { Cell, PartitionId } from './layout.ts'
import type { MissingRange } from './manifest.ts'
import { noStream, type RowBuffer, rowColumnsSql, rowOverheadBytes } from './rows.ts'
import type { StreamRegistry } from './streams.ts'

/** A stretch [from, to) of a partition, held in a table of its own. */
export interface TailTable {
  readonly name: string
  readonly id: PartitionId
  from: number
  to: number
  rows: number
  bytes: number
  /** Rows ever appended: the next row's rowid. */
  appended: number
  withoutPosition: number
  readonly accounts: Map<number, StreamAccount>
  missing: MissingRange[]
}

export interface StreamAccount extends Account {
  records: number
}

/** Files that together hold the rows of the tail. They stay until they are released. */
export interface Export {
  readonly files: readonly string[]
  release(): Promise<void>
}

/** The rows of a tail table that share an object. */
export interface CellPart {
  readonly cell: Cell
  readonly rows: number
  readonly minTime: number
  readonly maxTime: number
  /** WHERE clause over {@link Tail.rowsSql}'s inner names. */
  readonly where: string
}

export interface Tail {
  create(id: PartitionId, from: number): Promise<TailTable>
  /** Takes the buffer's rows, all or none, and the offsets up to `to`. Throws TABLES_FAILED. */
  append(table: TailTable, rows: RowBuffer, to: number): Promise<void>
  /** Drops the rows below `offset`, which another archiver has committed. */
  trim(table: TailTable, offset: number): Promise<void>
  drop(table: TailTable): Promise<void>
  cells(table: TailTable): Promise<readonly CellPart[]>
  /** Writes rows as a Parquet file with the columns of the archive. */
  writeParquet(table: TailTable, where: string, file: string): Promise<void>
  /**
   * Makes the rows that no export holds yet an export: a Parquet file that queries read. Rows keep a number (`part`) of their
   * table in it.
   */
  export(tables: readonly TailTable[]): Promise<Export>
  /** Number that exports give the rows of a partition. */
  partOf(id: PartitionId): number
  readonly exportFolder: string
  close(): Promise<void>
}

/** So many small files are as slow to query as one export of everything is to make. */
const maxExports = 16
/** Each writing thread holds as many rows at once; DuckDB's own default (122,880) takes three times the memory. */
const rowGroupRows = 40_960

export async function openTail(config: ArchiveConfig, streams: StreamRegistry): Promise<Tail> {
  const folders = Object.fromEntries(
    (['staging', 'tail', 'spill'] as const).map(name => [name, join(config.stateDir, name)]),
  ) as Record<'staging' | 'tail' | 'spill', string>
  for (const folder of Object.values(folders)) {
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
  }
  const tables = await openTables({
    memoryBytes: config.memoryBytes,
    threads: config.threads,
    spill: { directory: folders.spill, maxBytes: config.memoryBytes * 4 },
    directories: [folders.staging, folders.tail],
  })
  await tables.run(
    'CREATE TABLE streams (number INTEGER, id VARCHAR, tenant VARCHAR, site VARCHAR, host VARCHAR, kind VARCHAR, file VARCHAR)',
  )
  const parts = new Map<string, number>()
  let made = 0
  let streamsWritten = -1

  /** Stream rows are few; writing them anew when one changed is simplest. */
  async function writeStreams(): Promise<void> {
    const { version } = streams
    if (version === streamsWritten) return
    const rows = streams.streams
    const text = (of: (at: number) => string | undefined): { type: 'text'; values: (string | null)[] } => ({
      type: 'text',
      values: rows.map((_, at) => of(at) ?? null),
    })
    const described = <K extends 'tenant' | 'site' | 'host' | 'kind' | 'path'>(key: K) =>
      text(at => rows[at]!.descriptor?.[key])
    const columns = [
      { type: 'integer' as const, values: Int32Array.from(rows.keys()) },
      text(at => rows[at]!.id),
      described('tenant'),
      described('site'),
      described('host'),
      described('kind'),
      described('path'),
    ]
    await tables.run('DELETE FROM streams')
    await appendColumns(tables, 'streams', columns, rows.length)
    streamsWritten = version
  }

  const exports = exporter(tables, folders.tail, streams, writeStreams, rowsSql)

  function rowsSql(table: TailTable): string {
    return `FROM ${table.name} t LEFT JOIN streams s ON s.number = t.stream`
  }

  function partOf(id: PartitionId): number {
    const key = `${id.topic}@${id.topicId}/${id.partition}`
    let part = parts.get(key)
    if (part === undefined) parts.set(key, (part = parts.size))
    return part
  }

  return {
    exportFolder: folders.tail,
    partOf,
    async create(id, from) {
      const name = `tail_${++made}`
      await tables.run(`CREATE TABLE ${name} (${rowColumnsSql})`)
      return {
        name,
        id,
        from,
        to: from,
        rows: 0,
        bytes: 0,
        appended: 0,
        withoutPosition: 0,
        accounts: new Map(),
        missing: [],
      }
    },
    async append(table, rows, to) {
      if (rows.rows > 0) await appendColumns(tables, table.name, rows.columns(), rows.rows)
      table.rows += rows.rows
      table.appended += rows.rows
      table.bytes += rows.bytes
      table.withoutPosition += rows.withoutPosition
      table.to = Math.max(table.to, to)
      for (let at = 0; at < rows.rows; at++)
        countRow(table, rows.stream[at]!, rows.position[at]!, rows.length[at]!)
    },
    async trim(table, offset) {
      if (offset <= table.from) return
      await tables.run(`DELETE FROM ${table.name} WHERE "offset" < ${offset}`)
      const kept = await tables.read<{ stream: number; position: number; length: number; bytes: number }>(
        `SELECT stream, position, length, coalesce(octet_length(line), 0) bytes FROM ${table.name} ORDER BY "offset"`,
      )
      table.from = offset
      table.to = Math.max(table.to, offset)
      table.rows = kept.length
      table.bytes = kept.reduce((sum, row) => sum + row.bytes + rowOverheadBytes, 0)
      table.withoutPosition = kept.filter(row => row.stream === noStream).length
      table.missing = table.missing.filter(range => range.to > offset)
      table.accounts.clear()
      for (const row of kept) countRow(table, row.stream, row.position, row.length)
    },
    async drop(table) {
      exports.forget(table)
      await tables.run(`DROP TABLE ${table.name}`)
    },
    async cells(table) {
      await writeStreams()
      const found = await tables.read<{
        tenant: string
        kind: string
        code: number
        rows: number
        low: number
        high: number
      }>(
        `SELECT coalesce(s.tenant, 'unknown') tenant, coalesce(s.kind, 'unknown') kind, ${hourSql} code,
                count(*) "rows", min(t.time) low, max(t.time) high ${rowsSql(table)} GROUP BY ALL ORDER BY ALL`,
      )
      return found.map(({ tenant, kind, code, rows, low, high }) => ({
        cell: { tenant, kind, ...hourOfCode(code) },
        rows,
        minTime: low,
        maxTime: high,
        where: `WHERE coalesce(s.tenant, 'unknown') = ${quoted(tenant)} AND coalesce(s.kind, 'unknown') = ${quoted(kind)} AND ${hourSql} = ${code}`,
      }))
    },
    async writeParquet(table, where, file) {
      await tables.run(
        `COPY (SELECT ${columnsSql(table.id)}, t.key AS key ${rowsSql(table)} ${where}) TO ${quoted(file)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroupRows})`,
      )
    },
    export: of => exports.export(of, table => partOf(table.id)),
    async close() {
      tables.close()
      for (const folder of Object.values(folders)) await rm(folder, { recursive: true, force: true })
    },
  }
}

function countRow(table: TailTable, stream: number, position: number, length: number): void {
  if (stream === noStream) return
  let into = table.accounts.get(stream)
  if (into === undefined) table.accounts.set(stream, (into = { ...emptyAccount(), records: 0 }))
  into.records++
  account(into, position, position + length)
}

/** The columns of `logs`, from a tail table `t` and the streams `s`. */
function columnsSql({ topic, partition }: PartitionId): string {
  return [
    'epoch_ms(t.time::BIGINT)::TIMESTAMPTZ AS time',
    'epoch_ms(t.shipped::BIGINT)::TIMESTAMPTZ AS shipped',
    `coalesce(s.tenant, 'unknown') AS tenant`,
    's.site AS site',
    's.host AS host',
    `coalesce(s.kind, 'unknown') AS kind`,
    's.file AS file',
    's.id AS stream',
    `CASE WHEN t.stream >= 0 THEN t.position::BIGINT END AS position`,
    `CASE WHEN t.stream >= 0 THEN t.length END AS length`,
    `decode(t.line, 'replace') AS line`,
    `CASE WHEN s.kind IS NULL THEN t.line ELSE t.raw END AS raw`,
    `${quoted(topic)} AS topic`,
    `${partition}::INTEGER AS partition`,
    `t."offset"::BIGINT AS "offset"`,
  ].join(', ')
}

interface Exporter {
  export(tables: readonly TailTable[], partOf: (table: TailTable) => number): Promise<Export>
  forget(table: TailTable): void
}

function exporter(
  tables: Tables,
  folder: string,
  streams: StreamRegistry,
  writeStreams: () => Promise<void>,
  rowsSql: (table: TailTable) => string,
): Exporter {
  let files: string[] = []
  const readers = new Map<string, number>()
  /** Rows of each table that the files hold. */
  const exported = new Map<string, number>()
  let streamsExported = -1
  let made = 0

  async function startAnew(): Promise<void> {
    const old = files
    files = []
    exported.clear()
    streamsExported = streams.version
    await removeUnread(old)
  }

  async function removeUnread(some: readonly string[]): Promise<void> {
    for (const file of some)
      if (!files.includes(file) && (readers.get(file) ?? 0) === 0) await rm(file, { force: true })
  }

  async function exportNew(of: readonly TailTable[], partOf: (table: TailTable) => number): Promise<void> {
    const fresh = of.filter(table => table.appended > (exported.get(table.name) ?? 0))
    if (fresh.length === 0) return
    await writeStreams()
    const file = join(folder, `${++made}.parquet`)
    const counts = fresh.map(table => table.appended)
    const rows = fresh.map(
      table =>
        `SELECT ${partOf(table)} AS part, ${columnsSql(table.id)} ${rowsSql(table)} WHERE t.rowid >= ${exported.get(table.name) ?? 0}`,
    )
    await tables.run(
      `COPY (${rows.join(' UNION ALL ')}) TO ${quoted(file)} (FORMAT parquet, COMPRESSION snappy)`,
    )
    for (const [at, table] of fresh.entries()) exported.set(table.name, counts[at]!)
    files = [...files, file]
  }

  return {
    async export(of, partOf) {
      if (files.length >= maxExports || streams.version !== streamsExported) await startAnew()
      await exportNew(of, partOf)
      const held = files
      for (const file of held) readers.set(file, (readers.get(file) ?? 0) + 1)
      return {
        files: held,
        async release() {
          for (const file of held) readers.set(file, readers.get(file)! - 1)
          await removeUnread(held)
        },
      }
    },
    forget(table) {
      exported.delete(table.name)
      // What is left may be rows that are archived by now: the next query begins anew.
      if (exported.size === 0) streamsExported = -1
    },
  }
}
