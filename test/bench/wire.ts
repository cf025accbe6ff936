/** Produce and fetch through one real broker, records of 1 KB and 100 B in batches of 256 KB. Run with `make bench-wire`. */
import { BatchBuilder } from '../../src/foundation/wire/build.ts'
import type { Wire } from '../../src/foundation/wire/contract.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { startCluster } from '../fleets/cluster.ts'
import { createTopic } from '../wire/topics.ts'

const PARTITIONS = 16
const BATCH_BYTES = 256 * 1024
const TOTAL_BYTES = 512 * 1024 * 1024
const OUTSTANDING_PER_PARTITION = 2
const ROUNDS = 3

interface Measured {
  readonly mbPerSecond: number
  readonly recordsPerSecond: number
  readonly recordsPerCpuSecond: number
  readonly mbPerCpuSecond: number
}

const signal = AbortSignal.timeout(600_000)

async function measured(records: number, bytes: number, work: () => Promise<void>): Promise<Measured> {
  const cpu = process.cpuUsage()
  const started = performance.now()
  await work()
  const seconds = (performance.now() - started) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const cpuSeconds = (user + system) / 1e6
  return {
    mbPerSecond: Math.round(bytes / seconds / 1e6),
    recordsPerSecond: Math.round(records / seconds),
    recordsPerCpuSecond: Math.round(records / cpuSeconds),
    mbPerCpuSecond: Math.round(bytes / cpuSeconds / 1e6),
  }
}

function template(recordBytes: number): { batch: Buffer; records: number } {
  const builder = new BatchBuilder({ maxBytes: BATCH_BYTES })
  const value = Buffer.alloc(recordBytes, 'x')
  while (builder.add({ timestamp: Date.now(), value }));
  const records = builder.count
  return { batch: builder.finish(), records }
}

async function produceAll(wire: Wire, topic: string, batch: Buffer, batches: number): Promise<void> {
  await using producer = await wire.producer({}, signal)
  let next = 0
  const lane = async (partition: number): Promise<void> => {
    // The buffer belongs to the producer until it is acknowledged; then it is appended again.
    const own = Buffer.from(batch)
    while (next++ < batches) await producer.append(topic, partition, own)
  }
  const lanes = Array.from({ length: PARTITIONS * OUTSTANDING_PER_PARTITION }, (_, i) => lane(i % PARTITIONS))
  await Promise.all(lanes)
}

async function fetchAll(wire: Wire, topic: string): Promise<void> {
  const from = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, offset: 0 }))
  await using stream = wire.fetch({ from, signal, recycle: true })
  for await (const event of stream) {
    if (event.kind === 'caught-up') return
    if (event.kind !== 'batches') throw new Error(`unexpected ${event.kind}`)
  }
}

function median(rounds: readonly Measured[]): Measured {
  return [...rounds].sort((a, b) => a.recordsPerCpuSecond - b.recordsPerCpuSecond)[rounds.length >> 1]!
}

const figures: Record<string, Measured> = {}
await using cluster = await startCluster({ nodes: 1, name: 'bench-wire', heapMb: 512 })
for (const [name, recordBytes] of [
  ['1 KB', 1_000],
  ['100 B', 100],
] as const) {
  const { batch, records } = template(recordBytes)
  const batches = Math.floor(TOTAL_BYTES / batch.length)
  const produced: Measured[] = []
  const fetched: Measured[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const topic = `bench-${recordBytes}-${round}`
    await createTopic(cluster.bootstrap, topic, {
      partitions: PARTITIONS,
      config: { 'retention.ms': '600000' },
    })
    await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'bench', requestTimeoutMs: 30_000 })
    const size = [records * batches, batch.length * batches] as const
    produced.push(await measured(...size, () => produceAll(wire, topic, batch, batches)))
    fetched.push(await measured(...size, () => fetchAll(wire, topic)))
  }
  figures[`produce ${name}`] = median(produced)
  figures[`fetch ${name}, checksums verified`] = median(fetched)
}
console.table(figures)
console.log(
  JSON.stringify({ bench: 'wire', ...figures, maxRssMb: Math.round(process.resourceUsage().maxRSS / 1024) }),
)
