import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { ensureKafka } from '../../src/foundation/kafka-dist/kafka-dist.ts'
import { defaultKafkaVersion } from '../../src/foundation/kafka-dist/versions.ts'
import { type RunningProcess, start } from '../../src/foundation/process/run.ts'
import { type Authority, ensureAuthority } from '../../src/foundation/tls/authority.ts'
import { ensureCertificate } from '../../src/foundation/tls/renew.ts'
import { identity } from '../../src/foundation/tls/store.ts'
import type { TlsIdentity } from '../../src/foundation/wire/contract.ts'
import { awaitReady, prepareNode } from '../../src/operations/fleet/brokers/driver.ts'
import { serverLogPath } from '../../src/operations/fleet/brokers/logging.ts'
import { brokerPrincipal, type PlacedCluster, type PlacedNode } from '../../src/operations/fleet/contract.ts'
import { claimPorts } from './ports.ts'
import { sweptFolder } from './sweeper.ts'

export interface ClusterOptions {
  readonly nodes: 1 | 3 | 5
  readonly name?: string
  /** mTLS and ACLs on every listener; plaintext and no ACLs by default. */
  readonly tls?: boolean
  /** Kafka's release; default {@link defaultKafkaVersion}. */
  readonly version?: string
  /** Brokers' settings over the driver's own. */
  readonly settings?: Readonly<Record<string, string>>
  readonly heapMb?: number
  /** For measuring brokers at work: lets the JVM optimise fully, at a third more CPU for every start. */
  readonly throughput?: boolean
  /** Data directories per node; default 1. */
  readonly dataDirs?: number
  /** Called before the nodes are started for the first time: their directories may be put on disks of their own. */
  readonly prepare?: (nodes: readonly PlacedNode[]) => Promise<void>
  /** With `tls`: the certificate store, shared by clusters that trust one authority; default: one of its own. */
  readonly pki?: string
  /**
   * With `tls`: a listener more, for clients of the endpoint at this port, who are told that broker n is
   * `b<n>.<domain>`; any of them is `kafka.<domain>`.
   */
  readonly endpoint?: { readonly domain: string; readonly port: number }
}

export interface SharedNode {
  readonly id: number
  readonly rack: string
  readonly logDirs: readonly string[]
  readonly clientPort: number
  readonly serverLog: string
}

export interface TestNode extends SharedNode {
  /** Of the process that runs now or ran last. */
  readonly pid: number
  /** Sends a signal; after one that ends it, waits for its end. Answers false when it did not run. */
  kill(signal: NodeJS.Signals): Promise<boolean>
  /** SIGTERM, then SIGKILL after 20 s. */
  stop(): Promise<void>
  /** Starts it again and waits until it is ready. */
  start(): Promise<void>
}

/** A cluster that others use too: its brokers are not to be touched. */
export interface SharedCluster extends AsyncDisposable {
  readonly name: string
  readonly version: string
  readonly clusterId: string
  readonly bootstrap: readonly string[]
  readonly nodes: readonly SharedNode[]
  /** As the driver was given it. */
  readonly placed: PlacedCluster
}

export interface TestCluster extends SharedCluster {
  readonly nodes: readonly TestNode[]
  /** A principal's certificate, issued on first use; `admin` is a super user. Only with `tls`. */
  identity(principal: string): Promise<TlsIdentity>
}

/** Tests write records of whatever time: a broker that looks for old ones would delete them, half a minute after its start. */
const KEEPS_ALL = {
  'log.initial.task.delay.ms': '86400000',
  'log.retention.check.interval.ms': '86400000',
}

const readyDeadlineMs = 120_000

/**
 * Real brokers, combined with controllers, on loopback. They and their directories are gone when it is disposed, or when
 * this process ends in whatever way.
 */
export async function startCluster(options: ClusterOptions): Promise<TestCluster> {
  const dist = await ensureKafka(options.version ?? defaultKafkaVersion, {
    progress: what => process.stderr.write(`# ${what}\n`),
  })
  const folder = await sweptFolder('ajna-cluster-')
  try {
    const placed = await place(options, folder.path, dist.version)
    const authority = options.tls
      ? await certify(placed, options.pki ?? join(folder.path, 'pki'), options)
      : undefined
    await options.prepare?.(placed.nodes)
    const nodes = placed.nodes.map(node => testNode(placed, node, dist, join(folder.path, 'run')))
    await Promise.all(nodes.map(node => node.start()))
    return {
      ...facts(placed),
      nodes,
      identity: principal => identityOf(authority, principal),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    }
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    throw error
  }
}

