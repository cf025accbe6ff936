import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { Incident } from '../../../operations/heal/contract.ts'
import { canAnswer } from '../can.ts'
import { INCIDENT_UNKNOWN } from '../errors.ts'
import {
  activityModel,
  approvalPreviewModel,
  approvalRequestModel,
  healedClusterModel,
  healingRequestModel,
  incidentModel,
  incidentsModel,
  verdictModel,
  webhookModel,
  webhookTriedModel,
} from '../models.ts'
import type { Platform } from '../platform.ts'
import { approvalPreview } from '../views/approval.ts'
import { actorOf, callSignal, errorAnswers, guardAct, type RouteContext } from './context.ts'

/** Longer than a receiver is waited for. */
const TEST_DEADLINE_MS = 30_000

const incidentPath = z.object({ id: z.string().max(200) })

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
      params: incidentPath,
      response: { 200: incidentModel, ...errorAnswers },
    },
    handler: ({ params: { id } }) => incidentOf(platform, id),
  })
  app.get('/api/incidents/:id/approval', {
    schema: {
      tags: ['healing', 'acts'],
      summary:
        'What an answer to what is proposed would do, what would be lost by it, and whether it may be given now',
      params: incidentPath,
      querystring: z.object({ verdict: verdictModel.default('approve') }),
      response: { 200: approvalPreviewModel, ...errorAnswers },
    },
    handler: ({ params: { id }, query: { verdict } }) => approvalPreview(incidentOf(platform, id), verdict),
  })
  app.post('/api/incidents/:id/approval', {
    schema: {
      tags: ['healing', 'acts'],
      summary:
        'Approves or declines what is proposed; an approval is carried out if what it rests on is still so',
      params: incidentPath,
      body: approvalRequestModel,
      response: { 202: activityModel, ...errorAnswers },
    },
    handler: async ({ params: { id }, body: { verdict, proposal, confirm, reason, by } }, reply) => {
      const incident = incidentOf(platform, id)
      const offer = canAnswer(incident, { proposal, verdict })
      guardAct(confirm, incident.cluster, offer, `incident ${id} is not answered`)
      const why = { actor: actorOf(by), reason }
      return reply.code(202).send(await platform.healing.answer(id, { proposal, verdict }, why))
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
  app.get('/api/webhooks', {
    schema: {
      tags: ['healing'],
      summary: 'Who is told of incidents, and how that goes',
      response: { 200: z.object({ items: z.array(webhookModel) }), ...errorAnswers },
    },
    handler: () => ({ items: [...platform.webhooks.list()] }),
  })
  app.post('/api/webhooks/:name/test', {
    schema: {
      tags: ['healing'],
      summary:
        'Sends a test event; a receiver that takes it is sent all else again, should it have been disabled',
      params: z.object({ name: z.string().max(200) }),
      response: { 200: webhookTriedModel, ...errorAnswers },
    },
    handler: ({ params: { name } }, reply) =>
      platform.webhooks.test(name, callSignal(reply, TEST_DEADLINE_MS)),
  })
}

function incidentOf(platform: Platform, id: string): Incident {
  const found = platform.healing.incidents().find(each => each.id === id)
  if (found === undefined) throw new AjnaError(INCIDENT_UNKNOWN, `there is no incident ${JSON.stringify(id)}`)
  return found
}
