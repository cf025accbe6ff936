import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readIfThere, setAside, writeWhole } from '../../foundation/files/whole.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { type FollowEvent, follow } from '../../foundation/wire/follow.ts'
import { readableRecords, type UnreadableBatch } from '../../foundation/wire/records.ts'
import {
  auditRecord,
  type BucketVerdict,
  type CounterStatus,
  type StreamAccount,
  type StreamVerdict,
  type Tier,
} from './contract.ts'
import { type BatchCount, countPositions } from './count.ts'
import {
  applyAudit,
  applyHeld,
  applyUncounted,
  emptyLedger,
  forgetBefore,
  fromSnapshot,
  type HostWatch,
  type Ledger,
  type LedgerSnapshot,
  replaceHeld,
  toSnapshot,
  type Unseen,
} from './ledger.ts'
import { bucketVerdicts, streamVerdicts, unauditedStreams } from './verdict.ts'

/** One log to count: the topics of a tier at one cluster, or the auditors' topics. */
export interface CountedLog {
  readonly cluster: string
  readonly wire: Wire
  readonly topics: readonly string[]
}

export interface CompletenessOptions {
  readonly tiers: Readonly<Record<'local' | 'aggregate', readonly CountedLog[]>>
  readonly audits: readonly CountedLog[]
  /** Asks the archive what it holds; rejects when it cannot be asked now. */
  readonly archive: (signal: AbortSignal) => Promise<readonly StreamAccount[]>
  /** Where the ledger is kept between runs. */
  readonly file: string
  readonly keepMs: number
  readonly now: () => number
  readonly signal: AbortSignal
  readonly log: Logger
}

export interface Completeness {
  buckets(range: { readonly from: number; readonly to: number }): BucketVerdict[]
  streams(bucket: number): StreamVerdict[]
  counters(): CounterStatus[]
  watches(): ReadonlyMap<string, HostWatch>
  unseen(): readonly Unseen[]
  /** What tiers hold of files that no auditor has spoken of, the largest first. */
  unaudited(): { readonly stream: string; readonly bytes: number }[]
  /** When the archive last answered, ms; undefined: not yet. */
  readonly archiveAt: number | undefined
  /** Settles when the signal has aborted and the ledger is on disk. */
  readonly done: Promise<void>
}

const SAVE_EVERY_MS = 5_000
const ASK_ARCHIVE_EVERY_MS = 2_000

interface SavedState {
  readonly version: 2
  readonly ledger: LedgerSnapshot
  /** Next offset to count, by `<purpose>/<cluster>/<topic>/<partition>`. */
  readonly positions: Readonly<Record<string, number>>
}

/**
 * Counts every tier and judges. The ledger and the offsets it has been counted up to are saved as one file, so that a
 * restart (kill -9 included) counts nothing twice and leaves nothing out.
 */
