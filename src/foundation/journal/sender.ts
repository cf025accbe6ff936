import { setTimeout as sleep } from 'node:timers/promises'
import { AjnaError, describeError, isAjnaError } from '../errors/errors.ts'
import type { Logger } from '../log/log.ts'
import { abortable } from '../wire/backoff.ts'
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

export interface SenderOptions<S, C> {
  readonly session: Session<S, C>
  readonly log: OrderedLog
  /** Wall clock, ms. */
  readonly now: () => number
  readonly random: () => number
  readonly logger: Logger
}

/** Brings drafts into the log, one batch at a time, and tells each what became of it. */
export interface Sender<S, C> extends SenderOptions<S, C> {
  /** Not sealed yet. */
  readonly queue: Ticket<S, C>[]
  queuedBytes: number
  /** Sealed and not read back yet, by sequence. */
  readonly sealed: Map<number, Ticket<S, C>>
  readonly stopping: AbortController
  /** Resolved, and made anew, whenever the queue changes. */
  changed: PromiseWithResolvers<void>
}

export function startSender<S, C>(options: SenderOptions<S, C>): Sender<S, C> {
  const sender: Sender<S, C> = {
    ...options,
    queue: [],
    queuedBytes: 0,
    sealed: new Map(),
    stopping: new AbortController(),
    changed: Promise.withResolvers(),
  }
  run(sender).catch(error =>
    stopSender(
      sender,
      new AjnaError(JOURNAL_CLOSED, `${options.log.name}: the sender failed`, { cause: error }),
    ),
  )
  return sender
}

/**
 * Resolves when the record was read back.
 *
 * @throws AjnaError JOURNAL_OUTCOME_UNKNOWN when the signal ends the wait after the record was sealed, JOURNAL_NOT_SENT
 *   when it ends it before, JOURNAL_TOO_LARGE, JOURNAL_REFUSED, or why the journal stopped
 */
export async function send<S, C>(
  sender: Sender<S, C>,
  draft: Draft,
  signal: AbortSignal,
): Promise<Settled<S, C>> {
  const bytes = Buffer.byteLength(JSON.stringify(draft))
  if (bytes > MAX_RECORD_BYTES)
    throw new AjnaError(
      JOURNAL_TOO_LARGE,
      `${sender.log.name}: a ${draft.kind} of ${bytes} bytes, at most ${MAX_RECORD_BYTES} fit`,
    )
  await room(sender, signal)
  const { promise, resolve, reject } = Promise.withResolvers<Settled<S, C>>()
  const ticket = { draft, bytes, settle: resolve, fail: reject }
  enqueue(sender, [ticket])
  const giveUp = () => abandon(sender, ticket, signal.reason)
  signal.addEventListener('abort', giveUp, { once: true })
  return promise.finally(() => signal.removeEventListener('abort', giveUp))
}

/** To be called by the reader after each record. */
export function noteReceived<S, C>(sender: Sender<S, C>, received: Received<C>, offset: number): void {
  const { verdict, settles, overtaken } = received
  const { replica } = sender.session
  if (settles !== undefined) takeSealed(sender, settles)?.settle({ verdict, offset, replica })
  const again = overtaken.map(seq => takeSealed(sender, seq)).filter(ticket => ticket !== undefined)
  if (again.length > 0) enqueue(sender, again)
}

/** Own records that were applied unseen: their outcome nobody will ever learn. */
export function noteLost<S, C>(sender: Sender<S, C>, seqs: readonly number[]): void {
  for (const seq of seqs)
    takeSealed(sender, seq)?.fail(unknownOutcome(sender, new Error('a snapshot was loaded over it')))
}

/** Ends every wait. */
export function stopSender<S, C>(sender: Sender<S, C>, reason: AjnaError): void {
  sender.stopping.abort(reason)
  for (const ticket of sender.queue.splice(0)) ticket.fail(reason)
  for (const ticket of sender.sealed.values()) ticket.fail(unknownOutcome(sender, reason))
  sender.sealed.clear()
  sender.queuedBytes = 0
}

/** Waits until the queue has room: a full one holds its writers back. */
async function room<S, C>(sender: Sender<S, C>, signal: AbortSignal): Promise<void> {
  const { stopping } = sender
  const ended = AbortSignal.any([signal, stopping.signal])
  while (sender.queuedBytes > MAX_QUEUED_BYTES && !ended.aborted)
    await abortable(sender.changed.promise, ended).catch(onlyAbort)
  stopping.signal.throwIfAborted()
  if (signal.aborted) throw notSent(sender, signal.reason)
}

