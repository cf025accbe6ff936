import { xxh32 } from '../../../foundation/positions/xxh32.ts'

/**
 * A record that says who it is, so that a reader can name every one that is lost, repeated, out of order or damaged:
 *
 *     run       8 bytes   of this run of a test; records of others are not judged
 *     producer  2 bytes
 *     partition 4 bytes
 *     sequence  6 bytes   per producer and partition, from 0
 *     hash      4 bytes   XXH32 over all else
 *     filling   up to the record's size, derived from the sequence
 */
export interface Identified {
  readonly producer: number
  readonly partition: number
  readonly sequence: number
}

export const RUN_BYTES = 8
export const MIN_RECORD_BYTES = 24
const PRODUCER_AT = RUN_BYTES
const PARTITION_AT = 10
const SEQUENCE_AT = 14
const HASH_AT = 20

/** Fills `into`, whose length is the record's size, at least {@link MIN_RECORD_BYTES}. */
export function writeRecord(into: Buffer, run: Buffer, { producer, partition, sequence }: Identified): void {
  into.set(run, 0)
  into.writeUInt16BE(producer, PRODUCER_AT)
  into.writeUInt32BE(partition, PARTITION_AT)
  into.writeUIntBE(sequence, SEQUENCE_AT, HASH_AT - SEQUENCE_AT)
  into.fill(sequence & 0xff, MIN_RECORD_BYTES)
  into.writeUInt32BE(hashOf(into), HASH_AT)
}

/** Undefined when it is damaged, or of another run. */
export function readRecord(value: Buffer | null, run: Buffer): Identified | undefined {
  if (value === null || value.length < MIN_RECORD_BYTES) return undefined
  if (run.compare(value, 0, RUN_BYTES) !== 0 || value.readUInt32BE(HASH_AT) !== hashOf(value))
    return undefined
  return {
    producer: value.readUInt16BE(PRODUCER_AT),
    partition: value.readUInt32BE(PARTITION_AT),
    sequence: value.readUIntBE(SEQUENCE_AT, HASH_AT - SEQUENCE_AT),
  }
}

const hashOf = (value: Buffer): number =>
  xxh32(value, MIN_RECORD_BYTES, value.length, xxh32(value, 0, HASH_AT))
