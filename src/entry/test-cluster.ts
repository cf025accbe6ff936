import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { featureLevels } from '../foundation/kafka-dist/features.ts'
import { ensureKafka } from '../foundation/kafka-dist/kafka-dist.ts'
import { defaultKafkaVersion } from '../foundation/kafka-dist/versions.ts'
import { type ProcessSpec, type RunningProcess, start } from '../foundation/process/run.ts'
import { buildClock, clockEnvironment, newClock } from '../operations/faults/clock/clock.ts'
import type { NodeNetwork, NodeSetups, TestedCluster, TestedNode } from '../operations/faults/contract.ts'
import { buildDisk } from '../operations/faults/disk/build.ts'
import { diskAt, type FaultyDisk, mountDisk } from '../operations/faults/disk/disk.ts'
import { leaseFault } from '../operations/faults/leases/lease.ts'
import { markConnections } from '../operations/faults/network/network.ts'
import { gidOf } from '../operations/faults/network/rules.ts'
import { reasonOfDeath } from '../operations/fleet/brokers/diagnose.ts'
import { awaitReady, prepareNode } from '../operations/fleet/brokers/driver.ts'
import { allocatePorts } from '../operations/fleet/brokers/ports.ts'
import { serverPropertiesPath } from '../operations/fleet/brokers/properties.ts'
import { brokerPrincipal, type PlacedCluster, type PlacedNode } from '../operations/fleet/contract.ts'
import type { Home } from './home.ts'

export interface TestClusterTask {
  readonly home: Home
  /** The cluster that is tested, or the one that keeps its leases and incidents. */
  readonly role?: 'tested' | 'keeper'
  readonly nodes: number
  /** So many of them are controllers, the last ones; default: all. */
  readonly controllers?: number | undefined
  /** Kafka's releases that it will be run with, the one that it is made with first; absent: the default one. */
  readonly versions?: readonly string[]
  /** Brokers' settings over those of every test. */
  readonly settings?: Readonly<Record<string, string>>
  /** In a network of its own, so that faults can be done to its connections. */
  readonly ownNetwork?: boolean
  /** Each broker has a second log dir, on a disk that can be made to fail. */
  readonly disks?: boolean
  /** Each broker has a clock that can be set wrong. */
  readonly clocks?: boolean
  /** After so long it is ended, whatever becomes of this process; before, once this process is gone. */
  readonly leaseMs: number
  readonly note: (what: string) => void
  readonly signal: AbortSignal
}

/** A cluster of brokers combined with controllers, plaintext on loopback, that is gone when it is disposed. */
export interface StartedTestCluster extends TestedCluster, AsyncDisposable {
  readonly placed: PlacedCluster
  readonly setups: NodeSetups
  /** Why a broker that was started then has ended, in its own words. */
  explain(broker: number, since: string): Promise<string>
}

const READY_MS = 120_000
/** No fleet has clusters of these names: their ports are the tests' own. One that keeps two journals needs little memory. */
const ROLES = {
  tested: { prefix: 'test', portsOf: '.test', heapMb: 256 },
  keeper: { prefix: 'keys', portsOf: '.keys', heapMb: 128 },
}

/** Tests are short: what is compiled quickly serves them better than what is compiled well. */
const JVM_OPTIONS = ['-XX:TieredStopAtLevel=1']

