import type { TopicFacts } from '../api/platform.ts'

/** Where a partition's log ended when its cluster was last looked at; null: not known. */
export type LogEnds = (cluster: string, topic: string, partition: number) => number | null

/** @param topicsOf of a cluster; they keep their identity while they say the same */
export function logEnds(topicsOf: (cluster: string) => readonly TopicFacts[] | undefined): LogEnds {
  const indexes = new WeakMap<readonly TopicFacts[], ReadonlyMap<string, TopicFacts>>()
  const indexOf = (topics: readonly TopicFacts[]): ReadonlyMap<string, TopicFacts> => {
    const known = indexes.get(topics) ?? new Map(topics.map(topic => [topic.name, topic]))
    indexes.set(topics, known)
    return known
  }
  return (cluster, topic, partition) => {
    const topics = topicsOf(cluster)
    const found = topics === undefined ? undefined : indexOf(topics).get(topic)
    return found?.partitions.find(each => each.partition === partition)?.endOffset ?? null
  }
}
