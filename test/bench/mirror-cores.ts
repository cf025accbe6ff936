/**
 * What more worker processes bring a link: 1, 2 and 4 of them, each held to a small share of a core, so that neither the
 * brokers nor the machine's cores are the limit; records a second, in turns. Run with `make bench-mirror-cores`.
 *
 * Shorter or otherwise: AJNA_BENCH_ROUNDS (3), AJNA_BENCH_MB (2560), AJNA_BENCH_SHARE of a core for each worker (0.04).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { usage } from './lib/compare.ts'
import { holdEach } from './lib/share.ts'
import { loadTopic, recordsOf, removeTopic, startSides } from './lib/sides.ts'
import { printSpread, type Spread, spreadOf } from './lib/spread.ts'
import { openGroup } from './lib/workers.ts'

const WORKERS = [1, 2, 4] as const
type Many = (typeof WORKERS)[number]
/** So many that each worker has about as many as every other. */
const KIND = { name: '1 KB records', partitions: 256, recordBytes: 1_000, batchBytes: 64 * 1024 }
const ROUNDS = Number(process.env['AJNA_BENCH_ROUNDS'] ?? 3)
const BYTES = Number(process.env['AJNA_BENCH_MB'] ?? 2_560) * 1024 * 1024
const SHARE = Number(process.env['AJNA_BENCH_SHARE'] ?? 0.04)
/** A share is small: over a shorter span a pause for garbage weighs too much. */
const SPAN_MS = 10_000
const SETTLING_MS = 1_500
/** Of its share, what a worker that has work surely uses. */
const BUSY = 0.75
/** So much is copied before anything is measured: by then every partition has begun, and code is compiled. */
const BEGINNING = 1 / 12
const POLL_MS = 100
const DEADLINE_MS = 900_000

const pause = (): Promise<void> => sleep(POLL_MS, undefined, { signal })
const rounded = (value: number): number => Math.round(value * 100) / 100

interface Turn {
  readonly recordsPerSecond: number
  /** Of all workers, and of the two brokers. */
  readonly ownCores: number
  readonly brokerCores: number
}

const signal = AbortSignal.timeout(DEADLINE_MS)
await using sides = await startSides()
await using group = await openGroup(sides, signal)
const load = await loadTopic(sides.source, KIND, 'load', BYTES, signal)
const turns: Record<Many, Turn[]> = { 1: [], 2: [], 4: [] }
let held = ''
for (let round = 1; round <= ROUNDS; round++)
  for (const many of WORKERS) {
    const turn = await measure(`r${round}w${many}`, many)
    turns[many].push(turn)
    console.log(
      `# round ${round}, ${many} workers: ${turn.recordsPerSecond.toLocaleString('en-US')} records/s, ` +
        `${turn.ownCores.toFixed(2)} cores theirs, ${turn.brokerCores.toFixed(2)} the brokers'`,
    )
  }

const rate = (many: Many): Spread => spreadOf(turns[many].map(({ recordsPerSecond }) => recordsPerSecond))
/** Neighbours in time are compared: what else the machine does meets both. */
const relative = (many: Many): Spread =>
  spreadOf(turns[many].map((turn, round) => turn.recordsPerSecond / turns[1][round]!.recordsPerSecond))

console.log(`each worker held to ${SHARE} of a core (${held}), ${ROUNDS} rounds`)
for (const many of WORKERS)
  console.log(
    `${many} workers  ${printSpread(rate(many)).padEnd(30)} records/s  ` +
      `${(rate(many).median / rate(1).median).toFixed(2)} × one, by round ${printSpread(relative(many), 2)}`,
  )
console.log(
  JSON.stringify({
    bench: 'mirror-cores',
    share: SHARE,
    held,
    rate1: rate(1),
    rate2: rounded(rate(2).median / rate(1).median),
    rate4: rounded(rate(4).median / rate(1).median),
    spread2: relative(2),
    spread4: relative(4),
    turns,
  }),
)

/** So many workers, started anew; they begin at full speed, are held to their share as they run, and measured over a span. */
async function measure(name: string, many: Many): Promise<Turn> {
  let copy: string | undefined
  try {
    await using workers = await group.start(many)
    await using link = await group.link(name, load.topic)
    copy = link.copy
    while ((await recordsOf(sides.target, copy, signal)) < load.records * BEGINNING) await pause()
    await using share = await holdEach(workers.pids, SHARE)
    held = share.by
    // What was under way at full speed comes to its end.
    await sleep(SETTLING_MS, undefined, { signal })
    return await span(copy, workers.pids)
  } finally {
    // Only now does nobody write to it any more.
    if (copy !== undefined) await removeTopic(sides.target, copy)
  }
}

/** None must come to the end of its part meanwhile. */
async function span(copy: string, pids: readonly number[]): Promise<Turn> {
  const begun = await mark(copy, pids)
  await sleep(SPAN_MS, undefined, { signal })
  const ended = await mark(copy, pids)
  const seconds = (ended.at - begun.at) / 1_000
  const own = ended.own.map((used, index) => (used - begun.own[index]!) / seconds)
  const idlest = Math.min(...own)
  if (idlest < SHARE * BUSY)
    console.log(`# a worker used ${idlest.toFixed(3)} cores only: it ran out of work`)
  return {
    recordsPerSecond: Math.round((ended.records - begun.records) / seconds),
    ownCores: rounded(own.reduce((sum, each) => sum + each, 0)),
    brokerCores: rounded((ended.brokers - begun.brokers) / seconds),
  }
}

async function mark(copy: string, pids: readonly number[]) {
  const records = await recordsOf(sides.target, copy, signal)
  const at = performance.now()
  const seconds = (each: readonly number[]): Promise<number[]> =>
    Promise.all(each.map(async pid => (await usage(pid)).cpuSeconds))
  const [source, target] = await seconds([sides.source.pid, sides.target.pid])
  return { at, records, own: await seconds(pids), brokers: source! + target! }
}
