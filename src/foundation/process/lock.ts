import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AjnaError } from '../errors/errors.ts'
import { LOCK_UNAVAILABLE } from './errors.ts'
import { MARKER } from './run.ts'

export interface FileLock extends AsyncDisposable {
  release(): Promise<void>
}

const conflictCode = 75

/** Not the mark by which a supervised process is found: the holder leads a session of its own, and would be taken for it. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const { [MARKER]: _, ...environment } = process.env
  return environment
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
  // A second's patience: somebody may just be looking (isLocked).
  const mode = options.wait ? [] : ['--timeout', '1', '--conflict-exit-code', `${conflictCode}`]
  const holder = spawn(
    'flock',
    ['--exclusive', ...mode, path, 'sh', '-c', 'echo held; exec cat >/dev/null'],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A Ctrl-C meant for this program must not take its lock away before it has stopped its work.
      detached: true,
      env: ownEnvironment(),
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
  if (outcome === conflictCode) return undefined
  if (outcome !== 'held') throw new AjnaError(LOCK_UNAVAILABLE, `cannot lock ${path}: ${complaint.trim()}`)
  holder.unref()
  const release = async (): Promise<void> => {
    holder.ref()
    holder.stdin.end()
    await ended
  }
  return { release, [Symbol.asyncDispose]: release }
}

/** Whether someone holds the lock on `path`. Creates nothing, and other lookers do not mind. */
export async function isLocked(path: string): Promise<boolean> {
  if ((await stat(path).catch(() => undefined)) === undefined) return false
  const look = spawn(
    'flock',
    ['--shared', '--nonblock', '--conflict-exit-code', `${conflictCode}`, path, 'true'],
    { stdio: 'ignore' },
  )
  const code = await new Promise<number | null>((resolve, reject) => {
    look.once('error', reject)
    look.once('close', resolve)
  }).catch((cause: unknown) => {
    throw new AjnaError(LOCK_UNAVAILABLE, `cannot look at the lock ${path}`, { cause })
  })
  return code === conflictCode
}
