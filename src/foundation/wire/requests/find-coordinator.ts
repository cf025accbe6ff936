import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'
import type { BrokerAddress } from './metadata.ts'

export interface FindCoordinatorResponse extends BrokerAddress {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export type FindCoordinatorRequest = { readonly group: string } | { readonly transactionalId: string }

const GROUP = 0
const TRANSACTION = 1

/** Who coordinates a group, or a transactional id. */
export const findCoordinator: Message<FindCoordinatorRequest, FindCoordinatorResponse> = {
  name: 'FindCoordinator',
  key: 10,
  minVersion: 3,
  maxVersion: 3,
  encode(of) {
    const [name, type] = 'group' in of ? [of.group, GROUP] : [of.transactionalId, TRANSACTION]
    return [new ByteWriter(64).compactString(name).int8(type).noTaggedFields().finish()]
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
