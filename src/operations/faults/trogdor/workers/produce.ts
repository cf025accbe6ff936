import { randomUUID } from 'node:crypto'
import type { Wire } from '../../../../foundation/wire/contract.ts'
import type { PartitionKey } from '../../../../foundation/wire/leaders.ts'
import { openWire } from '../../../../foundation/wire/wire.ts'
import type { ClientConf } from '../client-conf.ts'
import type { ProducePlan } from '../plan.ts'
import { rounded, type WorkContext } from './context.ts'
import { histogram } from './histogram.ts'
import { partitionOf } from './partitioner.ts'
import { generatorOf } from './payloads.ts'
import { type Sender, sender } from './send.ts'
import { makeTopics } from './topics.ts'

/** Above it a latency counts as this; as trogdor's. */
const MOST_MS = 10_000
const REPORT_EVERY_MS = 1_000

interface Progress {
  readonly latencies: ReturnType<typeof histogram>
  maxMs: number
  committed: number
}

/** Trogdor's ProduceBench: records at a rate, and how long each took to be acknowledged. */
export async function produceBench(plan: ProducePlan, context: WorkContext): Promise<void> {
  const { client } = plan
  const { ending, report } = context
  await makeTopics(client, plan.topics, context)
  await using wire = wireOf(client, client.clientId ?? `producer.${context.id}`)
  const progress: Progress = { latencies: histogram(MOST_MS), maxMs: 0, committed: 0 }
  let sending: Sender | undefined
  const say = (): void => report(statusOf(plan, progress, sending))
  const timer = setInterval(say, REPORT_EVERY_MS)
  const begin = (append: Append): Sender => (sending = newSender(plan, progress, append, ending))
  try {
    if (plan.transactions === undefined) await plain(wire, plan, begin, ending)
    else await inTransactions(wire, plan, begin, progress, ending)
  } finally {
    clearInterval(timer)
    say()
  }
}

type Append = (topic: string, partition: number, batch: Buffer) => Promise<unknown>

/** Connects on first use. */
export const wireOf = (
  { bootstrap, requestTimeoutMs, connectTimeoutMs }: ClientConf,
  clientId: string,
): Wire => openWire({ bootstrap, clientId, requestTimeoutMs, connectTimeoutMs })

async function plain(
  wire: Wire,
  { client, topics, maxMessages }: ProducePlan,
  begin: (append: Append) => Sender,
  ending: AbortSignal,
): Promise<void> {
  await wire.metadata(
    topics.map(({ name }) => name),
    ending,
  )
  const { bufferBytes: maxBufferedBytes, deliveryTimeoutMs } = client
  await using producer = await wire.producer({ maxBufferedBytes, deliveryTimeoutMs }, ending)
  const sending = begin((topic, partition, batch) => producer.append(topic, partition, batch))
  await sending.sendUntil(maxMessages)
  await sending.drain()
}

/** As many as its generator says in each; what is left in one that is not full at the end is aborted, as a Java producer does. */
async function inTransactions(
  wire: Wire,
  { client, topics, maxMessages, transactions }: ProducePlan,
  begin: (append: Append) => Sender,
  progress: Progress,
  ending: AbortSignal,
): Promise<void> {
  await wire.metadata(
    topics.map(({ name }) => name),
    ending,
  )
  const { bufferBytes: maxBufferedBytes, deliveryTimeoutMs } = client
  const transactionalId = `produce-bench-transaction-id-${randomUUID()}`
  await using producer = await wire.transactionalProducer(
    { transactionalId, maxBufferedBytes, deliveryTimeoutMs },
    ending,
  )
  const sending = begin((topic, partition, batch) => producer.append(topic, partition, batch))
  try {
    while (sending.sent < maxMessages) {
      const full = await fillTransaction(sending, transactions!, maxMessages)
      await sending.drain()
      if (!full) break
      await producer.commit(ending)
      progress.committed++
    }
  } finally {
    // What is open belongs to no one: readers of committed records would wait for it until it times out.
    await producer.abort(AbortSignal.timeout(ABORT_MS)).catch(() => undefined)
  }
}

const ABORT_MS = 5_000

/** Answers whether it is to be committed. */
async function fillTransaction(
  sending: Sender,
  transactions: NonNullable<ProducePlan['transactions']>,
  maxMessages: number,
): Promise<boolean> {
  switch (transactions.type) {
    case 'uniform': {
      const full = sending.sent + transactions.messagesPerTransaction
      await sending.sendUntil(Math.min(full, maxMessages))
      return sending.sent === full
    }
    case 'interval': {
      const begun = sending.sent
      const until = performance.now() + transactions.transactionIntervalMs
      // Where records are rarer than transactions each has one.
      const over = (): boolean => sending.sent > begun && performance.now() >= until
      await sending.sendUntil(maxMessages, over)
      return over()
    }
    default:
      return transactions satisfies never
  }
}

function newSender(plan: ProducePlan, progress: Progress, append: Append, ending: AbortSignal): Sender {
  const keyAt = generatorOf(plan.key)
  const valueAt = generatorOf(plan.value)
  const place = placement(plan)
  return sender({
    client: plan.client,
    perSecond: plan.perSecond,
    append,
    ending,
    record(index) {
      const key = keyAt(index)
      return { to: place(index, key), key, value: valueAt(index) }
    },
    acknowledged(records, handedOverAt, at) {
      const ms = at - handedOverAt
      progress.latencies.add(ms, records)
      progress.maxMs = Math.max(progress.maxMs, ms)
    },
  })
}

function placement({ partitions, byKey }: ProducePlan): (index: number, key: Buffer | null) => PartitionKey {
  const inTurn = (index: number): PartitionKey => partitions[index % partitions.length]!
  if (!byKey) return inTurn
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic)
  return (index, key) => {
    const turn = inTurn(index)
    const ofTopic = byTopic.get(turn.topic)!
    return key === null ? turn : ofTopic[partitionOf(key, ofTopic.length)]!
  }
}

function statusOf(
  { client }: ProducePlan,
  { latencies, maxMs, committed }: Progress,
  sending: Sender | undefined,
): Readonly<Record<string, unknown>> {
  const { samples, average, p50, p95, p99 } = latencies.summary()
  return {
    totalSent: samples,
    averageLatencyMs: rounded(average),
    p50LatencyMs: p50,
    p95LatencyMs: p95,
    p99LatencyMs: p99,
    maxLatencyMs: Math.ceil(maxMs),
    transactionsCommitted: committed,
    worstLateMs: Math.ceil(sending?.worstLateMs ?? 0),
    ...notApplied(client),
  }
}

export const notApplied = (...clients: readonly ClientConf[]): Readonly<Record<string, unknown>> => {
  const all = Object.assign({}, ...clients.map(client => client.notApplied))
  return Object.keys(all).length === 0 ? {} : { notApplied: all }
}
