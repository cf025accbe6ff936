import { setMaxListeners } from 'node:events'
import type { Logger } from '../../foundation/log/log.ts'
import type { FetchedBatches, Wire } from '../../foundation/wire/contract.ts'
import { follow } from '../../foundation/wire/follow.ts'
import { readableRecords, type UnreadableBatch } from '../../foundation/wire/records.ts'
import { decodeSample } from '../hosts/contract.ts'
import { createDelays, type Delays } from './delays.ts'
import { createSeriesStore, type SamplePoint, type SeriesStore } from './series.ts'

export interface Observer {
  readonly store: SeriesStore
  /** From the moment a sample was measured to the moment it could be queried, ms; live samples only. */
  readonly delays: Delays
  /** Records of the metrics topics that are not plausible samples, and batches there that cannot be read. */
  readonly unknown: number
  subscribe(listener: (samples: readonly SamplePoint[]) => void): () => void
  /** Ends when the signal aborts. */
  readonly done: Promise<void>
}

export interface ObserverOptions {
  /** The aggregate cluster. */
  readonly wire: Wire
  readonly topics: (name: string) => boolean
  /** How much of the past is read again at the start, ms. */
  readonly backfillMs: number
  readonly now: () => number
  readonly signal: AbortSignal
  readonly log: Logger
}

/** Fills a series store from the metrics topics. Nothing is lost with it: a restart reads the past again. */
export function observe(options: ObserverOptions): Observer {
  const store = createSeriesStore()
  const delays = createDelays()
  const listeners = new Set<(samples: readonly SamplePoint[]) => void>()
  const began = options.now()
  let unknown = 0
  setMaxListeners(0, options.signal)

  async function read(): Promise<void> {
    const from = { timestamp: began - options.backfillMs }
    for await (const event of follow(options.wire, { ...options, from: () => from, maxWaitMs: 100 })) {
      if (event.kind === 'gap') options.log.warn(event, 'metrics were removed before they were read')
      if (event.kind === 'batches') take(event)
    }
  }

  function take({ topic, partition, bytes }: FetchedBatches): void {
    const now = options.now()
    const fresh: SamplePoint[] = []
    const passOver = ({ from, to, error }: UnreadableBatch): void => {
      unknown++
      options.log.error({ topic, partition, from, to, err: error }, 'metrics cannot be read; passed over')
    }
    for (const cursor of readableRecords(bytes, passOver)) {
      const sample = cursor.value === null ? undefined : decodeSample(cursor.value)
      if (sample === undefined || !isPlausible(sample, now)) unknown++
      else fresh.push(sample)
    }
    for (const sample of fresh) {
      store.add(sample)
      if (sample.time >= began) delays.add(Math.max(0, now - sample.time))
    }
    if (fresh.length > 0) for (const listener of listeners) listener(fresh)
  }

  return {
    store,
    delays,
    get unknown() {
      return unknown
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    done: read(),
  }
}

const NAME = /^[A-Za-z_:][\w:]{0,199}$/
const LABEL = /^[A-Za-z_]\w{0,99}$/
const MAX_LABELS = 50
const MAX_TEXT = 300
/** Clocks differ; a sample from further ahead would keep its series from ever taking another. */
const MAX_AHEAD_MS = 300_000

/** The topic has other writers too: what no agent can have measured is in no series. */
export function isPlausible({ name, labels, unit, time, value }: SamplePoint, now: number): boolean {
  const entries = Object.entries(labels)
  return (
    NAME.test(name) &&
    Number.isFinite(value) &&
    time >= 0 &&
    time <= now + MAX_AHEAD_MS &&
    unit.length <= MAX_TEXT &&
    entries.length <= MAX_LABELS &&
    entries.every(([label, text]) => LABEL.test(label) && text.length <= MAX_TEXT)
  )
}
