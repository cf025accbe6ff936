import { type ByteReader, ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface ApiVersionsRequest {
  readonly clientName: string
  readonly clientVersion: string
}

export interface ApiRange {
  readonly key: number
  readonly min: number
  readonly max: number
}

export interface ApiVersionsResponse {
  readonly errorCode: number
  readonly apis: readonly ApiRange[]
}

/** What a broker speaks. Its response header stays v0 in every version, since the client cannot know the version yet (KIP-511). */
export const apiVersions: Message<ApiVersionsRequest, ApiVersionsResponse> = {
  name: 'ApiVersions',
  key: 18,
  minVersion: 3,
  maxVersion: 3,
  encode({ clientName, clientVersion }) {
    const writer = new ByteWriter(64)
    return [writer.compactString(clientName).compactString(clientVersion).noTaggedFields().finish()]
  },
  parse(reader) {
    const errorCode = reader.int16()
    // A broker that does not know version 3 answers UNSUPPORTED_VERSION in the form of version 0.
    if (errorCode !== 0) return { errorCode, apis: [] }
    const apis = reader.compactArray(parseRange)
    reader.int32()
    reader.taggedFields()
    reader.expectEnd('ApiVersions')
    return { errorCode, apis }
  },
}

function parseRange(reader: ByteReader): ApiRange {
  const range = { key: reader.int16(), min: reader.int16(), max: reader.int16() }
  reader.taggedFields()
  return range
}
