/** What the kernel says about a process. */
import { readFile } from 'node:fs/promises'

/** `sysconf(_SC_CLK_TCK)`, which Linux fixes at 100 for user space on every platform Node runs on. */
const TICKS_PER_SECOND = 100
const UTIME = 11
const STIME = 12

/** CPU time of all its threads since it began, in seconds; ended threads included. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, may hold anything; the fields after it are counted from the process's state.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_PER_SECOND
}

/** @param which `VmRSS`: now; `VmHWM`: the most there was */
export async function residentMbOf(pid: number, which: 'VmRSS' | 'VmHWM' = 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kilobytes = new RegExp(`^${which}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]
  if (kilobytes === undefined) throw new Error(`process ${pid} has no ${which}`)
  return Math.round(Number(kilobytes) / 1024)
}
