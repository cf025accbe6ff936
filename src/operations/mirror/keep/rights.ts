/** Which access rules and quotas a target has to have, and what is missing. Pure. */
import {
  type AclBinding,
  type AclOperation,
  aclKey,
  describeAcl,
  type Quota,
  type QuotaEntity,
  type QuotaValues,
} from '../../../foundation/kafka/security.ts'
import type { KeepScope } from './facts.ts'
import { namesOf } from './names.ts'

/** Something that is not done, and why. */
export interface Left {
  readonly what: 'acl' | 'quota' | 'group'
  /** Which one, for people. */
  readonly subject: string
  readonly reason: string
}

export interface SourceRights {
  /** What the target should have while it is a copy. */
  readonly wanted: readonly AclBinding[]
  /** What lets somebody write to the topics, as the copy would have it: not while it is one. */
  readonly writers: readonly AclBinding[]
  readonly left: readonly Left[]
}

/** What a reader needs of a topic. Everything else changes it, and only the link may change a copy. */
const READING: ReadonlySet<AclOperation> = new Set(['read', 'describe', 'describeConfigs'])
/** What a rule that allows everything comes to for a copy; `describe` is in `read`. */
const ALL_READING: readonly AclOperation[] = ['read', 'describeConfigs']
const EVERYBODY = 'User:*'
const ANY_NAME = '*'

/**
 * What the source's rules come to at the target. A rule on a pattern or on all topics is said topic by topic: as a pattern
 * it would reach topics of the target that are nobody's copies.
 */
export function rightsOf(acls: readonly AclBinding[], scope: KeepScope): SourceRights {
  const principals = namesOf(scope.keep.acls)
  const links = new Set(scope.linkPrincipals)
  const wanted = new Map<string, AclBinding>()
  const left: Left[] = []
  const meant = acls.filter(({ principal }) => principals.means(principal) && !links.has(principal))
  for (const acl of meant) {
    if (acl.permission === 'deny' && acl.principal === EVERYBODY && acl.resource === 'topic') {
      if (topicsOf(acl, scope).length > 0)
        left.push({ what: 'acl', subject: describeAcl(acl), reason: 'it would stop the link itself' })
      continue
    }
    for (const binding of readingOf(acl, scope, left)) wanted.set(aclKey(binding), binding)
  }
  return { wanted: [...wanted.values()], writers: writersOf(acls, scope), left }
}

function readingOf(acl: AclBinding, scope: KeepScope, left: Left[]): AclBinding[] {
  if (acl.resource === 'group') return groupBindings(acl, scope, left)
  if (acl.resource !== 'topic') return []
  const topics = topicsOf(acl, scope)
  if (acl.permission === 'deny')
    return denies(acl) === 'writing' ? [] : topics.map(name => literally(acl, name))
  if (acl.operation === 'all')
    return topics.flatMap(name => ALL_READING.map(operation => ({ ...literally(acl, name), operation })))
  return READING.has(acl.operation) ? topics.map(name => literally(acl, name)) : []
}

/** Nobody writes a copy anyway: a denial that is only about writing belongs to the rules of its writers. */
const denies = ({ operation }: AclBinding): 'reading' | 'writing' =>
  operation === 'all' || READING.has(operation) ? 'reading' : 'writing'

const literally = (acl: AclBinding, name: string): AclBinding => ({ ...acl, name, pattern: 'literal' })

/** The copies a rule on topics reaches. */
function topicsOf(acl: AclBinding, { topics }: KeepScope): string[] {
  return topics.filter(({ source }) => reaches(acl, source)).map(({ copy }) => copy)
}

export function reaches({ pattern, name }: AclBinding, resource: string): boolean {
  return pattern === 'prefixed' ? resource.startsWith(name) : name === ANY_NAME || name === resource
}

/** A group may come into being at either side, so a rule on a prefix stays one if the link means all that begins so. */
function groupBindings(acl: AclBinding, scope: KeepScope, left: Left[]): AclBinding[] {
  const groups = namesOf(scope.keep.groups)
  if (groups.none) return []
  if (acl.pattern === 'literal' && acl.name !== ANY_NAME) return groups.means(acl.name) ? [acl] : []
  const prefix = acl.pattern === 'prefixed' ? acl.name : ''
  if (groups.meansAllBeginning(prefix)) return [acl]
  left.push({
    what: 'acl',
    subject: describeAcl(acl),
    reason: 'it reaches groups that the link does not mean',
  })
  return []
}

/**
 * Rules by which others than the link write, or may not: on the topics themselves, and on the transactional ids of those who
 * may. A denial for everybody is left out: it says that nobody writes here now (a switch of sides does so), not who may.
 */
function writersOf(acls: readonly AclBinding[], scope: KeepScope): AclBinding[] {
  const links = new Set(scope.linkPrincipals)
  const found = new Map<string, AclBinding>()
  const others = acls.filter(
    acl => !links.has(acl.principal) && !(acl.permission === 'deny' && acl.principal === EVERYBODY),
  )
  for (const acl of others) {
    if (acl.resource !== 'topic' || READING.has(acl.operation)) continue
    for (const name of topicsOf(acl, scope)) {
      const binding = literally(acl, name)
      found.set(aclKey(binding), binding)
    }
  }
  const writing = new Set(
    [...found.values()]
      .filter(({ operation, permission }) => {
        return permission === 'allow' && (operation === 'write' || operation === 'all')
      })
      .map(({ principal }) => principal),
  )
  for (const acl of others)
    if (acl.resource === 'transactionalId' && writing.has(acl.principal)) found.set(aclKey(acl), acl)
  return [...found.values()]
}

