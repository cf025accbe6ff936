import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../errors/errors.ts'
import { lastConsoleLines, rotateConsole } from './console.ts'
import {
  type Crash,
  decideRestart,
  defaultPolicy,
  type Health,
  type RestartPolicy,
  relevantCrashes,
  stepHealth,
} from './decide.ts'
import { fullDisk } from './disk.ts'
import {
  adopt,
  endedUntold,
  isOfEarlierBoot,
  noteEndTold,
  type ProcessExit,
  type ProcessRecord,
  type ProcessSpec,
  type RunningProcess,
  type StopOptions,
  start,
} from './run.ts'

/** What happened to a supervised process. `at`: ms since the epoch. */
export type SupervisionEvent = { readonly at: number; readonly name: string } & EventBody

type EventBody =
  | { readonly kind: 'started'; readonly pid: number; readonly adopted: boolean; readonly attempt: number }
  /** It ran already, but from another command line than is wanted now: it is ended, and started anew. */
  | { readonly kind: 'replaced'; readonly pid: number }
  | { readonly kind: 'start-failed'; readonly error: string }
  | { readonly kind: 'ready'; readonly pid: number; readonly afterMs: number }
  /** It runs, but was not ready in time; it goes on being asked. */
  | {
      readonly kind: 'not-ready'
      readonly pid: number
      readonly afterMs: number
      readonly why: string | undefined
    }
  /** Ready once, it no longer answers. It goes on being asked; what to do about it is not for a supervisor to judge. */
  | { readonly kind: 'unhealthy'; readonly pid: number; readonly why: string | undefined }
  | { readonly kind: 'healthy'; readonly pid: number }
  | {
      readonly kind: 'exited'
      readonly pid: number
      /** ISO time of its start. */
      readonly since: string
      readonly code: number | null
      readonly signal: NodeJS.Signals | null
      readonly ranMs: number
      /** It had been asked to. */
      readonly expected: boolean
      /** The end of its console. */
      readonly lastLines: readonly string[]
      /** Its own reason, where `explain` found one. */
      readonly reason: string | undefined
    }
  /** Before a start: the last one ended, and nobody has told of that; its supervisor had ended before it could. */
  | {
      readonly kind: 'found-ended'
      readonly pid: number
      /** ISO time of its start. */
      readonly since: string
      /** The machine was started anew in between: that ended it. */
      readonly rebooted: boolean
      readonly lastLines: readonly string[]
      readonly reason: string | undefined
    }
  | { readonly kind: 'restarting'; readonly afterMs: number; readonly reason: string }
  | { readonly kind: 'gave-up'; readonly reason: string }
  /** The supervision itself met with an error, and goes on. */
  | { readonly kind: 'trouble'; readonly error: string }

/** How a process ended; what its supervisor knows at once. */
export interface ObservedEnd {
  /** ms since the epoch. */
  readonly at: number
  readonly pid: number
  /** Both null: another process had started it, so nobody was told. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** It had been asked to. */
  readonly expected: boolean
}

export interface SupervisionOptions {
  /**
   * An end counts as told once what this answers has resolved: if that never happens, or it rejects, the end is told
   * (`found-ended`) before the next start, by whoever supervises then.
   */
  readonly onEvent: (event: SupervisionEvent) => void | Promise<void>
  readonly policy?: RestartPolicy
  /** Called the moment its end is seen, before it is explained and told. */
  readonly onEnd?: (end: ObservedEnd) => void
  /**
   * Whether the process does its work; throwing means no, and why. Also asked once it is ready, to notice a frozen one.
   * Absent: running is ready.
   */
  readonly probe?: (signal: AbortSignal) => Promise<boolean>
  /** How often it is asked once it was ready; default 2,000. */
  readonly probeEveryMs?: number
  /** Default 60,000: after it, `not-ready` is told once. */
  readonly readyWithinMs?: number
  /** Why it ended, in its own words. */
  readonly explain?: (ended: ProcessRecord) => Promise<string | undefined>
  /**
   * What keeps the process from running although it is not its fault, and will pass: then it is never given up. Asked after
   * each end. Default: a full disk.
   */
  readonly hindrance?: (spec: ProcessSpec) => Promise<string | undefined>
  /** How it is stopped unless `stop` says otherwise. */
  readonly stop?: StopOptions
}

