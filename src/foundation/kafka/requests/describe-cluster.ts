import { createAPI, type Reader, ResponseError, Writer } from '@platformatic/kafka'

/** DescribeCluster (60), version 2, which the library lacks: it also lists fenced brokers. KIP-700, KIP-1073. */

export interface DescribeClusterResponse {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly clusterId: string
  readonly controllerId: number
  readonly brokers: readonly {
    readonly brokerId: number
    readonly host: string
    readonly port: number
    readonly rack: string | null
    /** Absent in versions before 2. */
    readonly isFenced?: boolean
  }[]
}

function createRequest(withOperations: boolean, endpointType: number): Writer {
  return Writer.create()
    .appendBoolean(withOperations)
    .appendInt8(endpointType)
    .appendBoolean(true)
    .appendTaggedFields()
}

function parseResponse(
  _correlationId: number,
  apiKey: number,
  apiVersion: number,
  reader: Reader,
): DescribeClusterResponse {
  reader.readInt32() // throttle time, ms
  const errorCode = reader.readInt16()
  const errorMessage = reader.readNullableString()
  reader.readInt8() // endpoint type
  const response = {
    errorCode,
    errorMessage,
    clusterId: reader.readString(),
    controllerId: reader.readInt32(),
    brokers: reader.readArray(r => ({
      brokerId: r.readInt32(),
      host: r.readString(),
      port: r.readInt32(),
      rack: r.readNullableString(),
      isFenced: r.readBoolean(),
    })),
  }
  reader.readInt32() // authorized operations
  reader.readTaggedFields()
  if (errorCode !== 0)
    throw new ResponseError(apiKey, apiVersion, { '/': [errorCode, errorMessage] }, response)
  return response
}

export const describeClusterV2 = createAPI<[boolean, number], DescribeClusterResponse>(
  60,
  2,
  createRequest,
  parseResponse,
)
