/** A directory on a disk that fails on request: mounted, faulted, mended, taken away. */
import { execFile } from 'node:child_process'
import { mkdir, open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { adopt, type ProcessSpec, start } from '../../../foundation/process/run.ts'
import { DISK_NOT_MOUNTED } from '../errors.ts'
import { type DiskFault, diskFaults } from './kibosh.ts'

/** JSON-safe: a fault's record holds it. */
export interface FaultyDisk {
  /** Where its files are used. */
  readonly mountPoint: string
  /** Where they lie in fact. */
  readonly directory: string
  /** What serves it; the disk is gone when it is. */
  readonly daemon: ProcessSpec
}

export interface DiskPlace {
  /** Of the built file system. */
  readonly program: string
  readonly name: string
  readonly mountPoint: string
  readonly directory: string
  readonly runDir: string
  readonly consoleFile: string
}

const MOUNTED_MS = 15_000
const LOOK_EVERY_MS = 20
const run = promisify(execFile)

const controlOf = ({ mountPoint }: FaultyDisk): string => join(mountPoint, 'kibosh_control')

export const diskAt = (place: DiskPlace): FaultyDisk => ({
  mountPoint: place.mountPoint,
  directory: place.directory,
  daemon: {
    name: place.name,
    command: place.program,
    args: [place.mountPoint, place.directory],
    runDir: place.runDir,
    consoleFile: place.consoleFile,
  },
})

/** Resolves once it is there; does nothing if it is already. @throws AjnaError DISK_NOT_MOUNTED, PROCESS_NOT_STARTED */
export async function mountDisk(disk: FaultyDisk): Promise<void> {
  const { mountPoint, directory, daemon } = disk
  if (await isServed(disk)) return
  await unmountDisk(mountPoint)
  await Promise.all([mountPoint, directory].map(path => mkdir(path, { recursive: true })))
  const serving = await start(daemon)
  const until = performance.now() + MOUNTED_MS
  while ((await faultsOn(disk)) === undefined) {
    const ended = await Promise.race([serving.exited, delay(LOOK_EVERY_MS)])
    if (ended === undefined && performance.now() < until) continue
    await serving.stop({ signal: 'SIGKILL' })
    await unmountDisk(mountPoint)
    throw new AjnaError(DISK_NOT_MOUNTED, `nothing is mounted at ${mountPoint}: see ${daemon.consoleFile}`)
  }
}

/** The faults on it; undefined: it is not there. */
export async function faultsOn(disk: FaultyDisk): Promise<readonly DiskFault[] | undefined> {
  const text = await readFile(controlOf(disk), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : diskFaults.parse(JSON.parse(text)).faults
}

/** In place of those that it has. @throws AjnaError DISK_NOT_MOUNTED */
export async function setFaults(disk: FaultyDisk, faults: readonly DiskFault[]): Promise<void> {
  try {
    // Never made where the disk is not: it would be an ordinary file there.
    await using control = await open(controlOf(disk), 'r+')
    await control.write(JSON.stringify({ faults }), 0)
  } catch (cause) {
    throw new AjnaError(DISK_NOT_MOUNTED, `no faults can be set at ${disk.mountPoint}`, { cause })
  }
}

/** Whatever is wrong with it; answers what was done. Any number of times. */
export async function mendDisk(disk: FaultyDisk): Promise<string> {
  const { mountPoint, directory } = disk
  if (await isServed(disk)) {
    await setFaults(disk, [])
    return `the disk at ${mountPoint} does what it is told`
  }
  if ((await stat(directory).catch(() => undefined)) === undefined) return `nothing is left of ${directory}`
  await mountDisk(disk)
  return `the disk at ${mountPoint} is back`
}

/** Ends what serves it, as if it were pulled out: who has files open there finds them gone. */
export async function loseDisk({ daemon }: FaultyDisk): Promise<void> {
  await (await adopt(daemon.runDir, daemon.name))?.stop({ signal: 'SIGKILL' })
}

/** Also where what served it is dead, and while files are open there. */
export async function unmountDisk(mountPoint: string): Promise<void> {
  // One on top of another, if somebody mounted twice; none, most often.
  while (await isMountPoint(mountPoint)) await run('umount', ['-l', mountPoint])
}

async function isServed(disk: FaultyDisk): Promise<boolean> {
  const { runDir, name } = disk.daemon
  return (await adopt(runDir, name)) !== undefined && (await faultsOn(disk)) !== undefined
}

async function isMountPoint(path: string): Promise<boolean> {
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  // Spaces and the like are octal there.
  const named = path.replaceAll(/[\s\\]/g, each => `\\${each.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return mounts.split('\n').some(line => line.split(' ')[1] === named)
}
