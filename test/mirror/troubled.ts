import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IdentityFiles } from '../../src/foundation/tls/identity-files.ts'
import { storePaths } from '../../src/foundation/tls/store.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import type { ConnectorStateInfo } from '../../src/operations/mirror/connect/contract.ts'
import type { LinkPartitionStatus, LinkStatus } from '../../src/operations/mirror/contract.ts'
import {
  type LinkDefinitionInput,
  type LinkEnd,
  linkDefinitionSchema,
} from '../../src/operations/mirror/definition.ts'
import { startCluster, type TestCluster } from '../fleets/cluster.ts'
import { type SmallDisk, smallDisk } from '../fleets/disk.ts'
import { sweptFolder } from '../fleets/sweeper.ts'
import { type ConnectLinks, connectLinks } from './connect-links.ts'
import { grant, openSide, rule, type Side } from './sides.ts'

/** Clusters to be troubled, and a worker of links between them with Connect's API, whose journal is on a quiet one. */
export interface Troubled extends AsyncDisposable {
  /** One broker each, certificates and rules; `edge` takes batches of 4 MB, `hub` has a second, small disk. */
  readonly edge: Side
  readonly hub: Side
  /** Of the hub's second data directory. */
  readonly disk: SmallDisk
  /** Three brokers without certificates, and the one that has the journal. */
  readonly three: TestCluster
  readonly quiet: TestCluster
  readonly folder: string
  readonly links: ConnectLinks
  /** A principal's certificate in files of its own, with all the rights a link needs at both sides. */
  identity(principal: string): Promise<IdentityFiles>
  put(link: LinkDefinitionInput): Promise<void>
  /** As operators see it: the link's own status beside what Connect's API says. */
  view(link: string): Promise<View>
}

export interface View {
  readonly status: LinkStatus | undefined
  readonly connect: ConnectorStateInfo
}

export const LARGEST_AT_EDGE = 4_000_000
const DISK_BYTES = 256 * 1024 * 1024

