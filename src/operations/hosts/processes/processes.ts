import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { uptime } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../../foundation/errors/errors.ts'
import { fullDisk } from '../../../foundation/process/disk.ts'
import { watchLife } from '../../../foundation/process/life.ts'
import type { ProcessSpec } from '../../../foundation/process/run.ts'
import { type SupervisionEvent, type Supervisor, supervise } from '../../../foundation/process/supervise.ts'
import {
  type DirStatus,
  type HostPlan,
  hostPlan,
  type PlannedProcess,
  type ProcessAct,
  type ProcessLife,
  type ProcessList,
  type ProcessStatus,
  type ReplicaName,
  type ReplicaRange,
  type ReplicasOnDisk,
  type ReplicaVerified,
} from '../contract.ts'
import { createDiskWatch } from '../disks/watch.ts'
import { PLAN_INVALID, PROCESS_ANOTHER, PROCESS_UNKNOWN } from '../errors.ts'
import { readReplicas } from '../replicas/read.ts'
import { verifyReplica } from '../scrub/verify.ts'
import { createScrubWatch, type Pace, type ScrubOptions } from '../scrub/watch.ts'
import { planChanges } from './decide.ts'

const PLAN_CHECK_MS = 500

/** @param since ISO time of the start of the life that ended */
export type ExplainEnd = (name: string, since: string) => Promise<string | undefined>

export interface ProcessesOptions {
  /** Of the plan; a missing file is a plan without processes. */
  readonly path: string
  readonly host: string
  readonly runDirectory: string
  /** What it answers is waited for before an end counts as told (`SupervisionOptions.onEvent`). */
  readonly onProcessEvent: (event: SupervisionEvent) => void | Promise<void>
  readonly onPlan: (kind: 'adopted' | 'refused', text: string) => void
  readonly explain?: ExplainEnd
  /** How closed segments are read. */
  readonly scrub?: ScrubOptions
}

export interface Processes {
  /** Keeps the planned processes alive until aborted; they outlive that, and the next agent adopts them. */
  run(signal: AbortSignal): Promise<void>
  /**
   * @param pid of `kill`: the process that is meant
   * @throws AjnaError PROCESS_UNKNOWN, PROCESS_ANOTHER, PROCESS_STUCK
   */
  act(name: string, act: ProcessAct, pid?: number): Promise<void>
  status(): ProcessStatus[]
  /** @throws AjnaError PROCESS_UNKNOWN */
  isBroker(name: string): boolean
  /** Answered once its version is another than `after`, or the signal aborts. */
  list(after: number, signal: AbortSignal): Promise<ProcessList>
  /** @throws AjnaError PROCESS_UNKNOWN: also when it does not run just now */
  life(name: string, overMs: number, signal: AbortSignal): Promise<ProcessLife>
  /** What lies in the log dirs that the plan names for a process. @throws AjnaError PROCESS_UNKNOWN */
  replicas(name: string, partitions: readonly ReplicaName[]): Promise<ReplicasOnDisk>
  /** Whether a replica in those dirs is undamaged over a range of offsets. @throws AjnaError PROCESS_UNKNOWN */
  verify(name: string, range: ReplicaRange, signal: AbortSignal): Promise<ReplicaVerified>
  readonly plan: HostPlan | undefined
}

interface Kept {
  planned: PlannedProcess
  /** Undefined while it is stopped by order. */
  supervisor: Supervisor | undefined
  starts: number
  /** Seen before it was stopped by order. */
  lastEnd: ReturnType<Supervisor['lastEnd']>
}

