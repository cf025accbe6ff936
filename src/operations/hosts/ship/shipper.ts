import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../../foundation/errors/errors.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import type { AgentConfig } from '../contract.ts'
import { openSpool, type Spool } from '../spool/spool.ts'
import { createStreams, type Stream, type Streams } from '../tail/stream.ts'
import { createTailer, type FileStatus, type Gap, type Tailer } from '../tail/tailer.ts'
import { ANNOUNCE_EVERY_MS, announceGap, describeStreams } from './announce.ts'
import type { ReadyBatch } from './batch.ts'
import { type Batcher, createBatcher } from './batcher.ts'
import { loadCheckpoint, restoreCheckpoint, saveCheckpoint, takeCheckpoint } from './checkpoint.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { createQuarantine, type Quarantine } from './quarantine.ts'
import { createSender, type Sender } from './sender.ts'
import { openSession, type Session } from './session.ts'

const CHECKPOINT_EVERY_MS = 1_000
/** A batch that is not full waits so long for more, while there is more to read. */
const LINGER_MS = 50
/** While batches go to the spool they are filled better: nobody waits for them. */
const SPOOLING_LINGER_MS = 2_000
/** How long a stopping agent waits for acknowledgements. */
const STOP_MS = 5_000
/** Ended streams are remembered so long: a late copy (delayed compression) is still recognised. */
const REMEMBER_MS = 7 * 24 * 3_600_000
const MAX_REMEMBERED = 20_000

export interface Shipper {
  /** Ships until aborted. @throws AjnaError PRODUCER_FENCED */
  run(signal: AbortSignal): Promise<void>
  /** For records that do not come from files (metrics). Undefined until the topic's partitions are known. */
  partitions(topic: string): number | undefined
  /** False when there is no room: the batch was not taken. */
  offer(batch: ReadyBatch): boolean
  status(): ShipperStatus
}

export interface ShipperStatus {
  readonly sender: Sender['status']
  readonly files: readonly FileStatus[]
  readonly pendingBytes: number
  readonly heldOnlyByDescriptor: { readonly files: number; readonly bytes: number }
  readonly spool: {
    readonly bytes: number
    readonly maxBytes: number
    readonly waiting: number
    readonly refusal: Spool['refusal']
  }
  readonly quarantine: {
    readonly records: number
    readonly bytes: number
    readonly lastReason: string | undefined
  }
  readonly lost: { readonly bytes: number; readonly gaps: readonly LostRange[] }
  readonly repeatedBytes: number
  readonly troubles: readonly { readonly path: string; readonly problem: string }[]
}

export interface LostRange {
  readonly stream: string
  readonly path: string
  readonly start: number
  readonly end: number
  readonly reason: string
  readonly at: number
}

export interface ShipperOptions {
  readonly config: AgentConfig
  readonly log: Logger
  readonly now: () => number
  /** Told what an operator should know: gaps, quarantine, a cluster that comes and goes. */
  readonly onEvent: (kind: string, text: string, details: Readonly<Record<string, unknown>>) => void
}

const MAX_TOLD = 200

