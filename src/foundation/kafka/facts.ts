import {
  apiVersionsV3,
  apiVersionsV4,
  describeClusterV0,
  describeClusterV1,
  describeLogDirsV2,
  describeLogDirsV3,
  describeLogDirsV4,
  describeQuorumV0,
  describeQuorumV1,
  describeQuorumV2,
} from '@platformatic/kafka'
import type { Broker, CallOptions, Calls, Target } from './calls.ts'
import { codecs } from './connections.ts'
import { faultOf } from './errors.ts'
import { describeClusterV2 } from './requests/describe-cluster.ts'
import { kafkaUuid, safeNumber } from './values.ts'

export interface RegisteredBroker extends Broker {
  /** Registered, but the controller does not count it as up. Null: the cluster is too old to say (before 4.0). */
  readonly fenced: boolean | null
}

export interface ClusterFacts {
  /** As Kafka prints it. */
  readonly id: string
  readonly brokers: readonly RegisteredBroker[]
}

export interface QuorumReplica {
  readonly id: number
  /** Base64url; all zeros (`AAAAAAAAAAAAAAAAAAAAAA`) before kraft.version 1. */
  readonly directory: string
  readonly logEndOffset: number
  /** Behind the leader, records of the metadata log. */
  readonly lag: number
  /** When it last had everything, ms since the epoch; null: never, or not told. */
  readonly caughtUpAt: number | null
}

export interface Quorum {
  /** The active controller; null during an election. (Metadata's controllerId is another broker in KRaft.) */
  readonly leader: number | null
  readonly epoch: number
  readonly highWatermark: number
  readonly voters: readonly QuorumReplica[]
  readonly observers: readonly QuorumReplica[]
  /** Where voters listen; empty before 3.9. */
  readonly endpoints: readonly {
    readonly id: number
    readonly listener: string
    readonly host: string
    readonly port: number
  }[]
}

export interface LogDir {
  readonly path: string
  /** Kafka's name of what is wrong with it (`KAFKA_STORAGE_ERROR`: offline); null: nothing. */
  readonly error: string | null
  /** Of the volume; null where the broker does not tell (offline, or before 3.3). */
  readonly totalBytes: number | null
  readonly usableBytes: number | null
  readonly replicas: readonly {
    readonly topic: string
    readonly partition: number
    readonly bytes: number
    /** A copy on its way from another log dir of the broker. */
    readonly future: boolean
  }[]
}

/** A feature's level in the cluster, and what the broker asked could do (KIP-584). */
export interface Feature {
  readonly name: string
  /** Null: this broker does not know it. */
  readonly supported: { readonly min: number; readonly max: number } | null
  /** Null: not in force. */
  readonly finalized: number | null
}

export interface FactAdmin {
  describeCluster(options?: CallOptions): Promise<ClusterFacts>
  describeQuorum(options?: CallOptions): Promise<Quorum>
  /** Feature levels, `metadata.version` among them; `broker`: as that one has them, and what it could do. */
  describeFeatures(options?: CallOptions & { readonly broker?: number }): Promise<readonly Feature[]>
  /** @param options.replicas false: the dirs alone, which costs the same however many replicas they hold */
  describeLogDirs(
    broker: number,
    options?: CallOptions & { readonly replicas?: boolean },
  ): Promise<readonly LogDir[]>
}

const API_VERSIONS = codecs(apiVersionsV4.api, apiVersionsV3.api)
const DESCRIBE_CLUSTER = codecs(describeClusterV2, describeClusterV1.api, describeClusterV0.api)
const DESCRIBE_QUORUM = codecs(describeQuorumV2.api, describeQuorumV1.api, describeQuorumV0.api)
const DESCRIBE_LOG_DIRS = codecs(describeLogDirsV4.api, describeLogDirsV3.api, describeLogDirsV2.api)

const BROKER_ENDPOINTS = 1
const METADATA_LOG = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }]

