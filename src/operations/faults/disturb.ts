import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import { adopt, pidFile, readPidFile, start } from '../../foundation/process/run.ts'
import { type BrokerFacts, chooseBrokers } from './choose.ts'
import type { FaultKind, TestedCluster, UnplannedEnd } from './contract.ts'
import { SLOW_DELAY_MS } from './disk/kibosh.ts'
import { FAULT_TARGET_NONE } from './errors.ts'
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
  /** What a broker that ended says of its reason; `since`: ISO time of its start. */
  readonly explain?: (broker: number, since: string) => Promise<string>
  readonly note: (what: string) => void
  readonly signal: AbortSignal
}

/** One fault, done and taken back. Times are ms since the epoch. */
export interface FaultRecord {
  readonly fault: FaultKind
  readonly brokers: readonly BrokerFacts[]
  readonly at: number
  readonly revertedAt: number
}

/** A fault's lease beyond the time that it is to last: its controller takes it back before. */
const LEASE_MARGIN_MS = 15_000
const ELECTED_MS = 15_000
const ASKED_MS = 3_000
const LOOK_EVERY_MS = 100

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
  const { cluster, folder, scenario, note, signal } = task
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
            restarts: true,
          },
          purpose: `scenario ${scenario.name}`,
          leaseMs: faultMs(fault) + LEASE_MARGIN_MS * (fault.times ?? 1),
        }),
      )
    const began = await Promise.all(armed.map(each => each.begin(signal)))
    const at = Math.min(...began)
    for (const broker of brokers) note(`${fault.fault} broker ${describeBroker(broker)}`)
    if (fault.fault === 'crash-loop') await Promise.all(armed.map(each => each.raged))
    else await delay(Math.max(0, at + fault.for - Date.now()), undefined, { signal })
    const reverted = await Promise.all(armed.map(each => each.revert('its time was over')))
    note(`${fault.fault} taken back`)
    return {
      fault: fault.fault,
      brokers,
      at,
      revertedAt: Math.max(at, ...reverted),
    }
  } catch (error) {
    const undone = await Promise.allSettled(armed.map(each => each.revert(describeError(error))))
    const left = undone.find(each => each.status === 'rejected')
    if (left !== undefined) note(`a fault is left to its watchdog: ${describeError(left.reason)}`)
    throw error
  }
}

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

/** Once all faults are taken back: starts brokers that have ended all the same, and says why they had. */
export async function startEnded({ cluster, explain, note }: DisturbTask): Promise<readonly UnplannedEnd[]> {
  const ends: UnplannedEnd[] = []
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
