/**
 * A member of a consumer group (KIP-848): it says by heartbeats that it lives and what it reads; the broker says what it is
 * to read. Partitions are given back only after what was read of them is committed. A member that was thrown out (frozen
 * too long) drops everything, commits nothing, and joins anew.
 */
import { randomBytes } from 'node:crypto'
import { describeError } from '../errors/errors.ts'
import { classify } from './api-errors.ts'
import { pause } from './backoff.ts'
import type { Cluster } from './cluster.ts'
import type { GroupMember, GroupMemberOptions, PartitionPosition } from './contract.ts'
import { brokerCodeOf, coordinatorOf } from './coordinators.ts'
import { commitOffsets, committedOffsets } from './group-offsets.ts'
import { byTopic, type PartitionKey, partitionKey } from './leaders.ts'
import {
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse,
  consumerGroupHeartbeat,
  type TopicIdPartitions,
} from './requests/consumer-group-heartbeat.ts'

const JOINING = 0
const LEAVING = -1
const REBALANCE_MS = 60_000
const COMMIT_EVERY_MS = 5_000
/** A goodbye that takes longer is left unsaid: the group will notice. */
const LEAVE_MS = 5_000
/** A topic that was just created may not be known by its id yet. */
const UNKNOWN_IDS_AGAIN_MS = 200
const THROWN_OUT: ReadonlySet<string> = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH'])

const thrownOut = (error: unknown): boolean => {
  const code = brokerCodeOf(error)
  return code !== undefined && THROWN_OUT.has(classify(code).name)
}

export function joinGroup(cluster: Cluster, options: GroupMemberOptions, signal: AbortSignal): GroupMember {
  const { group, topics } = options
  const memberId = randomBytes(16).toString('base64url')
  const coordinator = coordinatorOf(cluster, { group })
  const leaving = new AbortController()
  const until = AbortSignal.any([signal, leaving.signal])
  const owned = new Map<string, PartitionKey>()
  let epoch = JOINING
  let committedAt = Date.now()

  const heartbeat = (
    memberEpoch: number,
    said: Pick<ConsumerGroupHeartbeatRequest, 'topics' | 'owned' | 'rebalanceTimeoutMs'>,
    within: AbortSignal,
  ): Promise<ConsumerGroupHeartbeatResponse> => {
    const request = { group, memberId, memberEpoch, ...said }
    return coordinator.ask(
      `group ${group}`,
      consumerGroupHeartbeat,
      request,
      answer => answer.errorCode,
      within,
    )
  }

  const commit = (positions: readonly PartitionPosition[], within: AbortSignal): Promise<void> =>
    commitOffsets(coordinator, group, { memberId, memberEpoch: epoch }, positions, within)

  async function commitAll(within: AbortSignal): Promise<void> {
    await commit(options.positions(), within)
    committedAt = Date.now()
  }

  function drop(partitions: readonly PartitionKey[]): readonly PartitionPosition[] {
    for (const each of partitions) owned.delete(partitionKey(each))
    return partitions.length === 0 ? [] : options.revoked(partitions)
  }

  /** Gives back what is no longer assigned, and takes what is new. */
  async function reconcile(target: readonly PartitionKey[]): Promise<void> {
    const wanted = new Set(target.map(partitionKey))
    const lost = [...owned.values()].filter(each => !wanted.has(partitionKey(each)))
    await commit(drop(lost), until)
    const added = target.filter(each => !owned.has(partitionKey(each)))
    const positions: readonly PartitionPosition[] = await committedOffsets(coordinator, group, added, until)
    for (const each of added) owned.set(partitionKey(each), each)
    if (positions.length > 0) options.assigned(positions)
  }

  async function live(): Promise<never> {
    let target: readonly TopicIdPartitions[] | undefined
    let changed = true
    for (;;) {
      try {
        const joining = epoch === JOINING
        const answer = await heartbeat(
          epoch,
          {
            rebalanceTimeoutMs: joining ? REBALANCE_MS : -1,
            topics: joining ? topics : null,
            owned: joining ? [] : changed ? ownedByTopicId(cluster, owned.values()) : null,
          },
          until,
        )
        epoch = answer.memberEpoch
        changed = false
        target = answer.assignment ?? target
        const named = target === undefined ? undefined : await namedPartitions(cluster, topics, target, until)
        if (named !== undefined) {
          await reconcile(named.partitions)
          if (named.complete) target = undefined
          changed = true
        }
        if (Date.now() - committedAt >= COMMIT_EVERY_MS) await commitAll(until)
        // What was given back or taken is said at once: others wait for it.
        const waitMs = answer.assignment === null ? answer.heartbeatIntervalMs : 0
        await pause(target === undefined ? waitMs : UNKNOWN_IDS_AGAIN_MS, until)
      } catch (error) {
        if (until.aborted || !thrownOut(error)) throw error
        cluster.log.warn(
          { group, memberId, reason: describeError(error) },
          'thrown out of a group; joining anew',
        )
        drop([...owned.values()])
        epoch = JOINING
        target = undefined
      }
    }
  }

  const failed = live()
  failed.catch(() => undefined)
  return {
    memberId,
    failed,
    async [Symbol.asyncDispose]() {
      leaving.abort()
      await failed.catch(() => undefined)
      if (signal.aborted || epoch === JOINING) return
      const within = AbortSignal.any([signal, AbortSignal.timeout(LEAVE_MS)])
      try {
        await commitAll(within)
        await heartbeat(LEAVING, { rebalanceTimeoutMs: -1, topics: null, owned: null }, within)
      } catch (error) {
        cluster.log.warn({ group, memberId, reason: describeError(error) }, 'a group was left without a word')
      }
    },
  }
}

function ownedByTopicId(cluster: Cluster, owned: Iterable<PartitionKey>): TopicIdPartitions[] {
  return byTopic([...owned]).flatMap(({ topic, partitions }) => {
    const state = cluster.topic(topic)
    if (state?.kind !== 'known') return []
    return [{ topicId: state.topic.id, partitions: partitions.map(({ partition }) => partition) }]
  })
}

/** What was assigned, by name; not complete while an id belongs to no topic that is known. */
async function namedPartitions(
  cluster: Cluster,
  topics: readonly string[],
  target: readonly TopicIdPartitions[],
  signal: AbortSignal,
): Promise<{ readonly partitions: readonly PartitionKey[]; readonly complete: boolean }> {
  const names = namesById(cluster, topics)
  if (target.some(({ topicId }) => !names.has(topicId))) {
    await cluster.refresh(topics, signal)
    for (const [id, name] of namesById(cluster, topics)) names.set(id, name)
  }
  const partitions = target.flatMap(({ topicId, partitions: of }) => {
    const topic = names.get(topicId)
    return topic === undefined ? [] : of.map(partition => ({ topic, partition }))
  })
  return { partitions, complete: target.every(({ topicId }) => names.has(topicId)) }
}

function namesById(cluster: Cluster, topics: readonly string[]): Map<string, string> {
  return new Map(
    topics.flatMap(name => {
      const state = cluster.topic(name)
      return state?.kind === 'known' ? [[state.topic.id, name] as const] : []
    }),
  )
}
