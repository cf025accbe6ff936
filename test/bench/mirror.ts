/**
 * A link and MirrorMaker 2 side by side between two real brokers, all guarantees on. Run with `make bench-mirror`.
 *
 * Shorter: AJNA_BENCH_ROUNDS (5), AJNA_BENCH_MB per case (1024), AJNA_BENCH_CASES (1k,100,16kBatches),
 * AJNA_BENCH_PEER=none leaves MirrorMaker 2 out.
 */

import { deleteTopic } from '../wire/topics.ts'
import { type Case, type Compared, compare, loadTopic, startSides, turn } from './lib/compare.ts'
import { startMm2 } from './lib/mm2.ts'
import { startLinkProcess } from './lib/replicators.ts'
import { printCompared, ratioOf } from './lib/report-compared.ts'

const KB = 1024
const CASES: readonly (Case & { readonly key: string })[] = [
  { key: '1k', name: '1 KB records in 256 KB batches', recordBytes: 1_000, batchBytes: 256 * KB },
  { key: '100', name: '100 B records in 256 KB batches', recordBytes: 100, batchBytes: 256 * KB },
  { key: '16kBatches', name: '1 KB records in 16 KB batches', recordBytes: 1_000, batchBytes: 16 * KB },
]

const ROUNDS = Number(process.env['AJNA_BENCH_ROUNDS'] ?? 5)
const BYTES = Number(process.env['AJNA_BENCH_MB'] ?? 1024) * KB * KB
const DEADLINE_MS = 1_200_000

const signal = AbortSignal.timeout(DEADLINE_MS)
await using sides = await startSides()
await using ours = await startLinkProcess(sides.source, sides.target)
await using theirs =
  process.env['AJNA_BENCH_PEER'] === 'none' ? undefined : await startMm2(sides.source, sides.target)

const compared = new Map<string, Compared>()
const wanted = process.env['AJNA_BENCH_CASES']?.split(',')
for (const { key, ...kind } of CASES.filter(each => wanted?.includes(each.key) ?? true)) {
  const load = await loadTopic(sides, kind, `bench-${key}`, BYTES, signal)
  // Once for nothing: compilers on both sides have seen the work.
  for (const each of [ours, theirs]) if (each !== undefined) await turn(sides, each, load, signal)
  const result = await compare(sides, ours, theirs, load, ROUNDS, signal)
  compared.set(key, result)
  printCompared(result)
  await deleteTopic(sides.source.bootstrap, load.topic)
}

const ratios = [...compared].flatMap(([key, each]) => [
  [`cpuRatio${key}`, ratioOf(each, 'recordsPerCpuSecond')],
  [`rateRatio${key}`, ratioOf(each, 'recordsPerSecond')],
])
const cases = [...compared].map(([key, { ours, theirs }]) => [key, { ours, theirs }])
console.log(
  JSON.stringify({ bench: 'mirror', ...Object.fromEntries(ratios), cases: Object.fromEntries(cases) }),
)
