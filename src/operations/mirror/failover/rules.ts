/** The access rules by which a switch closes and opens topics. Pure. */
import {
  type AclBinding,
  type AclOperation,
  aclKey,
  CLUSTER_RESOURCE,
  describeAcl,
} from '../../../foundation/kafka/security.ts'
import { reaches } from '../keep/rights.ts'

export const EVERYBODY = 'User:*'

const rule = (
  fields: Pick<AclBinding, 'resource' | 'name' | 'principal' | 'operation' | 'permission'>,
): AclBinding => ({
  pattern: 'literal',
  host: '*',
  ...fields,
})

/** Nobody writes to the topics any more, whatever else they are allowed: a denial goes before everything. */
export const sealOf = (topics: readonly string[]): AclBinding[] => topics.map(name => denial(EVERYBODY, name))

/** This one principal writes to them no more. */
export const fenceOf = (principal: string, topics: readonly string[]): AclBinding[] =>
  topics.map(name => denial(principal, name))

const denial = (principal: string, name: string): AclBinding =>
  rule({ resource: 'topic', name, principal, operation: 'write', permission: 'deny' })

const writes = ({ resource, operation }: AclBinding): boolean =>
  resource === 'topic' && (operation === 'write' || operation === 'all')

/** Who may write to which of the topics, by these rules, from wherever. */
export function writersOf(
  acls: readonly AclBinding[],
  topics: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const rules = acls.filter(writes)
  const denials = rules.filter(({ permission, host }) => permission === 'deny' && host === '*')
  const found = new Map<string, string[]>()
  for (const { principal, ...allowed } of rules) {
    if (allowed.permission !== 'allow') continue
    const open = topics.filter(
      topic =>
        reaches({ principal, ...allowed }, topic) &&
        !denials.some(
          denied =>
            (denied.principal === EVERYBODY || denied.principal === principal) && reaches(denied, topic),
        ),
    )
    if (open.length > 0) found.set(principal, [...new Set([...(found.get(principal) ?? []), ...open])])
  }
  return found
}

export interface Reservation {
  readonly denials: readonly AclBinding[]
  /** Rules that let everybody write, the one it is reserved for included: no denial helps against them. */
  readonly obstacles: readonly string[]
}

/** Nobody but one principal writes to the topics: everybody else who may is denied by name. */
export function reservationOf(
  acls: readonly AclBinding[],
  topics: readonly string[],
  principal: string | null,
): Reservation {
  const writers = writersOf(
    acls.filter(acl => acl.permission === 'allow'),
    topics,
  )
  const denials: AclBinding[] = []
  for (const [who, open] of writers)
    if (who !== principal && who !== EVERYBODY) denials.push(...fenceOf(who, open))
  const obstacles = acls.filter(
    acl =>
      acl.permission === 'allow' &&
      acl.principal === EVERYBODY &&
      writes(acl) &&
      topics.some(topic => reaches(acl, topic)),
  )
  return { denials, obstacles: obstacles.map(describeAcl) }
}

/** What a link needs at the side that it writes to. */
const COPYING: readonly AclOperation[] = ['create', 'read', 'write', 'delete', 'alter', 'alterConfigs']

/** At the side it writes to, without what it has there already. */
export function grantsToCopy(
  principal: string,
  topics: readonly string[],
  acls: readonly AclBinding[],
): AclBinding[] {
  const wanted = [
    ...topics.flatMap(name => COPYING.map(operation => allowance(principal, 'topic', name, operation))),
    allowance(principal, 'cluster', CLUSTER_RESOURCE, 'clusterAction'),
  ]
  return missingFrom(wanted, acls)
}

/** At the side it reads from. */
export const grantsToRead = (
  principal: string,
  topics: readonly string[],
  acls: readonly AclBinding[],
): AclBinding[] =>
  missingFrom(
    topics.flatMap(name =>
      (['read', 'describeConfigs'] as const).map(operation => allowance(principal, 'topic', name, operation)),
    ),
    acls,
  )

const allowance = (
  principal: string,
  resource: AclBinding['resource'],
  name: string,
  operation: AclOperation,
): AclBinding => rule({ resource, name, principal, operation, permission: 'allow' })

function missingFrom(wanted: readonly AclBinding[], acls: readonly AclBinding[]): AclBinding[] {
  const there = new Set(acls.map(aclKey))
  return wanted.filter(acl => !there.has(aclKey(acl)))
}

/** Rules that let these principals write, where nothing tells how they did at the source. */
export const openingFor = (principals: readonly string[], topics: readonly string[]): AclBinding[] =>
  principals.flatMap(principal => topics.map(name => allowance(principal, 'topic', name, 'write')))

export const withoutRules = (acls: readonly AclBinding[], gone: readonly AclBinding[]): AclBinding[] => {
  const keys = new Set(gone.map(aclKey))
  return acls.filter(acl => !keys.has(aclKey(acl)))
}

/** Each once. */
export const rulesTogether = (...lists: readonly (readonly AclBinding[])[]): AclBinding[] => [
  ...new Map(lists.flat().map(acl => [aclKey(acl), acl])).values(),
]
