/** Records as columns. The hot path of the archive: nothing is allocated per record but the views of its bytes. */
import { isUtf8 } from 'node:buffer'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import { POSITION_HEADER } from '../../foundation/positions/position.ts'
import { type ColumnData, sqlTypes } from '../../foundation/tables/appender.ts'
import { type BatchHeader, batchesIn } from '../../foundation/wire/batch.ts'
import { ByteReader } from '../../foundation/wire/bytes.ts'
import { WIRE_MALFORMED, WIRE_TRUNCATED } from '../../foundation/wire/errors.ts'
import { type RecordCursor, recordCursor } from '../../foundation/wire/records.ts'
import { BARRIER_HEADER } from '../../operations/hosts/contract.ts'
import type { MissingRange } from './manifest.ts'
import type { StreamRegistry } from './streams.ts'

/** Number of the stream of a row without a position. */
export const noStream = -1
/** What a row takes besides its line, for bounds on memory. */
export const rowOverheadBytes = 64
const positionHeaderByte = POSITION_HEADER.charCodeAt(0)
const hashBytes = 4

/** Rows of one partition in the order of their offsets. */
export class RowBuffer {
  rows = 0
  /** Lines and overhead. */
  bytes = 0
  withoutPosition = 0
  /** Numbers in the registry, or {@link noStream}. */
  stream = new Int32Array(256)
  /** Event time and shipping time, ms since the epoch. */
  time = new Float64Array(256)
  shipped = new Float64Array(256)
  position = new Float64Array(256)
  length = new Int32Array(256)
  offset = new Float64Array(256)
  readonly line: (Buffer | null)[] = []
  /** The line again where it is not UTF-8. */
  readonly raw: (Buffer | null)[] = []
  readonly key: (Buffer | null)[] = []

  grow(): void {
    const size = this.stream.length * 2
    const doubled = (from: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(size)
      to.set(from)
      return to
    }
    this.time = doubled(this.time)
    this.shipped = doubled(this.shipped)
    this.position = doubled(this.position)
    this.offset = doubled(this.offset)
    const [stream, length] = [this.stream, this.length]
    this.stream = new Int32Array(size)
    this.length = new Int32Array(size)
    this.stream.set(stream)
    this.length.set(length)
  }

  columns(): ColumnData[] {
    return [
      { type: 'integer', values: this.stream },
      { type: 'double', values: this.time },
      { type: 'double', values: this.shipped },
      { type: 'double', values: this.position },
      { type: 'integer', values: this.length },
      { type: 'double', values: this.offset },
      { type: 'bytes', values: this.line },
      { type: 'bytes', values: this.raw },
      { type: 'bytes', values: this.key },
    ]
  }
}

/** The columns of {@link RowBuffer.columns} as a table has them. */
export const rowColumnsSql: string = [
  `stream ${sqlTypes.integer}`,
  `time ${sqlTypes.double}`,
  `shipped ${sqlTypes.double}`,
  `position ${sqlTypes.double}`,
  `length ${sqlTypes.integer}`,
  `"offset" ${sqlTypes.double}`,
  `line ${sqlTypes.bytes}`,
  `raw ${sqlTypes.bytes}`,
  `key ${sqlTypes.bytes}`,
].join(', ')

/**
 * Appends the data records at or after offset `from` to the buffer, whose rows are views of `batches` (and of what they
 * unpack to): that memory must stay as it is. Markers and agents' barriers are passed over. Answers the offsets of batches
 * that cannot be read: of those, nothing is appended.
 */
export function appendRecords(
  rows: RowBuffer,
  batches: Buffer,
  from: number,
  streams: StreamRegistry,
): MissingRange[] {
  const unreadable: MissingRange[] = []
  for (const header of batchesIn(batches)) {
    if (header.control || header.lastOffset < from) continue
    const before = { rows: rows.rows, bytes: rows.bytes, withoutPosition: rows.withoutPosition }
    try {
      appendBatch(rows, batches, header, from, streams)
    } catch (error) {
      if (!isAjnaError(error)) throw error
      Object.assign(rows, before)
      unreadable.push({
        from: Math.max(from, header.baseOffset),
        to: header.lastOffset + 1,
        reason: 'unreadable',
      })
    }
  }
  return unreadable
}

function appendBatch(
  rows: RowBuffer,
  batches: Buffer,
  header: BatchHeader,
  from: number,
  streams: StreamRegistry,
): void {
  const cursor = recordCursor(batches, header)
  const reader = new ByteReader(cursor.body)
  while (cursor.next()) {
    if (cursor.offset < from || isBarrier(cursor)) continue
    if (rows.rows === rows.stream.length) rows.grow()
    const at = rows.rows++
    const shipped = isPlausibleTime(cursor.timestamp) ? cursor.timestamp : 0
    const line = cursor.value
    rows.offset[at] = cursor.offset
    rows.shipped[at] = shipped
    rows.line[at] = line
    rows.raw[at] = line === null || isUtf8(line) ? null : line
    rows.key[at] = cursor.key
    rows.bytes += rowOverheadBytes + (line?.length ?? 0)
    if (!readPosition(rows, at, cursor, reader, streams)) {
      rows.withoutPosition++
      rows.stream[at] = noStream
      rows.time[at] = shipped
      rows.position[at] = 0
      rows.length[at] = 0
    }
  }
}

/** What an agent writes when it begins is no record of anything that happened: no line, and none of the archive's rows. */
const isBarrier = (cursor: RecordCursor): boolean =>
  cursor.value === null && cursor.headerCount === 1 && cursor.headers()[0]!.key === BARRIER_HEADER

/** False when the record carries no position that can be read. Headers are looked at where they lie. */
function readPosition(
  rows: RowBuffer,
  at: number,
  cursor: RecordCursor,
  reader: ByteReader,
  streams: StreamRegistry,
): boolean {
  reader.offset = cursor.headersStart
  try {
    for (let i = 0; i < cursor.headerCount; i++) {
      const keyLength = reader.varint()
      const isPosition = keyLength === 1 && cursor.body[reader.offset] === positionHeaderByte
      reader.skip(keyLength)
      const length = reader.varint()
      if (!isPosition) {
        if (length > 0) reader.skip(length)
        continue
      }
      const end = reader.offset + length
      const stream = streams.numberOf(reader.uint32(), reader.uint32())
      const position = reader.uvarlong()
      const bytes = reader.uvarlong()
      const time = rows.shipped[at]! + reader.varlong()
      reader.skip(hashBytes)
      if (reader.offset !== end || end > cursor.recordEnd || bytes > 0x7fff_ffff || !isPlausibleTime(time))
        return false
      rows.stream[at] = stream
      rows.time[at] = time
      rows.position[at] = position
      rows.length[at] = bytes
      return true
    }
  } catch (error) {
    if (!isAjnaError(error, WIRE_MALFORMED, WIRE_TRUNCATED)) throw error
  }
  return false
}

/** What a date in a path and DuckDB's timestamps can hold: years 1970 to 9999. */
const isPlausibleTime = (time: number): boolean => time >= 0 && time < 253_402_300_800_000
