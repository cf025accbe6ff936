import { join } from 'node:path'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { createHttpServer } from '../../foundation/http/server.ts'
import type { Session } from '../../foundation/http/session.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { openFsStore } from '../../foundation/objects/fs.ts'
import { openS3Store } from '../../foundation/objects/s3.ts'
import type { ObjectStore } from '../../foundation/objects/store.ts'
import { confinedQueries } from '../../foundation/tables/confined.ts'
import { backoffMs, pause } from '../../foundation/wire/backoff.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { follow } from '../../foundation/wire/follow.ts'
import { type Archiver, startArchiver } from './archiver.ts'
import { openCache } from './cache.ts'
import { type Catalog, openCatalog } from './catalog.ts'
import type { ArchiveConfig } from './config.ts'
import type { ArchiveStatus } from './contract.ts'
import { ArchiveManifestInvalid, ArchiveNotReady } from './errors.ts'
import { dataRoot } from './layout.ts'
import { liveTail } from './live.ts'
import { patternOf } from './patterns.ts'
import { type ArchiveService, archiveRoutes, archiveStatuses } from './routes.ts'
import { StreamRegistry } from './streams.ts'
import { sweep } from './sweep.ts'
import { openTail } from './tail.ts'

export interface ArchiveOptions {
  readonly config: ArchiveConfig
  /** Of the cluster whose topics are archived. */
  readonly wire: Wire
  /** Whoever shows its token may ask. */
  readonly session: Session
  /** Loopback port; 0: any. */
  readonly port: number
  readonly version: string
  readonly log: Logger
  readonly signal: AbortSignal
  /** Default: the system's clock. */
  readonly now?: () => number
}

export interface RunningArchive {
  /** `http://127.0.0.1:<port>`; answers from the beginning, ARCHIVE_NOT_READY until the manifests are read. */
  readonly url: string
  /** Settles when the signal has aborted and all is closed; rejects with what no waiting mends. */
  readonly done: Promise<void>
  /** Archives all that has been fetched by now. */
  commitAll(): Promise<void>
  status(): ArchiveStatus
}

/** The archive role. Rejects when it cannot listen, or its configuration names a directory that cannot be used. */
export async function runArchive(options: ArchiveOptions): Promise<RunningArchive> {
  const { config, log, signal } = options
  const store = await openStore(config)
  const server = createHttpServer({
    title: 'Ajna archive',
    version: options.version,
    session: options.session,
    log,
    statuses: archiveStatuses,
  })
  let service: ArchiveService | undefined
  let running: Archiver | undefined
  /** Why it cannot open now. */
  let problem: AjnaError | undefined
  const ready = (): ArchiveService => {
    if (service === undefined) throw problem ?? new AjnaError(ArchiveNotReady, 'the archive is opening')
    return service
  }
  archiveRoutes(server, ready)
  const url = await server.listen(options.port)

  async function work(): Promise<void> {
    const now = options.now ?? Date.now
    const streams = new StreamRegistry()
    const catalog = await opened(
      () => openCatalog(store),
      log,
      signal,
      error => {
        problem = error
      },
    )
    const tail = await openTail(config, streams)
    const live = liveTail(streams)
    const cacheFolder = join(config.stateDir, 'cache')
    const cache = await openCache(store, cacheFolder, config.query.cacheBytes)
    const queries = confinedQueries({
      memoryBytes: config.query.memoryBytes,
      residentBytes: config.query.residentBytes,
      threads: config.threads,
      processes: config.query.processes,
      spill: { directory: join(config.stateDir, 'spill'), maxBytes: config.query.spillBytes },
      directories: [store.localPath(dataRoot.slice(0, -1)) ?? cacheFolder, tail.exportFolder],
    })
    try {
      const stagingFolder = join(config.stateDir, 'staging')
      running = startArchiver(
        { config, wire: options.wire, store, catalog, tail, streams, live, log, now, stagingFolder },
        signal,
      )
      const archiver = running
      service = {
        config: config.query,
        catalog,
        archiver,
        cache,
        queries,
        live,
        status: () => statusOf(store, catalog, archiver),
      }
      await Promise.all([
        archiver.done,
        readStreams(options.wire, config, streams, log, signal),
        sweepAgainAndAgain(store, catalog, config, now, log, signal),
      ])
    } finally {
      service = undefined
      queries.close()
      await tail.close()
    }
  }

  const done = work()
    .catch(error => {
      if (!signal.aborted) throw error
    })
    .finally(async () => {
      await server.close()
      store.close()
    })
  done.catch(() => undefined)
  return { url, done, commitAll: async () => running?.commitAll(), status: () => ready().status() }
}

async function openStore({ objects }: ArchiveConfig): Promise<ObjectStore> {
  if (objects.driver === 'fs') return openFsStore(objects.root)
  const { endpoint, credentials, region, bucket, prefix } = objects
  return openS3Store({
    region,
    bucket,
    prefix,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  })
}

/** What mends itself or is mended by a person while the role waits: nothing is lost meanwhile. */
const isPassing = ({ code }: AjnaError): boolean =>
  code.startsWith('OBJECT_STORE_') || code === ArchiveManifestInvalid.code

/** The object store may be away when the role starts, or a manifest be damaged: it says so, and goes on once that is over. */
async function opened(
  open: () => Promise<Catalog>,
  log: Logger,
  signal: AbortSignal,
  onProblem: (problem: AjnaError | undefined) => void,
): Promise<Catalog> {
  for (let failures = 0; ; ) {
    try {
      const catalog = await open()
      onProblem(undefined)
      return catalog
    } catch (error) {
      if (!(error instanceof AjnaError) || !isPassing(error)) throw error
      onProblem(error)
      log[failures === 0 ? 'error' : 'debug']({ err: error }, 'the archive cannot be read; trying again')
      await pause(backoffMs(++failures + 2), signal)
    }
  }
}

async function readStreams(
  wire: Wire,
  config: ArchiveConfig,
  streams: StreamRegistry,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const rules = config.streamTopics.map(patternOf)
  const topics = (name: string): boolean => rules.some(matches => matches(name))
  for await (const event of follow(wire, { topics, from: () => 'earliest', signal, log })) {
    if (event.kind !== 'batches') continue
    const strange = streams.describeAll(event.bytes)
    if (strange > 0)
      log.warn(
        { topic: event.topic, partition: event.partition, strange },
        'records that describe no stream were passed over',
      )
  }
}

async function sweepAgainAndAgain(
  store: ObjectStore,
  catalog: Catalog,
  config: ArchiveConfig,
  now: () => number,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { everyMs, graceMs } = config.sweep
  while (!signal.aborted) {
    await pause(everyMs, signal)
    try {
      await sweep(store, catalog, { graceMs, retentionMs: config.retentionMs, now }, log)
    } catch (error) {
      if (!(error instanceof AjnaError)) throw error
      log.warn({ err: error }, 'the archive could not be swept; it will be tried again')
    }
  }
}

function statusOf(store: ObjectStore, catalog: Catalog, archiver: Archiver): ArchiveStatus {
  return {
    state: archiver.state,
    reason: archiver.reason,
    store: store.name,
    ...catalog.totals(),
    lostRaces: archiver.lostRaces,
    partitions: archiver.partitions(),
  }
}
