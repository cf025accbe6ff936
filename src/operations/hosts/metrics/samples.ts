import { randomUUID } from 'node:crypto'
import { encodePosition, POSITION_HEADER } from '../../../foundation/positions/position.ts'
import { streamId } from '../../../foundation/positions/streams.ts'
import { xxh32 } from '../../../foundation/positions/xxh32.ts'
import { BatchBuilder } from '../../../foundation/wire/build.ts'
import { type AgentConfig, encodeSample, type MetricSample } from '../contract.ts'
import { describeProducer } from '../ship/announce.ts'
import { MAX_BATCH_BYTES, type ReadyBatch } from '../ship/batch.ts'
import { partitionOf } from '../ship/batcher.ts'

export interface SampleStreamOptions {
  readonly config: AgentConfig
  readonly partitions: (topic: string) => number | undefined
  readonly offer: (batch: ReadyBatch) => boolean
  readonly now: () => number
}

export interface SampleStream {
  emit(samples: readonly MetricSample[]): void
  /** Samples that were not taken because shipping was held up: they are stale by the time it goes on. */
  readonly skipped: number
}

/** This agent's samples as one stream of sequence numbers, a new one for each start of the agent. */
export function createSampleStream(options: SampleStreamOptions): SampleStream {
  const { site, host, metrics, streamsTopic } = options.config
  const { topic, tenant } = metrics!
  const stream = streamId({ kind: 'metric', site, host, instance: randomUUID() })
  const firstSeen = options.now()
  let sequence = 0
  let skipped = 0
  let announced = false

  function announce(): boolean {
    const partitions = options.partitions(streamsTopic)
    if (partitions === undefined) return false
    const to = { topic: streamsTopic, partitions, now: options.now() }
    return describeProducer({ stream, site, tenant, host, firstSeen }, to).every(options.offer)
  }

  function batchOf(samples: readonly MetricSample[], partitions: number): ReadyBatch {
    const builder = new BatchBuilder({ maxBytes: MAX_BATCH_BYTES })
    const timestamp = options.now()
    for (const [index, sample] of samples.entries()) {
      const value = encodeSample(sample)
      const eventDelta = Math.round(sample.time) - timestamp
      const position = { stream, start: sequence + index, length: 1, eventDelta, hash: xxh32(value) }
      builder.add({ timestamp, value, headers: [{ key: POSITION_HEADER, value: encodePosition(position) }] })
    }
    const cover = { stream, start: sequence, end: sequence + samples.length, event: timestamp }
    const partition = partitionOf(stream, partitions)
    return {
      topic,
      partition,
      bytes: builder.finish(),
      records: samples.length,
      covers: [cover],
      gate: false,
    }
  }

  return {
    emit(samples) {
      if (samples.length === 0) return
      const partitions = options.partitions(topic)
      announced ||= announce()
      if (partitions === undefined || !announced || !options.offer(batchOf(samples, partitions)))
        skipped += samples.length
      else sequence += samples.length
    },
    get skipped() {
      return skipped
    },
  }
}
