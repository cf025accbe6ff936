import { join } from 'node:path'
import type { KafkaDist } from '../../../foundation/kafka-dist/kafka-dist.ts'
import type { PlacedCluster, PlacedNode } from '../contract.ts'

export const jvmArgsPath = (node: PlacedNode): string => join(node.home, 'jvm.args')
export const loggingPath = (node: PlacedNode): string => join(node.home, 'logging.properties')
export const jmxRulesPath = (node: PlacedNode): string => join(node.home, 'jmx.yaml')

/**
 * The Java launcher's argument file (`java @jvm.args`): one option a line. The class path alone is several kilobytes,
 * which would bury what a process listing is read for.
 */
export function jvmArgs(cluster: PlacedCluster, node: PlacedNode, dist: KafkaDist): string {
  const options = [
    '-Xms64m',
    `-Xmx${node.heapMb}m`,
    '-XX:+UseSerialGC',
    '-XX:+ExitOnOutOfMemoryError',
    '-XX:-UsePerfData',
    `-XX:ErrorFile=${join(node.home, 'logs', 'hs_err_%p.log')}`,
    ...(dist.cdsArchive === undefined ? [] : [`-XX:SharedArchiveFile=${dist.cdsArchive}`]),
    '-Djava.awt.headless=true',
    `-Dlog4j2.configurationFile=${loggingPath(node)}`,
    `-Dlog4j.configuration=file:${loggingPath(node)}`,
    `-javaagent:${dist.jmxAgentJar}=127.0.0.1:${node.ports.jmx}:${jmxRulesPath(node)}`,
    ...(cluster.jvmOptions ?? []),
    '-cp',
    dist.classpath,
  ]
  return `${options.map(quote).join('\n')}\n`
}

/** In an argument file a backslash escapes within quotes. */
function quote(option: string): string {
  return /[\s"'\\#]/.test(option) ? `"${option.replaceAll(/["\\]/g, character => `\\${character}`)}"` : option
}
