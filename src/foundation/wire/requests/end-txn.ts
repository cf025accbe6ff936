import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface EndTxnRequest {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly commit: boolean
}

/** Up to version 3: from 5 on a transaction's end raises the producer's epoch (KIP-890), which its batches then must carry. */
export const endTxn: Message<EndTxnRequest, { readonly errorCode: number }> = {
  name: 'EndTxn',
  key: 26,
  minVersion: 3,
  maxVersion: 3,
  encode({ transactionalId, producerId, producerEpoch, commit }) {
    const writer = new ByteWriter(64)
    writer.compactString(transactionalId).bigint64(producerId).int16(producerEpoch).boolean(commit)
    return [writer.noTaggedFields().finish()]
  },
  parse(reader) {
    reader.int32()
    const errorCode = reader.int16()
    reader.taggedFields()
    reader.expectEnd('EndTxn')
    return { errorCode }
  },
}
