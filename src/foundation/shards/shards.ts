import { randomUUID } from 'node:crypto'
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { JOURNAL_NOT_SENT, JOURNAL_OUTCOME_UNKNOWN } from '../journal/errors.ts'
import type { Journal } from '../journal/journal.ts'
import { type Logger, silentLogger } from '../log/log.ts'
import type { ShardsClock, ShardsCommand, ShardsState, ShardTerms, ShardTimes } from './contract.ts'
import type { Action } from './decide.ts'
import { SHARDS_LEFT, SHARDS_TERMS_DIFFER } from './errors.ts'
import { isMember } from './machine.ts'
import { answered, asking, createView, type Hold, holds, look, plan, type View } from './view.ts'
import { startWork, type WorkHandlers } from './work.ts'

const DEFAULT_TIMES: ShardTimes = { beatMs: 1_000, graceMs: 1_500, settleMs: 5_000, movesAtOnce: 4 }

export interface ShardsOptions<S, C> extends WorkHandlers {
  readonly journal: Journal<S, C>
  /** Where in the journal's state the shards are, and how a command of theirs is a command of the journal's. */
  readonly select: (state: S) => ShardsState
  readonly wrap: (command: ShardsCommand) => C
  /** Stays the same when the process restarts; unique among live processes. */
  readonly name: string
  /** Share of the work relative to others', 1 to 16; default 1. */
  readonly weight?: number
  readonly terms: ShardTerms
  /** Default: a beat a second, grace 1.5 s, settle 5 s, 4 moves at a time. */
  readonly times?: Partial<ShardTimes>
  readonly clock?: ShardsClock
  readonly newInstance?: () => string
  readonly logger?: Logger
  /** Ends the joining. */
  readonly signal?: AbortSignal
}

export interface Shards extends AsyncDisposable {
  /** This membership's identity: what the journal knows the owner by. */
  instance(): string
  /** Shards whose work goes on here, with their tokens. Fenced writes need no more than this: a stale token is refused. */
  working(): ReadonlyMap<number, number>
  /**
   * The right to an act that cannot carry a token (a call to a broker). It must end before `until` on the clock given;
   * the span between the last such moment and the first at which another may act is a quarter of the lease.
   */
  holds(shard: number): Hold | undefined
  /** Stops all work, gives everything up at once, and ends. */
  leave(signal?: AbortSignal): Promise<void>
  /** Aborted, with the reason, when the membership ends. */
  readonly stopped: AbortSignal
}

/**
 * Joins a group and takes part until left. An expelled member (it was silent for a lease) joins again by itself.
 *
 * @throws AjnaError SHARDS_TERMS_DIFFER; why the journal stopped
 */
export async function joinShards<S, C>(options: ShardsOptions<S, C>): Promise<Shards> {
  checkTimes(options)
  checkTerms(options.select(options.journal.state()), options.terms)
  const member = startMember(options)
  try {
    await member.joined
  } catch (error) {
    member.stop(asAjnaError(error))
    throw error
  }
  return member.shards
}

interface Member {
  readonly shards: Shards
  readonly joined: Promise<void>
  stop(reason: AjnaError): void
}

