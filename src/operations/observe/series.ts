/**
 * Recent metrics in memory: raw samples for the last minutes, one-minute roll-ups for the last day. Bounded by the number
 * of series and a fixed size per series; what is lost at a restart is read again from the metrics topics.
 */

export interface SamplePoint {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly unit: string
  /** ms since the epoch */
  readonly time: number
  readonly value: number
}

export interface SeriesInfo {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly unit: string
  readonly lastTime: number
  readonly lastValue: number
}

export interface RangeQuery {
  readonly name: string
  /** Labels that must be equal; others are free. */
  readonly labels?: Readonly<Record<string, string>>
  readonly from: number
  readonly to: number
  readonly stepMs: number
}

export interface RangeSeries {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly unit: string
  /** One per step that has samples: [start of the step, mean]. For names ending in `_total`: [start, increase per second]. */
  readonly points: readonly (readonly [time: number, value: number])[]
}

export interface SeriesLimits {
  readonly maxSeries: number
  readonly rawPoints: number
  readonly rollups: number
}

export const ROLLUP_MS = 60_000
export const defaultLimits: SeriesLimits = Object.freeze({
  maxSeries: 20_000,
  rawPoints: 900,
  rollups: 1_440,
})

interface Ring {
  readonly times: Float64Array
  readonly values: Float64Array
  /** Points ever written; the newest is at (written - 1) mod capacity. */
  written: number
}

interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly unit: string
  readonly counter: boolean
  readonly raw: Ring
  readonly rolled: Ring
  pendingSum: number
  pendingCount: number
  pendingMinute: number
  lastTime: number
  lastValue: number
}

const ring = (capacity: number): Ring => ({
  times: new Float64Array(capacity),
  values: new Float64Array(capacity),
  written: 0,
})

function push(to: Ring, time: number, value: number): void {
  const slot = to.written++ % to.times.length
  to.times[slot] = time
  to.values[slot] = value
}

/** Oldest first. */
function* pointsOf(of: Ring): Generator<[number, number]> {
  const capacity = of.times.length
  for (let index = Math.max(0, of.written - capacity); index < of.written; index++)
    yield [of.times[index % capacity]!, of.values[index % capacity]!]
}

export const seriesKey = (name: string, labels: Readonly<Record<string, string>>): string =>
  `${name}{${Object.keys(labels)
    .sort()
    .map(label => `${label}=${JSON.stringify(labels[label])}`)
    .join(',')}}`

export interface SeriesStore {
  /** Samples older than the series' newest are ignored: series are read in topic order. */
  add(sample: SamplePoint): void
  list(match?: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> }): SeriesInfo[]
  range(query: RangeQuery): RangeSeries[]
  readonly size: number
  /** Series dropped to stay within the limit, so far. */
  readonly evicted: number
}

export function createSeriesStore(limits: SeriesLimits = defaultLimits): SeriesStore {
  const all = new Map<string, Series>()
  const byName = new Map<string, Set<Series>>()
  let evicted = 0

  function create(key: string, sample: SamplePoint): Series {
    if (all.size >= limits.maxSeries) evictStalest()
    const series: Series = {
      name: sample.name,
      labels: Object.freeze({ ...sample.labels }),
      unit: sample.unit,
      counter: sample.name.endsWith('_total'),
      raw: ring(limits.rawPoints),
      rolled: ring(limits.rollups),
      pendingSum: 0,
      pendingCount: 0,
      pendingMinute: -1,
      lastTime: -1,
      lastValue: Number.NaN,
    }
    all.set(key, series)
    const named = byName.get(sample.name) ?? new Set()
    byName.set(sample.name, named.add(series))
    return series
  }

  function evictStalest(): void {
    let stalest: [string, Series] | undefined
    for (const entry of all)
      if (stalest === undefined || entry[1].lastTime < stalest[1].lastTime) stalest = entry
    if (stalest === undefined) return
    all.delete(stalest[0])
    byName.get(stalest[1].name)?.delete(stalest[1])
    evicted++
  }

  function matching(name: string | undefined, labels: Readonly<Record<string, string>> = {}): Series[] {
    const candidates = name === undefined ? all.values() : (byName.get(name) ?? [])
    return [...candidates].filter(series =>
      Object.entries(labels).every(([label, value]) => series.labels[label] === value),
    )
  }

  return {
    add(sample) {
      const key = seriesKey(sample.name, sample.labels)
      const series = all.get(key) ?? create(key, sample)
      if (sample.time <= series.lastTime) return
      push(series.raw, sample.time, sample.value)
      rollUp(series, sample.time, sample.value)
      series.lastTime = sample.time
      series.lastValue = sample.value
    },
    list: match =>
      matching(match?.name, match?.labels).map(({ name, labels, unit, lastTime, lastValue }) => ({
        name,
        labels,
        unit,
        lastTime,
        lastValue,
      })),
    range: query =>
      matching(query.name, query.labels).map(series => ({
        name: series.name,
        labels: series.labels,
        unit: series.counter ? `${series.unit}/s` : series.unit,
        points: stepped(series, query),
      })),
    get size() {
      return all.size
    },
    get evicted() {
      return evicted
    },
  }
}

/** A gauge's minute is its mean; a counter's is its last reading, at the time of that, so that increases add up. */
function rollUp(series: Series, time: number, value: number): void {
  const minute = Math.floor(time / ROLLUP_MS)
  if (minute !== series.pendingMinute && series.pendingCount > 0) {
    if (series.counter) push(series.rolled, series.lastTime, series.lastValue)
    else push(series.rolled, series.pendingMinute * ROLLUP_MS, series.pendingSum / series.pendingCount)
    series.pendingSum = 0
    series.pendingCount = 0
  }
  series.pendingMinute = minute
  series.pendingSum += value
  series.pendingCount++
}

function stepped(series: Series, query: RangeQuery): [number, number][] {
  const oldestRaw =
    series.raw.written === 0 ? Number.POSITIVE_INFINITY : pointsOf(series.raw).next().value![0]
  const source: [number, number][] = []
  if (query.from < oldestRaw) {
    for (const point of pointsOf(series.rolled)) if (point[0] < oldestRaw) source.push(point)
  }
  for (const point of pointsOf(series.raw)) source.push(point)
  return series.counter ? rates(source, query) : means(source, query)
}

const stepOf = (time: number, query: RangeQuery): number => Math.floor(time / query.stepMs) * query.stepMs

function means(source: readonly (readonly [number, number])[], query: RangeQuery): [number, number][] {
  const points: [number, number][] = []
  let count = 0
  for (const [time, value] of source) {
    if (time < query.from || time > query.to) continue
    const step = stepOf(time, query)
    const last = points.at(-1)
    if (last !== undefined && last[0] === step) last[1] += (value - last[1]) / ++count
    else {
      points.push([step, value])
      count = 1
    }
  }
  return points
}

/** Increase per second within each step; a reading below its predecessor is a restart, counted from zero. */
function rates(source: readonly (readonly [number, number])[], query: RangeQuery): [number, number][] {
  const steps = new Map<number, { increase: number; seconds: number }>()
  for (let index = 1; index < source.length; index++) {
    const [before, earlier] = source[index - 1]!
    const [time, value] = source[index]!
    if (time < query.from || time > query.to) continue
    const step = steps.get(stepOf(time, query)) ?? { increase: 0, seconds: 0 }
    step.increase += value >= earlier ? value - earlier : value
    step.seconds += (time - before) / 1000
    steps.set(stepOf(time, query), step)
  }
  return [...steps].map(([time, { increase, seconds }]) => [time, increase / seconds])
}
