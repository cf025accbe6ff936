import { randomUUID } from 'node:crypto'
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { type Logger, silentLogger } from '../log/log.ts'
import { streamChanges } from './changes.ts'
import type { ChangeEvent, Machine, OrderedLog, Outcome } from './contract.ts'
import { JOURNAL_CLOSED } from './errors.ts'
import type { Loaded } from './load.ts'
import { loadPastDeletions, readForEver } from './reader.ts'
import { replicaDigest } from './replica.ts'
import { type Sender, type Settled, startSender } from './sender.ts'
import { createSession, type Received, type Session } from './session.ts'
import { startSnapshots } from './snapshots.ts'

const DEFAULT_WAIT_MS = 30_000

export interface JournalOptions<S, C> {
  /** Belongs to the journal from here on: closed with it. */
  readonly log: OrderedLog
  readonly machine: Machine<S, C>
  /** Records between snapshots; default 2,000. A record of the newest two generations is never deleted. */
  readonly snapshotEvery?: number
  /** Wall clock, ms since the epoch: for people who read the log. */
  readonly now?: () => number
  readonly random?: () => number
  /** Must never repeat, in any process: `[0-9a-z-]{1,64}`. */
  readonly writer?: string
  readonly logger?: Logger
  /** What needs a person but does not stop the journal: a snapshot that does not fit, records that cannot be deleted. */
  readonly onAlarm?: (alarm: AjnaError) => void
  /** Ends the opening (not the journal). */
  readonly signal?: AbortSignal
}

export interface SubmitOptions {
  /** Ends the wait; a default of 30 s applies besides. */
  readonly signal?: AbortSignal
  /** The version of the journal that the command was decided on: refused ('stale') when anything was accepted since. */
  readonly decidedOn?: number
}

