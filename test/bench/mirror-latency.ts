/**
 * How old a record is when a reader of the copy has it, while 50 MB/s are written at the source in steps of 10 ms, with a
 * link and with MirrorMaker 2 in turns. Run with `make bench-mirror-latency`.
 *
 * Shorter: AJNA_BENCH_ROUNDS (3), AJNA_BENCH_SECONDS per turn (12), AJNA_BENCH_PEER=none leaves MirrorMaker 2 out.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { batchesIn } from '../../src/foundation/wire/batch.ts'
import { BatchBuilder } from '../../src/foundation/wire/build.ts'
import type { Producer } from '../../src/foundation/wire/contract.ts'
import { recordCursor } from '../../src/foundation/wire/records.ts'
import { usage } from './lib/compare.ts'
import { startMm2 } from './lib/mm2.ts'
import { type Replicator, startLinkProcess } from './lib/replicators.ts'
import { makeTopic, removeTopic, type Sides, startSides } from './lib/sides.ts'
import { printSpread, type Spread, spreadOf } from './lib/spread.ts'

const PARTITIONS = 16
const BYTES_PER_SECOND = 50_000_000
const RECORD_BYTES = 1_000
const STEP_MS = 10
const WARM_UP_MS = 4_000
const ROUNDS = Number(process.env['AJNA_BENCH_ROUNDS'] ?? 3)
const SECONDS = Number(process.env['AJNA_BENCH_SECONDS'] ?? 12)
const DEADLINE_MS = 600_000

interface Turn {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly records: number
  readonly cores: number
}

const signal = AbortSignal.timeout(DEADLINE_MS)
await using sides = await startSides()
await using ours = await startLinkProcess(sides)
await using theirs = process.env['AJNA_BENCH_PEER'] === 'none' ? undefined : await startMm2(sides)

const turns = new Map<string, Turn[]>()
let topics = 0
for (let round = 0; round <= ROUNDS; round++) {
  for (const each of [ours, theirs]) {
    if (each === undefined) continue
    const turn = await latencyOf(each, `latency-${++topics}`)
    // The first round is for the compilers.
    if (round > 0) turns.set(each.name, [...(turns.get(each.name) ?? []), turn])
  }
}
const figures = Object.fromEntries([...turns].map(([name, each]) => [name, figuresOf(each)]))
console.table(
  Object.fromEntries(
    Object.entries(figures).map(([name, { p50Ms, p99Ms, maxMs, cores }]) => [
      name,
      {
        'p50, ms': printSpread(p50Ms),
        'p99, ms': printSpread(p99Ms),
        'most, ms': printSpread(maxMs),
        'cores of the replicator': printSpread(cores, 2),
      },
    ]),
  ),
)
console.log(JSON.stringify({ bench: 'mirror-latency', mbPerSecond: BYTES_PER_SECOND / 1e6, ...figures }))

async function latencyOf(replicator: Replicator, topic: string): Promise<Turn> {
  await makeTopic(sides.source, topic, PARTITIONS)
  const copy = (await replicator.begin(topic))(topic)
  await isThere(sides, copy)
  const stop = new AbortController()
  const reading = readAges(sides, copy, AbortSignal.any([signal, stop.signal]))
  const begun = Date.now()
  await using producer = await sides.source.wire.producer({}, signal)
  const before = await usage(replicator.pid)
  await writeSteadily(producer, topic, begun + SECONDS * 1_000)
  const after = await usage(replicator.pid)
  const cores = (after.cpuSeconds - before.cpuSeconds) / ((Date.now() - begun) / 1_000)
  // What is still on its way counts too.
  await sleep(2_000, undefined, { signal })
  stop.abort()
  const ages = (await reading).filter(({ writtenAt }) => writtenAt >= begun + WARM_UP_MS)
  await replicator.end()
  await Promise.all([removeTopic(sides.source, topic), removeTopic(sides.target, copy)])
  return { ...quantiles(ages), cores }
}

async function isThere({ target }: Sides, topic: string): Promise<void> {
  for (;;) {
    const [found] = await target.wire.metadata([topic], signal)
    if (found?.partitions.length === PARTITIONS && found.partitions.every(({ leader }) => leader >= 0)) return
    await sleep(50, undefined, { signal })
  }
}

/** Every partition gets a batch in each step; a step that is late is made up for. */
async function writeSteadily(producer: Producer, topic: string, until: number): Promise<void> {
  const records = Math.round((BYTES_PER_SECOND * STEP_MS) / 1_000 / PARTITIONS / RECORD_BYTES)
  const value = Buffer.alloc(RECORD_BYTES, 'x')
  for (let step = Date.now(); step < until; step += STEP_MS) {
    await sleep(Math.max(0, step - Date.now()), undefined, { signal })
    const timestamp = Date.now()
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const batch = new BatchBuilder()
      for (let i = 0; i < records; i++) batch.add({ timestamp, value })
      producer.append(topic, partition, batch.finish()).catch(() => undefined)
    }
  }
  await producer.flush()
}

interface Age {
  readonly writtenAt: number
  readonly ms: number
  readonly records: number
}

async function readAges({ target }: Sides, topic: string, until: AbortSignal): Promise<Age[]> {
  const ages: Age[] = []
  const from = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, offset: 0 }))
  await using stream = target.wire.fetch({ from, signal: until, recycle: true })
  try {
    for await (const event of stream) {
      if (event.kind !== 'batches') continue
      const now = Date.now()
      for (const header of batchesIn(event.bytes)) {
        const record = recordCursor(event.bytes, header)
        while (record.next())
          ages.push({ writtenAt: record.timestamp, ms: now - record.timestamp, records: 1 })
      }
    }
  } catch (error) {
    if (!until.aborted || signal.aborted) throw error
  }
  return ages
}

function quantiles(ages: readonly Age[]): Omit<Turn, 'cores'> {
  const sorted = ages.map(({ ms }) => ms).sort((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: sorted.at(-1) ?? 0, records: sorted.length }
}

function figuresOf(each: readonly Turn[]): Record<keyof Turn, Spread> {
  const of = (figure: keyof Turn): Spread => spreadOf(each.map(turn => turn[figure]))
  return {
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    maxMs: of('maxMs'),
    records: of('records'),
    cores: of('cores'),
  }
}
