import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import swagger from '@fastify/swagger'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod'
import { z } from 'zod'
import { AjnaError } from '../errors/errors.ts'
import type { Logger } from '../log/log.ts'
import { answerFor, type ErrorBody, type StatusTable } from './answer.ts'
import {
  HTTP_BUSY,
  HTTP_NOT_FOUND,
  HTTP_REQUEST_INVALID,
  HTTP_REQUEST_TOO_LARGE,
  HTTP_UNAUTHENTICATED,
} from './errors.ts'
import { EventStream, type EventStreamOptions } from './events.ts'
import { type Door, refusalOf } from './guard.ts'
import { type Session, sameSecret } from './session.ts'

const MAX_BODY_BYTES = 256 * 1024
const MAX_HEADER_BYTES = 16 * 1024
const MAX_URL_CHARACTERS = 4 * 1024
/** Kafka's longest topic name is 249 characters; percent-encoding may triple what is not a letter. */
const MAX_PARAM_CHARACTERS = 768
const REQUEST_TIMEOUT_MS = 10_000
const MAX_STREAMS = 256
const COOKIE_MAX_AGE_S = 30 * 24 * 3_600

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

export interface HttpServerOptions {
  readonly title: string
  readonly version: string
  readonly session: Session
  readonly log: Logger
  /** Status of the errors that rooms throw; what is not listed is 500. */
  readonly statuses?: StatusTable
  /** `name:port` values of the Host header served besides this server's own loopback address. */
  readonly hosts?: readonly string[]
  /** Who may come in; default whoever holds the session. */
  readonly door?: Omit<Door, 'session'>
  /** What asks for it: the addresses below /api (default), or all. */
  readonly guarded?: 'api' | 'all'
  /** How what is not a success is written, where a protocol of its own says so; default {@link ErrorBody}. */
  readonly errorForm?: (status: number, body: ErrorBody) => unknown
}

// biome-ignore format: one line per type parameter says nothing
export type App = FastifyInstance<import('fastify').RawServerDefault, import('node:http').IncomingMessage, import('node:http').ServerResponse, import('fastify').FastifyBaseLogger, ZodTypeProvider>

