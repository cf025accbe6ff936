import { isAjnaError } from '../../../foundation/errors/errors.ts'
import { type Interval, IntervalSet } from '../../../foundation/positions/intervals.ts'
import {
  decodePosition,
  encodePosition,
  POSITION_HEADER,
  type Position,
  type StreamId,
} from '../../../foundation/positions/position.ts'
import { xxh32 } from '../../../foundation/positions/xxh32.ts'
import { type BatchHeader, batchesIn, readBatchHeader } from '../../../foundation/wire/batch.ts'
import { BatchBuilder } from '../../../foundation/wire/build.ts'
import { type RecordCursor, recordCursor } from '../../../foundation/wire/records.ts'
import { type Cover, MAX_BATCH_BYTES, type ReadyBatch } from './batch.ts'

/** What of a stream is in the cluster, as far as it was read back. */
export interface Written {
  readonly ranges: IntervalSet
  /** Event time of the record that reaches furthest, ms. */
  event: number
}

export type WrittenByStream = Map<StreamId, Written>

/**
 * Notes the positions of all records in fetched batches, or of those that certain producers wrote. A batch that cannot be
 * read is somebody else's.
 */
export function noteWritten(bytes: Buffer, written: WrittenByStream, writers?: ReadonlySet<bigint>): void {
  for (const header of batchesIn(bytes)) {
    if (header.control || writers?.has(header.producerId) === false) continue
    try {
      noteBatch(bytes, header, written)
    } catch (error) {
      if (!isAjnaError(error)) throw error
    }
  }
}

function noteBatch(bytes: Buffer, header: BatchHeader, written: WrittenByStream): void {
  for (const cursor = recordCursor(bytes, header); cursor.next(); ) {
    const position = positionOf(cursor)
    if (position === undefined) continue
    const event = cursor.timestamp + position.eventDelta
    let known = written.get(position.stream)
    if (known === undefined) written.set(position.stream, (known = { ranges: IntervalSet.of(), event }))
    const end = position.start + position.length
    if (end >= known.ranges.end) known.event = event
    known.ranges.add(position.start, end)
  }
}

export function positionOf(record: RecordCursor): Position | undefined {
  const header = record.headers().find(({ key }) => key === POSITION_HEADER)
  return header?.value == null ? undefined : decodePosition(header.value)
}

/**
 * What of a batch is not in the cluster yet: the batch itself, a smaller one, or nothing. Records whose bytes are there in
 * part (a line that was shipped unfinished before) are cut down to the rest.
 */
export function onlyMissing(
  batch: ReadyBatch,
  missing: (cover: Cover) => readonly Interval[],
): ReadyBatch | undefined {
  if (batch.covers.length === 0) return batch
  let absent = 0
  let there = 0
  for (const cover of batch.covers) {
    const [first, ...others] = missing(cover)
    if (first === undefined) there++
    else if (others.length === 0 && first[0] === cover.start && first[1] === cover.end) absent++
  }
  if (absent === batch.covers.length) return batch
  if (there === batch.covers.length) return undefined
  return rebuild(batch, (position, value) => {
    const { stream, start, length } = position
    return missing({ stream, start, end: start + length, event: 0 }).map(([from, to]) =>
      cut(position, value, from, to),
    )
  })
}

interface Shipped {
  readonly position: Position
  readonly value: Buffer
}

/** The part [start, end) of a record's bytes as a record. The line end, if any, is behind the value's last byte. */
function cut(position: Position, value: Buffer, start: number, end: number): Shipped {
  const part = value.subarray(start - position.start, end - position.start)
  return { position: { ...position, start, length: end - start, hash: xxh32(part) }, value: part }
}

/** A batch made of those records of another that `keep` leaves, or undefined if it leaves none. */
function rebuild(
  batch: ReadyBatch,
  keep: (position: Position, value: Buffer) => readonly Shipped[],
): ReadyBatch | undefined {
  const builder = new BatchBuilder({ maxBytes: 2 * MAX_BATCH_BYTES })
  const covers: Cover[] = []
  let records = 0
  for (const cursor = recordCursor(batch.bytes, readBatchHeader(batch.bytes)); cursor.next(); ) {
    const { timestamp } = cursor
    for (const { position, value } of keep(positionOf(cursor)!, cursor.value!)) {
      builder.add({ timestamp, value, headers: [{ key: POSITION_HEADER, value: encodePosition(position) }] })
      extend(covers, position, timestamp + position.eventDelta)
      records++
    }
  }
  return records === 0 ? undefined : { ...batch, bytes: builder.finish(), records, covers }
}

function extend(covers: Cover[], { stream, start, length }: Position, event: number): void {
  const last = covers.at(-1)
  const end = start + length
  if (last?.stream === stream && last.end === start) covers[covers.length - 1] = { ...last, end, event }
  else covers.push({ stream, start, end, event })
}

/** Two batches with the records of one, or undefined for a single record. */
export function halve(batch: ReadyBatch): readonly [ReadyBatch, ReadyBatch] | undefined {
  if (batch.records < 2 || batch.covers.length === 0) return undefined
  const middle = batch.records >> 1
  const half = (wanted: (index: number) => boolean): ReadyBatch => {
    let index = 0
    return rebuild(batch, (position, value) => (wanted(index++) ? [{ position, value }] : []))!
  }
  return [half(index => index < middle), half(index => index >= middle)]
}
