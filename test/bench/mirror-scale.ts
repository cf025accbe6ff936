/**
 * What many partitions cost a link, and how long new ones wait: memory while 1,000 partitions are copied, processor time
 * of 10,000 idle ones, time from a new topic and from a new partition to their first record at the target. Run with
 * `make bench-mirror-scale`.
 *
 * Shorter: AJNA_BENCH_IDLE partitions (10000), AJNA_BENCH_ROUNDS new topics (5), AJNA_BENCH_MB (512).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { BatchBuilder } from '../../src/foundation/wire/build.ts'
import { addPartitions } from '../wire/topics.ts'
import { usage } from './lib/compare.ts'
import { type LinkProcess, startLinkProcess } from './lib/replicators.ts'
import { loadTopic, makeTopic, recordsOf, removeTopic, startSides } from './lib/sides.ts'
import { printSpread, type Spread, spreadOf } from './lib/spread.ts'

const BUSY_PARTITIONS = 1_000
const PARTITIONS_PER_TOPIC = 100
const IDLE_PARTITIONS = Number(process.env['AJNA_BENCH_IDLE'] ?? 10_000)
const ROUNDS = Number(process.env['AJNA_BENCH_ROUNDS'] ?? 5)
const BYTES = Number(process.env['AJNA_BENCH_MB'] ?? 512) * 1024 * 1024
const IDLE_SECONDS = 60
const SAMPLE_MS = 100
const DEADLINE_MS = 900_000

const signal = AbortSignal.timeout(DEADLINE_MS)
await using sides = await startSides()
const { source, target } = sides

const residentMb = await residentOfBusy()
console.log(
  `resident while ${BUSY_PARTITIONS} partitions were copied, the most of all samples: ${residentMb} MB`,
)
const fresh = await timesOfNew()
console.log(`new topic, ms to its first record at the target: ${printSpread(fresh.topicMs)}`)
console.log(`new partition, ms to its first record at the target: ${printSpread(fresh.partitionMs)}`)
const idle = await costOfIdle()
console.log(
  `${IDLE_PARTITIONS} idle partitions: ${idle.percentOfCore.toFixed(2)} % of a core over ${IDLE_SECONDS} s, ` +
    `resident ${idle.residentMb} MB; all were begun ${idle.beginSeconds.toFixed(1)} s after the start`,
)
console.log(JSON.stringify({ bench: 'mirror-scale', residentMbAt1000: residentMb, ...fresh, idle }))

async function residentOfBusy(): Promise<number> {
  const kind = { name: 'busy', partitions: BUSY_PARTITIONS, recordBytes: 1_000, batchBytes: 64 * 1024 }
  const load = await loadTopic(source, kind, 'busy', BYTES, signal)
  await using link = await startLinkProcess(sides)
  await link.begin(load.topic)
  let most = 0
  for (let copied = 0; copied < load.records; copied = (await link.summary()).records) {
    most = Math.max(most, await residentMbOf(link))
    await sleep(SAMPLE_MS, undefined, { signal })
  }
  await link.end()
  await Promise.all([removeTopic(source, load.topic), removeTopic(target, load.topic)])
  return most
}

async function timesOfNew(): Promise<{ topicMs: Spread; partitionMs: Spread }> {
  await using link = await startLinkProcess(sides)
  await makeTopic(source, 'new-0', 1)
  await link.begin('new-.*')
  await writeOne('new-0', 0)
  await arrives('new-0', 1)
  const topicMs: number[] = []
  const partitionMs: number[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    const topic = `new-${round}`
    // Not always at the same moment between two looks.
    await sleep((round * 270) % 1_000, undefined, { signal })
    const created = performance.now()
    await makeTopic(source, topic, 1)
    await writeOne(topic, 0)
    await arrives(topic, 1)
    topicMs.push(Math.round(performance.now() - created))
    const widened = performance.now()
    await addPartitions(source.cluster.bootstrap, topic, 2)
    await writeOne(topic, 1)
    await arrives(topic, 2)
    partitionMs.push(Math.round(performance.now() - widened))
  }
  await link.end()
  return { topicMs: spreadOf(topicMs), partitionMs: spreadOf(partitionMs) }
}

async function writeOne(topic: string, partition: number): Promise<void> {
  await using producer = await source.wire.producer({}, signal)
  const batch = new BatchBuilder()
  batch.add({ timestamp: Date.now(), value: Buffer.from('the first') })
  await producer.append(topic, partition, batch.finish())
}

async function arrives(topic: string, records: number): Promise<void> {
  while ((await recordsOf(target, topic, signal)) < records) await sleep(10, undefined, { signal })
}

async function costOfIdle() {
  const topics = IDLE_PARTITIONS / PARTITIONS_PER_TOPIC
  for (let i = 0; i < topics; i++) await makeTopic(source, `idle-${i}`, PARTITIONS_PER_TOPIC)
  await using link = await startLinkProcess(sides)
  const started = performance.now()
  await link.begin('idle-.*')
  for (let begun = 0; begun < IDLE_PARTITIONS; begun = (await link.summary()).caughtUp)
    await sleep(1_000, undefined, { signal })
  const beginSeconds = (performance.now() - started) / 1_000
  await sleep(5_000, undefined, { signal })
  const before = await usage(link.pid)
  await sleep(IDLE_SECONDS * 1_000, undefined, { signal })
  const after = await usage(link.pid)
  const percentOfCore = ((after.cpuSeconds - before.cpuSeconds) / IDLE_SECONDS) * 100
  const resident = await residentMbOf(link)
  await link.end()
  return { percentOfCore, residentMb: resident, beginSeconds }
}

async function residentMbOf(link: LinkProcess): Promise<number> {
  return Math.round((await usage(link.pid)).residentBytes / 1024 ** 2)
}