/** @throws AjnaError DISK_FAULTS_UNAVAILABLE, DISK_NOT_MOUNTED, BROKER_DIED, BROKER_NOT_READY, FAULT_UNWATCHED and what fetching Kafka throws */
export async function startTestCluster(task: TestClusterTask): Promise<StartedTestCluster> {
  const { home, note, signal } = task
  const [version = defaultKafkaVersion, ...later] = task.versions ?? []
  const dist = await ensureKafka(version, { progress: note })
  // Fetched now: an upgrade would stand still meanwhile, and a network of its own reaches nobody.
  for (const each of later) await ensureKafka(each, { progress: note })
  const clockLibrary = task.clocks === true ? await buildClock(join(home.faults, 'clock')) : undefined
  const placed = await place(task, dist.version)
  const folder = join(home.faults, 'clusters', placed.name)
  const runDir = join(folder, 'run')
  await mkdir(runDir, { recursive: true })
  const disks = task.disks ? await disksOf(home, placed, runDir) : new Map<number, FaultyDisk>()
  const lease = await leaseFault({
    folder: home.faults,
    kind: 'cluster',
    cluster: placed.name,
    node: null,
    purpose: 'a cluster made for a test',
    leaseMs: task.leaseMs,
    back: {
      kind: 'end',
      runDir,
      processes: [
        ...placed.nodes.map(({ id }) => brokerPrincipal(placed.name, id)),
        ...[...disks.values()].map(({ daemon }) => daemon.name),
      ],
      mounts: [...disks.values()].map(({ mountPoint }) => mountPoint),
      folder,
    },
  })
  const end = async (): Promise<void> => {
    await lease.revert('the test is over')
  }
  try {
    if (task.ownNetwork === true)
      await markConnections(placed.nodes.map(node => ({ id: node.id, network: networkOfNode(node) })))
    const nodes = await Promise.all(
      placed.nodes.map(async (node): Promise<readonly [TestedNode, RunningProcess]> => {
        const own = disks.get(node.id)
        if (own !== undefined) await mountDisk(own)
        const disk = own === undefined ? {} : { disk: own }
        const plain = await prepareNode(placed, node, dist, runDir)
        const clock = clockLibrary === undefined ? undefined : join(node.home, 'clock')
        if (clock !== undefined) await newClock(clock)
        const prepared = clock === undefined ? plain : withClock(plain, clockLibrary!, clock)
        const settings = serverPropertiesPath(node)
        const known = { id: node.id, settings, ...disk, ...(clock === undefined ? {} : { clock }) }
        if (task.ownNetwork !== true) return [{ ...known, process: prepared }, await start(prepared)]
        const { network, process } = inOwnGroup(node, prepared)
        return [{ ...known, process, network }, await start(process)]
      }),
    )
    const deadline = { deadlineMs: READY_MS, signal }
    await Promise.all(
      nodes.map(([{ id }, running]) =>
        awaitReady(placed, placed.nodes.find(node => node.id === id)!, running, deadline),
      ),
    )
    return {
      name: placed.name,
      placed,
      version: placed.version,
      bootstrap: placed.nodes.map(({ ports }) => `127.0.0.1:${ports.client}`),
      nodes: nodes.map(([node]) => node),
      setups: setupsOf(placed, runDir),
      async explain(broker, since) {
        return (await reasonOfDeath(placed.nodes.find(({ id }) => id === broker)!, since)).said
      },
      [Symbol.asyncDispose]: end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

const withClock = (spec: ProcessSpec, library: string, file: string): ProcessSpec => ({
  ...spec,
  env: { ...spec.env, ...clockEnvironment(library, file) },
})

const setupsOf = (placed: PlacedCluster, runDir: string): NodeSetups => ({
  async prepare(broker, { version, settings }) {
    const node = placed.nodes.find(({ id }) => id === broker)!
    await prepareNode({ ...placed, version, settings }, node, await ensureKafka(version), runDir)
  },
  features: async version => featureLevels(await ensureKafka(version)),
})

const networkOfNode = ({ id, ports }: PlacedNode): NodeNetwork => ({
  gid: gidOf(id),
  ports: [ports.client, ports.internal, ports.controller],
})

/** Its connections are known by its group (setpriv becomes the broker: the pid is the broker's). */
function inOwnGroup(node: PlacedNode, spec: ProcessSpec): Required<Pick<TestedNode, 'process' | 'network'>> {
  const network = networkOfNode(node)
  const args = ['--regid', String(network.gid), '--clear-groups', spec.command, ...spec.args]
  return { network, process: { ...spec, command: 'setpriv', args } }
}

/** The last data directory of each node, to be mounted. @throws AjnaError DISK_FAULTS_UNAVAILABLE */
async function disksOf(
  home: Home,
  { name, nodes }: PlacedCluster,
  runDir: string,
): Promise<ReadonlyMap<number, FaultyDisk>> {
  const program = await buildDisk(join(home.faults, 'disk'))
  return new Map(
    nodes.map(({ id, home: folder, dataDirs }) => [
      id,
      diskAt({
        program,
        name: `disk-${name}-${id}`,
        mountPoint: dataDirs.at(-1)!,
        directory: join(folder, 'disk'),
        runDir,
        consoleFile: join(folder, 'logs', 'disk.log'),
      }),
    ]),
  )
}

async function place(
  { home, nodes, controllers = nodes, disks, settings = {}, role = 'tested' }: TestClusterTask,
  version: string,
): Promise<PlacedCluster> {
  const { prefix, portsOf: owner, heapMb } = ROLES[role]
  const name = `${prefix}-${randomBytes(3).toString('hex')}`
  const ids = Array.from({ length: nodes }, (_, index) => index + 1)
  const portsOf = ['client', 'internal', 'controller', 'jmx'] as const
  const portName = (id: number, port: string): string => `${owner}/${id}/${port}`
  await mkdir(home.root, { recursive: true })
  const ports = await allocatePorts(
    home.ports,
    ids.flatMap(id => portsOf.map(port => portName(id, port))),
  )
  const placedNode = (id: number): PlacedNode => {
    const nodeHome = join(home.faults, 'clusters', name, String(id))
    const port = (of: (typeof portsOf)[number]): number => ports[portName(id, of)]!
    return {
      id,
      rack: `rack-${id}`,
      ports: {
        client: port('client'),
        internal: port('internal'),
        controller: port('controller'),
        jmx: port('jmx'),
      },
      home: nodeHome,
      // The first one holds the metadata log too: a broker that loses it ends.
      dataDirs: Array.from({ length: disks ? 2 : 1 }, (_, dir) => join(nodeHome, `data-${dir}`)),
      heapMb,
    }
  }
  return {
    name,
    site: 'test',
    version,
    clusterId: randomBytes(16).toString('base64url'),
    security: { protocol: 'plaintext' },
    nodes: ids.map(placedNode),
    controllers: ids.slice(-controllers),
    settings,
    jvmOptions: JVM_OPTIONS,
  }
}
