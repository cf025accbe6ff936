import { setTimeout as sleep } from 'node:timers/promises'
import { AjnaError, describeError, isAjnaError } from '../errors/errors.ts'
import type { Logger } from '../log/log.ts'
import type { OrderedLog } from './contract.ts'
import {
  JOURNAL_CLOSED,
  JOURNAL_NOT_SENT,
  JOURNAL_OUTCOME_UNKNOWN,
  JOURNAL_REFUSED,
  JOURNAL_TOO_LARGE,
} from './errors.ts'
import type { Draft } from './record.ts'
import type { Replica, Verdict } from './replica.ts'
import { type Received, type SealedRecord, type Session, seal } from './session.ts'

/** One record may be this large, so that the topic's max.message.bytes (8 MiB) always has room for it. */
export const MAX_RECORD_BYTES = 4 * 1024 * 1024
const MAX_QUEUED_BYTES = 8 * 1024 * 1024
const MAX_BATCH_BYTES = 512 * 1024
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1_000

export interface Settled<S, C> {
  readonly verdict: Verdict<C>
  readonly offset: number
  /** As it was right after the record. */
  readonly replica: Replica<S>
}

interface Ticket<S, C> {
  readonly draft: Draft
  readonly bytes: number
  readonly settle: (settled: Settled<S, C>) => void
  readonly fail: (error: unknown) => void
}

/** Brings drafts into the log and tells each what became of it. */
export interface Sender<S, C> {
  /**
   * Resolves when the record was read back.
   *
   * @throws AjnaError JOURNAL_OUTCOME_UNKNOWN when the signal ends the wait after the record was sealed, JOURNAL_NOT_SENT
   *   when it ends it before
   */
  send(draft: Draft, signal: AbortSignal): Promise<Settled<S, C>>
  /** Called by the reader after each record. */
  received(received: Received<C>, offset: number): void
  /** Records whose outcome nobody will ever learn. */
  lost(seqs: readonly number[]): void
  /** Ends every wait. */
  stop(reason: AjnaError): void
}

export interface SenderOptions<S, C> {
  readonly session: Session<S, C>
  readonly log: OrderedLog
  /** Wall clock, ms. */
  readonly now: () => number
  readonly random: () => number
  readonly logger: Logger
}

