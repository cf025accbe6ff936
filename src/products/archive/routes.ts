import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { z } from 'zod'
import { AjnaError, describeError, isAjnaError } from '../../foundation/errors/errors.ts'
import type { EventStream } from '../../foundation/http/events.ts'
import type { HttpServer } from '../../foundation/http/server.ts'
import type { Interval } from '../../foundation/positions/intervals.ts'
import { SqlFailed, SqlTooLarge } from '../../foundation/tables/errors.ts'
import type { Json } from '../../foundation/tables/json.ts'
import type { SelectPart } from '../../foundation/tables/select.ts'
import { quoted } from '../../foundation/tables/tables.ts'
import { partitionKey } from './archiver.ts'
import type { Catalog } from './catalog.ts'
import type { ArchiveConfig } from './config.ts'
import {
  type ArchiveStatus,
  archivePaths,
  archiveStatus,
  type CompletenessAnswer,
  completenessAnswer,
  type QueryAnswer,
  type QueryLine,
  queryAnswer,
  queryRequest,
  type TailLine,
  type TailRequest,
  tailLine,
  tailRequest,
} from './contract.ts'
import { type LiveTail, type TailFilter, tailFilter } from './live.ts'
import { type QueryFacts, type QueryParts, runQuery } from './query.ts'

/** HTTP status by error code, for createHttpServer. */
export const archiveStatuses: Readonly<Record<string, number>> = {
  SQL_INVALID: 400,
  SQL_FAILED: 400,
  SQL_FORBIDDEN: 403,
  SQL_TIMEOUT: 408,
  SQL_TOO_LARGE: 413,
  SQL_BUSY: 503,
  ARCHIVE_QUERY_WIDE: 413,
  ARCHIVE_NOT_READY: 503,
  ARCHIVE_MANIFEST_INVALID: 503,
  TAIL_FILTER_INVALID: 400,
}

/** Lines that a tail begins with, and that may wait for its beginning, at most. */
const historyLines = 10_000
const historyBytes = 4 * 1024 * 1024
/** What a slow reader of the tail may lag behind before lines are dropped, and said to be. */
const tailBufferBytes = 8 * 1024 * 1024

export interface ArchiveService extends QueryParts {
  readonly config: ArchiveConfig['query']
  readonly catalog: Catalog
  readonly live: LiveTail
  status(): ArchiveStatus
}

/** @param service throws ARCHIVE_NOT_READY while the archive opens */
export function archiveRoutes(server: HttpServer, service: () => ArchiveService): void {
  const body = queryRequest
  server.app.post(
    archivePaths.query,
    { schema: { body, response: { 200: queryAnswer } } },
    (request, reply) => collect(queryOf(service(), request.body, reply)),
  )
  server.app.post(archivePaths.queryStream, { schema: { body } }, (request, reply) => {
    const lines = new PassThrough()
    void writeLines(queryOf(service(), request.body, reply), lines)
    return reply.type('application/x-ndjson').send(lines)
  })
  server.app.get(archivePaths.tail, { schema: { querystring: tailRequest } }, (request, reply) => {
    const parts = service()
    const filter = tailFilter(request.query)
    void followTail(parts, request.query, filter, server.events(reply, { maxBufferedBytes: tailBufferBytes }))
    return reply
  })
  server.app.get(archivePaths.status, { schema: { response: { 200: archiveStatus } } }, async () =>
    service().status(),
  )
  const completeness = completenessOf()
  server.app.get(archivePaths.completeness, { schema: { response: { 200: completenessAnswer } } }, async () =>
    completeness(service().catalog),
  )
}

/** Answers are large and asked for every few seconds, and change with commits only. */
function completenessOf(): (catalog: Catalog) => CompletenessAnswer {
  let last: { version: number; answer: CompletenessAnswer } | undefined
  const ranges = (of: Iterable<Interval>): { start: number; end: number }[] =>
    [...of].map(([start, end]) => ({ start, end }))
  return catalog => {
    if (last?.version !== catalog.version) {
      const streams = [...catalog.accounts()].map(([stream, { held, repeated }]) => ({
        stream,
        held: ranges(held),
        repeated: ranges(repeated),
      }))
      last = { version: catalog.version, answer: { streams } }
    }
    return last.answer
  }
}

type RunQuery = (onPart: (part: SelectPart) => Promise<void>) => Promise<QueryFacts>

/** A request's query, cut to what this server allows, and ended when the caller goes away. */
function queryOf(
  parts: ArchiveService,
  request: z.output<typeof queryRequest>,
  reply: FastifyReply,
): RunQuery {
  const { config } = parts
  const limits = {
    timeoutMs: Math.min(request.timeoutMs, config.timeoutMs),
    maxRows: Math.min(request.limit, config.maxRows),
    maxBytes: config.maxBytes,
  }
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort(new Error('the caller went away')))
  return onPart => runQuery(parts, request.sql, limits, onPart, gone.signal)
}