export interface HttpServer {
  /** Routes are registered here. All under /api need the session; the rest is readable without. */
  readonly app: App
  /** Listens on 127.0.0.1 only; port 0 asks the system for one. Returns `http://127.0.0.1:<port>`. */
  listen(port: number): Promise<string>
  /** Opens a bounded stream of events as the answer; it ends when the reader goes or the server closes. */
  events(reply: FastifyReply, options?: EventStreamOptions): EventStream
  /** Ends streams, waits for running requests, closes the sockets. */
  close(): Promise<void>
}

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { session, log, errorForm = (_status: number, body: ErrorBody): unknown => body } = options
  const door: Door = { access: 'session', ...options.door, session }
  const hosts = new Set(options.hosts?.map(host => host.toLowerCase()))
  const streams = new Set<EventStream>()
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    http: { maxHeaderSize: MAX_HEADER_BYTES },
    routerOptions: { maxParamLength: MAX_PARAM_CHARACTERS },
    genReqId: () => randomUUID(),
    clientErrorHandler: (error, socket) => answerUnparsable(error, socket, errorForm),
    frameworkErrors: (error, request, reply) =>
      answer(error, request as FastifyRequest, reply as FastifyReply),
    return503OnClosing: true,
  }).withTypeProvider<ZodTypeProvider>()

  function answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { status, body } = answerFor(error, request, options.statuses)
    if (status >= 500)
      log.error({ err: error, request: request.id, method: request.method, path: request.url }, body.message)
    reply
      .headers(SECURITY_HEADERS)
      .header('cache-control', 'no-store')
      .code(status)
      .type('application/json')
      .serializer(JSON.stringify)
    if (status === 401 && door.basicUser !== undefined)
      reply.header('www-authenticate', 'Basic realm="ajna", charset="UTF-8"')
    reply.send(errorForm(status, body))
  }

  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(answer)
  app.setNotFoundHandler((request, reply) =>
    answer(
      new AjnaError(HTTP_NOT_FOUND, `nothing at ${request.method} ${request.url.slice(0, 200)}`),
      request,
      reply,
    ),
  )
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS)
    if (request.url.length > MAX_URL_CHARACTERS) {
      throw new AjnaError(HTTP_REQUEST_TOO_LARGE, `an address of ${request.url.length} characters`, {
        details: { allowed: MAX_URL_CHARACTERS },
      })
    }
    const isGuarded = options.guarded === 'all' || (request.routeOptions.url?.startsWith('/api') ?? false)
    const refusal = refusalOf(
      { method: request.method, headers: request.headers, open: !isGuarded },
      door,
      hosts,
    )
    if (refusal !== undefined) throw refusal
    if (isGuarded) reply.header('cache-control', 'no-store')
  })
  app.addHook('preClose', async () => {
    for (const stream of streams) stream.end()
  })
  app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: options.title, version: options.version } },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  })
  app.after(() => loginRoute(app, session))

  return {
    app,
    async listen(port) {
      const address = await app.listen({ host: '127.0.0.1', port })
      const bound = new URL(address).port
      for (const name of ['127.0.0.1', 'localhost']) hosts.add(`${name}:${bound}`)
      return `http://127.0.0.1:${bound}`
    },
    events(reply, streamOptions) {
      if (streams.size >= MAX_STREAMS) throw new AjnaError(HTTP_BUSY, `${streams.size} streams are open`)
      const stream = new EventStream(streamOptions)
      streams.add(stream)
      stream.closed.addEventListener('abort', () => streams.delete(stream), { once: true })
      reply
        .header('content-type', 'text/event-stream; charset=utf-8')
        .header('x-accel-buffering', 'no')
        .send(stream.body)
      return stream
    },
    close: () => app.close(),
  }
}

/** Exchanges the token, shown once in an address, for a cookie, and leaves the address behind. */
function loginRoute(app: App, session: Session): void {
  app.get('/login', {
    schema: {
      hide: true,
      querystring: z.object({ token: z.string().max(128), next: z.string().max(1_024).optional() }),
    },
    handler: async (request, reply) => {
      if (!sameSecret(request.query.token, session.token)) {
        throw new AjnaError(HTTP_UNAUTHENTICATED, 'the token in this address is not this server’s')
      }
      const cookie = `${session.cookieName}=${session.cookieValue}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${COOKIE_MAX_AGE_S}`
      return reply
        .header('set-cookie', cookie)
        .header('cache-control', 'no-store')
        .redirect(localPath(request.query.next), 303)
    },
  })
}

/** Only a path of this server's: `//host`, `/\host` and whole addresses lead elsewhere. */
function localPath(next: string | undefined): string {
  if (next === undefined || !/^\/(?![/\\])[\x20-\x7e]*$/.test(next)) return '/'
  const url = new URL(next, 'http://localhost')
  return url.origin === 'http://localhost' ? url.pathname + url.search : '/'
}

/** What Node could not parse as HTTP never becomes a request; it is still answered in the one form errors have. */
function answerUnparsable(
  error: NodeJS.ErrnoException,
  socket: Socket,
  errorForm: (status: number, body: ErrorBody) => unknown,
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const kind = tooLarge ? HTTP_REQUEST_TOO_LARGE : HTTP_REQUEST_INVALID
  const message =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'the request did not arrive in time' : 'this is not HTTP/1.1'
  const status = tooLarge
    ? '431 Request Header Fields Too Large'
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? '408 Request Timeout'
      : '400 Bad Request'
  const failure = new AjnaError(kind, tooLarge ? 'the headers are too large' : message)
  const body = JSON.stringify(errorForm(Number.parseInt(status, 10), failure.toJSON()))
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}
