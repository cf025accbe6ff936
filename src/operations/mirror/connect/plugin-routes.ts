import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { App } from '../../../foundation/http/server.ts'
import { connectorKind, translateConnector } from './config/connectors.ts'
import { configInfos } from './config/infos.ts'
import type { ConnectorConfig } from './config/reading.ts'
import { CONNECT_CONFIG_INVALID, CONNECT_UNKNOWN } from './errors.ts'
import { configModel, connectorParams } from './models.ts'
import { listPlugins, pluginKeys } from './plugins.ts'
import type { RouteContext } from './route-context.ts'

/** What a configuration may say, and whether one says it right. */

const listQuery = z.object({ connectorsOnly: z.string().default('true') })

export function pluginRoutes(app: App, { options }: RouteContext): void {
  app.get('/connector-plugins', { schema: { querystring: listQuery } }, async request =>
    listPlugins(options.version, request.query.connectorsOnly === 'true'),
  )
  app.get('/connector-plugins/:name/config', { schema: { params: connectorParams } }, async request => {
    const keys = pluginKeys(request.params.name)
    if (keys === undefined) throw unknownPlugin(request.params.name)
    return keys
  })
  app.put(
    '/connector-plugins/:name/config/validate',
    { schema: { params: connectorParams, body: configModel } },
    async request => {
      const kind = connectorKind(request.params.name)
      if (kind === undefined) throw unknownPlugin(request.params.name)
      const config: ConnectorConfig = Object.fromEntries(
        Object.entries(request.body).flatMap(([key, value]) =>
          value === null ? [] : [[key, String(value)]],
        ),
      )
      const included = config['connector.class']
      if (included !== undefined && connectorKind(included) !== kind)
        throw new AjnaError(
          CONNECT_CONFIG_INVALID,
          `connector.class: is ${JSON.stringify(included)}, but the request is about ${kind.class}`,
        )
      const { reading, problems } = translateConnector(kind, config, options.translation)
      return configInfos(kind, reading, problems)
    },
  )
}

const unknownPlugin = (name: string): AjnaError =>
  new AjnaError(CONNECT_UNKNOWN, `there is no plugin ${JSON.stringify(name.slice(0, 200))}`)
