/**
 * The control plane at the size of a fleet: the real rules of the healer, of its incidents and of the interlock, over
 * simulated clusters, for simulated weeks. Everything follows from the seed; `watch.ts` says what must hold.
 */
import {
  causes,
  type HealFacts,
  type HealPolicy,
  type Incident,
  isOver,
  subjectKey,
  subjectText,
} from '../contract.ts'
import { createActor, createParty } from './actor.ts'
import {
  type ClusterPlan,
  createCluster,
  createFates,
  flows,
  isAlive,
  type SimBroker,
  type SimCluster,
} from './cluster.ts'
import type { Failure, SimulationOptions, SimulationReport, Violation } from './contract.ts'
import { type FailureWorld, happen, planFailures, type Site } from './failures.ts'
import { spreadOf, tally } from './figures.ts'
import { createHealer, factsNow, type SimHealer } from './healer.ts'
import { createKeys, type Keys } from './keys.ts'
import { createSchedule, type Dice, diceOf, type Schedule } from './schedule.ts'
import { createWatch, type Watch } from './watch.ts'

const DAY_MS = 86_400_000
/** Simulated time begins here, so that nothing lies before the epoch. */
export const START = 1_000_000_000
/** After the last failure, until all must be well again. */
const CALM_MS = 3 * 3_600_000
const CLUSTERS_A_KEEPER = 10
const HISTORY = 80
/** Clusters with another policy than automatic: one in so many each. */
const POLICY_EVERY = 25
/** A round is measured when there is something to decide. */
const ROUND_AFTER_MS = 900
const BROKERS_FAIL: ReadonlySet<string> = new Set(['kill', 'freeze', 'rack', 'flapping'])
/** Within so long of a failure it is acted on, or there is an incident that says why not. */
const ANSWERED_MS = { dead: 60_000, frozen: 60_000, estranged: 180_000 }

/** Only these clusters and failures: to find out how little makes a promise break. */
export interface Part {
  readonly clusters: ReadonlySet<number>
  readonly failures: readonly Failure[]
}

interface World extends Site {
  readonly dice: Dice
  readonly policy: HealPolicy
  readonly healers: readonly SimHealer[]
  /** What happened, oldest first; the last of it. */
  readonly history: string[]
  /** Brokers whose trouble is to be answered. */
  readonly awaited: Set<string>
  /** When something last kept the healers from their work. */
  readonly disturbedAt: () => number
  /** Failures that are not over yet, by broker. */
  readonly suffering: Map<number, { readonly kind: string; readonly at: number }>
}

export function failuresOf(options: SimulationOptions): Failure[] {
  const { seed, randomOf, failures, clusters, days } = options
  const plans = plansOf(options)
  const wanted = {
    count: failures,
    clusters,
    brokersOf: (index: number) => plans[index]!.brokers,
    untilMs: days * DAY_MS,
  }
  return planFailures(diceOf(randomOf(seed)), wanted)
}

export function simulate(options: SimulationOptions, part?: Part): SimulationReport {
  const { days } = options
  const failures = part?.failures ?? failuresOf(options)
  const schedule = createSchedule(START)
  const violations: Violation[] = []
  const worlds = new Map<string, World>()
  const watch = createWatch({
    now: schedule.now,
    keysOf: cluster => worlds.get(cluster.name)!.keys,
    policyOf: cluster => worlds.get(cluster.name)!.policy,
    history: cluster => worlds.get(cluster.name)!.history,
    violated: violation => void violations.push(violation),
  })
  const available = new Map<string, number[]>()
  const plans = plansOf(options).filter(({ index }) => part?.clusters.has(index) ?? true)
  const clusters = new Map(plans.map(plan => [plan.index, createCluster(plan)] as const))
  const keepers = keepersOf(options, clusters, schedule)
  const actors = Array.from({ length: options.healers }, (_, i) => createActor(`healer-${i}`, schedule))
  const parties = new Map<Keys, ReturnType<typeof createParty>[]>()
  for (const { keys } of keepers)
    parties.set(
      keys,
      actors.map(actor => createParty(actor, keys, options.rules, schedule)),
    )

  for (const cluster of clusters.values()) {
    const { keys } = keepers[keeperOf(cluster.index, keepers.length)]!
    worlds.set(cluster.name, worldOf(options, { cluster, keys, schedule, watch, actors, parties, available }))
  }
  const leaseEnds: string[] = []
  for (const { keys } of keepers)
    keys.leases.observers.push(({ kind }) => {
      if (kind !== 'renew') leaseEnds.push(kind)
    })
  for (const { cluster, keys } of keepers) cluster?.onChange.push(() => keys.kept())

  const all = [...worlds.values()]
  const failing: FailureWorld = {
    schedule,
    site: index => worlds.get(`c${index}`),
    sites: () => all,
    healers: actors.map((actor, index) => ({
      actor,
      rise() {
        for (const each of parties.values()) each[index]!.forget()
        for (const { healers } of all) healers[index]!.forget()
      },
    })),
  }
  for (const failure of failures)
    schedule.after(failure.at, () => {
      worlds.get(`c${failure.cluster}`)?.history.push(lineOf(schedule, `FAILURE ${textOf(failure)}`))
      happen(failing, failure)
    })

  const rounds = createRounds(options, all, failures, schedule)
  const until = START + (part === undefined ? days * DAY_MS : (failures.at(-1)?.at ?? 0)) + CALM_MS
  schedule.run(until, () => violations.length > 0)
  if (violations.length === 0) for (const world of all) checkCalm(world, watch)

  const kept = keepers.flatMap(({ keys }) => keys.incidents.state().incidents)
  return {
    seed: options.seed,
    violations,
    failures: tally(failures.map(({ kind }) => kind)),
    events: schedule.events(),
    acts: Object.fromEntries(watch.figures.acts),
    refusals: Object.fromEntries(watch.figures.refusals),
    incidents: watch.figures.incidents,
    states: tally(kept.map(({ state }) => state)),
    lateUnregistrations: watch.figures.late,
    staleOrdersRefused: watch.figures.stale,
    leases: tally(leaseEnds),
    availableMs: Object.fromEntries([...available].map(([kind, times]) => [kind, spreadOf(times)])),
    neverAvailable: all.reduce((sum, { suffering }) => sum + suffering.size, 0),
    round: rounds(),
  }
}

