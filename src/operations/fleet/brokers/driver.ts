import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, isAjnaError } from '../../../foundation/errors/errors.ts'
import { writeWhole } from '../../../foundation/files/whole.ts'
import type { KafkaDist } from '../../../foundation/kafka-dist/kafka-dist.ts'
import type { ProcessSpec, RunningProcess } from '../../../foundation/process/run.ts'
import { identity } from '../../../foundation/tls/store.ts'
import { brokerPrincipal, type PlacedCluster, type PlacedNode } from '../contract.ts'
import { reasonOfDeath } from './diagnose.ts'
import { BROKER_DIED, BROKER_NOT_READY } from './errors.ts'
import { formatDirs } from './format.ts'
import { jmxRules } from './jmx.ts'
import { jmxRulesPath, jvmArgs, jvmArgsPath, loggingPath } from './jvm.ts'
import { consolePath, log4j1Properties, log4j2Properties } from './logging.ts'
import { probeBroker } from './probe.ts'
import { brokerSettings, renderProperties, serverPropertiesPath } from './properties.ts'

const probeTimeoutMs = 1_000
const probeEveryMs = 100

/**
 * Writes a node's configuration and formats its directories (both as often as you like), and says how it is run.
 *
 * @param runDir directory of pid files
 * @throws AjnaError BROKER_DATA_DIR_FOREIGN, BROKER_DATA_DIR_DAMAGED
 */
export async function prepareNode(
  cluster: PlacedCluster,
  node: PlacedNode,
  dist: KafkaDist,
  runDir: string,
): Promise<ProcessSpec> {
  await mkdir(join(node.home, 'logs'), { recursive: true })
  await formatDirs({
    dirs: node.dataDirs,
    clusterId: cluster.clusterId,
    nodeId: node.id,
    bootstrapCheckpoint: dist.bootstrapCheckpoint!,
  })
  const logging = Number(dist.version.split('.')[0]) < 4 ? log4j1Properties(node) : log4j2Properties(node)
  await Promise.all([
    writeWhole(serverPropertiesPath(node), renderProperties(brokerSettings(cluster, node))),
    writeWhole(loggingPath(node), logging),
    writeWhole(jmxRulesPath(node), jmxRules),
    writeWhole(jvmArgsPath(node), jvmArgs(cluster, node, dist)),
  ])
  return {
    name: brokerPrincipal(cluster.name, node.id),
    command: dist.java.path,
    args: [`@${jvmArgsPath(node)}`, 'kafka.Kafka', serverPropertiesPath(node)],
    // glibc's arenas would otherwise hold on to some 60 MiB per broker.
    env: { MALLOC_ARENA_MAX: '2' },
    cwd: node.home,
    runDir,
    consoleFile: consolePath(node),
  }
}

/**
 * Whether the broker answers on its client listener, is of this cluster, and is registered and not fenced. Asks with the
 * broker's own certificate.
 *
 * @throws AjnaError TLS_…: the broker's certificate is missing, broken or expired
 */
export async function isReady(cluster: PlacedCluster, node: PlacedNode): Promise<boolean> {
  const { security } = cluster
  const tls =
    security.protocol === 'mtls'
      ? await identity(security.pki, brokerPrincipal(cluster.name, node.id))
      : undefined
  const target = { host: '127.0.0.1', port: node.ports.client, tls, timeoutMs: probeTimeoutMs }
  const answer = await probeBroker(target).catch((error: unknown) => {
    if (isAjnaError(error, BROKER_NOT_READY)) return undefined
    throw error
  })
  return answer?.clusterId === cluster.clusterId && answer.aliveBrokers.includes(node.id)
}

/**
 * Waits until a started broker is ready.
 *
 * @throws AjnaError BROKER_DIED with the reason found in its log, BROKER_NOT_READY after the deadline
 */
export async function awaitReady(
  cluster: PlacedCluster,
  node: PlacedNode,
  broker: RunningProcess,
  options: { readonly deadlineMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const name = broker.record.name
  const until = Date.now() + options.deadlineMs
  for (;;) {
    options.signal?.throwIfAborted()
    const next = await Promise.race([broker.exited, isReady(cluster, node)])
    if (next === true) return
    if (typeof next === 'object') {
      const { said, remedy } = await reasonOfDeath(node, broker.record.since)
      throw new AjnaError(BROKER_DIED, `${name} ended with ${next.signal ?? next.code}: ${said}`, {
        ...(remedy === undefined ? {} : { remedy }),
        details: { ...next, node: node.id, cluster: cluster.name },
      })
    }
    if (Date.now() > until)
      throw new AjnaError(BROKER_NOT_READY, `${name} is not ready after ${options.deadlineMs} ms`)
    await Promise.race([broker.exited, delay(probeEveryMs)])
  }
}
