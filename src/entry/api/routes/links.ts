import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { linkPartitionStates } from '../../../operations/mirror/contract.ts'
import { actionNames } from '../../../operations/mirror/failover/plan.ts'
import { lagVerdicts } from '../../../operations/mirror/verdict.ts'
import { canActOnLink } from '../can.ts'
import { LINK_UNKNOWN } from '../errors.ts'
import {
  activityModel,
  actPreviewModel,
  actRequestModel,
  linkActs,
  linkModel,
  linkPartitionPageModel,
  linkRowModel,
  order,
  pageQuery,
  rehearsalModel,
  rehearsalRequestModel,
  search,
  switchRequestModel,
} from '../models.ts'
import type { LinkFacts, Platform } from '../platform.ts'
import { linkActPreview } from '../views/link-acts.ts'
import { linkDetail, linkPartitionPage, linkPartitionSorts, linkRow } from '../views/links.ts'
import { confirmationOf, refusalsOf, rehearsalAnswer } from '../views/rehearsal.ts'
import { actorOf, callSignal, errorAnswers, guardAct, type RouteContext } from './context.ts'

const linkPath = z.object({ link: z.string().min(1).max(249) })
const actPath = linkPath.extend({ act: z.enum(linkActs) })

export function linkRoutes(context: RouteContext): void {
  const { app, platform } = context
  app.get('/api/links', {
    schema: {
      tags: ['links'],
      summary: 'Every link between clusters',
      response: { 200: z.object({ links: z.array(linkRowModel) }), ...errorAnswers },
    },
    handler: () => ({
      links: platform.fleet().links.map(linkRow),
    }),
  })
  app.get('/api/links/:link', {
    schema: {
      tags: ['links'],
      summary: 'A link as a whole: its sums, what is not well of it, what its target will never have',
      params: linkPath,
      response: { 200: linkModel, ...errorAnswers },
    },
    handler: request => linkDetail(linkNamed(platform, request.params.link)),
  })
  app.get('/api/links/:link/partitions', {
    schema: {
      tags: ['links'],
      summary: 'A link’s partitions, searched, ordered and paged here',
      params: linkPath,
      querystring: z.object({
        ...pageQuery,
        search: search.describe('words of the topic’s name'),
        order,
        sort: z
          .enum(linkPartitionSorts)
          .default('urgency')
          .describe('urgency: those that need somebody first, then those that do badly'),
        state: z
          .enum(['all', 'unhealthy', ...linkPartitionStates])
          .default('all')
          .describe('unhealthy: all that are not as they should be, by state or by verdict'),
        verdict: z.enum(['all', ...lagVerdicts]).default('all'),
        topic: z.string().max(249).optional().describe('this topic alone'),
      }),
      response: { 200: linkPartitionPageModel, ...errorAnswers },
    },
    handler: request => linkPartitionPage(linkNamed(platform, request.params.link), request.query),
  })
  actRoutes(context)
  rehearsalRoute(context)
  switchRoute(context)
}

/** Both sides are asked several things, and one that does not answer is waited for. */
const REHEARSAL_DEADLINE_MS = 45_000

function rehearsalRoute({ app, platform }: RouteContext): void {
  app.post('/api/links/:link/rehearsal', {
    schema: {
      tags: ['links'],
      summary: 'What a switch of a link’s sides would do; looks at both sides and changes nothing',
      params: linkPath,
      body: rehearsalRequestModel,
      response: { 200: rehearsalModel, ...errorAnswers },
    },
    handler: async (request, reply) => {
      const { name } = linkNamed(platform, request.params.link)
      const signal = callSignal(reply, REHEARSAL_DEADLINE_MS)
      return rehearsalAnswer(await platform.links.rehearse(name, request.body, signal))
    },
  })
}

function switchRoute({ app, platform }: RouteContext): void {
  app.post('/api/links/:link/switch', {
    schema: {
      tags: ['acts'],
      summary:
        'Switches a link’s sides, or goes on with what is under way; rehearsed first, and refused as unsafe like the command',
      params: linkPath,
      body: switchRequestModel,
      response: { 202: activityModel, ...errorAnswers },
    },
    handler: async (request, reply) => {
      const { reason, confirm, by, ...wanted } = request.body
      const { name } = linkNamed(platform, request.params.link)
      const notDone = `${actionNames[wanted.action]} of ${name} is not done`
      if (wanted.goOn) {
        // What it would cost was said yes to when it began; only what is said yes to now is new.
        if (wanted.consents.length > 0) guardAct(confirm, name, { allowed: true, reasons: [] }, notDone)
      } else {
        const rehearsal = await platform.links.rehearse(
          name,
          wanted,
          callSignal(reply, REHEARSAL_DEADLINE_MS),
        )
        const { allowed } = rehearsal
        const typed = confirmationOf(rehearsal) === null ? name : confirm
        guardAct(allowed ? typed : name, name, { allowed, reasons: refusalsOf(rehearsal) }, notDone)
      }
      return reply.code(202).send(await platform.links.switch(name, wanted, { actor: actorOf(by), reason }))
    },
  })
}

function actRoutes({ app, platform }: RouteContext): void {
  app.get('/api/links/:link/acts/:act', {
    schema: {
      tags: ['acts'],
      summary: 'What pausing, resuming or restarting a link would do, and whether it may be done now',
      params: actPath,
      response: { 200: actPreviewModel, ...errorAnswers },
    },
    handler: request => {
      const { act } = request.params
      const link = linkNamed(platform, request.params.link)
      const offer = canActOnLink(link, act, platform.fleet().links)
      return { ...linkActPreview(link, act), offer, confirm: link.name }
    },
  })
  app.post('/api/links/:link/acts/:act', {
    schema: {
      tags: ['acts'],
      summary: 'Pauses or resumes a link, or begins its halted and blocked partitions anew',
      params: actPath,
      body: actRequestModel,
      response: { 202: activityModel, ...errorAnswers },
    },
    handler: async (request, reply) => {
      const { act } = request.params
      const { confirm, reason, by } = request.body
      const link = linkNamed(platform, request.params.link)
      const offer = canActOnLink(link, act, platform.fleet().links)
      guardAct(confirm, link.name, offer, `${act} of link ${link.name} is not done`)
      return reply.code(202).send(await platform.links.act(link.name, act, { actor: actorOf(by), reason }))
    },
  })
}

function linkNamed(platform: Platform, name: string): LinkFacts {
  const link = platform.fleet().links.find(each => each.name === name)
  if (link === undefined) throw new AjnaError(LINK_UNKNOWN, `there is no link ${JSON.stringify(name)}`)
  return link
}
