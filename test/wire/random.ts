/** Reproducible randomness for tests: print the seed, and set AJNA_TEST_SEED to run the same again. */

export interface Random {
  readonly seed: number
  /** In [0, 1). */
  next(): number
  /** In [0, below). */
  integer(below: number): number
  pick<T>(items: readonly T[]): T
  shuffled<T>(items: readonly T[]): T[]
}

export function seededRandom(seed: number = defaultSeed()): Random {
  let state = seed >>> 0
  // mulberry32
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const integer = (below: number): number => Math.floor(next() * below)
  return {
    seed,
    next,
    integer,
    pick: items => items[integer(items.length)]!,
    shuffled: items =>
      items
        .map(item => ({ item, order: next() }))
        .sort((a, b) => a.order - b.order)
        .map(({ item }) => item),
  }
}

function defaultSeed(): number {
  const given = process.env['AJNA_TEST_SEED']
  return given === undefined ? Date.now() % 4_294_967_296 : Number(given)
}
