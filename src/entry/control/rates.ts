/** Records per second by how log ends move between two looks, and a minute-by-minute history of their sum. */
export interface Rates {
  /** A look at all of them begins; at: ms. */
  begin(at: number): void
  /** null until two looks are known, or when the end moved back. */
  of(thing: string, end: number): number | null
  end(): void
  /** Sum per second, one value a minute over the last half hour, oldest first. */
  history(): readonly number[]
}

const MINUTE_MS = 60_000
const MINUTES = 30

export function createRates(): Rates {
  const ends = new Map<string, number>()
  const minutes: { readonly minute: number; records: number; ms: number }[] = []
  let before: number | undefined
  let at = 0
  let grown = 0
  return {
    begin(time) {
      before = at === 0 ? undefined : at
      at = time
      grown = 0
    },
    of(thing, end) {
      const known = ends.get(thing)
      ends.set(thing, end)
      if (known === undefined || before === undefined || end < known || at <= before) return null
      grown += end - known
      return ((end - known) / (at - before)) * 1_000
    },
    end() {
      if (before === undefined) return
      const minute = Math.floor(at / MINUTE_MS)
      const last = minutes.at(-1)
      if (last?.minute === minute) {
        last.records += grown
        last.ms += at - before
      } else minutes.push({ minute, records: grown, ms: at - before })
      if (minutes.length > MINUTES) minutes.shift()
    },
    history: () => minutes.map(({ records, ms }) => (ms === 0 ? 0 : (records / ms) * 1_000)),
  }
}
