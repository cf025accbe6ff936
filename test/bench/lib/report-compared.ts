import type { Compared, Figures } from './compare.ts'
import { printSpread } from './spread.ts'

const FIGURES: readonly (readonly [keyof Figures, string, number])[] = [
  ['recordsPerCpuSecond', 'records per CPU-second of the replicator', 0],
  ['recordsPerSecond', 'records per second', 0],
  ['mbPerSecond', 'MB per second', 0],
  ['ownCores', 'cores: replicator', 2],
  ['sourceCores', 'cores: source broker', 2],
  ['targetCores', 'cores: target broker', 2],
  ['machineCores', 'cores: the whole machine', 2],
  ['residentMb', 'resident, MB', 0],
]

/** Medians, with the least and the most in parentheses. */
export function printCompared({ load, ours, theirs }: Compared): void {
  const rows = FIGURES.map(([figure, what, digits]) => ({
    what,
    Ajna: printSpread(ours[figure], digits),
    ...(theirs === undefined ? {} : { 'MirrorMaker 2': printSpread(theirs[figure], digits) }),
    ...(theirs === undefined ? {} : { ratio: ratioOf({ load, ours, theirs }, figure) }),
  }))
  console.log(`\n${load.name} (${load.records.toLocaleString('en-US')} records)`)
  console.table(Object.fromEntries(rows.map(({ what, ...row }) => [what, row])))
}

/** Ours to theirs, medians, to one place; null without theirs. */
export function ratioOf({ ours, theirs }: Compared, figure: keyof Figures): number | null {
  return theirs === undefined ? null : Math.round((ours[figure].median / theirs[figure].median) * 10) / 10
}
