import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import type { PartitionState } from '../../foundation/kafka/topics.ts'
import { isAlive } from '../../foundation/process/identity.ts'
import { adopt, pidFile, readPidFile, start } from '../../foundation/process/run.ts'
import { type BrokerFacts, chooseBrokers } from './choose.ts'
import type { FaultKind, Healing, TestedCluster, UnplannedEnd } from './contract.ts'
import { controllerOf, ELECTED_MS } from './controller.ts'
import { isDiskFault, SLOW_DELAY_MS } from './disk/kibosh.ts'
import { FAULT_TARGET_NONE } from './errors.ts'
import type { RunFollower } from './follow.ts'
import { type ArmedFault, armFault } from './inject.ts'
import { activeFaults } from './leases/record.ts'
import type { Load, LoadProgress } from './load/generator.ts'
import {
  CRASH_EVERY_MS,
  CRASHES,
  faultMs,
  networkEffect,
  type Scenario,
  type ScenarioFault,
} from './scenario.ts'

/** What a scenario does to its cluster's brokers. */
export interface DisturbTask {
  readonly scenario: Scenario
  readonly cluster: TestedCluster
  /** Directory of the faults of one state directory. */
  readonly folder: string
  /** In [0, 1), of the scenario's seed. */
  readonly random: () => number
  /** Who keeps the brokers alive, and heals them. Absent: nobody. */
  readonly healing?: Healing | undefined
  /** What a broker that ended says of its reason; `since`: ISO time of its start. */
  readonly explain?: (broker: number, since: string) => Promise<string>
  readonly note: (what: string) => void
  readonly follower?: RunFollower | undefined
  readonly signal: AbortSignal
}

/** One fault, done and taken back. Times are ms since the epoch. */
export interface FaultRecord {
  readonly fault: FaultKind
  readonly brokers: readonly BrokerFacts[]
  readonly at: number
  /** When the last harm was done, or the process was ended or woken: what stops clients later is the way back. */
  readonly harmedUntil: number
  /** When it was taken back; where an agent keeps brokers alive, when they served again. */
  readonly revertedAt: number
  /** Of the load, when it had been done. */
  readonly progress: LoadProgress
}

/** A fault's lease beyond the time that it is to last: its controller takes it back before. */
const LEASE_MARGIN_MS = 15_000
const ASKED_MS = 3_000
/** Whoever shall be the last in sync has become it, or will not: sessions and elections are over. */
const LAST_WITHIN_MS = 30_000
const LOOK_EVERY_MS = 100
const BACK_WITHIN_MS = 60_000

/** All faults, each at its time; when one cannot be done, the others are taken back and that is thrown. */
export async function disturb(
  task: DisturbTask,
  admin: ClusterAdmin,
  topic: string,
  load: Pick<Load, 'startAt' | 'progress'>,
): Promise<readonly FaultRecord[]> {
  const failed = new AbortController()
  const signal = AbortSignal.any([task.signal, failed.signal])
  const begun = new Set<number>()
  const running = task.scenario.faults.map(async (fault, index) => {
    const its: Timing = {
      load,
      begins: () => void begun.add(index + 1),
      isOver: () => fault.untilFault !== undefined && begun.has(fault.untilFault),
    }
    try {
      return await doFault({ ...task, signal }, fault, admin, topic, its)
    } catch (error) {
      failed.abort(error)
      throw error
    }
  })
  const ended = await Promise.allSettled(running)
  if (failed.signal.aborted) throw failed.signal.reason
  const records = ended.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  return records.sort((a, b) => a.at - b.at)
}

interface Timing {
  readonly load: Pick<Load, 'startAt' | 'progress'>
  /** The fault is done. */
  readonly begins: () => void
  /** Another fault has ended it. */
  readonly isOver: () => boolean
}

