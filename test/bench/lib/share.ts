/** Holds processes to a fixed share of a core, so that what they do together can be told from what the machine gives. */
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Share extends AsyncDisposable {
  /** How they are held: `cgroup` by the kernel, exactly; `duty cycle` by stopping and waking them, roughly. */
  readonly by: 'cgroup' | 'duty cycle'
}

const CPU_CONTROLLER = '/sys/fs/cgroup/cpu'
const PREFIX = 'ajna-bench-'
const PERIOD_US = 50_000
/** The kernel takes no shorter quota than 1 ms; a process that is woken so seldom still gets something done each time. */
const CYCLE_MS = 250
const GONE_WITHIN_MS = 2_000

/** @param cores of each process, 0.04 is four hundredths of one core. Disposed, they may use what there is again. */
export async function holdEach(pids: readonly number[], cores: number): Promise<Share> {
  const groups: string[] = []
  try {
    await sweepGroups()
    for (const pid of pids) groups.push(await groupOf(pid, cores))
    return { by: 'cgroup', [Symbol.asyncDispose]: () => dissolve(groups) }
  } catch (error) {
    await dissolve(groups)
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined || !['ENOENT', 'EACCES', 'EPERM', 'EROFS', 'EINVAL'].includes(code)) throw error
    console.log(
      `no cgroup v1 cpu controller can be used (${code}): the processes are stopped and woken in turn`,
    )
    return dutyCycles(pids, cores)
  }
}

async function groupOf(pid: number, cores: number): Promise<string> {
  const group = join(CPU_CONTROLLER, `${PREFIX}${process.pid}-${pid}`)
  await mkdir(group)
  try {
    await writeFile(join(group, 'cpu.cfs_period_us'), String(PERIOD_US))
    await writeFile(join(group, 'cpu.cfs_quota_us'), String(Math.round(PERIOD_US * cores)))
    await writeFile(join(group, 'cgroup.procs'), String(pid))
    return group
  } catch (error) {
    await rmdir(group)
    throw error
  }
}

/** A group can be taken away once nobody is in it: whoever is goes back to where the bench itself is. */
async function dissolve(groups: readonly string[]): Promise<void> {
  for (const group of groups) {
    const pid = group.slice(group.lastIndexOf('-') + 1)
    await writeFile(join(CPU_CONTROLLER, 'cgroup.procs'), pid).catch(() => undefined)
    await removed(group)
  }
}

/** Of a process that has just ended the group is busy for a moment longer. */
async function removed(group: string): Promise<void> {
  for (const deadline = Date.now() + GONE_WITHIN_MS; ; await sleep(20)) {
    try {
      return await rmdir(group)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return
      if (code !== 'EBUSY' || Date.now() > deadline) throw error
    }
  }
}

/** What a bench that was killed has left behind; groups of one that runs are busy and stay. */
async function sweepGroups(): Promise<void> {
  const names = await readdir(CPU_CONTROLLER)
  for (const name of names) {
    if (!name.startsWith(PREFIX) || name.startsWith(`${PREFIX}${process.pid}-`)) continue
    await rmdir(join(CPU_CONTROLLER, name)).catch(() => undefined)
  }
}

/** Each in its own part of the cycle, as far as the cycle has room: else they would all want the cores at once. */
function dutyCycles(pids: readonly number[], cores: number): Share {
  const over = new AbortController()
  const awakeMs = CYCLE_MS * cores
  const held = pids.map(async (pid, index) => {
    try {
      await sleep((CYCLE_MS * index) / pids.length, undefined, { signal: over.signal })
      for (;;) {
        process.kill(pid, 'SIGCONT')
        await sleep(awakeMs, undefined, { signal: over.signal })
        process.kill(pid, 'SIGSTOP')
        await sleep(CYCLE_MS - awakeMs, undefined, { signal: over.signal })
      }
    } catch {
      // It has ended, or is to be held no longer.
    }
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // It has ended.
    }
  })
  return {
    by: 'duty cycle',
    async [Symbol.asyncDispose]() {
      over.abort()
      await Promise.all(held)
    },
  }
}