export function startSender<S, C>({ session, log, now, random, logger }: SenderOptions<S, C>): Sender<S, C> {
  let queue: Ticket<S, C>[] = []
  let queuedBytes = 0
  const sealedTickets = new Map<number, Ticket<S, C>>()
  const stopping = new AbortController()
  let changed = Promise.withResolvers<void>()

  function wake(): void {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }

  async function room(signal: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([signal, stopping.signal])
    while (queuedBytes > MAX_QUEUED_BYTES && !ended.aborted)
      await raceAbort(changed.promise, ended).catch(onlyAbort)
    stopping.signal.throwIfAborted()
    if (signal.aborted) throw notSent(signal.reason)
  }

  async function send(draft: Draft, signal: AbortSignal): Promise<Settled<S, C>> {
    const bytes = Buffer.byteLength(JSON.stringify(draft))
    if (bytes > MAX_RECORD_BYTES)
      throw new AjnaError(
        JOURNAL_TOO_LARGE,
        `${log.name}: a ${draft.kind} of ${bytes} bytes, at most ${MAX_RECORD_BYTES} fit`,
      )
    await room(signal)
    const { promise, resolve, reject } = Promise.withResolvers<Settled<S, C>>()
    const ticket: Ticket<S, C> = { draft, bytes, settle: resolve, fail: reject }
    queue.push(ticket)
    queuedBytes += bytes
    wake()
    const giveUp = () => abandon(ticket, signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    return promise.finally(() => signal.removeEventListener('abort', giveUp))
  }

  function abandon(ticket: Ticket<S, C>, reason: unknown): void {
    const waiting = queue.indexOf(ticket)
    if (waiting >= 0) {
      queue.splice(waiting, 1)
      queuedBytes -= ticket.bytes
      ticket.fail(notSent(reason))
      wake()
      return
    }
    for (const [seq, sealed] of sealedTickets)
      if (sealed === ticket) {
        sealedTickets.delete(seq)
        session.open.delete(seq)
        ticket.fail(unknownOutcome(reason))
      }
  }

  function notSent(cause: unknown): AjnaError {
    return new AjnaError(JOURNAL_NOT_SENT, `${log.name}: the wait ended before the record was sent`, {
      cause,
    })
  }

  function unknownOutcome(cause: unknown): AjnaError {
    return new AjnaError(
      JOURNAL_OUTCOME_UNKNOWN,
      `${log.name}: the wait ended before the record was read back`,
      { cause },
    )
  }

  function sealBatch(): SealedRecord[] {
    const batch: SealedRecord[] = []
    let bytes = 0
    while (queue.length > 0 && (batch.length === 0 || bytes + queue[0]!.bytes <= MAX_BATCH_BYTES)) {
      const ticket = queue.shift()!
      queuedBytes -= ticket.bytes
      bytes += ticket.bytes
      const sealed = seal(session, ticket.draft, now())
      sealedTickets.set(sealed.seq, ticket)
      batch.push(sealed)
    }
    wake()
    return batch
  }

  /** Appends until acknowledged or read back. Copies do no harm; giving up would leave the outcome open. */
  async function append(batch: readonly SealedRecord[]): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const open = batch.filter(record => session.open.has(record.seq))
      if (open.length === 0 || stopping.signal.aborted) return
      try {
        return await log.append(
          open.map(record => record.value),
          stopping.signal,
        )
      } catch (error) {
        if (stopping.signal.aborted) return
        if (isAjnaError(error, JOURNAL_REFUSED)) return refuse(open, error)
        logger.debug({ log: log.name, err: describeError(error), attempt }, 'append failed, trying again')
      }
      const backoff = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt) * (0.5 + random() / 2)
      await sleep(backoff, undefined, { signal: stopping.signal }).catch(onlyAbort)
    }
  }

  function refuse(records: readonly SealedRecord[], error: AjnaError): void {
    for (const { seq } of records) {
      session.open.delete(seq)
      takeTicket(seq)?.fail(error)
    }
  }

  function takeTicket(seq: number): Ticket<S, C> | undefined {
    const ticket = sealedTickets.get(seq)
    sealedTickets.delete(seq)
    return ticket
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (queue.length === 0) await raceAbort(changed.promise, stopping.signal).catch(onlyAbort)
      else await append(sealBatch())
    }
  }

  function received({ verdict, settles, overtaken }: Received<C>, offset: number): void {
    if (settles !== undefined) takeTicket(settles)?.settle({ verdict, offset, replica: session.replica })
    const again = overtaken.map(takeTicket).filter(ticket => ticket !== undefined)
    if (again.length === 0) return
    queue = [...again, ...queue]
    for (const ticket of again) queuedBytes += ticket.bytes
    wake()
  }

  function lost(seqs: readonly number[]): void {
    for (const seq of seqs) takeTicket(seq)?.fail(unknownOutcome(new Error('a snapshot was loaded over it')))
  }

  function stop(reason: AjnaError): void {
    stopping.abort(reason)
    for (const ticket of queue.splice(0)) ticket.fail(reason)
    for (const ticket of sealedTickets.values()) ticket.fail(unknownOutcome(reason))
    sealedTickets.clear()
    queuedBytes = 0
  }

  run().catch(error =>
    stop(new AjnaError(JOURNAL_CLOSED, `${log.name}: the sender failed`, { cause: error })),
  )
  return { send, received, lost, stop }
}

async function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort))
}

/** The waits above end early only by a signal, which is looked at right after. */
function onlyAbort(): void {}
