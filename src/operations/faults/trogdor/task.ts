import { z } from 'zod'
import { specJson, type TaskSpec } from './spec/spec.ts'
import type { Status } from './workers/context.ts'

/**
 * A task's life, as trogdor's TaskManager has it:
 *
 *     PENDING ── its time has come ──► RUNNING ── it is stopped ──► STOPPING ──► DONE (error, cancelled)
 *        └──────────── refused, or stopped before ────────────────────────────────┘
 *
 * Times are ms since the epoch.
 */
export const taskStates = ['PENDING', 'RUNNING', 'STOPPING', 'DONE'] as const
export type TaskStateName = (typeof taskStates)[number]

const status = z.union([z.string(), z.record(z.string(), z.unknown())]).nullable()

/** As it is kept on disk. The specification is read again by its schema when it is needed. */
export const taskSchema = z.object({
  id: z.string().min(1),
  /** As it was given, with its defaults: another task of the same id must have the same. */
  given: z.record(z.string(), z.unknown()),
  /** Not before it was created. */
  startMs: z.number(),
  state: z.enum(taskStates),
  /** -1: it never ran. */
  startedMs: z.number(),
  doneMs: z.number(),
  error: z.string(),
  cancelled: z.boolean(),
  status,
})
export type Task = Readonly<z.infer<typeof taskSchema>>

export const newTask = (id: string, spec: TaskSpec, now: number): Task => ({
  id,
  given: specJson(spec),
  startMs: Math.max(now, spec.startMs),
  state: 'PENDING',
  startedMs: -1,
  doneMs: -1,
  error: '',
  cancelled: false,
  status: null,
})

/** Whether that is the task that was created, and not another one of the same id. */
export const isOf = (task: Task, spec: TaskSpec): boolean =>
  canonical(task.given) === canonical(specJson(spec))

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}

export const started = (task: Task, now: number): Task => ({ ...task, state: 'RUNNING', startedMs: now })

export const stopping = (task: Task): Task => ({ ...task, state: 'STOPPING', cancelled: true })

export const stoppedBefore = (task: Task, now: number): Task => done({ ...task, cancelled: true }, '', now)

export const withStatus = (task: Task, said: Status): Task => ({ ...task, status: said })

export const done = (task: Task, error: string, now: number): Task => ({
  ...task,
  state: 'DONE',
  doneMs: now,
  error,
})

/** What becomes of a task whose coordinator was killed while it ran: what it was doing is undone, not gone on with. */
export function resumed(task: Task, now: number): Task {
  if (task.state === 'PENDING' || task.state === 'DONE') return task
  return done(
    task,
    'the coordinator ended while the task ran; faults of it were undone, create it anew to run it',
    now,
  )
}

export const endMs = (task: Task): number => task.startMs + Number(task.given['durationMs'] ?? 0)

/** As GET /coordinator/tasks/{id} says it. */
export function taskJson(task: Task): Readonly<Record<string, unknown>> {
  const { state, given, startMs, startedMs, doneMs, error, cancelled } = task
  const spec = { ...given, startMs }
  switch (state) {
    case 'PENDING':
      return { state, spec, status: null }
    case 'RUNNING':
    case 'STOPPING':
      return { state, spec, startedMs, status: task.status }
    case 'DONE':
      return {
        state,
        spec,
        startedMs,
        doneMs,
        ...(error === '' ? {} : { error }),
        cancelled,
        status: task.status,
      }
    default:
      return state satisfies never
  }
}

/** What GET /coordinator/tasks may be asked for; 0 and absent: whatever. */
export interface TaskFilter {
  readonly ids: readonly string[]
  readonly firstStartMs: number
  readonly lastStartMs: number
  readonly firstEndMs: number
  readonly lastEndMs: number
  readonly state: TaskStateName | undefined
}

/** As trogdor's TasksRequest.matches. */
export function matches(task: Task, filter: TaskFilter): boolean {
  const { ids, firstStartMs, lastStartMs, firstEndMs, lastEndMs, state } = filter
  const { startedMs, doneMs } = task
  if (ids.length > 0 && !ids.includes(task.id)) return false
  if (firstStartMs > 0 && startedMs < firstStartMs) return false
  if (lastStartMs > 0 && (startedMs < 0 || startedMs > lastStartMs)) return false
  if (firstEndMs > 0 && doneMs < firstEndMs) return false
  if (lastEndMs > 0 && (doneMs < 0 || doneMs > lastEndMs)) return false
  return state === undefined || state === task.state
}
