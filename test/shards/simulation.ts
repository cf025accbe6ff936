import { digestOf } from '../../src/foundation/journal/canonical.ts'
import type { Json, Machine } from '../../src/foundation/journal/contract.ts'
import { type Draft, decodeRecord, type Envelope } from '../../src/foundation/journal/record.ts'
import {
  emptyReplica,
  replay,
  replicaDigest,
  restore,
  type Verdict,
} from '../../src/foundation/journal/replica.ts'
import {
  createSession,
  receive,
  type SealedRecord,
  type Session,
  seal,
} from '../../src/foundation/journal/session.ts'
import type { ShardsCommand, ShardTerms, ShardTimes } from '../../src/foundation/shards/contract.ts'
import type { Action } from '../../src/foundation/shards/decide.ts'
import {
  answered,
  asking,
  createView,
  holds,
  look,
  plan,
  type View,
} from '../../src/foundation/shards/view.ts'
import { seededRandom } from '../wire/random.ts'
import type { CountersCommand, CountersState } from './fenced-counters.ts'
import { judgeWrites } from './judge.ts'

/**
 * Members of a group over a simulated log, in virtual time: the same rules and the same members' memory that joinShards
 * runs, under delays, lost acknowledgements, late copies, stalled leaders, pauses, crashes and clocks that drift.
 * Everything follows from the seed.
 */
export interface SimulationOptions {
  readonly seed: number
  readonly machine: Machine<CountersState, CountersCommand>
  readonly members: number
  readonly terms: ShardTerms
  readonly times: ShardTimes
  /** Clock rates lie within 1 ± this. */
  readonly drift: number
  /** ms of faults, then ms without. */
  readonly stormMs: number
  readonly calmMs: number
}

export interface SimulationReport {
  readonly violations: readonly string[]
  readonly records: number
  readonly acceptedWrites: number
  readonly refusedWrites: number
  readonly expulsions: number
  readonly snapshots: number
  /** After the storm and the last late copy of what was sent in it, ms. */
  readonly longestUnheldMs: number
}

interface Ticket {
  readonly draft: Draft
  readonly settle: (verdict: Verdict<CountersCommand>, offset: number) => void
}

interface Process {
  readonly name: string
  readonly session: Session<CountersState, CountersCommand>
  readonly view: View
  readonly tickets: Map<number, Ticket>
  queue: Ticket[]
  inFlight: boolean
  wasMember: boolean
  alive: boolean
  leaving: boolean
  /** Work that came while it was stopped. */
  stopped: (() => void)[] | undefined
}

type World = ReturnType<typeof createWorld>

const SNAPSHOT_EVERY = 60
const APPEND_TIMEOUT_MS = 500
const LATEST_COPY_MS = 9_000

export function simulate(options: SimulationOptions): SimulationReport {
  const world = createWorld(options)
  for (let index = 0; index < options.members; index++) boot(world, `m${index}`)
  scheduleFaults(world)
  observeHolders(world)
  world.run(options.stormMs + options.calmMs)
  checkReplicas(world)
  checkReplayedWrites(world)
  const { violations, log, told, expulsions, snapshots, longestUnheldMs } = world
  const acceptedWrites = [...told.values()].filter(accepted => accepted).length
  const refusedWrites = told.size - acceptedWrites
  return {
    violations,
    records: log.length,
    acceptedWrites,
    refusedWrites,
    expulsions,
    snapshots,
    longestUnheldMs,
  }
}

function createWorld(options: SimulationOptions) {
  const random = seededRandom(options.seed).next
  const events: { at: number; order: number; run: () => void }[] = []
  let order = 0
  const world = {
    options,
    now: 0,
    log: [] as (Envelope | undefined)[],
    processes: [] as Process[],
    violations: [] as string[],
    /** Write id → whether its writer was told that it was accepted. */
    told: new Map<number, boolean>(),
    stalledUntil: 0,
    /** When the last late copy of a record arrives: a dead member's beat among them renews its lease. */
    copiesUntil: 0,
    births: 0,
    writes: 0,
    expulsions: 0,
    snapshots: 0,
    longestUnheldMs: 0,
    random,
    between: (low: number, high: number) => low + random() * (high - low),
    chance: (probability: number) => random() < probability,
    storm: () => world.now < options.stormMs,
    fail: (what: string) => void world.violations.push(`at ${Math.round(world.now)} ms: ${what}`),
    after(ms: number, run: () => void): void {
      pushEvent(events, { at: world.now + ms, order: order++, run })
    },
    run(until: number): void {
      while (events.length > 0 && events[0]!.at <= until && world.violations.length === 0) {
        const event = popEvent(events)
        world.now = event.at
        event.run()
      }
      world.now = until
    },
  }
  return world
}

