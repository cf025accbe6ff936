import {
  createPartitionsV3,
  createTopicsV7,
  deleteTopicsV6,
  describeTopicPartitionsV0,
  metadataV11,
  metadataV12,
} from '@platformatic/kafka'
import { budget, type CallOptions, type Calls, type ItemOutcome, type Target } from './calls.ts'
import { codecs } from './connections.ts'
import { faultOf } from './errors.ts'
import { chunked, dashedUuid, kafkaUuid } from './values.ts'

export interface NewTopic {
  readonly name: string
  /** Not both: a number of partitions and replicas to be placed by the cluster, or the replicas of each partition. */
  readonly layout:
    | { readonly partitions: number; readonly replicationFactor: number }
    | { readonly replicas: readonly (readonly number[])[] }
  readonly config?: Readonly<Record<string, string>>
}

export interface MorePartitions {
  readonly name: string
  /** Partitions in all afterwards. */
  readonly total: number
  /** Replicas of each partition that is added; default: placed by the cluster. */
  readonly replicas?: readonly (readonly number[])[]
}

export interface DoomedTopic {
  readonly name: string
  /** Only the topic with this id; another of the same name is left alone (UNKNOWN_TOPIC_ID). */
  readonly id?: string
}

export interface PartitionState {
  readonly partition: number
  /** Null: nobody leads it. */
  readonly leader: number | null
  readonly leaderEpoch: number
  /** In order of preference: the first is the preferred leader. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** Replicas on brokers or log dirs that are offline. */
  readonly offline: readonly number[]
}

export interface TopicState {
  readonly name: string
  /** Base64url, 22 characters; a topic deleted and created again has another. */
  readonly id: string
  readonly internal: boolean
  readonly partitions: readonly PartitionState[]
}

/** Replicas that are known to have everything acknowledged though they have left the ISR (KIP-966). */
export interface EligibleLeaders {
  readonly topic: string
  readonly partition: number
  readonly eligible: readonly number[]
  /** Those that were eligible before their brokers shut down uncleanly. */
  readonly lastKnown: readonly number[]
}

export interface TopicAdmin {
  createTopics(topics: readonly NewTopic[], options?: CallOptions): Promise<readonly ItemOutcome<NewTopic>[]>
  deleteTopics(
    topics: readonly DoomedTopic[],
    options?: CallOptions,
  ): Promise<readonly ItemOutcome<DoomedTopic>[]>
  createPartitions(
    more: readonly MorePartitions[],
    options?: CallOptions,
  ): Promise<readonly ItemOutcome<MorePartitions>[]>
  /**
   * Every topic, or those named that exist, sorted by name; `broker`: as that one has it, instead of any. Does not create
   * topics by asking.
   */
  describeTopics(
    names: readonly string[] | 'all',
    options?: CallOptions & { readonly broker?: number },
  ): Promise<readonly TopicState[]>
  /**
   * Which of the topics the caller itself may write to, as one broker has it now: whatever rules say so, or that none binds
   * it (a super user).
   */
  writableTopics(names: readonly string[], broker: number, options?: CallOptions): Promise<readonly string[]>
  /** Partitions that have eligible leaders outside their ISR. */
  eligibleLeaders(topics: readonly string[], options?: CallOptions): Promise<readonly EligibleLeaders[]>
}

/** In the bits of authorized operations (KIP-430): the number of WRITE in KIP-140. */
const WRITE_BIT = 1 << 4

/** How long the controller may take over one such request, ms; less than a request's own timeout. */
const CONTROLLER_MS = 3000

export const METADATA = codecs(metadataV12.api, metadataV11.api)
const CREATE_TOPICS = codecs(createTopicsV7.api)
const DELETE_TOPICS = codecs(deleteTopicsV6.api)
const CREATE_PARTITIONS = codecs(createPartitionsV3.api)
const TOPIC_PARTITIONS = codecs(describeTopicPartitionsV0.api)

/** Topics and partitions in one DescribeTopicPartitions answer; the broker's own limit is 2,000. */
const PARTITIONS_PER_ANSWER = 2000
const TOPICS_PER_REQUEST = 1000

