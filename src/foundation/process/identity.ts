import { readdir, readFile } from 'node:fs/promises'

/** Names one process for ever: a pid is used again, a pid with its start time within one boot is not. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot, field 22 of /proc/<pid>/stat. */
  readonly startTime: number
  /** The kernel's boot id: start times begin anew after a reboot. */
  readonly boot: string
}

/** The identity of whatever runs under that pid now; undefined when nothing does, or only a zombie. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readProc(pid, 'stat')
  const parsed = stat === undefined ? undefined : parseStat(stat)
  if (parsed === undefined || parsed.state === 'Z' || parsed.state === 'X') return undefined
  return { pid, startTime: parsed.startTime, boot: await bootId() }
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identify(identity.pid)
  return now !== undefined && now.startTime === identity.startTime && now.boot === identity.boot
}

export interface ProcessStat {
  readonly state: string
  readonly session: number
  readonly startTime: number
}

/** The command's name, in parentheses, may itself hold spaces and parentheses: fields count from the last one. */
export function parseStat(stat: string): ProcessStat | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, , , session] = fields
  const startTime = Number(fields[19])
  if (state === undefined || session === undefined || !Number.isSafeInteger(startTime)) return undefined
  return { state, session: Number(session), startTime }
}

let boot: Promise<string> | undefined
/** Of the kernel that runs now. */
export function bootId(): Promise<string> {
  boot ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(text => text.trim())
  return boot
}

/** The session leader whose environment holds `name=value`, if one runs. */
export async function findByEnvironment(name: string, value: string): Promise<ProcessIdentity | undefined> {
  const wanted = `${name}=${value}`
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) continue
    const environment = await readProc(pid, 'environ')
    if (environment === undefined || !environment.split('\0').includes(wanted)) continue
    const stat = await readProc(pid, 'stat')
    // What it starts inherits the variable, but not the session's lead.
    if (stat !== undefined && parseStat(stat)?.session === pid) return identify(pid)
  }
  return undefined
}

/** Undefined when the process is gone, or another user's. */
function readProc(pid: number, file: string): Promise<string | undefined> {
  return readFile(`/proc/${pid}/${file}`, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ESRCH' || error.code === 'EACCES') return undefined
    throw error
  })
}
