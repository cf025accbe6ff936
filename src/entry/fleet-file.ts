import { z } from 'zod'
import { AjnaError, errorKind } from '../foundation/errors/errors.ts'
import { readIfThere, writeWhole } from '../foundation/files/whole.ts'
import { identityOfFiles } from '../foundation/tls/identity-files.ts'
import type { TlsIdentity } from '../foundation/wire/contract.ts'
import type { Hosts } from '../foundation/wire/hosts.ts'
import type { PlacedCluster, ResolvedFleet } from '../operations/fleet/contract.ts'
import type { Home } from './home.ts'

export const HOME_NOT_SET_UP = errorKind(
  'HOME_NOT_SET_UP',
  'The state directory holds no accepted fleet yet.',
  'Start the fleet with `./ajna up`, or name its state directory with AJNA_HOME.',
)
export const HOME_DAMAGED = errorKind(
  'HOME_DAMAGED',
  'The file that holds the accepted fleet is damaged.',
  'Restore fleet.json from a backup; or move it away and type `./ajna up -f FILE` with the fleet’s declaration: ports, certificates and the clusters’ data are found again.',
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

/** What must be there for the rest to be believed: the file is written by this program alone, in one piece. */
const fleetFile = z.looseObject({
  fleet: z.looseObject({ name: z.string(), clusters: z.array(z.looseObject({ name: z.string() })) }),
  placed: z.array(z.looseObject({ name: z.string(), nodes: z.array(z.looseObject({})) })),
  host: z.string(),
  ports: z.looseObject({ console: z.int(), agent: z.int(), archive: z.int(), mirror: z.int() }),
})

/** Earlier releases had one mirror worker a machine, and did not say so. */
type FileOfAnyRelease = Omit<FleetFile, 'fleet'> & {
  readonly fleet: Omit<ResolvedFleet, 'mirror'> & Partial<Pick<ResolvedFleet, 'mirror'>>
}

const withMirror = (file: FileOfAnyRelease): FleetFile => ({
  ...file,
  fleet: { ...file.fleet, mirror: file.fleet.mirror ?? { workers: 1 } },
})

export const writeFleetFile = (home: Home, file: FleetFile): Promise<void> =>
  writeWhole(home.fleet, `${JSON.stringify(file, null, 1)}\n`)

/** @throws AjnaError HOME_NOT_SET_UP, HOME_DAMAGED */
export async function readFleetFile(home: Home): Promise<FleetFile> {
  const file = await findFleetFile(home)
  if (file === undefined) throw new AjnaError(HOME_NOT_SET_UP, `there is no ${home.fleet}`)
  return file
}

/** @throws AjnaError HOME_DAMAGED */
export async function findFleetFile(home: Home): Promise<FleetFile | undefined> {
  const text = await readIfThere(home.fleet)
  if (text === undefined) return undefined
  try {
    const file: unknown = JSON.parse(text)
    fleetFile.parse(file)
    return withMirror(file as FileOfAnyRelease)
  } catch (cause) {
    throw new AjnaError(HOME_DAMAGED, `${home.fleet} does not hold a fleet`, { cause })
  }
}

/** How a client reaches a cluster of the fleet. */
export interface ClusterAddress {
  readonly bootstrap: readonly string[]
  readonly tls?: TlsIdentity
  /** Of its brokers' names. */
  readonly hosts?: Hosts
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
  const { bootstrap, tls, hosts } = existing
  const address = { bootstrap, ...(hosts === undefined ? {} : { hosts }) }
  return tls === null ? address : { ...address, tls: await identityOfFiles(tls) }
}
