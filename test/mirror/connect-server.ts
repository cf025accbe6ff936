import { createHttpServer } from '../../src/foundation/http/server.ts'
import { type Session, sessionOf } from '../../src/foundation/http/session.ts'
import { silentLogger } from '../../src/foundation/log/log.ts'
import type { PemFile } from '../../src/operations/mirror/connect/config/pem.ts'
import {
  connectErrorForm,
  connectRoutes,
  connectStatuses,
} from '../../src/operations/mirror/connect/routes.ts'
import type { LinkRegistry } from '../../src/operations/mirror/registry.ts'

export interface ConnectServer extends AsyncDisposable {
  readonly address: string
  readonly session: Session
  /** PEM texts it was given to keep. */
  readonly files: readonly PemFile[]
  ask(
    method: string,
    path: string,
    send?: { readonly body?: string; readonly type?: string },
  ): Promise<Response>
  /** With a JSON body, or none; answers the status and the parsed body. */
  json(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: unknown }>
}

/** Connect's REST API over a registry, on a port of its own. */
export async function connectServer(
  registry: LinkRegistry,
  {
    now = () => 0,
    pemDirectory = '/state/mirror/pem',
    trusted = true,
  }: { now?: () => number; pemDirectory?: string; trusted?: boolean } = {},
): Promise<ConnectServer> {
  const session = sessionOf('t'.repeat(43))
  const files: PemFile[] = []
  const server = createHttpServer({
    title: 'connect',
    version: '1',
    session,
    log: silentLogger,
    door: { access: 'machine' },
    guarded: 'all',
    statuses: connectStatuses,
    errorForm: connectErrorForm,
  })
  let address = ''
  server.app.after(() =>
    connectRoutes(server.app, {
      registry,
      translation: { pemDirectory, defaultTarget: null, trusted },
      writePem: async file => void files.push(file),
      workerId: () => new URL(address).host,
      version: '0.1.0',
      clusterId: 'cluster',
      now,
    }),
  )
  address = await server.listen(0)
  const ask: ConnectServer['ask'] = (method, path, { body, type = 'application/json' } = {}) =>
    fetch(address + path, {
      method,
      ...(body === undefined ? {} : { body, headers: { 'content-type': type } }),
    })
  return {
    address,
    session,
    files,
    ask,
    async json(method, path, body) {
      const response = await ask(method, path, body === undefined ? {} : { body: JSON.stringify(body) })
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    },
    [Symbol.asyncDispose]: () => server.close(),
  }
}
