/** A source and a target to copy between, one real broker each, and topics full of records. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BatchBuilder } from '../../../src/foundation/wire/build.ts'
import type { TlsIdentity, Wire } from '../../../src/foundation/wire/contract.ts'
import { openWire } from '../../../src/foundation/wire/wire.ts'
import { startCluster, type TestCluster } from '../../fleets/cluster.ts'
import { createTopic, deleteTopic } from '../../wire/topics.ts'

export interface Side {
  readonly cluster: TestCluster
  readonly wire: Wire
  /** Of the super user; empty where nobody has to say who he is. */
  readonly tls: { readonly tls?: TlsIdentity }
  /** Of the broker's process. */
  readonly pid: number
}

export interface Sides extends AsyncDisposable {
  readonly source: Side
  readonly target: Side
}

/** Who copies and measures at clusters with TLS. */
export const superUser = 'admin'

/** One broker each side, optimised as brokers are after hours of work. */
export async function startSides(options: { readonly tls?: boolean } = {}): Promise<Sides> {
  const [source, target] = await Promise.all(
    ['bench-source', 'bench-target'].map(name => startSide(name, options)),
  )
  return {
    source: source!,
    target: target!,
    async [Symbol.asyncDispose]() {
      await Promise.all([source!.wire.close(), target!.wire.close()])
      await Promise.all([source!.cluster, target!.cluster].map(cluster => cluster[Symbol.asyncDispose]()))
    },
  }
}

async function startSide(name: string, options: { readonly tls?: boolean }): Promise<Side> {
  const cluster = await startCluster({
    nodes: 1,
    name,
    heapMb: 1024,
    throughput: true,
    ...options,
    // What was measured makes room at once.
    settings: { 'log.segment.delete.delay.ms': '1000' },
  })
  const tls = options.tls === true ? { tls: await cluster.identity(superUser) } : {}
  const wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'bench', requestTimeoutMs: 30_000, ...tls })
  return { cluster, wire, tls, pid: cluster.nodes[0]!.pid }
}

export function makeTopic(
  { cluster, tls }: Side,
  topic: string,
  partitions: number,
  config: Readonly<Record<string, string>> = {},
): Promise<void> {
  return createTopic(cluster.bootstrap, topic, { partitions, config, ...tls })
}

export function removeTopic({ cluster, tls }: Side, topic: string): Promise<void> {
  return deleteTopic(cluster.bootstrap, topic, tls.tls)
}

/** Records in all partitions; 0 while there is no such topic. */
export async function recordsOf({ wire }: Side, topic: string, signal: AbortSignal): Promise<number> {
  const [found] = await wire.metadata([topic], signal)
  if (found === undefined || found.partitions.some(({ leader }) => leader < 0)) return 0
  const queries = found.partitions.map(({ partition }) => ({ topic, partition, at: 'latest' as const }))
  const ends = await wire.listOffsets(queries, signal)
  return ends.reduce((sum, { offset }) => sum + offset, 0)
}

export interface Case {
  readonly name: string
  readonly partitions: number
  readonly recordBytes: number
  readonly batchBytes: number
}

/** A case's topic at the source, full of records. */
export interface Load extends Case {
  readonly topic: string
  readonly records: number
}

const LANES_PER_PARTITION = 2
const MAX_LANES = 64

export async function loadTopic(
  source: Side,
  kind: Case,
  topic: string,
  totalBytes: number,
  signal: AbortSignal,
): Promise<Load> {
  const { partitions } = kind
  const { batch, records } = fullBatch(kind)
  const each = Math.ceil(totalBytes / batch.length / partitions)
  await makeTopic(source, topic, partitions)
  await using producer = await source.wire.producer({}, signal)
  let next = 0
  const lane = async (): Promise<void> => {
    const own = Buffer.from(batch)
    while (next < each * partitions) await producer.append(topic, next++ % partitions, own)
  }
  const lanes = Math.min(MAX_LANES, LANES_PER_PARTITION * partitions)
  await Promise.all(Array.from({ length: lanes }, lane))
  const total = each * partitions * records
  for (let there = 0; there < total; there = await recordsOf(source, topic, signal))
    await sleep(50, undefined, { signal })
  return { ...kind, topic, records: total }
}

/** As many records as go into one batch. */
export function fullBatch({ recordBytes, batchBytes }: Case): { batch: Buffer; records: number } {
  const builder = new BatchBuilder({ maxBytes: batchBytes })
  const value = Buffer.alloc(recordBytes, 'x')
  while (builder.add({ timestamp: Date.now(), value }));
  const records = builder.count
  return { batch: builder.finish(), records }
}
