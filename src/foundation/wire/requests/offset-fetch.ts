import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface OffsetFetchRequest {
  readonly group: string
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number }[]
  }[]
}

export interface FetchedOffset {
  readonly topic: string
  readonly partition: number
  /** -1: none was committed. */
  readonly offset: number
  readonly errorCode: number
}

export interface OffsetFetchResponse {
  readonly errorCode: number
  readonly offsets: readonly FetchedOffset[]
}

const NO_EPOCH = -1

/** What one group has committed; offsets of open transactions are waited for (RequireStable). */
export const offsetFetch: Message<OffsetFetchRequest, OffsetFetchResponse> = {
  name: 'OffsetFetch',
  key: 9,
  minVersion: 8,
  maxVersion: 9,
  encode({ group, topics }, version) {
    const writer = new ByteWriter(256)
    writer.compactArray([group], (w, name) => {
      w.compactString(name)
      if (version >= 9) w.compactNullableString(null).int32(NO_EPOCH)
      w.compactNullableArray(topics, (each, { topic, partitions }) => {
        each.compactString(topic)
        each.compactArray(partitions, (one, { partition }) => one.int32(partition)).noTaggedFields()
      })
      w.noTaggedFields()
    })
    return [writer.boolean(true).noTaggedFields().finish()]
  },
  parse(reader) {
    const offsets: FetchedOffset[] = []
    let errorCode = 0
    reader.int32()
    reader.compactArray(() => {
      reader.compactString()
      reader.compactArray(() => {
        const topic = reader.compactString()
        reader.compactArray(() => {
          const partition = reader.int32()
          const offset = reader.int64()
          reader.int32()
          reader.compactNullableString()
          offsets.push({ topic, partition, offset, errorCode: reader.int16() })
          reader.taggedFields()
        })
        reader.taggedFields()
      })
      errorCode ||= reader.int16()
      reader.taggedFields()
    })
    reader.taggedFields()
    reader.expectEnd('OffsetFetch')
    return { errorCode, offsets }
  },
}
