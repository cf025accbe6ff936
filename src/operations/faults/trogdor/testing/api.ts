import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

/** A task as the REST API tells of it. */
export interface ToldTask {
  readonly state: string
  readonly spec: Readonly<Record<string, unknown>>
  readonly startedMs?: number
  readonly doneMs?: number
  readonly error?: string
  readonly cancelled?: boolean
  readonly status: unknown
}

export interface Answer<Body> {
  readonly status: number
  readonly body: Body
}

/** A client of a coordinator's REST API, for tests. */
export function apiOf(address: string) {
  async function call<Body = unknown>(method: string, path: string, body?: unknown): Promise<Answer<Body>> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const response = await fetch(`${address}/coordinator${path}`, {
      method,
      ...(body === undefined ? {} : { body: text, headers: { 'content-type': 'application/json' } }),
    })
    return { status: response.status, body: (await response.json()) as Body }
  }
  return {
    call,
    async create(id: string, spec: unknown): Promise<void> {
      assert.deepEqual(await call('POST', '/task/create', { id, spec }), { status: 200, body: {} })
    },
    async task(id: string): Promise<ToldTask> {
      const { status, body } = await call<ToldTask>('GET', `/tasks/${encodeURIComponent(id)}`)
      assert.equal(status, 200, JSON.stringify(body))
      return body
    },
    /** When it is in that state. */
    async in(id: string, state: string, deadlineMs = 120_000): Promise<ToldTask> {
      const until = Date.now() + deadlineMs
      for (;;) {
        const task = await this.task(id)
        if (task.state === state) return task
        assert.ok(
          Date.now() < until && task.state !== 'DONE',
          `${id} is not ${state}: ${JSON.stringify(task)}`,
        )
        await delay(50)
      }
    },
  }
}
