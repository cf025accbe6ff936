/** The data plane's client of one cluster: see contract.ts for what each part promises. */
import { abortable } from './backoff.ts'
import { Cluster } from './cluster.ts'
import type { TopicMetadata, Wire, WireOptions } from './contract.ts'
import { LeaderFetchStream } from './fetch-stream.ts'
import { joinGroup } from './group-member.ts'
import { groupOffsets } from './group-offsets.ts'
import {
  askLeaders,
  brokerError,
  byTopic,
  groupByLeader,
  type PartitionKey,
  partitionsUnavailable,
} from './leaders.ts'
import { listOffsetsOfLeaders, listReplicaLogEnds } from './offsets.ts'
import { openPositionedAppender } from './positioned.ts'
import { IdempotentProducer } from './producer.ts'
import { freshProducerId, nextEpoch } from './producer-id.ts'
import { type DeletedRecords, deleteRecords } from './requests/delete-records.ts'
import { type DescribedPartition, describeProducers } from './requests/describe-producers.ts'
import { writeTxnMarkers } from './requests/write-txn-markers.ts'
import { openTransactional } from './transactions.ts'

type Marker = Parameters<Wire['writeTxnMarkers']>[0][number]

/** Connects on first use. */
export function openWire(options: WireOptions): Wire {
  const cluster = new Cluster(options)
  let lanes = 0

  return {
    throttled: () => cluster.throttled,
    metadata: (topics, signal) => topicMetadata(cluster, topics, signal),
    listOffsets: (queries, signal) => listOffsetsOfLeaders(cluster, queries, signal),
    replicaLogEnds: (node, partitions, signal) => logEnds(cluster, node, partitions, signal),
    fetch: fetchOptions => new LeaderFetchStream(cluster, `fetch-${++lanes}`, fetchOptions),
    producer: async (producerOptions, signal) => {
      const { fencedBy } = producerOptions
      const identity =
        fencedBy === undefined ? freshProducerId(cluster, signal) : nextEpoch(cluster, fencedBy, signal)
      return new IdempotentProducer(cluster, `produce-${++lanes}`, await identity, producerOptions)
    },
    transactionalProducer: (transactional, signal) =>
      openTransactional(cluster, `produce-${++lanes}`, transactional, signal),
    group: name => groupOffsets(cluster, name),
    joinGroup: (member, signal) => joinGroup(cluster, member, signal),
    allocateProducerId: async signal => (await freshProducerId(cluster, signal)).producerId,
    positionedAppender: ({ producerId }) => openPositionedAppender(cluster, `produce-${++lanes}`, producerId),
    deleteRecords: (targets, signal) => deleteBefore(cluster, targets, signal),
    writeTxnMarkers: (markers, signal) => writeMarkers(cluster, markers, signal),
    describeProducers: (topic, partitions, signal) => describe(cluster, topic, partitions, signal),
    close: () => cluster.close(),
    [Symbol.asyncDispose]: () => cluster.close(),
  }
}

/** Topics that do not exist, or may not be seen, are left out. */
async function topicMetadata(
  cluster: Cluster,
  topics: readonly string[] | 'all',
  signal: AbortSignal,
): Promise<readonly TopicMetadata[]> {
  if (topics === 'all') return cluster.allTopics(signal)
  await cluster.refresh(topics, signal)
  return topics.flatMap(name => {
    const state = cluster.topic(name)
    return state?.kind === 'known' ? [state.topic] : []
  })
}

async function logEnds(
  cluster: Cluster,
  node: number,
  partitions: readonly PartitionKey[],
  signal: AbortSignal,
) {
  await abortable(cluster.refresh([], signal), signal)
  return listReplicaLogEnds(cluster, node, partitions, signal)
}

async function deleteBefore(
  cluster: Cluster,
  targets: readonly (PartitionKey & { readonly before: number })[],
  signal: AbortSignal,
) {
  const ask = (node: number, items: typeof targets): Promise<readonly DeletedRecords[]> => {
    const request = { timeoutMs: cluster.requestTimeoutMs, topics: byTopic(items) }
    return cluster.send(node, 'control', deleteRecords, request, { signal })
  }
  const deleted = await askLeaders(cluster, targets, ask, signal)
  return deleted.map(({ topic, partition, logStartOffset }) => ({ topic, partition, logStartOffset }))
}

/** One attempt: markers are not guarded by sequences, so what was not answered must not be repeated blindly. */
async function writeMarkers(
  cluster: Cluster,
  markers: readonly Marker[],
  signal: AbortSignal,
): Promise<void> {
  // The same marker may be wanted several times: one offset each.
  const items = markers.flatMap((marker, index) =>
    marker.partitions.map(partition => ({ index, topic: marker.topic, partition })),
  )
  const { groups, leaderless, error } = await groupByLeader(cluster, items, false, signal)
  if (leaderless.length > 0) throw partitionsUnavailable(leaderless, error)
  await Promise.all(
    [...groups].map(async ([node, group]) => {
      const request = {
        markers: [...Map.groupBy(group, ({ index }) => index)].map(([index, parts]) => ({
          ...markers[index]!,
          topics: [{ topic: markers[index]!.topic, partitions: parts.map(({ partition }) => partition) }],
        })),
      }
      const written = await cluster.send(node, 'control', writeTxnMarkers, request, { signal })
      for (const { topic, partition, errorCode } of written) {
        if (errorCode === 0) continue
        void cluster.refresh([topic], signal).catch(() => undefined)
        throw brokerError(errorCode, `transaction marker for ${topic}-${partition}`)
      }
    }),
  )
}

async function describe(cluster: Cluster, topic: string, partitions: readonly number[], signal: AbortSignal) {
  const items = partitions.map(partition => ({ topic, partition }))
  const ask = (
    node: number,
    group: typeof items | readonly PartitionKey[],
  ): Promise<readonly DescribedPartition[]> => {
    const request = { topics: [{ topic, partitions: group.map(({ partition }) => partition) }] }
    return cluster.send(node, 'control', describeProducers, request, { signal })
  }
  const described = await askLeaders<PartitionKey, DescribedPartition>(cluster, items, ask, signal)
  return described.flatMap(({ partition, producers }) =>
    producers.map(producer => ({ partition, ...producer })),
  )
}
