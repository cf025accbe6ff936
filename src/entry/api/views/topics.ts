import type { PartitionState, TopicDetail, TopicRow } from '../models.ts'
import type { ClusterFacts, FleetFacts, TopicFacts } from '../platform.ts'
import { byText, cut, matcher, orderBy, type Page, type PageRequest } from './page.ts'
import { partitionStateOf, rankOf, worstOf } from './partitions.ts'

/** One topic at one cluster, summed over its partitions. */
export interface TopicSum {
  readonly topic: TopicFacts
  readonly state: PartitionState
  readonly underReplicated: number
  readonly offline: number
  readonly records: number
  readonly sizeBytes: number
  readonly replicationFactor: number
}

const sums = new WeakMap<readonly TopicFacts[], readonly TopicSum[]>()

/** Summed once per snapshot: 300,000 partitions are not walked for each request. */
export function topicSums(topics: readonly TopicFacts[]): readonly TopicSum[] {
  const known = sums.get(topics)
  if (known !== undefined) return known
  const made = topics.map(sumOf)
  sums.set(topics, made)
  return made
}

function sumOf(topic: TopicFacts): TopicSum {
  const states = topic.partitions.map(partition => partitionStateOf(partition, topic.minIsr))
  let records = 0
  let sizeBytes = 0
  for (const { startOffset, endOffset, sizeBytes: size } of topic.partitions) {
    if (startOffset !== null && endOffset !== null) records += endOffset - startOffset
    sizeBytes += size ?? 0
  }
  return {
    topic,
    state: worstOf(states),
    underReplicated: states.filter(state => state !== 'ok' && state !== 'offline').length,
    offline: states.filter(state => state === 'offline').length,
    records,
    sizeBytes,
    replicationFactor: topic.partitions[0]?.replicas.length ?? 0,
  }
}

let lastRows:
  | { readonly of: readonly (readonly TopicFacts[])[]; readonly rows: readonly TopicRow[] }
  | undefined

/** A row per topic name over all clusters; the same list until some cluster's topics change. */
export function topicRows(fleet: FleetFacts): readonly TopicRow[] {
  const of = fleet.clusters.map(cluster => cluster.topics)
  if (
    lastRows !== undefined &&
    lastRows.of.length === of.length &&
    lastRows.of.every((topics, i) => topics === of[i])
  ) {
    return lastRows.rows
  }
  const places = new Map<string, [ClusterFacts, TopicSum][]>()
  for (const cluster of fleet.clusters) {
    for (const sum of topicSums(cluster.topics)) {
      const known = places.get(sum.topic.name)
      if (known === undefined) places.set(sum.topic.name, [[cluster, sum]])
      else known.push([cluster, sum])
    }
  }
  const rows = [...places].map(([name, at]) => rowOf(name, at)).sort((a, b) => byText(a.name, b.name))
  lastRows = { of, rows }
  return rows
}

function rowOf(name: string, at: readonly [ClusterFacts, TopicSum][]): TopicRow {
  const [, main] = at.find(([, sum]) => sum.topic.link === null) ?? at[0]!
  const rates = at.map(([, sum]) => sum.topic.recordsInPerSecond).filter(rate => rate !== null)
  return {
    name,
    internal: at.every(([, sum]) => sum.topic.internal),
    state: worstOf(at.map(([, sum]) => sum.state)),
    clusters: at.map(([cluster]) => cluster.name),
    partitions: main.topic.partitions.length,
    replicationFactor: main.replicationFactor,
    sizeBytes: at.reduce((bytes, [, sum]) => bytes + sum.sizeBytes, 0),
    records: main.records,
    recordsInPerSecond: main.topic.recordsInPerSecond ?? (rates.length === 0 ? null : Math.max(...rates)),
  }
}

export const topicSorts = ['name', 'state', 'partitions', 'size', 'records', 'rate', 'clusters'] as const
export type TopicSort = (typeof topicSorts)[number]

export interface TopicQuery extends PageRequest<TopicSort> {
  readonly cluster?: string | undefined
  readonly internal: boolean
  readonly state: 'all' | 'unhealthy'
}

export function topicPage(fleet: FleetFacts, query: TopicQuery): Page<TopicRow> {
  const wanted = matcher(query.search)
  const rows = topicRows(fleet).filter(
    row =>
      (query.internal || !row.internal) &&
      (query.cluster === undefined || row.clusters.includes(query.cluster)) &&
      (query.state === 'all' || row.state !== 'ok') &&
      wanted(row.name),
  )
  // The list is in the order of names already.
  if (query.sort === 'name') return cut(query.order === 'asc' ? rows : rows.reverse(), query)
  return cut(rows.sort(orderBy(sortKeys[query.sort], query.order, (a, b) => byText(a.name, b.name))), query)
}

const sortKeys: Record<Exclude<TopicSort, 'name'>, (row: TopicRow) => string | number | null> = {
  state: row => rankOf(row.state),
  partitions: row => row.partitions,
  size: row => row.sizeBytes,
  records: row => row.records,
  rate: row => row.recordsInPerSecond,
  clusters: row => row.clusters.length,
}

/** One view of a topic across all clusters; undefined when no cluster has it. Where it is written comes first. */
export function topicDetail(fleet: FleetFacts, name: string): TopicDetail | undefined {
  const clusters = fleet.clusters.flatMap(cluster => {
    const sum = topicSums(cluster.topics).find(each => each.topic.name === name)
    return sum === undefined ? [] : [placeOf(cluster, sum)]
  })
  if (clusters.length === 0) return undefined
  return { name, clusters: clusters.sort((a, b) => byText(b.role, a.role) || byText(a.cluster, b.cluster)) }
}

function placeOf(cluster: ClusterFacts, sum: TopicSum): TopicDetail['clusters'][number] {
  return {
    cluster: cluster.name,
    site: cluster.site,
    topicId: sum.topic.id,
    role: sum.topic.link === null ? 'origin' : 'copy',
    link: sum.topic.link,
    state: sum.state,
    partitions: sum.topic.partitions.length,
    replicationFactor: sum.replicationFactor,
    underReplicated: sum.underReplicated,
    offline: sum.offline,
    records: sum.records,
    sizeBytes: sum.sizeBytes,
    recordsInPerSecond: sum.topic.recordsInPerSecond,
    observedAt: cluster.observedAt,
  }
}
