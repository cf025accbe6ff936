/**
 * Whether two clusters hold the same log, without decoding a record: a copy's batches differ from the source's only in
 * who wrote them, and what the checksum would be without that follows from the checksum (CRCs are linear).
 */
import { createHash } from 'node:crypto'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { AbortedTransactions } from '../../foundation/wire/aborted.ts'
import { ATTRIBUTES_AT, type BatchHeader, batchesIn, COUNT_AT } from '../../foundation/wire/batch.ts'
import type { FetchedBatches, Wire } from '../../foundation/wire/contract.ts'
import { crc32c, derivedCrc32c, remainderOf } from '../../foundation/wire/crc32c.ts'
import { type KafkaRecord, markerOf, recordsIn } from '../../foundation/wire/records.ts'
import { LINK_LOG_UNREADABLE } from './errors.ts'
import { type MaybeMapping, positionOf, sourceOf } from './mapping.ts'

export interface LogRange {
  readonly topic: string
  readonly partition: number
  /** Offsets [from, to). A batch that reaches over an end is compared whole. */
  readonly from: number
  readonly to: number
}

/**
 * `batches` is the cheap one; two equal logs differ under it only if batches were built anew (compacted ones, or with
 * log-append time). `records` decodes, and is the last word.
 */
export type DigestLevel = 'batches' | 'records'

/** A batch or a record that a reader who reads committed data would see. */
export interface LogEntry {
  readonly offset: number
  readonly lastOffset: number
  readonly crc: number
}

export interface LogDigest {
  /** SHA-256 over the entries, hexadecimal. */
  readonly digest: string
  readonly entries: number
}

const HEADER_BYTES = COUNT_AT - ATTRIBUTES_AT
const TRANSACTIONAL_BIT = 0x10
const ENTRY_BYTES = 20

/** The batch's checksum as it would be if nobody in particular had written it, outside any transaction. */
export function anonymousCrc(
  buffer: Buffer,
  { at, size, crc }: Pick<BatchHeader, 'at' | 'size' | 'crc'>,
): number {
  const from = at + ATTRIBUTES_AT
  const anonymous = Buffer.from(buffer.subarray(from, from + HEADER_BYTES))
  anonymous.writeInt16BE(anonymous.readInt16BE(0) & ~TRANSACTIONAL_BIT, 0)
  // Producer id, epoch and base sequence stand last before the count; all of them are -1 in a plain batch.
  anonymous.fill(0xff, HEADER_BYTES - 14)
  const difference = remainderOf(buffer, from, from + HEADER_BYTES) ^ remainderOf(anonymous, 0, HEADER_BYTES)
  return derivedCrc32c(crc, difference, size - COUNT_AT)
}

/** @throws AjnaError LINK_LOG_UNREADABLE when the log does not hold the range any more */
export async function* logEntries(
  wire: Wire,
  { topic, partition, from, to }: LogRange,
  level: DigestLevel,
  signal: AbortSignal,
): AsyncGenerator<LogEntry, void, undefined> {
  if (from >= to) return
  await using stream = wire.fetch({
    from: [{ topic, partition, offset: from }],
    isolation: 'read_committed',
    recycle: true,
    signal,
  })
  for await (const event of stream) {
    if (event.kind === 'batches') {
      for (const entry of entriesOf(event, level))
        if (entry.lastOffset >= from && entry.offset < to) yield entry
      if (event.nextOffset >= to) return
    } else if (event.kind === 'caught-up') {
      return
    } else {
      throw new AjnaError(
        LINK_LOG_UNREADABLE,
        `${topic}-${partition}, offsets ${from} to ${to - 1}: ${event.kind}`,
      )
    }
  }
}

function* entriesOf(event: FetchedBatches, level: DigestLevel): Generator<LogEntry, void, undefined> {
  const aborted = new AbortedTransactions(event.aborted)
  for (const header of batchesIn(event.bytes)) {
    if (header.control) {
      for (const { key } of recordsIn(event.bytes, header))
        if (markerOf(key) !== 'other') aborted.ended(header.producerId)
    } else if (!aborted.includes(header) && header.count > 0) {
      if (level === 'batches')
        yield {
          offset: header.baseOffset,
          lastOffset: header.lastOffset,
          crc: anonymousCrc(event.bytes, header),
        }
      else yield* recordEntries(event.bytes, header)
    }
  }
}

/** Of a batch of data. */
export function* recordEntries(bytes: Buffer, header: BatchHeader): Generator<LogEntry, void, undefined> {
  for (const record of recordsIn(bytes, header)) {
    const timestamp = header.logAppendTime ? header.maxTimestamp : record.timestamp
    yield { offset: record.offset, lastOffset: record.offset, crc: recordCrc(record, timestamp) }
  }
}

