import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../../foundation/errors/errors.ts'
import type { MetricSample } from '../contract.ts'
import { isWanted, parseExposition, unitOf } from './exporter.ts'
import { hostProbes, type Measured, type Probe } from './host.ts'
import { usageOf } from './proc.ts'

const SCRAPE_TIMEOUT_MS = 1_500
/** Whoever asks for a disk that answers nothing waits for ever: the other sources go on, and that one is not asked again meanwhile. */
const MEASURED_WITHIN_MS = 10_000
const MAX_SCRAPE_BYTES = 2 * 1024 * 1024

export interface Target {
  readonly url: string
  readonly labels: Readonly<Record<string, string>>
}

export interface CollectOptions {
  readonly everyMs: number
  /** On every sample. */
  readonly labels: Readonly<Record<string, string>>
  /** Exporters to scrape, as the plan says now. */
  readonly targets: () => readonly Target[]
  /** Processes of the platform on this host. */
  readonly processes: () => readonly { readonly name: string; readonly pid: number }[]
  /** The agent's own counters. */
  readonly own: () => readonly Measured[]
  readonly now: () => number
  /** Takes a group of samples measured together. */
  readonly emit: (samples: readonly MetricSample[]) => void
  readonly onTrouble: (source: string, problem: string | undefined) => void
  /** Of the machine; for tests. */
  readonly probes?: readonly Probe[]
  readonly withinMs?: number
}

type Source = Probe

/**
 * Measures until aborted: in each period every source has its turn, spread over the period so that no second is busier
 * than another. A source that fails is told once, and again when it has recovered.
 */
export async function collect(options: CollectOptions, signal: AbortSignal): Promise<void> {
  const known: Known = { failing: new Set(), asked: new Set() }
  for (let round = 0; !signal.aborted; round++) {
    const began = options.now()
    const due = sources(options).filter(({ every }) => round % every === 0)
    for (const [index, source] of due.entries()) {
      await pauseUntil(began + (index * options.everyMs) / due.length, options.now, signal)
      if (signal.aborted) return
      await measure(source, options, known)
    }
    await pauseUntil(began + options.everyMs, options.now, signal)
  }
}

/** Sources, by name. */
interface Known {
  /** Told to be in trouble. */
  readonly failing: Set<string>
  /** That have not answered yet. */
  readonly asked: Set<string>
}

function sources(options: CollectOptions): readonly Source[] {
  return [
    ...(options.probes ?? hostProbes),
    { name: 'agent', every: 1, measure: async () => [...options.own()] },
    { name: 'processes', every: 1, measure: () => processes(options) },
    ...options.targets().map(target => ({ name: target.url, every: 2, measure: () => scrape(target) })),
  ]
}

async function measure(source: Source, options: CollectOptions, { failing, asked }: Known): Promise<void> {
  if (asked.has(source.name)) return
  asked.add(source.name)
  const answer = source.measure().finally(() => asked.delete(source.name))
  try {
    const measured = await inTime(answer, options.withinMs ?? MEASURED_WITHIN_MS)
    const time = options.now()
    options.emit(
      measured.map(({ labels, ...rest }) => ({ time, ...rest, labels: { ...options.labels, ...labels } })),
    )
    if (failing.delete(source.name)) options.onTrouble(source.name, undefined)
  } catch (error) {
    if (failing.has(source.name)) return
    failing.add(source.name)
    options.onTrouble(source.name, describeError(error))
  }
}

async function inTime<T>(answer: Promise<T>, withinMs: number): Promise<T> {
  const over = new AbortController()
  const late = delay(withinMs, undefined, { signal: over.signal }).then(() => {
    throw new Error(`no answer within ${withinMs} ms`)
  })
  late.catch(() => undefined)
  try {
    return await Promise.race([answer, late])
  } finally {
    over.abort()
    // What comes too late has been told as trouble.
    answer.catch(() => undefined)
  }
}

async function processes(options: CollectOptions): Promise<Measured[]> {
  const measured = await Promise.all(
    options.processes().map(async ({ name, pid }): Promise<Measured[]> => {
      const usage = await usageOf(pid)
      const labels = { process: name }
      const up = { name: 'process_up', labels, value: usage === undefined ? 0 : 1, unit: '' }
      if (usage === undefined) return [up]
      return [
        up,
        { name: 'process_cpu_seconds_total', labels, value: usage.cpuSeconds, unit: 'seconds' },
        { name: 'process_resident_bytes', labels, value: usage.residentBytes, unit: 'bytes' },
      ]
    }),
  )
  return measured.flat()
}

async function scrape({ url, labels }: Target): Promise<Measured[]> {
  const response = await fetch(url, { signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS) })
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  const text = await response.text()
  if (text.length > MAX_SCRAPE_BYTES)
    throw new Error(`${url} answers ${text.length} bytes: its rules are too wide`)
  return parseExposition(text)
    .filter(isWanted)
    .map(({ name, labels: own, value }) => ({
      name,
      labels: { ...own, ...labels },
      value,
      unit: unitOf(name),
    }))
}

async function pauseUntil(time: number, now: () => number, signal: AbortSignal): Promise<void> {
  const ms = time - now()
  if (ms > 0) await delay(ms, undefined, { signal }).catch(() => undefined)
}
