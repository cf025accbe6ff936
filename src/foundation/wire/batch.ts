/**
 * Record batches of format 2 (KIP-98; org.apache.kafka.common.record.DefaultRecordBatch) as bytes: parse a header where it
 * lies, walk a fetch answer or a log segment, rewrite header fields in place. Records are in records.ts.
 */
import { AjnaError } from '../errors/errors.ts'
import { readInt64, writeInt64 } from './bytes.ts'
import { crc32c, derivedCrc32c, remainderOf } from './crc32c.ts'
import { BATCH_CORRUPT, BATCH_MAGIC_UNSUPPORTED, WIRE_TRUNCATED } from './errors.ts'

/** Byte offsets of the header's fields. The CRC covers everything from the attributes on. */
export const BASE_OFFSET_AT = 0
export const LENGTH_AT = 8
export const LEADER_EPOCH_AT = 12
export const MAGIC_AT = 16
export const CRC_AT = 17
export const ATTRIBUTES_AT = 21
export const LAST_OFFSET_DELTA_AT = 23
export const BASE_TIMESTAMP_AT = 27
export const MAX_TIMESTAMP_AT = 35
export const PRODUCER_ID_AT = 43
export const PRODUCER_EPOCH_AT = 51
export const BASE_SEQUENCE_AT = 53
export const COUNT_AT = 57
/** Size of the header; the (possibly compressed) records follow. */
export const RECORDS_AT = 61

/** The length field counts from after itself. */
export const LENGTH_OVERHEAD = 12
export const MAGIC = 2

const CODEC_MASK = 0x07
const LOG_APPEND_TIME_BIT = 0x08
const TRANSACTIONAL_BIT = 0x10
const CONTROL_BIT = 0x20

export interface BatchHeader {
  /** Where the batch starts in its buffer, and its size there in bytes, header included. */
  readonly at: number
  readonly size: number
  readonly baseOffset: number
  /** Of the last record, whether or not compaction has left it in the batch. */
  readonly lastOffset: number
  readonly leaderEpoch: number
  readonly crc: number
  readonly attributes: number
  /** See codecs.ts. */
  readonly codecId: number
  /** The broker set the time: every record's timestamp is `maxTimestamp`. */
  readonly logAppendTime: boolean
  readonly transactional: boolean
  /** The records are markers (transaction end, …), not data. */
  readonly control: boolean
  /** ms since the epoch; -1 when the batch is empty. */
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  /** -1n: not idempotent. */
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  /** Records in the batch; less than `lastOffset - baseOffset + 1` after compaction, possibly 0. */
  readonly count: number
}

/**
 * Size in bytes of the batch at `at`, or -1 if `end` cuts it short.
 *
 * @throws AjnaError BATCH_MAGIC_UNSUPPORTED, BATCH_CORRUPT
 */
export function batchSize(buffer: Buffer, at: number, end: number = buffer.length): number {
  if (end - at <= MAGIC_AT) return -1
  const magic = buffer[at + MAGIC_AT]!
  if (magic !== MAGIC) throw unsupportedMagic(magic, at)
  const length = buffer.readInt32BE(at + LENGTH_AT)
  if (length < RECORDS_AT - LENGTH_OVERHEAD) throw corrupt(at, `its length field says ${length}`)
  return length > end - at - LENGTH_OVERHEAD ? -1 : length + LENGTH_OVERHEAD
}

/** What the batch at `at` says of its size, even if it is cut short; 0 if it is cut before that, or says nonsense. */
export function claimedSize(buffer: Buffer, at: number): number {
  if (buffer.length - at < LENGTH_OVERHEAD) return 0
  return Math.max(0, buffer.readInt32BE(at + LENGTH_AT) + LENGTH_OVERHEAD)
}

/**
 * Parses the header of the batch at `at`, which must lie whole before `end`. The CRC is not verified.
 *
 * @throws AjnaError WIRE_TRUNCATED, BATCH_MAGIC_UNSUPPORTED, BATCH_CORRUPT
 */
export function readBatchHeader(buffer: Buffer, at = 0, end: number = buffer.length): BatchHeader {
  const size = batchSize(buffer, at, end)
  if (size < 0) {
    throw new AjnaError(WIRE_TRUNCATED, `the record batch at byte ${at} is cut after ${end - at} bytes`, {
      details: { at, available: end - at },
    })
  }
  return headerOf(buffer, at, size)
}

