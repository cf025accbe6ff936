import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { ErrorBody, StatusTable } from '../../../foundation/http/answer.ts'
import type { App } from '../../../foundation/http/server.ts'
import type { Coordinator } from './coordinator.ts'
import {
  TROGDOR_CLASS_UNKNOWN,
  TROGDOR_SPEC_INVALID,
  TROGDOR_TASK_CONFLICT,
  TROGDOR_TASK_UNKNOWN,
  TROGDOR_TASKS_TOO_MANY,
} from './errors.ts'
import { parseCommentedJson } from './spec/json.ts'
import { readSpec } from './spec/spec.ts'
import { type TaskStateName, taskJson, taskStates } from './task.ts'

/** The REST API of trogdor's Coordinator (CoordinatorRestResource, 4.3.1). */

/** As trogdor's RestExceptionMapper says them. */
export const trogdorStatuses: StatusTable = {
  [TROGDOR_SPEC_INVALID.code]: 400,
  [TROGDOR_TASK_UNKNOWN.code]: 404,
  [TROGDOR_TASK_CONFLICT.code]: 409,
  [TROGDOR_CLASS_UNKNOWN.code]: 501,
  [TROGDOR_TASKS_TOO_MANY.code]: 503,
}

/** Trogdor's form of an error, with what Ajna says of it inside. */
export const trogdorErrorForm = (status: number, { code, message, remedy }: ErrorBody): unknown => ({
  code: status,
  message: `${message}${/[.!?]$/.test(message) ? '' : '.'} ${remedy} (${code})`,
})

export interface TrogdorRoutes {
  readonly coordinator: Coordinator
  /** Asked for by PUT /coordinator/shutdown; the answer is given first. */
  readonly shutdown: () => void
}

const MAX_ID_CHARACTERS = 256
const when = z.coerce.number({ error: 'a time in ms since the epoch' }).int().catch(Number.NaN)

const idOf = (body: unknown, what: string): string => {
  const id = (body as { id?: unknown } | null | undefined)?.id ?? ''
  if (typeof id !== 'string' || id === '')
    throw new AjnaError(TROGDOR_SPEC_INVALID, `Invalid empty ID in ${what} request`)
  if (id.length <= MAX_ID_CHARACTERS) return id
  throw new AjnaError(
    TROGDOR_SPEC_INVALID,
    `an id of ${id.length} characters; ${MAX_ID_CHARACTERS} are allowed`,
  )
}

export function trogdorRoutes(app: App, { coordinator, shutdown }: TrogdorRoutes): void {
  takeCommentedJson(app)
  const { startMs: serverStartMs } = coordinator
  app.get('/coordinator/status', async () => ({ serverStartMs }))
  app.get('/coordinator/uptime', async () => ({ serverStartMs, nowMs: Date.now() }))
  app.post('/coordinator/task/create', async ({ body }) => {
    const id = idOf(onlyFields(body, 'id', 'spec'), 'createTask')
    await coordinator.create(id, readSpec((body as { spec?: unknown }).spec))
    return {}
  })
  app.put('/coordinator/task/stop', async ({ body }) => {
    await coordinator.stop(idOf(onlyFields(body, 'id'), 'stopTask'))
    return {}
  })
  app.delete('/coordinator/tasks', async ({ query }) => {
    await coordinator.destroy(idOf({ id: lists(query, 'taskId')[0] }, 'destroyTask'))
    return {}
  })
  // Jersey takes both.
  for (const path of ['/coordinator/tasks', '/coordinator/tasks/'])
    app.get(path, async ({ query }) => {
      const found = coordinator.list({
        ids: lists(query, 'taskId'),
        firstStartMs: timeOf(query, 'firstStartMs'),
        lastStartMs: timeOf(query, 'lastStartMs'),
        firstEndMs: timeOf(query, 'firstEndMs'),
        lastEndMs: timeOf(query, 'lastEndMs'),
        state: stateOf(query),
      })
      const sorted = [...found].sort((a, b) => (a.id < b.id ? -1 : 1))
      return { tasks: Object.fromEntries(sorted.map(task => [task.id, taskJson(task)])) }
    })
  app.get('/coordinator/tasks/:taskId', async ({ params }) =>
    taskJson(coordinator.get((params as { taskId: string }).taskId)),
  )
  app.put('/coordinator/shutdown', async ({ body }, reply) => {
    if (body !== undefined && body !== null) onlyFields(body, 'stopAgents')
    reply.raw.once('finish', shutdown)
    return {}
  })
}

/** @throws AjnaError TROGDOR_SPEC_INVALID for what is no object of these fields alone */
function onlyFields(body: unknown, ...names: readonly string[]): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new AjnaError(TROGDOR_SPEC_INVALID, 'body: found nothing, allowed: an object')
  const unknown = Object.keys(body).find(key => !names.includes(key))
  if (unknown === undefined) return body
  throw new AjnaError(
    TROGDOR_SPEC_INVALID,
    `body: found unknown ${JSON.stringify(unknown.slice(0, 80))}, allowed: ${names.join(', ')}`,
  )
}

/** A parameter may be given several times. */
function lists(query: unknown, name: string): readonly string[] {
  const found = (query as Record<string, unknown>)[name]
  return found === undefined ? [] : Array.isArray(found) ? found.map(String) : [String(found)]
}

function timeOf(query: unknown, name: string): number {
  const [text] = lists(query, name)
  if (text === undefined) return 0
  const ms = when.parse(text)
  if (Number.isNaN(ms))
    throw new AjnaError(
      TROGDOR_SPEC_INVALID,
      `${name}: found ${JSON.stringify(text.slice(0, 80))}, allowed: ms since the epoch`,
    )
  return ms
}

function stateOf(query: unknown): TaskStateName | undefined {
  const [text] = lists(query, 'state')
  if (text === undefined || text === '') return undefined
  const state = taskStates.find(each => each === text)
  if (state !== undefined) return state
  throw new AjnaError(
    TROGDOR_SPEC_INVALID,
    `State ${text.slice(0, 80)} is invalid. Must be one of [${taskStates.join(', ')}]`,
  )
}

/** Trogdor's server reads JSON with comments, and takes nothing for an empty body. */
function takeCommentedJson(app: App): void {
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? undefined : parseCommentedJson(body as string, 'body'))
    } catch (error) {
      done(error as Error)
    }
  })
}
