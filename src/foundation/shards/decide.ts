import type { ShardsState, ShardTimes } from './contract.ts'
import { isMember } from './machine.ts'
import { preferredOwner } from './rendezvous.ts'

/**
 * Who may act when. All times are ms on this process' monotonic clock; L is the lease of the group's terms.
 *
 * An owner asks for its lease with a beat. Read back as accepted, the beat gives it the right to act until 3/4 L after
 * it *asked*. Another member may ask to expel it L after it *saw* that beat, which is later than the asking. At replay
 * the expulsion counts only if that beat still is the last one: so whatever beat an expelled member ever read back, it
 * asked for it more than L before its shards were given to anyone else. The quarter in between is for clocks whose
 * rates differ (by up to 25 %) and for the time between a look at the lease and the end of the act.
 */
export function leaseEnd(askedAt: number, leaseMs: number): number {
  return askedAt + (leaseMs * 3) / 4
}

/** What a member knows of another: when this process saw its last beat, and since when it has known it. */
export interface Sighting {
  readonly beat: number
  readonly at: number
  readonly since: number
}

export interface Facts {
  readonly now: number
  readonly state: ShardsState
  readonly me: string
  readonly sightings: ReadonlyMap<string, Sighting>
  /** Since when own records have come back from the log without a long gap; nothing while they do not. */
  readonly flowingSince: number | undefined
  /** When the last beat was asked for. */
  readonly lastBeat: number
  /** When shards were last given up. */
  readonly lastRelease: number
  /** What was asked for and is not answered yet. */
  readonly awaiting: ReadonlySet<Action['kind']>
  readonly times: ShardTimes
}

export type Action =
  | { readonly kind: 'join' }
  | { readonly kind: 'beat' }
  | {
      readonly kind: 'expel'
      readonly suspects: readonly { readonly instance: string; readonly beat: number }[]
    }
  | {
      readonly kind: 'release'
      readonly shards: readonly { readonly shard: number; readonly token: number }[]
    }

/** Time between members that would expel the same suspect, so that mostly one of them has to ask. */
const TURN_MS = 200

export function decide(facts: Facts): Action[] {
  const { state, me, now, times, lastBeat, awaiting } = facts
  if (!isMember(state, me)) return awaiting.has('join') ? [] : [{ kind: 'join' }]
  const actions: Action[] = []
  if (!awaiting.has('beat') && now - lastBeat >= times.beatMs) actions.push({ kind: 'beat' })
  const suspects = awaiting.has('expel') ? [] : suspectsOf(facts)
  if (suspects.length > 0) actions.push({ kind: 'expel', suspects })
  const shards = awaiting.has('release') ? [] : releasable(facts)
  if (shards.length > 0) actions.push({ kind: 'release', shards })
  return actions
}

/**
 * Members silent for a whole lease. When the log itself stood still (a leader died), silence says nothing about anyone:
 * first it must have flowed again for a while.
 */
function suspectsOf({ now, state, me, sightings, flowingSince, times }: Facts) {
  const leaseMs = state.terms?.leaseMs ?? Number.POSITIVE_INFINITY
  if (flowingSince === undefined || now - flowingSince < times.graceMs) return []
  const silentFor = (instance: string) => now - (sightings.get(instance)?.at ?? now)
  const others = Object.keys(state.members).filter(instance => instance !== me)
  const silent = others.filter(instance => silentFor(instance) >= leaseMs)
  const turn = others.filter(instance => instance < me && !silent.includes(instance)).length
  return silent
    .filter(instance => silentFor(instance) >= leaseMs + turn * TURN_MS)
    .map(instance => ({ instance, beat: sightings.get(instance)!.beat }))
}

/** Own shards that are meant for another, lively and settled member: a few at a time, so that a newcomer is no avalanche. */
function releasable({ now, state, me, sightings, lastRelease, times }: Facts) {
  if (now - lastRelease < times.beatMs) return []
  const leaseMs = state.terms?.leaseMs ?? 0
  const settled = (instance: string) => {
    const sighting = sightings.get(instance)
    return sighting !== undefined && now - sighting.since >= times.settleMs && now - sighting.at < leaseMs / 2
  }
  const shards: { shard: number; token: number }[] = []
  for (let shard = 0; shard < state.assignments.length && shards.length < times.movesAtOnce; shard++) {
    const { owner, token } = state.assignments[shard]!
    if (owner !== me) continue
    const preferred = preferredOwner(shard, state.members)
    if (preferred !== undefined && preferred !== me && settled(preferred)) shards.push({ shard, token })
  }
  return shards
}
