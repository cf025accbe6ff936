/**
 * Reads files of a log dir in processes of their own: a disk that hangs holds whoever touches it, and an agent has only four
 * threads for all its files. Past the page cache: what brokers have there stays there, and what is read is what the disk holds.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { findFormat } from './segments.ts'

const BLOCK = '256K'
/** A disk that gives nothing for so long is left alone: whether it is well is looked at elsewhere. */
const STALLED_MS = 10_000
const LIST_MS = 60_000

/** How many bytes may be read a second, by all who share it. */
export interface Budget {
  /** Once the bytes that were read are paid for. */
  spend(bytes: number, signal: AbortSignal): Promise<void>
}

/** Below that nobody is made to wait: a timer for each block would cost more than it reads. */
const DEBT_MS = 200

export function createBudget(bytesPerSecond: number): Budget {
  let paidUntil = 0
  return {
    async spend(bytes, signal) {
      const now = performance.now()
      paidUntil = Math.max(paidUntil, now) + (bytes / bytesPerSecond) * 1_000
      if (paidUntil - now > DEBT_MS) await delay(paidUntil - now, undefined, { signal })
    },
  }
}

export const unbounded: Budget = { spend: async () => {} }

const run = (command: string, args: readonly string[]): ChildProcess =>
  spawn(command, args, {
    cwd: '/',
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

/** All segments of a log dir, as lines of `findFormat`. @throws Error: it cannot be listed */
export const listLogDir = (logDir: string, signal: AbortSignal): Promise<string> =>
  list(['-H', logDir, '-mindepth', '2', '-maxdepth', '2'], findFormat(), signal)

/** Those of one replica: of a directory of that name, and not of what a link of that name leads to. @throws as {@link listLogDir} */
export const listReplica = (logDir: string, replica: string, signal: AbortSignal): Promise<string> =>
  list([`${logDir}/${replica}`, '-mindepth', '1', '-maxdepth', '1'], findFormat(`${replica}/`), signal)

const list = (where: readonly string[], format: string, signal: AbortSignal): Promise<string> =>
  output(run('find', [...where, '-type', 'f', '-name', '*.log', '-printf', format]), signal)

/** Inode, size and time of the last write, as in a listing; undefined: there is no such file. */
export async function keyOf(path: string, signal: AbortSignal): Promise<string | undefined> {
  const said = await output(run('find', [path, '-maxdepth', '0', '-printf', findFormat()]), signal).catch(
    () => undefined,
  )
  return said?.split(' ').slice(0, 3).join(' ')
}

async function output(child: ChildProcess, signal: AbortSignal): Promise<string> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(LIST_MS)])
  const kill = (): void => void child.kill('SIGKILL')
  until.addEventListener('abort', kill, { once: true })
  try {
    const [said, wrong, [code]] = await Promise.all([
      text(child.stdout!),
      text(child.stderr!),
      once(child, 'exit') as Promise<[number | null]>,
    ])
    // What was deleted while it was listed is no trouble; what was found is.
    if (code !== 0 && said === '') throw new Error(wrong.trim() || `it ended with ${code}`)
    return said
  } finally {
    until.removeEventListener('abort', kill)
  }
}

/** Whole, from one open file, whatever becomes of its name meanwhile. @throws Error: it cannot be read; the signal's reason */
export async function readFile(
  path: string,
  budget: Budget,
  take: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<void> {
  // Not every file system reads past its cache. Then what was read is dropped from it.
  const direct = await readWith('direct', path, budget, take, signal)
  if (direct === 'unsupported' && (await readWith('nocache', path, budget, take, signal)) === 'unsupported')
    throw new Error('it cannot be read')
}

async function readWith(
  flag: 'direct' | 'nocache',
  path: string,
  budget: Budget,
  take: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<'read' | 'unsupported'> {
  const child = run('dd', [`if=${path}`, `bs=${BLOCK}`, `iflag=${flag}`, 'status=none'])
  const [wrong, exit] = [text(child.stderr!), once(child, 'exit') as Promise<[number | null]>]
  // Both are heard below, if it comes to that.
  wrong.catch(() => undefined)
  exit.catch(() => undefined)
  const kill = (): void => void child.kill('SIGKILL')
  /** Who waits for a disk in the kernel does not end by being killed: it is waited for only by whoever has the time. */
  const leave = (): void => {
    kill()
    child.stdout!.destroy()
  }
  signal.addEventListener('abort', leave, { once: true })
  let bytes = 0
  let watch = setTimeout(kill, STALLED_MS)
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      clearTimeout(watch)
      bytes += chunk.length
      take(chunk)
      await budget.spend(chunk.length, signal)
      watch = setTimeout(kill, STALLED_MS)
    }
    signal.throwIfAborted()
    const [code] = await exit
    if (code === 0) return 'read'
    const says = (await wrong).trim()
    if (bytes === 0 && flag === 'direct' && /invalid argument|not supported/i.test(says)) return 'unsupported'
    throw new Error(says || `it was read up to byte ${bytes}, and then no more came`)
  } finally {
    clearTimeout(watch)
    signal.removeEventListener('abort', leave)
    leave()
  }
}