export type SupervisionState =
  | 'starting'
  | 'running'
  | 'ready'
  | 'unhealthy'
  | 'waiting'
  | 'gave-up'
  | 'ended'

export interface Supervisor {
  readonly name: string
  state(): SupervisionState
  /** Undefined when it does not run. */
  pid(): number | undefined
  /** Since when it runs, ms since the epoch; undefined when it does not run. */
  since(): number | undefined
  /** The last end that this supervisor saw. */
  lastEnd(): ObservedEnd | undefined
  /**
   * Kills it and its process group at once; its end is one that nobody asked for, and it is started again. False when
   * another process than that runs, or none.
   */
  kill(pid: number): Promise<boolean>
  /** Starts it at once: after it was given up, or while it waits for its restart. No effect while it runs. */
  retry(): void
  /**
   * Ends the process and the supervision; settles when it has really ended.
   * @throws AjnaError PROCESS_STUCK
   */
  stop(options?: StopOptions): Promise<void>
  /** Ends the supervision and lets the process run on, to be adopted later. */
  release(): Promise<void>
}

const probeEveryMs = { starting: 200, ready: 2_000 }
const probeTimeoutMs = 2_000
const missesAllowed = 3
const readyWithinMs = 60_000
const consoleCheckMs = 15_000

interface Supervision {
  readonly name: string
  readonly spec: () => Promise<ProcessSpec>
  readonly options: SupervisionOptions
  /** Aborted when the supervision is to end, for the reason given. */
  readonly ending: AbortSignal
  /** Answers whether it was taken. */
  readonly emit: (event: EventBody) => Promise<boolean>
  state: SupervisionState
  /** As it was last to be started. */
  wanted: ProcessSpec | undefined
  current: RunningProcess | undefined
  lastEnd: ObservedEnd | undefined
  /** Aborted to end a wait. */
  wake: AbortController
}

interface Ending {
  readonly letRun: boolean
  readonly stop: StopOptions
}

/**
 * Keeps a process running: adopts it when it runs already, else starts it; starts it again when it ends, later and later
 * while its lives stay short, until it is given up (decide.ts). One supervisor per name and `runDir` at a time: the
 * caller holds a lock that says so.
 *
 * @param spec asked before each start, so that what the process needs (files, directories) can be put in order first
 */
export function supervise(
  name: string,
  spec: () => Promise<ProcessSpec>,
  options: SupervisionOptions,
): Supervisor {
  const ending = new AbortController()
  const supervision: Supervision = {
    name,
    spec,
    options,
    ending: ending.signal,
    emit: event =>
      Promise.resolve(options.onEvent({ at: Date.now(), name, ...event })).then(
        () => true,
        () => false,
      ),
    state: 'starting',
    wanted: undefined,
    current: undefined,
    lastEnd: undefined,
    wake: new AbortController(),
  }
  const ended = keepRunning(supervision)
  const end = (how: Ending): Promise<void> => {
    ending.abort(how)
    return ended
  }
  return {
    name,
    state: () => supervision.state,
    pid: () => supervision.current?.record.pid,
    since: () => supervision.current && Date.parse(supervision.current.record.since),
    lastEnd: () => supervision.lastEnd,
    async kill(pid) {
      const { current } = supervision
      return current?.record.pid === pid && (await current.killGroup())
    },
    retry: () => supervision.wake.abort(),
    stop: (stop = options.stop ?? {}) => end({ letRun: false, stop }),
    release: () => end({ letRun: true, stop: {} }),
  }
}