function enqueue<S, C>(sender: Sender<S, C>, tickets: readonly Ticket<S, C>[]): void {
  sender.queue.push(...tickets)
  for (const { bytes } of tickets) sender.queuedBytes += bytes
  wake(sender)
}

function wake<S, C>(sender: Sender<S, C>): void {
  sender.changed.resolve()
  sender.changed = Promise.withResolvers()
}

function abandon<S, C>(sender: Sender<S, C>, ticket: Ticket<S, C>, reason: unknown): void {
  const waiting = sender.queue.indexOf(ticket)
  if (waiting >= 0) {
    sender.queue.splice(waiting, 1)
    sender.queuedBytes -= ticket.bytes
    ticket.fail(notSent(sender, reason))
    wake(sender)
    return
  }
  for (const [seq, sealed] of sender.sealed) {
    if (sealed !== ticket) continue
    forget(sender, seq)
    ticket.fail(unknownOutcome(sender, reason))
  }
}

async function run<S, C>(sender: Sender<S, C>): Promise<void> {
  const { signal } = sender.stopping
  while (!signal.aborted) {
    if (sender.queue.length > 0) await append(sender, sealBatch(sender))
    else await abortable(sender.changed.promise, signal).catch(onlyAbort)
  }
}

/** Sealed as late as possible, so that sequences follow the order of sending and the basis is fresh. */
function sealBatch<S, C>(sender: Sender<S, C>): SealedRecord[] {
  const { queue, session } = sender
  const batch: SealedRecord[] = []
  let bytes = 0
  while (queue.length > 0 && (batch.length === 0 || bytes + queue[0]!.bytes <= MAX_BATCH_BYTES)) {
    const ticket = queue.shift()!
    sender.queuedBytes -= ticket.bytes
    bytes += ticket.bytes
    const record = seal(session, ticket.draft, sender.now())
    sender.sealed.set(record.seq, ticket)
    batch.push(record)
  }
  wake(sender)
  return batch
}

/** Appends until acknowledged or read back. Copies do no harm; giving up would leave the outcome open. */
async function append<S, C>(sender: Sender<S, C>, batch: readonly SealedRecord[]): Promise<void> {
  const { session, log, logger, random } = sender
  const { signal } = sender.stopping
  for (let attempt = 0; !signal.aborted; attempt++) {
    const open = batch.filter(record => session.open.has(record.seq))
    if (open.length === 0) return
    try {
      const values = open.map(record => record.value)
      return await log.append(values, signal)
    } catch (error) {
      if (signal.aborted) return
      if (isAjnaError(error, JOURNAL_REFUSED)) return refuse(sender, open, error)
      logger.debug({ log: log.name, err: describeError(error), attempt }, 'append failed, trying again')
    }
    const backoff = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt) * (0.5 + random() / 2)
    await sleep(backoff, undefined, { signal }).catch(onlyAbort)
  }
}

function refuse<S, C>(sender: Sender<S, C>, records: readonly SealedRecord[], error: AjnaError): void {
  for (const { seq } of records) {
    const ticket = takeSealed(sender, seq)
    forget(sender, seq)
    ticket?.fail(error)
  }
}

function takeSealed<S, C>(sender: Sender<S, C>, seq: number): Ticket<S, C> | undefined {
  const ticket = sender.sealed.get(seq)
  sender.sealed.delete(seq)
  return ticket
}

/** Nobody waits for it any more: it is not appended again. */
function forget<S, C>(sender: Sender<S, C>, seq: number): void {
  sender.sealed.delete(seq)
  sender.session.open.delete(seq)
}

function notSent<S, C>({ log }: Sender<S, C>, cause: unknown): AjnaError {
  return new AjnaError(JOURNAL_NOT_SENT, `${log.name}: the wait ended before the record was sent`, { cause })
}

function unknownOutcome<S, C>({ log }: Sender<S, C>, cause: unknown): AjnaError {
  return new AjnaError(
    JOURNAL_OUTCOME_UNKNOWN,
    `${log.name}: the wait ended before the record was read back`,
    { cause },
  )
}

/** The waits above end early only by a signal, which is looked at right after. */
function onlyAbort(): void {}
