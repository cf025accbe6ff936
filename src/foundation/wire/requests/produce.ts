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

/** acks=all, outside any transaction. */
export const produce: Message<ProduceRequest, readonly ProducedPartition[]> = {
  name: 'Produce',
  key: 0,
  minVersion: 9,
  maxVersion: 11,
  encode({ timeoutMs, topics }) {
    const parts: Buffer[] = []
    let writer = new ByteWriter(128)
    writer
      .compactNullableString(null)
      .int16(ACKS_ALL)
      .int32(timeoutMs)
      .uvarint(topics.length + 1)
    for (const { topic, partitions } of topics) {
      writer.compactString(topic).uvarint(partitions.length + 1)
      for (const { partition, batch } of partitions) {
        writer.int32(partition).uvarint(batch.length + 1)
        parts.push(writer.finish(), batch)
        writer = new ByteWriter(64)
        writer.noTaggedFields()
      }
      writer.noTaggedFields()
    }
    parts.push(writer.noTaggedFields().finish())
    return parts
  },
  parse(reader) {
    const produced: ProducedPartition[] = []
    reader.compactArray(() => {
      const topic = reader.compactString()
      reader.compactArray(() => produced.push(parsePartition(reader, topic)))
      reader.taggedFields()
    })
    reader.int32()
    reader.taggedFields()
    reader.expectEnd('Produce')
    return produced
  },
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
