import { IntervalSet } from '../../../../foundation/positions/intervals.ts'
import { dataBatches } from '../../../../foundation/wire/aborted.ts'
import type { FetchEvent, Wire } from '../../../../foundation/wire/contract.ts'
import { partitionKey } from '../../../../foundation/wire/leaders.ts'
import { recordCursor } from '../../../../foundation/wire/records.ts'
import type { RoundTripPlan } from '../plan.ts'
import type { WorkContext } from './context.ts'
import { fetchLimits, mustGoOn } from './fetching.ts'
import { generatorOf } from './payloads.ts'
import { notApplied, wireOf } from './produce.ts'
import { type Sender, sender } from './send.ts'
import { makeTopics } from './topics.ts'

const REPORT_EVERY_MS = 1_000
const KEY_BYTES = 4

/**
 * Trogdor's RoundTripWorkload: every record that is sent is read again. Reading begins where the logs ended before the first
 * record was sent, so that what an earlier round trip left there is not taken for this one's.
 */
export async function roundTrip(plan: RoundTripPlan, context: WorkContext): Promise<void> {
  const { client, reader, topics, partitions, perSecond, maxMessages } = plan
  const { ending, report } = context
  await makeTopics(client, topics, context)
  await using wire = wireOf(client, client.clientId ?? `producer.${context.id}`)
  await using reading = wireOf(reader, reader.clientId ?? `consumer.${context.id}`)
  const received = receivedOf(partitions.length)
  let sending: Sender | undefined
  const say = (): void =>
    report({
      totalUniqueSent: sending?.sent ?? 0,
      totalReceived: received.total(),
      ...notApplied(client, reader),
    })
  const timer = setInterval(say, REPORT_EVERY_MS)
  try {
    const ends = await reading.listOffsets(
      partitions.map(each => ({ ...each, at: 'latest' as const })),
      ending,
    )
    const done = new AbortController()
    const until = AbortSignal.any([ending, done.signal])
    const valueAt = generatorOf(plan.value)
    const keyAt = generatorOf({ type: 'sequential', size: KEY_BYTES, startOffset: 0 })
    const { bufferBytes: maxBufferedBytes, deliveryTimeoutMs } = client
    await using producer = await wire.producer({ maxBufferedBytes, deliveryTimeoutMs }, until)
    sending = sender({
      client,
      perSecond,
      record: index => ({
        to: partitions[index % partitions.length]!,
        key: keyAt(index),
        value: valueAt(index),
      }),
      append: (topic, partition, batch) => producer.append(topic, partition, batch),
      acknowledged: () => undefined,
      ending: until,
    })
    const sent = sending.sendUntil(maxMessages).then(() => sending!.drain())
    const read = readBack(reading, plan, ends, received, until)
    try {
      await Promise.all([sent, read])
    } finally {
      done.abort()
      await Promise.allSettled([sent, read])
    }
  } finally {
    clearInterval(timer)
    say()
  }
}

async function readBack(
  wire: Wire,
  { partitions, maxMessages, reader }: RoundTripPlan,
  from: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[],
  received: Received,
  signal: AbortSignal,
): Promise<void> {
  if (maxMessages === 0) return
  const turn = new Map(partitions.map((each, index) => [partitionKey(each), index]))
  await using stream = wire.fetch({ from, signal, ...fetchLimits(reader) })
  for await (const event of stream) {
    mustGoOn(event)
    if (event.kind !== 'batches') continue
    noteReceived(event, turn.get(partitionKey(event))!, partitions.length, maxMessages, received)
    if (received.total() >= maxMessages) return
  }
}

/** Which records have come back, by their numbers. Each partition's come in order, so that each takes one interval. */
interface Received {
  note(index: number): void
  total(): number
}

function receivedOf(turns: number): Received {
  const sets = Array.from({ length: turns }, () => IntervalSet.of())
  let total = 0
  return {
    note(index) {
      const nth = Math.floor(index / turns)
      total += sets[index % turns]!.add(nth, nth + 1)
    },
    total: () => total,
  }
}

/** A record is the task's if it lies in the partition that its number belongs to; others write to the topic too. */
function noteReceived(
  event: Extract<FetchEvent, { kind: 'batches' }>,
  turn: number,
  turns: number,
  maxMessages: number,
  received: Received,
): void {
  for (const header of dataBatches(event))
    for (const cursor = recordCursor(event.bytes, header); cursor.next(); ) {
      if (cursor.offset < event.firstOffset || cursor.keyEnd - cursor.keyStart !== KEY_BYTES) continue
      const index = cursor.body.readUInt32LE(cursor.keyStart)
      if (index % turns === turn && index < maxMessages) received.note(index)
    }
}
