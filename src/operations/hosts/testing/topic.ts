import type { StreamId } from '../../../foundation/positions/position.ts'
import { xxh32 } from '../../../foundation/positions/xxh32.ts'
import { batchesIn } from '../../../foundation/wire/batch.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { recordCursor } from '../../../foundation/wire/records.ts'
import { positionOf } from '../ship/written.ts'

/** One stream as a topic holds it, put together again from its records. */
export interface ShippedStream {
  readonly bytes: Buffer
  /** Bytes that more than one record carries. */
  readonly repeated: number
  /** Bytes [0, bytes.length) that no record carries. */
  readonly missing: number
  readonly records: number
}

export interface Part {
  readonly start: number
  readonly length: number
  readonly value: Buffer
}

/** Reads a topic whole, independently of the shipper's own bookkeeping. Fails on a content hash that does not fit. */
export async function readShipped(
  wire: Wire,
  topic: string,
  signal: AbortSignal,
): Promise<Map<StreamId, ShippedStream>> {
  const [described] = await wire.metadata([topic], signal)
  const partitions = described!.partitions.map(({ partition }) => ({ topic, partition }))
  const ends = await wire.listOffsets(
    partitions.map(each => ({ ...each, at: 'latest' as const })),
    signal,
  )
  const left = new Map(
    ends.filter(({ offset }) => offset > 0).map(({ partition, offset }) => [partition, offset]),
  )
  const parts = new Map<StreamId, Part[]>()
  if (left.size === 0) return new Map()
  await using stream = wire.fetch({ from: partitions.map(each => ({ ...each, offset: 0 })), signal })
  for await (const event of stream) {
    if (event.kind !== 'batches') continue
    collect(event.bytes, parts)
    if (event.nextOffset >= (left.get(event.partition) ?? 0)) left.delete(event.partition)
    if (left.size === 0) break
  }
  return new Map([...parts].map(([id, records]) => [id, assemble(records)]))
}

/** Adds the records of batches to their streams. @throws when a content hash does not fit */
export function collect(bytes: Buffer, parts: Map<StreamId, Part[]>): void {
  for (const header of batchesIn(bytes)) {
    for (const cursor = recordCursor(bytes, header); cursor.next(); ) {
      const position = positionOf(cursor)
      if (position === undefined) continue
      const value = Buffer.from(cursor.value!)
      if (xxh32(value) !== position.hash)
        throw new Error(`content of ${position.stream} at ${position.start} is not what was hashed`)
      const own = parts.get(position.stream) ?? []
      parts.set(position.stream, own)
      own.push({ start: position.start, length: position.length, value })
    }
  }
}

export function assemble(records: Part[]): ShippedStream {
  records.sort((a, b) => a.start - b.start)
  const end = records.reduce((most, { start, length }) => Math.max(most, start + length), 0)
  const bytes = Buffer.alloc(end)
  let position = 0
  let [repeated, missing] = [0, 0]
  for (const { start, length, value } of records) {
    value.copy(bytes, start)
    // The line end is not part of the value.
    if (length === value.length + 1) bytes[start + value.length] = 10
    else if (length !== value.length)
      throw new Error(`a record of ${length} bytes has a value of ${value.length}`)
    if (start > position) missing += start - position
    if (start < position) repeated += Math.min(position, start + length) - start
    position = Math.max(position, start + length)
  }
  return { bytes, repeated, missing, records: records.length }
}
