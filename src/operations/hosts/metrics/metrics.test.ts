import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { decodeSample, encodeSample, type MetricSample } from '../contract.ts'
import { collect } from './collect.ts'
import { isWanted, parseExposition, unitOf } from './exporter.ts'
import { parseUsage, usageOf } from './proc.ts'

test('an exposition gives its finite samples with their labels', () => {
  const text = [
    '# HELP kafka_bytesin_total Bytes in',
    '# TYPE kafka_bytesin_total counter',
    'kafka_bytesin_total 1.5E7',
    'kafka_request_ms{request="Produce",quantile="99thPercentile",} 4.25 1700000000000',
    'odd{text="a \\"quoted\\" \\\\ back\\nslash, and } brace"} -1',
    'not_a_number NaN',
    'infinite +Inf',
    'garbage {',
    '',
  ].join('\n')
  assert.deepEqual(parseExposition(text), [
    { name: 'kafka_bytesin_total', labels: {}, value: 15_000_000 },
    { name: 'kafka_request_ms', labels: { request: 'Produce', quantile: '99thPercentile' }, value: 4.25 },
    { name: 'odd', labels: { text: 'a "quoted" \\ back\nslash, and } brace' }, value: -1 },
  ])
})

test('the exporter’s own figures are left out, units are told by names', () => {
  const wanted = ['jmx_scrape_duration_seconds', 'jvm_memory_bytes', 'kafka_bytesin_total'].filter(name =>
    isWanted({ name, labels: {}, value: 0 }),
  )
  assert.deepEqual(wanted, ['jvm_memory_bytes', 'kafka_bytesin_total'])
  assert.deepEqual(wanted.map(unitOf), ['bytes', 'bytes'])
})

test('a process’s usage is read from /proc, whatever its name', async () => {
  const stat = `42 (a) b (c) S ${Array.from({ length: 49 }, (_, i) => i + 4).join(' ')}`
  assert.deepEqual(parseUsage(stat, 'Name:\tx\nVmRSS:\t    2048 kB\n'), {
    cpuSeconds: 0.29,
    residentBytes: 2_097_152,
  })
  const own = (await usageOf(process.pid))!
  assert.ok(own.residentBytes > 10_000_000 && own.cpuSeconds > 0)
  assert.equal(await usageOf(2 ** 22 + 1), undefined)
})

test('samples survive their encoding; other bytes are no samples', () => {
  const sample: MetricSample = {
    time: 1_795_000_000_000,
    name: 'x',
    labels: { host: 'h' },
    value: 0.5,
    unit: 'ratio',
  }
  const bytes = encodeSample(sample)
  assert.deepEqual({ ...decodeSample(bytes), labels: { ...decodeSample(bytes)!.labels } }, sample)
  assert.equal(decodeSample(Buffer.from('something else')), undefined)
  assert.equal(decodeSample(bytes.subarray(0, bytes.length - 3)), undefined)
})

test('the machine, its processes and exporters are measured round after round; one that fails is told once', async () => {
  const server = createServer((_, response) => response.end('kafka_leadercount{x="y"} 3\n')).listen(
    0,
    '127.0.0.1',
  )
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const samples: MetricSample[] = []
  const troubles: string[] = []
  const stop = new AbortController()
  await collect(
    {
      everyMs: 1_000,
      labels: { host: 'h', site: 's' },
      targets: () => [
        { url: `http://127.0.0.1:${port}/metrics`, labels: { broker: '1' } },
        { url: 'http://127.0.0.1:1/metrics', labels: {} },
      ],
      processes: () => [
        { name: 'me', pid: process.pid },
        { name: 'nobody', pid: 2 ** 22 + 1 },
      ],
      own: () => [{ name: 'agent_files', labels: {}, value: 7, unit: '' }],
      now: Date.now,
      emit(batch) {
        samples.push(...batch)
        // The exporters are scraped every second round: the third one has seen all.
        if (samples.filter(({ name }) => name === 'agent_files').length >= 4) stop.abort()
      },
      onTrouble: source => troubles.push(source),
    },
    stop.signal,
  )
  server.close()
  const measured = (name: string, label = '', value = ''): number | undefined =>
    samples.find(sample => sample.name === name && (label === '' || sample.labels[label] === value))?.value
  assert.ok(measured('host_cpu_busy_ratio')! >= 0 && measured('host_cpu_busy_ratio')! <= 1)
  assert.ok(measured('host_memory_total_bytes')! > measured('host_memory_available_bytes')!)
  assert.equal(measured('kafka_leadercount', 'broker', '1'), 3)
  assert.equal(measured('process_up', 'process', 'me'), 1)
  assert.equal(measured('process_up', 'process', 'nobody'), 0)
  assert.equal(measured('agent_files'), 7)
  assert.ok(samples.every(({ labels }) => labels['host'] === 'h' && labels['site'] === 's'))
  assert.deepEqual(troubles, ['http://127.0.0.1:1/metrics'])
})

test('a disk that answers nothing holds up no other figure, is told once, and is not waited for at the end', async () => {
  const stop = new AbortController()
  const troubles: string[] = []
  let [asked, figures] = [0, 0]
  const figure = { name: 'host_load_1m', labels: {}, value: 1, unit: '' }
  const collecting = collect(
    {
      everyMs: 20,
      labels: {},
      targets: () => [],
      processes: () => [],
      own: () => [],
      now: Date.now,
      emit: samples => {
        figures += samples.length
        if (figures >= 3) stop.abort()
      },
      onTrouble: (source, problem) => troubles.push(`${source}: ${problem}`),
      withinMs: 30,
      probes: [
        {
          name: 'disks',
          every: 1,
          measure: () => {
            asked++
            return new Promise(() => {})
          },
        },
        { name: 'load', every: 1, measure: async () => [figure] },
      ],
    },
    stop.signal,
  )
  await collecting
  assert.deepEqual([asked, troubles], [1, ['disks: no answer within 30 ms']])
})
