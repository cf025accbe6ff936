/**
 * A log line's way into a batch and a counter's way through it. Run with `make bench-encode-lines`.
 * Goal: ≥ 5 × rsyslog's 178,000 lines of 200 B per CPU-second for splitting, event time, hash, encoding and CRC together.
 */
import { visitPositions } from '../../src/foundation/positions/count.ts'
import { IntervalSet } from '../../src/foundation/positions/intervals.ts'
import { eventTimeOf, NO_TIME } from '../../src/foundation/positions/lines.ts'
import { xxh32 } from '../../src/foundation/positions/xxh32.ts'
import { hasValidCrc, readBatchHeader } from '../../src/foundation/wire/batch.ts'
import type { Codec } from '../../src/foundation/wire/codecs.ts'
import { LineBatch } from '../../src/foundation/wire/encode-lines.ts'
import { rateOf, report } from './lib/measure.ts'

const RSYSLOG_LINES_PER_CPU_SECOND = 178_000
const LINE_BYTES = 200
const CHUNK_LINES = 5_000
const WORK = 500_000
const BATCH_BYTES = 256 * 1024
const SHIPPED_AT = Date.UTC(2026, 10, 23, 6, 0, 0)

function chunkOf(prefix: (index: number) => string): Buffer {
  const text = 'GET /some/path of a service that logs what it does, '.repeat(6)
  const lines = Array.from({ length: CHUNK_LINES }, (_, i) =>
    `${prefix(i)} ${i} ${text}`.slice(0, LINE_BYTES - 1),
  )
  return Buffer.from(`${lines.join('\n')}\n`)
}

const timeOf = (index: number): string => new Date(SHIPPED_AT - 3_600_000 + index * 37).toISOString()
const iso = chunkOf(index => `${timeOf(index)} host app[77]:`)
const kafka = chunkOf(index => `[${timeOf(index).replace('T', ' ').replace('.', ',').slice(0, -1)}] INFO`)
const pino = chunkOf(index => `{"level":"info","time":"${timeOf(index)}","msg":`)
const syslog = chunkOf(index => `Nov 23 ${timeOf(index).slice(11, 19)} host app[77]:`)

/** Calls `each` for the lines of a chunk, over and over until the work is done. */
function lines(chunk: Buffer, each: (from: number, to: number) => void): number {
  let done = 0
  while (done < WORK) {
    for (let from = 0, to = chunk.indexOf(10); to >= 0; from = to + 1, to = chunk.indexOf(10, from)) {
      each(from, to)
      done++
    }
  }
  return done
}

function ship(chunk: Buffer, codec: Codec, sink: (batch: Buffer) => void): number {
  const batch = new LineBatch({ stream: '0123456789abcdef', maxBytes: BATCH_BYTES, codec })
  let start = 0
  let eventTime = SHIPPED_AT
  const done = lines(chunk, (from, to) => {
    const parsed = eventTimeOf(chunk, from, to, SHIPPED_AT)
    if (parsed !== NO_TIME) eventTime = parsed
    const length = to + 1 - from
    if (!batch.add(chunk, from, to, start, length, eventTime, SHIPPED_AT)) {
      sink(batch.finish())
      batch.add(chunk, from, to, start, length, eventTime, SHIPPED_AT)
    }
    start += length
  })
  sink(batch.finish())
  return done
}

function count(batches: readonly Buffer[], verify: boolean): number {
  let seen = 0
  while (seen < WORK * 2) {
    const set = IntervalSet.of()
    for (const batch of batches) {
      const header = readBatchHeader(batch)
      if (verify && !hasValidCrc(batch, header)) throw new Error('corrupt')
      visitPositions(batch, header, (_high, _low, start, length) => set.add(start, start + length))
      seen += header.count
    }
    if (set.size !== 1) throw new Error(`the counter found ${set.size} intervals`)
  }
  return seen
}

function shipped(codec: Codec): Buffer[] {
  const batches: Buffer[] = []
  ship(iso, codec, batch => batches.push(batch))
  return batches
}

const discard = (): void => undefined
let sum = 0
const times = (chunk: Buffer): number =>
  lines(chunk, (from, to) => {
    sum += eventTimeOf(chunk, from, to, SHIPPED_AT)
  })

const full = rateOf('lines shipped (split, time, hash, encode, CRC)', () => ship(iso, 'none', discard))
const [plain, zstd] = [shipped('none'), shipped('zstd')]
report(
  'encode-lines',
  [
    full,
    rateOf('lines shipped, lz4', () => ship(iso, 'lz4', discard)),
    rateOf('lines shipped, zstd', () => ship(iso, 'zstd', discard)),
    rateOf('lines split', () => lines(iso, (from, to) => void (sum += to - from))),
    rateOf('lines hashed', () => lines(iso, (from, to) => void (sum += xxh32(iso, from, to)))),
    rateOf('event times, ISO', () => times(iso)),
    rateOf('event times, Kafka log4j', () => times(kafka)),
    rateOf('event times, pino', () => times(pino)),
    rateOf('event times, syslog', () => times(syslog)),
    rateOf('positions counted into intervals', () => count(plain, false)),
    rateOf('positions counted into intervals, CRC verified', () => count(plain, true)),
    rateOf('positions counted into intervals, zstd, CRC verified', () => count(zstd, true)),
  ],
  { timesRsyslog: Math.round((full.perCpuSecond / RSYSLOG_LINES_PER_CPU_SECOND) * 10) / 10 },
)
if (!Number.isFinite(sum)) throw new Error('a figure was not a number')
