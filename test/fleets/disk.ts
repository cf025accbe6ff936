import { spawnSync } from 'node:child_process'
import { mkdir, statfs } from 'node:fs/promises'

/** A directory on a disk of its own whose size can be changed while it is used. */
export interface SmallDisk {
  /** Makes it as large as that. */
  resize(bytes: number): void
  /** Leaves no more free than that. */
  fillTo(freeBytes: number): Promise<void>
}

/** Mounts a disk (in memory) on `directory`, which needs root. The sweeper of the folder unmounts it. */
export async function smallDisk(directory: string, bytes: number): Promise<SmallDisk> {
  await mkdir(directory, { recursive: true })
  if (!mount('-t', 'tmpfs', '-o', `size=${bytes}`, 'ajna-test', directory))
    throw new Error(`no disk can be mounted on ${directory}: run tests of full disks as root`)
  const resize = (to: number): void => {
    if (!mount('-o', `remount,size=${to}`, directory))
      throw new Error(`${directory} cannot be made ${to} bytes`)
  }
  return {
    resize,
    async fillTo(freeBytes) {
      const { blocks, bfree, bsize } = await statfs(directory)
      // Of none it would take as many as there is memory.
      resize(Math.max(bsize, (blocks - bfree) * bsize + freeBytes))
    },
  }
}

const mount = (...args: string[]): boolean => spawnSync('mount', args, { stdio: 'ignore' }).status === 0