/* ---- rules: what to change ---- */

export type AclChange =
  /** `new`: not there yet. `restored`: the link had put it there, and somebody took it away. */
  | { readonly kind: 'create-acl'; readonly acl: AclBinding; readonly why: 'new' | 'restored' }
  /** The source has it no more. */
  | { readonly kind: 'delete-acl'; readonly acl: AclBinding; readonly why: 'revoked' }

export interface AclDifference {
  readonly changes: readonly AclChange[]
  /** The link's own once the changes are made. */
  readonly ours: readonly AclBinding[]
}

/** Rules that the link did not put there are as if they were not there: neither counted nor touched. */
export function aclDifference(
  wanted: readonly AclBinding[],
  actual: readonly AclBinding[],
  ours: readonly AclBinding[],
): AclDifference {
  const wantedKeys = new Set(wanted.map(aclKey))
  const there = new Set(actual.map(aclKey))
  const mine = new Set(ours.map(aclKey))
  const missing = wanted.filter(acl => !there.has(aclKey(acl)))
  const surplus = ours.filter(acl => !wantedKeys.has(aclKey(acl)) && there.has(aclKey(acl)))
  return {
    changes: [
      ...missing.map((acl): AclChange => {
        return { kind: 'create-acl', acl, why: mine.has(aclKey(acl)) ? 'restored' : 'new' }
      }),
      ...surplus.map((acl): AclChange => ({ kind: 'delete-acl', acl, why: 'revoked' })),
    ],
    ours: wanted.filter(acl => mine.has(aclKey(acl)) || !there.has(aclKey(acl))),
  }
}

/* ---- quotas ---- */

export interface QuotaChange {
  readonly kind: 'set-quota'
  readonly entity: QuotaEntity
  /** Null: no longer limited. */
  readonly set: { readonly [Name in keyof Required<QuotaValues>]?: number | null }
  /** As it was, of the values named. */
  readonly from: QuotaValues
  readonly why: 'new' | 'changed' | 'restored' | 'revoked'
}

export interface QuotaDifference {
  readonly changes: readonly QuotaChange[]
  readonly left: readonly Left[]
  readonly ours: readonly Quota[]
}

const QUOTA_VALUES: readonly (keyof QuotaValues)[] = [
  'producerBytesPerSecond',
  'consumerBytesPerSecond',
  'requestPercentage',
  'controllerMutationsPerSecond',
]

const entityTypes = { user: 'user', clientId: 'client-id', ip: 'ip' } as const

/** `user=alice,client-id=app`: what filters compare, and people read. */
export function entityName(entity: QuotaEntity): string {
  return (['user', 'clientId', 'ip'] as const)
    .filter(kind => entity[kind] !== undefined)
    .map(kind => `${entityTypes[kind]}=${entity[kind] ?? '<default>'}`)
    .join(',')
}

/** A value at the target is the link's if the link set exactly it; any other is somebody's own decision, and stays. */
export function quotaDifference(
  source: readonly Quota[],
  target: readonly Quota[],
  ours: readonly Quota[],
  scope: KeepScope,
): QuotaDifference {
  const names = namesOf(scope.keep.quotas)
  const theirs = byEntity(source.filter(({ entity }) => names.means(entityName(entity))))
  const actual = byEntity(target)
  const mine = byEntity(ours)
  const entities = new Map([...mine, ...theirs].map(([name, { entity }]) => [name, entity]))
  const changes: QuotaChange[] = []
  const left: Left[] = []
  const kept: Quota[] = []
  for (const [name, entity] of [...entities].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const decided = decideQuota(
      theirs.get(name)?.values ?? {},
      actual.get(name)?.values ?? {},
      mine.get(name)?.values ?? {},
    )
    for (const value of decided.foreign) {
      const reason = `${value} was set at the target to ${actual.get(name)!.values[value]} by somebody else`
      left.push({ what: 'quota', subject: name, reason })
    }
    if (decided.change !== null) changes.push({ kind: 'set-quota', entity, ...decided.change })
    if (Object.keys(decided.ours).length > 0) kept.push({ entity, values: decided.ours })
  }
  return { changes, left, ours: kept }
}

function decideQuota(wanted: QuotaValues, actual: QuotaValues, ours: QuotaValues) {
  const set: { -readonly [Name in keyof QuotaValues]: number | null } = {}
  const from: { -readonly [Name in keyof QuotaValues]: number } = {}
  const kept: { -readonly [Name in keyof QuotaValues]: number } = {}
  const foreign: (keyof QuotaValues)[] = []
  const whys = new Set<QuotaChange['why']>()
  for (const name of QUOTA_VALUES) {
    const want = wanted[name]
    const have = actual[name]
    const mine = ours[name]
    if (want === have) {
      if (mine !== undefined && want === mine) kept[name] = mine
      continue
    }
    if (have !== undefined && have !== mine) {
      // One that nobody at the source limits is no concern of the link's.
      if (want !== undefined) foreign.push(name)
      continue
    }
    if (want === undefined) {
      set[name] = null
      whys.add('revoked')
    } else {
      set[name] = want
      kept[name] = want
      whys.add(have !== undefined ? 'changed' : mine !== undefined ? 'restored' : 'new')
    }
    if (have !== undefined) from[name] = have
  }
  const why = whys.size === 1 ? [...whys][0]! : 'changed'
  return { change: whys.size === 0 ? null : { set, from, why }, ours: kept, foreign }
}

const byEntity = (quotas: readonly Quota[]): Map<string, Quota> =>
  new Map(quotas.map(quota => [entityName(quota.entity), quota]))
