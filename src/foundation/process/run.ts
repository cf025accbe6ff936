import { type ChildProcess, spawn } from 'node:child_process'
import { type FileHandle, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../errors/errors.ts'
import { consoleHeading, rotateConsole } from './console.ts'
import { PROCESS_NOT_STARTED, PROCESS_STUCK } from './errors.ts'
import { bootId, findByEnvironment, identify, isAlive, type ProcessIdentity } from './identity.ts'

/** A long-lived program. JSON-safe, so that a plan can be kept in a file. */
export interface ProcessSpec {
  /** Unique within `runDir`; names the pid file. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Directory of pid files. */
  readonly runDir: string
  /** Receives standard output and error; rotated by size. */
  readonly consoleFile: string
}

/** What `<runDir>/<name>.json` holds. */
export interface ProcessRecord extends ProcessIdentity {
  readonly name: string
  readonly argv: readonly string[]
  /** ISO time of the start. */
  readonly since: string
  /** ISO time at which its end was seen and told. Absent: it runs, or it ended and nobody has told of that yet. */
  readonly ended?: string
}

export interface ProcessExit {
  /** Null when ended by a signal, and when unknown because another process had started it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface StopOptions {
  readonly signal?: NodeJS.Signals
  /** Time to end by itself, after which it is killed; default 10,000. */
  readonly deadlineMs?: number
}

export interface RunningProcess {
  readonly record: ProcessRecord
  /** Started by an earlier process, not by this one. */
  readonly adopted: boolean
  /** Settles when it has really ended. Waiting for it does not keep this process alive. */
  readonly exited: Promise<ProcessExit>
  /** False when it had ended already. */
  kill(signal: NodeJS.Signals): Promise<boolean>
  /** Kills it and what it has started, without asking. False when it had ended already. */
  killGroup(): Promise<boolean>
  /**
   * Asks it to end, waits, kills it (its process group with it) when the deadline has passed, waits for its real end.
   * @throws AjnaError PROCESS_STUCK
   */
  stop(options?: StopOptions): Promise<ProcessExit>
}

/** Environment variable of a supervised process: the path of its pid file. */
export const MARKER = 'AJNA_PROCESS'
const pollMs = 100
const stuckAfterKillMs = 10_000

export const pidFile = (runDir: string, name: string): string => join(runDir, `${name}.json`)

/**
 * Starts a program in a session of its own: it outlives this process and is found again by {@link adopt}. The caller
 * makes sure that it does not run already.
 *
 * @throws AjnaError PROCESS_NOT_STARTED
 */
export async function start(spec: ProcessSpec): Promise<RunningProcess> {
  await using console = await openConsole(spec)
  const child = spawnDetached(spec, console)
  const exited = exitOf(child)
  await spawned(child, spec)
  const identity = await identify(child.pid!)
  // It may have ended (or be a zombie) before we could look: then only its exit says anything.
  const record: ProcessRecord = {
    ...(identity ?? { pid: child.pid!, startTime: 0, boot: '' }),
    name: spec.name,
    argv: [spec.command, ...spec.args],
    since: new Date().toISOString(),
  }
  try {
    await writePidFile(spec.runDir, record)
  } catch (cause) {
    // A full disk, most often. One that nobody can find by its name is not left behind.
    await running(spec.runDir, record, false, exited).stop({ deadlineMs: 0 })
    throw notStarted(spec, cause)
  }
  return running(spec.runDir, record, false, exited)
}

async function openConsole(spec: ProcessSpec): Promise<FileHandle> {
  try {
    await mkdir(dirname(spec.consoleFile), { recursive: true })
    await rotateConsole(spec.consoleFile)
    const console = await open(spec.consoleFile, 'a')
    await console.appendFile(consoleHeading(new Date(), [spec.command, ...spec.args])).catch(async error => {
      await console.close()
      throw error
    })
    return console
  } catch (cause) {
    throw notStarted(spec, cause)
  }
}

const notStarted = (spec: ProcessSpec, cause: unknown): AjnaError =>
  new AjnaError(PROCESS_NOT_STARTED, `cannot start ${spec.name} (${spec.command})`, { cause })

function spawnDetached(spec: ProcessSpec, console: FileHandle): ChildProcess {
  const child = spawn(spec.command, spec.args, {
    cwd: spec.cwd,
    env: { ...process.env, ...spec.env, [MARKER]: pidFile(spec.runDir, spec.name) },
    stdio: ['ignore', console.fd, console.fd],
    detached: true,
  })
  child.unref()
  return child
}

function exitOf(child: ChildProcess): Promise<ProcessExit> {
  return new Promise(resolve => child.once('exit', (code, signal) => resolve({ code, signal })))
}

function spawned(child: ChildProcess, spec: ProcessSpec): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', cause => reject(notStarted(spec, cause)))
  })
}

/** Writes this process's own pid file, so that {@link adopt} finds it whoever started it. */
export async function recordSelf(runDir: string, name: string): Promise<void> {
  const identity = (await identify(process.pid))!
  await writePidFile(runDir, { ...identity, name, argv: process.argv, since: new Date().toISOString() })
}

