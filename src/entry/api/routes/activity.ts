import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { Activity } from '../../../operations/fleet/activity/contract.ts'
import { ACTIVITY_UNKNOWN } from '../errors.ts'
import { activitiesModel, activityModel, search } from '../models.ts'
import { errorAnswers, type RouteContext } from './context.ts'

const REPLAY_LIMIT = 200

export function activityRoutes(context: RouteContext): void {
  const { app, platform } = context
  app.get('/api/activity', {
    schema: {
      tags: ['activity'],
      summary: 'Every change: who, what, why, how it ended, newest first',
      querystring: z.object({
        before: z.string().max(200).optional().describe('id of the last entry of the page before'),
        limit: z.coerce.number().int().min(1).max(500).default(100),
        search,
      }),
      response: { 200: activitiesModel, ...errorAnswers },
    },
    handler: request => {
      const { before, limit, search: text } = request.query
      const found = platform.activity.list({
        ...(before !== undefined && { before }),
        limit: limit + 1,
        search: text,
      })
      const items = found.slice(0, limit)
      return { items, more: found.length > limit, journal: platform.activity.journal() }
    },
  })
  app.get('/api/activity/live', {
    schema: {
      tags: ['activity'],
      summary:
        'Server-sent events: an `entry` for each new or changed one; Last-Event-ID continues after that entry',
      response: { 200: activityModel.describe('data of each `entry` event'), ...errorAnswers },
    },
    handler: (request, reply) => {
      const stream = context.events(reply)
      const send = (entry: Activity): void => void stream.send({ event: 'entry', id: entry.id, data: entry })
      platform.activity.onEntry(send, stream.closed)
      for (const entry of missedSince(context, request.headers['last-event-id'])) send(entry)
    },
  })
  app.get('/api/activity/:id', {
    schema: {
      tags: ['activity'],
      summary: 'One entry, to follow what is running',
      params: z.object({ id: z.string().max(200) }),
      response: { 200: activityModel, ...errorAnswers },
    },
    handler: request => {
      const entry = platform.activity.get(request.params.id)
      if (entry === undefined)
        throw new AjnaError(ACTIVITY_UNKNOWN, `there is no entry ${JSON.stringify(request.params.id)}`)
      return entry
    },
  })
}

/** Oldest first; nothing when the reader names no entry that is still known. */
function missedSince({ platform }: RouteContext, last: string | string[] | undefined): Activity[] {
  if (typeof last !== 'string') return []
  const recent = platform.activity.list({ limit: REPLAY_LIMIT, search: '' })
  const at = recent.findIndex(entry => entry.id === last)
  return at < 0 ? [] : recent.slice(0, at).reverse()
}
