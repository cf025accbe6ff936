/** Trogdor's REST API over a coordinator, on a port of its own (docs/decisions/0021-trogdor.md). */
import { randomBytes } from 'node:crypto'
import { AjnaError } from '../foundation/errors/errors.ts'
import { createHttpServer } from '../foundation/http/server.ts'
import { sessionOf } from '../foundation/http/session.ts'
import type { Logger } from '../foundation/log/log.ts'
import type { Coordinator } from '../operations/faults/trogdor/coordinator.ts'
import { TROGDOR_PORT_TAKEN } from '../operations/faults/trogdor/errors.ts'
import { trogdorErrorForm, trogdorRoutes, trogdorStatuses } from '../operations/faults/trogdor/routes.ts'
import { readVersion } from './version.ts'

export interface TrogdorServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly address: string
  /** Resolves when a client has asked for the end. */
  readonly asked: Promise<void>
}

/** Open to everyone on this machine: Trogdor's clients know no session. @throws AjnaError TROGDOR_PORT_TAKEN */
export async function openTrogdorServer(
  coordinator: Coordinator,
  port: number,
  log: Logger,
): Promise<TrogdorServer> {
  const asked = Promise.withResolvers<void>()
  const server = createHttpServer({
    title: 'Ajna as Trogdor’s coordinator',
    version: readVersion(),
    session: sessionOf(randomBytes(32).toString('base64url')),
    log,
    door: { access: 'machine' },
    guarded: 'all',
    statuses: trogdorStatuses,
    errorForm: trogdorErrorForm,
  })
  server.app.after(() => trogdorRoutes(server.app, { coordinator, shutdown: asked.resolve }))
  try {
    const address = await server.listen(port)
    return { address, asked: asked.promise, [Symbol.asyncDispose]: server.close }
  } catch (cause) {
    await server.close()
    throw new AjnaError(TROGDOR_PORT_TAKEN, `port ${port}`, { cause })
  }
}
