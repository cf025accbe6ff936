/** Measures work in CPU-seconds of this process: what a machine shared with others does not distort much. */

export interface Rate {
  readonly name: string
  /** Units per CPU-second, the best of the rounds: interference only ever slows down. */
  readonly perCpuSecond: number
}

const ROUNDS = 5

/** @param work does some tenths of a second of work and answers how many units it did */
export function rateOf(name: string, work: () => number): Rate {
  work()
  let best = 0
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    const units = work()
    const { user, system } = process.cpuUsage(before)
    best = Math.max(best, (units / (user + system)) * 1e6)
  }
  return { name, perCpuSecond: Math.round(best) }
}

/** A table for people, then one line of JSON. */
export function report(
  bench: string,
  rates: readonly Rate[],
  more: Readonly<Record<string, number>> = {},
): void {
  const width = Math.max(...rates.map(rate => rate.name.length))
  for (const { name, perCpuSecond } of rates) {
    console.log(`${name.padEnd(width)}  ${perCpuSecond.toLocaleString('en-US').padStart(14)} per CPU-s`)
  }
  const figures = Object.fromEntries(rates.map(rate => [rate.name, rate.perCpuSecond]))
  console.log(JSON.stringify({ bench, perCpuSecond: figures, ...more }))
}