function recordCrc({ key, value, headers }: KafkaRecord, timestamp: number): number {
  const fields = [key, value, ...headers.flatMap(header => [Buffer.from(header.key), header.value])]
  const shape = [timestamp, ...fields.map(field => field?.length ?? -1)].join()
  return fields.reduce(
    (crc, field) => (field === null ? crc : crc32c(field, crc)),
    crc32c(Buffer.from(shape)),
  )
}

/** How a copy is called, and how its offsets lie to its source's. */
export interface CopyPlace {
  readonly topic: string
  readonly mapping: MaybeMapping
}

/**
 * What a copy holds of a range of its source, in the source's offsets; what others wrote is left out.
 *
 * @throws AjnaError LINK_LOG_UNREADABLE when the copy's log does not hold the range any more
 */
export async function* copyEntries(
  wire: Wire,
  { partition, from, to }: LogRange,
  { topic, mapping }: CopyPlace,
  level: DigestLevel,
  signal: AbortSignal,
): AsyncGenerator<LogEntry, void, undefined> {
  const first = positionOf(mapping, from)
  const end = positionOf(mapping, to)
  if (first === null || end === null) {
    const since = mapping!.segments[0]![0]
    throw new AjnaError(
      LINK_LOG_UNREADABLE,
      `${topic}-${partition}: where offsets before ${since} of the source lie was never known`,
    )
  }
  const range = { topic, partition, from: first, to: end }
  for await (const entry of logEntries(wire, range, level, signal)) {
    if (mapping === undefined) {
      yield entry
      continue
    }
    // A batch lies in one stretch: at a gap it was built anew.
    const offset = sourceOf(mapping, entry.offset)
    if (offset !== null && offset < to)
      yield { ...entry, offset, lastOffset: offset + entry.lastOffset - entry.offset }
  }
}

/** @throws AjnaError LINK_LOG_UNREADABLE */
export const digestLog = (
  wire: Wire,
  range: LogRange,
  level: DigestLevel,
  signal: AbortSignal,
): Promise<LogDigest> => digestOf(logEntries(wire, range, level, signal))

/** Of entries in order. */
export async function digestOf(read: AsyncIterable<LogEntry>): Promise<LogDigest> {
  const hash = createHash('sha256')
  const packed = Buffer.alloc(ENTRY_BYTES)
  let entries = 0
  for await (const { offset, lastOffset, crc } of read) {
    packed.writeDoubleBE(offset, 0)
    packed.writeDoubleBE(lastOffset, 8)
    packed.writeUInt32BE(crc, 16)
    hash.update(packed)
    entries++
  }
  return { digest: hash.digest('hex'), entries }
}

export type LogDifference =
  | { readonly offset: number; readonly what: 'content' }
  /** Only one side has a record there. */
  | { readonly offset: number; readonly what: 'missing-at-target' | 'missing-at-source' }

/**
 * The first record in which two logs differ, or undefined: by batches first, by records from where those differ.
 *
 * @param range of the source's offsets
 * @param copy default: the same topic, at the same offsets
 * @throws AjnaError LINK_LOG_UNREADABLE
 */
export async function firstDifference(
  source: Wire,
  target: Wire,
  range: LogRange,
  signal: AbortSignal,
  copy: CopyPlace = { topic: range.topic, mapping: undefined },
): Promise<LogDifference | undefined> {
  const differenceAt = (compared: LogRange, level: DigestLevel): Promise<LogDifference | undefined> =>
    firstDifferenceOf(
      logEntries(source, compared, level, signal),
      copyEntries(target, compared, copy, level, signal),
    )
  const batches = await differenceAt(range, 'batches')
  if (batches === undefined) return undefined
  return differenceAt({ ...range, from: Math.max(range.from, batches.offset) }, 'records')
}

async function firstDifferenceOf(
  theirs: AsyncGenerator<LogEntry, void, undefined>,
  ours: AsyncGenerator<LogEntry, void, undefined>,
): Promise<LogDifference | undefined> {
  try {
    for (;;) {
      const [a, b] = await Promise.all([theirs.next(), ours.next()])
      if (a.done === true && b.done === true) return undefined
      if (b.done === true || (a.done !== true && a.value.offset < b.value.offset))
        return { offset: a.value!.offset, what: 'missing-at-target' }
      if (a.done === true || b.value.offset < a.value.offset)
        return { offset: b.value.offset, what: 'missing-at-source' }
      if (a.value.lastOffset !== b.value.lastOffset || a.value.crc !== b.value.crc)
        return { offset: a.value.offset, what: 'content' }
    }
  } finally {
    await Promise.all([theirs.return(), ours.return()])
  }
}
