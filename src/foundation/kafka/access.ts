import {
  alterClientQuotasV0,
  alterClientQuotasV1,
  createAclsV2,
  createAclsV3,
  deleteAclsV2,
  deleteAclsV3,
  describeAclsV2,
  describeAclsV3,
  describeClientQuotasV0,
  describeClientQuotasV1,
} from '@platformatic/kafka'
import type { CallOptions, Calls, ItemOutcome } from './calls.ts'
import { codecs } from './connections.ts'
import { faultOf } from './errors.ts'
import {
  type AclBinding,
  type AclOperation,
  type AclResource,
  describeAcl,
  type Quota,
  type QuotaEntity,
  type QuotaValues,
} from './security.ts'

export interface QuotaChange {
  readonly entity: QuotaEntity
  /** Null: no longer limited. Values not named stay as they are. */
  readonly set: { readonly [Name in keyof Required<QuotaValues>]?: number | null }
}

export interface AccessAdmin {
  /**
   * Every binding the cluster has; with `broker` as that broker enforces them now, which may be a moment behind.
   *
   * @throws AjnaError KAFKA_REFUSED (SECURITY_DISABLED) when it has no authorizer
   */
  describeAcls(options?: CallOptions & { readonly broker?: number }): Promise<readonly AclBinding[]>
  createAcls(
    bindings: readonly AclBinding[],
    options?: CallOptions,
  ): Promise<readonly ItemOutcome<AclBinding>[]>
  /** Deletes exactly these; one that is not there is deleted already. */
  deleteAcls(
    bindings: readonly AclBinding[],
    options?: CallOptions,
  ): Promise<readonly ItemOutcome<AclBinding>[]>
  describeQuotas(options?: CallOptions): Promise<readonly Quota[]>
  alterQuotas(
    changes: readonly QuotaChange[],
    options?: CallOptions,
  ): Promise<readonly ItemOutcome<QuotaChange>[]>
}

const DESCRIBE_ACLS = codecs(describeAclsV3.api, describeAclsV2.api)
const CREATE_ACLS = codecs(createAclsV3.api, createAclsV2.api)
const DELETE_ACLS = codecs(deleteAclsV3.api, deleteAclsV2.api)
const DESCRIBE_QUOTAS = codecs(describeClientQuotasV1.api, describeClientQuotasV0.api)
const ALTER_QUOTAS = codecs(alterClientQuotasV1.api, alterClientQuotasV0.api)

/** Numbers of KIP-140 and its successors. */
const resourceCodes = {
  topic: 2,
  group: 3,
  cluster: 4,
  transactionalId: 5,
  delegationToken: 6,
  user: 7,
} as const
const operationCodes = {
  all: 2,
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
  createTokens: 13,
  describeTokens: 14,
  twoPhaseCommit: 15,
} as const
const patternCodes = { literal: 3, prefixed: 4 } as const
const permissionCodes = { deny: 2, allow: 3 } as const
const ANY = 1
const ANYONE = { to: 'any' } as const

