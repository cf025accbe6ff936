import type { NewTopic } from '../../../foundation/kafka/topics.ts'
import type { PartitionKey } from '../../../foundation/wire/leaders.ts'
import { type ClientConf, clientConf } from './client-conf.ts'
import type { Payload } from './spec/payload.ts'
import type {
  ConnectionStressSpec,
  ConsumeBenchSpec,
  NetworkPartitionSpec,
  OtherSpec,
  ProcessStopSpec,
  ProduceBenchSpec,
  RoundTripSpec,
  TaskSpec,
  TimestampProcessor,
  TransactionsSpec,
} from './spec/spec.ts'
import {
  DEFAULT_PARTITIONS,
  DEFAULT_REPLICATION,
  expand,
  expandAll,
  MAX_NAMES,
  type PartitionsSpec,
  type TopicsSpec,
} from './spec/topics.ts'

/** What a task is to do, with everything decided that its specification leaves open. */
export type Plan =
  | ProducePlan
  | ConsumePlan
  | RoundTripPlan
  | ConnectPlan
  | { readonly kind: 'nothing' }
  | { readonly kind: 'stop-process'; readonly nodeNames: readonly string[]; readonly processName: string }
  | { readonly kind: 'part-network'; readonly partitions: readonly (readonly string[])[] }

/** Records to partitions in turn, at a rate. */
export interface SendPlan {
  readonly client: ClientConf
  readonly topics: readonly NewTopic[]
  /** In the order in which they are written to. */
  readonly partitions: readonly PartitionKey[]
  readonly perSecond: number
  readonly maxMessages: number
  readonly value: Payload
}

export interface ProducePlan extends SendPlan {
  readonly kind: 'produce'
  readonly key: Payload
  readonly transactions: TransactionsSpec | undefined
  /** The partition is the key's, as Kafka's partitioner has it; only the topic is chosen in turn. */
  readonly byKey: boolean
}

export interface RoundTripPlan extends SendPlan {
  readonly kind: 'round-trip'
  readonly reader: ClientConf
}

export interface ConsumePlan {
  readonly kind: 'consume'
  readonly client: ClientConf
  readonly consumers: number
  /** Undefined: each consumer has one of its own. */
  readonly group: string | undefined
  /** Undefined: as the group assigns them. Topics without partitions mean all of theirs. */
  readonly assigned:
    | { readonly partitions: readonly PartitionKey[]; readonly whole: readonly string[] }
    | undefined
  readonly topics: readonly string[]
  /** Of each consumer; undefined: as fast as it can. */
  readonly perSecond: number | undefined
  readonly maxMessages: number
  readonly processor: TimestampProcessor | undefined
}

export interface ConnectPlan {
  readonly kind: 'connect'
  readonly client: ClientConf
  readonly perSecond: number
  readonly atOnce: number
  readonly metadata: boolean
}

/** The specification's field, what it says and what is allowed, or why it is not done. */
export interface Refused {
  readonly refused: string
}

const MAX_PARTITIONS = 10_000
const MAX_CONSUMERS = 32
const MAX_CONNECTING = 64
/** A round trip's keys are the records' numbers in four bytes. */
const MAX_ROUND_TRIPS = 2 ** 31 - 1
/** What Trogdor makes of a rate of 0: one each 100 ms. */
const LEAST_PER_SECOND = 10

/** @param own bootstrap servers for a specification that names none: of the cluster that was started for faults */
export function planOf(named: TaskSpec, own: readonly string[] = []): Plan | Refused {
  const none = 'bootstrapServers' in named && named.bootstrapServers === ''
  const spec: TaskSpec = none ? { ...named, bootstrapServers: own.join(',') } : named
  switch (spec.class) {
    case 'org.apache.kafka.trogdor.workload.ProduceBenchSpec':
      return planProduce(spec)
    case 'org.apache.kafka.trogdor.workload.ConsumeBenchSpec':
      return planConsume(spec)
    case 'org.apache.kafka.trogdor.workload.RoundTripWorkloadSpec':
      return planRoundTrip(spec)
    case 'org.apache.kafka.trogdor.workload.ConnectionStressSpec':
      return planConnect(spec)
    case 'org.apache.kafka.trogdor.task.NoOpTaskSpec':
      return { kind: 'nothing' }
    case 'org.apache.kafka.trogdor.fault.ProcessStopFaultSpec':
      return planProcessStop(spec)
    case 'org.apache.kafka.trogdor.fault.NetworkPartitionFaultSpec':
      return planNetworkPartition(spec)
    case 'org.apache.kafka.trogdor.fault.FilesUnreadableFaultSpec':
      return { refused: 'FilesUnreadableFault: faults of a disk are not done here yet' }
    default:
      return { refused: NOT_DONE[spec.class] }
  }
}

