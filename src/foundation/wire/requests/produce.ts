import { type ByteReader, ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface ProduceTopic {
  readonly topic: string
  /**
   * One batch per partition. Never name a partition twice in one request: the broker answers 0 for both and loses one of
   * the batches.
   */
  readonly partitions: readonly { readonly partition: number; readonly batch: Buffer }[]
}

export interface ProduceRequest {
  /** Whose transaction the batches are part of; null or absent: none. */
  readonly transactionalId?: string | null
  readonly timeoutMs: number
  readonly topics: readonly ProduceTopic[]
}

export interface ProducedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly baseOffset: number
  readonly logAppendTime: number
  readonly logStartOffset: number
  readonly errorMessage: string | null
}

const ACKS_ALL = -1
const TOPIC_OVERHEAD = 16
const PARTITION_OVERHEAD = 16

/** acks=all. */
export const produce: Message<ProduceRequest, readonly ProducedPartition[]> = {
  name: 'Produce',
  key: 0,
  minVersion: 9,
  maxVersion: 11,
  encode({ transactionalId = null, timeoutMs, topics }) {
    const writer = new ByteWriter(capacityFor(topics))
    const batches: { readonly batch: Buffer; readonly before: number }[] = []
    writer
      .compactNullableString(transactionalId)
      .int16(ACKS_ALL)
      .int32(timeoutMs)
      .uvarint(topics.length + 1)
    for (const { topic, partitions } of topics) {
      writer.compactString(topic).uvarint(partitions.length + 1)
      for (const { partition, batch } of partitions) {
        writer.int32(partition).uvarint(batch.length + 1)
        batches.push({ batch, before: writer.length })
        writer.noTaggedFields()
      }
      writer.noTaggedFields()
    }
    return woven(writer.noTaggedFields().finish(), batches)
  },
  parse(reader, _version, throttled) {
    const produced: ProducedPartition[] = []
    reader.compactArray(() => {
      const topic = reader.compactString()
      reader.compactArray(() => produced.push(parsePartition(reader, topic)))
      reader.taggedFields()
    })
    const throttledMs = reader.int32()
    reader.taggedFields()
    reader.expectEnd('Produce')
    throttled?.(throttledMs)
    return produced
  },
}

function capacityFor(topics: readonly ProduceTopic[]): number {
  let capacity = 64
  for (const { topic, partitions } of topics)
    capacity += TOPIC_OVERHEAD + topic.length + PARTITION_OVERHEAD * partitions.length
  return capacity
}

/** The body in parts: what was written, and between it the batches, which are passed on as they are. */
function woven(
  written: Buffer,
  batches: readonly { readonly batch: Buffer; readonly before: number }[],
): Buffer[] {
  const parts: Buffer[] = []
  let from = 0
  for (const { batch, before } of batches) {
    parts.push(written.subarray(from, before), batch)
    from = before
  }
  parts.push(written.subarray(from))
  return parts
}

function parsePartition(reader: ByteReader, topic: string): ProducedPartition {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const baseOffset = reader.int64()
  const logAppendTime = reader.int64()
  const logStartOffset = reader.int64()
  const recordErrors = reader.compactArray(parseRecordError)
  const errorMessage = reader.compactNullableString()
  reader.taggedFields()
  const firstRecordError = recordErrors.find(message => message !== null) ?? null
  return {
    topic,
    partition,
    errorCode,
    baseOffset,
    logAppendTime,
    logStartOffset,
    errorMessage: errorMessage ?? firstRecordError,
  }
}

function parseRecordError(reader: ByteReader): string | null {
  reader.int32()
  const message = reader.compactNullableString()
  reader.taggedFields()
  return message
}
