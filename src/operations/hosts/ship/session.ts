import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import { BatchBuilder } from '../../../foundation/wire/build.ts'
import type { Producer, Wire, WireOptions } from '../../../foundation/wire/contract.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import { BARRIER_HEADER } from '../contract.ts'
import { TOPIC_MISSING, TOPIC_UNREADABLE } from '../errors.ts'
import { noteWritten, type WrittenByStream } from './written.ts'

/** Where a topic's partitions were known to be reflected in positions: what the next session reads back from. */
export interface TopicMark {
  /** The topic's id: it changes when the topic is made anew, and offsets then mean nothing. */
  readonly id: string
  /** By partition: every record of this agent below is accounted for. */
  readonly offsets: readonly number[]
}
export type Marks = Readonly<Record<string, TopicMark>>

/** The right to write, and the knowledge of what was written: from here on exactly what is missing is shipped. */
export interface Session extends AsyncDisposable {
  readonly producer: Producer
  /** As of the barriers. */
  readonly marks: Marks
  readonly written: WrittenByStream
  /** Partitions of which records may be gone that were written before (retention, a topic made anew). */
  readonly unknown: readonly string[]
}

export interface SessionOptions {
  readonly wire: WireOptions
  readonly transactionalId: string
  /** Topics that carry positions. */
  readonly positioned: readonly string[]
  /** Topics written to without positions. */
  readonly plain: readonly string[]
  readonly marks: Marks
  /** Producer ids that earlier sessions had; empty when unknown: then every record counts as this agent's. */
  readonly producerIds: readonly string[]
  readonly log: Logger
}

interface Span {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

/**
 * Invariant 1 of docs/ARCHITECTURE.md: takes the transactional id's next epoch, writes a barrier record to each partition
 * (from then on the broker refuses what a predecessor still has in flight there, RECIPES), and reads each partition from
 * its mark to the barrier. What was read is what was written; nothing can be added to it any more.
 */
export async function openSession(options: SessionOptions, signal: AbortSignal): Promise<Session> {
  const wire = openWire(options.wire)
  try {
    const topics = await describeTopics(wire, options, signal)
    const producer = await wire.producer({ fencedBy: options.transactionalId }, signal)
    const barriers = await writeBarriers(producer, topics, options, signal)
    const { spans, unknown } = await spansToRead(wire, barriers, topics, options, signal)
    const written: WrittenByStream = new Map()
    await readBack(wire, spans, written, writersOf(options, producer), signal)
    const marks = Object.fromEntries(
      topics.map(({ name, id, partitions }): [string, TopicMark] => {
        const offsets = partitions.map(() => 0)
        for (const { topic, partition, offset } of barriers)
          if (topic === name) offsets[partition] = offset + 1
        return [name, { id, offsets }]
      }),
    )
    options.log.info({ epoch: producer.producerEpoch, streams: written.size, unknown }, 'ready to ship')
    return {
      producer,
      marks,
      written,
      unknown,
      async [Symbol.asyncDispose]() {
        await producer[Symbol.asyncDispose]()
        await wire.close()
      },
    }
  } catch (error) {
    await wire.close()
    throw error
  }
}

async function describeTopics(wire: Wire, { positioned, plain }: SessionOptions, signal: AbortSignal) {
  const wanted = [...positioned, ...plain]
  const topics = await wire.metadata(wanted, signal)
  const missing = wanted.filter(name => !topics.some(topic => topic.name === name))
  if (missing.length > 0) {
    throw new AjnaError(TOPIC_MISSING, `the cluster has no topic ${missing.join(', ')}`, {
      details: { missing },
    })
  }
  return topics
}

type Topics = Awaited<ReturnType<typeof describeTopics>>
interface Barrier {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

async function writeBarriers(
  producer: Producer,
  topics: Topics,
  { positioned, transactionalId }: SessionOptions,
  signal: AbortSignal,
): Promise<readonly Barrier[]> {
  const barriers = topics
    .filter(({ name }) => positioned.includes(name))
    .flatMap(({ name, partitions }) =>
      partitions.map(async ({ partition }) => {
        const builder = new BatchBuilder({})
        const headers = [{ key: BARRIER_HEADER, value: Buffer.from(transactionalId) }]
        builder.add({ timestamp: Date.now(), value: null, headers })
        const { baseOffset } = await producer.append(name, partition, builder.finish(), signal)
        return { topic: name, partition, offset: baseOffset }
      }),
    )
  return Promise.all(barriers)
}

async function spansToRead(
  wire: Wire,
  barriers: readonly Barrier[],
  topics: Topics,
  { marks }: SessionOptions,
  signal: AbortSignal,
): Promise<{ spans: Span[]; unknown: string[] }> {
  const queries = barriers.map(({ topic, partition }) => ({ topic, partition, at: 'earliest' as const }))
  const earliest = await wire.listOffsets(queries, signal)
  const spans: Span[] = []
  const unknown: string[] = []
  for (const { topic, partition, offset } of barriers) {
    const start = earliest.find(each => each.topic === topic && each.partition === partition)!.offset
    const mark = marks[topic]
    const sameTopic = mark?.id === topics.find(({ name }) => name === topic)!.id
    const marked = sameTopic ? (mark.offsets[partition] ?? 0) : 0
    if (mark !== undefined && (!sameTopic || marked < start)) unknown.push(`${topic}-${partition}`)
    const from = Math.max(marked, start)
    if (from < offset) spans.push({ topic, partition, from, to: offset })
  }
  return { spans, unknown }
}

/** Other hosts write to the same topics; their records are passed over unread. */
const writersOf = (options: SessionOptions, { producerId }: Producer): ReadonlySet<bigint> | undefined =>
  options.producerIds.length === 0 ? undefined : new Set([...options.producerIds.map(BigInt), producerId])

async function readBack(
  wire: Wire,
  spans: readonly Span[],
  written: WrittenByStream,
  writers: ReadonlySet<bigint> | undefined,
  signal: AbortSignal,
): Promise<void> {
  const left = new Map(spans.map(span => [`${span.topic}-${span.partition}`, span]))
  if (left.size === 0) return
  const from = spans.map(({ topic, partition, from }) => ({ topic, partition, offset: from }))
  await using stream = wire.fetch({ from, signal })
  for await (const event of stream) {
    if (event.kind === 'caught-up') continue
    if (event.kind !== 'batches') {
      throw new AjnaError(
        TOPIC_UNREADABLE,
        `what was written to ${event.topic} cannot be read back: ${event.kind}`,
      )
    }
    noteWritten(event.bytes, written, writers)
    const key = `${event.topic}-${event.partition}`
    const span = left.get(key)
    if (span === undefined || event.nextOffset < span.to) continue
    stream.remove(event.topic, event.partition)
    left.delete(key)
    if (left.size === 0) return
  }
  signal.throwIfAborted()
}
