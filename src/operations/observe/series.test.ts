import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDelays } from './delays.ts'
import { isPlausible } from './run.ts'
import { createSeriesStore, type SamplePoint } from './series.ts'

const start = Date.UTC(2026, 0, 1)
const sample = (time: number, value: number, over: Partial<SamplePoint> = {}): SamplePoint => ({
  name: 'cpu',
  labels: { host: 'h1' },
  unit: '%',
  time,
  value,
  ...over,
})

test('gauges are averaged within a step, steps without samples are absent', () => {
  const store = createSeriesStore()
  for (const [second, value] of [
    [0, 10],
    [2, 20],
    [10, 30],
  ] as const)
    store.add(sample(start + second * 1000, value))
  const [series] = store.range({ name: 'cpu', from: start, to: start + 60_000, stepMs: 5_000 })
  assert.deepEqual(series?.points, [
    [start, 15],
    [start + 10_000, 30],
  ])
})

test('counters are shown as increase per second and survive a restart of what they count', () => {
  const store = createSeriesStore()
  const counter = { name: 'bytes_total', unit: 'B' }
  for (const [second, value] of [
    [0, 100],
    [1, 300],
    [2, 50],
    [3, 150],
  ] as const)
    store.add(sample(start + second * 1000, value, counter))
  const [series] = store.range({ name: 'bytes_total', from: start, to: start + 60_000, stepMs: 1_000 })
  assert.deepEqual(
    series?.points.map(point => point[1]),
    [200, 50, 100],
  )
  assert.equal(series?.unit, 'B/s')
})

test('a counter that was large when it was first seen is no burst', () => {
  const store = createSeriesStore()
  for (let second = 19; second < 80; second++)
    store.add({ name: 'bytes_total', labels: {}, unit: 'bytes', time: second * 1_000, value: 1e12 + second })
  const [series] = store.range({ name: 'bytes_total', from: 0, to: 100_000, stepMs: 100_000 })
  assert.deepEqual(series?.points, [[0, 1]])
})

test('what has left the raw ring is still there by the minute, without a break where they meet', () => {
  const store = createSeriesStore({ maxSeries: 10, rawPoints: 60, rollups: 100 })
  for (let second = 0; second < 600; second++) store.add(sample(start + second * 1000, second))
  const [series] = store.range({ name: 'cpu', from: start, to: start + 600_000, stepMs: 60_000 })
  assert.deepEqual(
    series?.points.map(point => point[0]),
    Array.from({ length: 10 }, (_, minute) => start + minute * 60_000),
  )
  assert.equal(series?.points[0]?.[1], 29.5)
})

test('labels select; the stalest series makes room when there are too many', () => {
  const store = createSeriesStore({ maxSeries: 2, rawPoints: 4, rollups: 4 })
  store.add(sample(start, 1, { labels: { host: 'a' } }))
  store.add(sample(start + 5, 2, { labels: { host: 'b' } }))
  store.add(sample(start + 9, 3, { labels: { host: 'c' } }))
  assert.deepEqual(
    store.list({ name: 'cpu' }).map(series => series.labels['host']),
    ['b', 'c'],
  )
  assert.equal(store.list({ labels: { host: 'c' } }).length, 1)
  assert.equal(store.evicted, 1)
})

test('percentiles are of the most recent delays only', () => {
  const delays = createDelays(100)
  assert.equal(delays.percentile(95), undefined)
  for (let ms = 1; ms <= 1000; ms++) delays.add(ms)
  assert.equal(delays.percentile(95), 995)
  assert.equal(delays.percentile(50), 950)
})

test('what no agent can have measured is no sample', () => {
  const now = 1_000_000_000
  const sample = { name: 'host_cpu_busy_ratio', labels: { host: 'h' }, unit: '', time: now, value: 1 }
  assert.equal(isPlausible(sample, now), true)
  const strange: Partial<SamplePoint>[] = [
    { value: Number.NaN },
    { value: Number.POSITIVE_INFINITY },
    { time: -1 },
    { time: now + 3_600_000 },
    { name: '' },
    { name: 'x'.repeat(1_000) },
    { name: 'a b' },
    { unit: 'x'.repeat(1_000) },
    { labels: { host: 'x'.repeat(1_000) } },
    { labels: { 'a=b': 'x' } },
    { labels: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`l${index}`, 'x'])) },
  ]
  for (const each of strange) assert.equal(isPlausible({ ...sample, ...each }, now), false)
})