/**
 * The three plaintext brokers that a test run shares (`test/fleets/shared.ts` names them in AJNA_TEST_SHARED), else three
 * of one's own. Use topic, group and transactional names that nobody else has.
 */
export async function sharedCluster(): Promise<SharedCluster> {
  const described = process.env[sharedVariable]
  if (described === undefined) return startCluster({ nodes: 3, name: 'shared' })
  const placed = JSON.parse(described) as PlacedCluster
  return { ...facts(placed), nodes: placed.nodes.map(sharedNode), [Symbol.asyncDispose]: async () => {} }
}

/** Environment variable that describes the shared cluster: a {@link PlacedCluster} as JSON. */
export const sharedVariable = 'AJNA_TEST_SHARED'

function facts(placed: PlacedCluster): Omit<SharedCluster, 'nodes' | typeof Symbol.asyncDispose> {
  return {
    name: placed.name,
    version: placed.version,
    clusterId: placed.clusterId,
    bootstrap: placed.nodes.map(node => `127.0.0.1:${node.ports.client}`),
    placed,
  }
}

function sharedNode(node: PlacedNode): SharedNode {
  return {
    id: node.id,
    rack: node.rack!,
    logDirs: node.dataDirs,
    clientPort: node.ports.client,
    serverLog: serverLogPath(node),
  }
}

async function certify(
  cluster: PlacedCluster,
  pki: string,
  { endpoint }: ClusterOptions,
): Promise<Authority> {
  const authority = await ensureAuthority(pki)
  for (const { id } of cluster.nodes)
    await ensureCertificate(authority, {
      principal: brokerPrincipal(cluster.name, id),
      site: cluster.site,
      dnsNames: endpoint === undefined ? [] : [`b${id}.${endpoint.domain}`, `kafka.${endpoint.domain}`],
    })
  return authority
}

async function identityOf(authority: Authority | undefined, principal: string): Promise<TlsIdentity> {
  if (authority === undefined) throw new Error('this cluster has no TLS: start it with { tls: true }')
  await ensureCertificate(authority, { principal, site: 'test' })
  return identity(authority.pki, principal)
}

async function place(options: ClusterOptions, root: string, version: string): Promise<PlacedCluster> {
  const name = options.name ?? 'test'
  const ports = await claimPorts(options.nodes * 5)
  const nodes = Array.from({ length: options.nodes }, (_, index): PlacedNode => {
    const [client, internal, controller, jmx, behind] = ports.slice(index * 5, index * 5 + 5)
    const { endpoint } = options
    const home = join(root, `node-${index + 1}`)
    return {
      id: index + 1,
      rack: `rack-${index + 1}`,
      ports: { client: client!, internal: internal!, controller: controller!, jmx: jmx! },
      home,
      dataDirs: Array.from({ length: options.dataDirs ?? 1 }, (_, dir) => join(home, `data-${dir}`)),
      heapMb: options.heapMb ?? 256,
      ...(endpoint === undefined
        ? {}
        : {
            endpoint: { port: behind!, advertised: `b${index + 1}.${endpoint.domain}:${endpoint.port}` },
          }),
    }
  })
  return {
    name,
    site: 'test',
    version,
    clusterId: randomBytes(16).toString('base64url'),
    security: options.tls
      ? { protocol: 'mtls', pki: options.pki ?? join(root, 'pki'), superUsers: ['admin'] }
      : { protocol: 'plaintext' },
    nodes,
    ...(options.throughput ? {} : { jvmOptions: ['-XX:TieredStopAtLevel=1'] }),
    settings: { ...KEEPS_ALL, ...options.settings },
  }
}

function testNode(
  cluster: PlacedCluster,
  node: PlacedNode,
  dist: Parameters<typeof prepareNode>[2],
  runDir: string,
): TestNode {
  let broker: RunningProcess | undefined
  return {
    ...sharedNode(node),
    get pid() {
      return broker!.record.pid
    },
    async kill(signal) {
      const sent = await broker!.kill(signal)
      if (sent && (signal === 'SIGKILL' || signal === 'SIGTERM'))
        await broker!.stop({ signal, deadlineMs: 20_000 })
      return sent
    },
    async stop() {
      await broker!.stop({ deadlineMs: 20_000 })
    },
    async start() {
      broker = await start(await prepareNode(cluster, node, dist, runDir))
      await awaitReady(cluster, node, broker, { deadlineMs: readyDeadlineMs })
    },
  }
}