/* ---- the world ---- */

function plansOf({ clusters, brokers, partitions }: SimulationOptions): ClusterPlan[] {
  const share = (whole: number, index: number): number =>
    Math.floor(whole / clusters) + (index < whole % clusters ? 1 : 0)
  return Array.from({ length: clusters }, (_, index) => ({
    index,
    brokers: share(brokers, index),
    partitions: share(partitions, index),
  }))
}

/** Those of ten clusters are kept together, on a cluster of another ten. */
const keepersIn = (clusters: number): number => Math.max(2, Math.ceil(clusters / CLUSTERS_A_KEEPER))
const keeperOf = (cluster: number, keepers: number): number =>
  (Math.floor(cluster / CLUSTERS_A_KEEPER) + 1 + (keepers === 2 && cluster % 2 === 1 ? 1 : 0)) % keepers

interface Keeper {
  readonly keys: Keys
  /** Undefined: not part of this simulation; it always answers. */
  readonly cluster: SimCluster | undefined
}

function keepersOf(
  options: SimulationOptions,
  clusters: ReadonlyMap<number, SimCluster>,
  schedule: Schedule,
): Keeper[] {
  const count = keepersIn(options.clusters)
  return Array.from({ length: count }, (_, index) => {
    const cluster = clusters.get(count === 2 ? index : index * CLUSTERS_A_KEEPER)
    const dice = diceOf(options.randomOf(options.seed + 500_000 + index))
    const takesWrites = (): boolean => {
      const journal = cluster?.partitions[0]
      return journal === undefined || (journal.isr.length > 1 && flows(cluster!, journal))
    }
    return { cluster, keys: createKeys({ schedule, dice }, options.rules, takesWrites) }
  })
}

interface WorldParts {
  readonly cluster: SimCluster
  readonly keys: Keys
  readonly schedule: Schedule
  readonly watch: Watch
  readonly actors: readonly ReturnType<typeof createActor>[]
  readonly parties: ReadonlyMap<Keys, readonly ReturnType<typeof createParty>[]>
  readonly available: Map<string, number[]>
}

