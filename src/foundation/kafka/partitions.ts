import {
  alterPartitionReassignmentsV0,
  alterPartitionReassignmentsV1,
  listOffsetsV6,
  listOffsetsV7,
  listPartitionReassignmentsV0,
} from '@platformatic/kafka'
import type { AjnaError } from '../errors/errors.ts'
import type { OffsetAt } from '../wire/contract.ts'
import type { CallOptions, Calls, ItemOutcome, Once } from './calls.ts'
import { codecs } from './connections.ts'
import { type ApiFault, faultOf } from './errors.ts'
import { electLeadersV2 } from './requests/elect-leaders.ts'
import { type ReplicaRead, readReplicaV12 } from './requests/read-replica.ts'
import { METADATA, topicStates } from './topics.ts'
import { grouped, safeNumber } from './values.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface OffsetQuery extends TopicPartition {
  readonly at: OffsetAt
}

export interface FoundOffset extends OffsetQuery {
  /** −1: no record at or after the timestamp asked for. Null when it failed. */
  readonly offset: number | null
  readonly error: AjnaError | null
}

export interface Reassignment extends TopicPartition {
  /** In order of preference. Null cancels what is under way, and does not restore an order changed meanwhile. */
  readonly replicas: readonly number[] | null
}

export interface ReassignmentUnderWay extends TopicPartition {
  readonly replicas: readonly number[]
  readonly adding: readonly number[]
  readonly removing: readonly number[]
}

export interface PartitionAdmin {
  /**
   * Asks each partition's leader. `latest` is the high watermark; reading committed, the last stable offset: where the first
   * transaction that is still open begins.
   */
  listOffsets(
    queries: readonly OffsetQuery[],
    options?: CallOptions & { readonly isolation?: 'read_uncommitted' | 'read_committed' },
  ): Promise<readonly FoundOffset[]>
  /**
   * Each replica's log end by the word of its broker, also of one that is no leader (it is asked as a debugger asks, KIP-79);
   * those that it does not tell are left out.
   */
  listReplicaEnds(
    broker: number,
    partitions: readonly TopicPartition[],
    options?: CallOptions,
  ): Promise<readonly (TopicPartition & { readonly end: number })[]>
  /**
   * What a broker serves of its replica, leader or follower, up to its high watermark: batches as they lie there, the last one
   * possibly cut short; their checksums are for the caller to compare. `error`: Kafka's name of why it serves none.
   */
  readReplica(
    broker: number,
    read: ReplicaRead,
    options?: CallOptions,
  ): Promise<{ readonly error: string | null; readonly records: Buffer }>
  /**
   * `unclean` makes the first live replica in the partition's order leader even if it is behind, and so may discard
   * acknowledged records: only with proof that it does not. A partition whose leader is as wanted already is done.
   */
  electLeaders(
    kind: 'preferred' | 'unclean',
    partitions: readonly TopicPartition[],
    options?: CallOptions,
  ): Promise<readonly ItemOutcome<TopicPartition>[]>
  /** Starts moving replicas; `listReassignments` says when that is over. */
  reassign(
    moves: readonly Reassignment[],
    options?: CallOptions,
  ): Promise<readonly ItemOutcome<Reassignment>[]>
  listReassignments(options?: CallOptions): Promise<readonly ReassignmentUnderWay[]>
}

const LIST_OFFSETS = codecs(listOffsetsV7.api, listOffsetsV6.api)
const READ_REPLICA = codecs(readReplicaV12)
const ELECT_LEADERS = codecs(electLeadersV2)
const REASSIGN = codecs(alterPartitionReassignmentsV1.api, alterPartitionReassignmentsV0.api)
const LIST_REASSIGNMENTS = codecs(listPartitionReassignmentsV0.api)

