import { batchesIn } from '../../src/foundation/wire/batch.ts'
import { BatchBuilder } from '../../src/foundation/wire/build.ts'
import type { FetchOptions, Wire } from '../../src/foundation/wire/contract.ts'
import { recordsIn } from '../../src/foundation/wire/records.ts'

/** A batch of these values. */
export function batchOf(...values: readonly string[]): Buffer {
  const builder = new BatchBuilder()
  for (const value of values) builder.add({ timestamp: Date.now(), value: Buffer.from(value) })
  return builder.finish()
}

export interface ReadRecord {
  readonly offset: number
  readonly value: string
}

/** Every data record of a topic, from its start to where it ends now, by partition. */
export async function readTopic(
  wire: Wire,
  topic: string,
  partitions: number,
  signal: AbortSignal,
  options: Partial<FetchOptions> = {},
): Promise<ReadRecord[][]> {
  const all: ReadRecord[][] = Array.from({ length: partitions }, () => [])
  const queries = all.map((_, partition) => ({ topic, partition, at: 'earliest' as const }))
  const from = await wire.listOffsets(queries, signal)
  await using stream = wire.fetch({ from, signal, ...options })
  for await (const event of stream) {
    if (event.kind === 'caught-up') break
    if (event.kind !== 'batches') throw new Error(`unexpected: ${JSON.stringify(event)}`)
    for (const header of batchesIn(event.bytes)) {
      if (header.control) continue
      for (const record of recordsIn(event.bytes, header)) {
        // A batch comes whole, also what lies in it before the start of the log.
        if (record.offset < from[event.partition]!.offset) continue
        all[event.partition]!.push({ offset: record.offset, value: record.value?.toString() ?? '' })
      }
    }
  }
  return all
}
