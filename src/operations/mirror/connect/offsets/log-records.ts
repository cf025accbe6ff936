import { createHash } from 'node:crypto'
import { AjnaError } from '../../../../foundation/errors/errors.ts'
import { AbortedTransactions } from '../../../../foundation/wire/aborted.ts'
import { batchesIn } from '../../../../foundation/wire/batch.ts'
import type { FetchedBatches, Wire } from '../../../../foundation/wire/contract.ts'
import { type KafkaRecord, markerOf, recordsIn } from '../../../../foundation/wire/records.ts'
import { LINK_LOG_UNREADABLE } from '../../errors.ts'

/** One partition's data records, in order. */

export interface LogRange {
  readonly topic: string
  readonly partition: number
  /** Offsets [from, to). */
  readonly from: number
  readonly to: number
}

export type Isolation = 'read_uncommitted' | 'read_committed'

/**
 * Ends early where the log does, or, reading committed, where a transaction is open.
 *
 * @throws AjnaError LINK_LOG_UNREADABLE when the log does not hold the range any more
 */
export async function* logRecords(
  wire: Wire,
  { topic, partition, from, to }: LogRange,
  isolation: Isolation,
  signal: AbortSignal,
): AsyncGenerator<KafkaRecord, void, undefined> {
  if (from >= to) return
  await using stream = wire.fetch({ from: [{ topic, partition, offset: from }], isolation, signal })
  for await (const event of stream) {
    if (event.kind === 'caught-up') return
    if (event.kind !== 'batches')
      throw new AjnaError(
        LINK_LOG_UNREADABLE,
        `${topic}-${partition}, offsets ${from} to ${to - 1}: ${event.kind}`,
      )
    for (const record of dataIn(event)) if (record.offset >= from && record.offset < to) yield record
    if (event.nextOffset >= to) return
  }
}

function* dataIn(event: FetchedBatches): Generator<KafkaRecord, void, undefined> {
  const aborted = new AbortedTransactions(event.aborted)
  for (const header of batchesIn(event.bytes)) {
    if (!header.control) {
      if (!aborted.includes(header)) yield* recordsIn(event.bytes, header)
      continue
    }
    for (const { key } of recordsIn(event.bytes, header))
      if (markerOf(key) !== 'other') aborted.ended(header.producerId)
  }
}

const DIGEST_BYTES = 16
const NONE = -1

/** What tells a record apart wherever it lies: its time, key, value and headers. */
export function recordDigest({ timestamp, key, value, headers }: KafkaRecord): string {
  const fields = [key, value, ...headers.flatMap(header => [Buffer.from(header.key), header.value])]
  const hash = createHash('sha256').update([timestamp, ...fields.map(field => field?.length ?? NONE)].join())
  for (const field of fields) if (field !== null) hash.update(field)
  return hash.digest().toString('latin1', 0, DIGEST_BYTES)
}
