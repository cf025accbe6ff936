import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import { AjnaError } from '../errors/errors.ts'
import type { TlsIdentity } from './contract.ts'
import { BROKER_UNREACHABLE } from './errors.ts'

export interface SocketOptions {
  /** As the broker calls itself: what its certificate is for. */
  readonly host: string
  /** Where it is reached; a name is resolved. */
  readonly address: string
  readonly port: number
  readonly tls: TlsIdentity | undefined
  readonly timeoutMs: number
  /** Where arriving bytes are put, and what is told that they are there. */
  readonly onread: OnReadOpts
}

const KEEP_ALIVE_MS = 15_000

/**
 * A connected socket; with TLS, after a handshake in which both sides showed certificates of the same authority.
 *
 * @throws AjnaError BROKER_UNREACHABLE, with what the socket reported as its cause
 */
export function openSocket(options: SocketOptions, signal?: AbortSignal): Promise<Socket> {
  const { host, port, tls, timeoutMs } = options
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  signal?.throwIfAborted()
  const socket = openEither(options)
  const fail = (why: string, cause?: unknown): void => {
    const message = `${host}:${port}: ${why}`
    reject(
      new AjnaError(BROKER_UNREACHABLE, message, { cause, details: { host, port, tls: tls !== undefined } }),
    )
    socket.destroy()
  }
  const onError = (error: Error): void => fail('no connection', error)
  const onClose = (): void => fail('the connection was closed before it was usable')
  const onAbort = (): void => {
    reject(signal?.reason)
    socket.destroy()
  }
  const timer = setTimeout(() => fail(`no connection within ${timeoutMs} ms`), timeoutMs)
  const settle = (): void => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    socket.off('close', onClose)
  }
  socket.once(tls === undefined ? 'connect' : 'secureConnect', () => resolve(socket))
  socket.on('error', onError)
  socket.once('close', onClose)
  signal?.addEventListener('abort', onAbort, { once: true })
  return promise.finally(settle)
}

/** PEM texts that are none show here. @throws AjnaError BROKER_UNREACHABLE */
function openEither(options: SocketOptions): Socket {
  const { host, port, tls } = options
  if (tls === undefined) return openTcp(options)
  try {
    return openTls(options, tls)
  } catch (cause) {
    const message = `${host}:${port}: the certificate or the key cannot be used`
    throw new AjnaError(BROKER_UNREACHABLE, message, { cause, details: { host, port, tls: true } })
  }
}

function openTcp({ address, port, onread }: SocketOptions): Socket {
  return connectTcp({
    host: address,
    port,
    onread,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  })
}

function openTls({ host, address, port, onread }: SocketOptions, { ca, cert, key }: TlsIdentity): Socket {
  // SNI knows no addresses (RFC 6066): those are verified as the certificate's IP names.
  const name = isIP(host) === 0 ? { servername: host } : {}
  const options: TlsOptions & { onread: OnReadOpts } = {
    host: address,
    port,
    ca,
    cert,
    key,
    ...name,
    onread,
  }
  const socket = connectTls(options)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  return socket
}
