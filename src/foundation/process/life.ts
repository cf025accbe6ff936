import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

export interface Life {
  /** Whether any of its threads was given a processor, or asked for one, while it was watched. */
  readonly ran: boolean
  readonly overMs: number
}

/**
 * Watches a process for a while. One that is stopped (SIGSTOP), or of which every thread hangs in the kernel, does not
 * run; one that is merely idle does: a JVM's threads wake several times a second. Undefined when there is no such process.
 */
export async function watchLife(pid: number, overMs: number, signal: AbortSignal): Promise<Life | undefined> {
  const before = await threadsOf(pid)
  await delay(overMs, undefined, { signal })
  const after = await threadsOf(pid)
  if (before === undefined || after === undefined) return undefined
  return { ran: before.wanting || after.wanting || before.ranNs !== after.ranNs, overMs }
}

interface Threads {
  /** Time on a processor of all threads together; a thread that ends changes it too. */
  readonly ranNs: bigint
  /** One of them is running, or waits for a processor. */
  readonly wanting: boolean
}

async function threadsOf(pid: number): Promise<Threads | undefined> {
  const threads = await unlessGone(readdir(`/proc/${pid}/task`))
  if (threads === undefined) return undefined
  const each = await Promise.all(
    threads.map(async thread => {
      const at = `/proc/${pid}/task/${thread}`
      const [schedstat, stat] = await Promise.all([
        unlessGone(readFile(`${at}/schedstat`, 'utf8')),
        unlessGone(readFile(`${at}/stat`, 'utf8')),
      ])
      return {
        ranNs: BigInt(schedstat?.split(' ', 1)[0] ?? 0),
        wanting: stat?.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) === 'R',
      }
    }),
  )
  return {
    ranNs: each.reduce((sum, { ranNs }) => sum + ranNs, 0n),
    wanting: each.some(({ wanting }) => wanting),
  }
}

async function unlessGone<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
