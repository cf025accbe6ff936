import type { ShardsClock, ShardsState, ShardTimes } from './contract.ts'
import { type Action, decide, leaseEnd, type Sighting } from './decide.ts'

/** Own records further apart than this many beats mean that the log did not flow. */
const GAP_BEATS = 3

/**
 * What one member remembers between looks: sightings, its own lease, what it asked for. No I/O: joinShards and the
 * simulation drive the same code.
 */
export interface View {
  readonly clock: ShardsClock
  readonly times: ShardTimes
  /** Changes when the member was expelled and joins again. */
  instance: string
  state: ShardsState
  readonly sightings: Map<string, Sighting>
  readonly awaiting: Set<Action['kind']>
  lease: Asked | undefined
  lastBeat: number
  lastRelease: number
  flow: { since: number; last: number } | undefined
  /** Shards that this member has stopped working on, and is giving up by that token. */
  readonly leaving: Map<number, number>
}

/** The moment just before a beat was sent. */
export interface Asked {
  readonly instance: string
  readonly monotonic: number
  readonly wall: number
}

export function createView(
  instance: string,
  state: ShardsState,
  clock: ShardsClock,
  times: ShardTimes,
): View {
  const never = Number.NEGATIVE_INFINITY
  return {
    clock,
    times,
    instance,
    state,
    sightings: new Map(),
    awaiting: new Set(),
    lease: undefined,
    lastBeat: never,
    lastRelease: never,
    flow: undefined,
    leaving: new Map(),
  }
}

/** Takes in a newer state. Seeing a beat late only lengthens the time its sender is left alone. */
export function look(view: View, state: ShardsState): void {
  const now = view.clock.monotonic()
  view.state = state
  for (const [instance, { beat }] of Object.entries(state.members)) {
    const known = view.sightings.get(instance)
    if (known?.beat !== beat) view.sightings.set(instance, { beat, at: now, since: known?.since ?? now })
  }
  for (const instance of view.sightings.keys())
    if (!Object.hasOwn(state.members, instance)) view.sightings.delete(instance)
  for (const [shard, token] of view.leaving)
    if (state.assignments[shard]?.token !== token) view.leaving.delete(shard)
}

export function plan(view: View): Action[] {
  const { state, instance: me, sightings, lastBeat, lastRelease, awaiting, times, flow } = view
  const now = view.clock.monotonic()
  const flowing = flow !== undefined && now - flow.last < GAP_BEATS * times.beatMs
  const flowingSince = flowing ? flow.since : undefined
  return decide({ now, state, me, sightings, flowingSince, lastBeat, lastRelease, awaiting, times })
}

/** To be called right before an action is sent. */
export function asking(view: View, action: Action): Asked {
  const asked = { instance: view.instance, monotonic: view.clock.monotonic(), wall: view.clock.wall() }
  view.awaiting.add(action.kind)
  if (action.kind === 'beat') view.lastBeat = asked.monotonic
  if (action.kind === 'release') {
    view.lastRelease = asked.monotonic
    for (const { shard, token } of action.shards) view.leaving.set(shard, token)
  }
  return asked
}

/**
 * To be called when an action was read back, or can be read back no more.
 *
 * @param outcome never a guess: an action whose fate is open is still awaited
 */
export function answered(
  view: View,
  action: Action,
  asked: Asked,
  outcome: { readonly accepted: boolean },
): void {
  view.awaiting.delete(action.kind)
  noteFlow(view)
  if (action.kind === 'release')
    for (const { shard, token } of action.shards)
      if (view.leaving.get(shard) === token) view.leaving.delete(shard)
  const granted = outcome.accepted && (action.kind === 'beat' || action.kind === 'join')
  if (!granted || asked.instance !== view.instance) return
  if (view.lease?.instance !== asked.instance || view.lease.monotonic < asked.monotonic) view.lease = asked
}

function noteFlow(view: View): void {
  const now = view.clock.monotonic()
  const { flow, times } = view
  const since = flow !== undefined && now - flow.last < GAP_BEATS * times.beatMs ? flow.since : now
  view.flow = { since, last: now }
}

/** The right to act on a shard where the act itself cannot carry a token. */
export interface Hold {
  readonly token: number
  /** On the monotonic clock: no act may end later. */
  readonly until: number
}

export function holds(view: View, shard: number): Hold | undefined {
  const assignment = view.state.assignments[shard]
  const { lease, clock, state } = view
  if (assignment?.owner !== view.instance || view.leaving.has(shard)) return undefined
  if (lease?.instance !== view.instance || state.terms === null) return undefined
  const until = leaseEnd(lease.monotonic, state.terms.leaseMs)
  // The monotonic clock stands still while the machine is suspended; the wall clock then tells.
  const over = clock.monotonic() >= until || clock.wall() >= leaseEnd(lease.wall, state.terms.leaseMs)
  return over ? undefined : { token: assignment.token, until }
}
