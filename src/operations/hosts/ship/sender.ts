import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import type { Interval } from '../../../foundation/positions/intervals.ts'
import { PRODUCER_FENCED, RECORD_REJECTED } from '../../../foundation/wire/errors.ts'
import { SHIPPING_REFUSED } from '../errors.ts'
import type { Spool, SpoolMark } from '../spool/spool.ts'
import type { Cover, ReadyBatch } from './batch.ts'
import { createChanges } from './changes.ts'
import type { Quarantine } from './quarantine.ts'
import type { Marks, Session, TopicMark } from './session.ts'
import { halve, onlyMissing } from './written.ts'

/** Batches in memory that wait for a place in front or in the spool. */
const MAX_ARRIVED_BYTES = 2 * 1024 * 1024
const RETRY_MIN_MS = 200
/** Brokers that start are found soon after they answer; asking where nobody listens costs nothing. */
const RETRY_MAX_MS = 1_000
/** How often a spool that refused is asked again. */
const SPOOL_RETRY_MS = 500
const IDLE_MS = 1_000

export interface SenderOptions {
  readonly spool: Spool
  readonly spoolAfterMs: number
  /** Bound of the front: batches in memory that are not acknowledged. */
  readonly memoryBytes: number
  readonly quarantine: Quarantine
  /** Where the last checkpoint stands. */
  readonly marks: Marks
  readonly openSession: (marks: Marks, signal: AbortSignal) => Promise<Session>
  /** Called before anything is sent in a new session: what it has read back must be noted at once. */
  readonly onSession: (session: Session) => void
  /** What of a run of a stream is neither in the cluster nor in quarantine. */
  readonly missing: (cover: Cover) => readonly Interval[]
  /** The bytes are in the cluster or in quarantine. */
  readonly onResolved: (cover: Cover) => void
  /** The cluster refuses this record for good: it is in quarantine. */
  readonly onRefused: (cover: Cover, reason: unknown) => void
  /** The bytes are in the spool. */
  readonly onSpooled: (covers: readonly Cover[]) => void
  readonly now: () => number
  readonly log: Logger
}

export interface Sender {
  /** Takes a batch over; ask `hasRoom` before reading what goes into it. */
  put(batch: ReadyBatch): void
  hasRoom(): boolean
  /** Settles at the next change of any kind, or after so many ms. */
  changed(ms: number): Promise<void>
  /** Sends until aborted. @throws AjnaError PRODUCER_FENCED: another agent has taken over */
  run(signal: AbortSignal): Promise<void>
  /** True when everything put was resolved. */
  readonly idle: boolean
  readonly marks: Marks
  readonly status: SenderStatus
}

export interface SenderStatus {
  readonly state: 'connecting' | 'direct' | 'spooling'
  readonly connected: boolean
  /** Why there is no session; undefined while there is one. */
  readonly problem: string | undefined
  readonly unacknowledgedBytes: number
  readonly acknowledgedRecords: number
  readonly acknowledgedBytes: number
  /** When the cluster last acknowledged something, ms; 0 for never. */
  readonly lastAcknowledged: number
  readonly sessions: number
}

interface Entry {
  batch: ReadyBatch
  mark: SpoolMark | undefined
  state: 'waiting' | 'sent' | 'settled'
  /** The broker's error, when it refused the batch for its records. */
  refusal: unknown
  /** One past its last offset; 0 when it was not written by this session. */
  next: number
}

/**
 * Between the readers and the cluster: a bounded front of batches in memory, in order; behind it, when the cluster has
 * acknowledged nothing for a while, the spool. What leaves the front at its head is resolved: positions and marks move
 * together, so a checkpoint taken between two calls is always consistent.
 */
