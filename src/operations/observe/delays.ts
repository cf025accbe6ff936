/** The delays of the last N events, for percentiles that follow the present. */
export interface Delays {
  add(ms: number): void
  /** undefined until something was measured. */
  percentile(p: number): number | undefined
  readonly count: number
}

export function createDelays(capacity = 4096): Delays {
  const recent = new Float64Array(capacity)
  let count = 0
  return {
    add(ms) {
      recent[count++ % capacity] = ms
    },
    percentile(p) {
      if (count === 0) return undefined
      const sorted = recent.slice(0, Math.min(count, capacity)).sort()
      return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((p / 100) * sorted.length) - 1))]
    },
    get count() {
      return count
    },
  }
}
