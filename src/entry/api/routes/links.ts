import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { canActOnLink } from '../can.ts'
import { LINK_UNKNOWN } from '../errors.ts'
import {
  activityModel,
  actPreviewModel,
  actRequestModel,
  type LinkDetail,
  linkActs,
  linkModel,
  linkRowModel,
  rehearsalModel,
  rehearsalRequestModel,
} from '../models.ts'
import type { Platform } from '../platform.ts'
import { linkActPreview } from '../views/link-acts.ts'
import { linkDetail, linkRow } from '../views/links.ts'
import { rehearsalAnswer } from '../views/rehearsal.ts'
import { callSignal, errorAnswers, guardAct, type RouteContext } from './context.ts'

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
      summary: 'A link, partition by partition',
      params: linkPath,
      response: { 200: linkModel, ...errorAnswers },
    },
    handler: request => linkDetail(linkNamed(platform, request.params.link)),
  })
  actRoutes(context)
  rehearsalRoute(context)
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
      const { confirm, reason } = request.body
      const link = linkNamed(platform, request.params.link)
      const offer = canActOnLink(link, act, platform.fleet().links)
      guardAct(confirm, link.name, offer, `${act} of link ${link.name} is not done`)
      return reply.code(202).send(await platform.links.act(link.name, act, { actor: 'operator', reason }))
    },
  })
}

function linkNamed(platform: Platform, name: string): LinkDetail {
  const link = platform.fleet().links.find(each => each.name === name)
  if (link === undefined) throw new AjnaError(LINK_UNKNOWN, `there is no link ${JSON.stringify(name)}`)
  return link
}