export function factAdmin(calls: Calls): FactAdmin {
  return {
    async describeCluster(options) {
      const answer = await calls.ask(
        'describe the cluster',
        { to: 'any' },
        DESCRIBE_CLUSTER,
        [false, BROKER_ENDPOINTS],
        options,
        each => faultOf(each.errorCode, each.errorMessage),
      )
      const brokers = answer.brokers.map(each => ({
        id: each.brokerId,
        host: each.host,
        port: each.port,
        rack: each.rack ?? null,
        fenced: each.isFenced ?? null,
      }))
      return { id: answer.clusterId, brokers: brokers.sort((a, b) => a.id - b.id) }
    },

    async describeQuorum(options) {
      const answer = await calls.ask(
        'describe the quorum',
        { to: 'controller' },
        DESCRIBE_QUORUM,
        [METADATA_LOG],
        options,
        each => {
          const inner = each.topics[0]?.partitions[0]
          return (
            faultOf(each.errorCode, each.errorMessage) ?? faultOf(inner?.errorCode ?? -1, inner?.errorMessage)
          )
        },
      )
      const partition = answer.topics[0]!.partitions[0]!
      const end = Math.max(...partition.currentVoters.map(voter => safeNumber(voter.logEndOffset)), 0)
      const replica = (each: (typeof partition.currentVoters)[number]): QuorumReplica => ({
        id: each.replicaId,
        directory: kafkaUuid(each.replicaDirectoryId ?? NO_UUID),
        logEndOffset: safeNumber(each.logEndOffset),
        lag: Math.max(0, end - safeNumber(each.logEndOffset)),
        caughtUpAt:
          each.lastCaughtUpTimestamp === undefined || each.lastCaughtUpTimestamp < 0n
            ? null
            : safeNumber(each.lastCaughtUpTimestamp),
      })
      return {
        leader: partition.leaderId < 0 ? null : partition.leaderId,
        epoch: partition.leaderEpoch,
        highWatermark: safeNumber(partition.highWatermark),
        voters: partition.currentVoters.map(replica).sort((a, b) => a.id - b.id),
        observers: partition.observers.map(replica).sort((a, b) => a.id - b.id),
        endpoints: (answer.nodes ?? []).flatMap(node =>
          node.listeners.map(({ name, host, port }) => ({ id: node.nodeId, listener: name, host, port })),
        ),
      }
    },

    async describeFeatures(options) {
      const target: Target =
        options?.broker === undefined ? { to: 'any' } : { to: 'broker', id: options.broker }
      const answer = await calls.ask('describe features', target, API_VERSIONS, ['ajna', '1'], options)
      const finalized = new Map(
        (answer.finalizedFeatures ?? []).map(each => [each.name, each.maxVersionLevel]),
      )
      const supported = new Map((answer.supportedFeatures ?? []).map(each => [each.name, each]))
      return [...new Set([...finalized.keys(), ...supported.keys()])].sort().map(name => {
        const range = supported.get(name)
        return {
          name,
          supported: range === undefined ? null : { min: range.minVersion, max: range.maxVersion },
          finalized: finalized.get(name) ?? null,
        }
      })
    },

    async describeLogDirs(broker, options) {
      const what = `describe the log dirs of broker ${broker}`
      const answer = await calls.ask(
        what,
        { to: 'broker', id: broker },
        DESCRIBE_LOG_DIRS,
        [options?.replicas === false ? [] : null],
        options,
        each => faultOf(each.errorCode ?? 0, ''),
      )
      return answer.results.map(dir => ({
        path: dir.logDir,
        error: faultOf(dir.errorCode, '')?.name ?? null,
        totalBytes: bytesOf(dir.totalBytes),
        usableBytes: bytesOf(dir.usableBytes),
        replicas: dir.topics.flatMap(topic =>
          topic.partitions.map(each => ({
            topic: topic.name,
            partition: each.partitionIndex,
            bytes: safeNumber(each.partitionSize),
            future: each.isFutureKey,
          })),
        ),
      }))
    },
  }
}

const NO_UUID = '00000000-0000-0000-0000-000000000000'

const bytesOf = (bytes: bigint | undefined): number | null =>
  bytes === undefined || bytes < 0n ? null : safeNumber(bytes)
