/**
 * A Kafka cluster with its hosts, as far as healing is concerned: processes and their agents, what the controller counts as
 * up, leaders and in-sync replicas. Times are of Kafka's defaults and of what was measured on real brokers.
 */
import type { PartitionFacts, Probe, ProcessEnd, Subject, Testimony } from '../contract.ts'
import type { Dice, Schedule } from './schedule.ts'

/** broker.session.timeout.ms, and a heartbeat every two seconds. */
const SESSION_MS = [7_000, 9_000] as const
/** An agent starts what has died, later each time it dies soon. */
const RESTART_MS = 500
const MAX_RESTART_MS = 60_000
const SOON_MS = 30_000
/** From a broker's start until it asks to be registered (measured: three seconds and more), and until it is unfenced. */
const REGISTERS_MS = [3_000, 6_000] as const
const UNFENCED_MS = [500, 1_500] as const
const REGISTERS_AGAIN_MS = 500
/** Replicas that were away come back into the ISR in so many steps. */
const CATCH_UP_STEPS = 4
const CATCH_UP_MS = [1_000, 60_000] as const
const CATCH_UP_AGAIN_MS = 2_000
/** leader.imbalance.check.interval.seconds */
const REBALANCE_MS = 300_000
const PROBE_EVERY_MS = 550
const FIRST_PID = 1_000

export interface SimProcess {
  readonly pid: number
  readonly since: number
  frozen: boolean
}

export interface SimBroker {
  readonly id: number
  readonly rack: string | null
  process: SimProcess | null
  lastEnd: ProcessEnd | null
  registration: 'up' | 'fenced' | 'absent'
  /** The process that the controller knows; 0: none. */
  registered: number
  reach: Reach
  reachBefore: Reach
  reachSince: number
  agent: 'answers' | 'gone' | 'says-dead' | 'says-frozen'
  agentSince: number
  /** The highest token its host has obeyed. */
  token: number
  /** How often it will die soon after a start. */
  crashes: number
  restartMs: number
  /** Its host is busy: it answers nobody in time, though it runs. */
  slow: boolean
  /** The controller does not hear of it either. */
  cutOff: boolean
  /** Its host is off: nothing starts. */
  off: boolean
  /** Since when it is in trouble and the only one in sync of a partition. */
  aloneSince: number | null
}

export type Reach = 'answers' | 'refused' | 'silent'

export interface SimCluster {
  readonly index: number
  readonly name: string
  readonly brokers: readonly SimBroker[]
  /** Another array whenever anything in it is another. */
  partitions: readonly PartitionFacts[]
  /** Indexes of the partitions a broker has a replica of. */
  readonly of: ReadonlyMap<number, readonly number[]>
  readonly broker: (id: number) => SimBroker
  /** Called after each change, with what it was. */
  readonly onChange: ((what: string) => void)[]
  pids: number
  /** Of the last change. */
  changedAt: number
}

export interface ClusterPlan {
  readonly index: number
  readonly brokers: number
  readonly partitions: number
}

const RACKS = ['a', 'b', 'c']
/** One in so many clusters has no racks; one in so many partitions has fewer replicas. */
const WITHOUT_RACKS_EVERY = 20
const FEWER_REPLICAS_EVERY = 50
const PARTITIONS_A_TOPIC = 12

export function createCluster({ index, brokers: count, partitions: wanted }: ClusterPlan): SimCluster {
  const hasRacks = index % WITHOUT_RACKS_EVERY !== WITHOUT_RACKS_EVERY - 1
  const brokers = Array.from(
    { length: count },
    (_, i): SimBroker => ({
      id: i + 1,
      rack: hasRacks ? RACKS[i % RACKS.length]! : null,
      process: { pid: FIRST_PID + i, since: 0, frozen: false },
      lastEnd: null,
      registration: 'up',
      registered: FIRST_PID + i,
      reach: 'answers',
      reachBefore: 'answers',
      reachSince: 0,
      agent: 'answers',
      agentSince: 0,
      token: 0,
      crashes: 0,
      restartMs: RESTART_MS,
      slow: false,
      cutOff: false,
      off: false,
      aloneSince: null,
    }),
  )
  const of = new Map<number, number[]>(brokers.map(({ id }) => [id, []]))
  const partitions = Array.from({ length: wanted }, (_, i): PartitionFacts => {
    const replicas = replicasOf(i, count)
    for (const id of replicas) of.get(id)!.push(i)
    const [topic, partition] = [`t${Math.floor(i / PARTITIONS_A_TOPIC)}`, i % PARTITIONS_A_TOPIC]
    return { topic, partition, leader: replicas[0]!, replicas, isr: replicas }
  })
  const byId = new Map(brokers.map(each => [each.id, each]))
  return {
    index,
    name: `c${index}`,
    ...{ brokers, partitions, of, onChange: [], pids: FIRST_PID + count, changedAt: 0 },
    broker: id => byId.get(id)!,
  }
}

