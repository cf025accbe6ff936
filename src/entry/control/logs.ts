import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, errorKind } from '../../foundation/errors/errors.ts'
import type { ErrorBody } from '../../foundation/http/answer.ts'
import { readEvents } from '../../foundation/http/read-events.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { StreamAccount } from '../../operations/completeness/contract.ts'
import {
  type ArchiveStatus,
  archivePaths,
  archiveStatus,
  completenessAnswer,
  queryAnswer,
  tailLine,
} from '../../products/archive/contract.ts'
import type { LogFilter, LogLine, LogTable } from '../api/models.ts'

export const ARCHIVE_UNREACHABLE = errorKind(
  'ARCHIVE_UNREACHABLE',
  'The archive role, which answers log queries, does not answer.',
  'See `ajna status`; it is restarted by itself. Its log is logs/archive.log.',
)

/** The archive role as the control process asks it. */
export interface ArchiveClient {
  query(sql: string, limit: number, signal: AbortSignal): Promise<LogTable>
  tail(filter: LogFilter, line: (line: LogLine) => void, signal: AbortSignal): void
  completeness(signal: AbortSignal): Promise<readonly StreamAccount[]>
  status(signal: AbortSignal): Promise<ArchiveStatus>
}

const RECONNECT_MS = 500
const BACKLOG_MS = 15 * 60_000

export function archiveClient(options: {
  readonly port: number
  readonly token: string
  readonly log: Logger
}): ArchiveClient {
  const { port, token, log } = options
  const base = `http://127.0.0.1:${port}`

  async function call(path: string, signal: AbortSignal, body?: unknown): Promise<Response> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const request =
      body === undefined
        ? { headers, signal }
        : { method: 'POST', headers, body: JSON.stringify(body), signal }
    const response = await fetch(base + path, request).catch((cause: unknown) => {
      signal.throwIfAborted()
      throw new AjnaError(ARCHIVE_UNREACHABLE, `nothing answers at ${base}`, { cause })
    })
    if (!response.ok) throw await errorOf(response)
    return response
  }

  return {
    async query(sql, limit, signal) {
      const answer = queryAnswer.parse(await (await call(archivePaths.query, signal, { sql, limit })).json())
      return {
        columns: answer.columns,
        rows: answer.rows.map(row => row.map(cellOf)),
        truncated: answer.truncated,
        elapsedMs: answer.ms,
        searchedThrough: null,
      }
    },
    tail(filter, line, signal) {
      void follow(filter, line, signal)
    },
    completeness: async signal =>
      completenessAnswer.parse(await (await call(archivePaths.completeness, signal)).json()).streams,
    status: async signal => archiveStatus.parse(await (await call(archivePaths.status, signal)).json()),
  }

  /** Reads the tail until the signal aborts; a restart of the archive is bridged by connecting again. */
  async function follow(
    filter: LogFilter,
    line: (line: LogLine) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const query = new URLSearchParams()
    if (filter.site) query.set('site', filter.site)
    if (filter.host) query.set('host', filter.host)
    if (filter.file) query.set('file', `*${filter.file}*`)
    if (filter.match) query.set('match', filter.match)
    if (filter.backlog) {
      query.set('since', new Date(Date.now() - BACKLOG_MS).toISOString())
      query.set('lines', String(filter.backlog))
    }
    while (!signal.aborted) {
      try {
        const response = await call(`${archivePaths.tail}?${query}`, signal)
        for await (const event of readEvents(response.body!)) {
          // Of a tail that is taken up again, what came meanwhile is not told twice.
          query.delete('since')
          if (event.event === 'line') line(lineOf(tailLine.parse(JSON.parse(event.data))))
        }
      } catch (error) {
        if (signal.aborted) return
        log.debug({ err: error }, 'the tail ended; connecting again')
      }
      await delay(RECONNECT_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}

function lineOf(line: ReturnType<typeof tailLine.parse>): LogLine {
  return {
    id: `${line.topic}-${line.partition}-${line.offset}`,
    time: Date.parse(line.time),
    tenant: line.tenant ?? '',
    site: line.site ?? '',
    host: line.host ?? '',
    file: line.file ?? '',
    position: line.position ?? 0,
    line: line.line ?? '',
  }
}

function cellOf(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  return JSON.stringify(value)
}

async function errorOf(response: Response): Promise<AjnaError> {
  const body = (await response.json().catch(() => ({}))) as Partial<ErrorBody>
  return new AjnaError(
    { ...ARCHIVE_UNREACHABLE, code: body.code ?? ARCHIVE_UNREACHABLE.code },
    body.message ?? `the archive answered ${response.status}`,
    { ...(body.remedy === undefined ? {} : { remedy: body.remedy }), details: body.details ?? {} },
  )
}
