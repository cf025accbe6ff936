import {
  consumerGroupDescribeV0,
  deleteGroupsV2,
  describeGroupsV5,
  listGroupsV4,
  listGroupsV5,
  offsetFetchV8,
  offsetFetchV9,
} from '@platformatic/kafka'
import type { AjnaError } from '../errors/errors.ts'
import { budget, type CallOptions, type Calls, type ItemOutcome } from './calls.ts'
import { codecs } from './connections.ts'
import { type ApiFault, faultOf } from './errors.ts'
import { byName } from './topics.ts'
import { safeNumber } from './values.ts'

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
  deleteGroups(groups: readonly string[], options?: CallOptions): Promise<readonly ItemOutcome<string>[]>
}

const LIST_GROUPS = codecs(listGroupsV5.api, listGroupsV4.api)
const DESCRIBE_CLASSIC = codecs(describeGroupsV5.api)
const DESCRIBE_CONSUMER = codecs(consumerGroupDescribeV0.api)
const OFFSET_FETCH = codecs(offsetFetchV9.api, offsetFetchV8.api)
const DELETE_GROUPS = codecs(deleteGroupsV2.api)

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