const reversed = <Name extends string>(codes: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> =>
  new Map(Object.entries(codes).map(([name, code]) => [code as number, name as Name]))
const resourceNames = reversed<AclResource>(resourceCodes)
const operationNames = reversed<AclOperation>(operationCodes)

const quotaKeys = {
  producerBytesPerSecond: 'producer_byte_rate',
  consumerBytesPerSecond: 'consumer_byte_rate',
  requestPercentage: 'request_percentage',
  controllerMutationsPerSecond: 'controller_mutation_rate',
} as const satisfies Record<keyof QuotaValues, string>

const entityTypes = { user: 'user', clientId: 'client-id', ip: 'ip' } as const satisfies Record<
  keyof QuotaEntity,
  string
>

const describeEntity = (entity: QuotaEntity): string =>
  Object.entries(entity)
    .map(([kind, name]) => `${entityTypes[kind as keyof QuotaEntity]} ${name ?? 'default'}`)
    .join(', ')

export function accessAdmin(calls: Calls): AccessAdmin {
  return {
    async describeAcls(options) {
      const everything = {
        resourceType: ANY,
        resourceName: null,
        resourcePatternType: ANY,
        principal: null,
        host: null,
        operation: ANY,
        permissionType: ANY,
      } as const
      const target = options?.broker === undefined ? ANYONE : ({ to: 'broker', id: options.broker } as const)
      const answer = await calls.ask('list ACLs', target, DESCRIBE_ACLS, [everything], options, each =>
        faultOf(each.errorCode, each.errorMessage),
      )
      return answer.resources.flatMap(resource =>
        resource.acls.flatMap((acl): AclBinding[] => {
          const kind = resourceNames.get(resource.resourceType)
          const operation = operationNames.get(acl.operation)
          // Kinds and operations newer than this table are nobody's whom we could have declared.
          if (kind === undefined || operation === undefined) return []
          return [
            {
              resource: kind,
              name: resource.resourceName,
              pattern: resource.resourcePatternType === patternCodes.prefixed ? 'prefixed' : 'literal',
              principal: acl.principal,
              host: acl.host,
              operation,
              permission: acl.permissionType === permissionCodes.deny ? 'deny' : 'allow',
            },
          ]
        }),
      )
    },

    createAcls: (bindings, options = {}) =>
      calls.each(
        acl => `allow: ${describeAcl(acl)}`,
        bindings,
        options,
        async (pending, once) => {
          const { results } = await once({ to: 'controller' }, CREATE_ACLS, [pending.map(encodeAcl)])
          return inOrder(pending, results)
        },
      ),

    deleteAcls: (bindings, options = {}) =>
      calls.each(
        acl => `no longer: ${describeAcl(acl)}`,
        bindings,
        options,
        async (pending, once) => {
          const { filterResults } = await once({ to: 'controller' }, DELETE_ACLS, [pending.map(encodeAcl)])
          return inOrder(
            pending,
            filterResults.map(result => result.matchingAcls.find(acl => acl.errorCode !== 0) ?? result),
          )
        },
      ),

    async describeQuotas(options) {
      const kinds = Object.values(entityTypes)
      // One filter means "has an entity of this kind"; a quota of a user and a client is found by both.
      const answers = await Promise.all(
        kinds.map(entityType =>
          calls.ask(
            'list quotas',
            { to: 'any' },
            DESCRIBE_QUOTAS,
            [[{ entityType, matchType: 2 }], false],
            options,
            each => faultOf(each.errorCode, each.errorMessage),
          ),
        ),
      )
      const quotas = answers.flatMap(answer => answer.entries ?? []).map(decodeQuota)
      return [...new Map(quotas.map(quota => [JSON.stringify(quota.entity), quota])).values()]
    },

    alterQuotas: (changes, options = {}) =>
      calls.each(
        change => `set the quota of ${describeEntity(change.entity)}`,
        changes,
        options,
        async (pending, once) => {
          const { entries } = await once({ to: 'controller' }, ALTER_QUOTAS, [
            pending.map(encodeQuota),
            false,
          ])
          const found = new Map(entries.map(entry => [JSON.stringify(entityOf(entry.entity)), entry]))
          return change => {
            const entry = found.get(JSON.stringify(ordered(change.entity)))
            return entry === undefined
              ? faultOf(-1, 'not in the answer')
              : faultOf(entry.errorCode, entry.errorMessage)
          }
        },
      ),
  }
}

/** Answers that have no names come in the order of the questions. */
function inOrder<Item>(
  items: readonly Item[],
  results: readonly { errorCode: number; errorMessage: string | null | undefined }[],
) {
  const faults = new Map(items.map((item, index) => [item, results[index]]))
  return (item: Item) => {
    const result = faults.get(item)
    return result === undefined
      ? faultOf(-1, 'not in the answer')
      : faultOf(result.errorCode, result.errorMessage)
  }
}

const encodeAcl = (acl: AclBinding) => ({
  resourceType: resourceCodes[acl.resource],
  resourceName: acl.name,
  resourcePatternType: patternCodes[acl.pattern],
  principal: acl.principal,
  host: acl.host,
  operation: operationCodes[acl.operation],
  permissionType: permissionCodes[acl.permission],
})

/** The same entity always as the same text. */
const ordered = ({ user, clientId, ip }: QuotaEntity): QuotaEntity => ({
  ...(user === undefined ? {} : { user }),
  ...(clientId === undefined ? {} : { clientId }),
  ...(ip === undefined ? {} : { ip }),
})

function entityOf(
  parts: readonly { entityType: string; entityName?: string | null | undefined }[],
): QuotaEntity {
  const name = (type: string): string | null | undefined => {
    const part = parts.find(each => each.entityType === type)
    return part === undefined ? undefined : (part.entityName ?? null)
  }
  return ordered(
    Object.fromEntries(
      Object.entries(entityTypes).flatMap(([kind, type]) => {
        const found = name(type)
        return found === undefined ? [] : [[kind, found]]
      }),
    ),
  )
}

function decodeQuota(entry: {
  entity: readonly { entityType: string; entityName?: string | null | undefined }[]
  values: readonly { key: string; value: number }[]
}): Quota {
  const values = Object.entries(quotaKeys).flatMap(([name, key]) => {
    const found = entry.values.find(each => each.key === key)
    return found === undefined ? [] : [[name, found.value]]
  })
  return { entity: entityOf(entry.entity), values: Object.fromEntries(values) }
}

function encodeQuota({ entity, set }: QuotaChange) {
  return {
    entities: Object.entries(ordered(entity)).map(([kind, entityName]) => ({
      entityType: entityTypes[kind as keyof QuotaEntity],
      entityName,
    })),
    ops: Object.entries(set).map(([name, value]) => {
      const key = quotaKeys[name as keyof QuotaValues]
      return value === null ? ({ key, remove: true } as const) : ({ key, value, remove: false } as const)
    }),
  }
}
