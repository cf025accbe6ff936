import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { StreamId } from '../../../foundation/positions/position.ts'
import { createBatcher } from '../ship/batcher.ts'
import { createLedger } from '../ship/ledger.ts'
import { createStreams, type Streams } from '../tail/stream.ts'
import { createTailer, type Gap } from '../tail/tailer.ts'
import { assemble, collect, type Part, type ShippedStream } from './topic.ts'

export const PARTIAL_LINE_MS = 10_000
export const RELEASE_MS = 30_000

/** An agent's reading half on a directory of its own, with a clock that only the test moves. */
export interface TailBench {
  readonly directory: string
  readonly streams: Streams
  readonly gaps: Gap[]
  readonly troubles: string[]
  path(name: string): string
  /** Looks, and reads all there is. */
  turn(): Promise<void>
  pass(ms: number): void
  /** As if the agent were killed and started again: only what is known of streams and what was shipped remains. */
  restart(): Promise<void>
  /** Every stream read so far, in the order in which they were met. */
  shipped(): ShippedStream[]
  texts(): string[]
  status(): { path: string; tenure: string }[]
}

export async function tailBench(
  t: TestContext,
  globs: readonly string[] = ['*.log'],
  exclude: readonly string[] = [],
): Promise<TailBench> {
  const directory = await mkdtemp(join(tmpdir(), 'ajna-tail-'))
  const began = Date.now()
  let passed = 0
  const now = (): number => began + passed + (Date.now() - began)
  const ledger = createLedger(now)
  const streams = createStreams()
  const parts = new Map<StreamId, Part[]>()
  const order: StreamId[] = []
  const gaps: Gap[] = []
  const troubles: string[] = []
  const batcher = createBatcher({
    codec: 'none',
    now,
    partitions: () => 1,
    put(batch) {
      collect(batch.bytes, parts)
      for (const cover of batch.covers) ledger.resolved(cover)
    },
  })
  let lastDiscovery = 0
  const absolute = (names: readonly string[]): string[] => names.map(name => join(directory, name))
  const open = () =>
    createTailer({
      site: 's',
      host: 'h',
      sources: [{ tenant: 't', topic: 'logs.s', files: absolute(globs), exclude: absolute(exclude) }],
      streams,
      accountOf: id => ledger.account(id),
      partialLineMs: PARTIAL_LINE_MS,
      releaseMs: RELEASE_MS,
      lastDiscovery,
      now,
      onStream: ({ id }) => order.push(id),
      onGap: gap => gaps.push(gap),
      onTrouble: path => troubles.push(path),
    })
  let tailer = open()
  t.after(async () => {
    await tailer.close()
    await rm(directory, { recursive: true })
  })
  const shipped = (): ShippedStream[] =>
    order.flatMap(id => (parts.has(id) ? [assemble([...parts.get(id)!])] : []))

  async function read(): Promise<void> {
    for (let piece = await tailer.next(); piece !== undefined; piece = await tailer.next()) batcher.add(piece)
    batcher.flush(0)
  }

  return {
    directory,
    streams,
    gaps,
    troubles,
    path: name => join(directory, name),
    async turn() {
      await tailer.discover()
      await tailer.poll()
      await read()
      // Letting go of a file depends on what was read.
      await tailer.poll()
      await read()
    },
    pass(ms) {
      passed += ms
    },
    async restart() {
      lastDiscovery = tailer.lastDiscovery
      await tailer.close()
      for (const stream of streams.all()) {
        stream.position = 0
        stream.event = undefined
      }
      tailer = open()
    },
    shipped,
    texts: () => shipped().map(({ bytes }) => bytes.toString()),
    status: () =>
      tailer.files().map(({ path, tenure }) => ({ path: path.slice(directory.length + 1), tenure })),
  }
}
