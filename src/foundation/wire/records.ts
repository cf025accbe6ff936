/**
 * The records of a batch, one after another, without copying: keys, values and headers are views of the batch (or of what
 * it unpacked to) and live as long as that memory does.
 */
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { type BatchHeader, batchesIn, RECORDS_AT } from './batch.ts'
import { ByteReader } from './bytes.ts'
import { codecOf, DEFAULT_MAX_UNPACKED_BYTES, decompress } from './codecs.ts'
import { BATCH_CORRUPT, WIRE_MALFORMED, WIRE_TRUNCATED } from './errors.ts'

export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

export interface KafkaRecord {
  readonly offset: number
  /** ms since the epoch; -1 when the producer gave none. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** Length, attributes, two deltas, key and value length, header count: a byte each at least. */
const MIN_RECORD_BYTES = 7
const ABSENT = -1

/**
 * Reads record after record into its own fields, so that a hot loop allocates nothing per record:
 *
 *     const cursor = recordCursor(buffer, header)
 *     while (cursor.next()) use(cursor.offset, cursor.body, cursor.valueStart, cursor.valueEnd)
 */
export class RecordCursor {
  /** The bytes that all positions refer to. */
  readonly body: Buffer
  offset = -1
  timestamp = -1
  /** Position of the key in `body`; `keyStart` is -1 for a null key. */
  keyStart = ABSENT
  keyEnd = ABSENT
  /** Position of the value in `body`; `valueStart` is -1 for a null value. */
  valueStart = ABSENT
  valueEnd = ABSENT
  headerCount = 0
  /** Position of the first header, and one past the last. */
  headersStart = 0
  recordEnd: number
  readonly #header: BatchHeader
  readonly #reader: ByteReader
  readonly #end: number
  #left: number

  constructor(body: Buffer, start: number, end: number, header: BatchHeader) {
    this.body = body
    this.#header = header
    this.#reader = new ByteReader(body, start, end)
    this.#end = end
    this.#left = header.count
    this.recordEnd = start
    if (header.count * MIN_RECORD_BYTES > end - start) {
      throw corrupt(header, `${header.count} records are claimed in ${end - start} bytes`)
    }
  }

