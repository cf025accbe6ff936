import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface AddPartitionsToTxnRequest {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number }[]
  }[]
}

export interface AddedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
}

/** Up to version 3, in which a client names its own transaction (later ones are for brokers: KIP-890). */
export const addPartitionsToTxn: Message<AddPartitionsToTxnRequest, readonly AddedPartition[]> = {
  name: 'AddPartitionsToTxn',
  key: 24,
  minVersion: 3,
  maxVersion: 3,
  encode({ transactionalId, producerId, producerEpoch, topics }) {
    const writer = new ByteWriter(128)
    writer.compactString(transactionalId).bigint64(producerId).int16(producerEpoch)
    writer.compactArray(topics, (w, { topic, partitions }) => {
      w.compactString(topic)
      w.compactArray(partitions, (each, { partition }) => each.int32(partition)).noTaggedFields()
    })
    return [writer.noTaggedFields().finish()]
  },
  parse(reader) {
    const added: AddedPartition[] = []
    reader.int32()
    reader.compactArray(() => {
      const topic = reader.compactString()
      reader.compactArray(() => {
        const partition = reader.int32()
        added.push({ topic, partition, errorCode: reader.int16() })
        reader.taggedFields()
      })
      reader.taggedFields()
    })
    reader.taggedFields()
    reader.expectEnd('AddPartitionsToTxn')
    return added
  },
}