const CONTROLLER_MS = 3000
const electionTypes = { preferred: 0, unclean: 1 } as const
const ELECTION_NOT_NEEDED = 84
const LEADER_NOT_AVAILABLE = 5
/** A client, not a replica; and no epoch of the leader known. */
const CONSUMER = -1
const DEBUGGER = -2
const READ_UNCOMMITTED = 0
const READ_COMMITTED = 1

const timestampOf = (at: OffsetAt): bigint =>
  at === 'latest' ? -1n : at === 'earliest' ? -2n : BigInt(at.timestamp)
const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`

export function partitionAdmin(calls: Calls): PartitionAdmin {
  return {
    async listOffsets(queries, options = {}) {
      const offsets = new Map<OffsetQuery, number>()
      const isolation = options.isolation === 'read_committed' ? READ_COMMITTED : READ_UNCOMMITTED
      const outcomes = await calls.each(
        each => `offset of ${keyOf(each)}`,
        queries,
        options,
        async (pending, once) => {
          const leaders = await leadersOf(once, pending)
          const faults = new Map<OffsetQuery, ApiFault | undefined>()
          const askLeader = async (
            leader: number | undefined,
            asked: readonly OffsetQuery[],
          ): Promise<void> => {
            if (leader === undefined) {
              for (const query of asked) faults.set(query, faultOf(LEADER_NOT_AVAILABLE, ''))
              return
            }
            // One query per partition and request: a partition named twice is refused.
            for (const batch of distinctPartitions(asked)) {
              const answer = await once({ to: 'broker', id: leader }, LIST_OFFSETS, [
                CONSUMER,
                isolation,
                encodeQueries(batch),
              ])
              const found = new Map(
                answer.topics.flatMap(topic =>
                  topic.partitions.map(
                    each => [keyOf({ topic: topic.name, partition: each.partitionIndex }), each] as const,
                  ),
                ),
              )
              for (const query of batch) {
                const each = found.get(keyOf(query))
                faults.set(
                  query,
                  each === undefined ? faultOf(-1, 'not in the answer') : faultOf(each.errorCode, ''),
                )
                if (each?.errorCode === 0) offsets.set(query, safeNumber(each.offset))
              }
            }
          }
          const byLeader = grouped(pending, query => leaders.get(keyOf(query)))
          // A leader that does not answer must not take the others' answers with it.
          const settled = await Promise.allSettled(
            [...byLeader].map(([leader, asked]) => askLeader(leader, asked)),
          )
          const failed = settled.find(each => each.status === 'rejected')
          if (failed !== undefined && faults.size === 0) throw failed.reason
          return query =>
            faults.has(query)
              ? faults.get(query)
              : faultOf(LEADER_NOT_AVAILABLE, 'the leader does not answer')
        },
      )
      return outcomes.map(({ item, error }) => ({
        ...item,
        offset: error === null ? offsets.get(item)! : null,
        error,
      }))
    },

    async listReplicaEnds(broker, partitions, options) {
      const queries = partitions.map(each => ({ ...each, at: 'latest' as const }))
      const answer = await calls.ask(
        `log ends of broker ${broker}`,
        { to: 'broker', id: broker },
        LIST_OFFSETS,
        [DEBUGGER, READ_UNCOMMITTED, encodeQueries(queries)],
        options,
      )
      return answer.topics.flatMap(({ name: topic, partitions: found }) =>
        found
          .filter(({ errorCode, offset }) => errorCode === 0 && offset >= 0n)
          .map(({ partitionIndex, offset }) => ({
            topic,
            partition: partitionIndex,
            end: safeNumber(offset),
          })),
      )
    },

    async readReplica(broker, read, options) {
      const { errorCode, partition } = await calls.ask(
        `what broker ${broker} has of ${keyOf(read)}`,
        { to: 'broker', id: broker },
        READ_REPLICA,
        [read],
        options,
      )
      const fault = faultOf(errorCode === 0 ? (partition?.errorCode ?? -1) : errorCode, '')
      return { error: fault?.name ?? null, records: partition?.records ?? Buffer.alloc(0) }
    },

    electLeaders: (kind, partitions, options = {}) =>
      calls.each(
        each => `elect a leader of ${keyOf(each)}`,
        partitions,
        options,
        async (pending, once) => {
          const asked = [...grouped(pending, each => each.topic)].map(([topic, each]) => ({
            topic,
            partitions: each.map(({ partition }) => partition),
          }))
          const answer = await once({ to: 'controller' }, ELECT_LEADERS, [
            electionTypes[kind],
            asked,
            CONTROLLER_MS,
          ])
          const whole = faultOf(answer.errorCode, '')
          const found = new Map(
            answer.topics.flatMap(({ topic, partitions: results }) =>
              results.map(each => [keyOf({ topic, ...each }), each] as const),
            ),
          )
          return each => {
            const result = found.get(keyOf(each))
            if (whole !== undefined || result === undefined) return whole ?? faultOf(-1, 'not in the answer')
            return result.errorCode === ELECTION_NOT_NEEDED
              ? undefined
              : faultOf(result.errorCode, result.errorMessage)
          }
        },
      ),

    reassign: (moves, options = {}) =>
      calls.each(
        move => `reassign ${keyOf(move)}`,
        moves,
        options,
        async (pending, once) => {
          const asked = [...grouped(pending, move => move.topic)].map(([name, each]) => ({
            name,
            partitions: each.map(({ partition, replicas }) => ({
              partitionIndex: partition,
              replicas: replicas === null ? null : [...replicas],
            })),
          }))
          const answer = await once({ to: 'controller' }, REASSIGN, [CONTROLLER_MS, true, asked])
          const whole = faultOf(answer.errorCode, answer.errorMessage)
          const found = new Map(
            answer.responses.flatMap(topic =>
              topic.partitions.map(
                each => [keyOf({ topic: topic.name, partition: each.partitionIndex }), each] as const,
              ),
            ),
          )
          return move => {
            const result = found.get(keyOf(move))
            if (whole !== undefined || result === undefined) return whole ?? faultOf(-1, 'not in the answer')
            return faultOf(result.errorCode, result.errorMessage)
          }
        },
      ),

    async listReassignments(options) {
      const answer = await calls.ask(
        'list reassignments',
        { to: 'controller' },
        LIST_REASSIGNMENTS,
        [CONTROLLER_MS, null],
        options,
        each => faultOf(each.errorCode, each.errorMessage),
      )
      return answer.topics.flatMap(topic =>
        topic.partitions.map(each => ({
          topic: topic.name,
          partition: each.partitionIndex,
          replicas: each.replicas,
          adding: each.addingReplicas,
          removing: each.removingReplicas,
        })),
      )
    },
  }
}

async function leadersOf(once: Once, queries: readonly TopicPartition[]): Promise<Map<string, number>> {
  const names = [...new Set(queries.map(each => each.topic))]
  const described = topicStates(await once({ to: 'any' }, METADATA, [names, false, false]))
  return new Map(
    described.flatMap(({ name, partitions }) =>
      partitions.flatMap(({ partition, leader }) =>
        leader === null ? [] : [[keyOf({ topic: name, partition }), leader] as const],
      ),
    ),
  )
}

/** Splits queries so that no piece names a partition twice. */
function distinctPartitions(queries: readonly OffsetQuery[]): OffsetQuery[][] {
  const rounds: OffsetQuery[][] = []
  const used = new Map<string, number>()
  for (const query of queries) {
    const round = used.get(keyOf(query)) ?? 0
    used.set(keyOf(query), round + 1)
    rounds[round] = [...(rounds[round] ?? []), query]
  }
  return rounds
}

const encodeQueries = (queries: readonly OffsetQuery[]) =>
  [...grouped(queries, query => query.topic)].map(([name, each]) => ({
    name,
    partitions: each.map(({ partition, at }) => ({
      partitionIndex: partition,
      currentLeaderEpoch: -1,
      timestamp: timestampOf(at),
    })),
  }))
