import type { FastifyReply } from 'fastify'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { App, HttpServer } from '../../../foundation/http/server.ts'
import { ACT_REFUSED, CLUSTER_UNKNOWN, CONFIRMATION_WRONG } from '../errors.ts'
import { errorModel, type Offer } from '../models.ts'
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

/**
 * What stands before every act: it was meant for this thing, and may be done now.
 *
 * @throws AjnaError CONFIRMATION_WRONG, ACT_REFUSED with every reason
 */
export function guardAct(typed: string, expected: string, offer: Offer, notDone: string): void {
  if (typed !== expected)
    throw new AjnaError(CONFIRMATION_WRONG, `found ${JSON.stringify(typed)}, allowed: ${expected}`, {
      details: { expected },
    })
  if (!offer.allowed)
    throw new AjnaError(ACT_REFUSED, `${notDone}: ${offer.reasons.join('; ')}`, {
      details: { reasons: offer.reasons },
    })
}

/** For the activity: who says that they act; else that it was somebody who holds the session. */
export const actorOf = (by: string | undefined): string => by ?? 'operator'

const CALL_DEADLINE_MS = 15_000

/** Aborts when the caller has gone or the deadline has passed: no call outlives its reader. */
export function callSignal(reply: FastifyReply, deadlineMs = CALL_DEADLINE_MS): AbortSignal {
  const gone = new AbortController()
  // The answer's own close, not its socket's: a kept-alive socket would gather a listener for every request.
  reply.raw.once('close', () => gone.abort(new Error('the caller has gone')))
  return AbortSignal.any([gone.signal, AbortSignal.timeout(deadlineMs)])
}
