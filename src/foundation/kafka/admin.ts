import { type Logger, silentLogger } from '../log/log.ts'
import type { TlsSource } from '../wire/contract.ts'
import type { Hosts } from '../wire/hosts.ts'
import { type AccessAdmin, accessAdmin } from './access.ts'
import { type BrokerAdmin, brokerAdmin } from './brokers.ts'
import { type Broker, type CallOptions, createCalls } from './calls.ts'
import { type ConfigAdmin, configAdmin } from './configs.ts'
import { createConnections, parseAddress } from './connections.ts'
import { type FactAdmin, factAdmin } from './facts.ts'
import { type GroupAdmin, groupAdmin } from './groups.ts'
import { type PartitionAdmin, partitionAdmin } from './partitions.ts'
import { type TopicAdmin, topicAdmin } from './topics.ts'

export interface OpenOptions {
  /** `host:port`, at least one. */
  readonly bootstrap: readonly string[]
  /** Without it the connections are not encrypted. */
  readonly tls?: TlsSource
  /** Addresses of the brokers' names, where the machine's resolver is not to be asked. */
  readonly hosts?: Hosts
  readonly clientId: string
  readonly log?: Logger
  /** Until connected and greeted, ms; default 2,000. */
  readonly connectTimeoutMs?: number
  /** Per request, ms; default 4,000. A frozen broker costs this long, once. */
  readonly requestTimeoutMs?: number
}

/**
 * One cluster, administered from outside. Every call takes an AbortSignal and a deadline (default 15 s), is repeated
 * while the error's class says that it may help, and tells what became of each item. Whole-call failures throw
 * KAFKA_REFUSED, KAFKA_UNREACHABLE, KAFKA_UNSUPPORTED or KAFKA_DEADLINE; an aborted call throws the signal's reason.
 */
export interface ClusterAdmin
  extends TopicAdmin,
    ConfigAdmin,
    AccessAdmin,
    BrokerAdmin,
    PartitionAdmin,
    GroupAdmin,
    FactAdmin,
    AsyncDisposable {
  /** The brokers that are up as the cluster sees it. */
  brokers(options?: CallOptions): Promise<readonly Broker[]>
  close(): Promise<void>
}

/** Connects to nothing yet: the first call does. */
export function openCluster(options: OpenOptions): ClusterAdmin {
  const {
    bootstrap,
    clientId,
    tls,
    hosts,
    log = silentLogger,
    connectTimeoutMs = 2000,
    requestTimeoutMs = 4000,
  } = options
  const connections = createConnections({ clientId, tls, hosts, connectTimeoutMs, requestTimeoutMs, log })
  const calls = createCalls(connections, bootstrap.map(parseAddress))
  const close = (): Promise<void> => connections.close()
  return {
    ...topicAdmin(calls),
    ...configAdmin(calls),
    ...accessAdmin(calls),
    ...brokerAdmin(calls),
    ...partitionAdmin(calls),
    ...groupAdmin(calls),
    ...factAdmin(calls),
    brokers: calls.brokers,
    close,
    [Symbol.asyncDispose]: close,
  }
}
