/** A receiver of webhooks, as anybody would write one by the specification alone. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { Incident } from '../../heal/contract.ts'

export interface Received {
  readonly id: string
  readonly type: string
  readonly incident: string
  readonly verified: boolean
  readonly timestamp: number
  readonly body: string
}

/** What it does about a message; undefined: it never answers. */
export type Manners = (message: Received, count: number) => number | undefined

export interface Receiver extends AsyncDisposable {
  readonly url: string
  readonly received: readonly Received[]
  manners: Manners
  /** Until something is so; polls. @throws when the signal ends first */
  until(holds: () => boolean, signal: AbortSignal): Promise<void>
}

const TOLERANCE_S = 300

export async function startReceiver(secret: string, manners: Manners = () => 204): Promise<Receiver> {
  const received: Received[] = []
  const receiver = { manners }
  const server = createServer((request, response) => void answer(request, response))
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request)
    const header = (name: string): string => String(request.headers[name] ?? '')
    const [id, timestamp] = [header('webhook-id'), Number(header('webhook-timestamp'))]
    const { type, data } = JSON.parse(body) as { type: string; data: { id?: string } }
    const verified =
      Math.abs(Date.now() / 1_000 - timestamp) < TOLERANCE_S &&
      isSignedBy(secret, `${id}.${timestamp}.${body}`, header('webhook-signature'))
    const message = { id, type, incident: data.id ?? '', verified, timestamp, body }
    received.push(message)
    const status = receiver.manners(message, received.length)
    if (status === undefined) return
    response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end()
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/a-token-in-the-path`,
    received,
    get manners() {
      return receiver.manners
    },
    set manners(another) {
      receiver.manners = another
    },
    async until(holds, signal) {
      while (!holds()) await delay(10, undefined, { signal })
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function isSignedBy(secret: string, content: string, signatures: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const expected = Buffer.from(createHmac('sha256', key).update(content).digest('base64'))
  return signatures.split(' ').some(each => {
    const [version, signature = ''] = each.split(',')
    const found = Buffer.from(signature)
    return version === 'v1' && found.length === expected.length && timingSafeEqual(found, expected)
  })
}

/** An incident that has come to what is given, a second between each. */
export function incidentOf(id: string, at: number, more: Partial<Incident> = {}): Incident {
  return {
    id,
    revision: 0,
    cluster: 'edge',
    subject: { kind: 'broker', broker: 1 },
    cause: 'broker-dead',
    state: 'open',
    beganAt: at,
    detectedAt: at,
    actedAt: null,
    availableAt: null,
    healedAt: null,
    signals: [{ source: 'agent', says: 'process 7 ended (SIGKILL)' }],
    decision: { kind: 'act', remedy: 'unregister', reasons: ['two sides agree'], refused: [] },
    evidence: [],
    timeline: [{ at, text: 'found' }],
    ...more,
  }
}

export const healedAfter = (id: string, at: number): Incident =>
  incidentOf(id, at, {
    revision: 3,
    state: 'healed',
    actedAt: at + 1,
    availableAt: at + 2,
    healedAt: at + 3,
    timeline: [{ at: at + 3, text: 'it is back' }],
  })
