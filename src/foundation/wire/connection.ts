/**
 * One connection to one broker. Requests are answered in the order they were sent (Kafka guarantees it), so a request
 * that is not answered in time means that nothing behind it will be either: the connection is closed, and whoever waits
 * on it is told.
 */
import type { Socket } from 'node:net'
import { AjnaError, describeError } from '../errors/errors.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import type { TlsIdentity, TlsSource } from './contract.ts'
import {
  API_UNSUPPORTED,
  BROKER_UNREACHABLE,
  CONNECTION_LOST,
  REQUEST_TIMED_OUT,
  WIRE_CLOSED,
  WIRE_MALFORMED,
} from './errors.ts'
import { FrameAssembler } from './frames.ts'
import { addressFor, type Hosts } from './hosts.ts'
import { apiVersions } from './requests/api-versions.ts'
import type { Message } from './requests/message.ts'
import { openSocket } from './socket.ts'

export interface ConnectionOptions {
  readonly host: string
  readonly port: number
  readonly tls?: TlsSource | undefined
  readonly hosts?: Hosts | undefined
  readonly clientId: string
  /** For TCP and TLS. */
  readonly connectTimeoutMs: number
  /** Per request, from queued to answered, where the request does not say otherwise. */
  readonly requestTimeoutMs: number
  /** A response above this is refused and the connection closed. Default 100 MiB, as the brokers' own bound on requests. */
  readonly maxFrameBytes?: number
  /** Bytes of requests sent and not yet answered; above it, requests wait in line. Default 8 MiB. */
  readonly maxInFlightBytes?: number
  /** Told each time the broker holds this client back by a quota, and for how long, ms. */
  readonly onThrottle?: ((ms: number) => void) | undefined
  /** Memory for large responses; fresh memory by default. */
  readonly allocate?: ((size: number) => Buffer) | undefined
}

export interface SendOptions {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number
}

const DEFAULT_MAX_FRAME_BYTES = 100 * 1024 * 1024
const DEFAULT_MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024
const CLIENT_SOFTWARE = { clientName: 'ajna', clientVersion: '0.1.0' }
const UNSUPPORTED_VERSION = 35
/** Above it, a broker's word on how long it holds a client back is not believed. */
const MAX_THROTTLE_MS = 60_000
const REQUEST_HEADER_BYTES = 64

interface Pending {
  readonly correlationId: number
  readonly what: string
  readonly parts: readonly Buffer[]
  readonly size: number
  readonly timeoutMs: number
  timer: NodeJS.Timeout
  readonly answer: (body: ByteReader) => void
  readonly fail: (error: unknown) => void
}

/**
 * Connects and learns which versions the broker speaks.
 *
 * @throws AjnaError BROKER_UNREACHABLE, REQUEST_TIMED_OUT, CONNECTION_LOST, API_UNSUPPORTED, WIRE_MALFORMED
 */
export async function connect(options: ConnectionOptions, signal?: AbortSignal): Promise<Connection> {
  const connection = await Connection.open(options, signal)
  try {
    await connection.handshake(signal)
  } catch (error) {
    connection.close(error)
    throw error
  }
  return connection
}

export class Connection {
  readonly address: string
  readonly #options: ConnectionOptions
  readonly #maxInFlightBytes: number
  readonly #versions = new Map<number, { readonly min: number; readonly max: number }>()
  readonly #inFlight: Pending[] = []
  readonly #waiting: Pending[] = []
  readonly #onClose: (() => void)[] = []
  #socket: Socket | undefined
  #inFlightBytes = 0
  #nextCorrelationId = 1
  #closedBy: AjnaError | undefined
  /** Until then the broker reads nothing more of this connection (KIP-219); by `performance.now()`. */
  #throttledUntil = 0
  #throttling: NodeJS.Timeout | undefined

  private constructor(options: ConnectionOptions) {
    this.#options = options
    this.#maxInFlightBytes = options.maxInFlightBytes ?? DEFAULT_MAX_IN_FLIGHT_BYTES
    this.address = `${options.host}:${options.port}`
  }

