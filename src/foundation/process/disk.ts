import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ProcessSpec } from './run.ts'

/** With less than this no program gets far: the indexes alone of one Kafka segment take 20 MiB at most. */
const neededBytes = 16 * 1024 * 1024

/** Which disk that a process writes to is full; undefined when none is. */
export async function fullDisk(spec: ProcessSpec): Promise<string | undefined> {
  for (const directory of new Set([spec.runDir, dirname(spec.consoleFile), spec.cwd ?? spec.runDir])) {
    const free = await freeBytes(directory)
    if (free !== undefined && free < neededBytes)
      return `the disk of ${directory} is full (${(free / 1024 ** 2).toFixed(1)} MiB free); it goes on once there is space`
  }
  return undefined
}

/** For this user; undefined when there is no such directory. */
export async function freeBytes(directory: string): Promise<number | undefined> {
  const found = await statfs(directory).catch(() => undefined)
  return found === undefined ? undefined : found.bavail * found.bsize
}
