import { isIP } from 'node:net'
import {
  type API,
  apiVersionsV3,
  Connection,
  NetworkError,
  ResponseError,
  TimeoutError,
} from '@platformatic/kafka'
import { AjnaError } from '../errors/errors.ts'
import type { Logger } from '../log/log.ts'
import type { TlsIdentity, TlsSource } from '../wire/contract.ts'
import { addressFor, type Hosts } from '../wire/hosts.ts'
import { KAFKA_UNSUPPORTED, unreachable } from './errors.ts'

/**
 * Connections to brokers, one per address, made when first needed, on the library's `Connection` and codecs. Its `Admin`
 * class is not used: it fails a whole call for one item or one broker, and takes no AbortSignal (docs/decisions/0004).
 */

/**
 * A broker answers one request of a connection after the other, and one that it passes on to the controller holds up all
 * behind it for as long as there is no controller: such requests have a connection of their own.
 */
export type Lane = 'direct' | 'forwarded'

export interface Address {
  readonly host: string
  readonly port: number
}

/** The versions of one request that we speak, newest first; all take the same arguments. */
// biome-ignore lint/suspicious/noExplicitAny: a list of codecs of several versions differs in details nobody here reads
export type Codecs<Args extends unknown[], Response> = readonly API<any, any>[] & {
  readonly types?: (args: Args) => Response
}

/** Codecs of several versions under the newest one's types. */
export function codecs<Args extends unknown[], Response>(
  newest: API<Args, Response>,
  ...older: readonly { readonly key: number; readonly version: number }[]
): Codecs<Args, Response> {
  return [newest, ...older] as unknown as Codecs<Args, Response>
}

export interface ConnectionSettings {
  readonly clientId: string
  readonly tls?: TlsSource | undefined
  readonly hosts?: Hosts | undefined
  /** Until connected, TLS and the broker's greeting included, ms. */
  readonly connectTimeoutMs: number
  /** Until answered, ms. What a frozen broker costs. */
  readonly requestTimeoutMs: number
  readonly log: Logger
}

/** Which versions of which request a broker speaks, as it says when greeted (ApiVersions). */
export type Greeting = ReadonlyMap<number, { readonly min: number; readonly max: number }>

export interface Connections {
  /**
   * Sends one request and answers the whole response, whatever error codes are in it.
   *
   * @throws AjnaError KAFKA_UNREACHABLE, KAFKA_UNSUPPORTED; the signal's reason
   */
  request<Args extends unknown[], Response>(
    to: Address,
    lane: Lane,
    apis: Codecs<Args, Response>,
    args: Args,
    signal: AbortSignal,
  ): Promise<Response>
  isConnected(to: Address): boolean
  close(): Promise<void>
}

/** Requests on their way to one broker; the library's default of 5 would make the sixth wait for a silent one. */
const MAX_IN_FLIGHT = 64

interface Link {
  readonly connection: Connection
  readonly greeting: Greeting
  /** What the socket last complained of: a rejected certificate shows nowhere else. */
  complaint(): Error | undefined
}

export const addressText = ({ host, port }: Address): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`

export function parseAddress(text: string): Address {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(colon + 1)) }
}

export function createConnections(settings: ConnectionSettings): Connections {
  const links = new Map<string, Promise<Link>>()
  const ready = new Set<string>()

  async function open(to: Address, onClose: () => void): Promise<Link> {
    const { clientId, connectTimeoutMs, requestTimeoutMs, log } = settings
    const tls = await identityNow(settings.tls, to)
    const connection = new Connection(clientId, {
      connectTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      maxInflights: MAX_IN_FLIGHT,
      ...(tls === undefined ? {} : { tls: { ca: tls.ca, cert: tls.cert, key: tls.key } }),
      // A name for SNI; an IP address may not stand there (RFC 6066).
      tlsServerName: isIP(to.host) === 0 ? to.host : false,
    })
    let complaint: Error | undefined
    // Always listened to: an 'error' nobody hears would end the process.
    connection.on('error', error => {
      complaint = error
      log.debug({ broker: addressText(to), error: error.message }, 'connection failed')
    })
    connection.once('close', onClose)
    try {
      await connection.connect(addressFor(settings.hosts, to.host), to.port)
      const greeting = await greet(connection, connectTimeoutMs)
      return { connection, greeting, complaint: () => complaint }
    } catch (error) {
      await closeQuietly(connection)
      throw unreachable(addressText(to), complaint ?? error)
    }
  }

  function link(to: Address, lane: Lane): Promise<Link> {
    const key = `${lane} ${addressText(to)}`
    const existing = links.get(key)
    if (existing !== undefined) return existing
    const forget = (): void => {
      if (links.get(key) !== opening) return
      links.delete(key)
      ready.delete(key)
    }
    const opening = open(to, forget)
    links.set(key, opening)
    opening.then(() => ready.add(key), forget)
    return opening
  }

  return {
    async request(to, lane, apis, args, signal) {
      const { connection, greeting, complaint } = await orAborted(link(to, lane), signal)
      const api = apis.find(each => supports(greeting, each))
      if (api === undefined) {
        const key = apis[0]!.key
        const message = `${addressText(to)} does not have request ${key} in version ${apis.map(each => each.version).join(', ')}`
        throw new AjnaError(KAFKA_UNSUPPORTED, message, { details: { broker: addressText(to), apiKey: key } })
      }
      try {
        return await orAborted(api.async(connection, ...args), signal)
      } catch (error) {
        // The library throws when any error code is not zero; the answer is whole all the same.
        if (error instanceof ResponseError) return error['response']
        if (signal.aborted || !isTransportError(error)) throw error
        throw unreachable(addressText(to), complaint() ?? error)
      }
    },
    isConnected: to => ready.has(`direct ${addressText(to)}`),
    async close() {
      const open = [...links.values()]
      links.clear()
      for (const each of await Promise.allSettled(open)) {
        if (each.status === 'fulfilled') await closeQuietly(each.value.connection)
      }
    },
  }
}

async function identityNow(tls: TlsSource | undefined, to: Address): Promise<TlsIdentity | undefined> {
  if (typeof tls !== 'function') return tls
  try {
    return await tls()
  } catch (error) {
    throw unreachable(addressText(to), error)
  }
}

/** Any other error is a mistake of ours or of the codec's, and says so itself. */
const isTransportError = (error: unknown): boolean =>
  error instanceof NetworkError || error instanceof TimeoutError

const supports = (greeting: Greeting, api: { readonly key: number; readonly version: number }): boolean => {
  const range = greeting.get(api.key)
  return range !== undefined && api.version >= range.min && api.version <= range.max
}

/** A frozen broker's kernel accepts connections; only an answer shows that it lives. */
async function greet(connection: Connection, timeoutMs: number): Promise<Greeting> {
  const answer = await orAborted(
    apiVersionsV3.api.async(connection, 'ajna', '1'),
    AbortSignal.timeout(timeoutMs),
  )
  return new Map(answer.apiKeys.map(each => [each.apiKey, { min: each.minVersion, max: each.maxVersion }]))
}

/** Waits for a promise no longer than the signal allows; what it comes to later is dropped. */
export async function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  promise.catch(() => {})
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Closing a connection that is already failing fails too, and matters to nobody. */
async function closeQuietly(connection: Connection): Promise<void> {
  await connection.close().catch(() => {})
  connection.socket?.destroy()
}
