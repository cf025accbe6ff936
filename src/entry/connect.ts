/** Kafka Connect's REST API over the fleet's links, on a port of its own (docs/decisions/0014-connect-listener.md). */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AjnaError, errorKind } from '../foundation/errors/errors.ts'
import { createHttpServer } from '../foundation/http/server.ts'
import type { Session } from '../foundation/http/session.ts'
import type { Logger } from '../foundation/log/log.ts'
import type { PemFile } from '../operations/mirror/connect/config/pem.ts'
import { connectErrorForm, connectRoutes, connectStatuses } from '../operations/mirror/connect/routes.ts'
import type { LinkRegistry } from '../operations/mirror/registry.ts'
import type { FleetFile } from './fleet-file.ts'
import type { Home } from './home.ts'
import { type FleetTopics, linksJournalCluster } from './links.ts'
import { readVersion } from './version.ts'

export const CONNECT_UNAVAILABLE = errorKind(
  'CONNECT_UNAVAILABLE',
  'The links cannot be read or changed just now.',
  'Try again in a moment; if it persists, look whether the cluster that holds ajna.mirror.links is well. What is copied goes on.',
)

/** User name with which the session's token is taken as a password. */
const BASIC_USER = 'ajna'

/** Of the fleet's file what the server needs to know. */
export interface ConnectFile {
  readonly fleet: FleetTopics & Pick<FleetFile['fleet'], 'connect'>
  readonly placed: readonly Pick<FleetFile['placed'][number], 'name' | 'clusterId'>[]
  readonly ports: Pick<FleetFile['ports'], 'connect'>
}

export interface ConnectServerOptions {
  readonly home: Home
  readonly file: ConnectFile
  readonly session: Session
  readonly log: Logger
  /** Undefined while the links' journal is not open. */
  readonly registry: () => LinkRegistry | undefined
}

export interface ConnectServer {
  readonly address: string
  close(): Promise<void>
}

export async function openConnectServer(options: ConnectServerOptions): Promise<ConnectServer> {
  const { home, file, session, log } = options
  const { access, target } = file.fleet.connect
  const version = readVersion()
  const server = createHttpServer({
    title: 'Ajna as Kafka Connect',
    version,
    session,
    log,
    door: { access: access === 'machine' ? 'machine' : 'session', basicUser: BASIC_USER },
    guarded: 'all',
    statuses: { ...connectStatuses, [CONNECT_UNAVAILABLE.code]: 503 },
    errorForm: connectErrorForm,
  })
  const port = file.ports.connect
  server.app.after(() =>
    connectRoutes(server.app, {
      registry: availableRegistry(options.registry),
      translation: {
        pemDirectory: join(home.role('mirror'), 'pem'),
        defaultTarget: target === null ? null : { cluster: target },
        trusted: access === 'token',
      },
      writePem,
      workerId: () => `127.0.0.1:${port}`,
      version,
      clusterId: clusterIdOf(file),
      now: Date.now,
    }),
  )
  const address = await server.listen(port)
  log.info({ address, access }, 'Kafka Connect’s API is there')
  return { address, close: server.close }
}

/** The registry as it is at each call: its journal is opened anew when it was lost. */
function availableRegistry(registry: () => LinkRegistry | undefined): LinkRegistry {
  const now = (): LinkRegistry => {
    const current = registry()
    if (current !== undefined) return current
    throw new AjnaError(CONNECT_UNAVAILABLE, 'the links’ journal is not open')
  }
  return {
    list: () => now().list(),
    get: name => now().get(name),
    put: async (definition, putOptions) => now().put(definition, putOptions),
    setDesired: async (name, desired) => now().setDesired(name, desired),
    remove: async name => now().remove(name),
    restart: async (name, which) => now().restart(name, which),
    status: name => now().status(name),
    positions: async (name, signal) => now().positions(name, signal),
    setPositions: async (name, positions, signal) => now().setPositions(name, positions, signal),
    onChange: (listener, signal) => now().onChange(listener, signal),
  }
}

/** Named by what it holds: two writers write the same. */
async function writePem({ path, text }: PemFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${process.pid}`
  await writeFile(draft, text, { mode: 0o600 })
  await rename(draft, path)
}

function clusterIdOf({ fleet, placed }: ConnectFile): string {
  const name = linksJournalCluster(fleet)
  return placed.find(cluster => cluster.name === name)?.clusterId ?? name
}
