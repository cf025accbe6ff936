import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface DeleteRecordsRequest {
  readonly timeoutMs: number
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly before: number }[]
  }[]
}

export interface DeletedRecords {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly logStartOffset: number
}

/** `before` -1 means the high watermark. */
export const deleteRecords: Message<DeleteRecordsRequest, readonly DeletedRecords[]> = {
  name: 'DeleteRecords',
  key: 21,
  minVersion: 2,
  maxVersion: 2,
  encode({ timeoutMs, topics }) {
    const writer = new ByteWriter(256)
    writer.compactArray(topics, (w, { topic, partitions }) => {
      w.compactString(topic)
      w.compactArray(partitions, (each, { partition, before }) => {
        each.int32(partition).int64(before).noTaggedFields()
      })
      w.noTaggedFields()
    })
    return [writer.int32(timeoutMs).noTaggedFields().finish()]
  },
  parse(reader) {
    const deleted: DeletedRecords[] = []
    reader.int32()
    reader.compactArray(() => {
      const topic = reader.compactString()
      reader.compactArray(() => {
        const partition = reader.int32()
        const logStartOffset = reader.int64()
        const errorCode = reader.int16()
        reader.taggedFields()
        deleted.push({ topic, partition, errorCode, logStartOffset })
      })
      reader.taggedFields()
    })
    reader.taggedFields()
    reader.expectEnd('DeleteRecords')
    return deleted
  },
}
