import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { TOPIC_UNKNOWN } from '../errors.ts'
import {
  configEntryModel,
  messagesModel,
  order,
  pageQuery,
  search,
  topicModel,
  topicPageModel,
} from '../models.ts'
import type { ReadFrom } from '../platform.ts'
import { messageOf } from '../views/messages.ts'
import { topicDetail, topicPage, topicSorts } from '../views/topics.ts'
import { callSignal, clusterNamed, errorAnswers, type RouteContext } from './context.ts'

const topicPath = z.object({ topic: z.string().min(1).max(249) })
const MAX_READ_BYTES = 4 * 1024 * 1024

export function topicRoutes(context: RouteContext): void {
  const { app, platform } = context
  app.get('/api/topics', {
    schema: {
      tags: ['topics'],
      summary: 'Topics over all clusters, searched, ordered and paged here',
      querystring: z.object({
        ...pageQuery,
        search,
        order,
        sort: z.enum(topicSorts).default('name'),
        cluster: z.string().max(249).optional(),
        internal: z.enum(['true', 'false']).default('false'),
        state: z.enum(['all', 'unhealthy']).default('all'),
      }),
      response: { 200: topicPageModel, ...errorAnswers },
    },
    handler: request =>
      topicPage(platform.fleet(), { ...request.query, internal: request.query.internal === 'true' }),
  })
  app.get('/api/topics/:topic', {
    schema: {
      tags: ['topics'],
      summary: 'One topic at every cluster that has it',
      params: topicPath,
      response: { 200: topicModel, ...errorAnswers },
    },
    handler: request =>
      topicDetail(platform.fleet(), request.params.topic) ?? unknownTopic(request.params.topic),
  })
  app.get('/api/clusters/:cluster/topics/:topic/config', {
    schema: {
      tags: ['topics'],
      summary: 'A topic’s configuration at a cluster, as its brokers say it',
      params: topicPath.extend({ cluster: z.string().min(1).max(249) }),
      response: { 200: z.object({ entries: z.array(configEntryModel) }), ...errorAnswers },
    },
    handler: async (request, reply) => {
      const { cluster, topic } = request.params
      const entries = await platform.topicConfig(
        clusterNamed(platform, cluster).name,
        topic,
        callSignal(reply),
      )
      return { entries: [...(entries ?? unknownTopic(topic, cluster))] }
    },
  })
  messageRoute(context)
}

function unknownTopic(topic: string, cluster?: string): never {
  throw new AjnaError(
    TOPIC_UNKNOWN,
    `there is no topic ${JSON.stringify(topic)}${cluster === undefined ? '' : ` on ${cluster}`}`,
  )
}

const messageQuery = z.object({
  cluster: z.string().max(249),
  partition: z.coerce.number().int().min(0).optional().describe('default: all partitions'),
  from: z
    .enum(['latest', 'earliest', 'offset', 'time'])
    .default('latest')
    .describe('latest: the last `limit` records'),
  at: z.coerce.number().int().min(0).optional().describe('the offset, or ms since the epoch'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
})

function messageRoute({ app, platform }: RouteContext): void {
  app.get('/api/topics/:topic/messages', {
    schema: {
      tags: ['topics'],
      summary: 'Records of a topic, decoded; bounded in number, bytes and time',
      params: topicPath,
      querystring: messageQuery,
      response: { 200: messagesModel, ...errorAnswers },
    },
    handler: async (request, reply) => {
      const { cluster, partition, limit } = request.query
      const topic = clusterNamed(platform, cluster).topics.find(each => each.name === request.params.topic)
      const partitions =
        topic?.partitions
          .map(each => each.partition)
          .filter(each => partition === undefined || each === partition) ?? []
      if (topic === undefined || partitions.length === 0) return unknownTopic(request.params.topic, cluster)
      const at = placeOf(request.query, Math.ceil(limit / partitions.length))
      const read = await platform.readRecords(
        {
          cluster,
          topic: topic.name,
          from: partitions.map(each => ({ partition: each, at })),
          limit,
          maxBytes: MAX_READ_BYTES,
        },
        callSignal(reply),
      )
      return {
        messages: read.records.map(record => messageOf(record, stream => platform.streamOf(stream))),
        next: [...read.next],
        cutShort: read.cutShort,
      }
    },
  })
}

function placeOf({ from, at }: z.infer<typeof messageQuery>, perPartition: number): ReadFrom {
  switch (from) {
    case 'latest':
      return { kind: 'before-end', records: perPartition }
    case 'earliest':
      return { kind: 'earliest' }
    case 'offset':
      return { kind: 'offset', offset: at ?? 0 }
    case 'time':
      return { kind: 'time', timestamp: at ?? 0 }
  }
}
