import { type ByteReader, ByteWriter } from '../bytes.ts'
import type { PartitionMetadata } from '../contract.ts'
import type { Message } from './message.ts'

const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA'

export interface MetadataRequest {
  /** null asks for every topic; an empty list for none. */
  readonly topics: readonly string[] | null
}

export interface BrokerAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

export interface MetadataTopic {
  readonly errorCode: number
  readonly name: string
  readonly id: string
  readonly partitions: readonly (PartitionMetadata & { readonly errorCode: number })[]
}

export interface MetadataResponse {
  readonly brokers: readonly BrokerAddress[]
  readonly topics: readonly MetadataTopic[]
}

/** Topics are never created by asking for them. */
export const metadata: Message<MetadataRequest, MetadataResponse> = {
  name: 'Metadata',
  key: 3,
  minVersion: 11,
  maxVersion: 12,
  encode({ topics }) {
    const writer = new ByteWriter(128)
    writer.compactNullableArray(topics, (w, name) => {
      w.uuid(NO_ID).compactNullableString(name).noTaggedFields()
    })
    const allowAutoTopicCreation = false
    const includeAuthorizedOperations = false
    return [
      writer.boolean(allowAutoTopicCreation).boolean(includeAuthorizedOperations).noTaggedFields().finish(),
    ]
  },
  parse(reader) {
    reader.int32()
    const brokers = reader.compactArray(parseBroker)
    reader.compactNullableString()
    reader.int32()
    const topics = reader.compactArray(parseTopic)
    reader.taggedFields()
    reader.expectEnd('Metadata')
    return { brokers, topics }
  },
}

function parseBroker(reader: ByteReader): BrokerAddress {
  const broker = { nodeId: reader.int32(), host: reader.compactString(), port: reader.int32() }
  reader.compactNullableString()
  reader.taggedFields()
  return broker
}

function parseTopic(reader: ByteReader): MetadataTopic {
  const errorCode = reader.int16()
  const name = reader.compactNullableString() ?? ''
  const id = reader.uuid()
  reader.boolean()
  const partitions = reader.compactArray(parsePartition)
  reader.int32()
  reader.taggedFields()
  return { errorCode, name, id, partitions }
}

function parsePartition(reader: ByteReader): MetadataTopic['partitions'][number] {
  const partition = {
    errorCode: reader.int16(),
    partition: reader.int32(),
    leader: reader.int32(),
    leaderEpoch: reader.int32(),
    replicas: reader.compactArray(int32),
    isr: reader.compactArray(int32),
  }
  reader.compactArray(int32)
  reader.taggedFields()
  return partition
}

function int32(reader: ByteReader): number {
  return reader.int32()
}
