/** A link between two real brokers, all guarantees on: records of 1 KB and 100 B. Run with `make bench-mirror`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BatchBuilder } from '../../src/foundation/wire/build.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { startCluster } from '../fleets/cluster.ts'
import { linkBetween } from '../mirror/link.ts'
import { createTopic } from '../wire/topics.ts'

const PARTITIONS = 16
const TOTAL_BYTES = 256 * 1024 * 1024
const CASES = [
  { name: '1 KB records in 256 KB batches', recordBytes: 1_000, batchBytes: 256 * 1024 },
  { name: '100 B records in 256 KB batches', recordBytes: 100, batchBytes: 256 * 1024 },
  { name: '1 KB records in 16 KB batches', recordBytes: 1_000, batchBytes: 16 * 1024 },
] as const

const signal = AbortSignal.timeout(900_000)
await using source = await startCluster({ nodes: 1, name: 'bench-source', heapMb: 512 })
await using target = await startCluster({ nodes: 1, name: 'bench-target', heapMb: 512 })
const folder = await mkdtemp(join(tmpdir(), 'ajna-bench-'))

function fullBatch(recordBytes: number, batchBytes: number): { batch: Buffer; records: number } {
  const builder = new BatchBuilder({ maxBytes: batchBytes })
  const value = Buffer.alloc(recordBytes, 'x')
  while (builder.add({ timestamp: Date.now(), value }));
  const records = builder.count
  return { batch: builder.finish(), records }
}

async function fill(topic: string, batch: Buffer, batches: number): Promise<void> {
  await using wire = openWire({ bootstrap: source.bootstrap, clientId: 'bench', requestTimeoutMs: 30_000 })
  await using producer = await wire.producer({}, signal)
  let next = 0
  const lane = async (partition: number): Promise<void> => {
    const own = Buffer.from(batch)
    while (next++ < batches) await producer.append(topic, partition, own)
  }
  await Promise.all(Array.from({ length: PARTITIONS * 2 }, (_, i) => lane(i % PARTITIONS)))
}

const figures: Record<string, Record<string, number>> = {}
for (const [index, { name, recordBytes, batchBytes }] of CASES.entries()) {
  const topic = `bench-${index}`
  const { batch, records } = fullBatch(recordBytes, batchBytes)
  const batches = Math.floor(TOTAL_BYTES / batch.length)
  const total = records * batches
  await createTopic(source.bootstrap, topic, { partitions: PARTITIONS })
  await createTopic(target.bootstrap, topic, { partitions: PARTITIONS })
  await fill(topic, batch, batches)
  const cpu = process.cpuUsage()
  const started = performance.now()
  const spec = { name: topic, topics: [topic] }
  const sides = { source: source.bootstrap, target: target.bootstrap, store: join(folder, `${topic}.json`) }
  await using link = await linkBetween({ ...sides, spec })
  const copied = (): number => link.status().partitions.reduce((sum, each) => sum + each.records, 0)
  while (copied() < total) await sleep(20, undefined, { signal })
  const seconds = (performance.now() - started) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const cpuSeconds = (user + system) / 1e6
  figures[name] = {
    recordsPerSecond: Math.round(total / seconds),
    recordsPerCpuSecond: Math.round(total / cpuSeconds),
    mbPerSecond: Math.round((batches * batch.length) / seconds / 1e6),
    mbPerCpuSecond: Math.round((batches * batch.length) / cpuSeconds / 1e6),
  }
}
await rm(folder, { recursive: true })
console.table(figures)
console.log(
  JSON.stringify({
    bench: 'mirror',
    ...figures,
    maxRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
)
