/** Replicators side by side: the same topics, the same brokers, one after the other in turns. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BatchBuilder } from '../../../src/foundation/wire/build.ts'
import type { Wire } from '../../../src/foundation/wire/contract.ts'
import { openWire } from '../../../src/foundation/wire/wire.ts'
import { startCluster, type TestCluster } from '../../fleets/cluster.ts'
import { createTopic, deleteTopic } from '../../wire/topics.ts'
import { cpuSecondsOf, residentMbOf } from './procfs.ts'
import { type Replicator, superUser } from './replicators.ts'
import { type Spread, spreadOf } from './spread.ts'

export interface Case {
  readonly name: string
  readonly recordBytes: number
  readonly batchBytes: number
}

export interface Load extends Case {
  readonly topic: string
  readonly records: number
}

/** What one turn showed. Cores: CPU-seconds per second. */
export interface Turn {
  readonly recordsPerSecond: number
  readonly recordsPerCpuSecond: number
  readonly mbPerSecond: number
  readonly ownCores: number
  readonly sourceCores: number
  readonly targetCores: number
  readonly residentMb: number
}

export type Figures = { readonly [Figure in keyof Turn]: Spread }

export interface Compared {
  readonly load: Load
  readonly ours: Figures
  /** Absent when there was nobody to compare with. */
  readonly theirs: Figures | undefined
}

export const PARTITIONS = 16
/** A slow replicator does not have to finish: it is measured for so long. */
const LONGEST_SPAN_MS = 8_000
/** Beginnings (metadata, topics, a JVM's first requests) are not what is measured. */
const SPAN_BEGINS_AT = 1 / 8
const POLL_MS = 50
const STALLED_AFTER_MS = 60_000

export interface Sides extends AsyncDisposable {
  readonly source: TestCluster
  readonly target: TestCluster
  readonly sourceWire: Wire
  readonly targetWire: Wire
}

/** One broker each side, optimised as they would be after hours of work. */
export async function startSides(options: { readonly tls?: boolean } = {}): Promise<Sides> {
  const cluster = (name: string): Promise<TestCluster> =>
    startCluster({
      nodes: 1,
      name,
      heapMb: 1024,
      throughput: true,
      ...options,
      // What was measured makes room at once.
      settings: { 'log.segment.delete.delay.ms': '1000' },
    })
  const [source, target] = await Promise.all([cluster('bench-source'), cluster('bench-target')])
  const [sourceWire, targetWire] = await Promise.all([source, target].map(wireTo))
  return {
    source,
    target,
    sourceWire: sourceWire!,
    targetWire: targetWire!,
    async [Symbol.asyncDispose]() {
      await Promise.all([sourceWire!.close(), targetWire!.close()])
      await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()])
    },
  }
}

async function wireTo(cluster: TestCluster): Promise<Wire> {
  const secure = cluster.placed.security.protocol === 'mtls' ? { tls: await cluster.identity(superUser) } : {}
  return openWire({ bootstrap: cluster.bootstrap, clientId: 'bench', requestTimeoutMs: 30_000, ...secure })
}

/** A topic at the source, full of records. */
export async function loadTopic(
  sides: Sides,
  kind: Case,
  topic: string,
  totalBytes: number,
  signal: AbortSignal,
): Promise<Load> {
  const { batch, records } = fullBatch(kind)
  const batches = Math.ceil(totalBytes / batch.length / PARTITIONS) * PARTITIONS
  const { source, sourceWire } = sides
  const tls = source.placed.security.protocol === 'mtls' ? { tls: await source.identity(superUser) } : {}
  await createTopic(source.bootstrap, topic, { partitions: PARTITIONS, ...tls })
  await using producer = await sourceWire.producer({}, signal)
  const lane = async (partition: number): Promise<void> => {
    const own = Buffer.from(batch)
    for (let i = 0; i < batches / PARTITIONS / 2; i++) await producer.append(topic, partition, own)
  }
  await Promise.all(Array.from({ length: PARTITIONS * 2 }, (_, i) => lane(i % PARTITIONS)))
  const ends = await endOf(sourceWire, topic, signal)
  if (ends < batches * records) throw new Error(`${topic} holds ${ends} records, not ${batches * records}`)
  return { ...kind, topic, records: ends }
}

