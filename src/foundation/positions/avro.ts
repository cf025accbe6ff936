/** Avro single-object encoding (https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding): C3 01, fingerprint, body. */
import avsc from 'avsc'
import { AjnaError } from '../errors/errors.ts'
import { AVRO_MALFORMED, AVRO_SCHEMA_UNKNOWN } from './errors.ts'

const MARKER = Buffer.from([0xc3, 0x01])
const FINGERPRINT_BYTES = 8
const BODY_AT = MARKER.length + FINGERPRINT_BYTES

export interface SingleObject<T> {
  /** CRC-64-AVRO of the schema's canonical form, as its 8 bytes go on the wire (little-endian), in hexadecimal. */
  readonly fingerprint: string
  encode(value: T): Buffer
  /** @throws AjnaError AVRO_MALFORMED, AVRO_SCHEMA_UNKNOWN */
  decode(bytes: Buffer): T
}

/** @param schema the type's Avro schema; `T` must be its TypeScript shape */
export function singleObject<T>(schema: avsc.Schema): SingleObject<T> {
  const type = avsc.Type.forSchema(schema)
  const prefix = Buffer.concat([MARKER, fingerprintOf(JSON.stringify(type.schema()))])
  const fingerprint = prefix.toString('hex', MARKER.length)
  return {
    fingerprint,
    encode: value => Buffer.concat([prefix, type.toBuffer(value)]),
    decode(bytes) {
      if (bytes.length < BODY_AT || !bytes.subarray(0, MARKER.length).equals(MARKER)) {
        throw new AjnaError(AVRO_MALFORMED, `${bytes.length} bytes do not start as an Avro single object`)
      }
      const found = bytes.toString('hex', MARKER.length, BODY_AT)
      if (found !== fingerprint) {
        const message = `an Avro object has schema ${found}, not ${fingerprint} (${type.name ?? 'unnamed'})`
        throw new AjnaError(AVRO_SCHEMA_UNKNOWN, message, { details: { found, expected: fingerprint } })
      }
      try {
        return type.fromBuffer(bytes.subarray(BODY_AT)) as T
      } catch (cause) {
        throw new AjnaError(AVRO_MALFORMED, `an Avro object does not fit ${type.name ?? 'its schema'}`, {
          cause,
        })
      }
    },
  }
}

const EMPTY = 0xc15d213aa4d7a795n

/** CRC-64-AVRO (Rabin) of a schema in parsing canonical form, little-endian. */
export function fingerprintOf(canonicalSchema: string): Buffer {
  let crc = EMPTY
  for (const byte of Buffer.from(canonicalSchema)) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (EMPTY & -(crc & 1n))
  }
  const bytes = Buffer.allocUnsafe(FINGERPRINT_BYTES)
  bytes.writeBigUInt64LE(crc & 0xffff_ffff_ffff_ffffn)
  return bytes
}
