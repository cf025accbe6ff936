import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { writeWhole } from '../../../foundation/files/whole.ts'
import { bootId, isAlive } from '../../../foundation/process/identity.ts'
import { type FileLock, lockFile } from '../../../foundation/process/lock.ts'
import { adopt, type ProcessSpec, start } from '../../../foundation/process/run.ts'
import { rightClock } from '../clock/clock.ts'
import { mendDisk, unmountDisk } from '../disk/disk.ts'
import { removeEffect } from '../network/network.ts'
import { endRelay } from '../network/relay.ts'
import { unflip } from '../segment/segment.ts'
import {
  activeFaults,
  type EndedFault,
  type LeasedFault,
  readActive,
  type WayBack,
  writeEnded,
} from './record.ts'

/** A holder that has had the lock for longer is frozen: what it was about to do is judged again when it wakes. */
const LOCK_PATIENCE_MS = 5_000
/** How long a cluster's end waits for the faults on its brokers to be undone. */
const OTHERS_MS = 30_000
const POLL_MS = 100

const lockPath = (folder: string, id: string): string => join(folder, 'locks', id)

/** Nobody else acts on the fault meanwhile, unless whoever did has been frozen while doing so. */
export async function withFaultLock<T>(folder: string, id: string, work: () => Promise<T>): Promise<T> {
  const lock = await patiently(lockPath(folder, id))
  try {
    return await work()
  } finally {
    await lock?.release()
  }
}

async function patiently(path: string): Promise<FileLock | undefined> {
  const until = performance.now() + LOCK_PATIENCE_MS
  for (;;) {
    const lock = await lockFile(path, { wait: false })
    if (lock !== undefined || performance.now() > until) return lock
  }
}

/**
 * Undoes a fault and records that. Undefined: it had been undone. May be called by anybody, any number of times, by several
 * at once.
 *
 * @throws what the way back throws; the fault is still recorded as active then
 */
export function revert(
  folder: string,
  id: string,
  by: EndedFault['by'],
  why: string,
): Promise<EndedFault | undefined> {
  return withFaultLock(folder, id, async () => {
    const fault = await readActive(folder, id)
    if (fault === undefined) return undefined
    const undone = await goBack(folder, fault)
    const ended: EndedFault = { ...fault, endedAt: Date.now(), by, why, undone }
    await writeEnded(folder, ended)
    await rm(lockPath(folder, id), { force: true })
    return ended
  })
}

/** Why a fault must be undone now; undefined: it may go on. `since` the machine started anew nothing of it is left. */
export async function whyOver(
  fault: Pick<LeasedFault, 'controller' | 'until'>,
  now = Date.now(),
): Promise<string | undefined> {
  if (fault.controller.boot !== (await bootId())) return 'the machine was started anew'
  if (!(await isAlive(fault.controller))) return `its controller, process ${fault.controller.pid}, is gone`
  if (now >= fault.until) return 'its time was over'
  return undefined
}

/** Undoes every fault that should have been: its watchdog was killed too. Clusters last, when nothing acts on them. */
export async function sweep(folder: string): Promise<readonly EndedFault[]> {
  const overdue: { fault: LeasedFault; why: string }[] = []
  for (const fault of await activeFaults(folder)) {
    const why = await whyOver(fault)
    if (why !== undefined) overdue.push({ fault, why })
  }
  const last = (fault: LeasedFault): number => (fault.kind === 'cluster' ? 1 : 0)
  overdue.sort((a, b) => last(a.fault) - last(b.fault))
  const ended: EndedFault[] = []
  for (const { fault, why } of overdue) {
    const done = await revert(folder, fault.id, 'sweep', why)
    if (done !== undefined) ended.push(done)
  }
  return ended
}

async function goBack(folder: string, fault: LeasedFault): Promise<string> {
  // Pids and process tables begin anew with each boot.
  if (fault.controller.boot !== (await bootId()) && fault.back.kind !== 'end') return 'nothing was left of it'
  return goBackBy(fault, () => othersUndone(folder, fault))
}

async function goBackBy(
  { id, back }: Pick<LeasedFault, 'id' | 'back'>,
  others: () => Promise<void>,
): Promise<string> {
  switch (back.kind) {
    case 'wake': {
      if (!(await isAlive(back.process))) return `process ${back.process.pid} had ended`
      process.kill(back.process.pid, 'SIGCONT')
      return `woke process ${back.process.pid}`
    }
    case 'run':
      return startUnlessRuns(back.process)
    case 'renew': {
      const { pid } = back.process
      if (await isAlive(back.process)) process.kill(pid, 'SIGKILL')
      while (await isAlive(back.process)) await delay(POLL_MS)
      return `ended process ${pid}${back.start === null ? '' : `; ${await startUnlessRuns(back.start)}`}`
    }
    case 'mend':
      return mend(back)
    case 'restore': {
      await writeWhole(back.file, back.content)
      return `wrote back ${back.file}${back.start === null ? '' : `; ${await startUnlessRuns(back.start)}`}`
    }
    case 'kept':
      return `left to ${back.by}`
    case 'end': {
      await others()
      let ended = 0
      for (const name of back.processes) {
        const found = await adopt(back.runDir, name)
        if (found === undefined) continue
        await found.stop({ signal: 'SIGKILL' })
        ended++
      }
      for (const mount of back.mounts ?? []) await unmountDisk(mount)
      await rm(back.folder, { recursive: true, force: true })
      return `ended ${ended} of ${back.processes.length} processes`
    }
    case 'unflip':
      return (await unflip(back)) ? `wrote back bytes of ${back.file}` : 'nothing was left of it'
    case 'clock':
      return rightClock(back.file)
    case 'network': {
      const undone = await removeEffect(id, back.network)
      return back.relay === undefined ? undone : `${undone}; ${await endRelay(back.relay)}`
    }
    default:
      return back satisfies never
  }
}

async function mend({ disk, restart }: Extract<WayBack, { kind: 'mend' }>): Promise<string> {
  const done = await mendDisk(disk)
  if (restart === undefined) return done
  await (await adopt(restart.runDir, restart.name))?.stop({ signal: 'SIGKILL' })
  const started = await start(restart)
  return `${done}; started ${restart.name} anew, process ${started.record.pid}`
}

async function startUnlessRuns(spec: ProcessSpec): Promise<string> {
  const { runDir, name } = spec
  const found = await adopt(runDir, name)
  if (found !== undefined) return `${name} ran already, process ${found.record.pid}`
  const started = await start(spec)
  return `started ${name}, process ${started.record.pid}`
}

/** A broker that is started again after its cluster was ended would be left behind. */
async function othersUndone(folder: string, { cluster, id }: LeasedFault): Promise<void> {
  const until = performance.now() + OTHERS_MS
  while (performance.now() < until) {
    const others = (await activeFaults(folder)).filter(other => other.cluster === cluster && other.id !== id)
    if (others.length === 0) return
    await delay(POLL_MS)
  }
}
