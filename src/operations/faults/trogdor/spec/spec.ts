import { z } from 'zod'
import { describePath, describeValue, type Path } from '../../../../foundation/config/problem.ts'
import { AjnaError } from '../../../../foundation/errors/errors.ts'
import { TROGDOR_CLASS_UNKNOWN, TROGDOR_SPEC_INVALID } from '../errors.ts'
import { byKind, UNKNOWN_KIND } from './kinds.ts'
import { type Payload, payload } from './payload.ts'
import { topicsSpec } from './topics.ts'
import { flag, int, list, long, text, texts } from './values.ts'

/**
 * Task specifications as Trogdor 4.3.1 reads them: each class's fields, what they default to, and nothing else. What comes
 * out is the specification with all its defaults, as Trogdor itself shows it.
 */

/** trogdor's TaskSpec.MAX_TASK_DURATION_MS. */
const MAX_DURATION_MS = 1e15

const time = {
  startMs: long(),
  durationMs: long().transform(ms => Math.max(0, Math.min(MAX_DURATION_MS, ms))),
}

const payloadOr = (otherwise: Payload) => z.preprocess(found => found ?? otherwise, payload)

const uniformTransactions = z
  .strictObject({ type: z.literal('uniform'), messagesPerTransaction: int() })
  .refine(({ messagesPerTransaction }) => messagesPerTransaction >= 1, {
    path: ['messagesPerTransaction'],
    error: 'a whole number of at least 1',
  })
const intervalTransactions = z
  .strictObject({ type: z.literal('interval'), transactionIntervalMs: int() })
  .refine(({ transactionIntervalMs }) => transactionIntervalMs >= 1, {
    path: ['transactionIntervalMs'],
    error: 'a whole number of at least 1, in ms',
  })
export type TransactionsSpec = z.output<typeof uniformTransactions> | z.output<typeof intervalTransactions>

const transactions = byKind<TransactionsSpec>('type', {
  uniform: () => uniformTransactions,
  interval: () => intervalTransactions,
})

const MAX_STEPS = 200_000

const timestampProcessor = z
  .strictObject({
    type: z.literal('timestamp'),
    histogramMaxMs: int(),
    histogramMinMs: int(),
    histogramStepMs: int(),
  })
  .refine(({ histogramStepMs }) => histogramStepMs >= 1, {
    path: ['histogramStepMs'],
    error: 'a whole number of at least 1, in ms',
  })
  .refine(
    ({ histogramMinMs, histogramMaxMs, histogramStepMs }) =>
      histogramMaxMs >= histogramMinMs && (histogramMaxMs - histogramMinMs) / histogramStepMs <= MAX_STEPS,
    { path: ['histogramMaxMs'], error: `from histogramMinMs on, and at most ${MAX_STEPS} steps` },
  )
export type TimestampProcessor = z.output<typeof timestampProcessor>

const processor = byKind<TimestampProcessor>('type', { timestamp: () => timestampProcessor })

const WORKLOAD = 'org.apache.kafka.trogdor.workload.'
export const FAULT = 'org.apache.kafka.trogdor.fault.'

const produceBench = z.strictObject({
  class: z.literal(`${WORKLOAD}ProduceBenchSpec`),
  ...time,
  producerNode: text(),
  bootstrapServers: text(),
  targetMessagesPerSec: int(),
  maxMessages: long(),
  keyGenerator: payloadOr({ type: 'sequential', size: 4, startOffset: 0 }),
  valueGenerator: payloadOr({ type: 'constant', size: 512, value: '' }),
  transactionGenerator: transactions.nullish().transform(given => given ?? undefined),
  producerConf: texts(),
  commonClientConf: texts(),
  adminClientConf: texts(),
  activeTopics: topicsSpec(),
  inactiveTopics: topicsSpec(),
  useConfiguredPartitioner: flag(),
  skipFlush: flag(),
})
export type ProduceBenchSpec = z.output<typeof produceBench>

const consumeBench = z.strictObject({
  class: z.literal(`${WORKLOAD}ConsumeBenchSpec`),
  ...time,
  consumerNode: text(),
  bootstrapServers: text(),
  targetMessagesPerSec: int(),
  maxMessages: long(),
  consumerGroup: text(),
  consumerConf: texts(),
  commonClientConf: texts(),
  adminClientConf: texts(),
  threadsPerWorker: z.preprocess(found => found ?? 1, int()),
  recordProcessor: processor.nullish().transform(given => given ?? undefined),
  activeTopics: list(text()),
})
export type ConsumeBenchSpec = z.output<typeof consumeBench>

const roundTrip = z.strictObject({
  class: z.literal(`${WORKLOAD}RoundTripWorkloadSpec`),
  ...time,
  clientNode: text(),
  bootstrapServers: text(),
  commonClientConf: texts(),
  adminClientConf: texts(),
  consumerConf: texts(),
  producerConf: texts(),
  targetMessagesPerSec: int(),
  valueGenerator: payloadOr({ type: 'uniformRandom', size: 32, seed: 123, padding: 10 }),
  activeTopics: topicsSpec(),
  maxMessages: long(),
})
export type RoundTripSpec = z.output<typeof roundTrip>

const connectionActions = ['CONNECT', 'FETCH_METADATA'] as const

