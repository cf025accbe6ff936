import { batchesIn } from '../../foundation/wire/batch.ts'
import type { FetchedBatches, Wire } from '../../foundation/wire/contract.ts'
import { recordCursor } from '../../foundation/wire/records.ts'
import type { RawRecord, ReadFrom, ReadRecords, RecordsRead } from '../api/platform.ts'

/** How long reading may take before what was found is answered, ms. */
const READ_DEADLINE_MS = 5_000

/** Reads records of a topic for people to look at: bounded by count, bytes and time, whichever ends first. */
export async function readRecords(
  wire: Wire,
  request: ReadRecords,
  signal: AbortSignal,
): Promise<RecordsRead> {
  const { topic, limit, maxBytes } = request
  const places = await startingPlaces(wire, request, signal)
  const next = new Map(places.map(({ partition, offset, end }) => [partition, { partition, offset, end }]))
  const open = new Set(places.filter(({ offset, end }) => offset < end).map(({ partition }) => partition))
  const records: RawRecord[] = []
  let bytes = 0
  let cutShort = false
  if (open.size === 0) return { records, next: [...next.values()], cutShort }

  const deadline = AbortSignal.any([signal, AbortSignal.timeout(READ_DEADLINE_MS)])
  const from = places
    .filter(({ partition }) => open.has(partition))
    .map(({ partition, offset }) => ({ topic, partition, offset }))
  await using stream = wire.fetch({ from, maxWaitMs: 100, maxPartitionBytes: 256 * 1024, signal: deadline })
  try {
    for await (const event of stream) {
      if (event.kind === 'caught-up') break
      if (event.kind === 'batches') take(event)
      else if ('partition' in event) open.delete(event.partition)
      else break
      cutShort = bytes >= maxBytes
      if (open.size === 0 || records.length >= limit || cutShort) break
    }
  } catch (error) {
    if (signal.aborted || !deadline.aborted) throw error
    cutShort = true
  }
  return { records, next: [...next.values()], cutShort }

  function take(event: FetchedBatches): void {
    const place = next.get(event.partition)!
    for (const header of batchesIn(event.bytes)) {
      if (header.lastOffset < place.offset) continue
      if (!header.control) {
        for (const cursor = recordCursor(event.bytes, header); cursor.next(); ) {
          if (cursor.offset < place.offset) continue
          if (records.length >= limit || bytes >= maxBytes) return
          records.push(copyOf(event.partition, cursor))
          bytes += (cursor.key?.length ?? 0) + (cursor.value?.length ?? 0)
          place.offset = cursor.offset + 1
        }
      }
      place.offset = header.lastOffset + 1
    }
    if (place.offset >= place.end) open.delete(event.partition)
  }
}

function copyOf(partition: number, cursor: ReturnType<typeof recordCursor>): RawRecord {
  const copy = (view: Buffer | null): Buffer | null => (view === null ? null : Buffer.from(view))
  return {
    partition,
    offset: cursor.offset,
    timestamp: cursor.timestamp,
    key: copy(cursor.key),
    value: copy(cursor.value),
    headers: cursor.headers().map(({ key, value }) => ({ name: key, value: copy(value) })),
  }
}

interface Place {
  readonly partition: number
  offset: number
  readonly end: number
}

async function startingPlaces(wire: Wire, request: ReadRecords, signal: AbortSignal): Promise<Place[]> {
  const { topic, from } = request
  const ask = async (at: 'earliest' | 'latest'): Promise<Map<number, number>> => {
    const listed = await wire.listOffsets(
      from.map(({ partition }) => ({ topic, partition, at })),
      signal,
    )
    return new Map(listed.map(({ partition, offset }) => [partition, offset]))
  }
  const timed = from.flatMap(({ partition, at }) =>
    at.kind === 'time' ? [{ topic, partition, at: { timestamp: at.timestamp } }] : [],
  )
  const [starts, ends, times] = await Promise.all([
    ask('earliest'),
    ask('latest'),
    timed.length === 0 ? [] : wire.listOffsets(timed, signal),
  ])
  const byTime = new Map(times.map(({ partition, offset }) => [partition, offset]))
  return from.map(({ partition, at }) => {
    const start = starts.get(partition) ?? 0
    const end = ends.get(partition) ?? start
    return {
      partition,
      end,
      offset: Math.max(start, Math.min(end, offsetOf(at, start, end, byTime.get(partition)))),
    }
  })
}

function offsetOf(at: ReadFrom, start: number, end: number, byTime: number | undefined): number {
  switch (at.kind) {
    case 'earliest':
      return start
    case 'offset':
      return at.offset
    case 'time':
      return byTime === undefined || byTime < 0 ? end : byTime
    case 'before-end':
      return end - at.records
    default:
      return at satisfies never
  }
}
