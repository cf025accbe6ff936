import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import { isAlive } from '../../foundation/process/identity.ts'
import { adopt, pidFile, readPidFile, start } from '../../foundation/process/run.ts'
import { type BrokerFacts, chooseBrokers } from './choose.ts'
import type { FaultKind, Healing, TestedCluster, UnplannedEnd } from './contract.ts'
import { isDiskFault, SLOW_DELAY_MS } from './disk/kibosh.ts'
import { FAULT_TARGET_NONE } from './errors.ts'
import type { RunFollower } from './follow.ts'
import { type ArmedFault, armFault } from './inject.ts'
import { activeFaults } from './leases/record.ts'
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
}

/** A fault's lease beyond the time that it is to last: its controller takes it back before. */
const LEASE_MARGIN_MS = 15_000
const ELECTED_MS = 15_000
const ASKED_MS = 3_000
const LOOK_EVERY_MS = 100
const BACK_WITHIN_MS = 60_000

/** All faults, each at its time; when one cannot be done, the others are taken back and that is thrown. */
export async function disturb(
  task: DisturbTask,
  admin: ClusterAdmin,
  topic: string,
  startAt: number,
): Promise<readonly FaultRecord[]> {
  const failed = new AbortController()
  const signal = AbortSignal.any([task.signal, failed.signal])
  const running = task.scenario.faults.map(async fault => {
    try {
      return await doFault({ ...task, signal }, fault, admin, topic, startAt)
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

async function doFault(
  task: DisturbTask,
  fault: ScenarioFault,
  admin: ClusterAdmin,
  topic: string,
  startAt: number,
): Promise<FaultRecord> {
  const { cluster, folder, scenario, healing, note, follower, signal } = task
  await delay(Math.max(0, startAt + fault.at - Date.now()), undefined, { signal })
  const brokers = await victims(task, fault, admin, topic)
  const armed: ArmedFault[] = []
  try {
    const hit = new Set(brokers.map(({ id }) => id))
    const network = networkEffect(
      fault,
      cluster.nodes.flatMap(({ id }) => (hit.has(id) ? [] : [id])),
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
            delayMs: fault.delay ?? SLOW_DELAY_MS,
          },
          purpose: `scenario ${scenario.name}`,
          leaseMs: faultMs(fault) + LEASE_MARGIN_MS * (fault.times ?? 1),
          keptBy: healing === undefined ? undefined : "the agent of the broker's host",
          unregister: broker => admin.unregisterBroker(broker, { signal, deadlineMs: ELECTED_MS }),
        }),
      )
    if (healing !== undefined && scenario.impaired !== undefined) {
      await healing.impair(brokers.map(({ id }) => id))
      note(`impaired: ${scenario.impaired}`)
    }
    const began = await Promise.all(armed.map(each => each.begin(signal)))
    const at = Math.min(...began)
    for (const broker of brokers) note(`${fault.fault} broker ${describeBroker(broker)}`)
    follower?.mark('fault', at, `${fault.fault}: broker ${brokers.map(describeBroker).join(', ')}`)
    const harmedUntil = await lasts(task, fault, armed, at)
    const reverted = Math.max(at, ...(await Promise.all(armed.map(each => each.revert('its time was over')))))
    const revertedAt = healing === undefined ? reverted : await recovered(task, fault, armed)
    note(`${fault.fault} is over`)
    follower?.mark('over', revertedAt, `${fault.fault} is over`)
    return { fault: fault.fault, brokers, at, harmedUntil: harmedUntil ?? reverted, revertedAt }
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
    impaired === 'host' ||
    impaired === 'agent' ||
    impaired === 'leases'
  const until = at + fault.for
  let endedAt: number | undefined
  while (Date.now() < until) {
    if (healing !== undefined && !holds) {
      // Who was killed is started by its agent, who was frozen or forgotten is helped by the healer.
      if (fault.fault === 'kill') return at
      const alive = await Promise.all(armed.map(each => isAlive(each.process)))
      if (alive.includes(true)) endedAt = undefined
      else endedAt ??= Date.now()
      if (armed.every(each => isBack(healing, each))) return endedAt
    }
    await delay(Math.min(LOOK_EVERY_MS, Math.max(0, until - Date.now())), undefined, { signal })
  }
  return endedAt
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
  if (fault.fault === 'bad-config') await Promise.all(armed.map(({ node }) => healing!.restart(node.id)))
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
const ENDING: readonly FaultKind[] = ['kill', 'crash-loop', 'unregister', 'bad-config']

const wentOn = async ({ fault }: ScenarioFault, { process }: ArmedFault): Promise<boolean> =>
  !ENDING.includes(fault) && isAlive(process)

export const describeBroker = ({ id, leads, controller }: BrokerFacts): string =>
  `${id} (leads ${leads}${controller ? ', active controller' : ''})`

/** @throws AjnaError FAULT_TARGET_NONE */
async function victims(
  { cluster, folder, random, signal }: DisturbTask,
  fault: ScenarioFault,
  admin: ClusterAdmin,
  topic: string,
): Promise<readonly BrokerFacts[]> {
  const [found] = await admin.describeTopics([topic], { signal })
  const controller = await controllerOf(admin, signal)
  // One fault at a time on a broker: the end of one would undo the other.
  const busy = (await activeFaults(folder)).filter(each => each.cluster === cluster.name)
  const facts = cluster.nodes
    .filter(({ id }) => !busy.some(({ node }) => node === id))
    .map(({ id }) => ({
      id,
      leads: found?.partitions.filter(({ leader }) => leader === id).length ?? 0,
      controller: controller === id,
    }))
  const chosen = chooseBrokers(fault.broker, facts, random)
  if (chosen.kind === 'none') throw new AjnaError(FAULT_TARGET_NONE, `${fault.fault}: ${chosen.reason}`)
  return chosen.brokers
}

/** The active controller; null when there is none for a while. */
async function controllerOf(admin: ClusterAdmin, signal: AbortSignal): Promise<number | null> {
  const until = Date.now() + ELECTED_MS
  for (;;) {
    const last = Date.now() > until
    try {
      const { leader } = await admin.describeQuorum({ signal, deadlineMs: ASKED_MS })
      if (leader !== null || last) return leader
    } catch (error) {
      signal.throwIfAborted()
      if (last) throw error
    }
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
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
