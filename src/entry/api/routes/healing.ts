import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { INCIDENT_UNKNOWN } from '../errors.ts'
import { healedClusterModel, healingRequestModel, incidentModel, incidentsModel } from '../models.ts'
import { actorOf, errorAnswers, type RouteContext } from './context.ts'

export function healingRoutes({ app, platform }: RouteContext): void {
  app.get('/api/incidents', {
    schema: {
      tags: ['healing'],
      summary: 'Failures: signs, diagnosis, what was done and why, with evidence, newest first',
      querystring: z.object({
        before: z.string().max(200).optional().describe('id of the last incident of the page before'),
        limit: z.coerce.number().int().min(1).max(500).default(100),
      }),
      response: { 200: incidentsModel, ...errorAnswers },
    },
    handler: ({ query: { before, limit } }) => {
      const all = platform.healing.incidents()
      const from = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1
      const items = before !== undefined && from === 0 ? [] : all.slice(from, from + limit)
      return {
        items,
        more: all.length > from + items.length && items.length > 0,
        clusters: [...platform.healing.clusters()],
      }
    },
  })
  app.get('/api/incidents/:id', {
    schema: {
      tags: ['healing'],
      summary: 'One failure, whole',
      params: z.object({ id: z.string().max(200) }),
      response: { 200: incidentModel, ...errorAnswers },
    },
    handler: ({ params: { id } }) => {
      const found = platform.healing.incidents().find(each => each.id === id)
      if (found === undefined)
        throw new AjnaError(INCIDENT_UNKNOWN, `there is no incident ${JSON.stringify(id)}`)
      return found
    },
  })
  app.put('/api/healing', {
    schema: {
      tags: ['healing'],
      summary: 'Pauses or resumes all that the platform does about failures by itself',
      body: healingRequestModel,
      response: { 200: z.object({ clusters: z.array(healedClusterModel) }), ...errorAnswers },
    },
    handler: async ({ body: { paused, reason, by } }) => {
      const why = { actor: actorOf(by), reason }
      await (paused ? platform.healing.pause(why) : platform.healing.resume(why))
      return { clusters: [...platform.healing.clusters()] }
    },
  })
}
