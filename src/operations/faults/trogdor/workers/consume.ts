import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../../../foundation/errors/errors.ts'
import { dataBatches } from '../../../../foundation/wire/aborted.ts'
import type {
  FetchEvent,
  FetchStream,
  PartitionPosition,
  Wire,
} from '../../../../foundation/wire/contract.ts'
import { type PartitionKey, partitionKey } from '../../../../foundation/wire/leaders.ts'
import { recordCursor } from '../../../../foundation/wire/records.ts'
import type { ClientConf } from '../client-conf.ts'
import { TROGDOR_WORK_FAILED } from '../errors.ts'
import type { ConsumePlan } from '../plan.ts'
import type { TimestampProcessor } from '../spec/spec.ts'
import { rounded, type WorkContext } from './context.ts'
import { fetchLimits, mustGoOn } from './fetching.ts'
import { type Histogram, histogram } from './histogram.ts'
import { notApplied, wireOf } from './produce.ts'

/** Above it a latency counts as this; as trogdor's. */
const MOST_MS = 10_000
const REPORT_EVERY_MS = 1_000
const COMMIT_EVERY_MS = 5_000
const TIME_BYTES = 8
const BYE_MS = 5_000

/** Trogdor's ConsumeBench: consumers, sharing a group or each for itself, until each has read so many records. */
export async function consumeBench(plan: ConsumePlan, context: WorkContext): Promise<void> {
  const { client, consumers } = plan
  const counts = Array.from({ length: consumers }, (_, index) =>
    newCounts(`consumer.${context.id}-${index}`, plan.processor),
  )
  const say = (): void =>
    context.report({
      ...Object.fromEntries(counts.map(each => [each.clientId, statusOf(each)])),
      ...notApplied(client),
    })
  const timer = setInterval(say, REPORT_EVERY_MS)
  const failed = new AbortController()
  const ending = AbortSignal.any([context.ending, failed.signal])
  try {
    const running = counts.map(async each => {
      try {
        await consume(plan, each, ending)
      } catch (error) {
        failed.abort(error)
        throw error
      }
    })
    await Promise.allSettled(running)
    if (failed.signal.aborted) throw failed.signal.reason
  } finally {
    clearInterval(timer)
    say()
  }
}

interface Counts {
  readonly clientId: string
  /** By partition, the offset of the next record. */
  readonly positions: Map<string, PartitionPosition>
  messages: number
  bytes: number
  readonly latencies: Histogram
  readonly processor: Processor | undefined
}

interface Processor {
  readonly note: (value: Buffer | null, at: number) => void
  readonly status: () => Readonly<Record<string, unknown>>
}

const newCounts = (clientId: string, processor: TimestampProcessor | undefined): Counts => ({
  clientId,
  positions: new Map(),
  messages: 0,
  bytes: 0,
  latencies: histogram(MOST_MS),
  processor: processor === undefined ? undefined : timestampProcessor(processor),
})

async function consume(plan: ConsumePlan, counts: Counts, ending: AbortSignal): Promise<void> {
  if (plan.maxMessages === 0) return
  const { client } = plan
  await using wire = wireOf(client, client.clientId ?? counts.clientId)
  const over = new AbortController()
  const until = AbortSignal.any([ending, over.signal])
  await using stream = wire.fetch({ from: [], signal: until, ...fetchLimits(client) })
  const group = plan.group ?? `consume-bench-${randomUUID()}`
  const reading = read(stream, plan, counts, ending)
  // Its failure is told to whoever waits for it below.
  reading.catch(() => undefined)
  const source =
    plan.assigned === undefined
      ? asMember(wire, stream, group, plan, counts, reading, ending)
      : asAssigned(wire, stream, group, plan, counts, reading, ending)
  try {
    await source
  } finally {
    over.abort()
    await reading.catch(() => undefined)
  }
}

/** The group says what is read; what was read is committed while it is, when it goes to another, and at the end. */
async function asMember(
  wire: Wire,
  stream: FetchStream,
  group: string,
  { client, topics }: ConsumePlan,
  counts: Counts,
  reading: Promise<void>,
  ending: AbortSignal,
): Promise<void> {
  const begun = new Set<string>()
  const broken = Promise.withResolvers<never>()
  broken.promise.catch(() => undefined)
  const member = wire.joinGroup(
    {
      group,
      topics,
      assigned: positions =>
        void start(wire, stream, client, counts, positions, begun, ending).catch(broken.reject),
      revoked(partitions) {
        const at = partitions.flatMap(each => counts.positions.get(partitionKey(each)) ?? [])
        for (const each of partitions) {
          begun.delete(partitionKey(each))
          counts.positions.delete(partitionKey(each))
          stream.remove(each.topic, each.partition)
        }
        return client.commits ? at : []
      },
      positions: () => (client.commits ? [...counts.positions.values()] : []),
    },
    // The group is told of the end.
    AbortSignal.any([]),
  )
  try {
    await Promise.race([reading, member.failed, broken.promise])
  } finally {
    await member[Symbol.asyncDispose]()
  }
}

/** Begins where the group has come to; else at the log's start, or its end where `auto.offset.reset` says so. */
async function start(
  wire: Wire,
  stream: FetchStream,
  { fromLatest }: ClientConf,
  counts: Counts,
  positions: readonly PartitionPosition[],
  begun: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  for (const each of positions) begun.add(partitionKey(each))
  const fresh = positions.filter(({ offset }) => offset < 0)
  const at = fromLatest ? 'latest' : 'earliest'
  const listed = await wire.listOffsets(
    fresh.map(({ topic, partition }) => ({ topic, partition, at })),
    signal,
  )
  for (const { topic, partition, offset } of [...positions.filter(each => each.offset >= 0), ...listed]) {
    const key = partitionKey({ topic, partition })
    // It may have been taken away in between.
    if (!begun.has(key)) continue
    counts.positions.set(key, { topic, partition, offset })
    stream.reposition(topic, partition, offset)
  }
}

