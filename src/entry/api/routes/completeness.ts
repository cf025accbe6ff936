import { z } from 'zod'
import { BUCKET_MS, tiers, verdictState } from '../../../operations/completeness/contract.ts'
import { completenessModel, pageQuery, search, streamPageModel } from '../models.ts'
import { byText, cut, matcher } from '../views/page.ts'
import { errorAnswers, type RouteContext } from './context.ts'

const MAX_BUCKETS = 1_008
const MAX_UNSEEN = 100
const MAX_UNAUDITED = 20

export function completenessRoutes({ app, platform }: RouteContext): void {
  app.get('/api/completeness', {
    schema: {
      tags: ['completeness'],
      summary: 'How complete each 10-minute bucket of event time is at each tier',
      querystring: z.object({ from: z.coerce.number().int().min(0), to: z.coerce.number().int().min(0) }),
      response: { 200: completenessModel, ...errorAnswers },
    },
    handler: request => {
      const { to } = request.query
      const from = Math.max(request.query.from, to - MAX_BUCKETS * BUCKET_MS)
      const unaudited = platform.completeness.unaudited()
      return {
        bucketMs: BUCKET_MS,
        tiers: [...tiers],
        buckets: [...platform.completeness.buckets(from, to)].sort((a, b) => a.bucket - b.bucket),
        counters: [...platform.completeness.counters()],
        unseen: platform.completeness.unseen().toReversed().slice(0, MAX_UNSEEN),
        unaudited: {
          files: unaudited.length,
          bytes: unaudited.reduce((sum, { bytes }) => sum + bytes, 0),
          largest: unaudited.slice(0, MAX_UNAUDITED),
        },
        observedAt: platform.now(),
      }
    },
  })
  app.get('/api/completeness/:bucket', {
    schema: {
      tags: ['completeness'],
      summary: 'A bucket by host and file, with the bytes that are missing; the worst first',
      params: z.object({ bucket: z.coerce.number().int().min(0) }),
      querystring: z.object({
        ...pageQuery,
        search,
        tier: z.enum(tiers).optional(),
        state: verdictState.optional(),
      }),
      response: { 200: streamPageModel, ...errorAnswers },
    },
    handler: request => {
      const { tier, state } = request.query
      const wanted = matcher(request.query.search)
      const rows = platform.completeness
        .streams(request.params.bucket)
        .filter(row => wanted(`${row.host} ${row.path} ${row.tenant}`))
        .filter(row =>
          row.tiers.some(
            each =>
              (tier === undefined || each.tier === tier) && (state === undefined || each.state === state),
          ),
        )
      const missing = (row: (typeof rows)[number]): number =>
        Math.max(0, ...row.tiers.map(each => each.missingBytes))
      return cut(
        rows.sort((a, b) => missing(b) - missing(a) || byText(a.host, b.host) || byText(a.path, b.path)),
        request.query,
      )
    },
  })
}
