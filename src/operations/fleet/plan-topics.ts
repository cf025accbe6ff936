import type { ClusterSnapshot } from '../../foundation/kafka/snapshot.ts'
import type { TopicState } from '../../foundation/kafka/topics.ts'
import { count } from '../../foundation/text/table.ts'
import type { ResolvedCluster, ResolvedFleet, ResolvedTopic } from './contract.ts'
import { minInsyncFault, replicationFault } from './limits.ts'
import {
  type Difference,
  type Note,
  type PlanInput,
  partNotKnown,
  type Reason,
  type Refusal,
  type Step,
} from './plan-model.ts'
import { transientConfigs } from './topic-config.ts'

type PlainStep = Omit<Step, 'id' | 'cluster'>
type PlainRefusal = Omit<Refusal, 'cluster'>

export interface TopicDifference {
  readonly changes: Difference
  readonly deletions: Difference
}

/** Topics of one cluster; those that links own there and Kafka's internal ones are left alone. */
export function diffTopics(
  input: PlanInput,
  cluster: ResolvedCluster,
  snapshot: ClusterSnapshot,
): TopicDifference {
  if (!snapshot.topics.ok) {
    return { changes: partNotKnown(cluster.name, 'topics', snapshot.topics.error), deletions: { steps: [] } }
  }
  const there = new Map(snapshot.topics.value.map(topic => [topic.name, topic]))
  const facts: Facts = {
    cluster: cluster.name,
    racks: racksOf(cluster, snapshot),
    before: topicsOf(input.accepted, cluster.name),
    anythingAccepted: input.accepted !== null,
    configs: snapshot.configs.ok ? new Map(snapshot.configs.value.map(each => [each.topic, each.own])) : null,
    moving: new Set(snapshot.reassignments.ok ? snapshot.reassignments.value.map(each => each.topic) : []),
  }
  const declared = topicsOf(input.fleet, cluster.name)
  const parts = [...declared.values()].map(topic => diffTopic(facts, topic, there.get(topic.name)))
  const unseen = snapshot.configs.ok
    ? []
    : partNotKnown(cluster.name, 'configs', snapshot.configs.error).notes!
  const deletions = undeclared(input, cluster.name, snapshot, declared)
  return {
    changes: {
      steps: parts.flatMap(part => part.steps),
      refusals: parts.flatMap(part => part.refusals ?? []),
      notes: unseen,
    },
    deletions,
  }
}

interface Facts {
  readonly cluster: string
  /** Each broker's rack; null: the brokers are not known. */
  readonly racks: readonly (string | null)[] | null
  readonly before: ReadonlyMap<string, ResolvedTopic>
  readonly anythingAccepted: boolean
  /** Null: not known. */
  readonly configs: ReadonlyMap<string, Readonly<Record<string, string>>> | null
  readonly moving: ReadonlySet<string>
}

const topicsOf = (fleet: ResolvedFleet | null, cluster: string): ReadonlyMap<string, ResolvedTopic> =>
  new Map((fleet?.topics ?? []).filter(topic => topic.cluster === cluster).map(topic => [topic.name, topic]))

/** Of a cluster of ours all declared brokers count: those that are down will be started. */
function racksOf(cluster: ResolvedCluster, snapshot: ClusterSnapshot): readonly (string | null)[] | null {
  if (cluster.driver === 'local') return cluster.nodes.map(({ rack }) => rack)
  return snapshot.cluster.ok ? snapshot.cluster.value.brokers.map(({ rack }) => rack) : null
}

/** Whether a difference comes from the file or from the cluster. */
const reasonOf = (facts: Facts, sameAsBefore: boolean): Reason =>
  !facts.anythingAccepted ? 'differs' : sameAsBefore ? 'drift' : 'changed'

function diffTopic(facts: Facts, topic: ResolvedTopic, actual: TopicState | undefined): Difference {
  const refusals = shapeRefusals(facts, topic, actual)
  if (actual === undefined)
    return refusals.length > 0 ? { steps: [], refusals } : { steps: [creation(facts, topic)] }
  const steps = [...partitionSteps(facts, topic, actual), ...configSteps(facts, topic, refusals)]
  return { steps, refusals }
}

function creation(facts: Facts, topic: ResolvedTopic): PlainStep {
  const vanished = facts.before.has(topic.name)
  const shape = `${count(topic.partitions, 'partition')} × ${count(topic.replicationFactor, 'replica')}`
  return {
    reason: vanished ? 'drift' : 'new',
    text: `create topic ${topic.name}: ${shape}, ${settings(topic.config)}`,
    warning: vanished ? 'it was there before: whatever it held is gone' : null,
    action: { kind: 'create-topic', topic },
  }
}

const settings = (config: Readonly<Record<string, string | null>>): string =>
  Object.entries(config)
    .map(([name, value]) => (value === null ? `${name} back to its default` : `${name}=${value}`))
    .join(', ')

function shapeRefusals(facts: Facts, topic: ResolvedTopic, actual: TopicState | undefined): PlainRefusal[] {
  const subject = `topic ${topic.name}`
  const refusals: PlainRefusal[] = []
  const fault = facts.racks === null ? undefined : replicationFault(topic.replicationFactor, facts.racks)
  if (fault !== undefined) {
    refusals.push({
      subject,
      wanted: count(topic.replicationFactor, 'replica'),
      because: `this cluster allows ${fault}`,
    })
  }
  const replicas = actual === undefined ? topic.replicationFactor : actualReplicas(actual)
  const insync = minInsyncFault(Number(topic.config['min.insync.replicas']), replicas)
  if (insync !== undefined) {
    refusals.push({
      subject,
      wanted: `min.insync.replicas=${topic.config['min.insync.replicas']}`,
      because: `it must be ${insync}`,
    })
  }
  if (actual === undefined) return refusals
  if (topic.partitions < actual.partitions.length) {
    refusals.push({
      subject,
      wanted: `${count(topic.partitions, 'partition')} instead of ${actual.partitions.length}`,
      because: 'Kafka cannot take partitions away; make another topic and move its readers and writers',
    })
  }
  if (replicas !== topic.replicationFactor && !facts.moving.has(topic.name)) {
    refusals.push({
      subject,
      wanted: `${count(topic.replicationFactor, 'replica')} instead of ${replicas}`,
      because: 'that moves or drops whole replicas: it is a reassignment under a lease, not a setting',
    })
  }
  return refusals
}

