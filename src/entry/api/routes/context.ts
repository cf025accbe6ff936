import type { FastifyReply } from 'fastify'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { App, HttpServer } from '../../../foundation/http/server.ts'
import { CLUSTER_UNKNOWN } from '../errors.ts'
import { errorModel } from '../models.ts'
import type { ClusterFacts, Platform } from '../platform.ts'

/** What every route file is given. */
export interface RouteContext {
  readonly app: App
  readonly platform: Platform
  readonly events: HttpServer['events']
}

/** Answers every guarded route may give besides its own. */
export const errorAnswers = { '4xx': errorModel, '5xx': errorModel } as const

export function clusterNamed(platform: Platform, name: string): ClusterFacts {
  const cluster = platform.fleet().clusters.find(each => each.name === name)
  if (cluster === undefined)
    throw new AjnaError(CLUSTER_UNKNOWN, `there is no cluster ${JSON.stringify(name)}`)
  return cluster
}

const CALL_DEADLINE_MS = 15_000

/** Aborts when the caller has gone or the deadline has passed: no call outlives its reader. */
export function callSignal(reply: FastifyReply, deadlineMs = CALL_DEADLINE_MS): AbortSignal {
  const gone = new AbortController()
  // The answer's own close, not its socket's: a kept-alive socket would gather a listener for every request.
  reply.raw.once('close', () => gone.abort(new Error('the caller has gone')))
  return AbortSignal.any([gone.signal, AbortSignal.timeout(deadlineMs)])
}
