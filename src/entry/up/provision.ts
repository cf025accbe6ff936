import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ensureKafka, type KafkaDist } from '../../foundation/kafka-dist/kafka-dist.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { ProcessSpec } from '../../foundation/process/run.ts'
import { type Authority, ensureAuthority } from '../../foundation/tls/authority.ts'
import { ensureCertificate } from '../../foundation/tls/renew.ts'
import { prepareNode } from '../../operations/fleet/brokers/driver.ts'
import {
  brokerPrincipal,
  type PlacedCluster,
  type PlacedNode,
  type ResolvedFleet,
  type ResolvedLocalCluster,
} from '../../operations/fleet/contract.ts'
import { type HostPlan, hostPlan, type PlannedProcess } from '../../operations/hosts/contract.ts'
import { type FleetFile, findFleetFile, type RolePorts } from '../fleet-file.ts'
import type { Home } from '../home.ts'

/** Gives each name a port of its own, the same one every time. */
export type PortSource = (names: readonly string[]) => Promise<ReadonlyMap<string, number>>

export interface ProvisionTask {
  readonly home: Home
  readonly fleet: ResolvedFleet
  readonly host: string
  readonly ports: PortSource
}

const NODE_PORTS = ['client', 'internal', 'controller', 'jmx'] as const
const ROLE_PORTS = ['console', 'agent', 'archive', 'mirror', 'connect'] as const
/** Brokers get time to hand over their leaders; one without a quorum any more never gets that far. */
const BROKER_STOP_MS = 8_000

/**
 * Gives a declaration its place on this machine: ports, directories, cluster ids, certificates, brokers' configuration.
 * As often as you like: what is there stays, what is new is added. Nothing is started.
 */
export async function provision(task: ProvisionTask): Promise<FleetFile> {
  const { home, fleet } = task
  const before = await findFleetFile(home)
  const locals = fleet.clusters.filter(cluster => cluster.driver === 'local')
  const ports = await task.ports([
    ...ROLE_PORTS,
    ...locals.flatMap(cluster =>
      cluster.nodes.flatMap(node => NODE_PORTS.map(port => portName(cluster.name, node.id, port))),
    ),
  ])
  const superUsers = fleet.principals.filter(({ superUser }) => superUser).map(({ name }) => name)
  const placed = locals.map(cluster => place(cluster, home, ports, superUsers, before))
  const file: FleetFile = {
    fleet,
    placed,
    host: task.host,
    ports: rolePorts(fleet, ports),
    acceptedAt: new Date().toISOString(),
  }
  const authority = await ensureAuthority(home.pki)
  await issueCertificates(authority, file)
  return file
}

function rolePorts({ connect }: ResolvedFleet, ports: ReadonlyMap<string, number>): RolePorts {
  const own = Object.fromEntries(ROLE_PORTS.map(name => [name, ports.get(name)!])) as unknown as RolePorts
  return connect.port === null ? own : { ...own, connect: connect.port }
}

const portName = (cluster: string, node: number, port: string): string => `${cluster}/${node}/${port}`

function place(
  cluster: ResolvedLocalCluster,
  home: Home,
  ports: ReadonlyMap<string, number>,
  superUsers: readonly string[],
  before: FleetFile | undefined,
): PlacedCluster {
  const known = before?.placed.find(({ name }) => name === cluster.name)
  return {
    name: cluster.name,
    site: cluster.site,
    version: cluster.version,
    clusterId: known?.clusterId ?? randomBytes(16).toString('base64url'),
    security: { protocol: 'mtls', pki: home.pki, superUsers },
    nodes: cluster.nodes.map((node): PlacedNode => {
      const nodeHome = join(home.clusters, cluster.name, String(node.id))
      const port = (name: (typeof NODE_PORTS)[number]): number =>
        ports.get(portName(cluster.name, node.id, name))!
      return {
        id: node.id,
        rack: node.rack,
        ports: {
          client: port('client'),
          internal: port('internal'),
          controller: port('controller'),
          jmx: port('jmx'),
        },
        home: nodeHome,
        dataDirs: [join(nodeHome, 'data-0')],
        heapMb: cluster.heapMb,
      }
    }),
  }
}

async function issueCertificates(authority: Authority, { fleet, placed }: FleetFile): Promise<void> {
  const brokers = placed.flatMap(cluster =>
    cluster.nodes.map(node => ({ principal: brokerPrincipal(cluster.name, node.id), site: cluster.site })),
  )
  const siteOf = new Map(fleet.clusters.map(({ name, site }) => [name, site]))
  const principals = fleet.principals.map(({ name, grants }) => ({
    principal: name,
    site: siteOf.get(grants[0]?.cluster ?? '') ?? fleet.sites[0]!.name,
  }))
  for (const request of [...brokers, ...principals]) await ensureCertificate(authority, request)
}

/** The Kafka releases the placed clusters run, fetched and prepared. */
export async function fetchReleases(
  placed: readonly PlacedCluster[],
  options: { readonly progress: (what: string) => void; readonly log: Logger },
): Promise<ReadonlyMap<string, KafkaDist>> {
  const dists = new Map<string, KafkaDist>()
  for (const version of new Set(placed.map(cluster => cluster.version)))
    dists.set(version, await ensureKafka(version, options))
  return dists
}

/** Writes the brokers' configuration, formats what is not formatted, and makes the plan their agent carries out. */
export async function planHost(
  home: Home,
  file: FleetFile,
  dists: ReadonlyMap<string, KafkaDist>,
): Promise<void> {
  const processes = await Promise.all(
    file.placed.flatMap(cluster =>
      cluster.nodes.map(async node => {
        const spec = await prepareNode(cluster, node, dists.get(cluster.version)!, home.run)
        return plannedBroker(cluster, node, spec)
      }),
    ),
  )
  await writeHostPlan(home, file.host, processes)
}

function plannedBroker(cluster: PlacedCluster, node: PlacedNode, spec: ProcessSpec): PlannedProcess {
  return {
    name: spec.name,
    argv: [spec.command, ...spec.args],
    env: { ...spec.env },
    cwd: spec.cwd ?? node.home,
    log: spec.consoleFile,
    readiness: { kind: 'port', host: '127.0.0.1', port: node.ports.client, withinMs: 60_000 },
    metrics: {
      url: `http://127.0.0.1:${node.ports.jmx}/metrics`,
      labels: { cluster: cluster.name, broker: String(node.id) },
    },
    stopMs: BROKER_STOP_MS,
  }
}

/** Replaces the host's plan by a newer one. */
export async function writeHostPlan(
  home: Home,
  host: string,
  processes: readonly PlannedProcess[],
): Promise<void> {
  const path = home.hostPlan(host)
  await mkdir(dirname(path), { recursive: true })
  const version = ((await readHostPlan(path))?.version ?? 0) + 1
  await writeFile(`${path}.new`, JSON.stringify({ host, version, processes }, null, 1))
  await rename(`${path}.new`, path)
}

export async function readHostPlan(path: string): Promise<HostPlan | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : hostPlan.parse(JSON.parse(text))
}
