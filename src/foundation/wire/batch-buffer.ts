/** The memory a batch is built in: what all that build batches share. */
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
import { writeInt64 } from './bytes.ts'
import { type Codec, codecId, compress } from './codecs.ts'

export const DEFAULT_MAX_BATCH_BYTES = 512 * 1024

export interface BatchBufferOptions {
  /** Upper limit of a batch in bytes, header included, before compression; default 512 KiB. */
  readonly maxBytes: number | undefined
  readonly codec: Codec | undefined
  readonly firstCapacity: number
  /** Gives memory of exactly so many bytes. */
  readonly take: (bytes: number) => Buffer
}

/** Records are written into `bytes` from `length` on, where `reserve` has made room, and told by `wrote`. */
export class BatchBuffer {
  readonly maxBytes: number
  bytes: Buffer
  /** Bytes of the batch so far, header included. */
  length = RECORDS_AT
  /** Records so far; the next one's offset delta. */
  count = 0
  readonly #codec: Codec
  readonly #take: (bytes: number) => Buffer
  #baseTimestamp = 0
  #maxTimestamp = 0

  constructor(options: BatchBufferOptions) {
    this.maxBytes = options.maxBytes ?? DEFAULT_MAX_BATCH_BYTES
    this.#codec = options.codec ?? 'none'
    this.#take = options.take
    this.bytes = this.#take(Math.min(options.firstCapacity, this.maxBytes))
  }

  /** @param needed bytes of the batch with the next record, at most `maxBytes` */
  reserve(needed: number): void {
    if (needed > this.bytes.length) this.#grow(needed)
  }

  #grow(needed: number): void {
    const grown = this.#take(Math.min(this.maxBytes, Math.max(needed, this.bytes.length * 4)))
    this.bytes.copy(grown, RECORDS_AT, RECORDS_AT, this.length)
    this.bytes = grown
  }

  /** Of the next record. */
  timestampDelta(timestamp: number): number {
    return this.count === 0 ? 0 : timestamp - this.#baseTimestamp
  }

  /** A record now ends at `end`. */
  wrote(end: number, timestamp: number): void {
    if (this.count === 0) {
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    } else if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.length = end
    this.count++
  }

  /**
   * The batch, whole and with its CRC, without a producer id yet (`rewriteHeader`); this is empty again. A batch that its
   * codec does not make smaller is stored uncompressed.
   */
  finish(): Buffer {
    if (this.count === 0) throw new RangeError('a batch needs at least one record')
    const raw = this.bytes.subarray(0, this.length)
    const batch = this.#sealed(raw)
    this.length = RECORDS_AT
    this.count = 0
    if (batch !== raw) return batch
    // A small batch must not keep a large buffer alive.
    if (raw.length <= this.bytes.length / 2) return Buffer.from(raw)
    this.bytes = this.#take(this.bytes.length)
    return batch
  }

  #sealed(raw: Buffer): Buffer {
    const summary = {
      count: this.count,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
    }
    const codec = this.#codec
    const packed = codec === 'none' ? undefined : compress(codec, raw.subarray(RECORDS_AT))
    if (packed === undefined || packed.length >= raw.length - RECORDS_AT) {
      writeHeader(raw, { ...summary, codec: 'none' })
      return raw
    }
    const batch = Buffer.allocUnsafe(RECORDS_AT + packed.length)
    packed.copy(batch, RECORDS_AT)
    writeHeader(batch, { ...summary, codec })
    return batch
  }
}

interface Summary {
  readonly codec: Codec
  readonly count: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
}

function writeHeader(batch: Buffer, summary: Summary): void {
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
