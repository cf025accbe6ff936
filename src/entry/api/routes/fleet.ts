import { z } from 'zod'
import { type Fleet, fleetEventModel, fleetModel, searchHitModel, sessionModel } from '../models.ts'
import type { FleetFacts, Platform } from '../platform.ts'
import { clusterSummary } from '../views/clusters.ts'
import { EVENT_TO_INSIGHT_AIM_MS, findingsOf } from '../views/findings.ts'
import { searchFleet } from '../views/search.ts'
import { errorAnswers, type RouteContext } from './context.ts'

export function fleetRoutes(context: RouteContext): void {
  const { app, platform } = context
  app.get('/api/session', {
    schema: {
      tags: ['session'],
      summary: 'Which fleet this is, and the server’s clock',
      response: { 200: sessionModel, ...errorAnswers },
    },
    handler: () => ({
      fleet: platform.name,
      version: platform.version,
      now: platform.now(),
      startedAt: platform.startedAt,
      aims: { eventToInsightMs: EVENT_TO_INSIGHT_AIM_MS },
    }),
  })
  app.get('/api/fleet', {
    schema: {
      tags: ['fleet'],
      summary: 'What is wrong, and every site, cluster and process',
      response: { 200: fleetModel, ...errorAnswers },
    },
    handler: () => fleetView(platform),
  })
  app.get('/api/search', {
    schema: {
      tags: ['fleet'],
      summary: 'Clusters, brokers, topics, groups, links, hosts and processes by name',
      querystring: z.object({ q: z.string().max(249).default('') }),
      response: { 200: z.object({ hits: z.array(searchHitModel) }), ...errorAnswers },
    },
    handler: request => ({ hits: searchFleet(platform.fleet(), request.query.q) }),
  })
  app.get('/api/live', {
    schema: {
      tags: ['fleet'],
      summary: 'Server-sent events: `fleet` after each change, `heartbeat` every 5 s',
      response: { 200: fleetEventModel.describe('data of each `fleet` event'), ...errorAnswers },
    },
    handler: (_request, reply) => {
      const stream = context.events(reply)
      const tell = (): void => void stream.send({ event: 'fleet', data: fleetEvent(platform.fleet()) })
      tell()
      platform.onFleet(tell, stream.closed)
    },
  })
}

function fleetView(platform: Platform): Fleet {
  const facts = platform.fleet()
  return {
    name: platform.name,
    observedAt: facts.observedAt,
    findings: findingsOf(facts),
    sites: facts.sites.map(site => ({
      name: site.name,
      description: site.description,
      hosts: [...site.hosts],
      clusters: facts.clusters.filter(cluster => cluster.site === site.name).map(cluster => cluster.name),
    })),
    clusters: facts.clusters.map(clusterSummary),
    processes: [...facts.processes],
    eventToInsight: facts.eventToInsight,
  }
}

function fleetEvent(facts: FleetFacts): z.infer<typeof fleetEventModel> {
  const findings = findingsOf(facts)
  return { observedAt: facts.observedAt, findings: findings.length, worst: findings[0]?.severity ?? null }
}
