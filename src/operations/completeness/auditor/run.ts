import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { readIfThere, setAside, writeWhole } from '../../../foundation/files/whole.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import { xxh32 } from '../../../foundation/positions/xxh32.ts'
import { BatchBuilder } from '../../../foundation/wire/build.ts'
import type { Producer, Wire } from '../../../foundation/wire/contract.ts'
import type { AuditRecord } from '../contract.ts'
import { AUDIT_TOPIC_MISSING } from '../errors.ts'
import { createWatch, type SavedWatch, type WatchSource } from './watch.ts'

export interface AuditorOptions {
  readonly site: string
  readonly host: string
  readonly sources: readonly WatchSource[]
  readonly wire: Wire
  readonly topic: string
  /** Where the positions are kept between runs. */
  readonly file: string
  readonly scanMs?: number
  readonly now: () => number
  readonly signal: AbortSignal
  readonly log: Logger
}

const SCAN_MS = 1_000
/** How often the auditor testifies although it has seen nothing new. */
const WATCH_MS = 5_000
const RETRY_MS = 1_000

/**
 * Reads the host's files on its own and publishes what it saw; positions are saved once what was said up to them is in the
 * cluster. Killed in between, it says some of it again, which changes nothing. While the cluster is away, or slow, it reads
 * on and keeps what it has to say (ranges, not lines) in memory: a file may live for seconds only.
 */
export async function runAuditor(options: AuditorOptions): Promise<void> {
  const { signal, now, log } = options
  const saved = await load(options.file, log)
  await using watch = createWatch({ ...options, ...(saved === undefined ? {} : { saved }) })
  await using voice = createVoice(options)
  let unsaid: AuditRecord[] = []
  let testifiedAt = 0
  let telling: Promise<void> | undefined
  while (!signal.aborted) {
    const began = now()
    unsaid.push(...(await watch.scan()))
    if (telling === undefined && (unsaid.length > 0 || began - testifiedAt >= WATCH_MS))
      telling = tell(began).finally(() => {
        telling = undefined
      })
    await pause((options.scanMs ?? SCAN_MS) - (now() - began), signal)
  }
  await telling

  /** Says what is unsaid now, and keeps the positions that belong to it. */
  async function tell(at: number): Promise<void> {
    const { host, site } = options
    const { files, pendingBytes } = watch
    const said = unsaid
    const positions = watch.save()
    unsaid = []
    try {
      await voice.say([...said, { type: 'watch', host, site, at, files, pendingBytes }])
      testifiedAt = at
      await save(options.file, positions)
    } catch (error) {
      if (signal.aborted) return
      unsaid = merged([...said, ...unsaid])
      log.warn({ err: error, unsaid: unsaid.length }, 'the audit cannot be published now; keeping it')
      await pause(RETRY_MS, signal)
    }
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<unknown> =>
  delay(Math.max(0, ms), undefined, { signal }).catch(() => undefined)

/** The same word in fewer records: ranges of one stream that continue each other within a bucket become one. */
export function merged(records: readonly AuditRecord[]): AuditRecord[] {
  type Ranges = Extract<AuditRecord, { type: 'ranges' }>['ranges'][number]
  const others = records.filter(record => record.type !== 'ranges')
  const byStream = new Map<string, Ranges[]>()
  for (const record of records) {
    if (record.type !== 'ranges') continue
    const ranges = byStream.get(record.stream) ?? []
    byStream.set(record.stream, ranges)
    for (const range of record.ranges) {
      const last = ranges.at(-1)
      if (last !== undefined && last.bucket === range.bucket && last.end === range.start)
        ranges[ranges.length - 1] = { ...last, end: range.end, lines: last.lines + range.lines }
      else ranges.push(range)
    }
  }
  return [
    ...others,
    ...[...byStream].map(([stream, ranges]): AuditRecord => ({ type: 'ranges', stream, ranges })),
  ]
}

interface Voice extends AsyncDisposable {
  /** Resolves when all of it is in the cluster. */
  say(records: readonly AuditRecord[]): Promise<void>
}

/** A producer that is made anew after a failure: saying things twice is harmless here. */
function createVoice({ wire, topic, host, now, signal }: AuditorOptions): Voice {
  let producer: Producer | undefined
  let partition = 0

  async function connect(): Promise<Producer> {
    const [found] = await wire.metadata([topic], signal)
    if (found === undefined || found.partitions.length === 0)
      throw new AjnaError(AUDIT_TOPIC_MISSING, `there is no topic ${topic}`)
    partition = xxh32(Buffer.from(host), 0, Buffer.byteLength(host)) % found.partitions.length
    return wire.producer({ deliveryTimeoutMs: 30_000 }, signal)
  }

  async function drop(): Promise<void> {
    const broken = producer
    producer = undefined
    await broken?.[Symbol.asyncDispose]()
  }

  return {
    async say(records) {
      try {
        producer ??= await connect()
        for (const batch of batchesOf(records, now())) await producer.append(topic, partition, batch, signal)
      } catch (error) {
        await drop().catch(() => undefined)
        throw error
      }
    },
    [Symbol.asyncDispose]: drop,
  }
}

const MAX_RANGES_PER_RECORD = 1_000

function* batchesOf(records: readonly AuditRecord[], timestamp: number): Generator<Buffer, void, undefined> {
  let builder = new BatchBuilder()
  for (const record of records.flatMap(split)) {
    const value = Buffer.from(JSON.stringify(record))
    if (builder.add({ timestamp, value })) continue
    yield builder.finish()
    builder = new BatchBuilder()
    builder.add({ timestamp, value })
  }
  yield builder.finish()
}

/** Many small ranges (an old file full of buckets) are said in several records. */
function split(record: AuditRecord): AuditRecord[] {
  if (record.type !== 'ranges' || record.ranges.length <= MAX_RANGES_PER_RECORD) return [record]
  const parts: AuditRecord[] = []
  for (let from = 0; from < record.ranges.length; from += MAX_RANGES_PER_RECORD)
    parts.push({ ...record, ranges: record.ranges.slice(from, from + MAX_RANGES_PER_RECORD) })
  return parts
}

const savedStream = z.object({
  stream: z.string(),
  key: z.string(),
  path: z.string(),
  tenant: z.string(),
  firstLineHash: z.number(),
  ordinal: z.number(),
  firstSeen: z.number(),
  position: z.number(),
  eventTime: z.number().nullable(),
  crc: z.number(),
  ended: z.boolean(),
})
const savedWatch = z.object({ lookedAt: z.number(), streams: z.array(savedStream) })

async function load(file: string, log: Logger): Promise<SavedWatch | undefined> {
  const text = await readIfThere(file)
  if (text === undefined) return undefined
  try {
    return savedWatch.parse(JSON.parse(text))
  } catch (error) {
    // Written whole in one rename: this is damage from outside, and reading all files again is the safe answer.
    log.error(
      { err: error, aside: await setAside(file) },
      'the positions are damaged: all files are read again',
    )
    return undefined
  }
}

async function save(file: string, watch: SavedWatch): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeWhole(file, JSON.stringify(watch))
}
