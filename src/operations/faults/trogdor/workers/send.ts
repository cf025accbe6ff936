import { setTimeout as delay } from 'node:timers/promises'
import { BatchBuilder } from '../../../../foundation/wire/build.ts'
import { type PartitionKey, partitionKey } from '../../../../foundation/wire/leaders.ts'
import type { ClientConf } from '../client-conf.ts'

/**
 * Records at their times, whatever became of those before: the n-th is due n periods after the start. What a full buffer
 * holds back is sent as soon as there is room; how late that was is said. Memory: the buffer, and what one turn makes.
 */
export interface SendTask {
  readonly client: ClientConf
  readonly perSecond: number
  /** The partition, key and value of a record, which may be overwritten once they have been taken. */
  readonly record: (index: number) => {
    readonly to: PartitionKey
    readonly key: Buffer | null
    readonly value: Buffer | null
  }
  readonly append: (topic: string, partition: number, batch: Buffer) => Promise<unknown>
  /** Told of so many records that were handed over then and are acknowledged now; ms. */
  readonly acknowledged: (records: number, handedOverAt: number, at: number) => void
  readonly ending: AbortSignal
}

export interface Sender {
  /** Records handed over so far. */
  readonly sent: number
  /** The longest that a record was handed over after its time, ms. */
  readonly worstLateMs: number
  /** Goes on until so many records have been sent in all, or `enough` says so before a record. */
  sendUntil(total: number, enough?: () => boolean): Promise<void>
  /** Waits until every record is acknowledged. @throws what kept one from that */
  drain(): Promise<void>
}

interface Lane {
  readonly to: PartitionKey
  builder: BatchBuilder | undefined
  /** When the records in it were handed over, and how many each time. */
  times: { readonly at: number; count: number }[]
  bytes: number
  openedAt: number
  underWay: number
}

const TURN_MS = 5
const RECORDS_A_TURN = 5_000
/** A partition's batch that is not full waits while so many are on their way, and grows. */
const UNDER_WAY = 2
const MOST_UNDER_WAY = 5
const RECORD_OVERHEAD_BYTES = 64
/** Of a batch: header, and a record that is larger than it is meant to be. */
const BATCH_OVERHEAD_BYTES = 1_024

const now = (): number => performance.timeOrigin + performance.now()

export function sender(task: SendTask): Sender {
  const { client, perSecond, ending } = task
  const startAt = now()
  const lanes = new Map<string, Lane>()
  const waiting = new Set<Lane>()
  let sent = 0
  let buffered = 0
  let worstLateMs = 0
  let failure: unknown
  let failed = false
  let wake: (() => void) | undefined

  const due = (index: number): number => startAt + (index * 1_000) / perSecond

  function flush(lane: Lane): void {
    const { builder, times, bytes, to } = lane
    if (builder === undefined) return
    lane.builder = undefined
    lane.times = []
    lane.bytes = 0
    lane.underWay++
    waiting.delete(lane)
    const settled = (): void => {
      lane.underWay--
      buffered -= bytes
      wake?.()
    }
    task.append(to.topic, to.partition, builder.finish()).then(
      () => {
        const at = now()
        for (const { at: handedOverAt, count } of times) task.acknowledged(count, handedOverAt, at)
        settled()
      },
      error => {
        if (!failed) failure = error
        failed = true
        settled()
      },
    )
  }

  function flushDue(at: number, all: boolean): void {
    for (const lane of waiting) {
      const lingered = all || at - lane.openedAt >= client.lingerMs
      const full = lane.bytes >= client.batchBytes
      if ((lingered && lane.underWay < UNDER_WAY) || (full && lane.underWay < MOST_UNDER_WAY)) flush(lane)
    }
  }

  function laneOf(to: PartitionKey): Lane {
    const key = partitionKey(to)
    const known = lanes.get(key)
    if (known !== undefined) return known
    const lane: Lane = { to, builder: undefined, times: [], bytes: 0, openedAt: 0, underWay: 0 }
    lanes.set(key, lane)
    return lane
  }

  function hand(index: number, at: number): void {
    const { to, key, value } = task.record(index)
    const bytes = (key?.length ?? 0) + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES
    const lane = laneOf(to)
    if (lane.builder !== undefined && lane.bytes + bytes > client.batchBytes) flush(lane)
    if (lane.builder === undefined) {
      const maxBytes = Math.max(client.batchBytes, bytes) + BATCH_OVERHEAD_BYTES
      lane.builder = new BatchBuilder({ codec: client.codec, maxBytes })
      lane.openedAt = at
      waiting.add(lane)
    }
    lane.builder.add({ timestamp: Math.floor(at), key, value })
    lane.bytes += bytes
    buffered += bytes
    const last = lane.times.at(-1)
    if (last?.at === at) last.count++
    else lane.times.push({ at, count: 1 })
  }

  /** Until something is acknowledged, or for so long. */
  async function pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    wake = resolve
    const timer = setTimeout(resolve, ms)
    await promise
    clearTimeout(timer)
    wake = undefined
  }

  const check = (): void => {
    if (failed) throw failure
    ending.throwIfAborted()
  }

  return {
    get sent() {
      return sent
    },
    get worstLateMs() {
      return worstLateMs
    },
    async sendUntil(total, enough = () => false) {
      for (;;) {
        check()
        const at = now()
        for (let n = 0; n < RECORDS_A_TURN; n++) {
          if (sent >= total || due(sent) > at || buffered >= client.bufferBytes) break
          if (enough()) return
          worstLateMs = Math.max(worstLateMs, at - due(sent))
          hand(sent++, at)
        }
        flushDue(at, false)
        if (sent >= total || enough()) return
        const behind = due(sent) <= now()
        if (behind && buffered < client.bufferBytes) await delay(0)
        else await pause(TURN_MS)
      }
    },
    async drain() {
      while (buffered > 0) {
        check()
        flushDue(now(), true)
        await pause(TURN_MS)
      }
      check()
    },
  }
}
