import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { LINK_UNKNOWN } from '../errors.ts'
import { type LinkDetail, linkModel, linkRowModel } from '../models.ts'
import type { Platform } from '../platform.ts'
import { linkDetail, linkRow } from '../views/links.ts'
import { errorAnswers, type RouteContext } from './context.ts'

export function linkRoutes({ app, platform }: RouteContext): void {
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
      params: z.object({ link: z.string().min(1).max(249) }),
      response: { 200: linkModel, ...errorAnswers },
    },
    handler: request => linkDetail(linkNamed(platform, request.params.link)),
  })
}

function linkNamed(platform: Platform, name: string): LinkDetail {
  const link = platform.fleet().links.find(each => each.name === name)
  if (link === undefined) throw new AjnaError(LINK_UNKNOWN, `there is no link ${JSON.stringify(name)}`)
  return link
}