  static async open(options: ConnectionOptions, signal?: AbortSignal): Promise<Connection> {
    const connection = new Connection(options)
    const { host, port, connectTimeoutMs } = options
    const tls = await identityNow(options)
    const maxFrameBytes = options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES
    const frames = new FrameAssembler(maxFrameBytes, frame => connection.#receive(frame), options.allocate)
    const onread = {
      buffer: () => frames.target(),
      callback: (count: number) => connection.#guarded(() => frames.filled(count)),
    }
    const address = addressFor(options.hosts, host)
    const socket = await openSocket({ host, address, port, tls, timeoutMs: connectTimeoutMs, onread }, signal)
    connection.#adopt(socket)
    return connection
  }

  get closed(): boolean {
    return this.#closedBy !== undefined
  }

  /** Called once, when the connection ends for whatever reason; at once if it has. */
  onClose(listener: () => void): void {
    if (this.closed) listener()
    else this.#onClose.push(listener)
  }

  async handshake(signal?: AbortSignal): Promise<void> {
    const { errorCode, apis } = await this.#request(apiVersions, apiVersions.maxVersion, CLIENT_SOFTWARE, {
      signal,
    })
    if (errorCode === UNSUPPORTED_VERSION) {
      throw new AjnaError(API_UNSUPPORTED, `${this.address} does not speak ApiVersions 3`)
    }
    if (errorCode !== 0)
      throw new AjnaError(WIRE_MALFORMED, `${this.address} answered ApiVersions with error ${errorCode}`)
    for (const { key, min, max } of apis) this.#versions.set(key, { min, max })
  }

  /** The version of a request that both sides speak. @throws AjnaError API_UNSUPPORTED */
  version(message: Pick<Message<never, unknown>, 'key' | 'name' | 'minVersion' | 'maxVersion'>): number {
    const theirs = this.#versions.get(message.key)
    const version = Math.min(message.maxVersion, theirs?.max ?? -1)
    if (theirs === undefined || version < Math.max(message.minVersion, theirs.min)) {
      const range = theirs === undefined ? 'none' : `${theirs.min} to ${theirs.max}`
      throw new AjnaError(
        API_UNSUPPORTED,
        `${this.address} speaks ${message.name} in versions: ${range}; needed: ${message.minVersion} to ${message.maxVersion}`,
      )
    }
    return version
  }

  /**
   * Sends a request and answers its response. An abort gives up waiting; the broker may act on the request all the same.
   *
   * @throws AjnaError REQUEST_TIMED_OUT, CONNECTION_LOST, WIRE_MALFORMED, WIRE_TRUNCATED, API_UNSUPPORTED; the signal's reason
   */
  async send<Request, Response>(
    message: Message<Request, Response>,
    request: Request,
    options: SendOptions = {},
  ): Promise<Response> {
    return this.#request(message, this.version(message), request, options)
  }

  /** Fails whatever waits and closes the socket. */
  close(reason?: unknown): void {
    if (this.#closedBy !== undefined) return
    this.#closedBy =
      reason === undefined
        ? new AjnaError(WIRE_CLOSED, `the connection to ${this.address} was closed`)
        : new AjnaError(
            CONNECTION_LOST,
            `the connection to ${this.address} was lost: ${describeError(reason)}`,
            { cause: reason },
          )
    this.#socket?.destroy()
    clearTimeout(this.#throttling)
    const lost = [...this.#inFlight.splice(0), ...this.#waiting.splice(0)]
    this.#inFlightBytes = 0
    for (const pending of lost) pending.fail(this.#closedBy)
    for (const listener of this.#onClose.splice(0)) listener()
  }

  #adopt(socket: Socket): void {
    this.#socket = socket
    socket.on('error', error => this.close(refusedCertificate(error) ?? error))
    socket.on('end', () => this.close(new Error('the broker closed it')))
    socket.on('close', () => this.close(new Error('the socket closed')))
    if (socket.destroyed) this.close(new Error('the socket closed'))
  }

  #request<Request, Response>(
    message: Message<Request, Response>,
    version: number,
    request: Request,
    { signal, timeoutMs = this.#options.requestTimeoutMs }: SendOptions,
  ): Promise<Response> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy)
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    const correlationId = this.#nextCorrelationId
    this.#nextCorrelationId = (correlationId + 1) & 0x7fff_ffff
    const body = message.encode(request, version)
    const header = encodeHeader(message.key, version, correlationId, this.#options.clientId, body)
    const onAbort = (): void => reject(signal?.reason)
    const settle = (): void => {
      clearTimeout(pending.timer)
      signal?.removeEventListener('abort', onAbort)
    }
    const pending: Pending = {
      correlationId,
      what: message.name,
      parts: [header, ...body],
      size: header.readInt32BE(0),
      timeoutMs,
      timer: setTimeout(() => this.#expire(pending), timeoutMs + this.#throttledMs()),
      answer: reader => {
        settle()
        if (message !== (apiVersions as unknown)) reader.taggedFields()
        resolve(message.parse(reader, version, ms => this.#throttle(ms)))
      },
      fail: error => {
        settle()
        reject(error)
      },
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#waiting.push(pending)
    this.#sendWaiting()
    return promise
  }

  #sendWaiting(): void {
    const socket = this.#socket
    if (socket === undefined) return
    const throttledMs = this.#throttledMs()
    if (throttledMs > 0) {
      this.#throttling ??= setTimeout(() => {
        this.#throttling = undefined
        this.#sendWaiting()
      }, throttledMs)
      return
    }
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0]!
      if (this.#inFlight.length > 0 && this.#inFlightBytes + next.size > this.#maxInFlightBytes) return
      this.#waiting.shift()
      this.#inFlight.push(next)
      this.#inFlightBytes += next.size
      socket.cork()
      for (const part of next.parts) socket.write(part)
      socket.uncork()
    }
  }

  #throttledMs(): number {
    return Math.max(0, Math.ceil(this.#throttledUntil - performance.now()))
  }

  /** The broker answers nothing more for so long: the time of what waits for an answer begins then. */
  #throttle(saidMs: number): void {
    if (saidMs <= 0) return
    const ms = Math.min(saidMs, MAX_THROTTLE_MS)
    this.#throttledUntil = Math.max(this.#throttledUntil, performance.now() + ms)
    for (const pending of [...this.#inFlight, ...this.#waiting]) {
      clearTimeout(pending.timer)
      pending.timer = setTimeout(() => this.#expire(pending), pending.timeoutMs + this.#throttledMs())
    }
    this.#options.onThrottle?.(ms)
  }

  #expire(pending: Pending): void {
    const { timeoutMs } = pending
    const error = new AjnaError(
      REQUEST_TIMED_OUT,
      `${this.address} did not answer ${pending.what} within ${timeoutMs} ms`,
      {
        details: { address: this.address, request: pending.what, timeoutMs },
      },
    )
    pending.fail(error)
    this.close(error)
  }

  #receive(frame: Buffer): void {
    const reader = new ByteReader(frame)
    const correlationId = reader.int32()
    const pending = this.#inFlight[0]
    if (pending?.correlationId !== correlationId) {
      const expected = pending === undefined ? 'nothing' : `${pending.correlationId} (${pending.what})`
      throw new AjnaError(
        WIRE_MALFORMED,
        `${this.address} answered request ${correlationId}; expected was ${expected}`,
      )
    }
    this.#inFlight.shift()
    this.#inFlightBytes -= pending.size
    try {
      pending.answer(reader)
    } catch (error) {
      pending.fail(error)
      throw error
    }
    this.#sendWaiting()
  }

  /** Errors must not reach the socket's callback, where nobody could catch them. Answers whether to go on reading. */
  #guarded(work: () => void): boolean {
    if (this.closed) return false
    try {
      work()
    } catch (error) {
      this.close(error)
    }
    return !this.closed
  }
}

/** What a broker's TLS alert means, where it is about this side's certificate (in TLS 1.3 it comes after the handshake). */
function refusedCertificate(error: Error & { readonly code?: string }): Error | undefined {
  const alert = /^ERR_SSL_.*ALERT_((?:BAD_|UNSUPPORTED_)?CERTIFICATE(?:_\w+)?|UNKNOWN_CA)$/.exec(
    error.code ?? '',
  )?.[1]
  if (alert === undefined) return undefined
  const word = alert.toLowerCase().replaceAll('_', ' ')
  return new Error(`the broker does not accept this side's certificate (${word})`)
}

async function identityNow({ host, port, tls }: ConnectionOptions): Promise<TlsIdentity | undefined> {
  if (typeof tls !== 'function') return tls
  try {
    return await tls()
  } catch (cause) {
    const message = `${host}:${port}: no certificate to connect with`
    throw new AjnaError(BROKER_UNREACHABLE, message, { cause, details: { host, port, tls: true } })
  }
}

function encodeHeader(
  key: number,
  version: number,
  correlationId: number,
  clientId: string,
  body: readonly Buffer[],
): Buffer {
  const writer = new ByteWriter(REQUEST_HEADER_BYTES)
  writer.int32(0).int16(key).int16(version).int32(correlationId).nullableString(clientId).noTaggedFields()
  let size = writer.length - 4
  for (const part of body) size += part.length
  writer.patchInt32(0, size)
  return writer.finish()
}
