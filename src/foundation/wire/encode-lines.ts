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
import { BatchBuffer } from './batch-buffer.ts'
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
  readonly #batch: BatchBuffer
  #streamHigh = 0
  #streamLow = 0

  constructor(options: LineBatchOptions) {
    const { memory } = options
    this.#batch = new BatchBuffer({
      maxBytes: options.maxBytes,
      codec: options.codec,
      firstCapacity: FIRST_CAPACITY,
      take: bytes => memory?.take(bytes) ?? Buffer.allocUnsafeSlow(bytes),
    })
    this.switchStream(options.stream)
  }

  /** Lines added from now on belong to another stream: small files of one partition may share a batch. */
  switchStream(stream: StreamId): void {
    const [high, low] = streamWords(stream)
    this.#streamHigh = high
    this.#streamLow = low
  }

  get count(): number {
    return this.#batch.count
  }

  /** Bytes of the batch so far, header included, before compression. */
  get byteLength(): number {
    return this.#batch.length
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
    const batch = this.#batch
    const { count } = batch
    const size = to - from
    const limit = batch.length + size + MAX_RECORD_OVERHEAD
    if (limit > batch.maxBytes) return false
    batch.reserve(limit)
    const eventDelta = eventTime - shippedAt
    const timestampDelta = batch.timestampDelta(shippedAt)
    const position = positionSize(start, lengthInStream, eventDelta)
    // Attributes, null key, header count, header key with its length: 5 bytes.
    const body =
      5 +
      varlongSize(timestampDelta) +
      varintSize(count) +
      varintSize(size) +
      size +
      varintSize(position) +
      position
    const out = batch.bytes
    let at = writeVarint(out, batch.length, body)
    out[at++] = 0
    at = writeVarlong(out, at, timestampDelta)
    at = writeVarint(out, at, count)
    out[at++] = NULL_KEY
    at = writeVarint(out, at, size)
    chunk.copy(out, at, from, to)
    at += size
    out[at++] = ONE
    out[at++] = ONE
    out[at++] = HEADER_KEY
    at = writeVarint(out, at, position)
    const hash = xxh32(chunk, from, to)
    at = writePosition(out, at, this.#streamHigh, this.#streamLow, start, lengthInStream, eventDelta, hash)
    batch.wrote(at, shippedAt)
    return true
  }

  /** The batch, whole and with its CRC, without a producer id yet; this object is empty again and keeps its stream. */
  finish(): Buffer {
    return this.#batch.finish()
  }
}
