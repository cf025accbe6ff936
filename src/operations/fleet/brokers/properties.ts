import { join } from 'node:path'
import { storePaths } from '../../../foundation/tls/store.ts'
import { brokerPrincipal, type PlacedCluster, type PlacedNode } from '../contract.ts'

/** Every setting of one node, by its Kafka name. Order is for the reader. */
export function brokerSettings(cluster: PlacedCluster, node: PlacedNode): Readonly<Record<string, string>> {
  return {
    ...identitySettings(cluster, node),
    ...listenerSettings(cluster, node),
    ...securitySettings(cluster, node),
    ...replicationSettings(cluster.nodes.length),
    ...failoverSettings,
    ...smallMachineSettings,
    ...cluster.settings,
  }
}

/** A Java properties file; keys and values are ASCII, backslashes are the only thing to escape in what we write. */
export function renderProperties(settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}`)
  return `${lines.join('\n')}\n`
}

function identitySettings(cluster: PlacedCluster, node: PlacedNode): Record<string, string> {
  const voters = cluster.nodes
    .filter(({ id }) => isController(cluster, id))
    .map(({ id, ports }) => `${id}@127.0.0.1:${ports.controller}`)
  return {
    'process.roles': isController(cluster, node.id) ? 'broker,controller' : 'broker',
    'node.id': String(node.id),
    ...(node.rack === null ? {} : { 'broker.rack': node.rack }),
    'log.dirs': node.dataDirs.join(','),
    'controller.quorum.voters': voters.join(','),
  }
}

const isController = ({ controllers }: PlacedCluster, id: number): boolean =>
  controllers?.includes(id) ?? true

function listenerSettings(cluster: PlacedCluster, node: PlacedNode): Record<string, string> {
  const protocol = cluster.security.protocol === 'mtls' ? 'SSL' : 'PLAINTEXT'
  const { client, internal, controller } = node.ports
  const listeners = [
    ['CLIENT', `127.0.0.1:${client}`, `127.0.0.1:${client}`],
    ['INTERNAL', `127.0.0.1:${internal}`, `127.0.0.1:${internal}`],
    ...(node.endpoint === undefined
      ? []
      : [['ENDPOINT', `127.0.0.1:${node.endpoint.port}`, node.endpoint.advertised]]),
    ['CONTROLLER', `127.0.0.1:${controller}`, null],
  ] as const
  return {
    listeners: listeners
      .flatMap(([name, at]) =>
        name === 'CONTROLLER' && !isController(cluster, node.id) ? [] : [`${name}://${at}`],
      )
      .join(),
    // Controllers' addresses are in their quorum's configuration.
    'advertised.listeners': listeners
      .flatMap(([name, , told]) => (told === null ? [] : [`${name}://${told}`]))
      .join(),
    'listener.security.protocol.map': listeners.map(([name]) => `${name}:${protocol}`).join(),
    'inter.broker.listener.name': 'INTERNAL',
    'controller.listener.names': 'CONTROLLER',
  }
}

function securitySettings(cluster: PlacedCluster, node: PlacedNode): Record<string, string> {
  const { security } = cluster
  if (security.protocol === 'plaintext') return {}
  const { ca, store } = storePaths(security.pki, brokerPrincipal(cluster.name, node.id))
  const brokers = cluster.nodes.map(({ id }) => brokerPrincipal(cluster.name, id))
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': store,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': ca,
    'ssl.client.auth': 'required',
    // The organisational unit is the site a principal lives at; a principal's name is unique in the fleet without it.
    'ssl.principal.mapping.rules': 'RULE:^CN=([^,]+),OU=[^,]+,O=ajna$/$1/,DEFAULT',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': 'false',
    'super.users': [...brokers, ...security.superUsers].map(name => `User:${name}`).join(';'),
  }
}

/** Three replicas of which two must have a record before it is acknowledged, as far as there are brokers. */
function replicationSettings(brokers: number): Record<string, string> {
  const replicas = String(Math.min(3, brokers))
  const inSync = String(Math.min(2, brokers))
  return {
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    'auto.create.topics.enable': 'false',
    'num.partitions': '1',
  }
}

/** A dead broker's partitions have new leaders in about 4.7 s with these (7–11 s with Kafka's defaults). */
const failoverSettings = {
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  'controller.quorum.fetch.timeout.ms': '1000',
  'controller.quorum.election.timeout.ms': '500',
  'controller.quorum.election.backoff.max.ms': '300',
  // Leaders return to a broker half a minute after it has, not five.
  'leader.imbalance.check.interval.seconds': '30',
}

const smallMachineSettings = {
  'num.network.threads': '2',
  'num.io.threads': '4',
  'background.threads': '4',
  'num.recovery.threads.per.data.dir': '1',
  'offsets.topic.num.partitions': '8',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.num.partitions': '4',
  'group.coordinator.threads': '1',
  'group.initial.rebalance.delay.ms': '0',
  // Kafka's default is 128 MiB of heap, taken at start.
  'log.cleaner.dedupe.buffer.size': String(4 * 1024 * 1024),
  'log.segment.bytes': String(64 * 1024 * 1024),
  'metadata.log.segment.bytes': String(16 * 1024 * 1024),
  'metadata.max.retention.bytes': String(48 * 1024 * 1024),
}

export const serverPropertiesPath = (node: PlacedNode): string => join(node.home, 'server.properties')
