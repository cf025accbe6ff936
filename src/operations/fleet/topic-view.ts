import type {
  ClusterSnapshot,
  PartError,
  PartitionOffsets,
  TopicConfig,
} from '../../foundation/kafka/snapshot.ts'
import type { TopicState } from '../../foundation/kafka/topics.ts'
import type { ResolvedFleet, ResolvedLink } from './contract.ts'

/** One topic over all clusters: where it is written, where it is copied to, and how far behind the copies are. Pure. */

export interface TopicView {
  readonly name: string
  /** Null: nobody declares it. */
  readonly tenant: string | null
  /** Origins first, then copies along their links, then what nobody declared. */
  readonly at: readonly TopicAtCluster[]
}

export interface TopicAtCluster {
  readonly cluster: string
  readonly site: string
  readonly role: 'origin' | 'copy' | 'undeclared'
  /** The link that writes a copy; null for anything else. */
  readonly link: string | null
  readonly seen:
    | { readonly kind: 'there'; readonly topic: TopicFacts }
    /** Declared, or a link's to make, and not there. */
    | { readonly kind: 'missing' }
    | { readonly kind: 'not-known'; readonly error: PartError }
}

export interface TopicFacts {
  /** Base64url; a topic made anew has another. */
  readonly id: string
  readonly replicationFactor: number
  readonly minInsyncReplicas: number | null
  /** Settings of its own, by Kafka's names; null: not known. */
  readonly config: Readonly<Record<string, string>> | null
  /** Records held, by offsets; null when any partition's are not known. */
  readonly records: number | null
  /** Records a copy has still to get, over all partitions; null for origins, and when not known. */
  readonly lag: number | null
  readonly partitions: readonly PartitionFacts[]
}

export interface PartitionFacts {
  readonly partition: number
  readonly leader: number | null
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly earliest: number | null
  readonly latest: number | null
  /** A copy's offsets are its source's: what the source has beyond this end. */
  readonly lag: number | null
}

export type Snapshots = ReadonlyMap<string, ClusterSnapshot>

const NOT_LOOKED_AT: PartError = { code: 'NOT_LOOKED_AT', message: 'the cluster was not looked at' }

/** Every topic that is declared or there, without Kafka's internal ones, sorted by name. */
export function topicViews(fleet: ResolvedFleet, snapshots: Snapshots): TopicView[] {
  const { declared, copies } = fleetIndex(fleet)
  const names = new Set([...declared.keys(), ...[...copies.values()].flatMap(topics => [...topics.keys()])])
  for (const { topics } of snapshots.values()) {
    for (const { name, internal } of topics.ok ? topics.value : []) if (!internal) names.add(name)
  }
  return [...names].sort().map(name => topicView(fleet, snapshots, name)!)
}

/** @returns undefined when the topic is neither declared nor anywhere */
export function topicView(fleet: ResolvedFleet, snapshots: Snapshots, name: string): TopicView | undefined {
  const { declared, copies } = fleetIndex(fleet)
  const origins = declared.get(name)
  const at = fleet.clusters
    .map(({ name: cluster, site }): TopicAtCluster | undefined => {
      const index = snapshotIndex(snapshots.get(cluster))
      const topic = index?.topics.get(name)
      const origin = origins?.clusters.has(cluster) === true
      const link = copies.get(cluster)?.get(name)
      if (!origin && link === undefined && topic === undefined) return undefined
      const source = link === undefined ? undefined : snapshotIndex(snapshots.get(link.from))
      const sourceEnds = link === undefined ? undefined : (source?.offsets.get(name) ?? NO_OFFSETS)
      return {
        cluster,
        site,
        role: origin ? 'origin' : link === undefined ? 'undeclared' : 'copy',
        link: link?.name ?? null,
        seen: seenAt(snapshots.get(cluster), index, topic, sourceEnds),
      }
    })
    .filter(each => each !== undefined)
  if (at.length === 0) return undefined
  const order = { origin: 0, copy: 1, undeclared: 2 }
  return {
    name,
    tenant: origins?.tenant ?? null,
    at: at.sort((a, b) => order[a.role] - order[b.role] || a.cluster.localeCompare(b.cluster)),
  }
}

type Offsets = ReadonlyMap<number, PartitionOffsets>
const NO_OFFSETS: Offsets = new Map()

interface SnapshotIndex {
  readonly topics: ReadonlyMap<string, TopicState>
  readonly offsets: ReadonlyMap<string, Offsets>
  readonly configs: ReadonlyMap<string, TopicConfig>
}

