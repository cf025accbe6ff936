/**
 * As `mirror.ts`, with mTLS at both sides. Run with `make bench-mirror-tls`.
 *
 * Shorter: AJNA_BENCH_ROUNDS (3), AJNA_BENCH_MB per case (512), AJNA_BENCH_PEER=none leaves MirrorMaker 2 out.
 */
import { type Compared, compare, turn } from './lib/compare.ts'
import { startMm2 } from './lib/mm2.ts'
import { startLinkProcess } from './lib/replicators.ts'
import { printCompared, ratioOf } from './lib/report-compared.ts'
import { loadTopic, removeTopic, startSides } from './lib/sides.ts'

const KB = 1024
const CASES = [
  {
    key: '1k',
    name: 'TLS, 1 KB records in 256 KB batches',
    partitions: 16,
    recordBytes: 1_000,
    batchBytes: 256 * KB,
  },
  {
    key: '100',
    name: 'TLS, 100 B records in 256 KB batches',
    partitions: 16,
    recordBytes: 100,
    batchBytes: 256 * KB,
  },
]
const ROUNDS = Number(process.env['AJNA_BENCH_ROUNDS'] ?? 3)
const BYTES = Number(process.env['AJNA_BENCH_MB'] ?? 512) * KB * KB
const DEADLINE_MS = 600_000

const signal = AbortSignal.timeout(DEADLINE_MS)
await using sides = await startSides({ tls: true })
await using ours = await startLinkProcess(sides)
await using theirs = process.env['AJNA_BENCH_PEER'] === 'none' ? undefined : await startMm2(sides)

const compared = new Map<string, Compared>()
for (const { key, ...kind } of CASES) {
  const load = await loadTopic(sides.source, kind, `bench-${key}`, BYTES, signal)
  // Before anything is measured, compilers on both sides have seen the work.
  for (const each of [ours, theirs]) if (each !== undefined) await turn(sides, each, load, signal)
  const result = await compare(sides, ours, theirs, load, ROUNDS, signal)
  compared.set(key, result)
  printCompared(result)
  await removeTopic(sides.source, load.topic)
}

const ratios = [...compared].flatMap(([key, each]) => [
  [`tlsCpuRatio${key}`, ratioOf(each, 'recordsPerCpuSecond')],
  [`tlsRateRatio${key}`, ratioOf(each, 'recordsPerSecond')],
])
const cases = [...compared].map(([key, { ours, theirs }]) => [key, { ours, theirs }])
console.log(
  JSON.stringify({ bench: 'mirror-tls', ...Object.fromEntries(ratios), cases: Object.fromEntries(cases) }),
)
