/** One fake broker that leads every partition of one topic: its answers to Metadata and InitProducerId, and bodies for others. */
import { ByteWriter } from '../../src/foundation/wire/bytes.ts'
import { afterHandshake, type FakeBroker, type FakeRequest, fakeBroker, type Script } from './fake-broker.ts'

export const TOPIC = 't'
export const FIRST_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

export interface TopicState {
  id: string
  leader: number
  leaderEpoch: number
  errorCode: number
}

export interface FakeTopicCluster {
  readonly broker: FakeBroker
  readonly topic: TopicState
  /** Metadata requests answered so far. */
  readonly lookups: () => number
}

const METADATA = 3
const INIT_PRODUCER_ID = 22

/** @param rest answers Produce, Fetch and whatever else comes */
export async function fakeTopicCluster(
  partitions: number,
  rest: Script,
): Promise<FakeTopicCluster & AsyncDisposable> {
  const topic: TopicState = { id: FIRST_ID, leader: 1, leaderEpoch: 3, errorCode: 0 }
  let lookups = 0
  const broker = await fakeBroker(
    afterHandshake(request => {
      if (request.key === METADATA) {
        lookups++
        return metadataBody(broker.port, topic, partitions)
      }
      if (request.key === INIT_PRODUCER_ID) {
        return new ByteWriter().int32(0).int16(0).bigint64(7n).int16(0).noTaggedFields().finish()
      }
      return rest(request)
    }),
  )
  return { broker, topic, lookups: () => lookups, [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose]() }
}

function metadataBody(port: number, topic: TopicState, partitions: number): Buffer {
  const writer = new ByteWriter().int32(0)
  writer.compactArray([port], (w, each) => {
    w.int32(1).compactString('127.0.0.1').int32(each).compactNullableString(null).noTaggedFields()
  })
  writer.compactNullableString('cluster').int32(1)
  writer.compactArray([topic], (w, { id, errorCode, leader, leaderEpoch }) => {
    w.int16(errorCode).compactNullableString(TOPIC).uuid(id).boolean(false)
    w.compactArray(errorCode === 0 ? Array.from({ length: partitions }, (_, i) => i) : [], (each, index) => {
      each.int16(0).int32(index).int32(leader).int32(leaderEpoch)
      each.compactArray([1], int32).compactArray([1], int32).compactArray([], int32).noTaggedFields()
    })
    w.int32(0).noTaggedFields()
  })
  return writer.noTaggedFields().finish()
}

export interface SeenBatch {
  readonly partition: number
  readonly baseSequence: number
  readonly bytes: Buffer
}

/** The batches of a Produce request. */
export function batchesOf({ body }: FakeRequest): SeenBatch[] {
  const seen: SeenBatch[] = []
  body.compactNullableString()
  body.int16()
  body.int32()
  body.compactArray(() => {
    body.compactString()
    body.compactArray(() => {
      const partition = body.int32()
      const bytes = Buffer.from(body.compactBytes())
      body.taggedFields()
      seen.push({ partition, baseSequence: bytes.readInt32BE(53), bytes })
    })
    body.taggedFields()
  })
  return seen
}

export function producedBody(
  answers: readonly { partition: number; errorCode: number; baseOffset: number }[],
): Buffer {
  const writer = new ByteWriter()
  writer.compactArray([TOPIC], (w, name) => {
    w.compactString(name).compactArray(answers, (each, { partition, errorCode, baseOffset }) => {
      each.int32(partition).int16(errorCode).int64(baseOffset).int64(-1).int64(0)
      each
        .compactArray([], () => undefined)
        .compactNullableString(null)
        .noTaggedFields()
    })
    w.noTaggedFields()
  })
  return writer.int32(0).noTaggedFields().finish()
}

export interface FetchAsked {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly partitions: readonly {
    readonly partition: number
    readonly offset: number
    readonly lastEpoch: number
    readonly maxBytes: number
  }[]
}

/** A Fetch request of version 16. */
export function fetchAsked({ body }: FakeRequest): FetchAsked {
  body.skip(4 + 4 + 4 + 1)
  const sessionId = body.int32()
  const sessionEpoch = body.int32()
  const partitions: FetchAsked['partitions'][number][] = []
  body.compactArray(() => {
    body.uuid()
    body.compactArray(() => {
      const partition = body.int32()
      body.int32()
      const offset = body.int64()
      const lastEpoch = body.int32()
      body.skip(8)
      const maxBytes = body.int32()
      body.taggedFields()
      partitions.push({ partition, offset, lastEpoch, maxBytes })
    })
    body.taggedFields()
  })
  return { sessionId, sessionEpoch, partitions }
}

export interface FetchAnswer {
  readonly partition: number
  readonly errorCode?: number
  readonly highWatermark?: number
  readonly records?: Buffer
  readonly diverging?: { readonly epoch: number; readonly endOffset: number }
}

/** A Fetch response of version 16. */
export function fetchedBody(
  id: string,
  answers: readonly FetchAnswer[],
  errorCode = 0,
  sessionId = 9,
): Buffer {
  const writer = new ByteWriter().int32(0).int16(errorCode).int32(sessionId)
  writer.compactArray(answers.length === 0 ? [] : [id], (w, each) => {
    w.uuid(each).compactArray(answers, writeFetched).noTaggedFields()
  })
  return writer.noTaggedFields().finish()
}

function writeFetched(
  writer: ByteWriter,
  { partition, errorCode = 0, highWatermark = 0, records, diverging }: FetchAnswer,
): void {
  writer.int32(partition).int16(errorCode).int64(highWatermark).int64(highWatermark).int64(0)
  writer
    .compactNullableArray(null, () => undefined)
    .int32(-1)
    .compactNullableBytes(records ?? null)
  if (diverging === undefined) {
    writer.noTaggedFields()
    return
  }
  const field = new ByteWriter().int32(diverging.epoch).int64(diverging.endOffset).noTaggedFields().finish()
  writer.uvarint(1).uvarint(0).uvarint(field.length).raw(field)
}

function int32(writer: ByteWriter, value: number): void {
  writer.int32(value)
}
