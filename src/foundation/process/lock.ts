import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AjnaError } from '../errors/errors.ts'
import { LOCK_UNAVAILABLE } from './errors.ts'

export interface FileLock extends AsyncDisposable {
  release(): Promise<void>
}

/**
 * Takes an exclusive lock on `path` (created when absent), or answers undefined when someone else has it and `wait` is
 * false.
 *
 * The kernel holds the lock (flock(2)) for a child whose standard input we keep open: whatever becomes of this process,
 * kill -9 included, the pipe closes, the child ends and the lock is free. So there are no stale locks to judge.
 */
export async function lockFile(path: string, options: { wait: true }): Promise<FileLock>
export async function lockFile(path: string, options: { wait: boolean }): Promise<FileLock | undefined>
export async function lockFile(path: string, options: { wait: boolean }): Promise<FileLock | undefined> {
  await mkdir(dirname(path), { recursive: true })
  const mode = options.wait ? [] : ['--nonblock', '--conflict-exit-code', '75']
  const holder = spawn(
    'flock',
    ['--exclusive', ...mode, path, 'sh', '-c', 'echo held; exec cat >/dev/null'],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A Ctrl-C meant for this program must not take its lock away before it has stopped its work.
      detached: true,
    },
  )
  let complaint = ''
  holder.stderr.on('data', chunk => (complaint += chunk))
  const ended = new Promise<number | null>((resolve, reject) => {
    holder.once('error', reject)
    holder.once('close', resolve)
  }).catch((cause: unknown) => {
    throw new AjnaError(LOCK_UNAVAILABLE, `cannot lock ${path}`, { cause })
  })
  const held = once(holder.stdout, 'data').then(() => 'held' as const)
  const outcome = await Promise.race([ended, held])
  if (outcome === 75) return undefined
  if (outcome !== 'held') throw new AjnaError(LOCK_UNAVAILABLE, `cannot lock ${path}: ${complaint.trim()}`)
  holder.unref()
  const release = async (): Promise<void> => {
    holder.ref()
    holder.stdin.end()
    await ended
  }
  return { release, [Symbol.asyncDispose]: release }
}
