import { describeError } from '../../../foundation/errors/errors.ts'
import type { Interval } from '../../../foundation/positions/intervals.ts'
import { BatchBuilder } from '../../../foundation/wire/build.ts'
import type { Producer, Wire } from '../../../foundation/wire/contract.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import { type Latencies, latencies, noteLatency } from './latency.ts'
import { writeRecord } from './record.ts'
import { dueAt, dueBy, scheduleOf } from './schedule.ts'
import { acknowledge, type LoadStream, loadStream, sendNext, unknownOf } from './stream.ts'
import { closeTimeline, noteAcknowledgement, type PartitionTimeline, partitionTimeline } from './timeline.ts'

/**
 * An open-loop load: records are due at fixed times and are sent then, or, when their partition takes none, as soon as it
 * does again. What waits takes no memory, since when it was due is computed; what is on its way is bounded per stream.
 */
export interface LoadOptions {
  readonly bootstrap: readonly string[]
  readonly topic: string
  readonly partitions: number
  readonly producers: number
  /** Over all partitions and producers. */
  readonly recordsPerSecond: number
  readonly recordBytes: number
  /** Of the clients: what a request to a frozen broker costs. */
  readonly requestTimeoutMs: number
  /** 8 bytes. */
  readonly run: Buffer
  readonly signal: AbortSignal
}

export interface LoadResult {
  readonly startAt: number
  /** When the last record was due. */
  readonly stopAt: number
  readonly streams: readonly StreamResult[]
  readonly partitions: readonly PartitionTimeline[]
  readonly latencies: Latencies
  /** Records by when they were acknowledged, in slots of {@link ACKNOWLEDGED_SLOT_MS} from the start. */
  readonly acknowledged: readonly number[]
  /** The longest that the generator itself was late, which its latencies contain: the machine was busy. */
  readonly worstLateMs: number
  /** A producer gave up; nothing was sent through it from then on. */
  readonly failure: string | null
}

export interface StreamResult {
  readonly producer: number
  readonly partition: number
  readonly sent: number
  /** Sequences that were never acknowledged nor refused: they may be in the log. */
  readonly unknown: readonly Interval[]
}

export interface LoadProgress {
  /** Records acknowledged so far. */
  readonly acknowledged: number
  /** Sent, and not acknowledged yet. */
  readonly underWay: number
}

export interface Load extends AsyncDisposable {
  readonly startAt: number
  /** Records acknowledged so far. */
  acknowledged(): number
  progress(): LoadProgress
  /** How long the oldest record that is due and not acknowledged has waited, over all partitions, ms. */
  waitingMs(): number
  /** Plans no more records, waits until those planned are acknowledged or `drainMs` have passed, and closes the producers. */
  stop(drainMs: number): Promise<LoadResult>
}

export const ACKNOWLEDGED_SLOT_MS = 250
const TICK_MS = 5
/** As many requests of a partition as may be on their way (max.in.flight.requests.per.connection). */
const BATCHES_UNDER_WAY = 5
const MAX_BATCH_BYTES = 64 * 1024
const MAX_BATCH_RECORDS = 500
/** Longer than any outage a test waits for: a producer that gives up ends the load. */
const DELIVERY_MS = 600_000
const DRAINED_LOOK_MS = 10

/** Monotonic, and comparable with the clock that names the time of faults. */
const now = (): number => performance.timeOrigin + performance.now()

interface Lane {
  readonly producer: Producer
  readonly streams: readonly { readonly index: number; readonly stream: LoadStream }[]
}

