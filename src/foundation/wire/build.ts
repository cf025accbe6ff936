/** Builds record batches: records go straight into one buffer that becomes the batch. */
import { AjnaError } from '../errors/errors.ts'
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  COUNT_AT,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_AT,
  LENGTH_OVERHEAD,
  MAGIC,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORDS_AT,
  sealCrc,
} from './batch.ts'
import { varintSize, varlongSize, writeInt64, writeVarint, writeVarlong } from './bytes.ts'
import { type Codec, codecId, compress } from './codecs.ts'
import { BATCH_TOO_LARGE } from './errors.ts'

export interface RecordInput {
  /** ms since the epoch. */
  readonly timestamp: number
  readonly key?: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[]
}

export interface BatchBuilderOptions {
  readonly codec?: Codec
  /** Upper limit of the batch in bytes, header included, before compression; default 512 KiB. */
  readonly maxBytes?: number
}

export const DEFAULT_MAX_BATCH_BYTES = 512 * 1024
const FIRST_CAPACITY = 4096

/**
 * Records until the limit, then `finish()`, then the next batch. The batch carries no producer id, epoch or sequence yet
 * (`rewriteHeader`).
 */
export class BatchBuilder {
  readonly #codec: Codec
  readonly #maxBytes: number
  #buffer: Buffer
  #length = RECORDS_AT
  #count = 0
  #baseTimestamp = 0
  #maxTimestamp = 0

  constructor(options: BatchBuilderOptions = {}) {
    this.#codec = options.codec ?? 'none'
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BATCH_BYTES
    this.#buffer = Buffer.allocUnsafe(Math.min(this.#maxBytes, FIRST_CAPACITY))
  }

  /** Records in the batch so far. */
  get count(): number {
    return this.#count
  }

  /** Bytes of the batch so far, header included, before compression. */
  get byteLength(): number {
    return this.#length
  }

  /**
   * @returns false if the record no longer fits: the batch is unchanged; finish it first
   * @throws AjnaError BATCH_TOO_LARGE if it would not fit into an empty batch either
   */
  add(record: RecordInput): boolean {
    const timestampDelta = this.#count === 0 ? 0 : record.timestamp - this.#baseTimestamp
    const body = bodySize(record, timestampDelta, this.#count)
    const needed = this.#length + varintSize(body) + body
    if (needed > this.#maxBytes) {
      if (this.#count > 0) return false
      throw new AjnaError(
        BATCH_TOO_LARGE,
        `a record makes a batch of ${needed} bytes; the limit is ${this.#maxBytes}`,
        {
          details: { bytes: needed, maxBytes: this.#maxBytes },
        },
      )
    }
    this.#reserve(needed)
    this.#length = writeRecord(this.#buffer, this.#length, record, body, timestampDelta, this.#count)
    if (this.#count === 0) {
      this.#baseTimestamp = record.timestamp
      this.#maxTimestamp = record.timestamp
    } else if (record.timestamp > this.#maxTimestamp) this.#maxTimestamp = record.timestamp
    this.#count++
    return true
  }

  #reserve(needed: number): void {
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.min(this.#maxBytes, Math.max(needed, this.#buffer.length * 2)))
    this.#buffer.copy(grown, RECORDS_AT, RECORDS_AT, this.#length)
    this.#buffer = grown
  }

  /**
   * The batch, whole and with its CRC; the builder is empty again. A batch that its codec does not make smaller is stored
   * uncompressed.
   */
  finish(): Buffer {
    const summary: BatchSummary = {
      codec: this.#codec,
      count: this.#count,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
    }
    const raw = this.#buffer.subarray(0, this.#length)
    const batch = sealBatch(raw, summary)
    // Uncompressed, the batch is the buffer itself; compressed, the buffer can serve again.
    if (batch === raw) this.#buffer = Buffer.allocUnsafe(this.#buffer.length)
    this.#length = RECORDS_AT
    this.#count = 0
    return batch
  }
}

export interface BatchSummary {
  readonly codec: Codec
  readonly count: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
}

/**
 * Makes a batch of a buffer whose records start at RECORDS_AT: compresses them, writes the header and the CRC.
 *
 * @returns `raw` itself, or a new buffer if the records were compressed
 */
export function sealBatch(raw: Buffer, summary: BatchSummary): Buffer {
  const { codec, count } = summary
  if (count === 0) throw new RangeError('a batch needs at least one record')
  const packed = codec === 'none' ? undefined : compress(codec, raw.subarray(RECORDS_AT))
  if (packed === undefined || packed.length >= raw.length - RECORDS_AT) {
    writeHeader(raw, { ...summary, codec: 'none' })
    return raw
  }
  const batch = Buffer.allocUnsafe(RECORDS_AT + packed.length)
  packed.copy(batch, RECORDS_AT)
  writeHeader(batch, summary)
  return batch
}

function writeHeader(batch: Buffer, summary: BatchSummary): void {
  writeInt64(batch, BASE_OFFSET_AT, 0)
  batch.writeInt32BE(batch.length - LENGTH_OVERHEAD, LENGTH_AT)
  batch.writeInt32BE(-1, LEADER_EPOCH_AT)
  batch[MAGIC_AT] = MAGIC
  batch.writeInt16BE(codecId(summary.codec), ATTRIBUTES_AT)
  batch.writeInt32BE(summary.count - 1, LAST_OFFSET_DELTA_AT)
  writeInt64(batch, BASE_TIMESTAMP_AT, summary.baseTimestamp)
  writeInt64(batch, MAX_TIMESTAMP_AT, summary.maxTimestamp)
  writeInt64(batch, PRODUCER_ID_AT, -1)
  batch.writeInt16BE(-1, PRODUCER_EPOCH_AT)
  batch.writeInt32BE(-1, BASE_SEQUENCE_AT)
  batch.writeInt32BE(summary.count, COUNT_AT)
  sealCrc(batch)
}

function bodySize(record: RecordInput, timestampDelta: number, offsetDelta: number): number {
  const { key, value, headers } = record
  let size = 1 + varlongSize(timestampDelta) + varintSize(offsetDelta)
  size += bytesSize(key ?? null) + bytesSize(value)
  if (headers === undefined) return size + 1
  size += varintSize(headers.length)
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key)
    size += varintSize(keyBytes) + keyBytes + bytesSize(header.value)
  }
  return size
}

function bytesSize(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length
}

function writeRecord(
  out: Buffer,
  at: number,
  record: RecordInput,
  body: number,
  timestampDelta: number,
  offsetDelta: number,
): number {
  at = writeVarint(out, at, body)
  out[at++] = 0
  at = writeVarlong(out, at, timestampDelta)
  at = writeVarint(out, at, offsetDelta)
  at = writeBytes(out, at, record.key ?? null)
  at = writeBytes(out, at, record.value)
  const headers = record.headers ?? []
  at = writeVarint(out, at, headers.length)
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key)
    at = writeVarint(out, at, keyBytes)
    at += out.write(header.key, at)
    at = writeBytes(out, at, header.value)
  }
  return at
}

function writeBytes(out: Buffer, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) return writeVarint(out, at, -1)
  at = writeVarint(out, at, bytes.length)
  out.set(bytes, at)
  return at + bytes.length
}
