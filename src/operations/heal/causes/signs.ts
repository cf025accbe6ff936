/** As the contract has it; it builds on this file. */
interface Signal {
  readonly source: string
  readonly says: string
}

/** One source may be wrong, or lie. */
export function agreed(signals: readonly Signal[]): boolean {
  return new Set(signals.map(({ source }) => source)).size >= 2
}

/** For people, in one line. */
export const spoken = (signals: readonly Signal[]): string =>
  signals.map(({ source, says }) => `${source}: ${says}`).join('; ')

const SHOWN = 5

/** The first few of many. */
export function named(partitions: readonly string[]): string {
  const more = partitions.length - SHOWN
  return partitions.slice(0, SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
