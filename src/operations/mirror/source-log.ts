/** What the source has at a place that was copied from. */
import { batchesIn } from '../../foundation/wire/batch.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { recordEntries } from './digest.ts'

export interface SourceRecord {
  /** As digests have it (digest.ts); undefined: the batch is there, the record was compacted away. */
  readonly crc: number | undefined
  /** The leader's epoch in which it was written. */
  readonly epoch: number
  /** No record: a transaction's marker is there. */
  readonly isControl: boolean
}

/** Undefined when the source cannot say: it has nothing there any more, or not yet. */
export async function sourceRecord(
  wire: Wire,
  {
    topic,
    partition,
    offset,
  }: { readonly topic: string; readonly partition: number; readonly offset: number },
  signal: AbortSignal,
): Promise<SourceRecord | undefined> {
  // One batch is always given, however large.
  const request = { from: [{ topic, partition, offset }], maxPartitionBytes: 1, maxWaitMs: 50, signal }
  await using stream = wire.fetch(request)
  for await (const event of stream) {
    if (event.kind !== 'batches') return undefined
    for (const header of batchesIn(event.bytes)) {
      if (header.lastOffset < offset) continue
      if (header.baseOffset > offset) return undefined
      if (header.control) return { crc: undefined, epoch: header.leaderEpoch, isControl: true }
      const record = recordEntries(event.bytes, header).find(entry => entry.offset === offset)
      return { crc: record?.crc, epoch: header.leaderEpoch, isControl: false }
    }
  }
  return undefined
}