export interface Journal<S, C> extends AsyncDisposable {
  /** As of the last record this process has read: at least as new as every own outcome, possibly older than others'. */
  state(): S
  /** Commands accepted so far. */
  version(): number
  /** The offset the state stands at, and a hash that is equal for all replicas that stand there. */
  digest(): { readonly next: number; readonly digest: string }
  /**
   * Resolves when the command was read back, accepted or refused.
   *
   * @throws AjnaError JOURNAL_OUTCOME_UNKNOWN, JOURNAL_TOO_LARGE, JOURNAL_REFUSED, or why the journal stopped
   */
  submit(command: C, options?: SubmitOptions): Promise<Outcome<S>>
  /** Decides on the current state and submits, again and again while others are faster. Undefined when nothing is to be done. */
  update(
    decide: (state: S) => C | undefined,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Outcome<S> | undefined>
  /** The state as new as this call: what anyone had accepted before it is in it. */
  sync(signal?: AbortSignal): Promise<S>
  /** Calls the listener in log order, as records are applied; it must not throw or wait. Returns how to end it. */
  observe(listener: (event: ChangeEvent<S, C>) => void): () => void
  /** The same as a stream; a consumer more than 1,024 changes behind gets a reset. Ends by throwing why the journal stopped. */
  changes(signal?: AbortSignal): AsyncIterable<ChangeEvent<S, C>>
  /** Aborted, with the reason, when the journal stops by itself or is closed. */
  readonly stopped: AbortSignal
  close(): Promise<void>
}

/**
 * Opens a journal and resolves when it has applied all that was in the log at the time of calling.
 *
 * @throws AjnaError JOURNAL_TOO_NEW, JOURNAL_DIVERGED, JOURNAL_LOG_LOST; what the log throws
 */
export async function openJournal<S, C>(options: JournalOptions<S, C>): Promise<Journal<S, C>> {
  try {
    const loaded = await loadPastDeletions(options.log, options.machine, options.signal ?? neverAborted())
    const running = startJournal(options, loaded)
    await running.caughtUp
    return running.journal
  } catch (error) {
    await options.log[Symbol.asyncDispose]()
    throw error
  }
}

interface Running<S, C> {
  readonly journal: Journal<S, C>
  readonly caughtUp: Promise<void>
}

function startJournal<S, C>(options: JournalOptions<S, C>, loaded: Loaded<S>): Running<S, C> {
  const { log, machine, logger = silentLogger, random = Math.random, now = Date.now } = options
  const stopping = new AbortController()
  const caughtUp = Promise.withResolvers<void>()
  const listeners = new Set<(event: ChangeEvent<S, C>) => void>()
  const session = createSession(machine, options.writer ?? randomUUID(), loaded.replica)
  const sender = startSender({ session, log, now, random, logger })
  const snapshots = startSnapshots({
    session,
    log,
    sender,
    every: options.snapshotEvery ?? 2_000,
    random,
    alarm: options.onAlarm ?? (alarm => logger.error({ err: alarm }, 'journal')),
    signal: stopping.signal,
  })

  function stop(reason: AjnaError): void {
    if (stopping.signal.aborted) return
    stopping.abort(reason)
    sender.stop(reason)
    caughtUp.reject(reason)
  }

  function notify(event: ChangeEvent<S, C>): void {
    for (const listener of listeners) listener(event)
  }

  function onRecord(received: Received<C>, offset: number): void {
    const { verdict } = received
    sender.received(received, offset)
    if (verdict.kind === 'accepted')
      notify({ kind: 'change', command: verdict.command, meta: verdict.meta, state: session.replica.state })
    if (verdict.kind === 'refused')
      logger.trace({ log: log.name, offset, by: verdict.by, reason: verdict.reason }, 'refused')
  }

  function onGroup(): void {
    if (session.replica.next < loaded.end) return
    caughtUp.resolve()
    snapshots.consider()
  }

  function onJump(lost: readonly number[]): void {
    sender.lost(lost)
    const { state, next } = session.replica
    notify({ kind: 'reset', state, next })
  }

  const signal = stopping.signal
  const reading = readForEver({ session, log, onRecord, onGroup, onJump, signal }).catch(error =>
    stop(stopReason(log, error)),
  )
  if (session.replica.next >= loaded.end) caughtUp.resolve()
  const giveUp = () => stop(stopReason(log, options.signal?.reason))
  options.signal?.addEventListener('abort', giveUp, { once: true })

  async function close(): Promise<void> {
    stop(new AjnaError(JOURNAL_CLOSED, `${log.name} was closed`))
    await Promise.all([reading, snapshots.idle()])
    await log[Symbol.asyncDispose]()
  }

  const listen = (listener: (event: ChangeEvent<S, C>) => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  return {
    caughtUp: caughtUp.promise.finally(() => options.signal?.removeEventListener('abort', giveUp)),
    journal: {
      state: () => session.replica.state,
      version: () => session.replica.version,
      digest: () => ({ next: session.replica.next, digest: replicaDigest(session.replica) }),
      ...commands(session, sender),
      observe: listen,
      changes: until => streamChanges(listen, () => session.replica, signal, until),
      stopped: signal,
      close,
      [Symbol.asyncDispose]: close,
    },
  }
}

function commands<S, C>(
  session: Session<S, C>,
  sender: Sender<S, C>,
): Pick<Journal<S, C>, 'submit' | 'update' | 'sync'> {
  async function submit(command: C, { signal, decidedOn }: SubmitOptions = {}): Promise<Outcome<S>> {
    const draft = { kind: 'command', machine: session.machine.version, decidedOn, body: command } as const
    return outcomeOf(await sender.send(draft, deadline(signal)))
  }

  async function update(
    decide: (state: S) => C | undefined,
    { signal }: Pick<SubmitOptions, 'signal'> = {},
  ): Promise<Outcome<S> | undefined> {
    const whole = deadline(signal)
    for (;;) {
      const { state, version } = session.replica
      const command = decide(state)
      if (command === undefined) return undefined
      const outcome = await submit(command, { signal: whole, decidedOn: version })
      if (outcome.accepted || outcome.by !== 'stale') return outcome
    }
  }

  async function sync(signal?: AbortSignal): Promise<S> {
    return (await sender.send({ kind: 'barrier' }, deadline(signal))).replica.state
  }

  return { submit, update, sync }
}

function outcomeOf<S, C>({ verdict, offset, replica }: Settled<S, C>): Outcome<S> {
  if (verdict.kind === 'accepted')
    return { accepted: true, offset, version: replica.version, state: replica.state }
  if (verdict.kind === 'refused') return { accepted: false, offset, by: verdict.by, reason: verdict.reason }
  throw new Error(`a command was read back as ${verdict.kind}`)
}

function deadline(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(DEFAULT_WAIT_MS)
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout])
}

function stopReason(log: OrderedLog, error: unknown): AjnaError {
  return isAjnaError(error)
    ? error
    : new AjnaError(JOURNAL_CLOSED, `${log.name} cannot be read on`, { cause: error })
}

function neverAborted(): AbortSignal {
  return new AbortController().signal
}