function headerOf(buffer: Buffer, at: number, size: number): BatchHeader {
  const baseOffset = readInt64(buffer, at + BASE_OFFSET_AT)
  const lastOffsetDelta = buffer.readInt32BE(at + LAST_OFFSET_DELTA_AT)
  const count = buffer.readInt32BE(at + COUNT_AT)
  checkOffsets(at, baseOffset, lastOffsetDelta, count)
  const attributes = buffer.readInt16BE(at + ATTRIBUTES_AT)
  return {
    at,
    size,
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    leaderEpoch: buffer.readInt32BE(at + LEADER_EPOCH_AT),
    crc: buffer.readUInt32BE(at + CRC_AT),
    attributes,
    codecId: attributes & CODEC_MASK,
    logAppendTime: (attributes & LOG_APPEND_TIME_BIT) !== 0,
    transactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    control: (attributes & CONTROL_BIT) !== 0,
    baseTimestamp: readInt64(buffer, at + BASE_TIMESTAMP_AT),
    maxTimestamp: readInt64(buffer, at + MAX_TIMESTAMP_AT),
    producerId: buffer.readBigInt64BE(at + PRODUCER_ID_AT),
    producerEpoch: buffer.readInt16BE(at + PRODUCER_EPOCH_AT),
    baseSequence: buffer.readInt32BE(at + BASE_SEQUENCE_AT),
    count,
  }
}

/** @throws AjnaError BATCH_CORRUPT */
function checkOffsets(at: number, baseOffset: number, lastOffsetDelta: number, count: number): void {
  if (baseOffset < 0 || lastOffsetDelta < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta)) {
    throw corrupt(at, `its offsets are ${baseOffset} + ${lastOffsetDelta}`)
  }
  if (count < 0 || count > lastOffsetDelta + 1) {
    throw corrupt(at, `it claims ${count} records in ${lastOffsetDelta + 1} offsets`)
  }
}

/**
 * The whole batches in a fetch answer or a log segment, one after another, as the header of the one it stands on: nothing
 * is made for a batch, for whoever passes millions of them. A batch cut short by the end of the range ends the walk.
 */
export class BatchCursor implements BatchHeader {
  readonly #buffer: Buffer
  readonly #end: number
  #floor = 0
  at: number
  size = 0
  baseOffset = -1
  lastOffset = -1
  attributes = 0
  count = 0

  constructor(buffer: Buffer, from = 0, end: number = buffer.length) {
    this.#buffer = buffer
    this.#end = end
    this.at = from
  }