function worldOf(options: SimulationOptions, parts: WorldParts): World {
  const { cluster, keys, schedule, watch, actors, parties, available } = parts
  const { rules, seed, randomOf } = options
  const dice = diceOf(randomOf(seed + 1_000 * (cluster.index + 1)))
  const fates = createFates({ schedule, dice }, cluster)
  const policy = policyOf(cluster.index)
  const healers = actors.map((actor, index) => {
    const own = diceOf(randomOf(seed + 1_000 * (cluster.index + 1) + 1 + index))
    return createHealer(actor, parties.get(keys)![index]!, {
      ...{ schedule, rules, cluster, fates, keys, policy, watch },
      dice: own,
    })
  })
  const migrator = createActor(`migration of ${cluster.name}`, schedule)
  const history: string[] = []
  let disturbedAt = 0
  const world: World = {
    ...{ cluster, fates, keys, dice, policy, healers, migrator, history },
    moving: createParty(migrator, keys, rules, schedule),
    works: lease => watch.actor(migrator.name, cluster, lease),
    suffering: new Map(),
    awaited: new Set(),
    disturbedAt: () =>
      keys.isOpen() && actors.some(actor => actor.isAwake()) ? disturbedAt : schedule.now(),
  }
  const note = (text: string): void => {
    history.push(lineOf(schedule, text))
    if (history.length > 2 * HISTORY) history.splice(0, HISTORY)
  }
  cluster.onChange.push(what => {
    note(what)
    noteSuffering(world, schedule, available)
    noteAlone(cluster, schedule)
    if (options.healers > 0) expectAnswer(world, schedule, watch)
    for (const healer of healers) healer.ring()
  })
  keys.incidents.observers.push(command => {
    if (command.kind !== 'tell') {
      disturbedAt = schedule.now()
      note(`healing: ${command.kind}`)
    } else if (command.incident.cluster === cluster.name) note(toldText(command.incident))
  })
  keys.leases.observers.push(command => {
    if (command.kind === 'acquire' && command.domain.cluster === cluster.name)
      note(`${command.holder} has lease ${command.id} for ${command.purpose}`)
  })
  return world
}

function policyOf(index: number): HealPolicy {
  const automatic = Object.fromEntries(causes.map(cause => [cause, 'automatic'])) as HealPolicy
  if (index % POLICY_EVERY === 7) return { ...automatic, 'broker-dead': 'propose' }
  if (index % POLICY_EVERY === 11) return { ...automatic, 'broker-frozen': 'off' }
  return automatic
}

/* ---- what is measured ---- */

/** Acknowledgements wait for it, though it does not come. */
const holdsUp = (cluster: SimCluster, broker: SimBroker): boolean =>
  !isAlive(broker) &&
  cluster.of.get(broker.id)!.some(index => {
    const { leader, isr } = cluster.partitions[index]!
    return leader === broker.id || isr.includes(broker.id)
  })

function noteSuffering(
  { cluster, suffering }: World,
  schedule: Schedule,
  available: WorldParts['available'],
): void {
  for (const broker of cluster.brokers) {
    const known = suffering.get(broker.id)
    const suffers = (known !== undefined || !isAlive(broker)) && holdsUp(cluster, broker)
    if (suffers && known === undefined)
      suffering.set(broker.id, { kind: stateOf(cluster, broker), at: schedule.now() })
    if (suffers || known === undefined) continue
    suffering.delete(broker.id)
    const times = available.get(known.kind) ?? []
    available.set(known.kind, times)
    times.push(schedule.now() - known.at)
  }
}

const isAlone = (cluster: SimCluster, id: number): boolean =>
  cluster.of.get(id)!.some(index => {
    const { isr } = cluster.partitions[index]!
    return isr.length === 1 && isr[0] === id
  })

/** Since when a broker that is in trouble is the only one in sync of something. */
function noteAlone(cluster: SimCluster, schedule: Schedule): void {
  for (const broker of cluster.brokers)
    if (isAlive(broker) || !isAlone(cluster, broker.id)) broker.aloneSince = null
    else broker.aloneSince ??= schedule.now()
}

function stateOf(cluster: SimCluster, { id, process, cutOff }: SimBroker): string {
  const what = process === null ? 'dead' : process.frozen ? 'frozen' : cutOff ? 'cut off' : 'restarting'
  return isAlone(cluster, id) ? `${what}, alone in sync` : what
}

/** What the healers would decide over the whole fleet at one moment, and how long that takes. */
function createRounds(
  { clock, rules }: SimulationOptions,
  worlds: readonly World[],
  failures: readonly Failure[],
  schedule: Schedule,
): () => SimulationReport['round'] {
  const times: number[] = []
  let diagnoses = 0
  if (clock !== undefined)
    for (const { at, kind } of failures)
      if (BROKERS_FAIL.has(kind))
        schedule.after(at + ROUND_AFTER_MS, () => {
          const facts = worlds.map(({ cluster }) => factsNow(cluster, schedule.now()))
          const began = clock()
          for (const [index, seen] of facts.entries()) diagnoses += decideAll(rules, seen, worlds[index]!)
          times.push(clock() - began)
        })
  return () => {
    const { count: rounds, ...spread } = spreadOf(times)
    return { rounds, diagnoses, ...spread }
  }
}

function decideAll(rules: SimulationOptions['rules'], facts: HealFacts, { policy }: World): number {
  const found = rules.diagnose(facts)
  for (const diagnosis of found)
    rules.decide(diagnosis, facts, policy, { acts: [], incidents: [], paused: null, hasInterlock: true })
  return found.length
}

/* ---- no starvation ---- */

interface Trouble {
  readonly kind: keyof typeof ANSWERED_MS
  readonly pid: number
}

