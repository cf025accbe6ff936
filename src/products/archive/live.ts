/** Lines on their way to the archive, shown as they come. */
import v8 from 'node:v8'
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { TailLine, TailRequest } from './contract.ts'
import { TailFilterInvalid } from './errors.ts'
import type { PartitionId } from './layout.ts'
import { patternOf } from './patterns.ts'
import { noStream, type RowBuffer } from './rows.ts'
import type { StreamRegistry } from './streams.ts'

export interface LiveTail {
  /** Shows the rows of a buffer from row `from` on to whoever asked for such. */
  publish(id: PartitionId, rows: RowBuffer, from: number): void
  /** Ends when the returned function is called. */
  subscribe(filter: TailFilter, onLine: (line: TailLine, id: PartitionId) => void): () => void
}

export interface TailFilter {
  /** Whether lines of this stream (undefined: of no known origin) may pass. */
  readonly stream: (origin: Origin | undefined) => boolean
  readonly text: (line: string) => boolean
}

export interface Origin {
  readonly tenant: string
  readonly site: string
  readonly host: string
  readonly path: string
}

interface Subscriber {
  readonly filter: TailFilter
  readonly onLine: (line: TailLine, id: PartitionId) => void
  /** By stream number; emptied when a description comes. */
  passing: Map<number, boolean>
  version: number
}

export function liveTail(streams: StreamRegistry): LiveTail {
  const subscribers = new Set<Subscriber>()

  function passes(subscriber: Subscriber, stream: number): boolean {
    if (subscriber.version !== streams.version) {
      subscriber.passing = new Map()
      subscriber.version = streams.version
    }
    let passing = subscriber.passing.get(stream)
    if (passing === undefined) {
      passing = subscriber.filter.stream(streams.streams[stream]?.descriptor)
      subscriber.passing.set(stream, passing)
    }
    return passing
  }

  return {
    publish(id, rows, from) {
      if (subscribers.size === 0) return
      for (let at = from; at < rows.rows; at++) {
        let line: TailLine | undefined
        for (const subscriber of subscribers) {
          if (!passes(subscriber, rows.stream[at]!)) continue
          line ??= lineOf(id, rows, at, streams)
          if (subscriber.filter.text(line.line ?? '')) subscriber.onLine(line, id)
        }
      }
    },
    subscribe(filter, onLine) {
      const subscriber: Subscriber = { filter, onLine, passing: new Map(), version: -1 }
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
  }
}

function lineOf(id: PartitionId, rows: RowBuffer, at: number, streams: StreamRegistry): TailLine {
  const stream = rows.stream[at]!
  const origin = streams.streams[stream]?.descriptor
  return {
    time: new Date(rows.time[at]!).toISOString(),
    shipped: new Date(rows.shipped[at]!).toISOString(),
    tenant: origin?.tenant ?? null,
    site: origin?.site ?? null,
    host: origin?.host ?? null,
    file: origin?.path ?? null,
    position: stream === noStream ? null : rows.position[at]!,
    length: stream === noStream ? null : rows.length[at]!,
    line: rows.line[at]?.toString('utf8') ?? null,
    topic: id.topic,
    partition: id.partition,
    offset: rows.offset[at]!,
  }
}

/** Throws TAIL_FILTER_INVALID. */
export function tailFilter(request: TailRequest): TailFilter {
  const { tenant, site, host, file, contains, match, regex } = request
  const byOrigin = tenant ?? site ?? host ?? file
  const isFile = file === undefined ? undefined : patternOf(file)
  const lower = match?.toLowerCase()
  const expression = regex === undefined ? undefined : linearRegex(regex)
  return {
    stream: origin =>
      byOrigin === undefined ||
      (origin !== undefined &&
        (tenant === undefined || origin.tenant === tenant) &&
        (site === undefined || origin.site === site) &&
        (host === undefined || origin.host === host) &&
        (isFile === undefined || isFile(origin.path))),
    text: line =>
      (contains === undefined || line.includes(contains)) &&
      (lower === undefined || line.toLowerCase().includes(lower)) &&
      (expression === undefined || expression.test(line)),
  }
}

/**
 * An expression that V8's non-backtracking engine runs: its time is linear in the line's length, whatever the expression. It
 * refuses what cannot be run so (the `l` flag exists only with this engine switched on).
 */
function linearRegex(source: string): RegExp {
  v8.setFlagsFromString('--enable-experimental-regexp-engine')
  try {
    return new RegExp(source, 'l')
  } catch (cause) {
    throw new AjnaError(TailFilterInvalid, cause instanceof Error ? cause.message : String(cause), {
      details: { regex: source },
    })
  }
}
