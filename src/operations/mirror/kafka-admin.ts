import { AjnaError } from '../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import type { DescribedConfig } from '../../foundation/kafka/configs.ts'
import { refusalOf } from '../../foundation/kafka/errors.ts'
import type { LinkAdmin } from './contract.ts'
import { LINK_TOPIC_REFUSED } from './errors.ts'

type Cluster = Pick<
  ClusterAdmin,
  'describeConfigs' | 'createTopics' | 'createPartitions' | 'alterConfigs' | 'deleteTopics'
>

/** What a link needs done at a cluster, done by its administration client. */
export function kafkaLinkAdmin(cluster: Cluster): LinkAdmin {
  return {
    async settings(topics, signal) {
      const described = await cluster.describeConfigs(
        topics.map(name => ({ kind: 'topic', name })),
        { signal },
      )
      const settings = new Map<string, Record<string, string>>()
      const hidden: DescribedConfig[] = []
      for (const each of described) {
        const { resource, entries, error } = each
        if (error !== null) {
          if (refusalOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') continue
          hidden.push(each)
          continue
        }
        const own = [...entries.values()].filter(({ source, value }) => source === 'own' && value !== null)
        settings.set(resource.name, Object.fromEntries(own.map(({ name, value }) => [name, value!])))
      }
      const [first] = hidden
      if (first === undefined) return settings
      const names = hidden.map(({ resource }) => resource.name)
      throw refused(first.resource.name, first.error!, names)
    },
    async maxMessageBytes(name, signal) {
      const [described] = await cluster.describeConfigs([{ kind: 'topic', name }], { signal })
      const value = described?.entries.get('max.message.bytes')?.value ?? null
      return value === null ? null : Number(value)
    },
    async createTopic({ name, partitions, replicationFactor, config }, signal) {
      const [outcome] = await cluster.createTopics(
        [{ name, layout: { partitions, replicationFactor }, config }],
        { signal },
      )
      const error = outcome?.error ?? null
      if (error !== null && refusalOf(error) !== 'TOPIC_ALREADY_EXISTS') throw refused(name, error)
    },
    async addPartitions(name, total, signal) {
      const [outcome] = await cluster.createPartitions([{ name, total }], { signal })
      if (outcome?.error) throw refused(name, outcome.error)
    },
    async changeSettings(name, set, signal) {
      const [outcome] = await cluster.alterConfigs([{ resource: { kind: 'topic', name }, set }], { signal })
      if (outcome?.error) throw refused(name, outcome.error)
    },
    async deleteTopic(name, id, signal) {
      const [outcome] = await cluster.deleteTopics([{ name, id }], { signal })
      const error = outcome?.error ?? null
      if (error !== null && !ABSENT.has(refusalOf(error) ?? '')) throw refused(name, error)
    },
  }
}

const ABSENT: ReadonlySet<string> = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'])

function refused(topic: string, cause: AjnaError, topics: readonly string[] = [topic]): AjnaError {
  const details = { topic, topics }
  return new AjnaError(LINK_TOPIC_REFUSED, `topic ${topic}: ${cause.message}`, { cause, details })
}