export async function startTroubled(signal: AbortSignal): Promise<Troubled> {
  const undo = new AsyncDisposableStack()
  try {
    const folder = undo.use(await sweptFolder('ajna-troubled-')).path
    const pki = join(folder, 'pki')
    let disk: SmallDisk | undefined
    const started = await Promise.allSettled([
      startCluster({
        nodes: 1,
        name: 'edge',
        tls: true,
        pki,
        settings: { 'message.max.bytes': String(LARGEST_AT_EDGE) },
      }),
      startCluster({
        nodes: 1,
        name: 'hub',
        tls: true,
        pki,
        dataDirs: 2,
        async prepare([node]) {
          disk = await smallDisk(node!.dataDirs[1]!, DISK_BYTES)
        },
      }),
      startCluster({ nodes: 3, name: 'three' }),
      startCluster({ nodes: 1, name: 'quiet' }),
    ])
    const clusters = started.flatMap(each => (each.status === 'fulfilled' ? [undo.use(each.value)] : []))
    const failed = started.find(each => each.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    const [edge, hub, three, quiet] = clusters as [TestCluster, TestCluster, TestCluster, TestCluster]
    const { side: edgeSide, close: closeEdge } = await openSide(edge)
    undo.defer(closeEdge)
    const { side: hubSide, close: closeHub } = await openSide(hub)
    undo.defer(closeHub)
    const links = undo.use(await connectLinks(quiet.bootstrap, signal))
    const ended = undo.move()
    return {
      edge: edgeSide,
      hub: hubSide,
      disk: disk!,
      three,
      quiet,
      folder,
      links,
      async identity(principal) {
        for (const side of [edgeSide, hubSide]) {
          await side.as(principal)
          await grant(side, [
            rule(principal, 'all', 'topic', '*'),
            rule(principal, 'clusterAction', 'cluster', 'kafka-cluster'),
          ])
        }
        const { ca, cert, key } = storePaths(pki, principal)
        const at = join(folder, principal)
        await mkdir(at)
        const files = { ca: join(at, 'ca.pem'), cert: join(at, 'cert.pem'), key: join(at, 'key.pem') }
        await Promise.all([copyFile(ca, files.ca), copyFile(cert, files.cert), copyFile(key, files.key)])
        return files
      },
      async put(link) {
        await links.registry.put(linkDefinitionSchema.parse(link))
      },
      async view(link) {
        const { body } = await links.server.json('GET', `/connectors/${link}/status`)
        return { status: links.registry.status(link), connect: body as ConnectorStateInfo }
      },
      [Symbol.asyncDispose]: () => ended.disposeAsync(),
    }
  } catch (error) {
    await undo.disposeAsync()
    throw error
  }
}

export const endAt = (cluster: TestCluster, tls: IdentityFiles | null): LinkEnd => ({
  bootstrap: [...cluster.bootstrap],
  tls: tls === null ? null : { ...tls },
})

export const wireTo = (cluster: TestCluster) =>
  openWire({ bootstrap: cluster.bootstrap, clientId: 'trouble' })

const PATIENCE_MS = 120_000

/** Until what is seen is as it is waited for. */
export async function until<Seen>(
  what: string,
  see: () => Promise<Seen>,
  is: (seen: Seen) => boolean,
): Promise<Seen> {
  for (const end = performance.now() + PATIENCE_MS; ; await sleep(200)) {
    const seen = await see()
    if (is(seen)) return seen
    if (performance.now() > end)
      throw new Error(`did not come about: ${what}; last seen: ${JSON.stringify(seen, null, 1)}`)
  }
}

export const partitionOf = (
  { status }: View,
  topic: string,
  partition: number,
): LinkPartitionStatus | undefined =>
  status?.partitions.find(each => each.topic === topic && each.partition === partition)

/** Until an operator is shown this of a partition, in the link's status and by Connect's API: in the trace of its task. */
export async function untilShown(
  { view }: Pick<Troubled, 'view'>,
  link: string,
  [topic, partition]: readonly [topic: string, partition: number],
  state: 'waiting' | 'blocked' | 'halted',
  reason: RegExp,
): Promise<View> {
  const task = state === 'waiting' ? 'RUNNING' : 'FAILED'
  const seen = await until(
    `${link} shows ${topic}-${partition} ${state}, ${reason}`,
    () => view(link),
    seen => {
      const shown = partitionOf(seen, topic, partition)
      const traced = seen.connect.tasks.some(
        each =>
          each.state === task &&
          (each.trace ?? '')
            .split('\n')
            .some(line => line.startsWith(`${topic}-${partition}: ${state}: `) && reason.test(line)),
      )
      return shown?.state === state && reason.test(shown.reason) && traced
    },
  )
  console.log(`# ${link}: ${topic}-${partition}: ${state}: ${partitionOf(seen, topic, partition)?.reason}`)
  return seen
}

/** Until an operator is shown this of a link as a whole. */
export async function untilLinkShown(
  { view }: Pick<Troubled, 'view'>,
  link: string,
  [state, connector]: readonly [state: LinkStatus['state'], connector: 'RUNNING' | 'FAILED'],
  reason: RegExp,
): Promise<View> {
  const seen = await until(
    `${link} is shown ${state}, ${connector}, ${reason}`,
    () => view(link),
    ({ status, connect }) =>
      status?.state === state &&
      reason.test(status.reason) &&
      connect.connector.state === connector &&
      reason.test(connect.connector.trace ?? ''),
  )
  console.log(`# ${link}: ${state}: ${seen.status?.reason}`)
  return seen
}

/** Until nothing is the matter with a link and all that it has is copied. */
export async function untilWell({ view }: Pick<Troubled, 'view'>, link: string): Promise<View> {
  return until(
    `nothing is the matter with ${link}`,
    () => view(link),
    ({ status, connect }) =>
      status?.state === 'running' &&
      status.reason === '' &&
      status.partitions.every(each => each.state === 'caught-up' && each.reason === '') &&
      connect.connector.state === 'RUNNING' &&
      connect.tasks.every(each => each.state === 'RUNNING' && each.trace === undefined),
  )
}