/** Three brokers a multiple of three (and one) apart, so that they lie in three racks. */
function replicasOf(index: number, brokers: number): readonly number[] {
  const wanted = index % FEWER_REPLICAS_EVERY === FEWER_REPLICAS_EVERY - 1 ? 1 + (index % 2) : RACKS.length
  const usable = brokers - (brokers % RACKS.length)
  const round = Math.floor(index / usable)
  const apart = 1 + RACKS.length * (round % (usable / RACKS.length))
  return Array.from({ length: wanted }, (_, i) => ((index + i * apart) % usable) + 1)
}

/** @throws when it is about something else: only brokers fail here */
export function brokerIn(subject: Subject): number {
  if (subject.kind === 'broker') return subject.broker
  throw new Error(`the simulation does not know ${subject.kind}`)
}

/* ---- what is seen of it ---- */

export const isAlive = ({ process, cutOff, registration, registered }: SimBroker): boolean =>
  process !== null && !process.frozen && !cutOff && registration === 'up' && registered === process.pid

export function testimonyOf({ agent, agentSince, process, lastEnd }: SimBroker): Testimony {
  if (agent === 'gone') return { kind: 'none' }
  if (agent === 'says-dead')
    return {
      kind: 'dead',
      lastEnd: { at: agentSince, pid: process?.pid ?? 1, how: 'SIGKILL', expected: false },
      givenUp: false,
    }
  if (process === null) return { kind: 'dead', lastEnd, givenUp: false }
  const { pid, since, frozen } = process
  return { kind: 'running', pid, since, ran: agent === 'says-frozen' ? false : !frozen, lastEnd }
}

/** What was so a moment ago has not been noticed yet. */
export function probeOf({ reach, reachBefore, reachSince }: SimBroker, at: number): Probe {
  const forMs = at - reachSince
  const kind = forMs < PROBE_EVERY_MS / 2 ? reachBefore : reach
  if (kind !== 'silent') return { kind }
  return { kind, since: reachSince, times: 1 + Math.floor(forMs / PROBE_EVERY_MS) }
}

/** Whether acknowledged writes flow, in truth, to each of the partitions of a broker. */
export function flowsAt(cluster: SimCluster, id: number): boolean {
  return cluster.of.get(id)!.every(index => flows(cluster, cluster.partitions[index]!))
}

export const flows = (cluster: SimCluster, { leader, isr }: PartitionFacts): boolean =>
  leader !== null && isAlive(cluster.broker(leader)) && isr.every(id => isAlive(cluster.broker(id)))

/** In no ISR, and leader of nothing, or well. */
export function suffersFrom(cluster: SimCluster, id: number): boolean {
  return cluster.of.get(id)!.some(index => {
    const { leader, isr } = cluster.partitions[index]!
    return leader === null || leader === id || isr.includes(id)
  })
}

/* ---- what happens to it ---- */

export interface ClusterWorld {
  readonly schedule: Schedule
  readonly dice: Dice
}

