import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { canRestartBroker } from '../can.ts'
import { BROKER_UNKNOWN } from '../errors.ts'
import {
  activityModel,
  actPreviewModel,
  actRequestModel,
  clusterModel,
  order,
  pageQuery,
  partitionPageModel,
  partitionState,
  search,
} from '../models.ts'
import type { ClusterFacts } from '../platform.ts'
import { clusterDetail } from '../views/clusters.ts'
import { clusterFindingsOf } from '../views/findings.ts'
import { partitionPage, partitionSorts } from '../views/partitions.ts'
import { actorOf, callSignal, clusterNamed, errorAnswers, guardAct, type RouteContext } from './context.ts'

const clusterPath = z.object({ cluster: z.string().min(1).max(249) })
const brokerPath = clusterPath.extend({ broker: z.coerce.number().int().min(0) })

export function clusterRoutes(context: RouteContext): void {
  const { app, platform } = context
  app.get('/api/clusters/:cluster', {
    schema: {
      tags: ['clusters'],
      summary: 'Brokers, racks, quorum, disks and groups of a cluster',
      params: clusterPath,
      response: { 200: clusterModel, ...errorAnswers },
    },
    handler: request => {
      const cluster = clusterNamed(platform, request.params.cluster)
      return clusterDetail(cluster, clusterFindingsOf(platform.fleet(), cluster.name))
    },
  })
  app.get('/api/clusters/:cluster/partitions', {
    schema: {
      tags: ['clusters'],
      summary: 'Partitions, searched, ordered and paged here',
      params: clusterPath,
      querystring: z.object({
        ...pageQuery,
        search,
        order,
        sort: z.enum(partitionSorts).default('topic'),
        state: z.enum(['all', 'unhealthy', ...partitionState.options]).default('all'),
        topic: z.string().max(249).optional(),
        broker: z.coerce.number().int().optional(),
      }),
      response: { 200: partitionPageModel, ...errorAnswers },
    },
    handler: request => partitionPage(clusterNamed(platform, request.params.cluster), request.query),
  })
  restartRoutes(context)
}

function restartRoutes({ app, platform }: RouteContext): void {
  app.get('/api/clusters/:cluster/brokers/:broker/restart', {
    schema: {
      tags: ['acts'],
      summary: 'What restarting the broker would do, and whether it may be done now',
      params: brokerPath,
      response: { 200: actPreviewModel, ...errorAnswers },
    },
    handler: async (request, reply) => {
      const cluster = clusterWithBroker(clusterNamed(platform, request.params.cluster), request.params.broker)
      const preview = await platform.brokers.previewRestart(
        cluster.name,
        request.params.broker,
        callSignal(reply),
      )
      return {
        ...preview,
        offer: canRestartBroker(cluster, request.params.broker),
        confirm: confirmationOf(cluster.name, request.params.broker),
      }
    },
  })
  app.post('/api/clusters/:cluster/brokers/:broker/restart', {
    schema: {
      tags: ['acts'],
      summary: 'Restarts the broker through its host’s agent',
      params: brokerPath,
      body: actRequestModel,
      response: { 202: activityModel, ...errorAnswers },
    },
    handler: async (request, reply) => {
      const { broker } = request.params
      const cluster = clusterWithBroker(clusterNamed(platform, request.params.cluster), broker)
      const expected = confirmationOf(cluster.name, broker)
      guardAct(
        request.body.confirm,
        expected,
        canRestartBroker(cluster, broker),
        `broker ${broker} of ${cluster.name} is not restarted`,
      )
      const why = { actor: actorOf(request.body.by), reason: request.body.reason }
      return reply
        .code(202)
        .send(await platform.brokers.restart(cluster.name, broker, why, callSignal(reply)))
    },
  })
}

function clusterWithBroker(cluster: ClusterFacts, broker: number): ClusterFacts {
  if (cluster.brokers.some(each => each.id === broker)) return cluster
  throw new AjnaError(BROKER_UNKNOWN, `cluster ${cluster.name} has no broker ${broker}`)
}

/** Typed by whoever confirms: names the cluster too, so that the right act in the wrong tab is stopped. */
const confirmationOf = (cluster: string, broker: number): string => `${cluster}-${broker}`
