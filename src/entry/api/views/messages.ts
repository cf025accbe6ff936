import { isAjnaError } from '../../../foundation/errors/errors.ts'
import { decodePosition, POSITION_HEADER, type Position } from '../../../foundation/positions/position.ts'
import { streamDescriptor } from '../../../foundation/positions/streams.ts'
import { xxh32 } from '../../../foundation/positions/xxh32.ts'
import { decodeSample } from '../../../operations/hosts/contract.ts'
import type { Message, Payload } from '../models.ts'
import type { Platform, RawRecord } from '../platform.ts'

/** What is shown of a key or value; the record itself may be megabytes. */
const MAX_SHOWN_BYTES = 16 * 1024
const MAX_HEX_BYTES = 1_024

export function messageOf(record: RawRecord, streamOf: Platform['streamOf']): Message {
  return {
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key: payloadOf(record.key),
    value: payloadOf(record.value),
    headers: record.headers.map(({ name, value }) => ({ name, value: payloadOf(value) })),
    position: positionOf(record, streamOf),
  }
}

function positionOf(record: RawRecord, streamOf: Platform['streamOf']): Message['position'] {
  const header = record.headers.find(({ name }) => name === POSITION_HEADER)?.value
  const position = header == null ? undefined : tryDecode(header)
  if (position === undefined) return null
  const source = streamOf(position.stream)
  return {
    stream: position.stream,
    start: position.start,
    length: position.length,
    eventTime: record.timestamp + position.eventDelta,
    hashAgrees: xxh32(record.value ?? Buffer.alloc(0)) === position.hash,
    host: source?.host ?? null,
    path: source?.path ?? null,
  }
}

/** A tenant's own header may be called `p` too; then the record simply has no position. */
function tryDecode(header: Buffer): Position | undefined {
  try {
    return decodePosition(header)
  } catch (error) {
    if (isAjnaError(error)) return undefined
    throw error
  }
}

/** Bytes as a person reads them best: Avro whose schema is known, JSON, text, else hexadecimal. */
export function payloadOf(bytes: Buffer | null): Payload {
  if (bytes === null) return { encoding: 'null', text: '', bytes: 0, truncated: false }
  const avro = bytes[0] === 0xc3 && bytes[1] === 0x01 ? decodeAvro(bytes) : undefined
  if (avro !== undefined) return shown('avro', JSON.stringify(avro), bytes.length)
  const text = utf8Of(bytes)
  if (text === undefined) {
    const truncated = bytes.length > MAX_HEX_BYTES
    return { encoding: 'hex', text: bytes.toString('hex', 0, MAX_HEX_BYTES), bytes: bytes.length, truncated }
  }
  return shown(isJson(text) ? 'json' : 'utf8', text, bytes.length)
}

function decodeAvro(bytes: Buffer): unknown {
  const sample = decodeSample(bytes)
  if (sample !== undefined) return sample
  try {
    return streamDescriptor.decode(bytes)
  } catch (error) {
    if (isAjnaError(error)) return undefined
    throw error
  }
}

function utf8Of(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return /[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? undefined : text
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text) || text.length > MAX_SHOWN_BYTES) return false
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

function shown(encoding: Payload['encoding'], text: string, bytes: number): Payload {
  const truncated = text.length > MAX_SHOWN_BYTES
  return { encoding, text: truncated ? text.slice(0, MAX_SHOWN_BYTES) : text, bytes, truncated }
}
