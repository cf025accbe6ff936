import { ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

export interface TxnMarker {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly commit: boolean
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
}

export interface WrittenMarker {
  readonly producerId: bigint
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
}

/** Each marker appends one control record to each of its partitions. Markers are not guarded by sequences. */
export const writeTxnMarkers: Message<{ readonly markers: readonly TxnMarker[] }, readonly WrittenMarker[]> =
  {
    name: 'WriteTxnMarkers',
    key: 27,
    minVersion: 1,
    maxVersion: 1,
    encode({ markers }) {
      const writer = new ByteWriter(64 + 64 * markers.length)
      writer.compactArray(markers, (w, marker) => {
        w.bigint64(marker.producerId).int16(marker.producerEpoch).boolean(marker.commit)
        w.compactArray(marker.topics, (each, { topic, partitions }) => {
          each.compactString(topic).compactArray(partitions, (inner, partition) => inner.int32(partition))
          each.noTaggedFields()
        })
        w.int32(marker.coordinatorEpoch).noTaggedFields()
      })
      return [writer.noTaggedFields().finish()]
    },
    parse(reader) {
      const written: WrittenMarker[] = []
      reader.compactArray(() => {
        const producerId = reader.bigint64()
        reader.compactArray(() => {
          const topic = reader.compactString()
          reader.compactArray(() => {
            written.push({ producerId, topic, partition: reader.int32(), errorCode: reader.int16() })
            reader.taggedFields()
          })
          reader.taggedFields()
        })
        reader.taggedFields()
      })
      reader.taggedFields()
      reader.expectEnd('WriteTxnMarkers')
      return written
    },
  }
