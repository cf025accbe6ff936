/** Counts of whole numbers from 0 to a most; what is above counts as the most. As trogdor's workload.Histogram. */
export interface Histogram {
  add(value: number, count?: number): void
  summary(): HistogramSummary
}

export interface HistogramSummary {
  readonly samples: number
  readonly average: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

export function histogram(most: number): Histogram {
  const counts = new Float64Array(most + 1)
  return {
    add(value, count = 1) {
      const at = Math.min(most, Math.max(0, Math.trunc(value)))
      counts[at]! += count
    },
    summary() {
      let samples = 0
      let total = 0
      for (const [value, count] of counts.entries()) {
        samples += count
        total += value * count
      }
      const percentile = (share: number): number => {
        const wanted = samples * share
        let seen = 0
        const found = counts.findIndex(count => (seen += count) >= wanted)
        return found < 0 ? most : found
      }
      const average = samples === 0 ? 0 : total / samples
      return { samples, average, p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99) }
    },
  }
}
