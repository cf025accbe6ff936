import { z } from 'zod'
import type { App } from '../../../foundation/http/server.ts'
import { connectorParams, flag } from './models.ts'
import type { RouteContext } from './route-context.ts'
import { restarting } from './tasks.ts'

/** How connectors stand, and what becomes of that. */

const STATE_CHANGES = {
  pause: { desired: 'paused', code: 202 },
  resume: { desired: 'running', code: 202 },
  stop: { desired: 'stopped', code: 204 },
} as const

const restartQuery = z.object({ includeTasks: flag, onlyFailed: flag })
const taskParams = connectorParams.extend({ task: z.coerce.number().int().min(0).max(1_000_000) })
const ofConnector = { params: connectorParams }
const ofTask = { params: taskParams }

export function runRoutes(app: App, { options: { registry }, actions, views, topics }: RouteContext): void {
  app.get('/connectors/:name/status', { schema: ofConnector }, async request =>
    views.state(actions.get(request.params.name)),
  )
  for (const [verb, { desired, code }] of Object.entries(STATE_CHANGES))
    app.put(`/connectors/:name/${verb}`, { schema: ofConnector }, async (request, reply) => {
      await actions.setDesired(request.params.name, desired)
      return reply.code(code).send()
    })
  app.post(
    '/connectors/:name/restart',
    { schema: { params: connectorParams, querystring: restartQuery } },
    async (request, reply) => {
      const { includeTasks, onlyFailed } = request.query
      const { name } = request.params
      const before = views.state(actions.get(name))
      // A connector without its tasks is a link as a whole: what failed of it begins anew, what copies goes on.
      await registry.restart(name, { only: includeTasks && !onlyFailed ? 'all' : 'failed' })
      if (!includeTasks && !onlyFailed) return reply.code(204).send()
      return reply.code(202).send(restarting(before, onlyFailed, includeTasks))
    },
  )

  app.get('/connectors/:name/tasks', { schema: ofConnector }, async request =>
    views.tasks(actions.get(request.params.name)),
  )
  app.get('/connectors/:name/tasks/:task(^\\d{1,6}$)/status', { schema: ofTask }, async request => {
    const entry = actions.get(request.params.name)
    views.task(entry, request.params.task)
    return views.state(entry).tasks[request.params.task]!
  })
  app.post(
    '/connectors/:name/tasks/:task(^\\d{1,6}$)/restart',
    { schema: ofTask },
    async (request, reply) => {
      const { name, task } = request.params
      const partitions = views.task(actions.get(name), task)
      await registry.restart(name, { only: 'all', partitions })
      return reply.code(204).send()
    },
  )

  app.get('/connectors/:name/topics', { schema: ofConnector }, async request => {
    const { definition } = actions.get(request.params.name)
    return { [definition.name]: { topics: topics.of(definition, registry.status(definition.name)) } }
  })
  app.put('/connectors/:name/topics/reset', { schema: ofConnector }, async (request, reply) => {
    const { definition } = actions.get(request.params.name)
    topics.reset(definition, registry.status(definition.name))
    return reply.code(202).send()
  })
}
