/**
 * The shipping hot path: lines of a file, straight from the bytes that were read, into a record batch whose records carry
 * their source position. No object per line.
 */
import {
  MAX_POSITION_BYTES,
  POSITION_HEADER,
  positionSize,
  type StreamId,
  streamWords,
  writePosition,
} from '../positions/position.ts'
import { xxh32 } from '../positions/xxh32.ts'
import { RECORDS_AT } from './batch.ts'
import { DEFAULT_MAX_BATCH_BYTES, sealBatch } from './build.ts'
import { varintSize, varlongSize, writeVarint, writeVarlong } from './bytes.ts'
import type { Codec } from './codecs.ts'

/**
 * Where batches get their memory. Fresh memory of this size for every batch costs more in garbage collection than the
 * encoding itself; a caller that knows when a batch is done with can use it again.
 */
export interface BatchMemory {
  /** A buffer of exactly so many bytes, their content arbitrary. */
  take(bytes: number): Buffer
}

export interface LineBatchOptions {
  readonly stream: StreamId
  /** Upper limit of a batch in bytes, header included, before compression; default 512 KiB. */
  readonly maxBytes?: number
  readonly codec?: Codec
  readonly memory?: BatchMemory
}

/** Length, attributes, deltas, null key, value length, header count, header key and its value's length: at most this. */
const MAX_RECORD_OVERHEAD = 5 + 1 + 8 + 5 + 1 + 5 + 1 + 1 + 1 + 1 + MAX_POSITION_BYTES
const HEADER_KEY = POSITION_HEADER.charCodeAt(0)
const NULL_KEY = 1
const ONE = 2

/** The largest value that fits into an empty batch of `maxBytes`. */
export function maxLineBytes(maxBytes: number): number {
  return maxBytes - RECORDS_AT - MAX_RECORD_OVERHEAD
}

const FIRST_CAPACITY = 16 * 1024

/** Collects lines until the limit; `finish()`, then the next batch. */
export class LineBatch {
  readonly #maxBytes: number
  readonly #codec: Codec
  readonly #memory: BatchMemory
  #streamHigh = 0
  #streamLow = 0
  #buffer: Buffer
  #length = RECORDS_AT
  #count = 0
  #baseTimestamp = 0
  #maxTimestamp = 0

  constructor(options: LineBatchOptions) {
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BATCH_BYTES
    this.#codec = options.codec ?? 'none'
    this.#memory = options.memory ?? { take: bytes => Buffer.allocUnsafeSlow(bytes) }
    this.#buffer = this.#memory.take(Math.min(FIRST_CAPACITY, this.#maxBytes))
    this.switchStream(options.stream)
  }

  /** Lines added from now on belong to another stream: small files of one partition may share a batch. */
  switchStream(stream: StreamId): void {
    const [high, low] = streamWords(stream)
    this.#streamHigh = high
    this.#streamLow = low
  }

  get count(): number {
    return this.#count
  }

  /** Bytes of the batch so far, header included, before compression. */
  get byteLength(): number {
    return this.#length
  }

  /**
   * Appends the line `chunk[from..to)` (without its line end) as one record.
   *
   * @param start where the line starts in its stream
   * @param lengthInStream its bytes there, line end included
   * @param eventTime ms since the epoch
   * @param shippedAt the record's timestamp, ms since the epoch
   * @returns false if it does not fit any more: the batch is unchanged. An empty batch takes any line of up to
   *   `maxLineBytes`
   */
  add(
    chunk: Buffer,
    from: number,
    to: number,
    start: number,
    lengthInStream: number,
    eventTime: number,
    shippedAt: number,
  ): boolean {
    const size = to - from
    const limit = this.#length + size + MAX_RECORD_OVERHEAD
    if (limit > this.#maxBytes) return false
    if (limit > this.#buffer.length) this.#grow(limit)
    if (this.#count === 0) {
      this.#baseTimestamp = shippedAt
      this.#maxTimestamp = shippedAt
    } else if (shippedAt > this.#maxTimestamp) this.#maxTimestamp = shippedAt

    const eventDelta = eventTime - shippedAt
    const timestampDelta = shippedAt - this.#baseTimestamp
    const position = positionSize(start, lengthInStream, eventDelta)
    // Attributes, null key, header count, header key with its length: 5 bytes.
    const body =
      5 +
      varlongSize(timestampDelta) +
      varintSize(this.#count) +
      varintSize(size) +
      size +
      varintSize(position) +
      position
    const out = this.#buffer
    let at = writeVarint(out, this.#length, body)
    out[at++] = 0
    at = writeVarlong(out, at, timestampDelta)
    at = writeVarint(out, at, this.#count)
    out[at++] = NULL_KEY
    at = writeVarint(out, at, size)
    chunk.copy(out, at, from, to)
    at += size
    out[at++] = ONE
    out[at++] = ONE
    out[at++] = HEADER_KEY
    at = writeVarint(out, at, position)
    const hash = xxh32(chunk, from, to)
    this.#length = writePosition(
      out,
      at,
      this.#streamHigh,
      this.#streamLow,
      start,
      lengthInStream,
      eventDelta,
      hash,
    )
    this.#count++
    return true
  }

  #grow(needed: number): void {
    const grown = this.#memory.take(Math.min(this.#maxBytes, Math.max(needed, this.#buffer.length * 4)))
    this.#buffer.copy(grown, RECORDS_AT, RECORDS_AT, this.#length)
    this.#buffer = grown
  }

  /** The batch, whole and with its CRC, without a producer id yet; this object is empty again and keeps its stream. */
  finish(): Buffer {
    const raw = this.#buffer.subarray(0, this.#length)
    const batch = sealBatch(raw, {
      codec: this.#codec,
      count: this.#count,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
    })
    this.#length = RECORDS_AT
    this.#count = 0
    if (batch !== raw) return batch
    // A small batch must not keep a large buffer alive.
    if (raw.length <= this.#buffer.length / 2) return Buffer.from(raw)
    this.#buffer = this.#memory.take(this.#buffer.length)
    return batch
  }
}
