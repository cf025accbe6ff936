/**
 * What a tier's counter reads: the positions of a batch's records, without looking at their values and without an object
 * per record.
 */
import { isAjnaError } from '../errors/errors.ts'
import type { BatchHeader } from '../wire/batch.ts'
import { ByteReader } from '../wire/bytes.ts'
import { WIRE_MALFORMED, WIRE_TRUNCATED } from '../wire/errors.ts'
import { type RecordCursor, recordCursor } from '../wire/records.ts'
import { HASH_BYTES, MIN_POSITION_BYTES, POSITION_HEADER } from './position.ts'

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
 * @returns how many records carry no position, or none that parses: not shipped by an agent (a barrier, a foreign producer)
 * @throws AjnaError as `recordCursor` and `RecordCursor.next`
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
  while (cursor.next()) if (!tryVisit(cursor, reader, visit)) without++
  return without
}

/** A record that does not parse must not hide the ones around it. */
function tryVisit(cursor: RecordCursor, reader: ByteReader, visit: PositionVisitor): boolean {
  try {
    return findPosition(cursor, reader) && visitPosition(cursor, reader, visit)
  } catch (error) {
    if (!isAjnaError(error, WIRE_MALFORMED, WIRE_TRUNCATED)) throw error
    return false
  }
}

/** Moves the reader to the length of the position header's value. */
function findPosition(cursor: RecordCursor, reader: ByteReader): boolean {
  reader.offset = cursor.headersStart
  for (let left = cursor.headerCount; left > 0; left--) {
    const keyLength = reader.varint()
    const keyAt = reader.offset
    reader.skip(keyLength)
    if (keyLength === 1 && cursor.body[keyAt] === HEADER_KEY) return true
    const valueLength = reader.varint()
    if (valueLength > 0) reader.skip(valueLength)
  }
  return false
}

function visitPosition(cursor: RecordCursor, reader: ByteReader, visit: PositionVisitor): boolean {
  const size = reader.varint()
  const end = reader.offset + size
  if (size < MIN_POSITION_BYTES || end > cursor.recordEnd) return false
  const streamHigh = reader.uint32()
  const streamLow = reader.uint32()
  const start = reader.uvarlong()
  const length = reader.uvarlong()
  const eventTime = cursor.timestamp + reader.varlong()
  if (reader.offset + HASH_BYTES !== end || !Number.isSafeInteger(start + length)) return false
  visit(streamHigh, streamLow, start, length, eventTime, cursor.offset)
  return true
}
