import { randomUUID } from 'node:crypto'
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { type Logger, silentLogger } from '../log/log.ts'
import { streamChanges } from './changes.ts'
import type { ChangeEvent, Machine, OrderedLog, Outcome } from './contract.ts'
import { JOURNAL_CLOSED } from './errors.ts'
import type { Loaded } from './load.ts'
import { loadPastDeletions, readForEver } from './reader.ts'
import { replicaDigest } from './replica.ts'
import { noteLost, noteReceived, type Sender, type Settled, send, startSender, stopSender } from './sender.ts'
import { createSession, type Received, type Session } from './session.ts'
import { type Snapshots, startSnapshots } from './snapshots.ts'

const DEFAULT_WAIT_MS = 30_000
const DEFAULT_SNAPSHOT_EVERY = 2_000

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
  /** Of its log (`OrderedLog.identity`): offsets are only compared with those of the same one. */
  readonly identity: string
  /** As of the last record this process has read: at least as new as every own outcome, possibly older than others'. */
  state(): S
  /** Commands accepted so far. */
  version(): number
  /** One past the last record that the state follows from: at the log's end, the state is as new as it can be. */
  position(): number
  /** The offset the state stands at, and a hash that is equal for all replicas that stand there. */
  digest(): { readonly next: number; readonly digest: string }
  /**
   * Resolves when the command was read back, accepted or refused.
   *
   * @throws AjnaError JOURNAL_OUTCOME_UNKNOWN, JOURNAL_NOT_SENT, JOURNAL_TOO_LARGE, JOURNAL_REFUSED, or why the journal
   *   stopped
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
    const signal = options.signal ?? new AbortController().signal
    const loaded = await loadPastDeletions(options.log, options.machine, signal)
    const identity = await options.log.identity(signal)
    const running = startJournal(options, identity, loaded)
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

/** What the parts of an open journal share. */
interface Context<S, C> {
  readonly options: JournalOptions<S, C>
  readonly identity: string
  readonly logger: Logger
  readonly session: Session<S, C>
  readonly sender: Sender<S, C>
  readonly snapshots: Snapshots
  readonly listeners: Set<(event: ChangeEvent<S, C>) => void>
  readonly stopping: AbortController
  readonly caughtUp: PromiseWithResolvers<void>
  /** One past the last record that was in the log when it was opened. */
  readonly end: number
}

function startJournal<S, C>(
  options: JournalOptions<S, C>,
  identity: string,
  loaded: Loaded<S>,
): Running<S, C> {
  const context = createContext(options, identity, loaded)
  const { log } = options
  const { session, stopping, caughtUp } = context
  const reading = readForEver({
    session,
    log,
    onRecord: (received, offset) => applied(context, received, offset),
    onGroup: () => groupApplied(context),
    onJump: lost => jumped(context, lost),
    signal: stopping.signal,
  }).catch(error => stop(context, stopReason(log, error)))
  if (session.replica.next >= loaded.end) caughtUp.resolve()
  const giveUp = () => stop(context, stopReason(log, options.signal?.reason))
  options.signal?.addEventListener('abort', giveUp, { once: true })
  return {
    caughtUp: caughtUp.promise.finally(() => options.signal?.removeEventListener('abort', giveUp)),
    journal: frontOf(context, reading),
  }
}

function createContext<S, C>(
  options: JournalOptions<S, C>,
  identity: string,
  loaded: Loaded<S>,
): Context<S, C> {
  const { log, machine, logger = silentLogger, random = Math.random, now = Date.now } = options
  const stopping = new AbortController()
  const session = createSession(machine, options.writer ?? randomUUID(), loaded.replica)
  const sender = startSender({ session, log, now, random, logger })
  const snapshots = startSnapshots({
    session,
    log,
    sender,
    every: options.snapshotEvery ?? DEFAULT_SNAPSHOT_EVERY,
    random,
    alarm: options.onAlarm ?? (alarm => logger.error({ err: alarm }, 'journal')),
    signal: stopping.signal,
  })
  const caughtUp = Promise.withResolvers<void>()
  return {
    options,
    identity,
    logger,
    session,
    sender,
    snapshots,
    listeners: new Set(),
    stopping,
    caughtUp,
    end: loaded.end,
  }
}

function stop<S, C>({ stopping, sender, caughtUp }: Context<S, C>, reason: AjnaError): void {
  if (stopping.signal.aborted) return
  stopping.abort(reason)
  stopSender(sender, reason)
  caughtUp.reject(reason)
}

function applied<S, C>(context: Context<S, C>, received: Received<C>, offset: number): void {
  const { verdict } = received
  noteReceived(context.sender, received, offset)
  if (verdict.kind === 'accepted') {
    const { command, meta } = verdict
    notify(context, { kind: 'change', command, meta, state: context.session.replica.state })
  }
  if (verdict.kind === 'refused') {
    const { by, reason } = verdict
    context.logger.trace({ log: context.options.log.name, offset, by, reason }, 'refused')
  }
}

function groupApplied<S, C>({ session, end, caughtUp, snapshots }: Context<S, C>): void {
  if (session.replica.next < end) return
  caughtUp.resolve()
  snapshots.consider()
}

function jumped<S, C>(context: Context<S, C>, lost: readonly number[]): void {
  noteLost(context.sender, lost)
  const { state, next } = context.session.replica
  notify(context, { kind: 'reset', state, next })
}

function notify<S, C>({ listeners }: Context<S, C>, event: ChangeEvent<S, C>): void {
  for (const listener of listeners) listener(event)
}

function frontOf<S, C>(context: Context<S, C>, reading: Promise<void>): Journal<S, C> {
  const { session, snapshots, listeners, stopping, options, identity } = context
  const observe = (listener: (event: ChangeEvent<S, C>) => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  async function close(): Promise<void> {
    stop(context, new AjnaError(JOURNAL_CLOSED, `${options.log.name} was closed`))
    await Promise.all([reading, snapshots.idle()])
    await options.log[Symbol.asyncDispose]()
  }
  return {
    identity,
    state: () => session.replica.state,
    version: () => session.replica.version,
    position: () => session.replica.next,
    digest: () => ({ next: session.replica.next, digest: replicaDigest(session.replica) }),
    submit: (command, submitOptions) => submit(context, command, submitOptions),
    update: (decide, updateOptions) => update(context, decide, updateOptions),
    sync: async signal => (await send(context.sender, { kind: 'barrier' }, deadline(signal))).replica.state,
    observe,
    changes: until => streamChanges(observe, () => session.replica, stopping.signal, until),
    stopped: stopping.signal,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function submit<S, C>(
  { session, sender }: Context<S, C>,
  command: C,
  { signal, decidedOn }: SubmitOptions = {},
): Promise<Outcome<S>> {
  const draft = { kind: 'command', machine: session.machine.version, decidedOn, body: command } as const
  return outcomeOf(await send(sender, draft, deadline(signal)))
}

async function update<S, C>(
  context: Context<S, C>,
  decide: (state: S) => C | undefined,
  { signal }: Pick<SubmitOptions, 'signal'> = {},
): Promise<Outcome<S> | undefined> {
  const whole = deadline(signal)
  for (;;) {
    const { state, version } = context.session.replica
    const command = decide(state)
    if (command === undefined) return undefined
    const outcome = await submit(context, command, { signal: whole, decidedOn: version })
    if (outcome.accepted || (outcome.by !== 'stale' && outcome.by !== 'expired')) return outcome
  }
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
