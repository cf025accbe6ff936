/**
 * The source position of a shipped record, as its header `p` carries it (docs/ARCHITECTURE.md, Data on the wire): stream,
 * start, length, event time and content hash in 15 to 40 bytes.
 */
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { ByteReader, uvarlongSize, varlongSize, writeUvarlong, writeVarlong } from '../wire/bytes.ts'
import { WIRE_MALFORMED, WIRE_TRUNCATED } from '../wire/errors.ts'
import { POSITION_MALFORMED } from './errors.ts'

export const POSITION_HEADER = 'p'

/** First 8 bytes of SHA-256 over a stream's identity, as 16 hexadecimal digits. */
export type StreamId = string

export interface Position {
  readonly stream: StreamId
  /** Byte offset (or sequence number) in the stream. */
  readonly start: number
  /** Bytes in the stream, line end included. */
  readonly length: number
  /** Event time − record timestamp, ms. */
  readonly eventDelta: number
  /** XXH32 of the record's value. */
  readonly hash: number
}

const STREAM_BYTES = 8
/** The hash closes the position. */
export const HASH_BYTES = 4
/** The three numbers take a byte each at least. */
export const MIN_POSITION_BYTES = STREAM_BYTES + 3 + HASH_BYTES
/** 8 for the stream, 8 for each of three numbers below 2^53 and 4 for the hash. */
export const MAX_POSITION_BYTES = STREAM_BYTES + 3 * 8 + HASH_BYTES

/**
 * Writes a position where the caller has left MAX_POSITION_BYTES of room.
 *
 * @param streamHigh first four bytes of the stream id, big-endian
 * @returns where the next byte goes
 */
export function writePosition(
  out: Uint8Array,
  at: number,
  streamHigh: number,
  streamLow: number,
  start: number,
  length: number,
  eventDelta: number,
  hash: number,
): number {
  out[at] = streamHigh >>> 24
  out[at + 1] = streamHigh >>> 16
  out[at + 2] = streamHigh >>> 8
  out[at + 3] = streamHigh
  out[at + 4] = streamLow >>> 24
  out[at + 5] = streamLow >>> 16
  out[at + 6] = streamLow >>> 8
  out[at + 7] = streamLow
  at = writeUvarlong(out, at + STREAM_BYTES, start)
  at = writeUvarlong(out, at, length)
  at = writeVarlong(out, at, eventDelta)
  out[at] = hash
  out[at + 1] = hash >>> 8
  out[at + 2] = hash >>> 16
  out[at + 3] = hash >>> 24
  return at + HASH_BYTES
}

/** How many bytes `writePosition` will write. */
export function positionSize(start: number, length: number, eventDelta: number): number {
  return STREAM_BYTES + uvarlongSize(start) + uvarlongSize(length) + varlongSize(eventDelta) + HASH_BYTES
}

export function encodePosition(position: Position): Buffer {
  const { stream, start, length, eventDelta, hash } = position
  const [high, low] = streamWords(stream)
  const out = Buffer.allocUnsafe(MAX_POSITION_BYTES)
  return out.subarray(0, writePosition(out, 0, high, low, start, length, eventDelta, hash))
}

/**
 * Reads the position that fills `bytes`.
 *
 * @throws AjnaError POSITION_MALFORMED
 */
export function decodePosition(bytes: Buffer): Position {
  try {
    const reader = new ByteReader(bytes)
    const stream = reader.view(STREAM_BYTES).toString('hex')
    const start = reader.uvarlong()
    const length = reader.uvarlong()
    const eventDelta = reader.varlong()
    const hash = reader.view(HASH_BYTES).readUInt32LE(0)
    reader.expectEnd('the position')
    if (!Number.isSafeInteger(start + length)) throw malformed(`it ends at ${start} + ${length}`)
    return { stream, start, length, eventDelta, hash }
  } catch (cause) {
    if (!isAjnaError(cause, WIRE_MALFORMED, WIRE_TRUNCATED)) throw cause
    throw malformed(`${bytes.length} bytes do not parse`, cause)
  }
}

/** The two words of a stream id, as the hot paths carry it. */
export function streamWords(stream: StreamId): readonly [high: number, low: number] {
  if (!/^[0-9a-f]{16}$/.test(stream)) throw new RangeError(`"${stream}" is not a stream id`)
  return [Number.parseInt(stream.slice(0, 8), 16), Number.parseInt(stream.slice(8), 16)]
}

export function streamIdOf(high: number, low: number): StreamId {
  return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0')
}

function malformed(what: string, cause?: unknown): AjnaError {
  return new AjnaError(POSITION_MALFORMED, `position header: ${what}`, { cause })
}