async function keepRunning(supervision: Supervision): Promise<void> {
  const policy = supervision.options.policy ?? defaultPolicy
  let crashes: readonly Crash[] = []
  try {
    for (let attempt = 1; !supervision.ending.aborted; attempt++) {
      const ranMs = await oneLife(supervision, attempt)
      if (supervision.ending.aborted) return
      crashes = relevantCrashes([...crashes, await crashOf(supervision, ranMs)], policy)
      const goOn = await pause(supervision, crashes, policy)
      if (goOn === 'asked') crashes = []
    }
  } finally {
    supervision.state = 'ended'
  }
}

async function crashOf({ wanted, options }: Supervision, ranMs: number): Promise<Crash> {
  const hindrance = wanted === undefined ? undefined : await (options.hindrance ?? fullDisk)(wanted)
  return { at: Date.now(), ranMs, ...(hindrance === undefined ? {} : { hindrance }) }
}

/** From start to end; answers how long it lasted, 0 when it did not begin. */
async function oneLife(supervision: Supervision, attempt: number): Promise<number> {
  supervision.state = 'starting'
  const begun = await begin(supervision).catch((error: unknown) => {
    supervision.emit({ kind: 'start-failed', error: describeError(error) })
    return undefined
  })
  if (begun === undefined) return 0
  const { spec, running } = begun
  const { pid, since } = running.record
  supervision.current = running
  supervision.state = 'running'
  supervision.emit({ kind: 'started', pid, adopted: running.adopted, attempt })
  const exit = await watch(supervision, spec, running)
  supervision.current = undefined
  const ranMs = Date.now() - Date.parse(since)
  if (exit === undefined) return ranMs
  noteEnd(supervision, { at: Date.now(), pid, ...exit, expected: supervision.ending.aborted })
  await tellEnd(supervision, spec, running, exit, ranMs)
  return ranMs
}

/** Adopts what runs already (unless it is not what is wanted now), else starts. */
async function begin(supervision: Supervision): Promise<{ spec: ProcessSpec; running: RunningProcess }> {
  const { name, emit, options } = supervision
  const spec = await supervision.spec()
  supervision.wanted = spec
  const found = await adopt(spec.runDir, name)
  if (found === undefined) {
    await tellUntoldEnd(supervision, spec)
    return { spec, running: await start(spec) }
  }
  if (found.record.argv.join('\0') === [spec.command, ...spec.args].join('\0'))
    return { spec, running: found }
  emit({ kind: 'replaced', pid: found.record.pid })
  await found.stop(options.stop)
  return { spec, running: await start(spec) }
}

/** Until it has ended. Undefined when it is let run on. */
async function watch(
  supervision: Supervision,
  spec: ProcessSpec,
  running: RunningProcess,
): Promise<ProcessExit | undefined> {
  const { ending } = supervision
  const watching = new AbortController()
  const chores = Promise.all([
    askAgainAndAgain(supervision, running, watching.signal),
    keepConsoleSmall(supervision, spec, watching.signal),
  ])
  try {
    const exit = await Promise.race([running.exited, aborted(ending, watching.signal)])
    if (exit !== undefined) return exit
    const how = ending.reason as Ending
    return how.letRun ? undefined : await running.stop(how.stop)
  } finally {
    watching.abort()
    await chores
  }
}

async function askAgainAndAgain(
  supervision: Supervision,
  running: RunningProcess,
  signal: AbortSignal,
): Promise<void> {
  const { options, emit } = supervision
  const { pid, since } = running.record
  const policy = { readyWithinMs: options.readyWithinMs ?? readyWithinMs, missesAllowed }
  let health: Health = { kind: 'starting', late: false }
  while (!signal.aborted) {
    const { well, why } = await askOnce(options.probe, signal)
    if (signal.aborted) return
    const elapsed = Date.now() - Date.parse(since)
    const step = stepHealth(health, well, elapsed, policy)
    health = step.health
    supervision.state = health.kind === 'starting' ? 'running' : health.kind
    if (step.tell === 'ready') emit({ kind: 'ready', pid, afterMs: elapsed })
    if (step.tell === 'not-ready') emit({ kind: 'not-ready', pid, afterMs: elapsed, why })
    if (step.tell === 'unhealthy') emit({ kind: 'unhealthy', pid, why })
    if (step.tell === 'healthy') emit({ kind: 'healthy', pid })
    if (options.probe === undefined) return
    await sleep(
      health.kind === 'starting' ? probeEveryMs.starting : (options.probeEveryMs ?? probeEveryMs.ready),
      signal,
    )
  }
}