function boot(world: World, name: string): void {
  const { machine, times, drift } = world.options
  const birth = world.births++
  const rate = world.between(1 - drift, 1 + drift)
  const origin = world.between(0, 1e6)
  const monotonic = () => origin + world.now * rate
  const session = createSession(machine, `w${birth}`, startingReplica(world))
  const clock = { monotonic, wall: monotonic }
  const process: Process = {
    name,
    session,
    view: createView(`${name}.${birth}`, session.replica.state.shards, clock, times),
    tickets: new Map(),
    queue: [],
    inFlight: false,
    wasMember: false,
    alive: true,
    leaving: false,
    stopped: undefined,
  }
  world.processes.push(process)
  read(world, process)
  const tick = () => {
    act(world, process)
    in_(world, process, (times.beatMs / 4) * world.between(0.8, 1.2), tick)
  }
  tick()
  in_(world, process, world.between(0, 500), () => write(world, process))
}

/** From the newest accepted snapshot or from the beginning: both must lead to the same. */
function startingReplica(world: World) {
  const { machine } = world.options
  const covered = world.processes.at(-1)?.session.replica.snapshot ?? 0
  const at = world.log.findIndex(record => record?.kind === 'snapshot' && record.covers === covered)
  const snapshot = world.log[at]
  if (snapshot?.kind !== 'snapshot' || world.chance(0.3)) return emptyReplica(machine)
  return restore(machine, at, snapshot)
}

/** Runs in the process: when it is stopped, as soon as it goes on; when it is dead, never. */
function enter(process: Process, run: () => void): void {
  if (!process.alive) return
  if (process.stopped === undefined) run()
  else process.stopped.push(run)
}

function in_(world: World, process: Process, ms: number, run: () => void): void {
  world.after(ms, () => enter(process, run))
}

function act(world: World, process: Process): void {
  const { view, name } = process
  if (process.leaving) return
  if (Object.hasOwn(view.state.members, view.instance)) process.wasMember = true
  else if (process.wasMember) {
    view.instance = `${name}.${world.births++}`
    process.wasMember = false
  }
  for (const action of plan(view)) {
    const asked = asking(view, action)
    // Before a release its owner finishes what it was doing.
    const drain = action.kind === 'release' ? world.between(0, 150) : 0
    in_(world, process, drain, () =>
      submit(world, process, commandOf(world, process, action), verdict => {
        if (action.kind === 'expel' && verdict.kind === 'accepted') world.expulsions++
        answered(view, action, asked, { accepted: verdict.kind === 'accepted' })
      }),
    )
  }
}