export function createProcesses(options: ProcessesOptions): Processes {
  const kept = new Map<string, Kept>()
  let version = 0
  let changed = Promise.withResolvers<void>()
  const noteChange = (): void => {
    version++
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const disks = createDiskWatch(noteChange)
  const segments = createScrubWatch(noteChange, dir => paceOn(disks.of([dir])), options.scrub)
  let plan: HostPlan | undefined
  let lastText: string | undefined
  // Orders and plan changes one after another: each may stop what another starts.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work)
    last = mine.catch(() => undefined)
    return mine
  }

  function watch(process: Kept): void {
    const { planned } = process
    const { readiness } = planned
    const { explain } = options
    process.supervisor = supervise(planned.name, async () => specOf(planned, options.runDirectory), {
      onEvent: event => {
        if (event.kind === 'started' && !event.adopted) process.starts++
        noteChange()
        return options.onProcessEvent(event)
      },
      onEnd: noteChange,
      stop: { deadlineMs: planned.stopMs },
      hindrance: async spec => brokenDisk(disks.of(planned.logDirs)) ?? fullDisk(spec),
      ...(explain === undefined ? {} : { explain: ({ since }) => explain(planned.name, since) }),
      ...(readiness.kind === 'port'
        ? {
            probe: (signal: AbortSignal) => answers(readiness.host, readiness.port, signal),
            readyWithinMs: readiness.withinMs,
          }
        : {}),
    })
  }

  async function adoptPlan(next: HostPlan): Promise<void> {
    const changes = planChanges(plan, next)
    if (changes === undefined) {
      options.onPlan('refused', `plan ${next.version} is older than ${plan?.version}, which is carried out`)
      return
    }
    plan = next
    await Promise.all(
      changes.remove.map(async name => {
        await kept.get(name)!.supervisor?.stop()
        kept.delete(name)
      }),
    )
    await Promise.all([...changes.replace].map(process => restartAs(process, 'stop')))
    await Promise.all([...changes.rewatch].map(process => restartAs(process, 'release')))
    for (const planned of changes.add) {
      const process: Kept = { planned, supervisor: undefined, starts: 0, lastEnd: undefined }
      kept.set(planned.name, process)
      watch(process)
    }
    const logDirs = next.processes.flatMap(each => each.logDirs)
    disks.watch(logDirs)
    segments.watch(logDirs)
    options.onPlan(
      'adopted',
      `plan ${next.version}: ${next.processes.map(({ name }) => name).join(', ') || 'no processes'}`,
    )
  }

  async function restartAs(planned: PlannedProcess, how: 'stop' | 'release'): Promise<void> {
    const process = kept.get(planned.name)!
    const wasRunning = process.supervisor !== undefined
    await process.supervisor?.[how]()
    process.planned = planned
    process.supervisor = undefined
    if (wasRunning) watch(process)
  }

  async function readPlan(): Promise<void> {
    const text = await readFile(options.path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (text === lastText) return
    lastText = text
    if (text !== undefined) await adoptPlan(parsePlan(text, options))
  }

  function known(name: string): Kept {
    const process = kept.get(name)
    if (process === undefined)
      throw new AjnaError(PROCESS_UNKNOWN, `no process ${name} in the plan of ${options.host}`)
    return process
  }

  async function killProcess(name: string, pid: number | undefined): Promise<void> {
    const { supervisor } = known(name)
    if (pid === undefined || !(await supervisor?.kill(pid)))
      throw new AjnaError(PROCESS_ANOTHER, `${name} is process ${supervisor?.pid() ?? 'none'}, not ${pid}`)
  }

  const status = (): ProcessStatus[] =>
    [...kept.values()].map(({ planned, supervisor, starts, lastEnd }) => ({
      name: planned.name,
      state: supervisor?.state() ?? 'stopped',
      pid: supervisor?.pid() ?? null,
      since: supervisor?.since() ?? null,
      lastEnd: supervisor?.lastEnd() ?? lastEnd ?? null,
      starts,
      dirs: disks.of(planned.logDirs),
      corrupt: segments.of(planned.logDirs),
    }))

  return {
    async run(signal) {
      while (!signal.aborted) {
        await inTurn(readPlan).catch(error => options.onPlan('refused', describeError(error)))
        await delay(PLAN_CHECK_MS, undefined, { signal }).catch(() => undefined)
      }
      disks.watch([])
      segments.watch([])
      await inTurn(async () => {
        await Promise.all([...kept.values()].map(({ supervisor }) => supervisor?.release()))
      })
    },
    act(name, act, pid) {
      // One that has to die at once waits for nobody's orderly end.
      if (act === 'kill') return killProcess(name, pid)
      return inTurn(async () => {
        const process = known(name)
        if (act !== 'start') {
          await process.supervisor?.stop()
          process.lastEnd = process.supervisor?.lastEnd() ?? process.lastEnd
          process.supervisor = undefined
        }
        if (act === 'stop') return noteChange()
        if (process.supervisor === undefined) watch(process)
        else process.supervisor.retry()
      })
    },
    status,
    isBroker: name => known(name).planned.kind === 'broker',
    async list(after, signal) {
      if (after === version) await Promise.race([changed.promise, abortOf(signal)])
      return { version, processes: status() }
    },
    async life(name, overMs, signal) {
      const pid = known(name).supervisor?.pid()
      const life = pid === undefined ? undefined : await watchLife(pid, overMs, signal)
      if (pid === undefined || life === undefined)
        throw new AjnaError(PROCESS_UNKNOWN, `process ${name} does not run just now`)
      return { pid, ...life }
    },
    async replicas(name, partitions) {
      const process = known(name)
      const pidNow = (): number | null => process.supervisor?.pid() ?? null
      const before = pidNow()
      const replicas = await readReplicas(process.planned.logDirs, partitions)
      return { bootedAt: Date.now() - uptime() * 1_000, pid: { before, after: pidNow() }, replicas }
    },
    verify: (name, range, signal) => verifyReplica(known(name).planned.logDirs, range, signal),
    get plan() {
      return plan
    },
  }
}

const PACES = { well: 'usual', full: 'usual', slow: 'sparing', failed: 'none', hanging: 'none' } as const

/** As far as anybody looked. */
const paceOn = ([dir]: readonly DirStatus[]): Pace => (dir === undefined ? 'usual' : PACES[dir.state])

/** A broker without a log dir ends, again and again, and comes back with its disk: it is started seldom, and not given up. */
function brokenDisk(dirs: readonly DirStatus[]): string | undefined {
  const broken = dirs.find(({ state }) => state === 'failed' || state === 'full')
  return (
    broken && `the disk of ${broken.path} ${broken.state === 'full' ? 'is full' : 'fails'} (${broken.says})`
  )
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** @throws AjnaError PLAN_INVALID */
function parsePlan(text: string, { path, host }: ProcessesOptions): HostPlan {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new AjnaError(PLAN_INVALID, `${path} is not JSON`, { cause })
  }
  const parsed = hostPlan.safeParse(json)
  if (!parsed.success) throw new AjnaError(PLAN_INVALID, `${path}: ${describeError(parsed.error)}`)
  if (parsed.data.host !== host)
    throw new AjnaError(PLAN_INVALID, `${path} is the plan of ${parsed.data.host}, not of ${host}`)
  return parsed.data
}

function specOf({ name, argv, env, cwd, log }: PlannedProcess, runDir: string): ProcessSpec {
  const [command, ...args] = argv
  return { name, command: command!, args, env, cwd, runDir, consoleFile: log }
}

function answers(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', reject)
  })
}
