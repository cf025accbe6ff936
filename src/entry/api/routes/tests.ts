import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { TEST_SCENARIO_UNKNOWN, TEST_UNKNOWN } from '../../../operations/faults/errors.ts'
import { renderPage } from '../../../operations/faults/html/page.ts'
import {
  libraryScenarioModel,
  testDetailModel,
  testModel,
  testRequestModel,
  testStopModel,
  testsModel,
} from '../models.ts'
import type { FoundTest, Platform } from '../platform.ts'
import { actorOf, errorAnswers, type RouteContext } from './context.ts'

const testPath = z.object({ id: z.string().max(200) })

export function testRoutes(context: RouteContext): void {
  const { app, platform } = context
  app.get('/api/tests', {
    schema: {
      tags: ['tests'],
      summary: 'Tests that have run on this machine, newest first, and the one that runs',
      querystring: z.object({
        before: z.string().max(200).optional().describe('id of the last test of the page before'),
        limit: z.coerce.number().int().min(1).max(500).default(100),
      }),
      response: { 200: testsModel, ...errorAnswers },
    },
    handler: async ({ query: { before, limit } }) => {
      const all = await platform.tests.list()
      const from = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1
      const items = before !== undefined && from === 0 ? [] : all.slice(from, from + limit)
      return {
        items,
        more: all.length > from + items.length && items.length > 0,
        running: all.find(({ state }) => state === 'running')?.id ?? null,
      }
    },
  })
  app.get('/api/tests/:id', {
    schema: {
      tags: ['tests'],
      summary: 'One test: how it stands or how it ended, and what has happened, to follow it live',
      params: testPath,
      querystring: z.object({
        from: z.coerce
          .number()
          .int()
          .min(0)
          .default(0)
          .describe('events from there on: `next` of the last call'),
      }),
      response: { 200: testDetailModel, ...errorAnswers },
    },
    handler: async ({ params: { id }, query: { from } }) => {
      const { summary, scenario, standing, incidents, events, result } = await testOf(platform, id, from)
      return {
        test: summary,
        scenario,
        standing: [...standing],
        incidents: [...incidents],
        events: { ...events, items: [...events.items] },
        result,
      }
    },
  })
  app.get('/api/tests/:id/report', {
    schema: {
      tags: ['tests'],
      summary: 'The report of a test that has ended, as one page (HTML) to keep',
      params: testPath,
      response: { 200: z.string().describe('text/html'), ...errorAnswers },
    },
    handler: async ({ params: { id } }, reply) => {
      const { summary, result } = await testOf(platform, id, 0)
      if (result?.version == null) throw new AjnaError(TEST_UNKNOWN, `test ${id} has no report`)
      const page = renderPage({
        title: summary.what === 'scenario' ? `Scenario ${summary.name}` : summary.name,
        at: result.endedAt,
        version: result.version,
        seed: summary.seed,
        healer: summary.healer ? 'ajna' : null,
        failures: result.failures ?? undefined,
        runs: result.runs,
      })
      return reply
        .type('text/html; charset=utf-8')
        .header('content-disposition', `attachment; filename="test-${summary.id}.html"`)
        .send(page)
    },
  })
  app.get('/api/scenarios', {
    schema: {
      tags: ['tests'],
      summary: 'The library of scenarios that come with the program',
      response: { 200: z.object({ items: z.array(libraryScenarioModel) }), ...errorAnswers },
    },
    handler: async () => ({ items: [...(await platform.tests.scenarios())] }),
  })
  actRoutes(context)
}

function actRoutes({ app, platform }: RouteContext): void {
  app.post('/api/tests', {
    schema: {
      tags: ['acts'],
      summary: 'Starts a test on a cluster of its own; one at a time',
      body: testRequestModel,
      response: { 202: testModel, ...errorAnswers },
    },
    handler: async ({ body: { scenario, name, healer, reason, by } }, reply) => {
      const chosen = scenario ?? (await fromLibrary(platform, name ?? ''))
      const file = name === undefined ? 'scenario' : `${name}.yaml`
      const why = { actor: actorOf(by), reason }
      return reply.code(202).send(await platform.tests.start({ text: chosen, file, healer }, why))
    },
  })
  app.post('/api/tests/:id/stop', {
    schema: {
      tags: ['acts'],
      summary: 'Stops a test: what it has broken is undone, its cluster ends',
      params: testPath,
      body: testStopModel,
      response: { 202: testModel, ...errorAnswers },
    },
    handler: async ({ params: { id }, body: { reason, by } }, reply) => {
      await testOf(platform, id, 0)
      return reply.code(202).send(await platform.tests.stop(id, { actor: actorOf(by), reason }))
    },
  })
}

async function testOf(platform: Platform, id: string, from: number): Promise<FoundTest> {
  const found = await platform.tests.get(id, from)
  if (found === undefined) throw new AjnaError(TEST_UNKNOWN, `there is no test ${JSON.stringify(id)}`)
  return found
}

async function fromLibrary(platform: Platform, name: string): Promise<string> {
  const found = (await platform.tests.scenarios()).find(each => each.name === name)
  if (found === undefined)
    throw new AjnaError(TEST_SCENARIO_UNKNOWN, `there is no scenario ${JSON.stringify(name)}`)
  return found.text
}
