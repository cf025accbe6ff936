/**
 * The archive role on a real broker: lines archived per CPU-second of its process (fetch, decode, tables, Parquet, commit),
 * bytes a line takes, how long queries over all of it take. Run with `make bench-archive`.
 */
import { cpus } from 'node:os'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { archivePlace, eventually, startArchive } from '../archive/harness.ts'
import { append, describe, lineRecord, testStream } from '../archive/shipping.ts'
import { startCluster } from '../fleets/cluster.ts'
import { seededRandom } from '../wire/random.ts'
import { createTopic } from '../wire/topics.ts'

const lines = Number(process.env['AJNA_BENCH_LINES'] ?? 2_000_000)
const partitions = 4
const spanMs = 6 * 3_600_000

await using cluster = await startCluster({ nodes: 1, name: 'bench' })
await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'bench-archive' })
await using place = await archivePlace()
const topic = `${place.prefix}.logs.edge`
await createTopic(cluster.bootstrap, topic, { partitions })
await createTopic(cluster.bootstrap, place.streamTopic)
const streams = Array.from({ length: partitions }, (_, i) => testStream(`host-${i}`))
await describe(wire, place.streamTopic, ...streams)

const random = seededRandom(1)
const shipped = Date.now()
const levels = ['INFO', 'INFO', 'INFO', 'INFO', 'WARN', 'ERROR']
let lineBytes = 0
function* linesOf(partition: number): Generator<ReturnType<typeof lineRecord>> {
  for (let i = 0; i < lines / partitions; i++) {
    const eventTime = shipped - spanMs + Math.floor((i / (lines / partitions)) * spanMs)
    const text = `[${new Date(eventTime).toISOString()}] ${random.pick(levels)} [ReplicaManager broker=${random.integer(3)}] Completed request ${random.integer(1e9)} for client-${random.integer(500)} in ${random.integer(2_000)} ms, ${random.integer(1e6)} bytes (kafka.server.ReplicaManager)`
    lineBytes += text.length + 1
    yield lineRecord(streams[partition]!, { text, eventTime, shipped })
  }
}
for (let partition = 0; partition < partitions; partition++)
  await append(wire, topic, partition, linesOf(partition))

const cpuBefore = process.cpuUsage()
const began = performance.now()
await using archive = await startArchive(cluster.bootstrap, place.config())
await eventually(
  () => archive.status().partitions.reduce((sum, each) => sum + each.position, 0),
  sum => sum === lines,
  600_000,
)
await archive.commitAll()
const seconds = (performance.now() - began) / 1_000
const cpu = process.cpuUsage(cpuBefore)
const cpuSeconds = (cpu.user + cpu.system) / 1e6
const { bytes, objects } = archive.status()

const iso = (ms: number): string => new Date(ms).toISOString()
const queries: Record<string, string> = {
  'count all': 'SELECT count(*) FROM logs',
  'count by host and minute': `SELECT host, time_bucket(INTERVAL 1 MINUTE, time) m, count(*) FROM logs GROUP BY ALL ORDER BY ALL LIMIT 10`,
  'search all lines': `SELECT count(*) FROM logs WHERE contains(line, 'client-42 ')`,
  'regex over all lines': `SELECT regexp_extract(line, 'client-\\d+') c, count(*) n FROM logs WHERE line LIKE '%ERROR%' GROUP BY c ORDER BY n DESC LIMIT 10`,
  'ten minutes': `SELECT time, host, line FROM logs WHERE time >= '${iso(shipped - spanMs / 2)}' AND time < '${iso(shipped - spanMs / 2 + 600_000)}' AND line LIKE '%ERROR%' LIMIT 1000`,
}
const latencyMs: Record<string, number> = {}
for (const [name, sql] of Object.entries(queries)) {
  const times: number[] = []
  for (let round = 0; round < 3; round++) times.push((await archive.query({ sql })).ms)
  latencyMs[name] = Math.min(...times)
}

const figures = {
  lines,
  linesPerCpuSecond: Math.round(lines / cpuSeconds),
  linesPerSecond: Math.round(lines / seconds),
  bytesPerLine: { shipped: +(lineBytes / lines).toFixed(1), archived: +(bytes / lines).toFixed(1) },
  objects,
  residentMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
  latencyMs,
}
console.log(
  `archived ${lines.toLocaleString('en-US')} lines in ${objects} objects: ${figures.linesPerCpuSecond.toLocaleString('en-US')} lines per CPU-s`,
)
console.log(`a line of ${figures.bytesPerLine.shipped} bytes takes ${figures.bytesPerLine.archived}`)
for (const [name, ms] of Object.entries(latencyMs))
  console.log(`${name.padEnd(30)} ${String(ms).padStart(7)} ms`)
console.log(JSON.stringify({ bench: 'archive', cpu: cpus()[0]?.model ?? '', ...figures }))
