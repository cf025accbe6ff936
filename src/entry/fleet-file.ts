import { readFile, rename, writeFile } from 'node:fs/promises'
import { AjnaError, errorKind } from '../foundation/errors/errors.ts'
import type { TlsIdentity } from '../foundation/wire/contract.ts'
import type { PlacedCluster, ResolvedFleet } from '../operations/fleet/contract.ts'
import type { Home } from './home.ts'

export const HOME_NOT_SET_UP = errorKind(
  'HOME_NOT_SET_UP',
  'The state directory holds no accepted fleet yet.',
  'Start the fleet with `./ajna up`, or name its state directory with AJNA_HOME.',
)

/** Loopback HTTP ports of this machine's roles. */
export interface RolePorts {
  readonly console: number
  readonly agent: number
  readonly archive: number
  readonly mirror: number
  /** Kafka Connect's REST API. */
  readonly connect: number
}

/** What `fleet.json` holds: the accepted declaration and where this machine has put what runs on it. */
export interface FleetFile {
  readonly fleet: ResolvedFleet
  readonly placed: readonly PlacedCluster[]
  /** This machine's name as a host of the fleet. */
  readonly host: string
  readonly ports: RolePorts
  /** ISO time it was accepted. */
  readonly acceptedAt: string
}

export async function writeFleetFile(home: Home, file: FleetFile): Promise<void> {
  await writeFile(`${home.fleet}.new`, `${JSON.stringify(file, null, 1)}\n`)
  await rename(`${home.fleet}.new`, home.fleet)
}

/** @throws AjnaError HOME_NOT_SET_UP */
export async function readFleetFile(home: Home): Promise<FleetFile> {
  const file = await findFleetFile(home)
  if (file === undefined) throw new AjnaError(HOME_NOT_SET_UP, `there is no ${home.fleet}`)
  return file
}

export async function findFleetFile(home: Home): Promise<FleetFile | undefined> {
  try {
    return JSON.parse(await readFile(home.fleet, 'utf8')) as FleetFile
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** How a client reaches a cluster of the fleet. */
export interface ClusterAddress {
  readonly bootstrap: readonly string[]
  readonly tls?: TlsIdentity
}

/** @param identity gives the certificate of the principal the caller acts as; not asked for clusters that bring their own */
export async function clusterAddress(
  file: FleetFile,
  name: string,
  identity: () => Promise<TlsIdentity>,
): Promise<ClusterAddress> {
  const placed = file.placed.find(cluster => cluster.name === name)
  if (placed !== undefined) {
    const bootstrap = placed.nodes.map(node => `127.0.0.1:${node.ports.client}`)
    return placed.security.protocol === 'mtls' ? { bootstrap, tls: await identity() } : { bootstrap }
  }
  const existing = file.fleet.clusters.find(cluster => cluster.name === name)
  if (existing?.driver !== 'existing')
    throw new AjnaError(HOME_NOT_SET_UP, `cluster ${name} has no place on this machine`)
  if (existing.tls === null) return { bootstrap: existing.bootstrap }
  const [ca, cert, key] = await Promise.all(
    [existing.tls.ca, existing.tls.cert, existing.tls.key].map(path => readFile(path, 'utf8')),
  )
  return { bootstrap: existing.bootstrap, tls: { ca: ca!, cert: cert!, key: key! } }
}
