import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { App } from '../../../foundation/http/server.ts'
import type { LinkDefinition } from '../definition.ts'
import type { LinkEntry } from '../registry.ts'
import type { ConnectorInfo } from './contract.ts'
import { CONNECT_CONFIG_INVALID } from './errors.ts'
import { configModel, connectorParams } from './models.ts'
import type { RouteContext } from './route-context.ts'
import { connectorOf } from './stored.ts'

/** Which connectors there are, and what they are to do. */

const createModel = z.strictObject({
  name: z.string().nullish(),
  config: configModel,
  initial_state: z.string().nullish(),
})
const listQuery = z.object({ expand: z.union([z.string(), z.array(z.string())]).optional() })
const ofConnector = { params: connectorParams }
const withConfig = { params: connectorParams, body: configModel }

export function connectorRoutes(
  app: App,
  { options: { registry }, actions, views, topics }: RouteContext,
): void {
  const created = (request: FastifyRequest, reply: FastifyReply, entry: LinkEntry): ConnectorInfo => {
    const name = encodeURIComponent(entry.definition.name)
    reply.code(201).header('location', `http://${request.headers.host}/connectors/${name}`)
    return views.info(entry)
  }

  app.get('/connectors', { schema: { querystring: listQuery } }, async request => {
    const { expand } = request.query
    const entries = registry.list()
    if (expand === undefined) return entries.map(({ definition }) => definition.name)
    const wanted = [expand].flat()
    const expanded = (entry: LinkEntry) => ({
      ...(wanted.includes('status') ? { status: views.state(entry) } : {}),
      ...(wanted.includes('info') ? { info: views.info(entry) } : {}),
    })
    return Object.fromEntries(entries.map(entry => [entry.definition.name, expanded(entry)]))
  })
  app.post('/connectors', { schema: { body: createModel } }, async (request, reply) => {
    const { name, config, initial_state: initial } = request.body
    return created(request, reply, await actions.create(name?.trim() ?? '', config, desiredOf(initial)))
  })
  app.get('/connectors/:name', { schema: ofConnector }, async request =>
    views.info(actions.get(request.params.name)),
  )
  app.delete('/connectors/:name', { schema: ofConnector }, async (request, reply) => {
    await actions.remove(request.params.name)
    topics.forget(request.params.name)
    return reply.code(204).send()
  })
  app.get('/connectors/:name/config', { schema: ofConnector }, async request => {
    const { config } = connectorOf(actions.get(request.params.name))
    return config
  })
  app.put('/connectors/:name/config', { schema: withConfig }, async (request, reply) => {
    const { entry, isNew } = await actions.configure(request.params.name, request.body)
    return isNew ? created(request, reply, entry) : views.info(entry)
  })
  app.patch('/connectors/:name/config', { schema: withConfig }, async request =>
    views.info(await actions.patch(request.params.name, request.body)),
  )
}

const INITIAL_STATES: Readonly<Record<string, LinkDefinition['desired']>> = {
  RUNNING: 'running',
  PAUSED: 'paused',
  STOPPED: 'stopped',
}

/** KIP-980. */
function desiredOf(initial: string | null | undefined): LinkDefinition['desired'] {
  const word = initial?.toUpperCase() ?? 'RUNNING'
  const desired = Object.entries(INITIAL_STATES).find(([state]) => state === word)?.[1]
  if (desired !== undefined) return desired
  throw new AjnaError(
    CONNECT_CONFIG_INVALID,
    `initial_state: ${JSON.stringify(initial)} is none of ${Object.keys(INITIAL_STATES).join(', ')}`,
  )
}