/** The fewest any partition has: what the topic can count on. */
const actualReplicas = (actual: TopicState): number =>
  Math.min(...actual.partitions.map(each => each.replicas.length))

function partitionSteps(facts: Facts, topic: ResolvedTopic, actual: TopicState): PlainStep[] {
  const { name, partitions: to } = topic
  const from = actual.partitions.length
  if (to <= from) return []
  return [
    {
      reason: reasonOf(facts, facts.before.get(name)?.partitions === to),
      text: `add partitions to topic ${name}: ${from} → ${to}`,
      warning: 'keyed records go to other partitions from then on; partitions cannot be taken away again',
      action: { kind: 'add-partitions', topic: name, from, to },
    },
  ]
}

/** One step for what the file has changed, one for what has drifted: people want to see them apart. */
function configSteps(facts: Facts, topic: ResolvedTopic, refusals: readonly PlainRefusal[]): PlainStep[] {
  if (facts.configs === null) return []
  const own = facts.configs.get(topic.name) ?? {}
  const names = [...new Set([...Object.keys(topic.config), ...Object.keys(own)])]
    .filter(name => !transientConfigs.has(name) && own[name] !== topic.config[name])
    // A refused min ISR is left as it is.
    .filter(name => name !== 'min.insync.replicas' || !refusals.some(each => each.wanted.startsWith(name)))
    .sort()
  const before = facts.before.get(topic.name)?.config
  const byReason = Map.groupBy(names, name => reasonOf(facts, before?.[name] === topic.config[name]))
  return [...byReason].map(([reason, changed]) => {
    const set = Object.fromEntries(changed.map(name => [name, topic.config[name] ?? null]))
    const changes = changed.map(
      name => `${name} ${own[name] ?? 'default'} → ${topic.config[name] ?? 'default'}`,
    )
    return {
      reason,
      text: `set topic ${topic.name}: ${changes.join(', ')}`,
      warning: shrinks(own, set) ? 'records older or beyond that are deleted' : null,
      action: { kind: 'set-topic-config', topic: topic.name, set },
    }
  })
}

/** Less retention than now, in time or bytes (−1: no limit). */
function shrinks(
  own: Readonly<Record<string, string>>,
  set: Readonly<Record<string, string | null>>,
): boolean {
  const limit = (value: string | null | undefined): number => {
    const number = Number(value ?? -1)
    return number < 0 ? Number.POSITIVE_INFINITY : number
  }
  return ['retention.ms', 'retention.bytes'].some(
    name => name in set && own[name] !== undefined && limit(set[name]) < limit(own[name]),
  )
}

/** Topics that nobody declares: deleted only if they once were ours and the caller allows it. */
function undeclared(
  input: PlanInput,
  cluster: string,
  snapshot: ClusterSnapshot,
  declared: ReadonlyMap<string, ResolvedTopic>,
): Difference {
  const topics = snapshot.topics.ok ? snapshot.topics.value : []
  const copies = copiesAt(input.fleet, cluster)
  const formerCopies = input.accepted === null ? new Set<string>() : copiesAt(input.accepted, cluster)
  const formerly = topicsOf(input.accepted, cluster)
  const records = recordsByTopic(snapshot)
  const steps: PlainStep[] = []
  const refusals: PlainRefusal[] = []
  const notes: Note[] = []
  for (const { name, id, internal } of topics) {
    if (internal || name.startsWith('__') || declared.has(name) || copies.has(name)) continue
    if (!formerly.has(name)) {
      const what = formerCopies.has(name)
        ? 'was the copy of a link that is no longer declared'
        : 'is not declared'
      notes.push({
        kind: 'undeclared-topic',
        cluster,
        topic: name,
        text: `Topic ${name} at cluster ${cluster} ${what}; it is left as it is.`,
      })
      continue
    }
    const held = records.get(name) ?? null
    const what = held === null ? 'what it holds' : count(held, 'record')
    if (input.allowDelete) {
      const warning = `${what} ${held === 1 || held === null ? 'is' : 'are'} deleted for good`
      steps.push({
        reason: 'changed',
        text: `delete topic ${name}`,
        warning,
        action: { kind: 'delete-topic', topic: name, id },
      })
    } else {
      refusals.push({
        subject: `topic ${name}`,
        wanted: 'to be gone: it is no longer declared',
        because: `${what} would be deleted; say --allow-delete to do it`,
      })
    }
  }
  return { steps, refusals, notes }
}

const copiesAt = (fleet: ResolvedFleet, cluster: string): ReadonlySet<string> =>
  new Set(fleet.links.filter(link => link.to === cluster).flatMap(link => link.topics))

/** Records of each topic, by its offsets; null where a partition's are not known. */
function recordsByTopic({ offsets }: ClusterSnapshot): ReadonlyMap<string, number | null> {
  const records = new Map<string, number | null>()
  for (const { topic, earliest, latest } of offsets.ok ? offsets.value : []) {
    const before = records.get(topic)
    const held = earliest === null || latest === null ? null : latest - earliest
    records.set(topic, before === null || held === null ? null : (before ?? 0) + held)
  }
  return records
}