async function doFault(
  task: DisturbTask,
  fault: ScenarioFault,
  admin: ClusterAdmin,
  topic: string,
  { load, begins, isOver }: Timing,
): Promise<FaultRecord> {
  const { cluster, folder, scenario, healing, note, follower, signal } = task
  await delay(Math.max(0, load.startAt + fault.at - Date.now()), undefined, { signal })
  const brokers = await victims(task, fault, admin, topic)
  const armed: ArmedFault[] = []
  try {
    const hit = new Set(brokers.map(({ id }) => id))
    const network = networkEffect(
      fault,
      cluster.nodes.flatMap(({ id }) => (hit.has(id) ? [] : [id])),
      task.random,
    )
    for (const { id } of brokers)
      armed.push(
        await armFault({
          folder,
          cluster,
          node: cluster.nodes.find(node => node.id === id)!,
          plan: {
            kind: fault.fault,
            times: fault.times ?? CRASHES,
            everyMs: fault.every ?? CRASH_EVERY_MS,
            ...(network === undefined ? {} : { network }),
            ...(fault.fault === 'clock-skew' ? { skewMs: (fault.ahead ?? 0) - (fault.behind ?? 0) } : {}),
            delayMs: fault.delay ?? SLOW_DELAY_MS,
            segment: { topic, partitions: await ledBy(id, admin, topic, signal) },
          },
          purpose: `scenario ${scenario.name}`,
          leaseMs: faultMs(fault) + LEASE_MARGIN_MS * (fault.times ?? 1),
          keptBy: healing === undefined ? undefined : "the agent of the broker's host",
          leave: healing?.leave,
          unregister: broker => admin.unregisterBroker(broker, { signal, deadlineMs: ELECTED_MS }),
        }),
      )
    if (healing !== undefined && scenario.impaired !== undefined) {
      await healing.impair(brokers.map(({ id }) => id))
      note(`impaired: ${scenario.impaired}`)
    }
    const began = await Promise.all(armed.map(each => each.begin(signal)))
    const at = Math.min(...began)
    const progress = load.progress()
    begins()
    for (const broker of brokers) note(`${fault.fault} broker ${describeBroker(broker)}`)
    follower?.mark('fault', at, `${fault.fault}: broker ${brokers.map(describeBroker).join(', ')}`)
    const harmedUntil = await lasts(task, fault, armed, at, isOver)
    const reverted = Math.max(at, ...(await Promise.all(armed.map(each => each.revert('its time was over')))))
    const revertedAt = healing === undefined ? reverted : await recovered(task, fault, armed)
    note(`${fault.fault} is over`)
    follower?.mark('over', revertedAt, `${fault.fault} is over`)
    return { fault: fault.fault, brokers, at, harmedUntil: harmedUntil ?? reverted, revertedAt, progress }
  } catch (error) {
    const undone = await Promise.allSettled(armed.map(each => each.revert(describeError(error))))
    const left = undone.find(each => each.status === 'rejected')
    if (left !== undefined) note(`a fault is left to its watchdog: ${describeError(left.reason)}`)
    throw error
  }
}

/**
 * Until the fault's time is over; one that its healer has ended is over then. Answers when the last harm was done, if that was
 * not when it is taken back.
 */
async function lasts(
  { healing, scenario, signal }: DisturbTask,
  fault: ScenarioFault,
  armed: readonly ArmedFault[],
  at: number,
  isOver: () => boolean,
): Promise<number | undefined> {
  if (fault.fault === 'crash-loop') {
    await Promise.all(armed.map(each => each.raged))
    return healing === undefined ? undefined : Date.now()
  }
  const { impaired } = scenario
  // What is impaired stays so for the fault's whole time, and so do settings and disks.
  const holds =
    fault.fault === 'bad-config' ||
    isDiskFault(fault.fault) ||
    fault.fault === 'down' ||
    impaired === 'host' ||
    impaired === 'agent' ||
    impaired === 'leases'
  const until = at + fault.for
  let endedAt: number | undefined
  while (Date.now() < until && !isOver()) {
    if (healing !== undefined && !holds) {
      // Who was killed is started by its agent, who was frozen or forgotten is helped by the healer.
      if (fault.fault === 'kill') return at
      const alive = await Promise.all(armed.map(each => isAlive(each.process)))
      if (alive.includes(true)) endedAt = undefined
      else endedAt ??= Date.now()
      if (armed.every(each => isBack(healing, each))) return endedAt
      if ((await Promise.all(armed.map(each => each.isGone()))).every(gone => gone)) return undefined
    }
    await delay(Math.min(LOOK_EVERY_MS, Math.max(0, until - Date.now())), undefined, { signal })
  }
  return fault.fault === 'down' ? at : endedAt
}

/** Partitions that a broker leads; those it has, if it leads none. */
async function ledBy(
  broker: number,
  admin: ClusterAdmin,
  topic: string,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const [found] = await admin.describeTopics([topic], { signal })
  const its = found?.partitions.filter(({ replicas }) => replicas.includes(broker)) ?? []
  const led = its.filter(({ leader }) => leader === broker)
  return (led.length === 0 ? its : led).map(({ partition }) => partition)
}

/** A broker is a new process that serves. */
const isBack = (healing: Healing, { node, process }: ArmedFault): boolean => {
  const now = healing.process(node.id)
  return now !== undefined && now.pid !== process.pid && now.ready
}

