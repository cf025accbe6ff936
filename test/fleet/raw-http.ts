import { once } from 'node:events'
import { connect } from 'node:net'

export interface RawAnswer {
  /** 0: the connection was closed without an answer. */
  readonly status: number
  readonly body: string
}

/** Bytes to a loopback port, and what comes back until the connection is closed. */
export async function exchange(port: number, bytes: string | Buffer, patientMs = 60_000): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1')
  const parts: Buffer[] = []
  socket.on('data', part => parts.push(part))
  // A reset is an answer too.
  socket.on('error', () => undefined)
  socket.setTimeout(patientMs, () => socket.destroy())
  socket.once('connect', () => socket.write(bytes))
  await once(socket, 'close')
  return Buffer.concat(parts)
}

/** One request as raw bytes, so that nothing that a client library would mend is mended. */
export async function rawRequest(
  port: number,
  request: {
    readonly method?: string
    readonly path: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
  },
): Promise<RawAnswer> {
  const { method = 'GET', path, headers = {}, body = '' } = request
  const all: Record<string, string> = { host: `127.0.0.1:${port}`, connection: 'close', ...headers }
  if (body !== '' && all['content-length'] === undefined)
    all['content-length'] = String(Buffer.byteLength(body))
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const answer = await exchange(port, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
  return parseAnswer(answer)
}

export function parseAnswer(answer: Buffer): RawAnswer {
  const [head = '', ...rest] = answer.toString().split('\r\n\r\n')
  return { status: Number(head.slice(9, 12)), body: rest.join('\r\n\r\n') }
}
