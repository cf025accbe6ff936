import { randomUUID } from 'node:crypto'
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { JOURNAL_NOT_SENT, JOURNAL_OUTCOME_UNKNOWN } from '../journal/errors.ts'
import { type Logger, silentLogger } from '../log/log.ts'
import type { ShardsCommand, ShardsState, ShardTerms } from './contract.ts'
import type { Action } from './decide.ts'
import { SHARDS_LEFT, SHARDS_TERMS_DIFFER } from './errors.ts'
import { isMember } from './machine.ts'
import { DEFAULT_TIMES, type ShardsOptions } from './options.ts'
import { answered, asking, createView, look, plan, type View } from './view.ts'
import { startWork, type Work } from './work.ts'

/** One process' part in a group: what it sees, what it asked for, the work under way. */
export interface Member<S, C> {
  readonly options: ShardsOptions<S, C>
  readonly view: View
  readonly work: Work
  readonly logger: Logger
  readonly stopping: AbortController
  readonly joined: PromiseWithResolvers<void>
  /** Whether this instance was seen among the members: if it is not any more, it was expelled. */
  wasMember: boolean
  leaving: boolean
  /** Ends looking at the journal and the clock. */
  detach: () => void
}

export function startMember<S, C>(options: ShardsOptions<S, C>): Member<S, C> {
  const { journal, select, logger = silentLogger } = options
  const clock = options.clock ?? { monotonic: () => performance.now(), wall: Date.now }
  const times = { ...DEFAULT_TIMES, ...options.times }
  const member: Member<S, C> = {
    options,
    view: createView(newInstance(options), select(journal.state()), clock, times),
    work: startWork(options, error => stopMember(member, error)),
    logger,
    stopping: new AbortController(),
    joined: Promise.withResolvers(),
    wasMember: false,
    leaving: false,
    detach: () => {},
  }
  attach(member)
  see(member, journal.state())
  act(member)
  return member
}

function newInstance({
  name,
  newInstance: given,
}: Pick<ShardsOptions<never, never>, 'name' | 'newInstance'>): string {
  return given?.() ?? `${name}.${randomUUID().slice(0, 8)}`
}

function attach<S, C>(member: Member<S, C>): void {
  const { journal, signal } = member.options
  const unobserve = journal.observe(event => see(member, event.state))
  const ticking = setInterval(() => act(member), member.view.times.beatMs / 4)
  const journalStopped = () => stopMember(member, asAjnaError(journal.stopped.reason))
  const givenUp = () => member.joined.reject(signal?.reason)
  journal.stopped.addEventListener('abort', journalStopped)
  signal?.addEventListener('abort', givenUp)
  member.detach = () => {
    unobserve()
    clearInterval(ticking)
    journal.stopped.removeEventListener('abort', journalStopped)
    signal?.removeEventListener('abort', givenUp)
  }
}

/** Takes no part any more; work ends, what is owned goes to others when the lease is over. */
export function stopMember<S, C>(member: Member<S, C>, reason: AjnaError): void {
  if (member.stopping.signal.aborted) return
  member.stopping.abort(reason)
  member.detach()
  member.work.reconcile(new Map())
  member.joined.reject(reason)
}

/** Ends all work, then gives everything up at once. */
export async function leaveGroup<S, C>(member: Member<S, C>, signal?: AbortSignal): Promise<void> {
  const { work, view, options, stopping } = member
  if (stopping.signal.aborted) return work.idle()
  member.leaving = true
  try {
    await work.drain([...work.working().keys()])
    const ended = AbortSignal.any([stopping.signal, ...(signal === undefined ? [] : [signal])])
    await submitSettled(options, { kind: 'leave', instance: view.instance }, ended)
  } finally {
    stopMember(member, new AjnaError(SHARDS_LEFT, `${view.instance} left the group`))
  }
}

function see<S, C>(member: Member<S, C>, state: S): void {
  const { view, work, options, leaving, logger } = member
  look(view, options.select(state))
  work.reconcile(leaving ? new Map() : ownedShards(view))
  if (isMember(view.state, view.instance)) member.wasMember = true
  else if (member.wasMember && !leaving) {
    logger.warn({ instance: view.instance }, 'expelled from the group, joining again')
    view.instance = newInstance(options)
    member.wasMember = false
  }
}

function act<S, C>(member: Member<S, C>): void {
  if (member.leaving || member.stopping.signal.aborted) return
  for (const action of plan(member.view))
    perform(member, action).catch(error => stopMember(member, asAjnaError(error)))
}

async function perform<S, C>(member: Member<S, C>, action: Action): Promise<void> {
  const { view, work, options, stopping, joined } = member
  const asked = asking(view, action)
  const command = commandOf(options, view.instance, action)
  if (action.kind === 'release') await work.drain(action.shards.map(({ shard }) => shard))
  const outcome = await submitSettled(options, command, stopping.signal)
  if (member.leaving || stopping.signal.aborted) return
  answered(view, action, asked, outcome)
  work.reconcile(ownedShards(view))
  if (action.kind === 'join') {
    checkTerms(view.state, options.terms)
    if (outcome.accepted) joined.resolve()
  }
  act(member)
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

export function checkTerms(state: ShardsState, terms: ShardTerms): void {
  const agreed = state.terms
  if (agreed === null || (agreed.shards === terms.shards && agreed.leaseMs === terms.leaseMs)) return
  throw new AjnaError(
    SHARDS_TERMS_DIFFER,
    `the group shares ${agreed.shards} shards under leases of ${agreed.leaseMs} ms, this process was given ${terms.shards} and ${terms.leaseMs} ms`,
  )
}

export function asAjnaError(error: unknown): AjnaError {
  return isAjnaError(error) ? error : new AjnaError(SHARDS_LEFT, 'the membership ended', { cause: error })
}
