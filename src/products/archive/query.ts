import { AjnaError, isAjnaError } from '../../foundation/errors/errors.ts'
import type { ConfinedQueries, QueryProcess } from '../../foundation/tables/confined.ts'
import { SqlFailed } from '../../foundation/tables/errors.ts'
import type { Json } from '../../foundation/tables/json.ts'
import type { SelectLimits, SelectPart } from '../../foundation/tables/select.ts'
import { quoted } from '../../foundation/tables/tables.ts'
import type { Archiver } from './archiver.ts'
import type { ObjectCache } from './cache.ts'
import { logsColumns } from './contract.ts'
import { ArchiveBroken } from './errors.ts'
import type { DataObject } from './manifest.ts'
import { boundsOf, everything, selectOf, type TimeBounds, timeComparisons } from './prune.ts'

export interface QueryParts {
  readonly archiver: Archiver
  readonly cache: ObjectCache
  readonly queries: ConfinedQueries
}

/** What a query was answered from. */
export interface QueryFacts {
  readonly objects: { readonly read: number; readonly all: number }
  /** One past the last offset seen of each partition (archiver.partitionKey). */
  readonly ends: ReadonlyMap<string, number>
}

const table = 'logs'
/** `now()` is read a moment before the query's own: the bounds from it are taken wider. */
const clockSlackMs = 60_000
const smallLimits: SelectLimits = { timeoutMs: 5_000, maxRows: 1_000, maxBytes: 1_000_000 }

/**
 * Runs one SELECT over `logs`: everything archived and everything fetched since, each record once. Parts are awaited, so a
 * slow reader slows the query. Throws the errors of tables/select.ts and of cache.ts, and SQL_BUSY.
 */
export function runQuery(
  parts: QueryParts,
  sql: string,
  limits: SelectLimits,
  onPart: (part: SelectPart) => Promise<void>,
  signal: AbortSignal,
): Promise<QueryFacts> {
  return parts.queries.withProcess(async process => {
    const bounds = await timeBounds(process, sql)
    const snapshot = await parts.archiver.snapshot()
    const objects = snapshot.objects.filter(
      object => object.maxTime >= bounds.low && object.minTime <= bounds.high,
    )
    try {
      const held = await parts.cache.hold(objects)
      try {
        const view = logsView(held.files, snapshot.tail.files, snapshot.parts)
        for await (const part of process.select({ sql, views: { [table]: view }, limits }, signal))
          await onPart(part)
      } finally {
        held.release()
      }
    } catch (error) {
      throw brokenArchive(error, objects)
    } finally {
      await snapshot.tail.release()
    }
    return { objects: { read: objects.length, all: snapshot.objects.length }, ends: snapshot.ends }
  }, signal)
}

async function timeBounds(process: QueryProcess, sql: string): Promise<TimeBounds> {
  const references = timeComparisons(await process.check(sql, [table]), table)
  if (references === undefined) return everything
  const values = references.flat().map(comparison => comparison.value)
  try {
    const [text] = await firstRow(process, `SELECT json_deserialize_sql(${quoted(selectOf(values))}::JSON)`)
    const names = values.map((_, at) => `v${at}`)
    const times = await firstRow(
      process,
      `SELECT ${names.map(name => `epoch_ms(${name}::TIMESTAMPTZ)`).join(', ')} FROM (${text}) t(${names.join(', ')})`,
    )
    if (!times.every(time => typeof time === 'number')) return everything
    const bounds = boundsOf(references, times)
    return { low: bounds.low - clockSlackMs, high: bounds.high + clockSlackMs }
  } catch (error) {
    // A comparison that cannot be worked out leaves nothing out; the query itself will say what is wrong with it.
    if (isAjnaError(error, 'SQL_INVALID', 'SQL_FAILED', 'SQL_FORBIDDEN')) return everything
    throw error
  }
}

async function firstRow(process: QueryProcess, sql: string): Promise<readonly Json[]> {
  for await (const part of process.select({ sql, views: {}, limits: smallLimits }))
    if (part.kind === 'rows') return part.rows[0]!
  return []
}

/** Archived rows, and those of the tail from where the archive ends. */
function logsView(
  archived: readonly string[],
  tail: readonly string[],
  parts: readonly { part: number; from: number }[],
): string {
  const columns = logsColumns.map(({ name }) => `"${name}"`).join(', ')
  const files = (some: readonly string[]): string =>
    `read_parquet([${some.map(quoted).join(', ')}], hive_partitioning = false)`
  const current = parts.map(({ part, from }) => `(part = ${part} AND "offset" >= ${from})`).join(' OR ')
  const sources = [
    ...(archived.length === 0 ? [] : [`SELECT ${columns} FROM ${files(archived)}`]),
    ...(tail.length === 0 ? [] : [`SELECT ${columns} FROM ${files(tail)} WHERE ${current}`]),
  ]
  if (sources.length > 0) return sources.join(' UNION ALL ')
  return `SELECT ${logsColumns.map(({ name, type }) => `NULL::${type} AS "${name}"`).join(', ')} WHERE false`
}

/** A named object that cannot be read is the archive's fault, not the query's. */
function brokenArchive(error: unknown, objects: readonly DataObject[]): unknown {
  if (!isAjnaError(error, SqlFailed) || !/^IO Error|magic bytes|corrupt|TProtocol/i.test(error.message))
    return error
  const object = objects.find(each => error.message.includes(each.key) || error.message.includes(each.sha256))
  return new AjnaError(
    ArchiveBroken,
    object === undefined ? 'an object cannot be read' : `${object.key} cannot be read`,
    { cause: error },
  )
}