function commandOf(world: World, { view, name }: Process, action: Action): ShardsCommand {
  const { instance } = view
  switch (action.kind) {
    case 'join':
      return { kind: 'join', instance, name, weight: 1, terms: world.options.terms }
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

/** A fenced write: decided while owning the shard, sent after a while, whatever happened meanwhile. */
function write(world: World, process: Process): void {
  const { view } = process
  const owned = view.state.assignments.flatMap(({ owner, token }, shard) =>
    owner === view.instance ? [{ shard, token }] : [],
  )
  const target = owned[Math.floor(world.random() * owned.length)]
  if (target !== undefined) {
    const id = ++world.writes
    const command = { kind: 'write', instance: view.instance, ...target, id } as const
    in_(world, process, world.between(0, 300), () =>
      submit(world, process, command, verdict => world.told.set(id, verdict.kind === 'accepted')),
    )
  }
  in_(world, process, world.between(200, 1_000), () => write(world, process))
}

function submit(world: World, process: Process, body: CountersCommand, settle: Ticket['settle']): void {
  process.queue.push({ draft: { kind: 'command', machine: 1, body }, settle })
  pump(world, process)
}

/** As the journal's sender: one batch in flight, repeated until acknowledged or read back. */
function pump(world: World, process: Process): void {
  if (process.inFlight || process.queue.length === 0) return
  process.inFlight = true
  const batch = process.queue.map(ticket => {
    const sealed = seal(process.session, ticket.draft, 0)
    process.tickets.set(sealed.seq, ticket)
    return sealed
  })
  process.queue = []
  append(world, process, batch)
}

function append(world: World, process: Process, batch: readonly SealedRecord[]): void {
  const open = batch.filter(({ seq }) => process.session.open.has(seq))
  const done = () => {
    process.inFlight = false
    pump(world, process)
  }
  if (open.length === 0) {
    done()
    return
  }
  const envelopes = open.map(({ value }) => decodeRecord(value, 'simulation'))
  const fault = world.storm() ? world.random() : 1
  const late = () => world.between(APPEND_TIMEOUT_MS, LATEST_COPY_MS)
  const arrivals = fault < 0.05 ? [] : fault < 0.1 ? [late()] : [world.between(1, 20)]
  if (world.storm() && world.chance(0.05)) arrivals.push(late())
  for (const ms of arrivals) {
    if (ms >= APPEND_TIMEOUT_MS) world.copiesUntil = Math.max(world.copiesUntil, world.now + ms)
    world.after(ms, () => arrive(world, envelopes))
  }
  const stalled = world.stalledUntil > world.now + APPEND_TIMEOUT_MS
  const acknowledged = fault >= 0.15 && !stalled
  if (acknowledged)
    in_(world, process, Math.max(20, world.stalledUntil - world.now) + world.between(1, 20), done)
  else in_(world, process, APPEND_TIMEOUT_MS + world.between(20, 200), () => append(world, process, batch))
}

function arrive(world: World, envelopes: readonly (Envelope | undefined)[]): void {
  if (world.stalledUntil > world.now) {
    world.after(world.stalledUntil - world.now + world.between(1, 50), () => arrive(world, envelopes))
    return
  }
  world.log.push(...envelopes)
  for (const process of world.processes) {
    const slow = world.storm() && world.chance(0.02)
    in_(world, process, slow ? world.between(200, 2_500) : world.between(1, 30), () => read(world, process))
  }
}

function read(world: World, process: Process): void {
  const { session, view, tickets } = process
  while (session.replica.next < world.log.length) {
    const offset = session.replica.next
    const { verdict, settles, overtaken } = receive(session, offset, world.log[offset])
    if (verdict.kind === 'accepted') look(view, session.replica.state.shards)
    for (const seq of overtaken) process.queue.push(tickets.get(seq)!)
    for (const seq of overtaken) tickets.delete(seq)
    if (settles === undefined) continue
    tickets.get(settles)?.settle(verdict, offset)
    tickets.delete(settles)
  }
  checkHolders(world, process)
  considerSnapshot(world, process)
  pump(world, process)
}

function considerSnapshot(world: World, process: Process): void {
  const { next, snapshot, mark } = process.session.replica
  if (next - snapshot < SNAPSHOT_EVERY || mark !== undefined || process.queue.length > 0 || process.inFlight)
    return
  process.queue.push({
    draft: { kind: 'mark' },
    settle(verdict) {
      if (verdict.kind !== 'marked') return
      const { contents } = verdict
      const digest = digestOf(contents as Json)
      const draft = { kind: 'snapshot', machine: 1, covers: contents.next, digest, contents } as const
      const settle: Ticket['settle'] = taken => {
        if (taken.kind === 'snapshot') world.snapshots++
      }
      process.queue.push({ draft, settle })
    },
  })
}

function scheduleFaults(world: World): void {
  const { stormMs } = world.options
  const victim = () =>
    world.processes.filter(process => process.alive)[Math.floor(world.random() * world.options.members)]
  for (let at = world.between(500, 3_000); at < stormMs; at += world.between(300, 5_000))
    world.after(at, () => {
      const process = victim()
      if (process === undefined) return
      const kind = world.random()
      if (kind < 0.3) crash(world, process)
      else if (kind < 0.4) leave(world, process)
      else if (kind < 0.8) pause(world, process, world.between(200, 14_000))
      else world.stalledUntil = Math.min(stormMs, world.now + world.between(500, 7_000))
    })
}

function crash(world: World, process: Process): void {
  process.alive = false
  const restart = Math.min(world.now + world.between(100, 8_000), world.options.stormMs)
  world.after(restart - world.now, () => boot(world, process.name))
}

/** As leaveGroup: its work ends, then it says so. */
function leave(world: World, process: Process): void {
  enter(process, () => {
    process.leaving = true
    in_(world, process, world.between(0, 300), () =>
      submit(world, process, { kind: 'leave', instance: process.view.instance }, () => crash(world, process)),
    )
  })
}

function holdsNow({ view, alive, leaving }: Process, shard: number): boolean {
  return alive && !leaving && holds(view, shard) !== undefined
}

function pause(world: World, process: Process, ms: number): void {
  if (process.stopped !== undefined) return
  process.stopped = []
  world.after(Math.min(ms, Math.max(0, world.options.stormMs - world.now)), () => {
    const backlog = process.stopped ?? []
    process.stopped = undefined
    // What was about to happen goes first: an act decided before the pause meets a world that has moved on.
    for (const run of backlog) enter(process, run)
  })
}

/** Nobody else may hold what this process holds, a stopped process included: it could go on at this very moment. */
function checkHolders(world: World, process: Process): void {
  if (!process.alive) return
  for (let shard = 0; shard < world.options.terms.shards; shard++) {
    if (!holdsNow(process, shard)) continue
    const other = world.processes.find(candidate => candidate !== process && holdsNow(candidate, shard))
    if (other !== undefined)
      world.fail(`shard ${shard} is held by both ${process.view.instance} and ${other.view.instance}`)
  }
}

/** Watches from outside that shards are held, by whom it may be. */
function observeHolders(world: World): void {
  const { stormMs, terms } = world.options
  const heldAt = new Array<number>(terms.shards).fill(stormMs)
  const watch = () => {
    const running = world.processes.filter(process => process.alive && process.stopped === undefined)
    for (const process of running) checkHolders(world, process)
    for (let shard = 0; shard < terms.shards && !world.storm(); shard++) {
      if (world.now < world.copiesUntil || running.some(process => holdsNow(process, shard)))
        heldAt[shard] = world.now
      world.longestUnheldMs = Math.max(world.longestUnheldMs, world.now - heldAt[shard]!)
    }
    world.after(100, watch)
  }
  watch()
}

/** All live replicas, a replay of the whole log and one from the newest snapshot agree. */
function checkReplicas(world: World): void {
  if (world.violations.length > 0) return
  const { machine } = world.options
  let whole = emptyReplica(machine)
  for (const envelope of world.log) whole = replay(machine, whole, whole.next, envelope).replica
  const expected = replicaDigest(whole)
  for (const process of world.processes.filter(candidate => candidate.alive)) {
    read(world, process)
    if (replicaDigest(process.session.replica) !== expected) world.fail(`${process.name}'s replica differs`)
  }
  const at = world.log.findIndex(record => record?.kind === 'snapshot' && record.covers === whole.snapshot)
  const snapshot = world.log[at]
  if (snapshot?.kind !== 'snapshot') return
  let restored = restore(machine, at, snapshot)
  for (const envelope of world.log.slice(restored.next))
    restored = replay(machine, restored, restored.next, envelope).replica
  if (replicaDigest(restored) !== expected) world.fail('the replica from the snapshot differs')
}

function checkReplayedWrites(world: World): void {
  if (world.violations.length > 0) return
  const { violations } = judgeWrites(
    world.options.machine,
    world.log,
    new Map([...world.told].map(([id, accepted]) => [id, { accepted }])),
  )
  for (const violation of violations) world.fail(violation)
}

interface Timed {
  readonly at: number
  readonly order: number
}

function earlier(a: Timed, b: Timed): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** A binary heap, earliest first. */
function pushEvent<E extends Timed>(heap: E[], event: E): void {
  let index = heap.push(event) - 1
  while (index > 0) {
    const parent = (index - 1) >> 1
    if (!earlier(event, heap[parent]!)) break
    heap[index] = heap[parent]!
    index = parent
  }
  heap[index] = event
}

function popEvent<E extends Timed>(heap: E[]): E {
  const first = heap[0]!
  const last = heap.pop()!
  if (heap.length === 0) return first
  let index = 0
  for (;;) {
    let child = 2 * index + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && earlier(heap[child + 1]!, heap[child]!)) child++
    if (!earlier(heap[child]!, last)) break
    heap[index] = heap[child]!
    index = child
  }
  heap[index] = last
  return first
}
