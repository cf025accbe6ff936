import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { HTTP_REQUEST_INVALID } from '../../../foundation/http/errors.ts'
import { delayModel, metricModel, rangeModel } from '../models.ts'
import type { SampleFacts } from '../platform.ts'
import { EVENT_TO_INSIGHT_AIM_MS } from '../views/findings.ts'
import { boundedRange, metricCatalogue } from '../views/metrics.ts'
import { errorAnswers, type RouteContext } from './context.ts'

const MAX_POINTS = 2_000
const name = z.string().regex(/^[A-Za-z_:][\w:]{0,199}$/)
const label = z
  .string()
  .max(300)
  .regex(/^[A-Za-z_]\w*=/, 'label=value')

const rangeQuery = z.object({
  name,
  label: z
    .union([label.transform(one => [one]), z.array(label).max(10)])
    .default([])
    .describe('`label=value`, repeatable: all must be equal'),
  from: z.coerce.number().int().min(0),
  to: z.coerce.number().int().min(0),
  step: z.coerce.number().int().min(1_000).max(86_400_000).describe('ms'),
})

export function metricRoutes(context: RouteContext): void {
  const { app, platform } = context
  app.get('/api/metrics', {
    schema: {
      tags: ['metrics'],
      summary: 'The metrics there are and the labels they have',
      response: { 200: z.object({ metrics: z.array(metricModel) }), ...errorAnswers },
    },
    handler: () => ({ metrics: metricCatalogue(platform.metrics.list()) }),
  })
  app.get('/api/metrics/range', {
    schema: {
      tags: ['metrics'],
      summary: 'A metric over time; names ending in `_total` as increase per second',
      querystring: rangeQuery,
      response: { 200: rangeModel, ...errorAnswers },
    },
    handler: request => {
      const { from, to, step, label: labels } = request.query
      const points = (to - from) / step
      if (points < 0 || points > MAX_POINTS) {
        throw new AjnaError(
          HTTP_REQUEST_INVALID,
          `query.step: found ${step} over ${to - from} ms, allowed: 0 to ${MAX_POINTS} steps`,
          { details: { points, allowed: MAX_POINTS } },
        )
      }
      return boundedRange(
        platform.metrics.range({
          name: request.query.name,
          labels: labelsOf(labels),
          from,
          to,
          stepMs: step,
        }),
      )
    },
  })
  app.get('/api/metrics/live', {
    schema: {
      tags: ['metrics'],
      summary: 'Server-sent events: a `sample` of the metric as it arrives',
      querystring: z.object({ name }),
      response: {
        200: z
          .object({
            name: z.string(),
            labels: z.record(z.string(), z.string()),
            time: z.int(),
            value: z.number(),
          })
          .describe('data of each `sample` event'),
        ...errorAnswers,
      },
    },
    handler: (request, reply) => {
      const stream = context.events(reply)
      const send = (sample: SampleFacts): void => void stream.send({ event: 'sample', data: sample })
      platform.metrics.onSample(request.query.name, send, stream.closed)
    },
  })
  app.get('/api/metrics/delay', {
    schema: {
      tags: ['metrics'],
      summary: 'From the event to the chart: p50 and p95 of late, and the aim',
      response: { 200: z.object({ delay: delayModel.nullable(), aimMs: z.int() }), ...errorAnswers },
    },
    handler: () => ({ delay: platform.fleet().eventToInsight, aimMs: EVENT_TO_INSIGHT_AIM_MS }),
  })
}

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
}
