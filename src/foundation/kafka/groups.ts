import {
  consumerGroupDescribeV0,
  deleteGroupsV2,
  describeGroupsV5,
  findCoordinatorV4,
  listGroupsV4,
  listGroupsV5,
  offsetCommitV8,
  offsetCommitV9,
  offsetFetchV8,
  offsetFetchV9,
} from '@platformatic/kafka'
import type { AjnaError } from '../errors/errors.ts'
import { budget, type CallOptions, type Calls, type ItemOutcome, type Once } from './calls.ts'
import { codecs } from './connections.ts'
import { type ApiFault, faultOf } from './errors.ts'
import { byName } from './topics.ts'
import { chunked, grouped, safeNumber } from './values.ts'

export interface ListedGroup {
  readonly id: string
  /** As the coordinator spells it: `Stable`, `Empty`, `PreparingRebalance`, … */
  readonly state: string
  /** `classic`, `consumer` (KIP-848), `share`, `streams`; lower case. */
  readonly type: string
  /** `consumer` for consumers, `connect` for workers, … */
  readonly protocol: string
}

export interface GroupMember {
  readonly id: string
  /** Static membership; null without. */
  readonly instance: string | null
  readonly clientId: string
  readonly host: string
}

export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** What a consumer commits for one partition. */
export interface GroupPosition {
  readonly topic: string
  readonly partition: number
  /** The next offset the group will read. */
  readonly offset: number
  /** The consumer's own note beside it (Kafka Streams keeps its time there); mostly empty. */
  readonly metadata: string
}

export interface GroupPositions {
  readonly group: string
  /** Empty when the group is not there, or failed. */
  readonly positions: readonly GroupPosition[]
  readonly error: AjnaError | null
}

export interface PositionCommit extends GroupPosition {
  readonly group: string
}

export interface GroupAdmin {
  /**
   * Asks every broker for the groups that it coordinates.
   *
   * @throws AjnaError when none answers; a broker that does not is in `unanswered`
   */
  listGroups(options?: CallOptions): Promise<{
    readonly groups: readonly ListedGroup[]
    readonly unanswered: readonly { readonly broker: number; readonly error: AjnaError }[]
  }>
  groupMembers(group: ListedGroup, options?: CallOptions): Promise<readonly GroupMember[]>
  committedOffsets(group: string, options?: CallOptions): Promise<readonly CommittedOffset[]>
  /** What many groups have committed, in a few requests to each coordinator. */
  groupPositions(groups: readonly string[], options?: CallOptions): Promise<readonly GroupPositions[]>
  /**
   * Commits positions for groups that nobody is a member of; a group with members refuses (UNKNOWN_MEMBER_ID), which its
   * coordinator decides at the moment of the commit. Committed without a leader epoch: a position from another cluster would
   * be taken for a truncation with that cluster's (KIP-320).
   */
  commitPositions(
    commits: readonly PositionCommit[],
    options?: CallOptions,
  ): Promise<readonly ItemOutcome<PositionCommit>[]>
  deleteGroups(groups: readonly string[], options?: CallOptions): Promise<readonly ItemOutcome<string>[]>
}

const LIST_GROUPS = codecs(listGroupsV5.api, listGroupsV4.api)
const DESCRIBE_CLASSIC = codecs(describeGroupsV5.api)
const DESCRIBE_CONSUMER = codecs(consumerGroupDescribeV0.api)
const OFFSET_FETCH = codecs(offsetFetchV9.api, offsetFetchV8.api)
const OFFSET_COMMIT = codecs(offsetCommitV9.api, offsetCommitV8.api)
const FIND_COORDINATORS = codecs(findCoordinatorV4.api)
const DELETE_GROUPS = codecs(deleteGroupsV2.api)

const GROUP_KEY = 0
const GROUPS_PER_REQUEST = 100
/** Requests under way at one coordinator. */
const COMMITS_AT_ONCE = 8
/** Nobody in particular commits: no member, no generation, no epoch. */
const NO_MEMBER = ''
const NO_GENERATION = -1
const NO_LEADER_EPOCH = -1
const COORDINATOR_NOT_AVAILABLE = 15

