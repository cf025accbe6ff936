/**
 * What a tier's counter reads: the positions of a batch's records, without looking at their values and without an object
 * per record.
 */
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import type { BatchHeader } from '../wire/batch.ts'
import { ByteReader } from '../wire/bytes.ts'
import { WIRE_MALFORMED, WIRE_TRUNCATED } from '../wire/errors.ts'
import { type RecordCursor, recordCursor } from '../wire/records.ts'
import { POSITION_MALFORMED } from './errors.ts'
import { MIN_POSITION_BYTES, POSITION_HEADER } from './position.ts'

/**
 * @param streamHigh first four bytes of the stream id as an unsigned number (`streamIdOf` makes the text)
 * @param start,length in the stream
 * @param eventTime ms since the epoch
 * @param offset the record's in its partition
 */
export type PositionVisitor = (
  streamHigh: number,
  streamLow: number,
  start: number,
  length: number,
  eventTime: number,
  offset: number,
) => void

const HEADER_KEY = POSITION_HEADER.charCodeAt(0)

/**
 * Visits the position of each record of a batch, in order. Control batches have none.
 *
 * @returns how many records carry no position: not shipped by an agent (a barrier, a foreign producer)
 * @throws AjnaError POSITION_MALFORMED, and as `recordCursor` and `RecordCursor.next`
 */
export function visitPositions(
  buffer: Buffer,
  header: BatchHeader,
  visit: PositionVisitor,
  maxUnpackedBytes?: number,
): number {
  if (header.control) return 0
  const cursor = recordCursor(buffer, header, maxUnpackedBytes)
  const reader = new ByteReader(cursor.body)
  let without = 0
  try {
    while (cursor.next()) if (!visitPosition(cursor, reader, visit)) without++
  } catch (cause) {
    if (!isAjnaError(cause, WIRE_MALFORMED, WIRE_TRUNCATED)) throw cause
    throw new AjnaError(POSITION_MALFORMED, `the position at offset ${cursor.offset} does not parse`, {
      cause,
    })
  }
  return without
}

function visitPosition(cursor: RecordCursor, reader: ByteReader, visit: PositionVisitor): boolean {
  reader.offset = cursor.headersStart
  for (let left = cursor.headerCount; left > 0; left--) {
    const keyLength = reader.varint()
    const keyAt = reader.offset
    reader.skip(keyLength)
    const valueLength = reader.varint()
    if (keyLength === 1 && cursor.body[keyAt] === HEADER_KEY) {
      readAndVisit(cursor, reader, valueLength, visit)
      return true
    }
    if (valueLength > 0) reader.skip(valueLength)
  }
  return false
}

function readAndVisit(cursor: RecordCursor, reader: ByteReader, size: number, visit: PositionVisitor): void {
  const end = reader.offset + size
  if (size < MIN_POSITION_BYTES || end > cursor.recordEnd) throw malformed(cursor, `${size} bytes`)
  const streamHigh = reader.uint32()
  const streamLow = reader.uint32()
  const start = reader.uvarlong()
  const length = reader.uvarlong()
  const eventTime = cursor.timestamp + reader.varlong()
  reader.skip(4)
  if (reader.offset !== end) throw malformed(cursor, `it ends ${reader.offset - end} bytes off`)
  if (!Number.isSafeInteger(start + length)) throw malformed(cursor, `it ends at ${start} + ${length}`)
  visit(streamHigh, streamLow, start, length, eventTime, cursor.offset)
}

function malformed(cursor: RecordCursor, what: string): AjnaError {
  return new AjnaError(POSITION_MALFORMED, `the position at offset ${cursor.offset}: ${what}`, {
    details: { offset: cursor.offset },
  })
}