const NOT_DONE: Readonly<Record<OtherSpec['class'], string>> = {
  'org.apache.kafka.trogdor.workload.SustainedConnectionSpec':
    'SustainedConnection: not done here; ConnectionStress opens connections, ProduceBench and ConsumeBench keep some open',
  'org.apache.kafka.trogdor.workload.ExternalCommandSpec':
    'ExternalCommand: no commands are run for whoever can reach this port; run the command beside the coordinator',
  'org.apache.kafka.trogdor.workload.ConfigurableProducerSpec':
    'ConfigurableProducer: not done here; ProduceBench has a constant rate, with payloads of changing size if need be',
  'org.apache.kafka.trogdor.workload.ShareConsumeBenchSpec':
    'ShareConsumeBench: there is no client of share groups here; ConsumeBench reads with a consumer group',
  'org.apache.kafka.trogdor.workload.ShareRoundTripWorkloadSpec':
    'ShareRoundTrip: there is no client of share groups here; RoundTripWorkload reads without one',
  'org.apache.kafka.trogdor.fault.DegradedNetworkFaultSpec':
    'DegradedNetworkFault: not done here; NetworkPartitionFault is, and scenarios throttle (`ajna test run`)',
}

const nodeMissing = (field: string): Refused => ({
  refused: `${field}: found nothing, allowed: a node’s name`,
})

const notNegative = (field: string, value: number): Refused | undefined =>
  value < 0 ? { refused: `${field}: found ${value}, allowed: 0 or more` } : undefined

function planProduce(spec: ProduceBenchSpec): ProducePlan | Refused {
  const { targetMessagesPerSec, keyGenerator, valueGenerator, transactionGenerator } = spec
  if (spec.producerNode === '') return nodeMissing('producerNode')
  const wrong =
    notNegative('targetMessagesPerSec', targetMessagesPerSec) ?? notNegative('maxMessages', spec.maxMessages)
  if (wrong !== undefined) return wrong
  const topics = planTopics(spec)
  if ('refused' in topics) return topics
  const { commonClientConf, adminClientConf, producerConf } = spec
  const client = clientConf(spec.bootstrapServers, { commonClientConf, adminClientConf, producerConf })
  if ('refused' in client) return client
  return {
    kind: 'produce',
    client,
    ...topics,
    perSecond: targetMessagesPerSec === 0 ? LEAST_PER_SECOND : targetMessagesPerSec,
    maxMessages: spec.maxMessages,
    key: keyGenerator,
    value: valueGenerator,
    transactions: transactionGenerator,
    byKey: spec.useConfiguredPartitioner,
  }
}

function planRoundTrip(spec: RoundTripSpec): RoundTripPlan | Refused {
  const { targetMessagesPerSec: perSecond, maxMessages, valueGenerator } = spec
  if (spec.clientNode === '') return nodeMissing('clientNode')
  if (perSecond <= 0) return { refused: `targetMessagesPerSec: found ${perSecond}, allowed: 1 or more` }
  if (maxMessages > MAX_ROUND_TRIPS)
    return { refused: `maxMessages: found ${maxMessages}, allowed: at most ${MAX_ROUND_TRIPS}` }
  const wrong = notNegative('maxMessages', maxMessages)
  if (wrong !== undefined) return wrong
  const topics = planTopics({ activeTopics: spec.activeTopics, inactiveTopics: {} })
  if ('refused' in topics) return topics
  const { commonClientConf, adminClientConf, producerConf, consumerConf } = spec
  const client = clientConf(spec.bootstrapServers, { commonClientConf, adminClientConf, producerConf })
  const reader = clientConf(spec.bootstrapServers, { commonClientConf, consumerConf })
  if ('refused' in client) return client
  if ('refused' in reader) return reader
  return { kind: 'round-trip', client, reader, ...topics, perSecond, maxMessages, value: valueGenerator }
}