interface FleetIndex {
  /** Topic → where it is written. */
  readonly declared: ReadonlyMap<string, { readonly tenant: string; readonly clusters: ReadonlySet<string> }>
  /** Target cluster → topic → its link. */
  readonly copies: ReadonlyMap<string, ReadonlyMap<string, ResolvedLink>>
}

/** Made once for each frozen value: 50,000 topics are looked up by name, not searched for one by one. */
const snapshotIndexes = new WeakMap<ClusterSnapshot, SnapshotIndex>()
const fleetIndexes = new WeakMap<ResolvedFleet, FleetIndex>()

function snapshotIndex(snapshot: ClusterSnapshot | undefined): SnapshotIndex | undefined {
  if (snapshot === undefined) return undefined
  const known = snapshotIndexes.get(snapshot)
  if (known !== undefined) return known
  const { topics, offsets, configs } = snapshot
  const byTopic = Map.groupBy(offsets.ok ? offsets.value : [], ({ topic }) => topic)
  const index: SnapshotIndex = {
    topics: new Map((topics.ok ? topics.value : []).map(each => [each.name, each])),
    offsets: new Map(
      [...byTopic].map(([topic, each]) => [topic, new Map(each.map(one => [one.partition, one]))]),
    ),
    configs: new Map((configs.ok ? configs.value : []).map(each => [each.topic, each])),
  }
  snapshotIndexes.set(snapshot, index)
  return index
}

function fleetIndex(fleet: ResolvedFleet): FleetIndex {
  const known = fleetIndexes.get(fleet)
  if (known !== undefined) return known
  const declared = new Map(
    [...Map.groupBy(fleet.topics, ({ name }) => name)].map(([name, topics]) => [
      name,
      { tenant: topics[0]!.tenant, clusters: new Set(topics.map(({ cluster }) => cluster)) },
    ]),
  )
  const copies = new Map(
    [...Map.groupBy(fleet.links, ({ to }) => to)].map(([to, links]) => [
      to,
      new Map(links.flatMap(link => link.topics.map(topic => [topic, link] as const))),
    ]),
  )
  const index: FleetIndex = { declared, copies }
  fleetIndexes.set(fleet, index)
  return index
}

function seenAt(
  snapshot: ClusterSnapshot | undefined,
  index: SnapshotIndex | undefined,
  topic: TopicState | undefined,
  source: Offsets | undefined,
): TopicAtCluster['seen'] {
  if (snapshot === undefined) return { kind: 'not-known', error: NOT_LOOKED_AT }
  if (!snapshot.topics.ok) return { kind: 'not-known', error: snapshot.topics.error }
  if (topic === undefined) return { kind: 'missing' }
  const offsets = index?.offsets.get(topic.name) ?? NO_OFFSETS
  const config = index?.configs.get(topic.name)
  const partitions = topic.partitions.map(({ partition, leader, replicas, isr }): PartitionFacts => {
    const { earliest = null, latest = null } = offsets.get(partition) ?? {}
    const end = source?.get(partition)?.latest ?? null
    const lag = end === null || latest === null ? null : Math.max(0, end - latest)
    return { partition, leader, replicas, isr, earliest, latest, lag }
  })
  return {
    kind: 'there',
    topic: {
      id: topic.id,
      replicationFactor: Math.min(...topic.partitions.map(({ replicas }) => replicas.length)),
      minInsyncReplicas: config?.minInsyncReplicas ?? null,
      config: config?.own ?? null,
      records: sum(
        partitions.map(({ earliest, latest }) =>
          earliest === null || latest === null ? null : latest - earliest,
        ),
      ),
      lag: source === undefined ? null : lagOf(partitions, source),
      partitions,
    },
  }
}

/** Also of partitions that the copy does not have yet. */
function lagOf(partitions: readonly PartitionFacts[], source: Offsets): number | null {
  if (source.size === 0) return null
  const had = new Set(partitions.map(({ partition }) => partition))
  const missing = [...source.values()].filter(({ partition }) => !had.has(partition))
  return sum([
    ...partitions.map(({ lag }) => lag),
    ...missing.map(({ earliest, latest }) =>
      earliest === null || latest === null ? null : latest - earliest,
    ),
  ])
}

/** Null if any is. */
const sum = (numbers: readonly (number | null)[]): number | null =>
  numbers.reduce<number | null>((total, each) => (total === null || each === null ? null : total + each), 0)
