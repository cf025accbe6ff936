import { ByteWriter } from '../bytes.ts'
import type { ListedOffset } from '../contract.ts'
import type { Message } from './message.ts'

export const LATEST = -1
export const EARLIEST = -2

/** Asks as an ordinary client: only the leader answers. */
export const AS_CLIENT = -1
/** Asks as a debugging client: any replica answers, with its own log end, even when there is no leader. */
export const AS_DEBUGGER = -2

export interface ListOffsetsRequest {
  readonly replicaId: typeof AS_CLIENT | typeof AS_DEBUGGER
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly {
      readonly partition: number
      readonly currentLeaderEpoch: number
      readonly timestamp: number
    }[]
  }[]
}

export type ListOffsetsResponse = readonly (ListedOffset & { readonly errorCode: number })[]

export const listOffsets: Message<ListOffsetsRequest, ListOffsetsResponse> = {
  name: 'ListOffsets',
  key: 2,
  minVersion: 6,
  maxVersion: 7,
  encode({ replicaId, topics }) {
    const readUncommitted = 0
    const writer = new ByteWriter(256)
    writer.int32(replicaId).int8(readUncommitted)
    writer.compactArray(topics, (w, { topic, partitions }) => {
      w.compactString(topic)
      w.compactArray(partitions, (each, { partition, currentLeaderEpoch, timestamp }) => {
        each.int32(partition).int32(currentLeaderEpoch).int64(timestamp).noTaggedFields()
      })
      w.noTaggedFields()
    })
    return [writer.noTaggedFields().finish()]
  },
  parse(reader) {
    const listed: (ListedOffset & { readonly errorCode: number })[] = []
    reader.int32()
    reader.compactArray(() => {
      const topic = reader.compactString()
      reader.compactArray(() => {
        const partition = reader.int32()
        const errorCode = reader.int16()
        const timestamp = reader.int64()
        const offset = reader.int64()
        const leaderEpoch = reader.int32()
        reader.taggedFields()
        listed.push({ topic, partition, errorCode, timestamp, offset, leaderEpoch })
      })
      reader.taggedFields()
    })
    reader.taggedFields()
    reader.expectEnd('ListOffsets')
    return listed
  },
}