async function asAssigned(
  wire: Wire,
  stream: FetchStream,
  group: string,
  plan: ConsumePlan,
  counts: Counts,
  reading: Promise<void>,
  ending: AbortSignal,
): Promise<void> {
  const { client } = plan
  const partitions = await everyPartition(wire, plan, ending)
  const offsets = wire.group(group)
  const committed = await offsets.committed(partitions, ending)
  await start(wire, stream, client, counts, committed, new Set(), ending)
  const commit = async (within: AbortSignal): Promise<void> => {
    if (client.commits) await offsets.commit([...counts.positions.values()], within)
  }
  const over = new AbortController()
  const committing = every(COMMIT_EVERY_MS, commit, AbortSignal.any([ending, over.signal]))
  try {
    await Promise.race([reading, committing])
  } finally {
    over.abort()
    await committing.catch(() => undefined)
    await commit(AbortSignal.timeout(BYE_MS)).catch(() => undefined)
  }
}

/** Never resolves but by an error of the work. */
async function every(
  ms: number,
  work: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await delay(ms, undefined, { signal })
    await work(signal)
  }
}

/** @throws AjnaError TROGDOR_WORK_FAILED for a topic that does not exist */
async function everyPartition(
  wire: Wire,
  { assigned }: ConsumePlan,
  signal: AbortSignal,
): Promise<readonly PartitionKey[]> {
  const { partitions, whole } = assigned!
  if (whole.length === 0) return partitions
  const found = new Map((await wire.metadata(whole, signal)).map(topic => [topic.name, topic]))
  const missing = whole.find(name => !found.has(name))
  if (missing !== undefined) throw new AjnaError(TROGDOR_WORK_FAILED, `topic ${missing} does not exist`)
  const all = whole.flatMap(topic =>
    found.get(topic)!.partitions.map(({ partition }) => ({ topic, partition })),
  )
  return [...partitions, ...all]
}

/** Until so many records were read. A record's latency is how long its answer was waited for, as trogdor's. */
async function read(
  stream: FetchStream,
  { client, maxMessages, perSecond }: ConsumePlan,
  counts: Counts,
  ending: AbortSignal,
): Promise<void> {
  const startAt = performance.now()
  let since = startAt
  for await (const event of stream) {
    if (event.kind === 'out-of-range') {
      const { topic, partition, logStartOffset, highWatermark } = event
      stream.reposition(topic, partition, client.fromLatest ? highWatermark : logStartOffset)
      continue
    }
    mustGoOn(event)
    if (event.kind !== 'batches') continue
    const at = performance.now()
    const before = counts.messages
    take(event, maxMessages, counts)
    counts.latencies.add(at - since, counts.messages - before)
    if (counts.messages >= maxMessages) return
    if (perSecond !== undefined) {
      const dueAt = startAt + (counts.messages * 1_000) / perSecond
      await delay(Math.max(0, dueAt - performance.now()), undefined, { signal: ending })
    }
    since = performance.now()
  }
}

function take(event: Extract<FetchEvent, { kind: 'batches' }>, maxMessages: number, counts: Counts): void {
  const { topic, partition, bytes, firstOffset, nextOffset } = event
  const key = partitionKey(event)
  const now = Date.now()
  // A batch comes whole, also what lies in it before the position.
  const from = counts.positions.get(key)?.offset ?? firstOffset
  for (const header of dataBatches(event))
    for (const cursor = recordCursor(bytes, header); cursor.next(); ) {
      if (cursor.offset < from) continue
      counts.messages++
      counts.bytes += cursor.keyEnd - cursor.keyStart + (cursor.valueEnd - cursor.valueStart)
      counts.processor?.note(cursor.value, now)
      if (counts.messages < maxMessages) continue
      counts.positions.set(key, { topic, partition, offset: cursor.offset + 1 })
      return
    }
  counts.positions.set(key, { topic, partition, offset: nextOffset })
}

/** How old records are whose values begin with the time they were made, as trogdor's TimestampRecordProcessor. */
function timestampProcessor({
  histogramMaxMs,
  histogramMinMs,
  histogramStepMs,
}: TimestampProcessor): Processor {
  const steps = histogram(Math.floor((histogramMaxMs - histogramMinMs) / histogramStepMs))
  const ms = (step: number): number => step * histogramStepMs + histogramMinMs
  return {
    note(value, at) {
      if (value === null || value.length < TIME_BYTES) return
      steps.add((at - Number(value.readBigInt64LE()) - histogramMinMs) / histogramStepMs)
    },
    status() {
      const { average, p50, p95, p99 } = steps.summary()
      return {
        averageLatencyMs: rounded(ms(average)),
        p50LatencyMs: ms(p50),
        p95LatencyMs: ms(p95),
        p99LatencyMs: ms(p99),
      }
    },
  }
}

function statusOf({
  positions,
  messages,
  bytes,
  latencies,
  processor,
}: Counts): Readonly<Record<string, unknown>> {
  const { average, p50, p95, p99 } = latencies.summary()
  return {
    assignedPartitions: [...positions.values()].map(({ topic, partition }) => `${topic}-${partition}`).sort(),
    totalMessagesReceived: messages,
    totalBytesReceived: bytes,
    averageMessageSizeBytes: messages === 0 ? 0 : Math.trunc(bytes / messages),
    averageLatencyMs: rounded(average),
    p50LatencyMs: p50,
    p95LatencyMs: p95,
    p99LatencyMs: p99,
    ...(processor === undefined ? {} : { recordProcessorStatus: processor.status() }),
  }
}
