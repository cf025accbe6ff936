import { z } from 'zod'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { createHttpServer, type HttpServer } from '../../foundation/http/server.ts'
import { sessionOf } from '../../foundation/http/session.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { Fence } from '../fleet/interlock/contract.ts'
import {
  type AgentStatus,
  agentStatus,
  logDirOrder,
  type ProcessAct,
  processActs,
  processLife,
  processList,
  processOrder,
  replicaRange,
  replicasOnDisk,
  replicasQuery,
  replicaVerified,
} from './contract.ts'
import {
  FENCING_KEEPERS_TOO_MANY,
  FENCING_TOKEN_STALE,
  ORDER_WITHOUT_LEASE,
  PROCESS_ANOTHER,
  PROCESS_UNKNOWN,
} from './errors.ts'
import type { Processes } from './processes/processes.ts'
import type { FencingTokens } from './tokens.ts'

const MAX_WAIT_MS = 30_000
const MAX_WATCH_MS = 5_000
/** Reading a segment or two, on a slow disk. */
const MAX_READ_MS = 120_000

export interface StatusServerOptions {
  readonly secret: string
  readonly log: Logger
  /** Undefined: it keeps processes and does nothing else. */
  readonly status: (() => AgentStatus) | undefined
  readonly act: (name: string, act: ProcessAct, reason: string, pid: number | undefined) => Promise<void>
  /** Makes an empty log dir of a process ready for its next start; undefined: nobody here can. */
  readonly prepareLogDir?: ((name: string, path: string, reason: string) => Promise<void>) | undefined
  /** Undefined: this host has no plan. */
  readonly processes: Pick<Processes, 'list' | 'life' | 'replicas' | 'isBroker' | 'verify'> | undefined
  /** What was obeyed before, kept across restarts. */
  readonly tokens: FencingTokens
}

/** The agent's own door, on loopback: what it does, and orders for its processes. */
export function createStatusServer(options: StatusServerOptions): HttpServer {
  const server = createHttpServer({
    title: 'Ajna host agent',
    version: '1',
    session: sessionOf(options.secret),
    log: options.log,
    statuses: {
      [PROCESS_UNKNOWN.code]: 404,
      [PROCESS_ANOTHER.code]: 409,
      [FENCING_TOKEN_STALE.code]: 409,
      [FENCING_KEEPERS_TOO_MANY.code]: 409,
      [ORDER_WITHOUT_LEASE.code]: 409,
    },
  })
  server.app.after(() => {
    const { status } = options
    if (status !== undefined)
      server.app.get('/api/status', {
        schema: { response: { 200: agentStatus } },
        handler: async () => status(),
      })
    const { processes, tokens } = options
    if (processes === undefined) return
    const obey = async (name: string, what: string, fence: Fence | undefined): Promise<void> => {
      const isBroker = processes.isBroker(name)
      if (fence !== undefined) await tokens.obey(fence)
      else if (isBroker) throw new AjnaError(ORDER_WITHOUT_LEASE, `${what} ${name}: it is a broker`)
    }
    server.app.post('/api/processes/:name/:act', {
      schema: {
        params: z.object({ name: z.string().max(100), act: z.enum(processActs) }),
        body: processOrder,
        response: { 200: z.object({ done: z.literal(true) }) },
      },
      handler: async request => {
        const { name, act } = request.params
        const { fence, reason, pid } = request.body
        await obey(name, act, fence)
        await options.act(name, act, reason, pid)
        return { done: true as const }
      },
    })
    const { prepareLogDir } = options
    if (prepareLogDir !== undefined)
      server.app.post('/api/processes/:name/log-dir', {
        schema: {
          params: z.object({ name: z.string().max(100) }),
          body: logDirOrder,
          response: { 200: z.object({ done: z.literal(true) }) },
        },
        handler: async ({ params: { name }, body: { fence, reason, path } }) => {
          await obey(name, 'log-dir', fence)
          await prepareLogDir(name, path, reason)
          return { done: true as const }
        },
      })
    server.app.get('/api/processes', {
      schema: {
        querystring: z.object({
          after: z.coerce.number().int().default(-1),
          waitMs: z.coerce.number().int().min(0).max(MAX_WAIT_MS).default(0),
        }),
        response: { 200: processList },
      },
      handler: async ({ query: { after, waitMs } }) => processes.list(after, AbortSignal.timeout(waitMs)),
    })
    server.app.get('/api/processes/:name/life', {
      schema: {
        params: z.object({ name: z.string().max(100) }),
        querystring: z.object({ overMs: z.coerce.number().int().min(50).max(MAX_WATCH_MS).default(300) }),
        response: { 200: processLife },
      },
      handler: async ({ params: { name }, query: { overMs } }) =>
        processes.life(name, overMs, AbortSignal.timeout(2 * MAX_WATCH_MS)),
    })
    // Changes nothing; a hundred names are too many for an address.
    server.app.post('/api/processes/:name/replicas', {
      schema: {
        params: z.object({ name: z.string().max(100) }),
        body: replicasQuery,
        response: { 200: replicasOnDisk },
      },
      handler: async ({ params: { name }, body: { partitions } }) => processes.replicas(name, partitions),
    })
    server.app.post('/api/processes/:name/verify', {
      schema: {
        params: z.object({ name: z.string().max(100) }),
        body: replicaRange,
        response: { 200: replicaVerified },
      },
      handler: async ({ params: { name }, body }) =>
        processes.verify(name, body, AbortSignal.timeout(MAX_READ_MS)),
    })
  })
  return server
}