export async function createShipper(options: ShipperOptions): Promise<Shipper> {
  const { config, log, now, onEvent } = options
  const checkpointPath = join(config.directory, 'checkpoint.json')
  const saved = await loadCheckpoint(checkpointPath, config, log)
  const ledger: Ledger = createLedger(now)
  const streams: Streams = createStreams()
  if (saved !== undefined) restoreCheckpoint(saved, ledger, streams)
  const { spool, frames, tornBytes } = await openSpool({
    directory: join(config.directory, 'spool'),
    maxBytes: config.spool.maxBytes,
    onRecovered: batch => ledger.spooled(batch.covers),
  })
  if (frames > 0 || tornBytes > 0)
    log.info({ frames, tornBytes }, 'the spool holds batches of an earlier run')
  const quarantine: Quarantine = createQuarantine(join(config.directory, 'quarantine', 'records'))
  const producerIds = new Set(saved?.producerIds)
  const unannounced: Stream[] = []
  const gaps: LostRange[] = []
  const troubles = new Map<string, string>()
  let lostBytes = 0
  let savedAt = 0
  let changedSince = true

  const dataTopics = [...new Set(config.sources.map(({ topic }) => topic))]
  const positioned = config.metrics === undefined ? dataTopics : [...dataTopics, config.metrics.topic]

  const sender = createSender({
    spool,
    spoolAfterMs: config.spool.afterMs,
    memoryBytes: config.spool.memoryBytes,
    quarantine,
    marks: saved?.marks ?? {},
    now,
    log,
    openSession: (marks, signal) =>
      openSession(
        {
          wire: {
            bootstrap: config.bootstrap,
            clientId: `ajna-agent-${config.host}`,
            log,
            ...(config.tls === undefined ? {} : { tls: config.tls }),
            ...(config.hosts === undefined ? {} : { hosts: config.hosts }),
          },
          transactionalId: config.transactionalId,
          positioned,
          plain: [config.streamsTopic],
          marks,
          producerIds: [...producerIds],
          log,
        },
        signal,
      ),
    onSession: noteSession,
    missing: cover => ledger.missing(cover),
    onResolved: cover => {
      ledger.resolved(cover)
      changedSince = true
    },
    onSpooled: covers => ledger.spooled(covers),
    onRefused: (cover, reason) => {
      const stream = streams.byId(cover.stream)
      tellGap(
        { stream: cover.stream, path: stream?.path ?? '', start: cover.start, end: cover.end },
        'refused',
        reason,
      )
    },
  })

  const tailer: Tailer = createTailer({
    site: config.site,
    host: config.host,
    sources: config.sources,
    streams,
    accountOf: id => ledger.account(id),
    partialLineMs: config.tail.partialLineMs,
    releaseMs: config.tail.releaseMs,
    lastDiscovery: saved?.lastDiscovery ?? 0,
    now,
    onStream: stream => unannounced.push(stream),
    onGap: ({ stream, start, end, reason }: Gap) => {
      ledger.account(stream.id).held.add(start, end)
      tellGap({ stream: stream.id, path: stream.path, start, end }, reason)
    },
    onTrouble: (path, problem) => {
      troubles.set(path, problem)
      log.warn({ path, problem }, 'a file cannot be read')
    },
  })

  const batcher: Batcher = createBatcher({
    codec: config.compression,
    now,
    partitions: topic => partitions(topic) ?? 1,
    put: batch => sender.put(batch),
  })

  const partitions = (topic: string): number | undefined => sender.marks[topic]?.offsets.length

  function noteSession(session: Session): void {
    producerIds.add(String(session.producer.producerId))
    ledger.readBack(session.written)
    changedSince = true
    if (session.unknown.length === 0) return
    onEvent('unknown', `records may be gone that were shipped before: ${session.unknown.join(', ')}`, {
      partitions: session.unknown,
    })
  }

  type Lost = Pick<LostRange, 'stream' | 'path' | 'start' | 'end'>
  function tellGap(lost: Lost, reason: 'truncated' | 'gone' | 'refused', cause?: unknown): void {
    const at = now()
    const range = { ...lost, reason, at }
    if (reason !== 'refused') lostBytes += range.end - range.start
    gaps.push(range)
    if (gaps.length > MAX_TOLD) gaps.shift()
    changedSince = true
    const why = cause === undefined ? reason : `${reason} (${describeError(cause)})`
    onEvent('gap', `${lost.path}: bytes ${lost.start} to ${lost.end} are not shipped: ${why}`, { ...range })
    const to = { topic: config.streamsTopic, partitions: partitions(config.streamsTopic) ?? 1, now: at }
    for (const batch of announceGap({ ...lost, host: config.host, reason, at }, to)) sender.put(batch)
  }

  /** Known to the next process, and described to every reader, before anything of them is shipped. */
  async function announce(): Promise<void> {
    if (unannounced.length === 0) return
    const at = now()
    const fresh = unannounced.splice(0)
    for (const stream of fresh) stream.announcedAt = at
    await checkpoint()
    const to = { topic: config.streamsTopic, partitions: partitions(config.streamsTopic) ?? 1, now: at }
    for (const batch of describeStreams(fresh, to)) sender.put(batch)
  }

  /**
   * A checkpoint that cannot be written (a full disk) stops nothing: the one before it still says enough, only a restart
   * has more to read back.
   */
  async function writeCheckpoint(): Promise<void> {
    changedSince = false
    savedAt = now()
    const { site, host } = config
    const { lastDiscovery } = tailer
    const facts = { site, host, now: savedAt, lastDiscovery, producerIds: [...producerIds] }
    try {
      await saveCheckpoint(checkpointPath, takeCheckpoint({ ...facts, marks: sender.marks, ledger, streams }))
      troubles.delete(checkpointPath)
    } catch (error) {
      changedSince = true
      if (!troubles.has(checkpointPath)) log.error({ err: error }, 'the checkpoint cannot be written')
      troubles.set(checkpointPath, describeError(error))
    }
  }

  /** One at a time; what is asked for while one is being written sees the state of after it. */
  let saving: Promise<void> = Promise.resolve()
  function checkpoint(): Promise<void> {
    saving = saving.then(writeCheckpoint)
    return saving
  }

  function keepUp(): void {
    const at = now()
    if (at - savedAt < CHECKPOINT_EVERY_MS) return
    forgetOld(at)
    for (const stream of streams.all())
      if (stream.ended === undefined && at - stream.announcedAt >= ANNOUNCE_EVERY_MS) unannounced.push(stream)
    if (!changedSince && at - savedAt <= 10 * CHECKPOINT_EVERY_MS) return
    // Reading does not wait for the disk.
    savedAt = at
    spool.sync().catch(error => log.error({ err: error }, 'the spool cannot be made durable'))
    void checkpoint()
  }

  function forgetOld(at: number): void {
    const ended = [...streams.all()].filter(stream => stream.ended !== undefined)
    const tooMany = ended.length - MAX_REMEMBERED
    ended.sort((a, b) => a.ended! - b.ended!)
    for (const [index, stream] of ended.entries()) {
      if (at - stream.ended! < REMEMBER_MS && index >= tooMany) break
      streams.remove(stream)
      ledger.forget(stream.id)
    }
    for (const [id, { touched }] of ledger.entries())
      if (at - touched > REMEMBER_MS && streams.byId(id) === undefined) ledger.forget(id)
  }

  /** Reading begins when it is known what was shipped, or, with the cluster away for long, with the spool as the goal. */
  async function awaitStart(signal: AbortSignal): Promise<void> {
    const began = now()
    while (!signal.aborted && sender.status.sessions === 0) {
      const known = [...positioned, config.streamsTopic].every(topic => partitions(topic) !== undefined)
      if (known && now() - began > 2 * config.spool.afterMs) return
      await sender.changed(config.tail.pollMs)
    }
  }

  async function pump(signal: AbortSignal): Promise<void> {
    await awaitStart(signal)
    let discoveredAt = 0
    let polledAt = 0
    while (!signal.aborted) {
      const at = now()
      if (at - discoveredAt >= config.tail.discoverMs) {
        await tailer.discover().catch(error => log.error({ err: error }, 'the globs cannot be looked at'))
        discoveredAt = at
      }
      if (at - polledAt >= config.tail.pollMs) {
        await tailer.poll().catch(error => log.error({ err: error }, 'the open files cannot be looked at'))
        polledAt = at
      }
      await announce()
      keepUp()
      batcher.flush(sender.status.state === 'direct' ? LINGER_MS : SPOOLING_LINGER_MS)
      if (!sender.hasRoom()) {
        await sender.changed(config.tail.pollMs)
        continue
      }
      const piece = await tailer.next()
      if (piece !== undefined) {
        batcher.add(piece)
        continue
      }
      if (sender.status.state === 'direct') batcher.flush(0)
      await delay(Math.max(1, polledAt + config.tail.pollMs - now()), undefined, { signal }).catch(
        () => undefined,
      )
    }
  }

  async function finish(stopSending: AbortController): Promise<void> {
    batcher.flush(0)
    for (const until = now() + STOP_MS; !sender.idle && sender.status.connected && now() < until; )
      await sender.changed(100)
    stopSending.abort()
  }

  return {
    async run(signal) {
      const stopSending = new AbortController()
      const sending = sender.run(stopSending.signal)
      const failed = new AbortController()
      sending.catch(() => failed.abort())
      try {
        await pump(AbortSignal.any([signal, failed.signal]))
        await finish(stopSending)
        await sending
      } finally {
        stopSending.abort()
        await sending.catch(() => undefined)
        await checkpoint()
        await tailer.close()
        await spool.close()
      }
    },
    partitions,
    offer(batch) {
      if (!sender.hasRoom()) return false
      sender.put(batch)
      return true
    },
    status() {
      const files = tailer.files()
      const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
      const atRisk = files.filter(({ tenure, safe, size }) => tenure === 'leaving' && safe < size)
      return {
        sender: sender.status,
        files,
        pendingBytes: sum(files.map(({ size, position }) => size - position)),
        heldOnlyByDescriptor: {
          files: atRisk.length,
          bytes: sum(atRisk.map(({ size, safe }) => size - safe)),
        },
        spool: {
          bytes: spool.bytes,
          maxBytes: spool.maxBytes,
          waiting: spool.waiting,
          refusal: spool.refusal,
        },
        quarantine: {
          records: quarantine.records,
          bytes: quarantine.bytes,
          lastReason: quarantine.lastReason,
        },
        lost: { bytes: lostBytes, gaps },
        repeatedBytes: ledger.repeated,
        troubles: [...troubles].map(([path, problem]) => ({ path, problem })),
      }
    },
  }
}
