import { createAPI, type Reader, Writer } from '@platformatic/kafka'

/**
 * Fetch (1), version 12, of one partition: the library's own decodes the records, and so hides what is wrong with them. From
 * version 11 on a broker serves a consumer what it has as a follower, too (KIP-392). KIP-482.
 */

export interface ReplicaRead {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** One batch comes whole, however large it is. */
  readonly maxBytes: number
}

export interface ReplicaReadResponse {
  readonly errorCode: number
  /** Of the partition; its records as they are served, the last batch possibly cut short. */
  readonly partition: { readonly errorCode: number; readonly records: Buffer } | undefined
}

const CONSUMER = -1
const READ_UNCOMMITTED = 0
const OUTSIDE_OF_A_SESSION = [0, -1] as const
const UNKNOWN_EPOCH = -1
const ANY_RACK = ''

function createRequest({ topic, partition, offset, maxBytes }: ReplicaRead): Writer {
  const [waitMs, minBytes] = [0, 0]
  const [sessionId, sessionEpoch] = OUTSIDE_OF_A_SESSION
  return Writer.create()
    .appendInt32(CONSUMER)
    .appendInt32(waitMs)
    .appendInt32(minBytes)
    .appendInt32(maxBytes)
    .appendInt8(READ_UNCOMMITTED)
    .appendInt32(sessionId)
    .appendInt32(sessionEpoch)
    .appendArray([topic], (writer, name) => {
      writer.appendString(name).appendArray([partition], (w, index) => {
        w.appendInt32(index)
          .appendInt32(UNKNOWN_EPOCH)
          .appendInt64(BigInt(offset))
          .appendInt32(UNKNOWN_EPOCH)
          .appendInt64(-1n)
          .appendInt32(maxBytes)
      })
    })
    .appendArray([], () => {})
    .appendString(ANY_RACK)
    .appendTaggedFields()
}

function parseResponse(
  _correlationId: number,
  _apiKey: number,
  _apiVersion: number,
  reader: Reader,
): ReplicaReadResponse {
  reader.readInt32() // throttle time, ms
  const errorCode = reader.readInt16()
  reader.readInt32() // session
  const topics = reader.readArray(topic => {
    topic.readString()
    return topic.readArray(each => {
      each.readInt32() // partition
      const itsErrorCode = each.readInt16()
      each.readInt64() // high watermark
      each.readInt64() // last stable offset
      each.readInt64() // log start offset
      each.readNullableArray(aborted => [aborted.readInt64(), aborted.readInt64()])
      each.readInt32() // preferred read replica
      return { errorCode: itsErrorCode, records: Buffer.from(each.readBytes()) }
    })
  })
  reader.readTaggedFields()
  return { errorCode, partition: topics[0]?.[0] }
}

/** Errors are in the response, and not thrown: a broker that finds its own log damaged says so by one. */
export const readReplicaV12 = createAPI<[ReplicaRead], ReplicaReadResponse>(
  1,
  12,
  createRequest,
  parseResponse,
)
