import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'
import type { BrokerAddress } from './metadata.ts'

export interface FindCoordinatorResponse extends BrokerAddress {
  readonly errorCode: number
  readonly errorMessage: string | null
}

const TRANSACTION = 1

/** The coordinator of a transactional id. */
export const findCoordinator: Message<{ readonly transactionalId: string }, FindCoordinatorResponse> = {
  name: 'FindCoordinator',
  key: 10,
  minVersion: 3,
  maxVersion: 3,
  encode({ transactionalId }) {
    return [new ByteWriter(64).compactString(transactionalId).int8(TRANSACTION).noTaggedFields().finish()]
  },
  parse(reader) {
    reader.int32()
    const response = {
      errorCode: reader.int16(),
      errorMessage: reader.compactNullableString(),
      nodeId: reader.int32(),
      host: reader.compactString(),
      port: reader.int32(),
    }
    reader.taggedFields()
    reader.expectEnd('FindCoordinator')
    return response
  },
}
