import type { ErrorBody, StatusTable } from '../../../foundation/http/answer.ts'
import type { App } from '../../../foundation/http/server.ts'
import {
  LINK_CHANGED,
  LINK_INVALID,
  LINK_NOT_STOPPED,
  LINK_OWNED,
  LINK_POSITION_REFUSED,
  LINK_UNKNOWN,
} from '../errors.ts'
import { connectorActions } from './actions.ts'
import { activeTopics } from './active-topics.ts'
import { connectorRoutes } from './connector-routes.ts'
import {
  CONNECT_CONFIG_INVALID,
  CONNECT_EXISTS,
  CONNECT_NOT_STOPPED,
  CONNECT_OFFSETS_INVALID,
  CONNECT_UNKNOWN,
} from './errors.ts'
import { offsetRoutes } from './offset-routes.ts'
import { pluginRoutes } from './plugin-routes.ts'
import type { ConnectOptions, RouteContext } from './route-context.ts'
import { runRoutes } from './run-routes.ts'
import { connectorViews } from './views.ts'

/** Kafka Connect's REST API over the links of a fleet. README.md says where it differs, and why. */

/** Clients choose by it what they ask for: the release of Connect whose API this is. */
const CONNECT_VERSION = '4.3.1'

/** 409 is what Connect's clients try again by themselves, so it is said only of what passes, and where Connect says it. */
export const connectStatuses: StatusTable = {
  [CONNECT_UNKNOWN.code]: 404,
  [CONNECT_EXISTS.code]: 409,
  [CONNECT_CONFIG_INVALID.code]: 400,
  [CONNECT_NOT_STOPPED.code]: 400,
  [CONNECT_OFFSETS_INVALID.code]: 400,
  [LINK_UNKNOWN.code]: 404,
  [LINK_CHANGED.code]: 409,
  [LINK_INVALID.code]: 400,
  [LINK_OWNED.code]: 403,
  [LINK_NOT_STOPPED.code]: 409,
  [LINK_POSITION_REFUSED.code]: 400,
}

/** Connect's form of an error, with what Ajna says of it inside. */
export const connectErrorForm = (status: number, { code, message, remedy }: ErrorBody): unknown => ({
  error_code: status,
  message: `${code}: ${message}${/[.!?]$/.test(message) ? '' : '.'} ${remedy}`,
})

export function connectRoutes(app: App, options: ConnectOptions): void {
  const context: RouteContext = {
    options,
    actions: connectorActions(options),
    views: connectorViews(options),
    topics: activeTopics(),
  }
  takeEmptyBodies(app)
  app.get('/', async () => ({
    version: CONNECT_VERSION,
    commit: `ajna-${options.version}`,
    kafka_cluster_id: options.clusterId,
  }))
  app.get('/health', async () => ({ status: 'healthy', message: 'The links are known.' }))
  connectorRoutes(app, context)
  runRoutes(app, context)
  offsetRoutes(app, context)
  pluginRoutes(app, context)
}

/** Many clients say that they send JSON also where there is nothing to send. */
function takeEmptyBodies(app: App): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, body as string, done)
  })
}
