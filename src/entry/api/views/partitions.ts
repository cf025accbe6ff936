import type { Partition, PartitionState } from '../models.ts'
import type { ClusterFacts, PartitionFacts, TopicFacts } from '../platform.ts'
import { byText, cut, matcher, orderBy, type Page, type PageRequest } from './page.ts'

/** Worst first: what a list of states comes to is its first in this order. */
const WORST: readonly PartitionState[] = ['offline', 'under-min-isr', 'at-min-isr', 'under-replicated', 'ok']

export function partitionStateOf({ leader, isr, replicas }: PartitionFacts, minIsr: number): PartitionState {
  if (leader < 0) return 'offline'
  if (isr.length >= replicas.length) return 'ok'
  if (isr.length < minIsr) return 'under-min-isr'
  return isr.length === minIsr ? 'at-min-isr' : 'under-replicated'
}

export function worstOf(states: Iterable<PartitionState>): PartitionState {
  let worst = WORST.length - 1
  for (const state of states) worst = Math.min(worst, WORST.indexOf(state))
  return WORST[worst]!
}

export const rankOf = (state: PartitionState): number => WORST.indexOf(state)

export const partitionSorts = ['topic', 'state', 'leader', 'size', 'records'] as const
export type PartitionSort = (typeof partitionSorts)[number]

export interface PartitionQuery extends PageRequest<PartitionSort> {
  readonly topic?: string | undefined
  readonly broker?: number | undefined
  /** `unhealthy`: all that are not ok. */
  readonly state: 'all' | 'unhealthy' | PartitionState
}

export function partitionPage(cluster: ClusterFacts, query: PartitionQuery): Page<Partition> {
  const wanted = matcher(query.search)
  const rows: Partition[] = []
  for (const topic of cluster.topics) {
    if (query.topic === undefined ? !wanted(topic.name) : topic.name !== query.topic) continue
    for (const facts of topic.partitions) {
      if (query.broker !== undefined && !facts.replicas.includes(query.broker)) continue
      const row = rowOf(topic, facts)
      if (
        query.state === 'all' ||
        row.state === query.state ||
        (query.state === 'unhealthy' && row.state !== 'ok')
      )
        rows.push(row)
    }
  }
  return cut(rows.sort(orderBy(sortKeys[query.sort], query.order, byPlace)), query)
}

function rowOf(topic: TopicFacts, facts: PartitionFacts): Partition {
  return {
    topic: topic.name,
    partition: facts.partition,
    state: partitionStateOf(facts, topic.minIsr),
    leader: facts.leader < 0 ? null : facts.leader,
    leaderEpoch: facts.leaderEpoch,
    replicas: [...facts.replicas],
    isr: [...facts.isr],
    startOffset: facts.startOffset,
    endOffset: facts.endOffset,
    sizeBytes: facts.sizeBytes,
  }
}

const byPlace = (a: Partition, b: Partition): number => byText(a.topic, b.topic) || a.partition - b.partition

const sortKeys: Record<PartitionSort, (row: Partition) => string | number | null> = {
  topic: row => row.topic,
  state: row => rankOf(row.state),
  leader: row => row.leader,
  size: row => row.sizeBytes,
  records: row =>
    row.endOffset === null || row.startOffset === null ? null : row.endOffset - row.startOffset,
}