export function createFates({ schedule, dice }: ClusterWorld, cluster: SimCluster) {
  const { now } = schedule
  /** Processes whose replicas are on their way back. */
  const catching = new Set<SimProcess>()
  const changed = (what: string): void => {
    cluster.changedAt = now()
    for (const listener of cluster.onChange) listener(what)
  }
  const spread = ([low, high]: readonly [number, number]): number => dice.between(low, high)

  function reach(broker: SimBroker): void {
    const { process, slow, registered } = broker
    const listens = process !== null && registered === process.pid
    const is: Reach = !listens ? 'refused' : process.frozen || slow ? 'silent' : 'answers'
    if (is === broker.reach) return
    broker.reachBefore = broker.reach
    broker.reach = is
    broker.reachSince = now()
  }

  function update(ids: readonly number[], change: (partition: PartitionFacts) => PartitionFacts): void {
    const next = [...cluster.partitions]
    for (const index of ids) next[index] = change(next[index]!)
    cluster.partitions = next
  }

  const elect = (replicas: readonly number[], isr: readonly number[]): number | null =>
    replicas.find(id => isr.includes(id) && cluster.broker(id).registration === 'up') ?? null

  /** KRaft keeps the last one of an ISR in it, and the partition without a leader until it is back. */
  function leaveIsr({ id }: SimBroker): void {
    update(cluster.of.get(id)!, each => {
      if (!each.isr.includes(id) && each.leader !== id) return each
      const isr = each.isr.length > 1 ? each.isr.filter(member => member !== id) : each.isr
      return { ...each, isr, leader: each.leader === id ? elect(each.replicas, isr) : each.leader }
    })
  }

  /** Unless it is heard of until then. */
  function sessionRunsOut(broker: SimBroker): void {
    const { registered } = broker
    schedule.after(spread(SESSION_MS), () => {
      if (broker.registration !== 'up' || broker.registered !== registered) return
      if (broker.process?.pid === registered && !broker.process.frozen && !broker.cutOff) return
      broker.registration = 'fenced'
      reach(broker)
      leaveIsr(broker)
      changed(`broker ${broker.id} is fenced`)
    })
  }

  function unfence(broker: SimBroker): void {
    const { process } = broker
    schedule.after(spread(UNFENCED_MS), () => {
      if (broker.process !== process || process === null || process.frozen || broker.cutOff) return
      if (broker.registration !== 'fenced' || broker.registered !== process.pid) return
      broker.registration = 'up'
      reach(broker)
      const { id } = broker
      update(cluster.of.get(id)!, each =>
        each.leader === null ? { ...each, leader: elect(each.replicas, each.isr) } : each,
      )
      changed(`broker ${id} is up (process ${process.pid})`)
      catchUp(broker, process)
    })
  }

  function catchUp(broker: SimBroker, process: SimProcess): void {
    if (catching.has(process)) return
    catching.add(process)
    const { id } = broker
    const all = cluster.of.get(id)!
    const stepMs = (spread(CATCH_UP_MS) * dice.next()) / CATCH_UP_STEPS + 500
    const isWhole = (): boolean => all.every(index => cluster.partitions[index]!.isr.includes(id))
    const step = (number: number): void => {
      const next = Math.min(number + 1, CATCH_UP_STEPS)
      if (broker.process !== process) catching.delete(process)
      else if (!isAlive(broker)) schedule.after(CATCH_UP_AGAIN_MS, () => step(1))
      else if (isWhole()) {
        catching.delete(process)
        schedule.after(REBALANCE_MS, () => returnLeaders(id))
      } else {
        const joined = join(id, all.slice(0, Math.ceil((all.length * number) / CATCH_UP_STEPS)))
        if (joined)
          changed(`broker ${id} has caught up with ${isWhole() ? 'all' : `${number}/${CATCH_UP_STEPS}`}`)
        schedule.after(number < CATCH_UP_STEPS ? stepMs : CATCH_UP_AGAIN_MS, () => step(next))
      }
    }
    schedule.after(stepMs, () => step(1))
  }

  /** Those of its replicas that have a leader to fetch from. False: none has. */
  function join(id: number, some: readonly number[]): boolean {
    const ready = some.filter(index => {
      const { isr, leader } = cluster.partitions[index]!
      return !isr.includes(id) && leader !== null && isAlive(cluster.broker(leader))
    })
    if (ready.length === 0) return false
    update(ready, each => ({
      ...each,
      isr: each.replicas.filter(member => member === id || each.isr.includes(member)),
    }))
    return true
  }

  function returnLeaders(id: number): void {
    if (!isAlive(cluster.broker(id))) return
    const away = cluster.of.get(id)!.filter(index => {
      const { replicas, leader, isr } = cluster.partitions[index]!
      return replicas[0] === id && leader !== id && leader !== null && isr.includes(id)
    })
    if (away.length === 0) return
    update(away, each => ({ ...each, leader: id }))
    changed(`${away.length} leaders return to broker ${id}`)
  }

  function start(broker: SimBroker): void {
    if (broker.process !== null || broker.off) return
    const process = { pid: cluster.pids++, since: now(), frozen: false }
    broker.process = process
    reach(broker)
    changed(`broker ${broker.id} starts as process ${process.pid}`)
    if (broker.crashes > 0) {
      broker.crashes--
      schedule.after(dice.between(500, 20_000), () => {
        if (broker.process === process) die(broker, 'code 1')
      })
    }
    schedule.after(spread(REGISTERS_MS), () => register(broker, process))
  }

  /** The controller refuses a second incarnation while the session of the first lasts. */
  function register(broker: SimBroker, process: SimProcess): void {
    if (broker.process !== process || broker.registered === process.pid) return
    if (broker.registration === 'up' || process.frozen || broker.cutOff) {
      schedule.after(REGISTERS_AGAIN_MS, () => register(broker, process))
      return
    }
    broker.registration = 'fenced'
    broker.registered = process.pid
    reach(broker)
    changed(`broker ${broker.id} registers (process ${process.pid})`)
    unfence(broker)
  }

  function restartLater(broker: SimBroker, ranMs: number): void {
    broker.restartMs = ranMs < SOON_MS ? Math.min(2 * broker.restartMs, MAX_RESTART_MS) : RESTART_MS
    schedule.after(broker.restartMs, () => {
      if (broker.agent !== 'gone') start(broker)
    })
  }

  function die(broker: SimBroker, how: string): void {
    const { process } = broker
    if (process === null) return
    broker.process = null
    broker.lastEnd = { at: now(), pid: process.pid, how, expected: false }
    reach(broker)
    changed(`process ${process.pid} of broker ${broker.id} ends: ${how}`)
    sessionRunsOut(broker)
    restartLater(broker, now() - process.since)
  }

  function hinder(broker: SimBroker, cutOff: boolean): void {
    broker.slow = true
    broker.cutOff = cutOff
    reach(broker)
    changed(`the host of broker ${broker.id} is slow${cutOff ? ' and cut off' : ''}`)
    if (cutOff) sessionRunsOut(broker)
  }

  return {
    die,
    start,
    returnLeaders,
    freeze(broker: SimBroker): SimProcess | null {
      const { process } = broker
      if (process === null || process.frozen) return null
      process.frozen = true
      reach(broker)
      changed(`process ${process.pid} of broker ${broker.id} is frozen`)
      sessionRunsOut(broker)
      return process
    },
    thaw(broker: SimBroker, process: SimProcess): void {
      if (broker.process !== process || !process.frozen) return
      process.frozen = false
      reach(broker)
      changed(`process ${process.pid} of broker ${broker.id} wakes up`)
      unfence(broker)
    },
    hinder,
    relieve(broker: SimBroker): void {
      broker.slow = false
      broker.cutOff = false
      reach(broker)
      changed(`the host of broker ${broker.id} answers again`)
      unfence(broker)
    },
    /** Its followers' replicas fall behind: they leave the ISRs, and come back. */
    lag(broker: SimBroker, lastsMs: number): void {
      if (!isAlive(broker)) return
      const { id, process } = broker
      update(cluster.of.get(id)!, each =>
        each.isr.length > 1 && each.leader !== id
          ? { ...each, isr: each.isr.filter(member => member !== id) }
          : each,
      )
      changed(`the replicas of broker ${id} fall behind`)
      schedule.after(lastsMs, () => {
        if (process !== null) catchUp(broker, process)
      })
    },
    /** True: a living process was hit, which will not register again by itself. */
    unregister(broker: SimBroker): boolean {
      const { process, registered } = broker
      broker.registration = 'absent'
      reach(broker)
      leaveIsr(broker)
      changed(`broker ${broker.id} is unregistered`)
      return process !== null && process.pid === registered
    },
    testify(broker: SimBroker, agent: SimBroker['agent']): void {
      broker.agent = agent
      broker.agentSince = now()
      changed(`the agent of broker ${broker.id} ${agent}`)
      if (agent === 'answers' && broker.process === null) start(broker)
    },
  }
}
export type Fates = ReturnType<typeof createFates>
