import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface OffsetForLeaderEpochRequest {
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly {
      readonly partition: number
      readonly currentLeaderEpoch: number
      readonly leaderEpoch: number
    }[]
  }[]
}

export interface EpochEnd {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** The largest epoch up to the one asked for, or -1. */
  readonly leaderEpoch: number
  /** One past that epoch's last offset, or -1. */
  readonly endOffset: number
}

const CONSUMER = -1

/** Where an epoch ends in the leader's log (KIP-320): below the reader's position, the log was truncated under it. */
export const offsetForLeaderEpoch: Message<OffsetForLeaderEpochRequest, readonly EpochEnd[]> = {
  name: 'OffsetForLeaderEpoch',
  key: 23,
  minVersion: 4,
  maxVersion: 4,
  encode({ topics }) {
    const writer = new ByteWriter(128)
    writer.int32(CONSUMER)
    writer.compactArray(topics, (w, { topic, partitions }) => {
      w.compactString(topic)
      w.compactArray(partitions, (each, { partition, currentLeaderEpoch, leaderEpoch }) => {
        each.int32(partition).int32(currentLeaderEpoch).int32(leaderEpoch).noTaggedFields()
      })
      w.noTaggedFields()
    })
    return [writer.noTaggedFields().finish()]
  },
  parse(reader) {
    const ends: EpochEnd[] = []
    reader.int32()
    reader.compactArray(() => {
      const topic = reader.compactString()
      reader.compactArray(() => {
        const errorCode = reader.int16()
        const partition = reader.int32()
        const leaderEpoch = reader.int32()
        const endOffset = reader.int64()
        reader.taggedFields()
        ends.push({ topic, partition, errorCode, leaderEpoch, endOffset })
      })
      reader.taggedFields()
    })
    reader.taggedFields()
    reader.expectEnd('OffsetForLeaderEpoch')
    return ends
  },
}
