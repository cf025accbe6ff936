import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface InitProducerIdRequest {
  /** null: a fresh producer id of no transactional id. */
  readonly transactionalId: string | null
  readonly transactionTimeoutMs: number
}

export interface InitProducerIdResponse {
  readonly errorCode: number
  readonly producerId: bigint
  readonly producerEpoch: number
}

const UNKNOWN_ID = -1n
const UNKNOWN_EPOCH = -1

/** Always asks without naming an id and epoch of its own (-1, -1), which raises the epoch and so fences the older holder (KIP-360). */
export const initProducerId: Message<InitProducerIdRequest, InitProducerIdResponse> = {
  name: 'InitProducerId',
  key: 22,
  minVersion: 3,
  maxVersion: 4,
  encode({ transactionalId, transactionTimeoutMs }) {
    const writer = new ByteWriter(64)
    writer.compactNullableString(transactionalId).int32(transactionTimeoutMs)
    return [writer.bigint64(UNKNOWN_ID).int16(UNKNOWN_EPOCH).noTaggedFields().finish()]
  },
  parse(reader) {
    reader.int32()
    const response = {
      errorCode: reader.int16(),
      producerId: reader.bigint64(),
      producerEpoch: reader.int16(),
    }
    reader.taggedFields()
    reader.expectEnd('InitProducerId')
    return response
  },
}
