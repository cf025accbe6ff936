import { readFile } from 'node:fs/promises'

/** CPU time and memory of one process, from /proc (proc(5)). */
export interface ProcessUsage {
  /** User and system time since it started. */
  readonly cpuSeconds: number
  readonly residentBytes: number
}

/** USER_HZ: 100 on every architecture Linux runs on today; what /proc counts in, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100

/** Undefined when it does not run (any more). */
export async function usageOf(pid: number): Promise<ProcessUsage | undefined> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
    ])
    return parseUsage(stat, status)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

export function parseUsage(stat: string, status: string): ProcessUsage {
  // The name, in parentheses, may hold anything: fields count from behind it; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? '0'
  return { cpuSeconds: ticks / TICKS_PER_SECOND, residentBytes: Number(resident) * 1024 }
}
