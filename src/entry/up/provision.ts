import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readIfThere, writeWhole } from '../../foundation/files/whole.ts'
import { ensureKafka, type KafkaDist } from '../../foundation/kafka-dist/kafka-dist.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { ProcessSpec } from '../../foundation/process/run.ts'
import { type Authority, ensureAuthority } from '../../foundation/tls/authority.ts'
import { ensureCertificate } from '../../foundation/tls/renew.ts'
import { prepareNode } from '../../operations/fleet/brokers/driver.ts'
import { clusterOf } from '../../operations/fleet/brokers/format.ts'
import {
  brokerPrincipal,
  type PlacedCluster,
  type PlacedNode,
  type ResolvedFleet,
  type ResolvedLocalCluster,
} from '../../operations/fleet/contract.ts'
import { hostPlan, type PlannedProcess } from '../../operations/hosts/contract.ts'
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
/** For handing over its leaders and closing its logs when its agent restarts it. */
const BROKER_STOP_MS = 20_000

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
  const placed = await Promise.all(locals.map(cluster => place(cluster, home, ports, superUsers, before)))
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
  const portOf = (role: keyof RolePorts): number => ports.get(role)!
  return {
    console: portOf('console'),
    agent: portOf('agent'),
    archive: portOf('archive'),
    mirror: portOf('mirror'),
    connect: connect.port ?? portOf('connect'),
  }
}

const portName = (cluster: string, node: number, port: string): string => `${cluster}/${node}/${port}`

async function place(
  cluster: ResolvedLocalCluster,
  home: Home,
  ports: ReadonlyMap<string, number>,
  superUsers: readonly string[],
  before: FleetFile | undefined,
): Promise<PlacedCluster> {
  const known = before?.placed.find(({ name }) => name === cluster.name)
  const nodes = cluster.nodes.map((node): PlacedNode => {
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
  })
  return {
    name: cluster.name,
    site: cluster.site,
    version: cluster.version,
    clusterId: known?.clusterId ?? (await clusterIdOnDisk(nodes)) ?? randomBytes(16).toString('base64url'),
    security: { protocol: 'mtls', pki: home.pki, superUsers },
    nodes,
  }
}

/** Where the accepted fleet was lost, the data still says which cluster it is of. */
async function clusterIdOnDisk(nodes: readonly PlacedNode[]): Promise<string | undefined> {
  const found = await Promise.all(nodes.flatMap(({ dataDirs }) => dataDirs.map(clusterOf)))
  return found.find(id => id !== undefined)
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
    kind: 'broker',
    argv: [spec.command, ...spec.args],
    env: { ...spec.env },
    cwd: spec.cwd ?? node.home,
    log: spec.consoleFile,
    readiness: { kind: 'port', host: '127.0.0.1', port: node.ports.client, withinMs: 60_000 },
    metrics: {
      url: `http://127.0.0.1:${node.ports.jmx}/metrics`,
      labels: { cluster: cluster.name, broker: String(node.id) },
    },
    logDirs: [...node.dataDirs],
    stopMs: BROKER_STOP_MS,
  }
}

/** Replaces the host's plan by a newer one. */
async function writeHostPlan(home: Home, host: string, processes: readonly PlannedProcess[]): Promise<void> {
  const path = home.hostPlan(host)
  await mkdir(dirname(path), { recursive: true })
  const version = (await lastPlanVersion(path)) + 1
  await writeWhole(path, JSON.stringify({ host, version, processes }, null, 1))
}

/** Of a plan that cannot be read any more, a number that no plan before it can have reached. */
async function lastPlanVersion(path: string): Promise<number> {
  const text = await readIfThere(path)
  if (text === undefined) return 0
  try {
    return hostPlan.parse(JSON.parse(text)).version
  } catch {
    return Date.now()
  }
}
