/** Replicators side by side: the same topics, the same brokers, one after the other in turns. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { usageOf } from '../../../src/operations/hosts/metrics/proc.ts'
import type { Replicator } from './replicators.ts'
import { type Load, recordsOf, removeTopic, type Sides } from './sides.ts'
import { type Spread, spreadOf } from './spread.ts'

/** What one turn showed. Cores: CPU-seconds per second. */
export interface Turn {
  readonly recordsPerSecond: number
  readonly recordsPerCpuSecond: number
  readonly mbPerSecond: number
  readonly ownCores: number
  readonly sourceCores: number
  readonly targetCores: number
  /** All that the machine does, the three included. */
  readonly machineCores: number
  readonly residentMb: number
}

export type Figures = { readonly [Figure in keyof Turn]: Spread }

export interface Compared {
  readonly load: Load
  readonly ours: Figures
  /** Absent when there was nobody to compare with. */
  readonly theirs: Figures | undefined
}

/** A slow replicator does not have to finish: it is measured for so long. */
const LONGEST_SPAN_MS = 8_000
/** Beginnings (metadata, topics, a JVM's first requests) are not what is measured. */
const SPAN_BEGINS_AT = 1 / 8
const POLL_MS = 50
const STALLED_AFTER_MS = 60_000

/** Turns A B A B …, so that what else the machine does meets both. */
export async function compare(
  sides: Sides,
  ours: Replicator,
  theirs: Replicator | undefined,
  load: Load,
  rounds: number,
  signal: AbortSignal,
): Promise<Compared> {
  const mine: Turn[] = []
  const other: Turn[] = []
  for (let round = 0; round < rounds; round++) {
    mine.push(await turn(sides, ours, load, signal))
    if (theirs !== undefined) other.push(await turn(sides, theirs, load, signal))
  }
  return { load, ours: figuresOf(mine), theirs: theirs === undefined ? undefined : figuresOf(other) }
}

/** Copies a load from its beginning and measures it between its first eighth and its end, or for eight seconds. */
export async function turn(
  sides: Sides,
  replicator: Replicator,
  load: Load,
  signal: AbortSignal,
): Promise<Turn> {
  const copying = await begin(sides, replicator, load)
  await using _ = copying
  const eighth = Math.ceil(load.records * SPAN_BEGINS_AT)
  const begun = await reached(sides, replicator, copying.topic, eighth, Number.POSITIVE_INFINITY, signal)
  const until = begun.at + LONGEST_SPAN_MS
  const ended = await reached(sides, replicator, copying.topic, load.records, until, signal)
  return between(begun, ended, load)
}

/**
 * The whole life of a process that was just started, start-up and compilation included, until a load is copied.
 *
 * @returns records per CPU-second
 */
export async function firstTurn(
  sides: Sides,
  replicator: Replicator,
  load: Load,
  signal: AbortSignal,
): Promise<number> {
  const copying = await begin(sides, replicator, load)
  await using _ = copying
  const never = Number.POSITIVE_INFINITY
  const ended = await reached(sides, replicator, copying.topic, load.records, never, signal)
  return Math.round(ended.records / ended.own)
}

interface Copying extends AsyncDisposable {
  readonly topic: string
}

async function begin({ target }: Sides, replicator: Replicator, load: Load): Promise<Copying> {
  const topic = (await replicator.begin(load.topic))(load.topic)
  return {
    topic,
    async [Symbol.asyncDispose]() {
      await replicator.end()
      await removeTopic(target, topic)
    },
  }
}

interface Mark {
  readonly at: number
  readonly records: number
  readonly own: number
  readonly source: number
  readonly target: number
  readonly machine: number
  readonly residentMb: number
}

/** The moment at which a copy has so many records, or the time is up. */
async function reached(
  sides: Sides,
  replicator: Replicator,
  copy: string,
  wanted: number,
  until: number,
  signal: AbortSignal,
): Promise<Mark> {
  let before = -1
  let movedAt = performance.now()
  for (;;) {
    const records = await recordsOf(sides.target, copy, signal)
    const at = performance.now()
    if (records >= wanted || at >= until) return { at, records, ...(await usages(sides, replicator)) }
    if (records > before) movedAt = at
    else if (at - movedAt > STALLED_AFTER_MS)
      throw new Error(`${replicator.name} stands still at ${records} of ${wanted} records of ${copy}`)
    before = records
    await sleep(POLL_MS, undefined, { signal })
  }
}

async function usages({ source, target }: Sides, replicator: Replicator) {
  const pids = [replicator.pid, source.pid, target.pid]
  const [machine, ...each] = await Promise.all([machineCpuSeconds(), ...pids.map(usage)])
  const [own, from, to] = each.map(({ cpuSeconds }) => cpuSeconds)
  return {
    own: own!,
    source: from!,
    target: to!,
    machine,
    residentMb: Math.round(each[0]!.residentBytes / 1024 ** 2),
  }
}

/** What a process has used of processors and memory. */
export async function usage(pid: number) {
  const found = await usageOf(pid)
  if (found === undefined) throw new Error(`process ${pid} does not run any more`)
  return found
}

/** Of all processors together, since the start of the machine, as /proc/stat counts in hundredths. */
async function machineCpuSeconds(): Promise<number> {
  const [, user, nice, system, , , irq, softirq] = (await readFile('/proc/stat', 'utf8')).split(/\s+/, 8)
  return [user, nice, system, irq, softirq].reduce((sum, ticks) => sum + Number(ticks), 0) / 100
}

function between(begun: Mark, ended: Mark, load: Load): Turn {
  const seconds = (ended.at - begun.at) / 1_000
  const records = ended.records - begun.records
  const cores = (whose: 'own' | 'source' | 'target' | 'machine'): number =>
    Math.round(((ended[whose] - begun[whose]) / seconds) * 100) / 100
  return {
    recordsPerSecond: Math.round(records / seconds),
    recordsPerCpuSecond: Math.round(records / (ended.own - begun.own)),
    mbPerSecond: Math.round((records * load.recordBytes) / seconds / 1e6),
    ownCores: cores('own'),
    sourceCores: cores('source'),
    targetCores: cores('target'),
    machineCores: cores('machine'),
    residentMb: ended.residentMb,
  }
}

function figuresOf(turns: readonly Turn[]): Figures {
  const of = (figure: keyof Turn): Spread => spreadOf(turns.map(each => each[figure]))
  return {
    recordsPerSecond: of('recordsPerSecond'),
    recordsPerCpuSecond: of('recordsPerCpuSecond'),
    mbPerSecond: of('mbPerSecond'),
    ownCores: of('ownCores'),
    sourceCores: of('sourceCores'),
    targetCores: of('targetCores'),
    machineCores: of('machineCores'),
    residentMb: of('residentMb'),
  }
}
