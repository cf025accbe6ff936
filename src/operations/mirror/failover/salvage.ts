/** Copies what only one side holds into topics of its own, before that side's topics are made anew. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { refusalOf } from '../../../foundation/kafka/errors.ts'
import { AbortedTransactions } from '../../../foundation/wire/aborted.ts'
import { batchesIn } from '../../../foundation/wire/batch.ts'
import { BatchBuilder } from '../../../foundation/wire/build.ts'
import type { FetchedBatches, Producer, Wire } from '../../../foundation/wire/contract.ts'
import { markerOf, recordsIn } from '../../../foundation/wire/records.ts'
import type { FailoverAdmin } from './control.ts'
import { FAILOVER_STUCK } from './errors.ts'
import { countRecords } from './look.ts'
import { type WaitOptions, waitUntil } from './wait.ts'

export interface Tail {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

export interface Salvaged extends Tail {
  /** The topic that has them now, in the partition of the same number. */
  readonly into: string
  readonly records: number
}

/** Deterministic, so that a second try finds what the first began. */
export const salvageTopic = (topic: string, operation: string): string => `${topic}.diverged-${operation}`

/** Records that were compressed together may be large one by one. */
const MAX_RECORD_BYTES = 64 * 1024 * 1024
const SETTINGS = {
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'cleanup.policy': 'delete',
  'max.message.bytes': String(MAX_RECORD_BYTES),
}
const BATCH_BYTES = 512 * 1024

/**
 * Keys, values, headers and times stay; offsets do not. A topic that an interrupted try left is made anew.
 *
 * @throws AjnaError FAILOVER_STUCK when fewer records arrived than there were
 */
export async function salvage(
  side: { readonly admin: FailoverAdmin; readonly wire: Wire },
  tails: readonly Tail[],
  operation: string,
  wait: WaitOptions,
): Promise<Salvaged[]> {
  const { admin, wire } = side
  const { signal } = wait
  const saved: Salvaged[] = []
  for (const [topic, each] of Map.groupBy(tails, tail => tail.topic)) {
    const into = salvageTopic(topic, operation)
    await makeAnew(admin, topic, into, wait)
    await using producer = await wire.producer({}, signal)
    for (const tail of each) {
      await copyTail(wire, producer, tail, into, signal)
      await producer.flush()
      const there = await countRecords(wire, tail, signal)
      const [end] = await wire.listOffsets([{ topic: into, partition: tail.partition, at: 'latest' }], signal)
      if (end!.offset !== there)
        throw new AjnaError(
          FAILOVER_STUCK,
          `${there} records of ${topic}-${tail.partition} were to be kept in ${into}, ${end!.offset} are there`,
        )
      saved.push({ ...tail, into, records: there })
    }
  }
  return saved
}

async function makeAnew(admin: FailoverAdmin, topic: string, into: string, wait: WaitOptions): Promise<void> {
  const { signal } = wait
  const described = await admin.describeTopics([topic, into], { signal })
  const original = described.find(({ name }) => name === topic)
  if (original === undefined) throw new AjnaError(FAILOVER_STUCK, `there is no topic ${topic}`)
  const left = described.find(({ name }) => name === into)
  if (left !== undefined) await dropTopic(admin, left.name, left.id, wait)
  const layout = {
    partitions: original.partitions.length,
    replicationFactor: Math.max(1, ...original.partitions.map(({ replicas }) => replicas.length)),
  }
  const [created] = await admin.createTopics([{ name: into, layout, config: SETTINGS }], { signal })
  if (created!.error !== null && refusalOf(created!.error) !== 'TOPIC_ALREADY_EXISTS') throw created!.error
  await waitUntil(
    () => admin.describeTopics([into], { signal }),
    ([found]) =>
      found?.partitions.length === layout.partitions &&
      found.partitions.every(({ leader }) => leader !== null)
        ? { done: true }
        : { done: false, waitsFor: `topic ${into} is being made`, standing: '' },
    wait,
  )
}

/** By name and id, until no broker that is asked knows it any more; one that is gone is gone. */
export async function dropTopic(
  admin: FailoverAdmin,
  name: string,
  id: string,
  wait: WaitOptions,
): Promise<void> {
  const { signal } = wait
  const [outcome] = await admin.deleteTopics([{ name, id }], { signal })
  if (outcome!.error !== null && refusalOf(outcome!.error) !== 'UNKNOWN_TOPIC_ID') throw outcome!.error
  await waitUntil(
    () => admin.describeTopics([name], { signal }),
    found =>
      found.some(topic => topic.id === id)
        ? { done: false, waitsFor: `topic ${name} is being deleted`, standing: '' }
        : { done: true },
    wait,
  )
}

async function copyTail(
  wire: Wire,
  producer: Producer,
  { topic, partition, from, to }: Tail,
  into: string,
  signal: AbortSignal,
): Promise<void> {
  if (from >= to) return
  await using stream = wire.fetch({
    from: [{ topic, partition, offset: from }],
    isolation: 'read_committed',
    signal,
  })
  for await (const event of stream) {
    if (event.kind === 'caught-up') return
    if (event.kind !== 'batches')
      throw new AjnaError(FAILOVER_STUCK, `${topic}-${partition} cannot be read: ${event.kind}`)
    await appendFrom(event, { from, to }, batch => producer.append(into, partition, batch, signal))
    if (event.nextOffset >= to) return
  }
}

async function appendFrom(
  event: FetchedBatches,
  { from, to }: { readonly from: number; readonly to: number },
  append: (batch: Buffer) => Promise<unknown>,
): Promise<void> {
  const aborted = new AbortedTransactions(event.aborted)
  const builder = new BatchBuilder({ maxBytes: MAX_RECORD_BYTES })
  for (const header of batchesIn(event.bytes)) {
    if (header.control) {
      for (const { key } of recordsIn(event.bytes, header))
        if (markerOf(key) !== 'other') aborted.ended(header.producerId)
      continue
    }
    if (aborted.includes(header) || header.count === 0) continue
    for (const record of recordsIn(event.bytes, header)) {
      if (record.offset < from || record.offset >= to) continue
      const timestamp = header.logAppendTime ? header.maxTimestamp : record.timestamp
      builder.add({ timestamp, key: record.key, value: record.value, headers: record.headers })
      if (builder.byteLength > BATCH_BYTES) await append(builder.finish())
    }
  }
  if (builder.count > 0) await append(builder.finish())
}