export function groupAdmin(calls: Calls): GroupAdmin {
  return {
    async listGroups(options) {
      const remaining = budget(options)
      const brokers = await calls.brokers(remaining())
      const answers = await Promise.all(
        brokers.map(async ({ id }) => {
          try {
            const answer = await calls.ask(
              `list groups of broker ${id}`,
              { to: 'broker', id },
              LIST_GROUPS,
              [[], []],
              remaining(),
              each => faultOf(each.errorCode, ''),
            )
            return { broker: id, groups: answer.groups }
          } catch (error) {
            options?.signal?.throwIfAborted()
            return { broker: id, error: error as AjnaError }
          }
        }),
      )
      const unanswered = answers.flatMap(each =>
        each.error === undefined ? [] : [{ broker: each.broker, error: each.error }],
      )
      if (unanswered.length === answers.length && unanswered[0] !== undefined) throw unanswered[0].error
      const groups = answers
        .flatMap(each => each.groups ?? [])
        .map(group => ({
          id: group.groupId,
          state: group.groupState,
          type: (group.groupType ?? 'classic').toLowerCase(),
          protocol: group.protocolType,
        }))
      return { groups: groups.sort((a, b) => (a.id < b.id ? -1 : 1)), unanswered }
    },

    async groupMembers({ id, type }, options) {
      const coordinator = { to: 'coordinator', group: id } as const
      const what = `describe group ${id}`
      if (type === 'consumer') {
        const firstFault = (each: {
          groups: readonly { errorCode: number; errorMessage?: string | null | undefined }[]
        }) => faultOf(each.groups[0]?.errorCode ?? -1, each.groups[0]?.errorMessage)
        const answer = await calls.ask(
          what,
          coordinator,
          DESCRIBE_CONSUMER,
          [[id], false],
          options,
          firstFault,
        )
        return answer.groups[0]!.members.map(member => ({
          id: member.memberId,
          instance: member.instanceId ?? null,
          clientId: member.clientId,
          host: member.clientHost,
        }))
      }
      // Share and streams groups have descriptions of their own, which nothing here needs yet.
      if (type !== 'classic') return []
      const answer = await calls.ask(what, coordinator, DESCRIBE_CLASSIC, [[id], false], options, each =>
        faultOf(each.groups[0]?.errorCode ?? -1, ''),
      )
      return answer.groups[0]!.members.map(member => ({
        id: member.memberId,
        instance: member.groupInstanceId ?? null,
        clientId: member.clientId,
        host: member.clientHost,
      }))
    },

    async committedOffsets(group, options) {
      const asked = [{ groupId: group, memberId: null, memberEpoch: -1, topics: null }]
      const fault = (each: { groups: readonly { errorCode: number }[] }) =>
        faultOf(each.groups[0]?.errorCode ?? -1, '')
      const answer = await calls.ask(
        `offsets of group ${group}`,
        { to: 'coordinator', group },
        OFFSET_FETCH,
        [asked, false],
        options,
        fault,
      )
      return answer.groups[0]!.topics.flatMap(topic =>
        topic.partitions
          .filter(partition => partition.errorCode === 0 && partition.committedOffset >= 0n)
          .map(partition => ({
            topic: topic.name,
            partition: partition.partitionIndex,
            offset: safeNumber(partition.committedOffset),
          })),
      )
    },

    async groupPositions(groups, options = {}) {
      const found = new Map<string, readonly GroupPosition[]>()
      const outcomes = await calls.each(
        group => `positions of group ${group}`,
        groups,
        options,
        (pending, once) =>
          atCoordinators(
            once,
            pending,
            group => group,
            async (ids, broker) => {
              const faults = new Map<string, ApiFault | undefined>()
              for (const chunk of chunked(ids, GROUPS_PER_REQUEST)) {
                const asked = chunk.map(groupId => ({
                  groupId,
                  memberId: null,
                  memberEpoch: -1,
                  topics: null,
                }))
                const answer = await once({ to: 'broker', id: broker }, OFFSET_FETCH, [asked, false])
                for (const { groupId, errorCode, topics } of answer.groups) {
                  faults.set(groupId, faultOf(errorCode, ''))
                  found.set(
                    groupId,
                    topics.flatMap(topic =>
                      topic.partitions
                        .filter(each => each.errorCode === 0 && each.committedOffset >= 0n)
                        .map(each => ({
                          topic: topic.name,
                          partition: each.partitionIndex,
                          offset: safeNumber(each.committedOffset),
                          metadata: each.metadata ?? '',
                        })),
                    ),
                  )
                }
              }
              return faults
            },
          ),
      )
      return outcomes.map(({ item: group, error }) => ({
        group,
        positions: error === null ? found.get(group)! : [],
        error,
      }))
    },

    commitPositions: (commits, options = {}) =>
      calls.each(
        each => `commit ${each.offset} of ${each.topic}-${each.partition} for group ${each.group}`,
        commits,
        options,
        (pending, once) =>
          atCoordinators(
            once,
            pending,
            each => each.group,
            async (items, broker) => {
              const faults = new Map<PositionCommit, ApiFault | undefined>()
              for (const chunk of chunked([...grouped(items, each => each.group)], COMMITS_AT_ONCE)) {
                await Promise.all(
                  chunk.map(async ([group, each]) => {
                    const answer = await once({ to: 'broker', id: broker }, OFFSET_COMMIT, [
                      group,
                      NO_GENERATION,
                      NO_MEMBER,
                      null,
                      encodePositions(each),
                    ])
                    const codes = new Map(
                      answer.topics.flatMap(topic =>
                        topic.partitions.map(
                          result => [`${topic.name}/${result.partitionIndex}`, result.errorCode] as const,
                        ),
                      ),
                    )
                    for (const commit of each)
                      faults.set(commit, faultOf(codes.get(`${commit.topic}/${commit.partition}`) ?? -1, ''))
                  }),
                )
              }
              return faults
            },
          ),
      ),

    deleteGroups: (groups, options = {}) =>
      calls.each(
        group => `delete group ${group}`,
        groups,
        options,
        async (pending, once) => {
          const faults = new Map<string, ApiFault | undefined>()
          for (const group of pending) {
            const { results } = await once({ to: 'coordinator', group }, DELETE_GROUPS, [[group]])
            faults.set(
              group,
              byName(
                results,
                result => result.groupId,
                name => String(name),
              )(group),
            )
          }
          return group => faults.get(group)
        },
      ),
  }
}