function troubleOf(cluster: SimCluster, broker: SimBroker): Trouble | undefined {
  const { process, registration, registered, lastEnd } = broker
  if (process !== null && registration === 'absent' && registered === process.pid && !process.frozen)
    return { kind: 'estranged', pid: registered }
  if (!holdsUp(cluster, broker)) return undefined
  if (process === null) return { kind: 'dead', pid: lastEnd!.pid }
  return process.frozen ? { kind: 'frozen', pid: process.pid } : undefined
}

/** What may be healed is acted on, or there is an incident that says why not, within a bounded time. */
function expectAnswer(world: World, schedule: Schedule, watch: Watch): void {
  const { cluster, awaited } = world
  for (const broker of cluster.brokers) {
    const trouble = troubleOf(cluster, broker)
    if (trouble === undefined) continue
    const { kind, pid } = trouble
    const key = `${broker.id} ${kind} ${pid}`
    if (awaited.has(key)) continue
    awaited.add(key)
    const since = schedule.now()
    const check = (): void => {
      const now = troubleOf(cluster, broker)
      if (now?.kind !== kind || now.pid !== pid) {
        awaited.delete(key)
        return
      }
      const { agent, agentSince } = broker
      const hinderedUntil = Math.max(
        since,
        agent === 'answers' ? agentSince : schedule.now(),
        world.disturbedAt(),
      )
      const answer = world.keys.incidents
        .state()
        .incidents.findLast(
          each =>
            each.cluster === cluster.name &&
            subjectKey(each.subject) === `${broker.id}` &&
            each.id.includes(`-${pid}-`),
        )
      const isLate = schedule.now() - hinderedUntil >= ANSWERED_MS[kind]
      if (isLate && (answer === undefined || !isAnswer(answer))) {
        const seconds = Math.round((schedule.now() - since) / 1_000)
        const has = answer === undefined ? 'no incident' : toldText(answer)
        watch.fail('no starvation', `broker ${broker.id} is ${kind} for ${seconds} s: ${has}`, cluster)
      }
      schedule.after(ANSWERED_MS[kind] / 2, check)
    }
    schedule.after(ANSWERED_MS[kind], check)
  }
}

/** It was acted on, or there is a last word on why not. */
const isAnswer = ({ decision, actedAt, timeline }: Incident): boolean =>
  decision.kind !== 'act' || actedAt !== null || timeline.some(({ text }) => /^no lease/.test(text))

/** Hours after the last failure all is well, or it was said who has to look. */
function checkCalm({ cluster, keys }: World, watch: Watch): void {
  const { incidents } = keys.incidents.state()
  const ofThis = incidents.filter(each => each.cluster === cluster.name)
  for (const broker of cluster.brokers) {
    const isWhole =
      isAlive(broker) &&
      cluster.of.get(broker.id)!.every(index => cluster.partitions[index]!.isr.includes(broker.id))
    if (isWhole) continue
    const said = ofThis.some(each => subjectKey(each.subject) === `${broker.id}` && each.state !== 'healed')
    if (!said)
      watch.fail(
        'all is well in the end',
        `broker ${broker.id} is not, and no incident says so: ${conditionOf(cluster, broker)}`,
        cluster,
      )
  }
  for (const lease of Object.values(keys.leases.state().leases))
    if (lease.domain.cluster === cluster.name)
      watch.fail('all is well in the end', `lease ${lease.id} of ${lease.holder} is still held`, cluster)
  for (const open of ofThis)
    if (!isOver(open))
      watch.fail('all is well in the end', `incident is not over: ${toldText(open)}`, cluster)
}

/* ---- for people ---- */

function conditionOf(
  cluster: SimCluster,
  { id, process, registration, registered, agent, off }: SimBroker,
): string {
  const away = cluster.of.get(id)!.filter(index => !cluster.partitions[index]!.isr.includes(id))
  return JSON.stringify({
    process,
    registration,
    registered,
    agent,
    off,
    away: away.map(index => cluster.partitions[index]),
  })
}

const lineOf = (schedule: Schedule, text: string): string =>
  `${((schedule.now() - START) / 1_000).toFixed(3).padStart(12)} s  ${text}`

export const textOf = ({ kind, broker, lastsMs }: Failure): string =>
  `${kind} (broker ${broker + 1}${lastsMs === 0 ? '' : `, ${(lastsMs / 1_000).toFixed(1)} s`})`

const toldText = ({ cause, subject, state, decision, timeline }: Incident): string =>
  `incident ${cause} of ${subjectText(subject)}: ${decision.kind} ${'remedy' in decision ? decision.remedy : ''}, ${state}: ${timeline.at(-1)?.text}`