function fullBatch({ recordBytes, batchBytes }: Case): { batch: Buffer; records: number } {
  const builder = new BatchBuilder({ maxBytes: batchBytes })
  const value = Buffer.alloc(recordBytes, 'x')
  while (builder.add({ timestamp: Date.now(), value }));
  const records = builder.count
  return { batch: builder.finish(), records }
}

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

export async function turn(
  sides: Sides,
  replicator: Replicator,
  load: Load,
  signal: AbortSignal,
): Promise<Turn> {
  const copyOf = await replicator.begin(load.topic)
  const copy = copyOf(load.topic)
  try {
    const begun = await reached(
      sides,
      replicator,
      copy,
      Math.ceil(load.records * SPAN_BEGINS_AT),
      Infinity,
      signal,
    )
    const ended = await reached(sides, replicator, copy, load.records, begun.at + LONGEST_SPAN_MS, signal)
    return between(begun, ended, load)
  } finally {
    await replicator.end()
    await remove(sides.target, copy)
  }
}

interface Mark {
  readonly at: number
  readonly records: number
  readonly own: number
  readonly source: number
  readonly target: number
  readonly residentMb: number
}

/** The moment at which a copy has so many records, or the time is up. */
async function reached(
  { source, target, targetWire }: Sides,
  replicator: Replicator,
  copy: string,
  wanted: number,
  until: number,
  signal: AbortSignal,
): Promise<Mark> {
  let before = -1
  let movedAt = performance.now()
  for (;;) {
    const records = await endOf(targetWire, copy, signal)
    const at = performance.now()
    if (records >= wanted || at >= until) {
      const [own, from, to] = await Promise.all(
        [replicator.pid, source.nodes[0]!.pid, target.nodes[0]!.pid].map(cpuSecondsOf),
      )
      return {
        at,
        records,
        own: own!,
        source: from!,
        target: to!,
        residentMb: await residentMbOf(replicator.pid),
      }
    }
    if (records > before) movedAt = at
    else if (at - movedAt > STALLED_AFTER_MS)
      throw new Error(`${replicator.name} stands still at ${records} of ${wanted} records of ${copy}`)
    before = records
    await sleep(POLL_MS, undefined, { signal })
  }
}

/** Records in all partitions; 0 while there is no such topic. */
export async function endOf(wire: Wire, topic: string, signal: AbortSignal): Promise<number> {
  const [found] = await wire.metadata([topic], signal)
  if (found === undefined || found.partitions.some(({ leader }) => leader < 0)) return 0
  const queries = found.partitions.map(({ partition }) => ({ topic, partition, at: 'latest' as const }))
  const ends = await wire.listOffsets(queries, signal)
  return ends.reduce((sum, { offset }) => sum + offset, 0)
}

async function remove(target: TestCluster, topic: string): Promise<void> {
  const tls = target.placed.security.protocol === 'mtls' ? await target.identity(superUser) : undefined
  await deleteTopic(target.bootstrap, topic, tls)
}

function between(begun: Mark, ended: Mark, load: Load): Turn {
  const seconds = (ended.at - begun.at) / 1_000
  const records = ended.records - begun.records
  const own = ended.own - begun.own
  return {
    recordsPerSecond: Math.round(records / seconds),
    recordsPerCpuSecond: Math.round(records / own),
    mbPerSecond: Math.round((records * load.recordBytes) / seconds / 1e6),
    ownCores: own / seconds,
    sourceCores: (ended.source - begun.source) / seconds,
    targetCores: (ended.target - begun.target) / seconds,
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
    residentMb: of('residentMb'),
  }
}
