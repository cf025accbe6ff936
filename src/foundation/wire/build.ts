/** Builds record batches: records go straight into one buffer that becomes the batch. */
import { AjnaError } from '../errors/errors.ts'
import { BatchBuffer } from './batch-buffer.ts'
import { varintSize, varlongSize, writeVarint, writeVarlong } from './bytes.ts'
import type { Codec } from './codecs.ts'
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

const FIRST_CAPACITY = 4096

/**
 * Records until the limit, then `finish()`, then the next batch. The batch carries no producer id, epoch or sequence yet
 * (`rewriteHeader`).
 */
export class BatchBuilder {
  readonly #batch: BatchBuffer

  constructor(options: BatchBuilderOptions = {}) {
    this.#batch = new BatchBuffer({
      maxBytes: options.maxBytes,
      codec: options.codec,
      firstCapacity: FIRST_CAPACITY,
      take: bytes => Buffer.allocUnsafe(bytes),
    })
  }

  /** Records in the batch so far. */
  get count(): number {
    return this.#batch.count
  }

  /** Bytes of the batch so far, header included, before compression. */
  get byteLength(): number {
    return this.#batch.length
  }

  /**
   * @returns false if the record no longer fits: the batch is unchanged; finish it first
   * @throws AjnaError BATCH_TOO_LARGE if it would not fit into an empty batch either
   */
  add(record: RecordInput): boolean {
    const batch = this.#batch
    const { count, length, maxBytes } = batch
    const timestampDelta = batch.timestampDelta(record.timestamp)
    const body = bodySize(record, timestampDelta, count)
    const needed = length + varintSize(body) + body
    if (needed > maxBytes) {
      if (count > 0) return false
      const message = `a record makes a batch of ${needed} bytes; the limit is ${maxBytes}`
      throw new AjnaError(BATCH_TOO_LARGE, message, { details: { bytes: needed, maxBytes } })
    }
    batch.reserve(needed)
    batch.wrote(writeRecord(batch.bytes, length, record, body, timestampDelta, count), record.timestamp)
    return true
  }

  /**
   * The batch, whole and with its CRC; the builder is empty again. A batch that its codec does not make smaller is stored
   * uncompressed.
   */
  finish(): Buffer {
    return this.#batch.finish()
  }
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
