import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface OffsetCommitRequest {
  readonly group: string
  /** '' and -1: of nobody in particular, which a group takes while it has no members. */
  readonly memberId: string
  readonly memberEpoch: number
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly offset: number }[]
  }[]
}

export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
}

const NO_LEADER_EPOCH = -1

export const offsetCommit: Message<OffsetCommitRequest, readonly CommittedOffset[]> = {
  name: 'OffsetCommit',
  key: 8,
  minVersion: 8,
  maxVersion: 9,
  encode({ group, memberId, memberEpoch, topics }) {
    const writer = new ByteWriter(256)
    writer.compactString(group).int32(memberEpoch).compactString(memberId).compactNullableString(null)
    writer.compactArray(topics, (w, { topic, partitions }) => {
      w.compactString(topic)
      w.compactArray(partitions, (each, { partition, offset }) => {
        each.int32(partition).int64(offset).int32(NO_LEADER_EPOCH).compactNullableString(null)
        each.noTaggedFields()
      })
      w.noTaggedFields()
    })
    return [writer.noTaggedFields().finish()]
  },
  parse(reader) {
    const committed: CommittedOffset[] = []
    reader.int32()
    reader.compactArray(() => {
      const topic = reader.compactString()
      reader.compactArray(() => {
        const partition = reader.int32()
        committed.push({ topic, partition, errorCode: reader.int16() })
        reader.taggedFields()
      })
      reader.taggedFields()
    })
    reader.taggedFields()
    reader.expectEnd('OffsetCommit')
    return committed
  },
}