function planTopics({
  activeTopics,
  inactiveTopics,
}: Pick<ProduceBenchSpec, 'activeTopics' | 'inactiveTopics'>):
  | Pick<SendPlan, 'topics' | 'partitions'>
  | Refused {
  const active = materialize('activeTopics', activeTopics)
  if ('refused' in active) return active
  const inactive = materialize('inactiveTopics', inactiveTopics)
  if ('refused' in inactive) return inactive
  const partitions = active.topics.flatMap(({ name, layout }) =>
    Array.from({ length: partitionsIn(layout) }, (_, partition) => ({ topic: name, partition })),
  )
  if (partitions.length === 0)
    return { refused: 'activeTopics: found none, allowed: at least one topic, by its name' }
  const topics = [
    ...new Map([...active.topics, ...inactive.topics].map(topic => [topic.name, topic])).values(),
  ]
  const all = topics.reduce((sum, { layout }) => sum + partitionsIn(layout), 0)
  if (topics.length > MAX_NAMES) return { refused: `activeTopics, inactiveTopics: ${tooMany(topics.length)}` }
  if (all > MAX_PARTITIONS)
    return {
      refused: `activeTopics, inactiveTopics: found ${all} partitions in all, allowed: at most ${MAX_PARTITIONS}`,
    }
  return { topics, partitions }
}

const tooMany = (names: number): string => `found ${names} topics or more, allowed: at most ${MAX_NAMES}`

const partitionsIn = (layout: NewTopic['layout']): number =>
  'partitions' in layout ? layout.partitions : layout.replicas.length

function materialize(field: string, spec: TopicsSpec): { readonly topics: readonly NewTopic[] } | Refused {
  const topics: NewTopic[] = []
  for (const [name, partitions] of Object.entries(spec)) {
    const place = `${field}[${JSON.stringify(name.slice(0, 80))}]`
    const names = expand(name)
    if (names === undefined)
      return { refused: `${place}: found a range that runs backwards, allowed: [first-last]` }
    if (topics.length + names.length > MAX_NAMES)
      return { refused: `${place}: ${tooMany(topics.length + names.length)}` }
    const layout = layoutOf(place, partitions)
    if ('refused' in layout) return layout
    for (const each of names) topics.push({ name: each, layout, config: partitions.configs })
  }
  return { topics }
}

function layoutOf(
  place: string,
  { numPartitions, replicationFactor, partitionAssignments }: PartitionsSpec,
): NewTopic['layout'] | Refused {
  const assigned = Object.keys(partitionAssignments)
  if (assigned.length === 0) {
    const partitions = numPartitions <= 0 ? DEFAULT_PARTITIONS : numPartitions
    if (partitions > MAX_PARTITIONS)
      return { refused: `${place}.numPartitions: found ${partitions}, allowed: at most ${MAX_PARTITIONS}` }
    return { partitions, replicationFactor: replicationFactor <= 0 ? DEFAULT_REPLICATION : replicationFactor }
  }
  const replicas = assigned.map((_, partition) => partitionAssignments[String(partition)])
  if (replicas.some(each => each === undefined || each.length === 0))
    return {
      refused: `${place}.partitionAssignments: found partitions ${assigned.slice(0, 20).join(', ')}, allowed: each from 0 on, with its brokers`,
    }
  return { replicas: replicas as readonly (readonly number[])[] }
}

const TOPIC_AND_PARTITION = /^([^:]+)(?::(\d{1,9}))?$/

function planConsume(spec: ConsumeBenchSpec): ConsumePlan | Refused {
  const { threadsPerWorker: consumers, maxMessages, activeTopics, recordProcessor: processor } = spec
  if (spec.consumerNode === '') return nodeMissing('consumerNode')
  if (consumers < 1 || consumers > MAX_CONSUMERS)
    return { refused: `threadsPerWorker: found ${consumers}, allowed: from 1 to ${MAX_CONSUMERS}` }
  const wrong = notNegative('maxMessages', maxMessages)
  if (wrong !== undefined) return wrong
  const { commonClientConf, adminClientConf, consumerConf } = spec
  const client = clientConf(spec.bootstrapServers, { commonClientConf, adminClientConf, consumerConf })
  if ('refused' in client) return client
  const group = client.groupId ?? (spec.consumerGroup === '' ? undefined : spec.consumerGroup)
  const named = namedTopics(activeTopics)
  if ('refused' in named) return named
  const { topics, partitions } = named
  const whole = topics.filter(topic => !partitions.some(each => each.topic === topic))
  if (partitions.length > 0 && group !== undefined && consumers > 1)
    return {
      refused:
        'activeTopics: found partitions for several consumers of one group, allowed: topics without partitions, no consumerGroup, or one thread',
    }
  return {
    kind: 'consume',
    client,
    consumers,
    group,
    assigned: partitions.length === 0 ? undefined : { partitions, whole },
    topics,
    perSecond: spec.targetMessagesPerSec <= 0 ? undefined : spec.targetMessagesPerSec,
    maxMessages,
    processor,
  }
}

