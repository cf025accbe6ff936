import { type ByteReader, ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

/** The partitions of a topic, named by its id. */
export interface TopicIdPartitions {
  readonly topicId: string
  readonly partitions: readonly number[]
}

export interface ConsumerGroupHeartbeatRequest {
  readonly group: string
  /** Given by the member itself (KIP-1082). */
  readonly memberId: string
  /** 0 to join, -1 to leave. */
  readonly memberEpoch: number
  /** -1, and null below: as it was said before. */
  readonly rebalanceTimeoutMs: number
  readonly topics: readonly string[] | null
  readonly owned: readonly TopicIdPartitions[] | null
}

export interface ConsumerGroupHeartbeatResponse {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly memberEpoch: number
  readonly heartbeatIntervalMs: number
  /** What the member is to have now; null: as before. */
  readonly assignment: readonly TopicIdPartitions[] | null
}

const PRESENT = 1

/** Joins, stays in and leaves a group whose partitions the broker assigns (KIP-848). */
export const consumerGroupHeartbeat: Message<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse> =
  {
    name: 'ConsumerGroupHeartbeat',
    key: 68,
    minVersion: 0,
    maxVersion: 1,
    encode({ group, memberId, memberEpoch, rebalanceTimeoutMs, topics, owned }, version) {
      const writer = new ByteWriter(256)
      writer.compactString(group).compactString(memberId).int32(memberEpoch)
      writer.compactNullableString(null).compactNullableString(null).int32(rebalanceTimeoutMs)
      writer.compactNullableArray(topics, (w, topic) => w.compactString(topic))
      if (version >= 1) writer.compactNullableString(null)
      writer.compactNullableString(null)
      writer.compactNullableArray(owned, (w, { topicId, partitions }) => {
        w.uuid(topicId).compactArray(partitions, (each, partition) => each.int32(partition))
        w.noTaggedFields()
      })
      return [writer.noTaggedFields().finish()]
    },
    parse(reader) {
      reader.int32()
      const errorCode = reader.int16()
      const errorMessage = reader.compactNullableString()
      reader.compactNullableString()
      const memberEpoch = reader.int32()
      const heartbeatIntervalMs = reader.int32()
      const assignment = reader.int8() === PRESENT ? parseAssignment(reader) : null
      reader.taggedFields()
      reader.expectEnd('ConsumerGroupHeartbeat')
      return { errorCode, errorMessage, memberEpoch, heartbeatIntervalMs, assignment }
    },
  }

function parseAssignment(reader: ByteReader): TopicIdPartitions[] {
  const assigned = reader.compactArray(() => {
    const topicId = reader.uuid()
    const partitions = reader.compactArray(() => reader.int32())
    reader.taggedFields()
    return { topicId, partitions }
  })
  reader.taggedFields()
  return assigned
}