const connectionStress = z.strictObject({
  class: z.literal(`${WORKLOAD}ConnectionStressSpec`),
  ...time,
  clientNode: list(text()),
  bootstrapServers: text(),
  commonClientConf: texts(),
  targetConnectionsPerSec: int(),
  numThreads: int().transform(threads => Math.max(1, threads)),
  action: z.preprocess(
    found => found ?? 'CONNECT',
    z.enum(connectionActions, { error: 'CONNECT or FETCH_METADATA' }),
  ),
})
export type ConnectionStressSpec = z.output<typeof connectionStress>

const noOp = z.strictObject({ class: z.literal('org.apache.kafka.trogdor.task.NoOpTaskSpec'), ...time })
export type NoOpSpec = z.output<typeof noOp>

const processStop = z.strictObject({
  class: z.literal(`${FAULT}ProcessStopFaultSpec`),
  ...time,
  nodeNames: list(text()),
  javaProcessName: text(),
})
export type ProcessStopSpec = z.output<typeof processStop>

const networkPartition = z.strictObject({
  class: z.literal(`${FAULT}NetworkPartitionFaultSpec`),
  ...time,
  partitions: list(list(text())),
})
export type NetworkPartitionSpec = z.output<typeof networkPartition>

const filesUnreadable = z.strictObject({
  class: z.literal(`${FAULT}FilesUnreadableFaultSpec`),
  ...time,
  nodeNames: list(text()),
  mountPath: text(),
  prefix: text(),
  errorCode: int(),
})
export type FilesUnreadableSpec = z.output<typeof filesUnreadable>

/** Classes whose tasks are not done here: they are taken as they are, and refused as tasks (plan.ts). */
const otherClasses = [
  `${WORKLOAD}SustainedConnectionSpec`,
  `${WORKLOAD}ExternalCommandSpec`,
  `${WORKLOAD}ConfigurableProducerSpec`,
  `${WORKLOAD}ShareConsumeBenchSpec`,
  `${WORKLOAD}ShareRoundTripWorkloadSpec`,
  `${FAULT}DegradedNetworkFaultSpec`,
] as const
const other = z.looseObject({ class: z.enum(otherClasses), ...time })
export type OtherSpec = z.output<typeof other>

export type TaskSpec =
  | ProduceBenchSpec
  | ConsumeBenchSpec
  | RoundTripSpec
  | ConnectionStressSpec
  | NoOpSpec
  | ProcessStopSpec
  | NetworkPartitionSpec
  | FilesUnreadableSpec
  | OtherSpec

const taskSpec: z.ZodType<TaskSpec> = byKind<TaskSpec>('class', {
  [produceBench.shape.class.value]: () => produceBench,
  [consumeBench.shape.class.value]: () => consumeBench,
  [roundTrip.shape.class.value]: () => roundTrip,
  [connectionStress.shape.class.value]: () => connectionStress,
  [noOp.shape.class.value]: () => noOp,
  [processStop.shape.class.value]: () => processStop,
  [networkPartition.shape.class.value]: () => networkPartition,
  [filesUnreadable.shape.class.value]: () => filesUnreadable,
  ...Object.fromEntries(otherClasses.map(name => [name, () => other])),
})

/** Deeper than any specification means anything; a reader that descends must end. */
const MAX_DEPTH = 32
const MAX_PROBLEMS = 10

/**
 * @param found what JSON says
 * @throws AjnaError TROGDOR_SPEC_INVALID, TROGDOR_CLASS_UNKNOWN, with the field, what was found and what is allowed
 */
export function readSpec(found: unknown): TaskSpec {
  if (typeof found !== 'object' || found === null || Array.isArray(found))
    throw new AjnaError(TROGDOR_SPEC_INVALID, `spec: found ${describeValue(found)}, allowed: an object`)
  if (!within(found, MAX_DEPTH))
    throw new AjnaError(TROGDOR_SPEC_INVALID, `spec: found more than ${MAX_DEPTH} levels, allowed: fewer`)
  const parsed = taskSpec.safeParse(found, { reportInput: true })
  if (parsed.success) return parsed.data
  const { issues } = parsed.error
  const problems = issues.slice(0, MAX_PROBLEMS).map(describeIssue)
  const unknown = issues.some(issue => issue.code === 'custom' && issue.params?.['reason'] === UNKNOWN_KIND)
  throw new AjnaError(unknown ? TROGDOR_CLASS_UNKNOWN : TROGDOR_SPEC_INVALID, problems.join('; '), {
    details: { problems },
  })
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const path = describePath(issue.path.map(part => (typeof part === 'symbol' ? String(part) : part)) as Path)
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.slice(0, MAX_PROBLEMS).map(key => JSON.stringify(key.slice(0, 80)))
    return `${path === '' ? 'spec' : path}: found unknown ${names.join(', ')}, allowed: only the fields of its class`
  }
  return `${path === '' ? 'spec' : path}: found ${describeValue(issue.input)}, allowed: ${issue.message}`
}

function within(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depth === 0) return false
  return Object.values(value).every(each => within(each, depth - 1))
}

/** As Trogdor writes it: without what is empty (Jackson's NON_EMPTY), but for topics, which it always says. */
export function specJson(spec: TaskSpec): Readonly<Record<string, unknown>> {
  return withoutEmpty(spec) as Readonly<Record<string, unknown>>
}

const ALWAYS_SAID = new Set(['activeTopics', 'inactiveTopics'])

function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([key, each]) => ALWAYS_SAID.has(key) || !isEmpty(each))
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutEmpty(each)]))
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