async function collect(run: RunQuery): Promise<QueryAnswer> {
  const began = performance.now()
  const rows: (readonly Json[])[] = []
  let columns: QueryAnswer['columns'] = []
  let truncated = false
  const { objects } = await run(async part => {
    if (part.kind === 'columns') columns = [...part.columns]
    else if (part.kind === 'rows') rows.push(...part.rows)
    else truncated = part.truncated
  })
  return { columns, rows: rows as unknown[][], truncated, ms: Math.round(performance.now() - began), objects }
}

async function writeLines(run: RunQuery, lines: PassThrough): Promise<void> {
  const began = performance.now()
  const write = async (batch: readonly QueryLine[]): Promise<void> => {
    if (!lines.write(batch.map(line => `${JSON.stringify(line)}\n`).join(''))) await once(lines, 'drain')
  }
  lines.once('error', () => lines.destroy())
  try {
    let ended: { rows: number; truncated: boolean } = { rows: 0, truncated: false }
    const { objects } = await run(async part => {
      if (part.kind === 'columns') await write([{ columns: [...part.columns] }])
      else if (part.kind === 'rows') await write(part.rows.map(row => ({ row: [...row] })))
      else ended = part
    })
    const { rows, truncated } = ended
    await write([{ end: { rows, truncated, ms: Math.round(performance.now() - began), objects } }])
  } catch (error) {
    if (!lines.destroyed) await write([{ error: errorText(error) }])
  } finally {
    lines.end()
  }
}

function errorText(error: unknown): ReturnType<AjnaError['toJSON']> {
  if (error instanceof AjnaError) return error.toJSON()
  return new AjnaError(SqlFailed, describeError(error), { cause: error }).toJSON()
}

/** What was there since a time, if asked for, then what comes; no line twice, none between left out. */
async function followTail(
  parts: ArchiveService,
  request: TailRequest,
  filter: TailFilter,
  events: EventStream,
): Promise<void> {
  const show = (line: TailLine): boolean =>
    events.send({ event: 'line', data: line, id: `${line.topic}/${line.partition}/${line.offset}` })
  let waiting: { line: TailLine; key: string }[] | undefined = request.since === undefined ? undefined : []
  let overflow = 0
  const unsubscribe = parts.live.subscribe(filter, (line, id) => {
    if (waiting === undefined) show(line)
    else if (waiting.length < historyLines) waiting.push({ line, key: partitionKey(id) })
    else overflow++
  })
  events.closed.addEventListener('abort', unsubscribe, { once: true })
  if (request.since === undefined) return
  try {
    const { lines, ends } = await history(parts, request, request.since, events.closed)
    for (const line of lines) if (filter.text(line.line ?? '')) show(line)
    const late = waiting ?? []
    waiting = undefined
    for (const { line, key } of late) if (line.offset >= (ends.get(key) ?? 0)) show(line)
    if (overflow > 0) events.send({ event: 'dropped', data: { count: overflow } })
  } catch (error) {
    events.send({ event: 'failed', data: errorText(error) })
    events.end()
  }
}

async function history(
  parts: ArchiveService,
  request: TailRequest,
  since: string,
  signal: AbortSignal,
): Promise<{ lines: TailLine[]; ends: ReadonlyMap<string, number> }> {
  for (let limit = request.lines ?? historyLines; ; limit = Math.floor(limit / 10)) {
    const lines: TailLine[] = []
    try {
      const limits = { timeoutMs: parts.config.timeoutMs, maxRows: limit, maxBytes: historyBytes }
      const { ends } = await runQuery(
        parts,
        historySql(request, since, limit),
        limits,
        async part => {
          if (part.kind === 'rows') lines.push(...part.rows.map(lineOfRow))
        },
        signal,
      )
      return { lines: lines.reverse(), ends }
    } catch (error) {
      // Lines may be a megabyte each: then fewer of them.
      if (!isAjnaError(error, SqlTooLarge) || limit < 10) throw error
    }
  }
}

const historyColumns = [
  'time',
  'shipped',
  'tenant',
  'site',
  'host',
  'file',
  'position',
  'length',
  'line',
  'topic',
  'partition',
  'offset',
] as const

/** The last lines first, so that a limit leaves out the oldest. */
export function historySql(request: TailRequest, since: string, limit: number): string {
  const { tenant, site, host, file, contains, match } = request
  const equal = Object.entries({ tenant, site, host }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} = ${quoted(value)}`],
  )
  const like = (pattern: string): string => pattern.replaceAll(/[\\%_]/g, '\\$&').replaceAll('*', '%')
  const conditions = [
    `time >= ${quoted(since)}::TIMESTAMPTZ`,
    ...equal,
    ...(file === undefined ? [] : [`file LIKE ${quoted(like(file))} ESCAPE '\\'`]),
    ...(contains === undefined ? [] : [`contains(line, ${quoted(contains)})`]),
    ...(match === undefined ? [] : [`contains(lower(line), lower(${quoted(match)}))`]),
  ]
  const columns = historyColumns.map(name => `"${name}"`).join(', ')
  return `SELECT ${columns} FROM logs WHERE ${conditions.join(' AND ')} ORDER BY shipped DESC, partition DESC, "offset" DESC LIMIT ${limit}`
}

const lineOfRow = (row: readonly Json[]): TailLine =>
  tailLine.parse(Object.fromEntries(historyColumns.map((name, at) => [name, row[at]])))
