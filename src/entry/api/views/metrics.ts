import type { Metric, Range } from '../models.ts'
import type { RangeFacts, SeriesFacts } from '../platform.ts'
import { byText } from './page.ts'

const MAX_LABEL_VALUES = 500
const MAX_SERIES = 200

/** The names there are, with what can be chosen of each. */
export function metricCatalogue(series: readonly SeriesFacts[]): Metric[] {
  const metrics = new Map<
    string,
    { unit: string; series: number; lastTime: number; labels: Map<string, Set<string>> }
  >()
  for (const { name, unit, labels, lastTime } of series) {
    let metric = metrics.get(name)
    if (metric === undefined)
      metrics.set(name, (metric = { unit, series: 0, lastTime: 0, labels: new Map() }))
    metric.series++
    metric.lastTime = Math.max(metric.lastTime, lastTime)
    for (const [label, value] of Object.entries(labels)) {
      const values = metric.labels.get(label) ?? new Set()
      if (values.size < MAX_LABEL_VALUES) metric.labels.set(label, values.add(value))
    }
  }
  return [...metrics]
    .map(([name, metric]) => ({
      name,
      unit: metric.unit,
      group: groupOf(name),
      series: metric.series,
      lastTime: metric.lastTime,
      labels: Object.fromEntries(
        [...metric.labels].map(([label, values]) => [label, [...values].sort(byText)]),
      ),
    }))
    .sort((a, b) => byText(a.name, b.name))
}

function groupOf(name: string): Metric['group'] {
  if (name.startsWith('host_')) return 'host'
  return /^(kafka|jvm|java|process)_/.test(name) ? 'broker' : 'platform'
}

/** At most 200 series, the largest of late, for no chart shows more. */
export function boundedRange(series: readonly RangeFacts[]): Range {
  const last = (facts: RangeFacts): number => facts.points.at(-1)?.[1] ?? Number.NEGATIVE_INFINITY
  const kept =
    series.length <= MAX_SERIES ? series : [...series].sort((a, b) => last(b) - last(a)).slice(0, MAX_SERIES)
  return {
    series: kept.map(facts => ({
      name: facts.name,
      labels: { ...facts.labels },
      unit: facts.unit,
      points: facts.points
        .filter(([, value]) => Number.isFinite(value))
        .map(([time, value]) => [time, value] as [number, number]),
    })),
    omitted: series.length - kept.length,
  }
}