export async function watchCompleteness(options: CompletenessOptions): Promise<Completeness> {
  const { ledger, positions } = await load(options.file, options.log)
  const counters = new Map<string, CounterStatus>()
  let archiveAt: number | undefined

  const reading = [
    ...options.audits.map(log => read(log, 'audit')),
    ...options.tiers.local.map(log => read(log, 'local')),
    ...options.tiers.aggregate.map(log => read(log, 'aggregate')),
  ]

  /** Reads for ever; a fault of one log delays only that log. */
  async function read(counted: CountedLog, purpose: 'audit' | Tier): Promise<void> {
    const key = (topic: string, partition: number): string =>
      `${purpose}/${counted.cluster}/${topic}/${partition}`
    while (!options.signal.aborted) {
      try {
        const events = follow(counted.wire, {
          topics: counted.topics,
          from: (topic, partition) => {
            const offset = positions.get(key(topic, partition))
            return offset === undefined ? 'earliest' : { offset }
          },
          signal: options.signal,
          log: options.log,
        })
        for await (const event of events) take(event, counted.cluster, purpose, key)
      } catch (error) {
        options.log.error(
          { err: error, cluster: counted.cluster, purpose },
          'counting stopped; starting it again',
        )
        await delay(1_000, undefined, { signal: options.signal }).catch(() => undefined)
      }
    }
  }

  function take(
    event: FollowEvent,
    cluster: string,
    purpose: 'audit' | Tier,
    key: (topic: string, partition: number) => string,
  ): void {
    if (event.kind === 'caught-up') return
    if (event.kind === 'recreated') {
      options.log.warn({ ...event, cluster, purpose }, 'the topic was made anew: counting it from its start')
      if (purpose !== 'audit') applyUncounted(ledger, purpose, options.now())
      forgetTopic(key(event.topic, 0).slice(0, -1))
      return
    }
    const { topic, partition } = event
    if (event.kind === 'gap') {
      options.log.warn({ ...event, cluster, purpose }, 'records were gone before they were counted')
      if (purpose !== 'audit') applyUncounted(ledger, purpose, options.now())
      return
    }
    const before = positions.get(key(topic, partition)) ?? event.firstOffset
    const counted =
      purpose === 'audit' ? takeAudit(event.bytes, before) : takeTier(purpose, event.bytes, before)
    for (const { from, to, error } of counted.unreadable)
      options.log.error(
        { topic, partition, from, to, cluster, purpose, err: error },
        'records cannot be read; they are counted as of no stream',
      )
    positions.set(key(topic, partition), event.nextOffset)
    note(purpose, cluster, topic, counted, event.highWatermark - event.nextOffset)
  }

  function forgetTopic(prefix: string): void {
    for (const known of [...positions.keys()]) if (known.startsWith(prefix)) positions.delete(known)
  }

  function takeTier(tier: Tier, bytes: Buffer, from: number): BatchCount {
    const now = options.now()
    return countPositions(bytes, from, (stream, start, end) =>
      applyHeld(ledger, tier, stream, start, end, now),
    )
  }

  function takeAudit(bytes: Buffer, from: number): BatchCount {
    const count = { records: 0, withoutPosition: 0, unreadable: [] as UnreadableBatch[] }
    for (const { value } of readableRecords(bytes, batch => count.unreadable.push(batch), from)) {
      const parsed = auditRecord.safeParse(parseJson(value))
      count.records++
      if (parsed.success) applyAudit(ledger, parsed.data, options.now())
      else count.withoutPosition++
    }
    return count
  }

  function note(
    purpose: 'audit' | Tier,
    cluster: string,
    topic: string,
    counted: BatchCount,
    lag: number,
  ): void {
    if (purpose === 'audit') return
    const key = `${purpose}/${cluster}/${topic}`
    const known = counters.get(key)
    counters.set(key, {
      tier: purpose,
      cluster,
      topic,
      lag,
      records: (known?.records ?? 0) + counted.records,
      withoutPosition: (known?.withoutPosition ?? 0) + counted.withoutPosition,
      at: options.now(),
    })
  }

  async function askArchive(): Promise<void> {
    for await (const _ of ticks(ASK_ARCHIVE_EVERY_MS, options.signal)) {
      try {
        replaceHeld(ledger, 'archive', await options.archive(options.signal))
        archiveAt = options.now()
      } catch (error) {
        if (!options.signal.aborted)
          options.log.debug({ err: error }, 'the archive does not say what it holds')
      }
    }
  }

  async function saveNow(): Promise<void> {
    forgetBefore(ledger, options.now() - options.keepMs)
    const state: SavedState = {
      version: 2,
      ledger: toSnapshot(ledger),
      positions: Object.fromEntries(positions),
    }
    await mkdir(dirname(options.file), { recursive: true })
    await writeWhole(options.file, JSON.stringify(state))
  }

  async function save(): Promise<void> {
    for await (const _ of ticks(SAVE_EVERY_MS, options.signal)) {
      await saveNow().catch(error =>
        options.log.error({ err: error }, 'the completeness ledger cannot be saved'),
      )
    }
  }

  return {
    buckets: range => bucketVerdicts(ledger, { ...range, now: options.now() }),
    streams: bucket => streamVerdicts(ledger, bucket, options.now()),
    counters: () => [...counters.values()],
    watches: () => ledger.watches,
    unseen: () => ledger.unseen,
    unaudited: () => unauditedStreams(ledger, options.now()),
    get archiveAt() {
      return archiveAt
    },
    done: Promise.all([...reading, askArchive(), save()]).then(saveNow),
  }
}

/** Yields at once and then every `ms`, until the signal aborts. */
async function* ticks(ms: number, signal: AbortSignal): AsyncGenerator<void, void, undefined> {
  while (!signal.aborted) {
    yield
    await delay(ms, undefined, { signal }).catch(() => undefined)
  }
}

function parseJson(value: Buffer | null): unknown {
  if (value === null) return undefined
  try {
    return JSON.parse(value.toString('utf8'))
  } catch {
    return undefined
  }
}

async function load(
  file: string,
  log: Logger,
): Promise<{ readonly ledger: Ledger; readonly positions: Map<string, number> }> {
  const text = await readIfThere(file)
  if (text === undefined) return { ledger: emptyLedger(), positions: new Map() }
  try {
    const state = JSON.parse(text) as SavedState
    if (state.version !== 2) throw new Error(`its version is ${state.version}`)
    return { ledger: fromSnapshot(state.ledger), positions: new Map(Object.entries(state.positions)) }
  } catch (error) {
    log.error(
      { err: error, aside: await setAside(file) },
      'the completeness ledger is damaged: it is counted anew, as far back as the topics are kept',
    )
    return { ledger: emptyLedger(), positions: new Map() }
  }
}