async function askOnce(
  probe: SupervisionOptions['probe'],
  signal: AbortSignal,
): Promise<{ well: boolean; why: string | undefined }> {
  if (probe === undefined) return { well: true, why: undefined }
  const patience = AbortSignal.any([signal, AbortSignal.timeout(probeTimeoutMs)])
  try {
    const well = await Promise.race([probe(patience), aborted(patience)])
    return { well: well ?? false, why: well === undefined ? `no answer in ${probeTimeoutMs} ms` : undefined }
  } catch (error) {
    return { well: false, why: describeError(error) }
  }
}

async function keepConsoleSmall(
  { emit }: Supervision,
  spec: ProcessSpec,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await rotateConsole(spec.consoleFile).catch((error: unknown) =>
      emit({ kind: 'trouble', error: describeError(error) }),
    )
    await sleep(consoleCheckMs, signal)
  }
}

function noteEnd(supervision: Supervision, end: ObservedEnd): void {
  supervision.lastEnd = end
  supervision.options.onEnd?.(end)
}

async function tellEnd(
  supervision: Supervision,
  spec: ProcessSpec,
  { record }: RunningProcess,
  exit: ProcessExit,
  ranMs: number,
): Promise<void> {
  const { pid, since } = record
  const expected = supervision.ending.aborted
  const words = await lastWords(supervision, spec, record)
  const told = await supervision.emit({ kind: 'exited', pid, since, ...exit, ranMs, expected, ...words })
  if (told) await noteEndTold(spec.runDir, record)
}

async function tellUntoldEnd(supervision: Supervision, spec: ProcessSpec): Promise<void> {
  const record = await endedUntold(spec.runDir, supervision.name)
  if (record === undefined) return
  const { pid, since } = record
  const rebooted = await isOfEarlierBoot(record)
  const words = await lastWords(supervision, spec, record)
  const told = await supervision.emit({ kind: 'found-ended', pid, since, rebooted, ...words })
  if (told) await noteEndTold(spec.runDir, record)
}

async function lastWords(
  { options }: Supervision,
  spec: ProcessSpec,
  ended: ProcessRecord,
): Promise<{ readonly lastLines: readonly string[]; readonly reason: string | undefined }> {
  const reason = await options.explain?.(ended).catch((error: unknown) => `unknown (${describeError(error)})`)
  return { lastLines: await lastConsoleLines(spec.consoleFile), reason }
}

/** Waits as decided, or until asked to go on now. */
async function pause(
  supervision: Supervision,
  crashes: readonly Crash[],
  policy: RestartPolicy,
): Promise<'waited' | 'asked'> {
  const decision = decideRestart(crashes, policy)
  supervision.wake = new AbortController()
  const roused = AbortSignal.any([supervision.wake.signal, supervision.ending])
  if (decision.act === 'give-up') {
    supervision.state = 'gave-up'
    supervision.emit({ kind: 'gave-up', reason: decision.reason })
    while (!roused.aborted) await sleep(consoleCheckMs, roused)
  } else {
    supervision.state = 'waiting'
    supervision.emit({ kind: 'restarting', afterMs: decision.afterMs, reason: decision.reason })
    await sleep(decision.afterMs, roused)
  }
  return supervision.wake.signal.aborted ? 'asked' : 'waited'
}

/** Settles with undefined when `signal` is aborted; lets go of it once `scope` is, which must not follow from `signal`. */
function aborted(signal: AbortSignal, scope?: AbortSignal): Promise<undefined> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve(undefined)
    const options = scope === undefined ? { once: true } : { once: true, signal: scope }
    signal.addEventListener('abort', () => resolve(undefined), options)
  })
}

/** Until the time is over or the signal is aborted. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
