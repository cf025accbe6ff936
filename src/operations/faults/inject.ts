import { randomBytes } from 'node:crypto'
import { appendFile, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { type ProcessIdentity, parseStat } from '../../foundation/process/identity.ts'
import { adopt, pidFile, type RunningProcess, readPidFile, start } from '../../foundation/process/run.ts'
import { setClock } from './clock/clock.ts'
import type { FaultKind, NetworkEffect, TestedCluster, TestedNode } from './contract.ts'
import { type FaultyDisk, loseDisk, setFaults } from './disk/disk.ts'
import { type DiskFaultKind, faultsOf, isGivenUp, SLOW_DELAY_MS } from './disk/kibosh.ts'
import {
  FAULT_CLOCK_UNAVAILABLE,
  FAULT_DISK_NONE,
  FAULT_NETWORK_UNAVAILABLE,
  FAULT_TARGET_NOT_RUNNING,
} from './errors.ts'
import { type FaultLease, leaseFault } from './leases/lease.ts'
import { endedFaults, type WayBack } from './leases/record.ts'
import { applyDelay, applyEffect, networkOf } from './network/network.ts'
import { chooseFlip, flip, isFlipped, type SegmentChoice } from './segment/segment.ts'

export interface FaultPlan {
  readonly kind: FaultKind
  /** A crash-loop's kills, the first one included, and how long the broker runs before each later one. */
  readonly times: number
  readonly everyMs: number
  /** Of a fault in the network. */
  readonly network?: NetworkEffect
  /** Of a disk that is slow: what each write takes longer. */
  readonly delayMs?: number
  /** Of a clock-skew: how far ahead it is set, behind if negative. */
  readonly skewMs?: number
  /** Of a segment that is damaged: of what. */
  readonly segment?: SegmentChoice
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
  /** Who keeps the broker alive, for people: then nobody else starts it. Absent: nobody does. */
  readonly keptBy?: string | undefined
  /** Has whoever keeps the broker alive leave it ended; only a `down` needs it, and only if somebody does. */
  readonly leave?: ((broker: number) => Promise<void>) | undefined
  /** Takes a broker off its cluster's books; only an `unregister` needs it. */
  readonly unregister?: (broker: number) => Promise<unknown>
}

/** A fault that is written down and watched, and has not begun. */
export interface ArmedFault {
  readonly lease: FaultLease
  readonly node: TestedNode
  /** The process that it is done to. */
  readonly process: ProcessIdentity
  /**
   * Does it. Resolves once it is done: the process is dead, or every thread of it is stopped; a crash-loop, once it has died
   * for the first time. Answers when that was asked for, ms since the epoch.
   *
   * @throws AjnaError FAULT_LEASE_OVER, FAULT_TARGET_NOT_RUNNING
   */
  begin(signal: AbortSignal): Promise<number>
  /** Settles with a crash-loop's last death, or what kept it from that; else when it has begun. */
  readonly raged: Promise<void>
  /** Whether nothing is left of it though nobody has taken it back: of flipped bytes, that file is gone. */
  isGone(): Promise<boolean>
  /** Takes it back, unless its watchdog has: the process wakes, or is started, the disk is mended. Answers when that was done. */
  revert(why: string): Promise<number>
}

const STOPPED_MS = 5_000
const LOOK_EVERY_MS = 5
const KEPT_WITHIN_MS = 60_000
const LOOK_KEPT_MS = 50

/**
 * Prepares a fault: from here on it is undone by itself when its time is over or this process is gone.
 *
 * @throws AjnaError FAULT_TARGET_NOT_RUNNING, FAULT_UNWATCHED, FAULT_DISK_NONE
 */
export async function armFault(task: InjectTask): Promise<ArmedFault> {
  const { folder, cluster, node, plan, purpose, leaseMs } = task
  const target = await targetOf(node)
  const { pid, startTime, boot } = target.record
  const process = { pid, startTime, boot }
  const lease = await leaseFault({
    folder,
    kind: plan.kind,
    cluster: cluster.name,
    node: node.id,
    purpose,
    leaseMs,
    back: await wayBack(task, process),
  })
  const raging = Promise.withResolvers<void>()
  // Whoever began it is told of its failure by `begin` or when waiting for it; nobody need wait.
  raging.promise.catch(() => undefined)
  return {
    lease,
    node,
    process,
    raged: raging.promise,
    async begin(signal) {
      const at = await lease.act(() => strike(task, target, lease))
      const rage = plan.kind === 'crash-loop' ? crashAgain(lease, task, pid, signal) : Promise.resolve()
      rage.then(raging.resolve, raging.reject)
      return at
    },
    async isGone() {
      const { back } = lease.record
      return back.kind === 'unflip' && !(await isFlipped(back))
    },
    async revert(why) {
      const { id } = lease.record
      const ended = (await lease.revert(why)) ?? (await endedFaults(folder)).find(each => each.id === id)
      return ended?.endedAt ?? Date.now()
    },
  }
}

async function wayBack({ plan, node, keptBy }: InjectTask, process: ProcessIdentity): Promise<WayBack> {
  const start = keptBy === undefined ? node.process : null
  switch (plan.kind) {
    case 'freeze':
      return { kind: 'wake', process }
    case 'unregister':
      return { kind: 'renew', process, start }
    case 'bad-config':
      return {
        kind: 'restore',
        file: node.settings,
        content: await readFile(node.settings, 'utf8'),
        start,
      }
    case 'partition':
    case 'reset':
    case 'throttle':
      return { kind: 'network', network: await networkOf(networkedPid(node, process)) }
    case 'down':
      // Who keeps it alive has been told not to, and may be gone when it is time.
      return { kind: 'run', process: node.process }
    case 'delay':
      return {
        kind: 'network',
        network: await networkOf(networkedPid(node, process)),
        relay: { runDir: node.process.runDir, name: `relay-${randomBytes(4).toString('hex')}` },
      }
    case 'clock-skew':
      return { kind: 'clock', file: clockOf(node) }
    case 'kill':
    case 'crash-loop':
      return keptBy === undefined ? { kind: 'run', process: node.process } : { kind: 'kept', by: keptBy }
    case 'segment-corrupt':
      return { kind: 'unflip', ...(await chooseFlip(node.settings, plan.segment!)) }
    case 'disk-error':
    case 'disk-full':
    case 'disk-slow':
    case 'disk-corrupt':
    case 'disk-lost-writes':
    case 'disk-gone':
      return {
        kind: 'mend',
        disk: diskOf(node),
        ...(start !== null && isGivenUp(plan.kind) ? { restart: start } : {}),
      }
    default:
      return plan.kind satisfies never
  }
}

/** @throws AjnaError FAULT_NETWORK_UNAVAILABLE */
function networkedPid({ network, process: { name } }: TestedNode, { pid }: ProcessIdentity): number {
  if (network !== undefined) return pid
  throw new AjnaError(FAULT_NETWORK_UNAVAILABLE, `${name} does not run in a network of its own`)
}

/** What no broker starts with: without it a broker would not be known to belong anywhere. */
const UNSTARTABLE = '\nprocess.roles=nonsense\n'

/** Answers when it was asked for, ms since the epoch. */
async function strike(
  { plan, node, cluster, leave, unregister }: InjectTask,
  target: RunningProcess,
  lease: FaultLease,
): Promise<number> {
  const { id, back } = lease.record
  switch (plan.kind) {
    case 'freeze':
      return freeze(target)
    case 'unregister': {
      const at = Date.now()
      await unregister!(node.id)
      return at
    }
    case 'bad-config':
      await appendFile(node.settings, UNSTARTABLE)
      return kill(target)
    case 'partition':
    case 'reset':
    case 'throttle': {
      const at = Date.now()
      await applyEffect(id, node.id, plan.network!)
      return at
    }
    case 'down':
      return kill(target, () => leave?.(node.id))
    case 'clock-skew': {
      const at = Date.now()
      await setClock(clockOf(node), plan.skewMs ?? 0)
      return at
    }
    case 'delay': {
      const relay = back.kind === 'network' ? back.relay : undefined
      return applyDelay(id, node.id, plan.network!, cluster.nodes, relay!)
    }
    case 'kill':
    case 'crash-loop':
      return kill(target)
    case 'segment-corrupt': {
      const at = Date.now()
      const { back } = lease.record
      if (back.kind === 'unflip') await flip(back)
      return at
    }
    case 'disk-error':
    case 'disk-full':
    case 'disk-slow':
    case 'disk-corrupt':
    case 'disk-lost-writes':
    case 'disk-gone':
      return breakDisk(plan.kind, plan.delayMs ?? SLOW_DELAY_MS, diskOf(node))
    default:
      return plan.kind satisfies never
  }
}

/** @throws AjnaError FAULT_CLOCK_UNAVAILABLE */
function clockOf({ id, clock }: TestedNode): string {
  if (clock === undefined)
    throw new AjnaError(FAULT_CLOCK_UNAVAILABLE, `broker ${id} has no clock that can be set wrong`)
  return clock
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
async function kill(target: RunningProcess, then?: () => Promise<void> | undefined): Promise<number> {
  const at = Date.now()
  if (!(await target.kill('SIGKILL'))) throw notRunning(target.record.name)
  await then?.()
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
  { node, plan, keptBy }: InjectTask,
  first: number,
  signal: AbortSignal,
): Promise<void> {
  let last = first
  for (let died = 1; died < plan.times; died++) {
    try {
      const running =
        keptBy === undefined
          ? await lease.act(() => start(node.process))
          : await startedByItsKeeper(node, last, signal)
      last = running.record.pid
      await Promise.race([running.exited, delay(plan.everyMs, undefined, { signal })])
      await lease.act(async () => {
        await running.kill('SIGKILL')
        await running.exited
      })
    } catch (error) {
      if (!signal.aborted) throw error
      return
    }
  }
}

/** The process that its keeper starts after another one has died. */
async function startedByItsKeeper(
  { process: { runDir, name } }: TestedNode,
  last: number,
  signal: AbortSignal,
): Promise<RunningProcess> {
  const until = performance.now() + KEPT_WITHIN_MS
  while (performance.now() < until) {
    const record = await readPidFile(pidFile(runDir, name))
    const found = record === undefined || record.pid === last ? undefined : await adopt(runDir, name)
    if (found !== undefined) return found
    await delay(LOOK_KEPT_MS, undefined, { signal })
  }
  throw notRunning(name)
}
