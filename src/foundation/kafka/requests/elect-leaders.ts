import { createAPI, type Reader, ResponseError, Writer } from '@platformatic/kafka'

/** ElectLeaders (43), version 2, which the library lacks. KIP-460, KIP-482. */

export interface ElectLeadersTopic {
  readonly topic: string
  readonly partitions: readonly number[]
}

export interface ElectLeadersResponse {
  readonly errorCode: number
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly {
      readonly partition: number
      readonly errorCode: number
      readonly errorMessage: string | null
    }[]
  }[]
}

function createRequest(
  electionType: number,
  topics: readonly ElectLeadersTopic[],
  timeoutMs: number,
): Writer {
  return Writer.create()
    .appendInt8(electionType)
    .appendArray([...topics], (writer, { topic, partitions }) => {
      writer
        .appendString(topic)
        .appendArray([...partitions], (w, partition) => w.appendInt32(partition), true, false)
    })
    .appendInt32(timeoutMs)
    .appendTaggedFields()
}

function parseResponse(
  _correlationId: number,
  apiKey: number,
  apiVersion: number,
  reader: Reader,
): ElectLeadersResponse {
  reader.readInt32() // throttle time, ms
  const errorCode = reader.readInt16()
  const topics = reader.readArray(r => ({
    topic: r.readString(),
    partitions: r.readArray(p => ({
      partition: p.readInt32(),
      errorCode: p.readInt16(),
      errorMessage: p.readNullableString(),
    })),
  }))
  reader.readTaggedFields()
  const response = { errorCode, topics }
  if (errorCode !== 0) throw new ResponseError(apiKey, apiVersion, { '/': [errorCode, null] }, response)
  return response
}

export const electLeadersV2 = createAPI<[number, readonly ElectLeadersTopic[], number], ElectLeadersResponse>(
  43,
  2,
  createRequest,
  parseResponse,
)
