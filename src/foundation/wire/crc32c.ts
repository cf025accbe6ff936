/**
 * CRC-32C (Castagnoli), as over a record batch from its attributes to its end, and how it changes when only the batch's
 * header does: CRCs are linear over GF(2), so the old checksum and the difference of the headers, moved past the unchanged
 * body, give the new one at a cost that does not depend on the body's size.
 */
import { crc32c as native } from '@node-rs/crc32'

/** Bit-reflected polynomial. */
const POLYNOMIAL = 0x82f63b78

/** @param previous the checksum of the bytes before these, to continue it */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  return native(bytes, previous)
}

const remainderOfByte = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++)
    remainder = (remainder & 1) === 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1
  remainderOfByte[byte] = remainder
}

/**
 * The plain polynomial remainder of a few bytes (no initial or final inversion). The exclusive or of the remainders of two
 * byte strings of equal length is the remainder of their difference.
 */
export function remainderOf(bytes: Uint8Array, from: number, to: number): number {
  let remainder = 0
  for (let at = from; at < to; at++)
    remainder = (remainder >>> 8) ^ remainderOfByte[(remainder ^ bytes[at]!) & 0xff]!
  return remainder >>> 0
}

/** Product of two polynomials modulo the CRC's, bit-reflected (zlib's multmodp). */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bits = a | 0; bits !== 0; bits <<= 1) {
    if (bits < 0) product ^= b
    b = (b & 1) === 1 ? (b >>> 1) ^ POLYNOMIAL : b >>> 1
  }
  return product
}

const ONE = 0x8000_0000
/** x^8: one byte further. */
const ONE_BYTE = 0x0080_0000

/** moves[k][v] = x^(8·v·256^k): by v·256^k bytes. Four kilobytes instead of thirty squarings a batch. */
const moves: readonly Int32Array[] = buildMoves()

function buildMoves(): Int32Array[] {
  const tables: Int32Array[] = []
  let step = ONE_BYTE
  for (let digit = 0; digit < 4; digit++) {
    const table = new Int32Array(256)
    table[0] = ONE
    for (let value = 1; value < 256; value++) table[value] = multiply(table[value - 1]!, step)
    step = multiply(table[255]!, step)
    tables.push(table)
  }
  return tables
}

/** The remainder of bytes followed by `count` zero bytes, from the remainder of the bytes. */
function moved(remainder: number, count: number): number {
  for (let digit = 0, rest = count; rest > 0; digit++, rest >>>= 8) {
    if ((rest & 0xff) !== 0) remainder = multiply(moves[digit]![rest & 0xff]!, remainder)
  }
  return remainder
}

/**
 * The CRC after some of the covered bytes changed in place.
 *
 * @param difference exclusive or of `remainderOf` the changed range before and after
 * @param bytesAfter how many unchanged bytes the CRC covers after that range
 */
export function derivedCrc32c(crc: number, difference: number, bytesAfter: number): number {
  return (crc ^ moved(difference, bytesAfter)) >>> 0
}
