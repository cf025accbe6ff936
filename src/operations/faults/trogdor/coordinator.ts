import { AjnaError, describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import { WIRE_CLOSED } from '../../../foundation/wire/errors.ts'
import { TROGDOR_TASK_CONFLICT, TROGDOR_TASK_UNKNOWN, TROGDOR_TASKS_TOO_MANY } from './errors.ts'
import { planOf } from './plan.ts'
import { readSpec, type TaskSpec } from './spec/spec.ts'
import type { TaskStore } from './store.ts'
import {
  done,
  endMs,
  isOf,
  matches,
  newTask,
  resumed,
  started,
  stoppedBefore,
  stopping,
  type Task,
  type TaskFilter,
  withStatus,
} from './task.ts'
import type { FaultTarget } from './workers/fault-target.ts'
import { work } from './workers/workers.ts'

export interface CoordinatorOptions {
  readonly store: TaskStore
  /** What faults may be done to; undefined: nothing. */
  readonly target: FaultTarget | undefined
  /** Told what becomes of each task. */
  readonly note: (what: string) => void
}

/**
 * Trogdor's coordinator and its agents in one: keeps tasks, runs each at its time, and tells of them. What a call has changed
 * is on the disk when it resolves.
 */
export interface Coordinator {
  readonly startMs: number
  /**
   * Creating the same task again changes nothing. One that cannot be done is created all the same, and is done, with an
   * error: as trogdor's.
   *
   * @throws AjnaError TROGDOR_TASK_CONFLICT, TROGDOR_TASKS_TOO_MANY
   */
  create(id: string, spec: TaskSpec): Promise<void>
  /** One that is unknown, done or being stopped is left as it is. */
  stop(id: string): Promise<void>
  destroy(id: string): Promise<void>
  list(filter: TaskFilter): readonly Task[]
  /** @throws AjnaError TROGDOR_TASK_UNKNOWN */
  get(id: string): Task
  /** Resolves when the task is done. @throws AjnaError TROGDOR_TASK_UNKNOWN */
  ended(id: string): Promise<Task>
  /** Stops what runs, and waits until nothing of it is left. */
  close(): Promise<void>
}

/** Trogdor keeps tasks until they are destroyed; so many are kept. */
const MAX_TASKS = 1_000
const MAX_RUNNING = 50
const MAX_ERROR_CHARACTERS = 2_000

interface Entry {
  task: Task
  timer: NodeJS.Timeout | undefined
  running: Running | undefined
  /** Writes of the task's file, one after another. */
  saving: Promise<void>
  readonly over: PromiseWithResolvers<Task>
}

interface Running {
  readonly ending: AbortController
  readonly work: Promise<void>
}

export async function openCoordinator({ store, target, note }: CoordinatorOptions): Promise<Coordinator> {
  const startMs = Date.now()
  const own = target?.cluster.bootstrap
  const entries = new Map<string, Entry>()
  /** Of tasks that were destroyed too. */
  const atWork = new Set<Running>()
  let closed = false

  function entryOf(task: Task): Entry {
    const entry: Entry = {
      task,
      timer: undefined,
      running: undefined,
      saving: Promise.resolve(),
      over: Promise.withResolvers<Task>(),
    }
    entries.set(task.id, entry)
    return entry
  }

  function change(entry: Entry, task: Task): Promise<void> {
    entry.task = task
    if (task.state === 'DONE') entry.over.resolve(task)
    return save(entry)
  }

  function save(entry: Entry): Promise<void> {
    const saved = entry.saving.then(() =>
      entries.get(entry.task.id) === entry ? store.save(entry.task) : undefined,
    )
    entry.saving = saved.catch(() => undefined)
    return saved
  }

  async function finish(entry: Entry, error: string): Promise<void> {
    const text = error.slice(0, MAX_ERROR_CHARACTERS)
    note(`task ${shown(entry.task.id)} is done${text === '' ? '' : `: ${text}`}`)
    await change(entry, done(entry.task, text, Date.now()))
  }

  function schedule(entry: Entry): void {
    entry.timer = at(
      entry.task.startMs,
      timer => (entry.timer = timer),
      () => void begin(entry).catch(fail),
    )
    async function fail(error: unknown): Promise<void> {
      await finish(entry, describeError(error)).catch(cause => note(describeError(cause)))
    }
  }

  async function begin(entry: Entry): Promise<void> {
    entry.timer = undefined
    if (closed || entry.task.state !== 'PENDING') return
    const { id, given } = entry.task
    const plan = planOf(readSpec(given), own)
    if ('refused' in plan) return finish(entry, plan.refused)
    if (Date.now() >= endMs(entry.task)) return finish(entry, 'worker expired')
    if (atWork.size >= MAX_RUNNING) return finish(entry, `${MAX_RUNNING} tasks are running, more are refused`)
    // Written down before anything is done: whoever finds it so knows that it may have been.
    await change(entry, started(entry.task, Date.now()))
    note(`task ${shown(id)} is running: ${String(given['class'])}`)
    const ending = new AbortController()
    let timer: NodeJS.Timeout | undefined
    timer = at(
      endMs(entry.task),
      next => (timer = next),
      () => ending.abort(),
    )
    const context = {
      id,
      ending: ending.signal,
      report: (status: Task['status'] & {}) => {
        entry.task = withStatus(entry.task, status)
      },
    }
    const forMs = endMs(entry.task) - Date.now()
    const running: Running = {
      ending,
      work: work({ plan, forMs, target }, context)
        .then(
          () => '',
          (error: unknown) => (isEnd(error, ending.signal) ? '' : describeError(error)),
        )
        .then(error => {
          clearTimeout(timer)
          atWork.delete(running)
          entry.running = undefined
          return finish(entry, error)
        })
        .catch(error => note(`task ${shown(id)}: ${describeError(error)}`)),
    }
    entry.running = running
    atWork.add(running)
    // It may have been stopped or destroyed, or all of them, while that was written.
    if (closed || entries.get(id) !== entry || stateOf(entry) !== 'RUNNING') ending.abort()
  }

  async function create(id: string, spec: TaskSpec): Promise<void> {
    const known = entries.get(id)
    if (known !== undefined) {
      if (isOf(known.task, spec)) return known.saving
      throw new AjnaError(
        TROGDOR_TASK_CONFLICT,
        `Task ID ${shown(id)} already exists, and has a different spec ${JSON.stringify(known.task.given).slice(0, 500)}`,
      )
    }
    if (entries.size >= MAX_TASKS)
      throw new AjnaError(TROGDOR_TASKS_TOO_MANY, `the coordinator keeps ${MAX_TASKS} tasks`)
    const entry = entryOf(newTask(id, spec, Date.now()))
    note(`task ${shown(id)} was created: ${spec.class}`)
    const plan = planOf(spec, own)
    if ('refused' in plan) return finish(entry, plan.refused)
    try {
      await save(entry)
    } catch (error) {
      entries.delete(id)
      throw error
    }
    schedule(entry)
  }

  async function stop(entry: Entry): Promise<void> {
    const { task } = entry
    if (task.state === 'PENDING') {
      clearTimeout(entry.timer)
      await change(entry, stoppedBefore(task, Date.now()))
    } else if (task.state === 'RUNNING') {
      const written = change(entry, stopping(task))
      entry.running?.ending.abort()
      await written
    }
  }

  function known(id: string): Entry {
    const entry = entries.get(id)
    if (entry === undefined)
      throw new AjnaError(TROGDOR_TASK_UNKNOWN, `No task with ID "${shown(id)}" exists`)
    return entry
  }

  for (const kept of await store.load()) {
    const task = resumed(kept, startMs)
    const entry = entryOf(task)
    if (task !== kept) {
      note(`task ${shown(task.id)} ran when an earlier coordinator ended`)
      await change(entry, task)
    }
    if (task.state === 'PENDING') schedule(entry)
    else entry.over.resolve(task)
  }

  return {
    startMs,
    create,
    async stop(id) {
      const entry = entries.get(id)
      if (entry !== undefined) await stop(entry)
    },
    async destroy(id) {
      const entry = entries.get(id)
      if (entry === undefined) return
      clearTimeout(entry.timer)
      entries.delete(id)
      entry.running?.ending.abort()
      entry.over.resolve(entry.task)
      await entry.saving
      await store.remove(id)
      note(`task ${shown(id)} was destroyed`)
    },
    list: filter => [...entries.values()].map(({ task }) => task).filter(task => matches(task, filter)),
    get: id => known(id).task,
    ended: id => known(id).over.promise,
    async close() {
      closed = true
      for (const { timer } of entries.values()) clearTimeout(timer)
      for (const { ending } of atWork) ending.abort()
      await Promise.all([...atWork].map(running => running.work))
      await Promise.all([...entries.values()].map(({ saving }) => saving))
    },
  }
}

/** Whether work ended because it was to. What else goes wrong then (a fault that cannot be taken back) is told all the same. */
function isEnd(error: unknown, ending: AbortSignal): boolean {
  if (!ending.aborted) return false
  const { name } = error as Error
  return error === ending.reason || name === 'AbortError' || isAjnaError(error, WIRE_CLOSED)
}

const stateOf = ({ task }: Entry): Task['state'] => task.state

const shown = (id: string): string => (id.length <= 100 ? id : `${id.slice(0, 100)}…`)

/** The longest that a timer can wait, ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Calls at that time, however far it is; `keep` is given each timer in turn. */
function at(ms: number, keep: (timer: NodeJS.Timeout) => void, call: () => void): NodeJS.Timeout {
  const left = Math.max(0, ms - Date.now())
  if (left <= LONGEST_TIMER_MS) return setTimeout(call, left)
  return setTimeout(() => keep(at(ms, keep, call)), LONGEST_TIMER_MS)
}
