import { resolve } from 'node:path'
import fastifyStatic from '@fastify/static'
import { CONFIG_INVALID } from '../../foundation/config/errors.ts'
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { StatusTable } from '../../foundation/http/answer.ts'
import { HTTP_NOT_FOUND } from '../../foundation/http/errors.ts'
import { createHttpServer, type HttpServer } from '../../foundation/http/server.ts'
import type { Session } from '../../foundation/http/session.ts'
import type { Logger } from '../../foundation/log/log.ts'
import {
  TEST_OVER,
  TEST_RUNNING,
  TEST_SCENARIO_UNKNOWN,
  TEST_UNKNOWN,
} from '../../operations/faults/errors.ts'
import {
  ACT_REFUSED,
  ACTIVITY_UNKNOWN,
  ADMIN_MISSING,
  BROKER_UNKNOWN,
  CLUSTER_UNKNOWN,
  CONFIRMATION_WRONG,
  INCIDENT_UNKNOWN,
  LINK_UNKNOWN,
  LINKS_AWAY,
  REHEARSALS_BUSY,
  SWITCH_AT_WORK,
  SWITCH_NOT_UNDER_WAY,
  TOPIC_UNKNOWN,
} from './errors.ts'
import type { Platform } from './platform.ts'
import { activityRoutes } from './routes/activity.ts'
import { clusterRoutes } from './routes/clusters.ts'
import { completenessRoutes } from './routes/completeness.ts'
import { fleetRoutes } from './routes/fleet.ts'
import { healingRoutes } from './routes/healing.ts'
import { linkRoutes } from './routes/links.ts'
import { logRoutes } from './routes/logs.ts'
import { metricRoutes } from './routes/metrics.ts'
import { testRoutes } from './routes/tests.ts'
import { topicRoutes } from './routes/topics.ts'

export interface ApiOptions {
  readonly platform: Platform
  readonly session: Session
  readonly log: Logger
  /** Where the console was built to; absent: the API alone is served. */
  readonly console?: string
  /** Statuses of the errors that the platform's rooms throw. */
  readonly statuses?: StatusTable
  readonly hosts?: readonly string[]
}

const STATUSES: StatusTable = {
  [CLUSTER_UNKNOWN.code]: 404,
  [TOPIC_UNKNOWN.code]: 404,
  [BROKER_UNKNOWN.code]: 404,
  [LINK_UNKNOWN.code]: 404,
  [ACTIVITY_UNKNOWN.code]: 404,
  [INCIDENT_UNKNOWN.code]: 404,
  [LINKS_AWAY.code]: 503,
  [TEST_UNKNOWN.code]: 404,
  [TEST_SCENARIO_UNKNOWN.code]: 404,
  [TEST_RUNNING.code]: 409,
  [TEST_OVER.code]: 409,
  [CONFIG_INVALID.code]: 422,
  [REHEARSALS_BUSY.code]: 503,
  [ACT_REFUSED.code]: 409,
  [SWITCH_AT_WORK.code]: 409,
  [SWITCH_NOT_UNDER_WAY.code]: 409,
  [ADMIN_MISSING.code]: 403,
  [CONFIRMATION_WRONG.code]: 422,
}

/** The API over a platform, and the console beside it: composition only. */
export function createApi(options: ApiOptions): HttpServer {
  const { platform, session, log } = options
  const server = createHttpServer({
    title: 'Ajna',
    version: platform.version,
    session,
    log,
    statuses: { ...STATUSES, ...options.statuses },
    ...(options.hosts !== undefined && { hosts: options.hosts }),
  })
  server.app.after(() => {
    const context = { app: server.app, platform, events: server.events }
    fleetRoutes(context)
    clusterRoutes(context)
    topicRoutes(context)
    linkRoutes(context)
    logRoutes(context)
    metricRoutes(context)
    completenessRoutes(context)
    activityRoutes(context)
    healingRoutes(context)
    testRoutes(context)
    server.app.get('/healthz', { schema: { hide: true }, handler: () => ({ status: 'ok' }) })
    if (options.console !== undefined) consoleRoutes(server, resolve(options.console))
  })
  return server
}

const YEAR_S = 31_536_000

/** The built console: hashed files for ever, the page itself never, and the page for every path that is not a file. */
function consoleRoutes({ app }: HttpServer, root: string): void {
  app.register(fastifyStatic, {
    root: resolve(root, 'assets'),
    prefix: '/assets/',
    preCompressed: true,
    immutable: true,
    maxAge: YEAR_S * 1_000,
    schemaHide: true,
  })
  app.get('/*', {
    schema: { hide: true },
    handler: (request, reply) => {
      const path = request.url.split('?', 1)[0]!
      // An address the API does not have must not come back as a page.
      if (/^\/api(\/|$)/.test(path)) {
        throw new AjnaError(HTTP_NOT_FOUND, `nothing at ${path.slice(0, 200)}`)
      }
      return reply.header('cache-control', 'no-cache').sendFile('index.html', root, { cacheControl: false })
    },
  })
}
