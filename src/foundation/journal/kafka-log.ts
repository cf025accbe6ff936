import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { batchesIn } from '../wire/batch.ts'
import { BatchBuilder } from '../wire/build.ts'
import type { FetchEvent, Producer, Wire } from '../wire/contract.ts'
import { BATCH_TOO_LARGE, RECORD_REJECTED } from '../wire/errors.ts'
import { recordsIn } from '../wire/records.ts'
import type { LoggedRecord, OrderedLog } from './contract.ts'
import { JOURNAL_BEHIND, JOURNAL_LOG_LOST, JOURNAL_REFUSED } from './errors.ts'

/** The journal topic's max.message.bytes; its largest record (MAX_RECORD_BYTES) fits with room to spare. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024
const COMPRESS_FROM_BYTES = 4 * 1024
/** After this the append's outcome is unknown and it goes again through another producer; the journal's rule sorts out copies. */
const DELIVERY_TIMEOUT_MS = 10_000
/** A broker may be the last to hear of a topic that was just made. */
const KNOWN_WITHIN_MS = 20_000
const KNOWN_AGAIN_MS = 100

export interface KafkaLogOptions {
  /** Stays the caller's: not closed with the log. A short requestTimeoutMs (2,000) lets a frozen broker cost less. */
  readonly wire: Wire
  /** Exists already, with one partition and JOURNAL_TOPIC_CONFIG. */
  readonly topic: string
  /** Wall clock, ms, for the records' timestamps. */
  readonly now?: () => number
}

/** A journal's log on partition 0 of a Kafka topic. */
export function openKafkaLog({ wire, topic, now = Date.now }: KafkaLogOptions): OrderedLog {
  let producer: Producer | undefined
  let topicId: string | undefined

  /** The topic's id (KIP-516). */
  async function identity(signal: AbortSignal): Promise<string> {
    for (const until = performance.now() + KNOWN_WITHIN_MS; topicId === undefined; ) {
      const [found] = await wire.metadata([topic], signal)
      // Of what was read once the id stays: several may ask at the same time.
      topicId ??= found?.id
      if (topicId !== undefined) break
      if (performance.now() > until) throw new AjnaError(JOURNAL_LOG_LOST, `${topic}: no broker knows of it`)
      await delay(KNOWN_AGAIN_MS, undefined, { signal })
    }
    return topicId
  }

  async function append(values: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    const batch = batchOf(values, now())
    const used = (producer ??= await wire.producer({ deliveryTimeoutMs: DELIVERY_TIMEOUT_MS }, signal))
    try {
      await used.append(topic, 0, batch, signal)
    } catch (error) {
      if (isAjnaError(error, RECORD_REJECTED, BATCH_TOO_LARGE))
        throw new AjnaError(JOURNAL_REFUSED, `${topic} refused ${values.length} records`, { cause: error })
      if (!signal.aborted && producer === used) {
        producer = undefined
        await used[Symbol.asyncDispose]()
      }
      throw error
    }
  }

  async function* read(from: number, signal: AbortSignal): AsyncGenerator<readonly LoggedRecord[]> {
    const of = { topic, partition: 0, offset: from, topicId: await identity(signal) }
    await using stream = wire.fetch({ from: [of], signal })
    let next = from
    for await (const event of stream) {
      if (event.kind === 'caught-up' || event.kind === 'unserved' || event.kind === 'served') continue
      if (event.kind !== 'batches') throw unreadable(topic, event)
      // A fetch begins with the batch that holds the offset asked for.
      const records = recordsOf(event.bytes).filter(({ offset }) => offset >= next)
      next = event.nextOffset
      if (records.length > 0) yield records
    }
  }

  async function bounds(signal: AbortSignal): Promise<{ start: number; end: number }> {
    const at = (where: 'earliest' | 'latest') => ({ topic, partition: 0, at: where })
    const [earliest, latest] = await Promise.all([
      wire.listOffsets([at('earliest')], signal),
      wire.listOffsets([at('latest')], signal),
    ])
    return { start: earliest[0]!.offset, end: latest[0]!.offset }
  }

  return {
    name: topic,
    identity,
    append,
    read,
    bounds,
    async deleteBefore(offset, signal) {
      await wire.deleteRecords([{ topic, partition: 0, before: offset }], signal)
    },
    async [Symbol.asyncDispose]() {
      await producer?.[Symbol.asyncDispose]()
      producer = undefined
    },
  }
}

function batchOf(values: readonly Uint8Array[], timestamp: number): Buffer {
  const bytes = values.reduce((sum, value) => sum + value.byteLength, 0)
  const codec = bytes < COMPRESS_FROM_BYTES ? 'none' : 'zstd'
  const builder = new BatchBuilder({ codec, maxBytes: MAX_BATCH_BYTES })
  for (const value of values)
    if (!builder.add({ timestamp, value }))
      throw new AjnaError(
        JOURNAL_REFUSED,
        `${values.length} records of ${bytes} bytes do not fit into one batch`,
      )
  return builder.finish()
}

function recordsOf(bytes: Buffer): LoggedRecord[] {
  const records: LoggedRecord[] = []
  for (const header of batchesIn(bytes))
    for (const { offset, value } of header.control ? [] : recordsIn(bytes, header))
      records.push({ offset, value: value ?? new Uint8Array() })
  return records
}

type Condition = Exclude<FetchEvent, { kind: 'batches' | 'caught-up' | 'unserved' | 'served' }>

function unreadable(topic: string, event: Condition): Error {
  const lost = (what: string) =>
    new AjnaError(JOURNAL_LOG_LOST, `${topic}: ${what}`, { details: { ...event } })
  switch (event.kind) {
    case 'out-of-range': {
      const { position, logStartOffset, highWatermark } = event
      return position < logStartOffset
        ? new AjnaError(JOURNAL_BEHIND, `${topic}: ${position} lies before the log's start ${logStartOffset}`)
        : lost(`${position} was read up to, the log ends at ${highWatermark}`)
    }
    case 'truncated':
      return lost(`cut at ${event.endOffset}, ${event.position} was read up to`)
    case 'recreated':
      return lost('the topic was deleted and made again')
    case 'gone':
      return lost('the topic is gone')
    case 'corrupt':
    case 'refused':
      return event.error
    default:
      return event satisfies never
  }
}
