import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive } from '../../foundation/process/identity.ts'
import { type ProcessRecord, readPidFile } from '../../foundation/process/run.ts'
import { roleOfProcess } from '../up/roles.ts'

/** A process of this machine as its pid file and the kernel tell it. */
export interface ProcessFacts {
  readonly name: string
  readonly role: string
  readonly running: boolean
  readonly pid: number
  /** ms since the epoch */
  readonly since: number
  readonly residentBytes: number | null
  /** Share of one core since the last look; null at the first. */
  readonly cpu: number | null
}

/** Kernel ticks per second (USER_HZ), fixed at 100 on Linux. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4_096

/** Looks at every pid file of a directory; remembers CPU times between looks. */
export function createProcessLooker(runDir: string, now: () => number): () => Promise<ProcessFacts[]> {
  const ticksBefore = new Map<string, { readonly ticks: number; readonly at: number }>()

  async function lookAt(record: ProcessRecord): Promise<ProcessFacts> {
    const running = await isAlive(record)
    const usage = running ? await usageOf(record.pid) : undefined
    const key = `${record.name}:${record.pid}:${record.startTime}`
    const before = ticksBefore.get(key)
    const at = now()
    if (usage !== undefined) ticksBefore.set(key, { ticks: usage.ticks, at })
    else ticksBefore.delete(key)
    const cpu =
      usage === undefined || before === undefined || at <= before.at
        ? null
        : (usage.ticks - before.ticks) / TICKS_PER_SECOND / ((at - before.at) / 1_000)
    return {
      name: record.name,
      role: record.name.startsWith('kafka-') ? 'broker' : (roleOfProcess(record.name)?.role ?? record.name),
      running,
      pid: record.pid,
      since: Date.parse(record.since),
      residentBytes: usage?.residentBytes ?? null,
      cpu,
    }
  }

  return async () => {
    const names = (await readdir(runDir)).filter(name => name.endsWith('.json')).sort()
    const records = await Promise.all(names.map(name => readPidFile(join(runDir, name))))
    return Promise.all(records.filter(record => record !== undefined).map(lookAt))
  }
}

/** undefined when the process has just ended. */
async function usageOf(pid: number): Promise<{ ticks: number; residentBytes: number } | undefined> {
  try {
    const [stat, statm] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/statm`, 'utf8'),
    ])
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      ticks: Number(fields[11]) + Number(fields[12]),
      residentBytes: Number(statm.split(' ')[1]) * PAGE_BYTES,
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