  /**
   * Steps onto the next batch; false when there is none, and `at + size` is then where the first byte not walked lies.
   *
   * @throws AjnaError BATCH_MAGIC_UNSUPPORTED, BATCH_CORRUPT (also for offsets that do not ascend)
   */
  next(): boolean {
    const buffer = this.#buffer
    const at = this.at + this.size
    const size = batchSize(buffer, at, this.#end)
    if (size < 0) return false
    const baseOffset = readInt64(buffer, at + BASE_OFFSET_AT)
    const lastOffsetDelta = buffer.readInt32BE(at + LAST_OFFSET_DELTA_AT)
    const count = buffer.readInt32BE(at + COUNT_AT)
    checkOffsets(at, baseOffset, lastOffsetDelta, count)
    if (baseOffset < this.#floor)
      throw corrupt(at, `its base offset ${baseOffset} comes after ${this.#floor - 1}`)
    this.at = at
    this.size = size
    this.baseOffset = baseOffset
    this.lastOffset = baseOffset + lastOffsetDelta
    this.attributes = buffer.readInt16BE(at + ATTRIBUTES_AT)
    this.count = count
    this.#floor = this.lastOffset + 1
    return true
  }

  /** As a value that stays. */
  header(): BatchHeader {
    return headerOf(this.#buffer, this.at, this.size)
  }

  get leaderEpoch(): number {
    return this.#buffer.readInt32BE(this.at + LEADER_EPOCH_AT)
  }

  get crc(): number {
    return this.#buffer.readUInt32BE(this.at + CRC_AT)
  }

  get codecId(): number {
    return this.attributes & CODEC_MASK
  }

  get logAppendTime(): boolean {
    return (this.attributes & LOG_APPEND_TIME_BIT) !== 0
  }

  get transactional(): boolean {
    return (this.attributes & TRANSACTIONAL_BIT) !== 0
  }

  get control(): boolean {
    return (this.attributes & CONTROL_BIT) !== 0
  }

  get baseTimestamp(): number {
    return readInt64(this.#buffer, this.at + BASE_TIMESTAMP_AT)
  }

  get maxTimestamp(): number {
    return readInt64(this.#buffer, this.at + MAX_TIMESTAMP_AT)
  }

  get producerId(): bigint {
    return this.#buffer.readBigInt64BE(this.at + PRODUCER_ID_AT)
  }

  get producerEpoch(): number {
    return this.#buffer.readInt16BE(this.at + PRODUCER_EPOCH_AT)
  }

  get baseSequence(): number {
    return this.#buffer.readInt32BE(this.at + BASE_SEQUENCE_AT)
  }
}

/**
 * The batches that `BatchCursor` walks, as values. The generator returns where the first byte not walked lies.
 *
 * @throws AjnaError BATCH_MAGIC_UNSUPPORTED, BATCH_CORRUPT (also for offsets that do not ascend)
 */
export function* batchesIn(
  buffer: Buffer,
  from = 0,
  end: number = buffer.length,
): Generator<BatchHeader, number, undefined> {
  const cursor = new BatchCursor(buffer, from, end)
  while (cursor.next()) yield cursor.header()
  return cursor.at + cursor.size
}

export function hasValidCrc(buffer: Buffer, header: Pick<BatchHeader, 'at' | 'size' | 'crc'>): boolean {
  return crc32c(buffer.subarray(header.at + ATTRIBUTES_AT, header.at + header.size)) === header.crc
}

/** @throws AjnaError BATCH_CORRUPT */
export function verifyCrc(
  buffer: Buffer,
  header: Pick<BatchHeader, 'at' | 'size' | 'crc' | 'baseOffset' | 'lastOffset'>,
): void {
  if (!hasValidCrc(buffer, header)) {
    throw corrupt(header.at, `offsets ${header.baseOffset}..${header.lastOffset} do not match the checksum`)
  }
}

/** The fields that change on a batch's way between clusters. */
export interface HeaderChanges {
  readonly baseOffset?: number
  readonly leaderEpoch?: number
  readonly producerId?: bigint
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

/**
 * Rewrites header fields of the whole batch at `at` in place. The CRC is derived from the old one, so a batch that was
 * corrupt stays detectably corrupt. Costs the same for any batch size.
 *
 * @throws AjnaError as `readBatchHeader`
 */
export function rewriteHeader(buffer: Buffer, at: number, changes: HeaderChanges): void {
  const size = batchSize(buffer, at)
  if (size < 0) throw corrupt(at, 'it is cut short')
  if (changes.baseOffset !== undefined) writeInt64(buffer, at + BASE_OFFSET_AT, changes.baseOffset)
  if (changes.leaderEpoch !== undefined) buffer.writeInt32BE(changes.leaderEpoch, at + LEADER_EPOCH_AT)
  const { producerId, producerEpoch, baseSequence } = changes
  if (producerId === undefined && producerEpoch === undefined && baseSequence === undefined) return

  const from = at + PRODUCER_ID_AT
  const to = at + COUNT_AT
  const before = remainderOf(buffer, from, to)
  if (producerId !== undefined) buffer.writeBigInt64BE(producerId, at + PRODUCER_ID_AT)
  if (producerEpoch !== undefined) buffer.writeInt16BE(producerEpoch, at + PRODUCER_EPOCH_AT)
  if (baseSequence !== undefined) buffer.writeInt32BE(baseSequence, at + BASE_SEQUENCE_AT)
  const difference = before ^ remainderOf(buffer, from, to)
  const crc = derivedCrc32c(buffer.readUInt32BE(at + CRC_AT), difference, size - COUNT_AT)
  buffer.writeUInt32BE(crc, at + CRC_AT)
}

/** Makes the batch that fills `buffer` part of a transaction; its CRC is computed anew. */
export function markTransactional(buffer: Buffer): void {
  buffer.writeInt16BE(buffer.readInt16BE(ATTRIBUTES_AT) | TRANSACTIONAL_BIT, ATTRIBUTES_AT)
  sealCrc(buffer)
}

/** Computes and writes the CRC of the batch that fills `buffer`. */
export function sealCrc(buffer: Buffer): void {
  buffer.writeUInt32BE(crc32c(buffer.subarray(ATTRIBUTES_AT)), CRC_AT)
}

function unsupportedMagic(magic: number, at: number): AjnaError {
  const what = magic < MAGIC ? `a message of the old format ${magic}` : `a batch of unknown format ${magic}`
  return new AjnaError(BATCH_MAGIC_UNSUPPORTED, `${what} lies at byte ${at}`, { details: { magic, at } })
}

function corrupt(at: number, what: string): AjnaError {
  return new AjnaError(BATCH_CORRUPT, `record batch at byte ${at}: ${what}`, { details: { at } })
}