async function writePidFile(runDir: string, record: ProcessRecord): Promise<void> {
  const file = pidFile(runDir, record.name)
  await mkdir(runDir, { recursive: true })
  // Of its own name: a process may record itself while its starter records it.
  const making = `${file}.${process.pid}.new`
  try {
    await writeFile(making, `${JSON.stringify(record)}\n`)
    await rename(making, file)
  } catch (error) {
    await rm(making, { force: true })
    throw error
  }
}

/**
 * The process of that name when it still runs, whoever started it. Also finds one whose starter was killed before it
 * could write the pid file, and never one that merely was given the same pid.
 */
export async function adopt(runDir: string, name: string): Promise<RunningProcess | undefined> {
  const file = pidFile(runDir, name)
  const record = await readPidFile(file)
  if (record !== undefined && (await isAlive(record))) return running(runDir, record, true, endOf(record))
  const unrecorded = await findByEnvironment(MARKER, file)
  if (unrecorded === undefined) return undefined
  const argv = (await readFile(`/proc/${unrecorded.pid}/cmdline`, 'utf8').catch(() => ''))
    .split('\0')
    .slice(0, -1)
  const found: ProcessRecord = { ...unrecorded, name, argv, since: new Date().toISOString() }
  // On a full disk it stays unrecorded, and is found in the same way next time.
  await writePidFile(runDir, found).catch(() => undefined)
  return running(runDir, found, true, endOf(found))
}

/** The last process of that name, when it has ended and nobody has told of its end. */
export async function endedUntold(runDir: string, name: string): Promise<ProcessRecord | undefined> {
  const record = await readPidFile(pidFile(runDir, name))
  if (record === undefined || record.ended !== undefined || (await isAlive(record))) return undefined
  return record
}

/** Whether the machine has been started anew since a process began: then that is what ended it. */
export async function isOfEarlierBoot({ boot }: ProcessIdentity): Promise<boolean> {
  // Empty when the process ended before it could be looked at.
  return boot !== '' && boot !== (await bootId())
}

/**
 * Notes that the end of that process has been told. No effect once the pid file is another process's. A disk that takes
 * no note of it stops nothing: the end is then told once more before the next start.
 */
export async function noteEndTold(
  runDir: string,
  { name, pid, startTime, boot }: ProcessRecord,
): Promise<void> {
  const record = await readPidFile(pidFile(runDir, name))
  if (record?.pid !== pid || record.startTime !== startTime || record.boot !== boot) return
  await writePidFile(runDir, { ...record, ended: new Date().toISOString() }).catch(() => undefined)
}

/** Takes away what is left of a process that nobody will start again, once its end has been told. */
export async function forgetEnded(runDir: string, name: string): Promise<void> {
  const record = await readPidFile(pidFile(runDir, name))
  if (record?.ended !== undefined) await rm(pidFile(runDir, name), { force: true })
}

/** Undefined when absent or not one of ours (an unreadable pid file proves nothing: the process table decides). */
export async function readPidFile(file: string): Promise<ProcessRecord | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    const value = JSON.parse(text) as Partial<ProcessRecord>
    return Number.isInteger(value.pid) && Number.isInteger(value.startTime) && typeof value.boot === 'string'
      ? (value as ProcessRecord)
      : undefined
  } catch {
    return undefined
  }
}

/** Only a parent is told of an end; for others' children the process table is asked. */
async function endOf(identity: ProcessIdentity): Promise<ProcessExit> {
  while (await isAlive(identity)) await delay(pollMs, undefined, { ref: false })
  return { code: null, signal: null }
}

function running(
  runDir: string,
  record: ProcessRecord,
  adopted: boolean,
  exited: Promise<ProcessExit>,
): RunningProcess {
  const kill = async (signal: NodeJS.Signals, target = record.pid): Promise<boolean> => {
    if (!(await isAlive(record))) return false
    try {
      return process.kill(target, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
      throw error
    }
  }
  const killGroup = (): Promise<boolean> => kill('SIGKILL', -record.pid)
  const stop = async ({
    signal = 'SIGTERM',
    deadlineMs = 10_000,
  }: StopOptions = {}): Promise<ProcessExit> => {
    await kill(signal)
    const ended = (await within(exited, deadlineMs)) ?? (await killed())
    // Whoever stops it knows of its end.
    await noteEndTold(runDir, record)
    return ended
  }
  async function killed(): Promise<ProcessExit> {
    await killGroup()
    const ended = await within(exited, stuckAfterKillMs)
    if (ended !== undefined) return ended
    throw new AjnaError(PROCESS_STUCK, `${record.name} (pid ${record.pid}) does not end, not even killed`)
  }
  return { record, adopted, exited, kill, killGroup, stop }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const timer = new AbortController()
  try {
    return await Promise.race([promise, delay(ms, undefined, { signal: timer.signal })])
  } finally {
    timer.abort()
  }
}
