import type { StreamId } from '../../../foundation/positions/position.ts'

/** A run of a stream that a batch carries: bytes (or sequence numbers) [start, end). */
export interface Cover {
  readonly stream: StreamId
  readonly start: number
  readonly end: number
  /** Event time of its last record, ms. */
  readonly event: number
}

/** A record batch as it goes to the cluster, and what it covers. */
export interface ReadyBatch {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
  readonly records: number
  /** In the order of the records; empty for records without positions. */
  readonly covers: readonly Cover[]
  /** To be called when nobody needs `bytes` any more. */
  readonly release?: () => void
  /** What comes after it must not be in the cluster before it is. */
  readonly gate: boolean
}

/** Well below the broker's default `max.message.bytes` (1 MiB). */
export const MAX_BATCH_BYTES = 512 * 1024
