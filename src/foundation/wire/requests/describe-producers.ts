import { type ByteReader, ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface DescribedProducer {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly lastSequence: number
}

export interface DescribedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly producers: readonly DescribedProducer[]
}

export interface DescribeProducersRequest {
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
}

/** The producers a partition's leader remembers (KIP-664). */
export const describeProducers: Message<DescribeProducersRequest, readonly DescribedPartition[]> = {
  name: 'DescribeProducers',
  key: 61,
  minVersion: 0,
  maxVersion: 0,
  encode({ topics }) {
    const writer = new ByteWriter(128)
    writer.compactArray(topics, (w, { topic, partitions }) => {
      w.compactString(topic).compactArray(partitions, (each, partition) => each.int32(partition))
      w.noTaggedFields()
    })
    return [writer.noTaggedFields().finish()]
  },
  parse(reader) {
    const described: DescribedPartition[] = []
    reader.int32()
    reader.compactArray(() => {
      const topic = reader.compactString()
      reader.compactArray(() => {
        const partition = reader.int32()
        const errorCode = reader.int16()
        const errorMessage = reader.compactNullableString()
        const producers = reader.compactArray(parseProducer)
        reader.taggedFields()
        described.push({ topic, partition, errorCode, errorMessage, producers })
      })
      reader.taggedFields()
    })
    reader.taggedFields()
    reader.expectEnd('DescribeProducers')
    return described
  },
}

function parseProducer(reader: ByteReader): DescribedProducer {
  const producer = {
    producerId: reader.bigint64(),
    producerEpoch: reader.int32(),
    lastSequence: reader.int32(),
  }
  reader.int64()
  reader.int32()
  reader.int64()
  reader.taggedFields()
  return producer
}
