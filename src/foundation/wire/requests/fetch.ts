import { type ByteReader, ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'

/** From this version on, topics are named by id alone (KIP-516). */
export const FETCH_BY_TOPIC_ID = 13
/** From this version on, a consumer says nothing about being a replica (KIP-903). */
const FETCH_WITHOUT_REPLICA_ID = 15

export interface FetchPartition {
  readonly partition: number
  /** -1 when unknown. Fences requests to a deposed leader (KIP-320). */
  readonly currentLeaderEpoch: number
  readonly offset: number
  /** Epoch of the last record read, or -1. Lets the leader notice that the reader's log diverged from its own (KIP-595). */
  readonly lastFetchedEpoch: number
  readonly maxBytes: number
}

export interface FetchRequest {
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly readCommitted: boolean
  /** KIP-227: 0 and 0 open a session; 0 and -1 fetch outside of one. */
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly topics: readonly {
    readonly topic: string
    readonly id: string
    readonly partitions: readonly FetchPartition[]
  }[]
  readonly forgotten: readonly {
    readonly topic: string
    readonly id: string
    readonly partitions: readonly number[]
  }[]
}

export interface FetchedPartition {
  /** The topic's id from version 13 on, before that its name. */
  readonly topicKey: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  /** Set when the leader's log diverged from what was read: the end offset it knows for its largest epoch up to ours. */
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | undefined
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[]
  /** Record batches, the last one possibly cut short: a view into the response. */
  readonly records: Buffer
}

export interface FetchResponse {
  readonly errorCode: number
  readonly sessionId: number
  readonly partitions: readonly FetchedPartition[]
  /** The memory in which all records lie. */
  readonly frame: Buffer
}

const EMPTY = Buffer.alloc(0)
const DIVERGING_EPOCH_TAG = 0
const CONSUMER = -1

export const fetch: Message<FetchRequest, FetchResponse> = {
  name: 'Fetch',
  key: 1,
  minVersion: 12,
  maxVersion: 16,
  encode(request, version) {
    const byId = version >= FETCH_BY_TOPIC_ID
    const writer = new ByteWriter(128 + 64 * request.topics.length)
    if (version < FETCH_WITHOUT_REPLICA_ID) writer.int32(CONSUMER)
    writer.int32(request.maxWaitMs).int32(request.minBytes).int32(request.maxBytes)
    writer.int8(request.readCommitted ? 1 : 0)
    writer.int32(request.sessionId).int32(request.sessionEpoch)
    writer.compactArray(request.topics, (w, { topic, id, partitions }) => {
      writeTopic(w, byId, topic, id)
      w.compactArray(partitions, writePartition).noTaggedFields()
    })
    writer.compactArray(request.forgotten, (w, { topic, id, partitions }) => {
      writeTopic(w, byId, topic, id)
      w.compactArray(partitions, (each, partition) => each.int32(partition)).noTaggedFields()
    })
    const rack = ''
    return [writer.compactString(rack).noTaggedFields().finish()]
  },
  parse(reader, version, throttled) {
    const throttledMs = reader.int32()
    const errorCode = reader.int16()
    const sessionId = reader.int32()
    const partitions: FetchedPartition[] = []
    reader.compactArray(() => {
      const topicKey = version >= FETCH_BY_TOPIC_ID ? reader.uuid() : reader.compactString()
      reader.compactArray(() => partitions.push(parsePartition(reader, topicKey)))
      reader.taggedFields()
    })
    reader.taggedFields()
    reader.expectEnd('Fetch')
    throttled?.(throttledMs)
    return { errorCode, sessionId, partitions, frame: reader.buffer }
  },
}

function writeTopic(writer: ByteWriter, byId: boolean, topic: string, id: string): void {
  if (byId) writer.uuid(id)
  else writer.compactString(topic)
}

function writePartition(writer: ByteWriter, partition: FetchPartition): void {
  const followersLogStart = -1
  writer.int32(partition.partition).int32(partition.currentLeaderEpoch).int64(partition.offset)
  writer.int32(partition.lastFetchedEpoch).int64(followersLogStart).int32(partition.maxBytes).noTaggedFields()
}

function parsePartition(reader: ByteReader, topicKey: string): FetchedPartition {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  const lastStableOffset = reader.int64()
  const logStartOffset = reader.int64()
  const aborted = reader.compactNullableArray(parseAborted) ?? []
  reader.int32()
  const records = reader.compactNullableBytes() ?? EMPTY
  let diverging: FetchedPartition['diverging']
  reader.taggedFields((tag, field) => {
    if (tag === DIVERGING_EPOCH_TAG) diverging = { epoch: field.int32(), endOffset: field.int64() }
  })
  return {
    topicKey,
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    diverging,
    aborted,
    records,
  }
}

function parseAborted(reader: ByteReader): FetchedPartition['aborted'][number] {
  const aborted = { producerId: reader.bigint64(), firstOffset: reader.int64() }
  reader.taggedFields()
  return aborted
}