/**
 * Does something for items of several groups at each group's coordinator, side by side: one that does not answer takes no
 * other's answers with it, and its items are tried again.
 */
async function atCoordinators<Item>(
  once: Once,
  items: readonly Item[],
  groupOf: (item: Item) => string,
  work: (items: readonly Item[], broker: number) => Promise<Map<Item, ApiFault | undefined>>,
): Promise<(item: Item) => ApiFault | undefined> {
  const groups = [...new Set(items.map(groupOf))]
  const { coordinators } = await once({ to: 'any' }, FIND_COORDINATORS, [GROUP_KEY, groups])
  const found = new Map(coordinators.map(each => [each.key, each]))
  const faults = new Map<Item, ApiFault | undefined>()
  const placed = items.filter(item => {
    const coordinator = found.get(groupOf(item))
    const fault =
      coordinator === undefined
        ? faultOf(COORDINATOR_NOT_AVAILABLE, 'not in the answer')
        : faultOf(coordinator.errorCode, coordinator.errorMessage)
    if (fault !== undefined) faults.set(item, fault)
    return fault === undefined
  })
  const byBroker = [...grouped(placed, item => found.get(groupOf(item))!.nodeId)]
  const settled = await Promise.allSettled(byBroker.map(([broker, each]) => work(each, broker)))
  const failed = settled.find(each => each.status === 'rejected')
  if (failed !== undefined && failed.status === 'rejected' && byBroker.length === 1) throw failed.reason
  for (const each of settled)
    if (each.status === 'fulfilled') for (const [item, fault] of each.value) faults.set(item, fault)
  return item =>
    faults.has(item)
      ? faults.get(item)
      : faultOf(COORDINATOR_NOT_AVAILABLE, 'the coordinator does not answer')
}

function encodePositions(positions: readonly GroupPosition[]) {
  return [...grouped(positions, each => each.topic)].map(([name, each]) => ({
    name,
    partitions: each.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: NO_LEADER_EPOCH,
      committedMetadata: metadata,
    })),
  }))
}
