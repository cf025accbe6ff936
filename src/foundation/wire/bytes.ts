/**
 * Kafka's primitive types (https://kafka.apache.org/protocol#protocol_types), read from untrusted bytes and written to a
 * growing buffer. A reader never allocates by a length it has not compared with the bytes that remain, and throws
 * WIRE_TRUNCATED or WIRE_MALFORMED for anything that does not fit.
 */
import { AjnaError } from '../errors/errors.ts'
import { WIRE_MALFORMED, WIRE_TRUNCATED } from './errors.ts'

const TWO_32 = 4_294_967_296
const TWO_28 = 0x1000_0000
const UUID_BYTES = 16

export class ByteReader {
  readonly buffer: Buffer
  /** Where the next value is read. */
  offset: number
  /** Nothing at or after this offset is read. */
  readonly end: number

  constructor(buffer: Buffer, offset = 0, end: number = buffer.length) {
    if (!(offset >= 0 && offset <= end && end <= buffer.length)) {
      throw new RangeError(`reader bounds ${offset}..${end} lie outside 0..${buffer.length}`)
    }
    this.buffer = buffer
    this.offset = offset
    this.end = end
  }

  get remaining(): number {
    return this.end - this.offset
  }

  /** Claims the next `length` bytes and answers where they start. */
  #take(length: number): number {
    const at = this.offset
    if (length > this.end - at) throw truncated(at, length, this.end - at)
    this.offset = at + length
    return at
  }

  skip(length: number): void {
    if (length < 0) throw malformed(`cannot skip ${length} bytes`, this.offset)
    this.#take(length)
  }

  /** The next `length` bytes as a view: no copy. */
  view(length: number): Buffer {
    if (length < 0) throw malformed(`length ${length}`, this.offset)
    const at = this.#take(length)
    return this.buffer.subarray(at, at + length)
  }

  boolean(): boolean {
    return this.buffer[this.#take(1)] !== 0
  }

  int8(): number {
    return this.buffer.readInt8(this.#take(1))
  }

  uint8(): number {
    return this.buffer[this.#take(1)]!
  }

  int16(): number {
    return this.buffer.readInt16BE(this.#take(2))
  }

  int32(): number {
    const at = this.#take(4)
    const { buffer } = this
    return (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  /** A 64-bit integer as a number; refused beyond ±2^53 (docs/decisions/0002-numbers.md). */
  int64(): number {
    return readInt64(this.buffer, this.#take(8))
  }

  bigint64(): bigint {
    return this.buffer.readBigInt64BE(this.#take(8))
  }

  /**
   * The fast path of all varints: at most four bytes, as nearly all are.
   *
   * @returns the value, or -1, having read nothing, if it is longer or cut short
   */
  #shortVarint(): number {
    const { buffer, offset: at, end } = this
    if (at >= end) return -1
    let byte = buffer[at]!
    let value = byte & 0x7f
    let size = 1
    if (byte >= 0x80) {
      if (at + 1 >= end) return -1
      byte = buffer[at + 1]!
      value |= (byte & 0x7f) << 7
      for (size = 2; byte >= 0x80; size++) {
        if (size === 4 || at + size >= end) return -1
        byte = buffer[at + size]!
        value |= (byte & 0x7f) << (7 * size)
      }
    }
    this.offset = at + size
    return value
  }

  /** Of a varint of five to eight bytes at the offset: what its bytes from the fifth on hold (the others: `low28`). */
  #upperVarint(): number {
    const start = this.offset
    this.offset = Math.min(start + 4, this.end)
    const upper = this.#shortVarint()
    if (upper >= 0) return upper
    this.offset = start
    if (this.end - start < 8) throw truncated(start, this.end - start + 1, this.end - start)
    throw malformed('a varint lies beyond ±2^53', start)
  }

  /** Unsigned base-128, at most 32 bits. */
  uvarint(): number {
    const short = this.#shortVarint()
    if (short >= 0) return short
    const start = this.offset
    const value = this.#upperVarint() * TWO_28 + low28(this.buffer, start)
    if (value >= TWO_32) throw malformed('an unsigned varint is longer than 32 bits', start)
    return value
  }

  /** Zigzag base-128, 32 bits. */
  varint(): number {
    const raw = this.uvarint()
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** Zigzag base-128, 64 bits, as a number; refused beyond ±2^53. */
  varlong(): number {
    const short = this.#shortVarint()
    if (short >= 0) return (short >>> 1) ^ -(short & 1)
    const start = this.offset
    const upper = this.#upperVarint()
    const low = low28(this.buffer, start)
    const magnitude = upper * (TWO_28 / 2) + (low >>> 1)
    const value = (low & 1) === 1 ? -magnitude - 1 : magnitude
    if (!Number.isSafeInteger(value)) throw malformed('a varint lies beyond ±2^53', start)
    return value
  }

  /** Unsigned base-128, 64 bits, as a number; refused from 2^53 on. */
  uvarlong(): number {
    const short = this.#shortVarint()
    if (short >= 0) return short
    const start = this.offset
    const value = this.#upperVarint() * TWO_28 + low28(this.buffer, start)
    if (!Number.isSafeInteger(value)) throw malformed('an unsigned varint lies beyond 2^53', start)
    return value
  }

  /** STRING: int16 length. */
  string(): string {
    return this.#text(this.int16(), 'string')
  }

  nullableString(): string | null {
    const length = this.int16()
    return length === -1 ? null : this.#text(length, 'string')
  }

  /** COMPACT_STRING: uvarint length + 1. */
  compactString(): string {
    return this.#text(this.uvarint() - 1, 'compact string')
  }

  compactNullableString(): string | null {
    const length = this.uvarint() - 1
    return length === -1 ? null : this.#text(length, 'compact string')
  }

  #text(length: number, what: string): string {
    if (length < 0) throw malformed(`${what} of length ${length}`, this.offset)
    const at = this.#take(length)
    return this.buffer.toString('utf8', at, at + length)
  }

  /** BYTES: int32 length; a view, no copy. */
  bytes(): Buffer {
    return this.view(this.int32())
  }

  nullableBytes(): Buffer | null {
    const length = this.int32()
    return length === -1 ? null : this.view(length)
  }

  compactBytes(): Buffer {
    return this.view(this.uvarint() - 1)
  }

  compactNullableBytes(): Buffer | null {
    const length = this.uvarint() - 1
    return length === -1 ? null : this.view(length)
  }

  /** As Kafka prints it: base64url, 22 characters. */
  uuid(): string {
    const at = this.#take(UUID_BYTES)
    return this.buffer.toString('base64url', at, at + UUID_BYTES)
  }

  /** ARRAY: int32 count. */
  array<T>(item: (reader: this) => T): T[] {
    return this.#items(this.int32(), item)
  }

  nullableArray<T>(item: (reader: this) => T): T[] | null {
    const count = this.int32()
    return count === -1 ? null : this.#items(count, item)
  }

  /** COMPACT_ARRAY: uvarint count + 1. */
  compactArray<T>(item: (reader: this) => T): T[] {
    return this.#items(this.uvarint() - 1, item)
  }

  compactNullableArray<T>(item: (reader: this) => T): T[] | null {
    const count = this.uvarint() - 1
    return count === -1 ? null : this.#items(count, item)
  }

  #items<T>(count: number, item: (reader: this) => T): T[] {
    // No element of the protocol takes less than a byte, so an honest count never exceeds the bytes that remain.
    if (count < 0 || count > this.remaining) {
      throw malformed(`array of ${count} elements in ${this.remaining} bytes`, this.offset)
    }
    const items: T[] = []
    for (let i = 0; i < count; i++) items.push(item(this))
    return items
  }

  /** Tagged fields (KIP-482). `field` may read from its own bounded reader; without it all are skipped. */
  taggedFields(field?: (tag: number, reader: ByteReader) => void): void {
    const count = this.uvarint()
    if (count > this.remaining)
      throw malformed(`${count} tagged fields in ${this.remaining} bytes`, this.offset)
    for (let i = 0; i < count; i++) {
      const tag = this.uvarint()
      const size = this.uvarint()
      const at = this.#take(size)
      field?.(tag, new ByteReader(this.buffer, at, at + size))
    }
  }

  /** For the end of a message: what is left over was not understood. */
  expectEnd(what: string): void {
    if (this.offset !== this.end)
      throw malformed(`${this.remaining} bytes follow the end of ${what}`, this.offset)
  }
}

/** The 64-bit big-endian integer at `at`, refused beyond ±2^53. The caller has checked that 8 bytes are there. */
export function readInt64(buffer: Buffer, at: number): number {
  const value = buffer.readInt32BE(at) * TWO_32 + buffer.readUInt32BE(at + 4)
  if (!Number.isSafeInteger(value)) throw malformed('a 64-bit integer lies beyond ±2^53', at)
  return value
}

export function writeInt64(buffer: Buffer, at: number, value: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer within ±2^53`)
  const high = Math.floor(value / TWO_32)
  buffer.writeInt32BE(high, at)
  buffer.writeUInt32BE(value - high * TWO_32, at + 4)
}

/** The value of four continued varint bytes. */
function low28(buffer: Buffer, at: number): number {
  return (
    (buffer[at]! & 0x7f) |
    ((buffer[at + 1]! & 0x7f) << 7) |
    ((buffer[at + 2]! & 0x7f) << 14) |
    ((buffer[at + 3]! & 0x7f) << 21)
  )
}

function truncated(at: number, wanted: number, remaining: number): AjnaError {
  return new AjnaError(WIRE_TRUNCATED, `at byte ${at}: ${wanted} bytes wanted, ${remaining} left`, {
    details: { at, wanted, remaining },
  })
}

function malformed(what: string, at: number): AjnaError {
  return new AjnaError(WIRE_MALFORMED, `at byte ${at}: ${what}`, { details: { at } })
}

// Varints on a bare buffer whose capacity the caller has made sure of: the hot path of every record written.

export function uvarintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5
}

export function varintSize(value: number): number {
  return uvarintSize(((value << 1) ^ (value >> 31)) >>> 0)
}

/** Size of a zigzag varint within ±2^53. */
export function varlongSize(value: number): number {
  // Beyond 2^53 the doubled value loses its last bit, never its order of magnitude: the size stays exact.
  return uvarlongSize(value < 0 ? -2 * value - 1 : 2 * value)
}

/** Size of an unsigned varint below 2^53. */
export function uvarlongSize(value: number): number {
  let size = 0
  for (; value >= TWO_28; value = Math.floor(value / TWO_28)) size += 4
  return size + uvarintSize(value)
}

/** @param value an unsigned integer below 2^32 @returns where the next value goes */
export function writeUvarint(out: Uint8Array, at: number, value: number): number {
  for (; value > 0x7f; value >>>= 7) out[at++] = (value & 0x7f) | 0x80
  out[at++] = value
  return at
}

export function writeVarint(out: Uint8Array, at: number, value: number): number {
  return writeUvarint(out, at, ((value << 1) ^ (value >> 31)) >>> 0)
}

const TWO_30 = 0x4000_0000

/** Zigzag varint of any integer within ±2^53. */
export function writeVarlong(out: Uint8Array, at: number, value: number): number {
  if (value < TWO_30 && value >= -TWO_30) return writeVarint(out, at, value)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer within ±2^53`)
  // In two 32-bit halves: twice the value may not be representable.
  const magnitude = value < 0 ? -value - 1 : value
  const low = magnitude >>> 0
  const high = Math.floor(magnitude / TWO_32)
  return writeHalves(out, at, ((low << 1) | (value < 0 ? 1 : 0)) >>> 0, ((high << 1) | (low >>> 31)) >>> 0)
}

/** Unsigned varint of any integer below 2^53. */
export function writeUvarlong(out: Uint8Array, at: number, value: number): number {
  if (value < TWO_32 && value >= 0) return writeUvarint(out, at, value)
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${value} is not an unsigned integer below 2^53`)
  return writeHalves(out, at, value >>> 0, Math.floor(value / TWO_32))
}

function writeHalves(out: Uint8Array, at: number, low: number, high: number): number {
  while (high !== 0 || low > 0x7f) {
    out[at++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  out[at++] = low
  return at
}

const MAX_INT16 = 32_767

/** Values of the caller's own making: a value out of range is a programming error (RangeError), not a wire error. */
export class ByteWriter {
  #buffer: Buffer
  #length = 0

  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(Math.max(capacity, 16))
  }

  get length(): number {
    return this.#length
  }

  /** What was written, as a view of the writer's buffer: take it once, and write nothing afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #claim(size: number): number {
    const at = this.#length
    const needed = at + size
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
      this.#buffer.copy(grown, 0, 0, at)
      this.#buffer = grown
    }
    this.#length = needed
    return at
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  int8(value: number): this {
    const at = this.#claim(1)
    this.#buffer.writeInt8(value, at)
    return this
  }

  int16(value: number): this {
    const at = this.#claim(2)
    this.#buffer.writeInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#claim(4)
    this.#buffer.writeInt32BE(value, at)
    return this
  }

  uint32(value: number): this {
    const at = this.#claim(4)
    this.#buffer.writeUInt32BE(value, at)
    return this
  }

  int64(value: number): this {
    const at = this.#claim(8)
    writeInt64(this.#buffer, at, value)
    return this
  }

  bigint64(value: bigint): this {
    const at = this.#claim(8)
    this.#buffer.writeBigInt64BE(value, at)
    return this
  }

  uvarint(value: number): this {
    if (!(Number.isInteger(value) && value >= 0 && value < TWO_32)) {
      throw new RangeError(`${value} is not an unsigned 32-bit integer`)
    }
    const at = this.#claim(5)
    this.#length = writeUvarint(this.#buffer, at, value)
    return this
  }

  varint(value: number): this {
    if (value !== (value | 0)) throw new RangeError(`${value} is not a 32-bit integer`)
    return this.uvarint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  varlong(value: number): this {
    const at = this.#claim(10)
    this.#length = writeVarlong(this.#buffer, at, value)
    return this
  }

  string(value: string): this {
    const size = Buffer.byteLength(value)
    if (size > MAX_INT16) throw new RangeError(`a string of ${size} bytes; the protocol allows ${MAX_INT16}`)
    this.int16(size)
    const at = this.#claim(size)
    this.#buffer.write(value, at)
    return this
  }

  nullableString(value: string | null): this {
    return value === null ? this.int16(-1) : this.string(value)
  }

  compactString(value: string): this {
    const size = Buffer.byteLength(value)
    this.uvarint(size + 1)
    const at = this.#claim(size)
    this.#buffer.write(value, at)
    return this
  }

  compactNullableString(value: string | null): this {
    return value === null ? this.uvarint(0) : this.compactString(value)
  }

  /** The bytes alone, without a length. */
  raw(value: Uint8Array): this {
    const at = this.#claim(value.length)
    this.#buffer.set(value, at)
    return this
  }

  bytes(value: Uint8Array): this {
    return this.int32(value.length).raw(value)
  }

  nullableBytes(value: Uint8Array | null): this {
    return value === null ? this.int32(-1) : this.bytes(value)
  }

  compactBytes(value: Uint8Array): this {
    return this.uvarint(value.length + 1).raw(value)
  }

  compactNullableBytes(value: Uint8Array | null): this {
    return value === null ? this.uvarint(0) : this.compactBytes(value)
  }

  /** From Kafka's base64url form. */
  uuid(value: string): this {
    const bytes = Buffer.from(value, 'base64url')
    if (bytes.length !== UUID_BYTES) throw new RangeError(`"${value}" is not a UUID in base64url`)
    return this.raw(bytes)
  }

  array<T>(items: readonly T[], item: (writer: this, value: T) => void): this {
    this.int32(items.length)
    for (const value of items) item(this, value)
    return this
  }

  nullableArray<T>(items: readonly T[] | null, item: (writer: this, value: T) => void): this {
    return items === null ? this.int32(-1) : this.array(items, item)
  }

  compactArray<T>(items: readonly T[], item: (writer: this, value: T) => void): this {
    this.uvarint(items.length + 1)
    for (const value of items) item(this, value)
    return this
  }

  compactNullableArray<T>(items: readonly T[] | null, item: (writer: this, value: T) => void): this {
    return items === null ? this.uvarint(0) : this.compactArray(items, item)
  }

  /** No tagged fields (KIP-482). */
  noTaggedFields(): this {
    return this.uvarint(0)
  }

  /** Overwrites an int32 written earlier: a size known only afterwards. */
  patchInt32(at: number, value: number): void {
    if (at + 4 > this.#length) throw new RangeError(`nothing was written yet at byte ${at}`)
    this.#buffer.writeInt32BE(value, at)
  }
}