export function topicAdmin(calls: Calls): TopicAdmin {
  return {
    createTopics: (topics, options = {}) =>
      calls.each(
        topic => `create topic ${topic.name}`,
        topics,
        options,
        async (pending, once) => {
          const answer = await once({ to: 'controller' }, CREATE_TOPICS, [
            pending.map(newTopic),
            CONTROLLER_MS,
            false,
          ])
          return byName(
            answer.topics,
            topic => topic.name,
            topic => topic.name,
          )
        },
      ),

    deleteTopics: (doomed, options = {}) =>
      calls.each(
        topic => `delete topic ${topic.name}`,
        doomed,
        options,
        async (pending, once) => {
          const topics = pending.map(({ name, id }) =>
            id === undefined ? { name, topicId: null } : { name: null, topicId: dashedUuid(id) },
          )
          const answer = await once({ to: 'controller' }, DELETE_TOPICS, [topics, CONTROLLER_MS])
          // Asked by id, an error comes back without the name.
          const byId = byName(
            answer.responses,
            each => kafkaUuid(each.topicId),
            (topic: DoomedTopic) => topic.id ?? '',
          )
          const byOwnName = byName(
            answer.responses,
            each => each.name ?? '',
            (topic: DoomedTopic) => topic.name,
          )
          return topic => (topic.id === undefined ? byOwnName(topic) : byId(topic))
        },
      ),

    createPartitions: (more, options = {}) =>
      calls.each(
        each => `add partitions to topic ${each.name}`,
        more,
        options,
        async (pending, once) => {
          const topics = pending.map(({ name, total, replicas }) => ({
            name,
            count: total,
            assignments:
              replicas === undefined ? null : replicas.map(brokerIds => ({ brokerIds: [...brokerIds] })),
          }))
          const answer = await once({ to: 'controller' }, CREATE_PARTITIONS, [topics, CONTROLLER_MS, false])
          return byName(
            answer.results,
            result => result.name,
            each => each.name,
          )
        },
      ),

    async describeTopics(names, options) {
      const asked = names === 'all' ? null : [...names]
      const target: Target =
        options?.broker === undefined ? { to: 'any' } : { to: 'broker', id: options.broker }
      return topicStates(await calls.ask('list topics', target, METADATA, [asked, false, false], options))
    },

    async writableTopics(names, broker, options) {
      const target = { to: 'broker', id: broker } as const
      const answer = await calls.ask(
        'what may be written',
        target,
        METADATA,
        [[...names], false, true],
        options,
      )
      return answer.topics
        .filter(topic => topic.errorCode === 0 && (topic.topicAuthorizedOperations & WRITE_BIT) !== 0)
        .map(topic => topic.name!)
    },

    async eligibleLeaders(topics, options) {
      const found: EligibleLeaders[] = []
      const remaining = budget(options)
      for (const chunk of chunked([...topics].sort(), TOPICS_PER_REQUEST)) {
        let cursor: { topicName: string; partitionIndex: number } | undefined
        do {
          const names = chunk.map(name => ({ name }))
          const args: Parameters<typeof describeTopicPartitionsV0.createRequest> = [
            names,
            PARTITIONS_PER_ANSWER,
            cursor,
          ]
          const answer = await calls.ask(
            'describe partitions',
            { to: 'any' },
            TOPIC_PARTITIONS,
            args,
            remaining(),
          )
          for (const topic of answer.topics) {
            for (const partition of topic.partitions) {
              const eligible = partition.eligibleLeaderReplicas ?? []
              const lastKnown = partition.lastKnownElr ?? []
              if (eligible.length + lastKnown.length === 0) continue
              found.push({ topic: topic.name!, partition: partition.partitionIndex, eligible, lastKnown })
            }
          }
          cursor = answer.nextCursor ?? undefined
        } while (cursor !== undefined)
      }
      return found
    },
  }
}

/** Topics of a Metadata answer, without those that it has only an error for. */
export function topicStates(answer: { readonly topics: readonly MetadataResponseTopic[] }): TopicState[] {
  return answer.topics
    .filter(topic => topic.errorCode === 0)
    .map(topic => ({
      name: topic.name!,
      id: kafkaUuid(topic.topicId),
      internal: topic.isInternal,
      partitions: topic.partitions
        .map(partition => ({
          partition: partition.partitionIndex,
          leader: partition.leaderId < 0 ? null : partition.leaderId,
          leaderEpoch: partition.leaderEpoch,
          replicas: partition.replicaNodes,
          isr: partition.isrNodes,
          offline: partition.offlineReplicas,
        }))
        .sort((a, b) => a.partition - b.partition),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

type MetadataResponseTopic = ReturnType<typeof metadataV12.parseResponse>['topics'][number]

/** With an explicit assignment the protocol wants −1 for both counts. */
function newTopic({ name, layout, config = {} }: NewTopic) {
  const configs = Object.entries(config).map(([key, value]) => ({ name: key, value }))
  if ('partitions' in layout) {
    return {
      name,
      numPartitions: layout.partitions,
      replicationFactor: layout.replicationFactor,
      assignments: [],
      configs,
    }
  }
  const assignments = layout.replicas.map((ids, partitionIndex) => ({ partitionIndex, brokerIds: [...ids] }))
  return { name, numPartitions: -1, replicationFactor: -1, assignments, configs }
}

/** Looks an item's fault up by name; an item that the answer leaves out has failed too. */
export function byName<Result extends { errorCode: number; errorMessage?: string | null | undefined }, Item>(
  results: readonly Result[],
  nameOfResult: (result: Result) => string,
  nameOfItem: (item: Item) => string,
) {
  const found = new Map(results.map(result => [nameOfResult(result), result]))
  return (item: Item) => {
    const result = found.get(nameOfItem(item))
    return result === undefined
      ? faultOf(-1, 'not in the answer')
      : faultOf(result.errorCode, result.errorMessage)
  }
}
