import { type StreamGap, streamDescriptor, streamGap } from '../../../foundation/positions/streams.ts'
import { BatchBuilder } from '../../../foundation/wire/build.ts'
import type { Stream } from '../tail/stream.ts'
import type { ReadyBatch } from './batch.ts'

/** How often a living stream is described anew. */
export const ANNOUNCE_EVERY_MS = 24 * 3_600_000

export interface Announced {
  readonly topic: string
  readonly partitions: number
  readonly now: number
}

const MAX_PER_BATCH = 500

/** What these streams are, as batches that go before anything of the streams themselves. */
export function describeStreams(streams: readonly Stream[], to: Announced): ReadyBatch[] {
  const values = streams.map(({ id, identity, tenant, path, firstSeen }) => {
    const { site, host, device, inode, birthtime, firstLineHash } = identity
    const file = { device, inode, birthtime, firstLineHash }
    return streamDescriptor.encode({ stream: id, site, tenant, kind: 'log', host, path, ...file, firstSeen })
  })
  return toBatches(values, to, true)
}

export interface MetricProducer {
  readonly stream: string
  readonly site: string
  readonly tenant: string
  readonly host: string
  readonly firstSeen: number
}

export function describeProducer(producer: MetricProducer, to: Announced): ReadyBatch[] {
  const file = { device: null, inode: null, birthtime: null, firstLineHash: null }
  return toBatches(
    [streamDescriptor.encode({ ...producer, kind: 'metric', path: 'agent', ...file })],
    to,
    true,
  )
}

export const announceGap = (gap: StreamGap, to: Announced): ReadyBatch[] =>
  toBatches([streamGap.encode(gap)], to, false)

function toBatches(
  values: readonly Buffer[],
  { topic, partitions, now }: Announced,
  gate: boolean,
): ReadyBatch[] {
  const batches: ReadyBatch[] = []
  for (let from = 0; from < values.length; from += MAX_PER_BATCH) {
    const part = values.slice(from, from + MAX_PER_BATCH)
    const builder = new BatchBuilder()
    for (const value of part) builder.add({ timestamp: now, value })
    const partition = batches.length % partitions
    batches.push({ topic, partition, bytes: builder.finish(), records: part.length, covers: [], gate })
  }
  return batches
}
