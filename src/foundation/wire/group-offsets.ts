import type { Cluster } from './cluster.ts'
import type { GroupOffsets, PartitionPosition } from './contract.ts'
import { type CoordinatorCalls, coordinatorOf } from './coordinators.ts'
import { byTopic, type PartitionKey, partitionKey } from './leaders.ts'
import { offsetCommit } from './requests/offset-commit.ts'
import { type OffsetFetchResponse, offsetFetch } from './requests/offset-fetch.ts'

/** As whom a commit is made. */
export interface GroupIdentity {
  readonly memberId: string
  readonly memberEpoch: number
}

const NOBODY: GroupIdentity = { memberId: '', memberEpoch: -1 }

export function groupOffsets(cluster: Cluster, group: string): GroupOffsets {
  const coordinator = coordinatorOf(cluster, { group })
  return {
    committed: (partitions, signal) => committedOffsets(coordinator, group, partitions, signal),
    commit: (positions, signal) => commitOffsets(coordinator, group, NOBODY, positions, signal),
  }
}

export async function committedOffsets(
  coordinator: CoordinatorCalls,
  group: string,
  partitions: readonly PartitionKey[],
  signal: AbortSignal,
): Promise<readonly PartitionPosition[]> {
  if (partitions.length === 0) return []
  const errorOf = ({ errorCode, offsets }: OffsetFetchResponse): number =>
    errorCode || (offsets.find(each => each.errorCode !== 0)?.errorCode ?? 0)
  const request = { group, topics: byTopic(partitions) }
  const { offsets } = await coordinator.ask(
    `committed offsets of ${group}`,
    offsetFetch,
    request,
    errorOf,
    signal,
  )
  const found = new Map(offsets.map(each => [partitionKey(each), each.offset]))
  return partitions.map(({ topic, partition }) => ({
    topic,
    partition,
    offset: found.get(partitionKey({ topic, partition })) ?? -1,
  }))
}

export async function commitOffsets(
  coordinator: CoordinatorCalls,
  group: string,
  { memberId, memberEpoch }: GroupIdentity,
  positions: readonly PartitionPosition[],
  signal: AbortSignal,
): Promise<void> {
  if (positions.length === 0) return
  const errorOf = (committed: readonly { readonly errorCode: number }[]): number =>
    committed.find(each => each.errorCode !== 0)?.errorCode ?? 0
  const request = { group, memberId, memberEpoch, topics: byTopic(positions) }
  await coordinator.ask(`commit offsets of ${group}`, offsetCommit, request, errorOf, signal)
}
