import { silentLogger } from '../../src/foundation/log/log.ts'
import type { LinkStatus } from '../../src/operations/mirror/contract.ts'
import { openLinkRegistry } from '../../src/operations/mirror/links/registry.ts'
import type { LinkRegistry } from '../../src/operations/mirror/registry.ts'
import { type ConnectServer, connectServer } from './connect-server.ts'
import { connectNamed, createLinksTopic, joinGroup, openLinks } from './group.ts'

export interface ConnectLinks extends AsyncDisposable {
  readonly server: ConnectServer
  readonly registry: LinkRegistry
}

/** A worker of links, the registry of their journal, and Connect's API over it. The journal is on this cluster. */
export async function connectLinks(bootstrap: readonly string[], signal: AbortSignal): Promise<ConnectLinks> {
  await createLinksTopic(bootstrap)
  const worker = await joinGroup(bootstrap, 'connect-links')
  const journal = await openLinks(bootstrap, 'connect-links-registry')
  const ending = new AbortController()
  const registry = openLinkRegistry({
    journal,
    ask: async (): Promise<readonly LinkStatus[]> => worker.status(),
    connect: connectNamed('connect-links', silentLogger),
    now: Date.now,
    log: silentLogger,
    signal: AbortSignal.any([signal, ending.signal]),
  })
  const server = await connectServer(registry, { now: Date.now })
  return {
    server,
    registry,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      ending.abort()
      await worker[Symbol.asyncDispose]()
      await journal.close()
    },
  }
}
