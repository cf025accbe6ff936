import { AjnaError } from '../errors/errors.ts'
import { SHARDS_TERMS_DIFFER } from './errors.ts'
import { asAjnaError, checkTerms, leaveGroup, startMember, stopMember } from './member.ts'
import { DEFAULT_TIMES, type ShardsOptions } from './options.ts'
import { type Hold, holds } from './view.ts'

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
  const { view, work, stopping } = member
  try {
    await member.joined.promise
  } catch (error) {
    stopMember(member, asAjnaError(error))
    throw error
  }
  return {
    instance: () => view.instance,
    working: work.working,
    holds: shard => (member.leaving || stopping.signal.aborted ? undefined : holds(view, shard)),
    leave: signal => leaveGroup(member, signal),
    stopped: stopping.signal,
    [Symbol.asyncDispose]: () => leaveGroup(member),
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
