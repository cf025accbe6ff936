import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { z } from 'zod'
import { type Session, sessionOf } from '../../src/foundation/http/session.ts'
import { silentLogger } from '../../src/foundation/log/log.ts'
import { openFsStore } from '../../src/foundation/objects/fs.ts'
import { listAll, type ObjectStore } from '../../src/foundation/objects/store.ts'
import { openTables, quoted } from '../../src/foundation/tables/tables.ts'
import { batchesIn } from '../../src/foundation/wire/batch.ts'
import type { Wire } from '../../src/foundation/wire/contract.ts'
import { recordsIn } from '../../src/foundation/wire/records.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { archiveConfig } from '../../src/products/archive/config.ts'
import { archivePaths, type QueryAnswer, type QueryRequest } from '../../src/products/archive/contract.ts'
import { chainOf, decodeManifest, type Manifest } from '../../src/products/archive/manifest.ts'
import { type RunningArchive, runArchive } from '../../src/products/archive/run.ts'

export interface ArchiveUnderTest extends AsyncDisposable, RunningArchive {
  readonly session: Session
  query(request: QueryRequest): Promise<QueryAnswer>
  get(path: string): Promise<unknown>
}

export interface ArchivePlace extends AsyncDisposable {
  readonly folder: string
  readonly objects: string
  readonly store: ObjectStore
  /** Names of its own: one of log topics, `<prefix>.logs.*`, and the streams topic. */
  readonly prefix: string
  readonly streamTopic: string
  config(changes?: Partial<z.input<typeof archiveConfig>>): z.input<typeof archiveConfig>
}

export async function archivePlace(): Promise<ArchivePlace> {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-archive-'))
  const objects = join(folder, 'objects')
  const prefix = `archive-${randomBytes(4).toString('hex')}`
  const streamTopic = `${prefix}.streams`
  return {
    folder,
    objects,
    prefix,
    streamTopic,
    store: await openFsStore(objects),
    config: changes => ({
      topics: [`${prefix}.logs.*`],
      streamTopics: [streamTopic],
      objects: { driver: 'fs', root: objects },
      stateDir: join(folder, 'state'),
      ...changes,
    }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** The archive role in this process, with a connection of its own. */
export async function startArchive(
  bootstrap: readonly string[],
  config: z.input<typeof archiveConfig>,
): Promise<ArchiveUnderTest> {
  const stop = new AbortController()
  const session = sessionOf(randomBytes(32).toString('base64url'))
  const wire = openWire({ bootstrap, clientId: 'archive' })
  const running = await runArchive({
    config: archiveConfig.parse(config),
    wire,
    session,
    port: 0,
    version: 'test',
    log: silentLogger,
    signal: stop.signal,
  })
  const headers = { authorization: `Bearer ${session.token}` }
  async function answer(response: Response): Promise<unknown> {
    const body = await response.json()
    if (!response.ok) throw Object.assign(new Error(JSON.stringify(body)), { status: response.status, body })
    return body
  }
  return {
    ...running,
    session,
    get: async path => answer(await fetch(running.url + path, { headers })),
    query: async request =>
      (await answer(
        await fetch(running.url + archivePaths.query, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: JSON.stringify(request),
        }),
      )) as QueryAnswer,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running.done
      await wire.close()
    },
  }
}

/** Until the condition holds; fails after `ms` with what was seen last. */
export async function eventually<T>(
  look: () => Promise<T> | T,
  holds: (seen: T) => boolean,
  ms = 30_000,
): Promise<T> {
  const deadline = Date.now() + ms
  for (;;) {
    let seen: T | undefined
    try {
      seen = await look()
      if (holds(seen)) return seen
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    if (Date.now() > deadline) assert.fail(`still ${JSON.stringify(seen)?.slice(0, 2_000)} after ${ms} ms`)
    await new Promise(resolve => setTimeout(resolve, 25))
  }
}

/** A record as both the topic and the archive know it: `offset|line in hex` (or null). */
export type RecordText = string

export async function recordsOfTopic(wire: Wire, topic: string, partition: number): Promise<RecordText[]> {
  const records: RecordText[] = []
  const signal = AbortSignal.timeout(60_000)
  const [{ offset: first } = { offset: 0 }] = await wire.listOffsets(
    [{ topic, partition, at: 'earliest' }],
    signal,
  )
  await using stream = wire.fetch({ from: [{ topic, partition, offset: first }], signal })
  for await (const event of stream) {
    if (event.kind === 'caught-up') break
    if (event.kind !== 'batches') continue
    for (const header of batchesIn(event.bytes)) {
      if (header.control) continue
      // Below the log's start there may still be records in its first batch.
      for (const { offset, value } of recordsIn(event.bytes, header))
        if (offset >= first) records.push(`${offset}|${value?.toString('hex') ?? 'null'}`)
    }
  }
  return records
}

/** Every manifest of a store, checked to be one chain for each partition, with objects that are what they are said to be. */
export async function manifestsOf(store: ObjectStore): Promise<Manifest[]> {
  const byFolder = new Map<string, Manifest[]>()
  for await (const { key } of listAll(store, 'manifest/')) {
    const folder = key.slice(0, key.lastIndexOf('/'))
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), decodeManifest(key, await store.get(key))])
  }
  return [...byFolder.values()].flatMap(chain => chainOf(chain, 0))
}

/** What the committed objects hold, read without the archive's own query: in the order they are in. */
export async function recordsOfArchive(
  place: ArchivePlace,
  topic: string,
  partition: number,
): Promise<RecordText[]> {
  const objects = (await manifestsOf(place.store))
    .filter(manifest => manifest.topic === topic && manifest.partition === partition)
    .flatMap(manifest => manifest.objects)
  if (objects.length === 0) return []
  const tables = await openTables({
    memoryBytes: 512 * 1024 * 1024,
    threads: 2,
    directories: [place.objects],
  })
  try {
    const files = objects.map(object => quoted(place.store.localPath(object.key)!)).join(', ')
    const rows = await tables.read<{ offset: number; line: string }>(
      `SELECT "offset", coalesce(hex(coalesce(raw, encode(line))), 'null') AS line FROM read_parquet([${files}], hive_partitioning = false) ORDER BY "offset"`,
    )
    return rows.map(row => `${row.offset}|${row.line === 'null' ? 'null' : row.line.toLowerCase()}`)
  } finally {
    tables.close()
  }
}
