import { keepPreviousData, type QueryClient, queryOptions } from '@tanstack/react-query'
import { ApiError, api, data, type RehearsalRequest, type TestDetail } from './client.ts'

/**
 * What pages ask for. Keys that begin with `live` are asked again when the fleet changes (live.ts); the others when they
 * are shown, or at the interval given.
 */

export const retryUnlessTold = (failures: number, error: Error): boolean =>
  error instanceof ApiError && error.status > 0 && error.status < 500 ? false : failures < 2

export const sessionQuery = () =>
  queryOptions({
    queryKey: ['session'],
    queryFn: () => data(api.GET('/api/session')),
    staleTime: Number.POSITIVE_INFINITY,
  })

export const fleetQuery = () =>
  queryOptions({
    queryKey: ['live', 'fleet'],
    queryFn: ({ signal }) => data(api.GET('/api/fleet', { signal })),
  })

export const clusterQuery = (cluster: string) =>
  queryOptions({
    queryKey: ['live', 'cluster', cluster],
    queryFn: ({ signal }) =>
      data(api.GET('/api/clusters/{cluster}', { params: { path: { cluster } }, signal })),
  })

export const topicQuery = (topic: string) =>
  queryOptions({
    queryKey: ['live', 'topic', topic],
    queryFn: ({ signal }) => data(api.GET('/api/topics/{topic}', { params: { path: { topic } }, signal })),
  })

export const topicConfigQuery = (cluster: string, topic: string) =>
  queryOptions({
    queryKey: ['config', cluster, topic],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/clusters/{cluster}/topics/{topic}/config', {
          params: { path: { cluster, topic } },
          signal,
        }),
      ),
  })

export const linksQuery = () =>
  queryOptions({
    queryKey: ['live', 'links'],
    queryFn: ({ signal }) => data(api.GET('/api/links', { signal })),
  })

export const linkQuery = (link: string) =>
  queryOptions({
    queryKey: ['live', 'link', link],
    queryFn: ({ signal }) => data(api.GET('/api/links/{link}', { params: { path: { link } }, signal })),
  })

/** Costs calls to both clusters: asked once for what the address says, and again when somebody asks. */
export const rehearsalQuery = (link: string, body: Required<RehearsalRequest>) =>
  queryOptions({
    queryKey: ['rehearsal', link, body],
    queryFn: ({ signal }) =>
      data(api.POST('/api/links/{link}/rehearsal', { params: { path: { link } }, body, signal })),
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: false,
    placeholderData: (before, query) => (query?.queryKey[1] === link ? before : undefined),
  })

export const metricsQuery = () =>
  queryOptions({
    queryKey: ['metrics'],
    queryFn: ({ signal }) => data(api.GET('/api/metrics', { signal })),
    staleTime: 30_000,
  })

export const delayQuery = () =>
  queryOptions({
    queryKey: ['live', 'delay'],
    queryFn: ({ signal }) => data(api.GET('/api/metrics/delay', { signal })),
  })

export interface RangeRequest {
  readonly name: string
  readonly labels: readonly string[]
  readonly spanMs: number
  /** End of the range; moves on with the clock. */
  readonly to: number
}

const POINTS = 180

export const rangeQuery = ({ name, labels, spanMs, to }: RangeRequest) =>
  queryOptions({
    queryKey: ['range', name, labels, spanMs, to],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/metrics/range', {
          params: {
            query: {
              name,
              label: [...labels],
              from: to - spanMs,
              to,
              step: Math.max(1_000, Math.round(spanMs / POINTS / 1_000) * 1_000),
            },
          },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  })

export const completenessQuery = (from: number, to: number) =>
  queryOptions({
    queryKey: ['completeness', to - from],
    queryFn: ({ signal }) => data(api.GET('/api/completeness', { params: { query: { from, to } }, signal })),
    refetchInterval: 10_000,
    placeholderData: keepPreviousData,
  })

export const bucketQuery = (bucket: number, offset: number) =>
  queryOptions({
    queryKey: ['bucket', bucket, offset],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/completeness/{bucket}', {
          params: { path: { bucket }, query: { offset, limit: 500 } },
          signal,
        }),
      ),
    refetchInterval: 10_000,
    placeholderData: keepPreviousData,
  })

export const activityQuery = (search: string, limit: number) =>
  queryOptions({
    queryKey: ['activity', search, limit],
    queryFn: ({ signal }) => data(api.GET('/api/activity', { params: { query: { search, limit } }, signal })),
    // That the journal is back is no entry of its own.
    refetchInterval: query => (query.state.data?.journal.state === 'away' ? 3_000 : 15_000),
    placeholderData: keepPreviousData,
  })

export const incidentsQuery = () =>
  queryOptions({
    queryKey: ['incidents'],
    queryFn: ({ signal }) => data(api.GET('/api/incidents', { signal })),
    refetchInterval: 2_000,
    placeholderData: keepPreviousData,
  })

export const testsQuery = () =>
  queryOptions({
    queryKey: ['tests'],
    queryFn: ({ signal }) => data(api.GET('/api/tests', { signal })),
    refetchInterval: 2_000,
    placeholderData: keepPreviousData,
  })

export const scenariosQuery = () =>
  queryOptions({
    queryKey: ['scenarios'],
    queryFn: ({ signal }) => data(api.GET('/api/scenarios', { signal })),
    staleTime: Number.POSITIVE_INFINITY,
  })

/** A test with all its events; each time only those since the last time are asked for, until it has ended. */
export const testQuery = (id: string, queries: QueryClient) => {
  const queryKey = ['tests', 'one', id] as const
  return queryOptions({
    queryKey,
    queryFn: async ({ signal }): Promise<TestDetail> => {
      const before = queries.getQueryData<TestDetail>(queryKey)
      const items = [...(before?.events.items ?? [])]
      for (let from = before?.events.next ?? 0; ; ) {
        const params = { path: { id }, query: { from } }
        const found = await data(api.GET('/api/tests/{id}', { params, signal }))
        items.push(...found.events.items)
        if (!found.events.more) return { ...found, events: { ...found.events, items } }
        from = found.events.next
      }
    },
    structuralSharing: false,
    refetchInterval: query => (query.state.data?.test.state === 'running' ? 1_000 : false),
  })
}

export const searchQuery = (q: string) =>
  queryOptions({
    queryKey: ['search', q],
    queryFn: ({ signal }) => data(api.GET('/api/search', { params: { query: { q } }, signal })),
    enabled: q.trim() !== '',
    placeholderData: keepPreviousData,
    staleTime: 5_000,
  })