function namedTopics(
  activeTopics: readonly string[],
): { readonly topics: readonly string[]; readonly partitions: readonly PartitionKey[] } | Refused {
  const topics = new Set<string>()
  const partitions = new Map<string, PartitionKey>()
  for (const [index, raw] of activeTopics.entries()) {
    const place = `activeTopics[${index}]`
    const names = expandAll(raw)
    if (names === undefined)
      return { refused: `${place}: found a range that runs backwards, allowed: [first-last]` }
    if (partitions.size + topics.size + names.length > MAX_PARTITIONS || names.length > MAX_NAMES)
      return { refused: `${place}: ${tooMany(names.length)}` }
    for (const name of names) {
      const parts = TOPIC_AND_PARTITION.exec(name)
      if (parts === null)
        return {
          refused: `${place}: found ${JSON.stringify(name.slice(0, 80))}, allowed: topic or topic:partition`,
        }
      topics.add(parts[1]!)
      if (parts[2] !== undefined) partitions.set(name, { topic: parts[1]!, partition: Number(parts[2]) })
    }
  }
  if (topics.size === 0) return { refused: 'activeTopics: found none, allowed: at least one topic' }
  return { topics: [...topics], partitions: [...partitions.values()] }
}

function planConnect(spec: ConnectionStressSpec): ConnectPlan | Refused {
  const { targetConnectionsPerSec, numThreads, action, commonClientConf } = spec
  if (spec.clientNode.every(name => name === '')) return nodeMissing('clientNode')
  if (numThreads > MAX_CONNECTING)
    return { refused: `numThreads: found ${numThreads}, allowed: at most ${MAX_CONNECTING}` }
  const wrong = notNegative('targetConnectionsPerSec', targetConnectionsPerSec)
  if (wrong !== undefined) return wrong
  const client = clientConf(spec.bootstrapServers, { commonClientConf })
  if ('refused' in client) return client
  const perSecond = Math.max(LEAST_PER_SECOND, targetConnectionsPerSec)
  return { kind: 'connect', client, perSecond, atOnce: numThreads, metadata: action === 'FETCH_METADATA' }
}

/** Longer than any test waits for; a fault's lease is a bound that must mean something. */
const MAX_FAULT_MS = 24 * 3_600_000

function planProcessStop({ nodeNames, javaProcessName, durationMs }: ProcessStopSpec): Plan | Refused {
  if (nodeNames.length === 0) return nodeMissing('nodeNames')
  if (javaProcessName === '')
    return {
      refused:
        'javaProcessName: found nothing, allowed: part of a process’s command line, such as kafka.Kafka',
    }
  return (
    tooLong(durationMs) ?? {
      kind: 'stop-process',
      nodeNames: [...new Set(nodeNames)],
      processName: javaProcessName,
    }
  )
}

function planNetworkPartition({ partitions, durationMs }: NetworkPartitionSpec): Plan | Refused {
  const seen = new Set<string>()
  for (const name of partitions.flat()) {
    if (seen.has(name))
      return { refused: `partitions: found node ${name} more than once, allowed: each in one partition` }
    seen.add(name)
  }
  if (partitions.length < 2)
    return { refused: `partitions: found ${partitions.length}, allowed: at least two lists of nodes` }
  return tooLong(durationMs) ?? { kind: 'part-network', partitions }
}

const tooLong = (durationMs: number): Refused | undefined =>
  durationMs > MAX_FAULT_MS
    ? { refused: `durationMs: found ${durationMs}, allowed for a fault: at most ${MAX_FAULT_MS}` }
    : undefined
