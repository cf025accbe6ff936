/**
 * A link and MirrorMaker 2 side by side between two real brokers, all guarantees on. Run with `make bench-mirror`.
 *
 * Shorter: AJNA_BENCH_ROUNDS (5), AJNA_BENCH_MB per case (1024), AJNA_BENCH_CASES (1k,100,16kBatches),
 * AJNA_BENCH_PEER=none leaves MirrorMaker 2 out.
 */

import { type Compared, compare, firstTurn, turn } from './lib/compare.ts'
import { startMm2 } from './lib/mm2.ts'
import { startLinkProcess } from './lib/replicators.ts'
import { printCompared, ratioOf } from './lib/report-compared.ts'
import { type Case, loadTopic, removeTopic, startSides } from './lib/sides.ts'

const KB = 1024
const PARTITIONS = 16
const CASES: readonly (Case & { readonly key: string })[] = [
  {
    key: '1k',
    name: '1 KB records in 256 KB batches',
    partitions: PARTITIONS,
    recordBytes: 1_000,
    batchBytes: 256 * KB,
  },
  {
    key: '100',
    name: '100 B records in 256 KB batches',
    partitions: PARTITIONS,
    recordBytes: 100,
    batchBytes: 256 * KB,
  },
  {
    key: '16kBatches',
    name: '1 KB records in 16 KB batches',
    partitions: PARTITIONS,
    recordBytes: 1_000,
    batchBytes: 16 * KB,
  },
]

const ROUNDS = Number(process.env['AJNA_BENCH_ROUNDS'] ?? 5)
const BYTES = Number(process.env['AJNA_BENCH_MB'] ?? 1024) * KB * KB
const DEADLINE_MS = 1_200_000
/** Turns that are not measured: so many until a fresh broker's rate does not rise any more, then one for each case. */
const FIRST_WARMING = 4
const WARMING = 1

const signal = AbortSignal.timeout(DEADLINE_MS)
await using sides = await startSides()
await using ours = await startLinkProcess(sides)
await using theirs = process.env['AJNA_BENCH_PEER'] === 'none' ? undefined : await startMm2(sides)

const compared = new Map<string, Compared>()
const wanted = process.env['AJNA_BENCH_CASES']?.split(',')
let wholeLives: { readonly ours: number; readonly theirs: number | null } | undefined
for (const { key, ...kind } of CASES.filter(each => wanted?.includes(each.key) ?? true)) {
  const load = await loadTopic(sides.source, kind, `bench-${key}`, BYTES, signal)
  // Before anything is measured, compilers on both sides and in the brokers have seen the work.
  const firsts: number[] = []
  for (const each of [ours, theirs]) {
    if (each === undefined) continue
    if (key === '1k') firsts.push(await firstTurn(sides, each, load, signal))
    for (let warming = 0; warming < (key === '1k' ? FIRST_WARMING : WARMING); warming++)
      await turn(sides, each, load, signal)
  }
  if (key === '1k') wholeLives = { ours: firsts[0]!, theirs: firsts[1] ?? null }
  const result = await compare(sides, ours, theirs, load, ROUNDS, signal)
  compared.set(key, result)
  printCompared(result)
  await removeTopic(sides.source, load.topic)
}
if (wholeLives !== undefined)
  console.log(
    '\nFresh processes, from their start to the end of their first load of 1 KB records:',
    wholeLives,
  )

const ratios = [...compared].flatMap(([key, each]) => [
  [`cpuRatio${key}`, ratioOf(each, 'recordsPerCpuSecond')],
  [`rateRatio${key}`, ratioOf(each, 'recordsPerSecond')],
])
const cases = [...compared].map(([key, { ours, theirs }]) => [key, { ours, theirs }])
console.log(
  JSON.stringify({
    bench: 'mirror',
    ...Object.fromEntries(ratios),
    wholeLives1k: wholeLives,
    cases: Object.fromEntries(cases),
  }),
)