/** When every broker is served by its agent again, or the process that was frozen has gone on. */
async function recovered(
  { healing, note, signal }: DisturbTask,
  fault: ScenarioFault,
  armed: readonly ArmedFault[],
): Promise<number> {
  await healing!.repair()
  if (fault.fault === 'bad-config' || fault.fault === 'down')
    await Promise.all(armed.map(({ node }) => healing!.restart(node.id)))
  const until = Date.now() + BACK_WITHIN_MS
  for (;;) {
    const looked = await Promise.all(
      armed.map(async each => isBack(healing!, each) || (await wentOn(fault, each))),
    )
    if (looked.every(back => back)) return Date.now()
    if (Date.now() > until) {
      note(`not every broker is back after ${BACK_WITHIN_MS / 1_000} s`)
      return Date.now()
    }
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
}

/** Those that end the process that they are done to. */
const ENDING: readonly FaultKind[] = ['kill', 'crash-loop', 'down', 'unregister', 'bad-config']

const wentOn = async ({ fault }: ScenarioFault, { process }: ArmedFault): Promise<boolean> =>
  !ENDING.includes(fault) && isAlive(process)

export const describeBroker = ({ id, leads, controller }: BrokerFacts): string =>
  `${id} (leads ${leads}${controller ? ', active controller' : ''})`

/** @throws AjnaError FAULT_TARGET_NONE */
async function victims(
  task: DisturbTask,
  fault: ScenarioFault,
  admin: ClusterAdmin,
  topic: string,
): Promise<readonly BrokerFacts[]> {
  const until = Date.now() + (fault.broker.includes('last') ? LAST_WITHIN_MS : ELECTED_MS)
  for (;;) {
    const facts = await factsOf(task, admin, topic)
    const chosen = chooseBrokers(fault.broker, facts, task.random)
    if (chosen.kind === 'chosen') return chosen.brokers
    if (Date.now() > until || !mayComeAbout(fault, facts))
      throw new AjnaError(FAULT_TARGET_NONE, `${fault.fault}: ${chosen.reason}`)
    await delay(LOOK_EVERY_MS, undefined, { signal: task.signal })
  }
}

/** Faults before it have their effect first: somebody is elected, or left alone. */
const mayComeAbout = ({ broker }: ScenarioFault, facts: readonly BrokerFacts[]): boolean =>
  broker.includes('last') || (broker.includes('leader') && facts.every(({ leads }) => leads === 0))

async function factsOf(
  { cluster, folder, signal }: DisturbTask,
  admin: ClusterAdmin,
  topic: string,
): Promise<readonly BrokerFacts[]> {
  const [found] = await admin.describeTopics([topic], { signal })
  const controller = await controllerOf(admin, signal)
  const last = await lastInSync(admin, topic, found?.partitions ?? [], signal)
  // One fault at a time on a broker: the end of one would undo the other.
  const busy = (await activeFaults(folder)).filter(each => each.cluster === cluster.name)
  return cluster.nodes
    .filter(({ id }) => !busy.some(({ node }) => node === id))
    .map(({ id }) => ({
      id,
      leads: found?.partitions.filter(({ leader }) => leader === id).length ?? 0,
      controller: controller === id,
      ...(id === last ? { last: true } : {}),
    }))
}

/** Who leads all partitions and is alone in sync, and knows it; undefined: nobody. */
async function lastInSync(
  admin: ClusterAdmin,
  topic: string,
  partitions: readonly PartitionState[],
  signal: AbortSignal,
): Promise<number | undefined> {
  const broker = partitions[0]?.leader ?? undefined
  const isAlone = ({ leader, isr }: PartitionState): boolean =>
    leader === broker && isr.length === 1 && isr[0] === broker
  if (broker === undefined || !partitions.every(isAlone)) return undefined
  const asked = { signal, deadlineMs: ASKED_MS, broker }
  const [own] = await admin.describeTopics([topic], asked).catch(() => [])
  return own?.partitions.every(isAlone) === true ? broker : undefined
}

/** Once all faults are taken back, where no agent does so: starts brokers that have ended all the same, and says why they had. */
export async function startEnded(task: DisturbTask): Promise<readonly UnplannedEnd[]> {
  const { cluster, explain, healing, note } = task
  const ends: UnplannedEnd[] = []
  if (healing !== undefined) return ends
  for (const { id, process } of cluster.nodes) {
    const { runDir, name } = process
    if ((await adopt(runDir, name)) !== undefined) continue
    const at = Date.now()
    const last = await readPidFile(pidFile(runDir, name))
    const reason = (await explain?.(id, last?.since ?? new Date(0).toISOString())) ?? 'no reason is known'
    note(`broker ${id} has ended by itself: ${reason}; it is started again`)
    await start(process)
    ends.push({ broker: id, at, reason })
  }
  return ends
}
