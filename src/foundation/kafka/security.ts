/** ACLs and client quotas in words; `access.ts` has the numbers Kafka uses for them on the wire. */

export const aclResources = [
  'topic',
  'group',
  'cluster',
  'transactionalId',
  'delegationToken',
  'user',
] as const
export type AclResource = (typeof aclResources)[number]

export const aclOperations = [
  'all',
  'read',
  'write',
  'create',
  'delete',
  'alter',
  'describe',
  'clusterAction',
  'describeConfigs',
  'alterConfigs',
  'idempotentWrite',
  'createTokens',
  'describeTokens',
  'twoPhaseCommit',
] as const
export type AclOperation = (typeof aclOperations)[number]

/** The only name a resource of type `cluster` has. */
export const CLUSTER_RESOURCE = 'kafka-cluster'

/** One line of a cluster's access control list. */
export interface AclBinding {
  readonly resource: AclResource
  readonly name: string
  readonly pattern: 'literal' | 'prefixed'
  /** `User:<name>`. */
  readonly principal: string
  /** `*` for any. */
  readonly host: string
  readonly operation: AclOperation
  readonly permission: 'allow' | 'deny'
}

export const aclKey = (binding: AclBinding): string =>
  [
    binding.principal,
    binding.permission,
    binding.operation,
    binding.resource,
    binding.pattern,
    binding.name,
    binding.host,
  ].join('\u0000')

/** `User:agent may write topic logs.edge`, as a plan or an activity shows it. */
export function describeAcl(binding: AclBinding): string {
  const verb = binding.permission === 'allow' ? 'may' : 'may not'
  const name = binding.pattern === 'prefixed' ? `${binding.name}*` : binding.name
  const host = binding.host === '*' ? '' : ` from ${binding.host}`
  return `${binding.principal} ${verb} ${binding.operation} ${binding.resource} ${name}${host}`
}

/** Client quotas of one entity; a missing value means none is set. */
export interface QuotaValues {
  /** Bytes a second, per broker. */
  readonly producerBytesPerSecond?: number
  /** Bytes a second, per broker. */
  readonly consumerBytesPerSecond?: number
  /** Per cent of one request-handler or network thread, per broker (KIP-124): 200 is two threads. */
  readonly requestPercentage?: number
  /** Partitions created, added or deleted a second, whole cluster (KIP-599). */
  readonly controllerMutationsPerSecond?: number
}

/** Whom a quota holds for; null is the default entity of its kind, a missing kind does not matter. */
export interface QuotaEntity {
  readonly user?: string | null
  readonly clientId?: string | null
  readonly ip?: string | null
}

export interface Quota {
  readonly entity: QuotaEntity
  readonly values: QuotaValues
}
