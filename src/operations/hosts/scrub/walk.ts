/**
 * Walks the record batches of a segment, or of what a broker answers, over chunks of any size: whether each is framed as it
 * should be, lies where its offsets say, and matches its checksum. Nothing is decompressed: the CRC covers the bytes as they
 * lie there. Memory does not depend on a batch's size. Pure.
 */
import type { Hash } from 'node:crypto'
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  COUNT_AT,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  LENGTH_AT,
  LENGTH_OVERHEAD,
  MAGIC,
  MAGIC_AT,
  RECORDS_AT,
} from '../../../foundation/wire/batch.ts'
import { crc32c } from '../../../foundation/wire/crc32c.ts'

/** As in replicas/log-end.ts: beyond it a length is nonsense. */
const MAX_BATCH_BYTES = 256 * 1024 * 1024

export interface Damage {
  /** Of the first bad batch, in bytes from where the walk began. */
  readonly position: number
  /** Offsets that it may concern: from the first bad batch to the next good one. */
  readonly from: number
  readonly to: number
  /** Bad batches; of those behind one that is framed wrongly nobody knows. */
  readonly batches: number
  readonly what: string
}

export interface Walked {
  /** Of the first batch; null: there is none. */
  readonly start: number | null
  /** One past the last offset of the last good batch; where the walk began if there is none. */
  readonly end: number
  /** Good ones. */
  readonly batches: number
  readonly damage: Damage | null
  /** Messages of a format before Kafka 0.11, which this does not read. */
  readonly isOld: boolean
}

export interface WalkOptions {
  /** No batch may begin before it; a segment's name. */
  readonly base: number
  /** Nor end beyond it: where the next segment begins. */
  readonly below?: number
  /** What ends within a batch was cut short, and is not merely being written, or answered up to there. */
  readonly isClosed: boolean
  /** Takes the headers, which hold the checksums, of the good batches that lie whole in the range. */
  readonly digest?: { readonly from: number; readonly to: number; readonly into: Hash }
}

export interface BatchWalk {
  push(chunk: Buffer): void
  end(): Walked
}

export function createBatchWalk(options: WalkOptions): BatchWalk {
  const { base, below = Number.MAX_SAFE_INTEGER, isClosed, digest } = options
  const header = Buffer.alloc(RECORDS_AT)
  let have = 0
  /** Of the batch it stands in. */
  let at = 0
  let left = 0
  let crc = 0
  /** The least offset that may come next. */
  let next = base
  /** The same as it was at the batch before: an offset that is too high shows at the one behind it. */
  let nextBefore = base
  let start: number | null = null
  let batches = 0
  let first: { readonly position: number; readonly from: number; readonly what: string } | undefined
  let bad = 0
  /** Where the last bad batch is known to be over. */
  let to: number | undefined
  /** From here on nothing can be told. */
  let stopped = false
  let isOld = false

  function note(what: string, offset: number): void {
    first ??= { position: at, from: offset, what }
    bad++
    to = undefined
  }

  function stop(what: string, from = next): void {
    note(what, from)
    stopped = true
  }

  /** Takes the header that is whole now. */
  function begin(): void {
    const magic = header[MAGIC_AT]!
    if (magic < MAGIC && at === 0) {
      isOld = true
      stopped = true
      return
    }
    const size = header.readInt32BE(LENGTH_AT) + LENGTH_OVERHEAD
    const offset = baseOffset()
    if (magic !== MAGIC) stop(`a batch of an unknown format (${magic})`)
    else if (size < RECORDS_AT || size > MAX_BATCH_BYTES) stop(`a batch that claims ${size} bytes`)
    else if (offset < next) stop(`a batch at offset ${offset} where ${next} is due`, nextBefore)
    else if (offset >= below) stop(`a batch at offset ${offset} in a segment that ends at ${below}`)
    if (stopped) return
    left = size - RECORDS_AT
    crc = crc32c(header.subarray(ATTRIBUTES_AT))
    if (left === 0) finish()
  }

  /** The batch is whole. */
  function finish(): void {
    const offset = baseOffset()
    const delta = header.readInt32BE(LAST_OFFSET_DELTA_AT)
    const count = header.readInt32BE(COUNT_AT)
    nextBefore = next
    if (crc !== header.readUInt32BE(CRC_AT)) {
      note('a batch that does not match its checksum', offset)
      // What it says of its last offset is not to be believed.
      next = offset + 1
    } else if (delta < 0 || offset + delta >= below || count < 0 || count > delta + 1) {
      note(`a batch with ${count} records in ${delta + 1} offsets from ${offset} on`, offset)
      next = offset + 1
    } else {
      start ??= offset
      if (first !== undefined) to ??= offset
      next = offset + delta + 1
      batches++
      if (digest !== undefined && offset >= digest.from && next <= digest.to) digest.into.update(header)
    }
    at += RECORDS_AT + bodySize()
    have = 0
  }

  /** Of a damaged one it may be anything. */
  const baseOffset = (): number => Number(header.readBigInt64BE(BASE_OFFSET_AT))
  const bodySize = (): number => header.readInt32BE(LENGTH_AT) + LENGTH_OVERHEAD - RECORDS_AT

  return {
    push(chunk) {
      for (let from = 0; from < chunk.length && !stopped; ) {
        if (have < RECORDS_AT) {
          const copied = chunk.copy(header, have, from, from + RECORDS_AT - have)
          have += copied
          from += copied
          if (have === RECORDS_AT) begin()
        } else {
          const taken = Math.min(left, chunk.length - from)
          crc = crc32c(chunk.subarray(from, from + taken), crc)
          from += taken
          left -= taken
          if (left === 0) finish()
        }
      }
    },
    end() {
      if (isClosed && !stopped && have > 0) stop('a batch that is cut short')
      const last = below === Number.MAX_SAFE_INTEGER ? next : below
      return {
        ...{ start, end: next, batches, isOld },
        damage:
          first === undefined ? null : { ...first, to: Math.max(to ?? last, first.from + 1), batches: bad },
      }
    },
  }
}