  /**
   * Moves to the next record.
   *
   * @returns false after the last one
   * @throws AjnaError BATCH_CORRUPT
   */
  next(): boolean {
    if (this.#left === 0) {
      if (this.recordEnd !== this.#end) throw corrupt(this.#header, 'bytes follow its last record')
      return false
    }
    try {
      this.#read()
    } catch (cause) {
      if (!isAjnaError(cause, WIRE_MALFORMED, WIRE_TRUNCATED)) throw cause
      throw corrupt(this.#header, 'a record does not parse', cause)
    }
    this.#left--
    return true
  }

  #read(): void {
    const reader = this.#reader
    const header = this.#header
    reader.offset = this.recordEnd
    const length = reader.varint()
    const recordEnd = reader.offset + length
    if (length < MIN_RECORD_BYTES - 1 || recordEnd > this.#end)
      throw corrupt(header, `a record of ${length} bytes`)
    reader.skip(1)
    const timestampDelta = reader.varlong()
    const offset = header.baseOffset + reader.varint()
    if (offset <= this.offset || offset < header.baseOffset || offset > header.lastOffset) {
      throw corrupt(header, `a record at offset ${offset}`)
    }
    const keyLength = reader.varint()
    this.keyStart = keyLength < 0 ? ABSENT : reader.offset
    this.keyEnd = keyLength < 0 ? ABSENT : reader.offset + keyLength
    if (keyLength > 0) reader.skip(keyLength)
    const valueLength = reader.varint()
    this.valueStart = valueLength < 0 ? ABSENT : reader.offset
    this.valueEnd = valueLength < 0 ? ABSENT : reader.offset + valueLength
    if (valueLength > 0) reader.skip(valueLength)
    const headerCount = reader.varint()
    // A header takes two bytes at least; without headers the record must end here.
    const headerBytes = recordEnd - reader.offset
    if (headerCount < 0 || headerCount * 2 > headerBytes || (headerCount === 0 && headerBytes !== 0)) {
      throw corrupt(header, `${headerCount} headers in ${headerBytes} bytes`)
    }
    if (keyLength < ABSENT || valueLength < ABSENT) throw corrupt(header, 'a key or value of negative length')
    this.headerCount = headerCount
    this.headersStart = reader.offset
    this.recordEnd = recordEnd
    this.offset = offset
    this.timestamp = header.logAppendTime ? header.maxTimestamp : header.baseTimestamp + timestampDelta
  }

  get key(): Buffer | null {
    return this.keyStart === ABSENT ? null : this.body.subarray(this.keyStart, this.keyEnd)
  }

  get value(): Buffer | null {
    return this.valueStart === ABSENT ? null : this.body.subarray(this.valueStart, this.valueEnd)
  }

  /** @throws AjnaError BATCH_CORRUPT */
  headers(): RecordHeader[] {
    if (this.headerCount === 0) return []
    try {
      return this.#readHeaders()
    } catch (cause) {
      if (!isAjnaError(cause, WIRE_MALFORMED, WIRE_TRUNCATED)) throw cause
      throw corrupt(this.#header, `the headers of offset ${this.offset} do not parse`, cause)
    }
  }

  #readHeaders(): RecordHeader[] {
    const reader = new ByteReader(this.body, this.headersStart, this.recordEnd)
    const headers: RecordHeader[] = []
    for (let i = 0; i < this.headerCount; i++) {
      const key = reader.view(reader.varint()).toString('utf8')
      const length = reader.varint()
      headers.push({ key, value: length === ABSENT ? null : reader.view(length) })
    }
    reader.expectEnd('the record')
    return headers
  }

  /** The record as a value of its own; its buffers are still views. */
  record(): KafkaRecord {
    return {
      offset: this.offset,
      timestamp: this.timestamp,
      key: this.key,
      value: this.value,
      headers: this.headers(),
    }
  }
}

/**
 * A cursor before the first record of the batch at `header.at`. Compressed batches are unpacked here.
 *
 * @param maxUnpackedBytes what the batch may unpack to
 * @throws AjnaError BATCH_CORRUPT, BATCH_CODEC_UNKNOWN, BATCH_TOO_LARGE
 */
export function recordCursor(
  buffer: Buffer,
  header: BatchHeader,
  maxUnpackedBytes: number = DEFAULT_MAX_UNPACKED_BYTES,
): RecordCursor {
  const start = header.at + RECORDS_AT
  const end = header.at + header.size
  const codec = codecOf(header.codecId)
  if (codec === 'none') return new RecordCursor(buffer, start, end, header)
  if (header.count === 0) return new RecordCursor(buffer, end, end, header)
  const body = decompress(codec, buffer.subarray(start, end), maxUnpackedBytes)
  return new RecordCursor(body, 0, body.length, header)
}

/** The records of a batch as values. Control batches (`header.control`) hold markers: see `markerOf`. */
export function* recordsIn(
  buffer: Buffer,
  header: BatchHeader,
  maxUnpackedBytes: number = DEFAULT_MAX_UNPACKED_BYTES,
): Generator<KafkaRecord, void, undefined> {
  const cursor = recordCursor(buffer, header, maxUnpackedBytes)
  while (cursor.next()) yield cursor.record()
}

/** A batch that a broker took and that cannot be unpacked or parsed, or not within the bound. */
export interface UnreadableBatch {
  /** Offsets [from, to). */
  readonly from: number
  readonly to: number
  readonly error: AjnaError
}

/**
 * The data records of fetched batches, one after another in one cursor a batch: what it holds lasts until the next. Topics
 * have other writers too: a batch that cannot be read is told and passed over, so that it hides nothing that follows.
 *
 * @param from offsets below it are passed over
 * @throws AjnaError BATCH_MAGIC_UNSUPPORTED, BATCH_CORRUPT: what was fetched is no sequence of batches
 */
export function* readableRecords(
  batches: Buffer,
  unreadable: (batch: UnreadableBatch) => void,
  from = 0,
): Generator<RecordCursor, void, undefined> {
  for (const header of batchesIn(batches)) {
    if (header.control || header.lastOffset < from) continue
    try {
      for (const cursor = recordCursor(batches, header); cursor.next(); )
        if (cursor.offset >= from) yield cursor
    } catch (error) {
      if (!isAjnaError(error)) throw error
      unreadable({ from: header.baseOffset, to: header.lastOffset + 1, error })
    }
  }
}

export type Marker = 'abort' | 'commit' | 'other'

/** What a control record says (its key: int16 version, int16 type; KIP-98). */
export function markerOf(key: Buffer | null): Marker {
  if (key === null || key.length < 4) return 'other'
  const type = key.readInt16BE(2)
  return type === 0 ? 'abort' : type === 1 ? 'commit' : 'other'
}

function corrupt(header: BatchHeader, what: string, cause?: unknown): AjnaError {
  return new AjnaError(
    BATCH_CORRUPT,
    `record batch of offsets ${header.baseOffset}..${header.lastOffset}: ${what}`,
    {
      cause,
      details: { baseOffset: header.baseOffset, lastOffset: header.lastOffset },
    },
  )
}
