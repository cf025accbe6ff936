import type { Cluster } from './cluster.ts'
import type { ListedOffset, OffsetAt } from './contract.ts'
import { askLeaders, byTopic, type PartitionKey } from './leaders.ts'
import {
  AS_CLIENT,
  AS_DEBUGGER,
  EARLIEST,
  LATEST,
  type ListOffsetsResponse,
  listOffsets,
} from './requests/list-offsets.ts'

type Query = PartitionKey & { readonly at: OffsetAt }

/** @throws as `askLeaders` */
export async function listOffsetsOfLeaders(
  cluster: Cluster,
  queries: readonly Query[],
  signal: AbortSignal,
): Promise<ListedOffset[]> {
  // A request names a partition once, so questions of different kinds about one partition go separately.
  const kinds = Map.groupBy(queries, ({ at }) => timestampOf(at))
  const answered = new Map<Query, ListedOffset>()
  await Promise.all(
    [...kinds].map(async ([timestamp, group]) => {
      const ask = (node: number, items: readonly Query[]): Promise<ListOffsetsResponse> => {
        const targets = items.map(({ topic, partition }) => {
          const currentLeaderEpoch = cluster.leader(topic, partition)?.epoch ?? -1
          return { topic, partition, currentLeaderEpoch, timestamp }
        })
        return cluster.send(
          node,
          'control',
          listOffsets,
          { replicaId: AS_CLIENT, topics: byTopic(targets) },
          { signal },
        )
      }
      const answers = await askLeaders(cluster, group, ask, signal)
      for (const [index, query] of group.entries()) answered.set(query, withoutError(answers[index]!))
    }),
  )
  return queries.map(query => answered.get(query)!)
}

/** Both ends of a partition's log, as a reader sees it. @throws as `askLeaders` */
export async function listPartitionOffsets(
  cluster: Cluster,
  target: PartitionKey,
  signal: AbortSignal,
): Promise<{ earliest: number; latest: number }> {
  const queries: Query[] = [
    { ...target, at: 'earliest' },
    { ...target, at: 'latest' },
  ]
  const [earliest, latest] = await listOffsetsOfLeaders(cluster, queries, signal)
  return { earliest: earliest!.offset, latest: latest!.offset }
}

/** @throws AjnaError BROKER_UNREACHABLE, REQUEST_TIMED_OUT, CONNECTION_LOST; the signal's reason */
export async function listReplicaLogEnds(
  cluster: Cluster,
  node: number,
  partitions: readonly PartitionKey[],
  signal: AbortSignal,
): Promise<ListedOffset[]> {
  const targets = partitions.map(({ topic, partition }) => ({
    topic,
    partition,
    currentLeaderEpoch: -1,
    timestamp: LATEST,
  }))
  const request = { replicaId: AS_DEBUGGER, topics: byTopic(targets) } as const
  const answers = await cluster.send(node, 'control', listOffsets, request, { signal })
  return answers.filter(({ errorCode }) => errorCode === 0).map(withoutError)
}

function timestampOf(at: OffsetAt): number {
  if (at === 'earliest') return EARLIEST
  return at === 'latest' ? LATEST : at.timestamp
}

function withoutError({ topic, partition, offset, timestamp, leaderEpoch }: ListedOffset): ListedOffset {
  return { topic, partition, offset, timestamp, leaderEpoch }
}