export function createSender(options: SenderOptions): Sender {
  const { spool, log, now } = options
  const front: Entry[] = []
  /** Those of the front that are to be sent, in order. */
  let unsent: Entry[] = []
  let refused: Entry | undefined
  const arrived: ReadyBatch[] = []
  let arrivedBytes = 0
  let frontBytes = 0
  let mode: 'direct' | 'spooling' = spool.waiting > 0 ? 'spooling' : 'direct'
  let session: Session | undefined
  let problem: string | undefined
  let progressAt = now()
  let acknowledgedRecords = 0
  let acknowledgedBytes = 0
  let lastAcknowledged = 0
  let sessions = 0
  const marks = new Map<string, { id: string; offsets: number[] }>()
  for (const [topic, { id, offsets }] of Object.entries(options.marks))
    marks.set(topic, { id, offsets: [...offsets] })
  const changes = createChanges()

  /** Connected or not: nothing was acknowledged for so long that files are safer in the spool. */
  const isAway = (): boolean => session === undefined || now() - progressAt >= options.spoolAfterMs

  const marksNow = (): Marks =>
    Object.fromEntries(
      [...marks].map(([topic, { id, offsets }]): [string, TopicMark] => [
        topic,
        { id, offsets: [...offsets] },
      ]),
    )

  /* ---- from arrival to the front, directly or through the spool ---- */

  function pushFront(batch: ReadyBatch, mark: SpoolMark | undefined): void {
    if (front.length === 0) progressAt = now()
    const entry: Entry = { batch, mark, state: 'waiting', refusal: undefined, next: 0 }
    front.push(entry)
    unsent.push(entry)
    frontBytes += batch.bytes.length
  }

  function takeDirectly(): void {
    let moved = 0
    for (const batch of arrived) {
      if (frontBytes >= options.memoryBytes) break
      pushFront(batch, undefined)
      arrivedBytes -= batch.bytes.length
      moved++
    }
    if (moved === 0) return
    arrived.splice(0, moved)
    changes.notify()
  }

  /** What is in front goes to the disk first: from then on the spool holds everything that is not acknowledged. */
  async function beginSpooling(): Promise<boolean> {
    for (const entry of [...front]) {
      if (entry.mark !== undefined || entry.state === 'settled') continue
      entry.mark = await spool.appendTaken(entry.batch)
      if (entry.mark === undefined) return false
      if (!front.includes(entry)) await spool.release(entry.mark)
      options.onSpooled(entry.batch.covers)
    }
    mode = 'spooling'
    log.warn({ bytes: frontBytes, problem }, 'the cluster takes nothing: batches go to the spool')
    return true
  }

  async function throughSpool(): Promise<'more' | 'full'> {
    while (arrived.length > 0) {
      const batch = arrived[0]!
      if (!(await spool.append(batch))) return 'full'
      arrived.shift()
      arrivedBytes -= batch.bytes.length
      batch.release?.()
      options.onSpooled(batch.covers)
      changes.notify()
    }
    return 'more'
  }

  async function loadFromSpool(): Promise<void> {
    while (frontBytes < options.memoryBytes && spool.waiting > 0 && session !== undefined) {
      const taken = await spool.take()
      if (taken === undefined) break
      pushFront(taken.batch, taken.mark)
      changes.notify()
    }
  }

  async function feed(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const seen = changes.count
      let wait = options.spoolAfterMs
      if (mode === 'direct') {
        takeDirectly()
        const stalled = front.length > 0 && now() - progressAt >= options.spoolAfterMs
        if (stalled && !(await beginSpooling())) wait = SPOOL_RETRY_MS
        else if (stalled) continue
      } else {
        if ((await throughSpool()) === 'full') wait = SPOOL_RETRY_MS
        await loadFromSpool()
        if (spool.waiting === 0 && arrived.length === 0 && front.length === 0) {
          mode = 'direct'
          log.info({}, 'the spool is empty: batches go to the cluster directly')
        }
      }
      await changes.after(seen, Math.min(wait, options.spoolAfterMs))
    }
  }

  /* ---- from the front to the cluster ---- */

  function resolveHead(): void {
    let released: SpoolMark | undefined
    while (front[0]?.state === 'settled') {
      const { batch, mark, next } = front.shift()!
      frontBytes -= batch.bytes.length
      batch.release?.()
      const topic = marks.get(batch.topic)
      if (topic !== undefined && next > (topic.offsets[batch.partition] ?? 0))
        topic.offsets[batch.partition] = next
      for (const cover of batch.covers) options.onResolved(cover)
      released = mark ?? released
    }
    if (released !== undefined) {
      spool.release(released).catch(error => log.error({ err: error }, 'a spool file could not be removed'))
    }
    progressAt = now()
    changes.notify()
  }

  function settle(entry: Entry, next: number): void {
    entry.state = 'settled'
    entry.next = Math.max(entry.next, next)
    resolveHead()
  }

  async function append(to: Session, batch: ReadyBatch): Promise<number> {
    const { baseOffset } = await to.producer
      .append(batch.topic, batch.partition, batch.bytes)
      .catch(error => Promise.reject(whole(error)))
    acknowledgedRecords += batch.records
    acknowledgedBytes += batch.bytes.length
    lastAcknowledged = now()
    return baseOffset + batch.records
  }

  /** Sends what waits in front until the session fails. */
  async function ship(to: Session, signal: AbortSignal): Promise<void> {
    const failed = Promise.withResolvers<never>()
    failed.promise.catch(() => undefined)
    let failure: unknown
    const inFlight = new Set<Promise<void>>()

    const send = (entry: Entry): Promise<void> => {
      entry.state = 'sent'
      const sending = append(to, entry.batch).then(
        next => settle(entry, next),
        error => {
          if (concernsRecords(error)) {
            entry.refusal = error
            refused ??= entry
          } else {
            failure ??= error
            failed.reject(error)
          }
          changes.notify()
        },
      )
      inFlight.add(sending)
      return sending.finally(() => inFlight.delete(sending))
    }

    while (failure === undefined && !signal.aborted) {
      const seen = changes.count
      if (refused !== undefined) {
        // Nothing may overtake: first everything in flight, then the parts of what was refused.
        await Promise.all(inFlight)
        if (failure !== undefined) break
        for (const entry of front.filter(({ refusal }) => refusal !== undefined))
          settle(entry, await appendInParts(to, entry.batch, entry.refusal))
        refused = undefined
        continue
      }
      const entry = unsent.shift()
      if (entry === undefined) {
        await changes.after(seen, IDLE_MS)
        continue
      }
      const rest = onlyMissing(entry.batch, options.missing)
      if (rest === undefined) {
        settle(entry, 0)
        continue
      }
      if (rest !== entry.batch) {
        frontBytes += rest.bytes.length - entry.batch.bytes.length
        entry.batch = rest
      }
      const sending = send(entry)
      if (entry.batch.gate) await Promise.race([sending, failed.promise])
    }
    if (failure !== undefined) throw failure
  }

  /** Splits a refused batch until the records that are refused stand alone; those go to quarantine. */
  async function appendInParts(to: Session, batch: ReadyBatch, reason: unknown): Promise<number> {
    const halves = halve(batch)
    if (halves === undefined) {
      await options.quarantine.put(batch, reason)
      log.error({ err: reason, covers: batch.covers }, 'the cluster refuses a record: quarantined')
      for (const cover of batch.covers) options.onRefused(cover, reason)
      return 0
    }
    let next = 0
    for (const half of halves) {
      try {
        next = Math.max(next, await append(to, half))
      } catch (error) {
        if (!concernsRecords(error)) throw error
        next = Math.max(next, await appendInParts(to, half, error))
      }
    }
    return next
  }

  function begin(opened: Session): void {
    session = opened
    sessions++
    problem = undefined
    progressAt = now()
    options.onSession(opened)
    for (const [topic, { id, offsets }] of Object.entries(opened.marks))
      marks.set(topic, { id, offsets: [...offsets] })
    refused = undefined
    unsent = front.filter(({ state }) => state !== 'settled')
    for (const entry of unsent) {
      entry.state = 'waiting'
      entry.refusal = undefined
    }
    changes.notify()
  }

  async function connect(signal: AbortSignal): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      const acknowledgedBefore = acknowledgedBytes
      try {
        await using opened = await options.openSession(marksNow(), signal)
        begin(opened)
        await ship(opened, signal)
      } catch (error) {
        if (signal.aborted) return
        if (isAjnaError(error, PRODUCER_FENCED)) throw error
        problem = describeError(error)
        log.warn({ err: error }, 'no session with the cluster')
      } finally {
        session = undefined
        changes.notify()
      }
      if (signal.aborted) return
      if (acknowledgedBytes > acknowledgedBefore) failures = 0
      await delay(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures++), undefined, { signal }).catch(
        () => undefined,
      )
    }
  }

  return {
    put(batch) {
      arrived.push(batch)
      arrivedBytes += batch.bytes.length
      if (mode === 'direct') takeDirectly()
      changes.notify()
    },
    hasRoom() {
      if (arrivedBytes >= MAX_ARRIVED_BYTES) return false
      // While the spool is being emptied, what is not read yet is safe in its file.
      return mode === 'direct' ? frontBytes < options.memoryBytes : isAway() || spool.waiting === 0
    },
    changed: ms => changes.after(changes.count, ms),
    async run(signal) {
      const stop = new AbortController()
      const until = AbortSignal.any([signal, stop.signal])
      const ending = (error: unknown): never => {
        stop.abort()
        throw error
      }
      until.addEventListener('abort', changes.notify, { once: true })
      await Promise.all([feed(until).catch(ending), connect(until).catch(ending)])
    },
    get idle() {
      return arrived.length === 0 && front.length === 0 && spool.waiting === 0
    },
    get marks() {
      return marksNow()
    },
    get status(): SenderStatus {
      return {
        state: session === undefined && mode === 'direct' ? 'connecting' : mode,
        connected: session !== undefined,
        problem,
        unacknowledgedBytes: frontBytes + arrivedBytes,
        acknowledgedRecords,
        acknowledgedBytes,
        lastAcknowledged,
        sessions,
      }
    },
  }
}

/** Broker errors that say something about the records sent, not about the topic or the right to write to it. */
const RECORD_ERRORS = new Set([2, 10, 18, 32, 87])

function concernsRecords(error: unknown): boolean {
  if (!isAjnaError(error, RECORD_REJECTED)) return false
  const code = error.details['code']
  return typeof code !== 'number' || RECORD_ERRORS.has(code)
}

/** A refusal that would meet every record of the topic is no reason to quarantine records. */
const whole = (error: unknown): unknown =>
  isAjnaError(error, RECORD_REJECTED) && !concernsRecords(error)
    ? new AjnaError(SHIPPING_REFUSED, error.message, { cause: error, details: error.details })
    : error