/** @throws AjnaError BROKER_UNREACHABLE, and what asking for a producer id throws */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const { partitions, producers, recordsPerSecond, recordBytes, topic, run } = options
  const wires = Array.from({ length: producers }, (_, index) => wireOf(options, index))
  const closeAll = async (): Promise<void> => {
    await Promise.all(wires.map(wire => wire.close()))
  }
  let lanes: readonly Lane[]
  try {
    lanes = await Promise.all(wires.map((wire, index) => openLane(wire, index, options)))
  } catch (error) {
    await closeAll()
    throw error
  }

  const startAt = now()
  const schedule = scheduleOf(startAt, recordsPerSecond, partitions * producers)
  const timelines = Array.from({ length: partitions }, (_, partition) =>
    partitionTimeline(partition, startAt),
  )
  const byPartition = timelines.map(({ partition }) =>
    lanes.flatMap(({ streams }) => streams.filter(({ stream }) => stream.partition === partition)),
  )
  const spread = latencies(startAt)
  const acknowledged: number[] = []
  const value = Buffer.alloc(recordBytes)
  let stopAt = Number.POSITIVE_INFINITY
  let failure: string | null = null
  let lastTickAt = startAt
  let worstLateMs = 0

  /** When the oldest record that a partition has not acknowledged was due; undefined: none is due. */
  function oldestDue(partition: number, at: number): number | undefined {
    let oldest: number | undefined
    for (const { index, stream } of byPartition[partition]!) {
      if (stream.low >= dueBy(schedule, index, Math.min(at, stopAt))) continue
      const due = dueAt(schedule, index, stream.low)
      if (oldest === undefined || due < oldest) oldest = due
    }
    return oldest
  }

  function send(producer: Producer, index: number, stream: LoadStream, count: number): void {
    const builder = new BatchBuilder({ maxBytes: MAX_BATCH_BYTES + 1_024 })
    const batch = sendNext(stream, count)
    for (let sequence = batch.from; sequence < batch.to; sequence++) {
      writeRecord(value, run, { producer: stream.producer, partition: stream.partition, sequence })
      builder.add({ timestamp: Math.floor(dueAt(schedule, index, sequence)), value })
    }
    producer.append(topic, stream.partition, builder.finish()).then(
      () => {
        const at = now()
        const timeline = timelines[stream.partition]!
        const slot = Math.floor((at - startAt) / ACKNOWLEDGED_SLOT_MS)
        while (acknowledged.length <= slot) acknowledged.push(0)
        acknowledged[slot]! += count
        noteAcknowledgement(timeline, at, oldestDue(stream.partition, at) ?? at, count)
        for (let sequence = batch.from; sequence < batch.to; sequence++)
          noteLatency(spread, dueAt(schedule, index, sequence), at)
        acknowledge(stream, batch)
      },
      (error: unknown) => {
        if (!closing) failure ??= describeError(error)
      },
    )
  }

  let closing = false
  const perBatch = Math.max(1, Math.min(MAX_BATCH_RECORDS, Math.floor(MAX_BATCH_BYTES / (recordBytes + 32))))
  function tick(): void {
    const at = now()
    worstLateMs = Math.max(worstLateMs, at - lastTickAt - TICK_MS)
    lastTickAt = at
    for (const { producer, streams } of lanes)
      for (const { index, stream } of streams) {
        const due = dueBy(schedule, index, Math.min(at, stopAt))
        while (failure === null && stream.sent < due && stream.underWay.length < BATCHES_UNDER_WAY)
          send(producer, index, stream, Math.min(due - stream.sent, perBatch))
      }
  }
  const ticking = setInterval(tick, TICK_MS)

  const waitingSince = (at: number): number =>
    Math.min(at, ...timelines.map(({ partition }) => oldestDue(partition, at) ?? at))

  async function close(): Promise<void> {
    closing = true
    clearInterval(ticking)
    await closeAll()
    await Promise.all(lanes.map(({ producer }) => producer[Symbol.asyncDispose]()))
  }

  const acknowledgedSoFar = (): number => timelines.reduce((sum, each) => sum + each.acknowledged, 0)

  return {
    startAt,
    acknowledged: acknowledgedSoFar,
    progress() {
      const sent = lanes.flatMap(lane => lane.streams).reduce((sum, { stream }) => sum + stream.sent, 0)
      return { acknowledged: acknowledgedSoFar(), underWay: sent - acknowledgedSoFar() }
    },
    waitingMs: () => now() - waitingSince(now()),
    async stop(drainMs) {
      stopAt = now()
      const until = stopAt + drainMs
      const drained = (): boolean =>
        timelines.every(({ partition }) => oldestDue(partition, now()) === undefined)
      while (failure === null && !drained() && now() < until && !options.signal.aborted)
        await new Promise(resolve => setTimeout(resolve, DRAINED_LOOK_MS))
      const endAt = now()
      for (const timeline of timelines) closeTimeline(timeline, endAt, oldestDue(timeline.partition, endAt))
      const streams = lanes.flatMap(lane => lane.streams.map(({ stream }) => resultOf(stream)))
      await close()
      const spreads = { partitions: timelines, latencies: spread, acknowledged }
      return { startAt, stopAt, streams, ...spreads, worstLateMs, failure }
    },
    [Symbol.asyncDispose]: close,
  }
}

const wireOf = ({ bootstrap, requestTimeoutMs }: LoadOptions, index: number): Wire =>
  openWire({
    bootstrap,
    clientId: `ajna-test-load-${index}`,
    requestTimeoutMs,
    connectTimeoutMs: Math.min(2_000, requestTimeoutMs),
  })

async function openLane(wire: Wire, index: number, options: LoadOptions): Promise<Lane> {
  const { topic, partitions, producers, signal } = options
  await wire.metadata([topic], signal)
  const producer = await wire.producer({ deliveryTimeoutMs: DELIVERY_MS }, signal)
  const streams = Array.from({ length: partitions }, (_, partition) => ({
    index: partition * producers + index,
    stream: loadStream(index, partition),
  }))
  return { producer, streams }
}

const resultOf = (stream: LoadStream): StreamResult => ({
  producer: stream.producer,
  partition: stream.partition,
  sent: stream.sent,
  unknown: unknownOf(stream),
})