function startMember<S, C>(options: ShardsOptions<S, C>): Member {
  const { journal, select, logger = silentLogger } = options
  const clock = options.clock ?? { monotonic: () => performance.now(), wall: Date.now }
  const newInstance = options.newInstance ?? (() => `${options.name}.${randomUUID().slice(0, 8)}`)
  const times = { ...DEFAULT_TIMES, ...options.times }
  const view = createView(newInstance(), select(journal.state()), clock, times)
  const stopping = new AbortController()
  const joined = Promise.withResolvers<void>()
  const work = startWork(options, error => stop(error))
  let wasMember = false
  let leaving = false

  function stop(reason: AjnaError): void {
    if (stopping.signal.aborted) return
    stopping.abort(reason)
    clearInterval(ticking)
    unobserve()
    work.reconcile(new Map())
    joined.reject(reason)
  }

  function see(state: S): void {
    look(view, select(state))
    work.reconcile(leaving ? new Map() : ownedShards(view))
    if (isMember(view.state, view.instance)) wasMember = true
    else if (wasMember && !leaving) rejoin()
  }

  function rejoin(): void {
    logger.warn({ instance: view.instance }, 'expelled from the group, joining again')
    view.instance = newInstance()
    wasMember = false
  }

  function act(): void {
    if (leaving || stopping.signal.aborted) return
    for (const action of plan(view)) perform(action).catch(error => stop(asAjnaError(error)))
  }

  async function perform(action: Action): Promise<void> {
    const asked = asking(view, action)
    const command = commandOf(options, view.instance, action)
    if (action.kind === 'release') await work.drain(action.shards.map(({ shard }) => shard))
    const outcome = await submitSettled(options, command, stopping.signal)
    if (leaving || stopping.signal.aborted) return
    answered(view, action, asked, outcome)
    work.reconcile(ownedShards(view))
    if (action.kind === 'join') {
      checkTerms(view.state, options.terms)
      if (outcome.accepted) joined.resolve()
    }
    act()
  }

  async function leave(signal?: AbortSignal): Promise<void> {
    if (stopping.signal.aborted) return work.idle()
    leaving = true
    try {
      await work.drain([...work.working().keys()])
      const ended = AbortSignal.any([stopping.signal, ...(signal === undefined ? [] : [signal])])
      await submitSettled(options, { kind: 'leave', instance: view.instance }, ended)
    } finally {
      stop(new AjnaError(SHARDS_LEFT, `${view.instance} left the group`))
    }
  }

  const unobserve = journal.observe(event => see(event.state))
  const ticking = setInterval(act, times.beatMs / 4)
  const journalStopped = () => stop(asAjnaError(journal.stopped.reason))
  journal.stopped.addEventListener('abort', journalStopped, { once: true, signal: stopping.signal })
  options.signal?.addEventListener('abort', () => joined.reject(options.signal?.reason), {
    once: true,
    signal: stopping.signal,
  })
  see(journal.state())
  act()

  const shards: Shards = {
    instance: () => view.instance,
    working: work.working,
    holds: shard => (leaving || stopping.signal.aborted ? undefined : holds(view, shard)),
    leave,
    stopped: stopping.signal,
    [Symbol.asyncDispose]: () => leave(),
  }
  return { shards, joined: joined.promise, stop }
}

function ownedShards(view: View): Map<number, number> {
  const owned = new Map<number, number>()
  view.state.assignments.forEach(({ owner, token }, shard) => {
    if (owner === view.instance && !view.leaving.has(shard)) owned.set(shard, token)
  })
  return owned
}

function commandOf(
  { name, weight = 1, terms }: Pick<ShardsOptions<never, never>, 'name' | 'weight' | 'terms'>,
  instance: string,
  action: Action,
): ShardsCommand {
  switch (action.kind) {
    case 'join':
      return { kind: 'join', instance, name, weight, terms }
    case 'beat':
      return { kind: 'beat', instance }
    case 'expel':
      return { kind: 'expel', suspects: [...action.suspects] }
    case 'release':
      return { kind: 'release', instance, shards: [...action.shards] }
    default:
      return action satisfies never
  }
}

/**
 * Submits until it is known what became of it. Once a later own record was read back, one whose wait was given up can
 * never be applied any more; whether it was before, the state shows.
 */
async function submitSettled<S, C>(
  { journal, wrap }: Pick<ShardsOptions<S, C>, 'journal' | 'wrap'>,
  command: ShardsCommand,
  signal: AbortSignal,
): Promise<{ readonly accepted: boolean }> {
  try {
    return await journal.submit(wrap(command), { signal })
  } catch (error) {
    if (signal.aborted || !isAjnaError(error, JOURNAL_OUTCOME_UNKNOWN, JOURNAL_NOT_SENT)) throw error
  }
  for (;;)
    try {
      await journal.sync(signal)
      return { accepted: false }
    } catch (error) {
      if (signal.aborted || !isAjnaError(error, JOURNAL_OUTCOME_UNKNOWN, JOURNAL_NOT_SENT)) throw error
    }
}

function checkTimes({
  terms,
  times,
  name,
}: Pick<ShardsOptions<never, never>, 'terms' | 'times' | 'name'>): void {
  const beatMs = times?.beatMs ?? DEFAULT_TIMES.beatMs
  if (beatMs > 0 && beatMs * 4 <= terms.leaseMs) return
  throw new AjnaError(
    SHARDS_TERMS_DIFFER,
    `${name} would beat every ${beatMs} ms under leases of ${terms.leaseMs} ms; at most a quarter of the lease will do`,
  )
}

function checkTerms(state: ShardsState, terms: ShardTerms): void {
  const agreed = state.terms
  if (agreed === null || (agreed.shards === terms.shards && agreed.leaseMs === terms.leaseMs)) return
  throw new AjnaError(
    SHARDS_TERMS_DIFFER,
    `the group shares ${agreed.shards} shards under leases of ${agreed.leaseMs} ms, this process was given ${terms.shards} and ${terms.leaseMs} ms`,
  )
}

function asAjnaError(error: unknown): AjnaError {
  return isAjnaError(error) ? error : new AjnaError(SHARDS_LEFT, 'the membership ended', { cause: error })
}
