import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { parseStat } from '../../foundation/process/identity.ts'
import { adopt, type RunningProcess, start } from '../../foundation/process/run.ts'
import type { FaultKind, NetworkEffect, TestedCluster, TestedNode } from './contract.ts'
import { type FaultyDisk, loseDisk, setFaults } from './disk/disk.ts'
import { type DiskFaultKind, faultsOf, isDiskFault, isGivenUp, SLOW_DELAY_MS } from './disk/kibosh.ts'
import { FAULT_DISK_NONE, FAULT_NETWORK_UNAVAILABLE, FAULT_TARGET_NOT_RUNNING } from './errors.ts'
import { type FaultLease, leaseFault } from './leases/lease.ts'
import { endedFaults, type WayBack } from './leases/record.ts'
import { applyEffect, networkOf } from './network/network.ts'

export interface FaultPlan {
  readonly kind: FaultKind
  /** A crash-loop's kills, the first one included, and how long the broker runs before each later one. */
  readonly times: number
  readonly everyMs: number
  /** Of a fault in the network. */
  readonly network?: NetworkEffect
  /** Of a disk that is slow: what each write takes longer. */
  readonly delayMs?: number
  /** Of a disk that its broker gives up: whether the broker is started anew when it is taken back. */
  readonly restarts?: boolean
}

export interface InjectTask {
  /** Directory of the faults of one state directory. */
  readonly folder: string
  readonly cluster: TestedCluster
  readonly node: TestedNode
  readonly plan: FaultPlan
  readonly purpose: string
  /** It is undone after so long, whatever becomes of this process. */
  readonly leaseMs: number
}

/** A fault that is written down and watched, and has not begun. */
export interface ArmedFault {
  readonly lease: FaultLease
  readonly node: TestedNode
  /**
   * Does it. Resolves once it is done: the process is dead, or every thread of it is stopped; a crash-loop, once it has died
   * for the first time. Answers when that was asked for, ms since the epoch.
   *
   * @throws AjnaError FAULT_LEASE_OVER, FAULT_TARGET_NOT_RUNNING
   */
  begin(signal: AbortSignal): Promise<number>
  /** Settles with a crash-loop's last death, or what kept it from that; else when it has begun. */
  readonly raged: Promise<void>
  /** Takes it back, unless its watchdog has: the process wakes, or is started, the disk is mended. Answers when that was done. */
  revert(why: string): Promise<number>
}

const STOPPED_MS = 5_000
const LOOK_EVERY_MS = 5

/**
 * Prepares a fault: from here on it is undone by itself when its time is over or this process is gone.
 *
 * @throws AjnaError FAULT_TARGET_NOT_RUNNING, FAULT_UNWATCHED, FAULT_DISK_NONE
 */
export async function armFault(task: InjectTask): Promise<ArmedFault> {
  const { folder, cluster, node, plan, purpose, leaseMs } = task
  const target = await targetOf(node)
  const lease = await leaseFault({
    folder,
    kind: plan.kind,
    cluster: cluster.name,
    node: node.id,
    purpose,
    leaseMs,
    back: await wayBackFrom(plan, node, target),
  })
  const raging = Promise.withResolvers<void>()
  // Whoever began it is told of its failure by `begin` or when waiting for it; nobody need wait.
  raging.promise.catch(() => undefined)
  return {
    lease,
    node,
    raged: raging.promise,
    async begin(signal) {
      const at = await lease.act(() => hurt(plan, node, target, lease))
      const rage = plan.kind === 'crash-loop' ? crashAgain(lease, node, plan, signal) : Promise.resolve()
      rage.then(raging.resolve, raging.reject)
      return at
    },
    async revert(why) {
      const { id } = lease.record
      const ended = (await lease.revert(why)) ?? (await endedFaults(folder)).find(each => each.id === id)
      return ended?.endedAt ?? Date.now()
    },
  }
}

async function wayBackFrom(
  { kind, network, restarts = false }: FaultPlan,
  node: TestedNode,
  { record: { pid, startTime, boot } }: RunningProcess,
): Promise<WayBack> {
  if (kind === 'freeze') return { kind: 'wake', process: { pid, startTime, boot } }
  if (isDiskFault(kind)) {
    const restart = restarts && isGivenUp(kind) ? { restart: node.process } : {}
    return { kind: 'mend', disk: diskOf(node), ...restart }
  }
  if (network === undefined) return { kind: 'run', process: node.process }
  if (node.network === undefined)
    throw new AjnaError(
      FAULT_NETWORK_UNAVAILABLE,
      `${node.process.name} does not run in a network of its own`,
    )
  return { kind: 'network', network: await networkOf(pid) }
}

/** Answers when that was asked for, ms since the epoch. */
async function hurt(
  { kind, network, delayMs = SLOW_DELAY_MS }: FaultPlan,
  node: TestedNode,
  target: RunningProcess,
  lease: FaultLease,
): Promise<number> {
  if (isDiskFault(kind)) return breakDisk(kind, delayMs, diskOf(node))
  if (network === undefined) return kind === 'freeze' ? freeze(target) : kill(target)
  const at = Date.now()
  await applyEffect(lease.record.id, node.id, network)
  return at
}

/** @throws AjnaError FAULT_DISK_NONE */
function diskOf({ id, disk }: TestedNode): FaultyDisk {
  if (disk === undefined)
    throw new AjnaError(FAULT_DISK_NONE, `broker ${id} has no disk that can be made to fail`)
  return disk
}

async function breakDisk(kind: DiskFaultKind, delayMs: number, disk: FaultyDisk): Promise<number> {
  const faults = faultsOf(kind, { delayMs })
  const at = Date.now()
  await (faults === null ? loseDisk(disk) : setFaults(disk, faults))
  return at
}

async function targetOf(node: TestedNode): Promise<RunningProcess> {
  const { runDir, name } = node.process
  const found = await adopt(runDir, name)
  if (found === undefined) throw notRunning(name)
  return found
}

const notRunning = (name: string): AjnaError =>
  new AjnaError(FAULT_TARGET_NOT_RUNNING, `${name} does not run`, { details: { name } })

/** The identity is compared before each signal: never another process that was given the pid. */
async function kill(target: RunningProcess): Promise<number> {
  const at = Date.now()
  if (!(await target.kill('SIGKILL'))) throw notRunning(target.record.name)
  await target.exited
  return at
}

async function freeze(target: RunningProcess): Promise<number> {
  const at = Date.now()
  if (!(await target.kill('SIGSTOP'))) throw notRunning(target.record.name)
  const until = performance.now() + STOPPED_MS
  while (!(await isStopped(target.record.pid)) && performance.now() < until) await delay(LOOK_EVERY_MS)
  return at
}

/** Whether a process is stopped by a signal; false for one that is gone. */
export async function isStopped(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return parseStat(stat)?.state === 'T'
}

/**
 * Started, left to run for a while, killed; again and again. It ends dead: the fault's way back starts it for good.
 *
 * @throws AjnaError FAULT_LEASE_OVER: it has not died as often as it was to
 */
async function crashAgain(
  lease: FaultLease,
  node: TestedNode,
  plan: FaultPlan,
  signal: AbortSignal,
): Promise<void> {
  for (let died = 1; died < plan.times; died++) {
    try {
      const running = await lease.act(() => start(node.process))
      await Promise.race([running.exited, delay(plan.everyMs, undefined, { signal })])
      await lease.act(() => running.stop({ signal: 'SIGKILL' }))
    } catch (error) {
      if (!signal.aborted) throw error
      return
    }
  }
}
