/** A broker's disk that is new, or was away. */
import { randomUUID } from 'node:crypto'
import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { AjnaError, errorKind } from '../foundation/errors/errors.ts'
import { ensureKafka } from '../foundation/kafka-dist/kafka-dist.ts'
import { formatDirs } from '../operations/fleet/brokers/format.ts'
import { brokerPrincipal, type PlacedCluster } from '../operations/fleet/contract.ts'

export const LOG_DIR_UNKNOWN = errorKind(
  'LOG_DIR_UNKNOWN',
  'A directory was to be made ready for a broker that has no such log dir, or has its metadata log there.',
  'Nothing was changed. `ajna plan` shows which directories each broker has.',
)

/**
 * Makes a broker's log dir ready for its next start, while the broker goes without it: an empty one is formatted, since an
 * unformatted one keeps a broker from starting; replicas that the broker has on another of its dirs by now are set aside as
 * strays, since a replica on two dirs keeps it from starting too. Nothing is deleted.
 *
 * @param process the broker's
 * @throws AjnaError LOG_DIR_UNKNOWN, BROKER_DATA_DIR_FOREIGN, BROKER_DATA_DIR_DAMAGED
 */
export async function prepareBrokerDir(
  placed: readonly PlacedCluster[],
  process: string,
  path: string,
): Promise<void> {
  const found = placed
    .flatMap(cluster => cluster.nodes.map(node => ({ cluster, node })))
    .find(({ cluster, node }) => brokerPrincipal(cluster.name, node.id) === process)
  // The first one holds the metadata log: a voter that comes back without it could forget what it has voted for.
  if (found === undefined || found.node.dataDirs.indexOf(path) < 1)
    throw new AjnaError(LOG_DIR_UNKNOWN, `${process} has no log dir ${path} that holds topics only`)
  const { cluster, node } = found
  const { bootstrapCheckpoint } = await ensureKafka(cluster.version)
  await formatDirs({
    dirs: [path],
    clusterId: cluster.clusterId,
    nodeId: node.id,
    bootstrapCheckpoint: bootstrapCheckpoint!,
  })
  await setAsideDoubles(
    path,
    node.dataDirs.filter(other => other !== path),
  )
}

/** Renames replicas that another log dir has too to what Kafka calls a stray one, and leaves alone. Answers which. */
export async function setAsideDoubles(path: string, others: readonly string[]): Promise<readonly string[]> {
  const elsewhere = new Set((await Promise.all(others.map(replicasIn))).flat())
  const doubles = (await replicasIn(path)).filter(name => elsewhere.has(name))
  for (const name of doubles)
    await rename(join(path, name), join(path, `${name}.${randomUUID().replaceAll('-', '')}-stray`))
  return doubles
}

/** Those that are being deleted or moved have a suffix, and are no doubles. A dir that cannot be read has none. */
async function replicasIn(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  return entries.flatMap(each => (each.isDirectory() && /^[\w.-]+-\d+$/.test(each.name) ? [each.name] : []))
}
