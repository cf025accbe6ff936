import { type AclBinding, aclKey, describeAcl, type QuotaValues } from '../../foundation/kafka/security.ts'
import type { ClusterSnapshot } from '../../foundation/kafka/snapshot.ts'
import { count } from '../../foundation/text/table.ts'
import type { ResolvedCluster, ResolvedFleet } from './contract.ts'
import {
  type Difference,
  type Note,
  type PlanInput,
  partNotKnown,
  type Reason,
  type Step,
} from './plan-model.ts'

type PlainStep = Omit<Step, 'id' | 'cluster'>

/** Kafka's spelling of a principal: its kind, then its name. */
const USER = 'User:'

/** Access lists of declared principals are made to say exactly what is declared; others' are left alone and told. */
export function diffAcls(input: PlanInput, cluster: ResolvedCluster, snapshot: ClusterSnapshot): Difference {
  if (!snapshot.acls.ok) return partNotKnown(cluster.name, 'acls', snapshot.acls.error)
  const declared = aclsOf(input.fleet, cluster.name)
  const actual = snapshot.acls.value
  if (actual === null) {
    if (declared.size === 0) return { steps: [] }
    const text = `Cluster ${cluster.name} has no authorizer: anybody may do anything, ${count(declared.size, 'declared rule')} cannot hold.`
    return { steps: [], notes: [{ kind: 'no-authorizer', cluster: cluster.name, text }] }
  }
  const before = aclsOf(input.accepted, cluster.name)
  const there = new Map(actual.map(acl => [aclKey(acl), acl]))
  const ours = new Set([...principalsOf(input.fleet), ...principalsOf(input.accepted)])
  const missing = [...declared.values()].filter(acl => !there.has(aclKey(acl)))
  const { heldRules = new Map() } = input
  const heldKeys = new Set(heldRules === 'unknown' ? [] : (heldRules.get(cluster.name) ?? []).map(aclKey))
  const free = actual.filter(acl => !declared.has(aclKey(acl)) && !heldKeys.has(aclKey(acl)))
  const held = actual.filter(acl => !declared.has(aclKey(acl)) && heldKeys.has(aclKey(acl)))
  const surplus = free.filter(acl => ours.has(nameOf(acl.principal)))
  const others = Map.groupBy(
    actual.filter(acl => !ours.has(nameOf(acl.principal)) && !heldKeys.has(aclKey(acl))),
    acl => acl.principal,
  )
  const reason = (acls: readonly AclBinding[], wasThere: boolean): Reason => {
    if (input.accepted === null) return wasThere ? 'differs' : 'new'
    const inFile = acls.some(acl => before.has(aclKey(acl)))
    return wasThere === inFile ? 'changed' : 'drift'
  }
  return {
    steps: [
      ...aclSteps(missing, 'create-acls', acls => reason(acls, false)),
      ...(heldRules === 'unknown' ? [] : aclSteps(surplus, 'delete-acls', acls => reason(acls, true))),
    ],
    notes: [
      ...[...others].map(([principal, acls]): Note => {
        const text = `${principal} is not declared and has ${count(acls.length, 'rule')} at cluster ${cluster.name}; they are left as they are.`
        return { kind: 'undeclared-principal', cluster: cluster.name, principal, text }
      }),
      ...heldNotes(cluster.name, held),
      ...(heldRules === 'unknown' ? doubtfulNotes(cluster.name, surplus) : []),
    ],
  }
}

function heldNotes(cluster: string, held: readonly AclBinding[]): Note[] {
  const [first] = held
  if (first === undefined) return []
  const text = `${count(held.length, 'rule')} at cluster ${cluster} belong to links whose sides are switched, or that keep them in step: ${describeAcl(first)}${held.length === 1 ? '' : ', …'}; they are left as they are.`
  return [{ kind: 'held-rules', cluster, text }]
}

function doubtfulNotes(cluster: string, surplus: readonly AclBinding[]): Note[] {
  const [first] = surplus
  if (first === undefined) return []
  const text = `${count(surplus.length, 'rule')} at cluster ${cluster} ${surplus.length === 1 ? 'is' : 'are'} not declared: ${describeAcl(first)}${surplus.length === 1 ? '' : ', …'}. Whether links hold them is in their journal, which cannot be read just now; they are left as they are.`
  return [{ kind: 'held-rules-unknown', cluster, text }]
}

/** One step per principal: what one person would look at together. */
function aclSteps(
  acls: readonly AclBinding[],
  kind: 'create-acls' | 'delete-acls',
  reason: (acls: readonly AclBinding[]) => Reason,
): PlainStep[] {
  const byPrincipal = [...Map.groupBy(acls, acl => nameOf(acl.principal))].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )
  return byPrincipal.map(([principal, bindings]) => {
    const [first, ...more] = bindings
    const rest = more.length === 0 ? '' : ` and ${more.length} more`
    const verb = kind === 'create-acls' ? 'add' : 'take away'
    return {
      reason: reason(bindings),
      text: `${verb} ${count(bindings.length, 'rule')} of ${principal}: ${describeAcl(first!)}${rest}`,
      warning: null,
      action: { kind, principal, bindings },
    }
  })
}

const nameOf = (principal: string): string =>
  principal.startsWith(USER) ? principal.slice(USER.length) : principal

const principalsOf = (fleet: ResolvedFleet | null): string[] =>
  (fleet?.principals ?? []).map(({ name }) => name)

const aclsOf = (fleet: ResolvedFleet | null, cluster: string): ReadonlyMap<string, AclBinding> =>
  new Map(
    (fleet?.principals ?? [])
      .flatMap(({ grants }) => grants.filter(grant => grant.cluster === cluster).flatMap(grant => grant.acls))
      .map(acl => [aclKey(acl), acl]),
  )

/** Quotas of declared principals are made to say exactly what is declared. */
export function diffQuotas(
  input: PlanInput,
  cluster: ResolvedCluster,
  snapshot: ClusterSnapshot,
): Difference {
  if (!snapshot.quotas.ok) return partNotKnown(cluster.name, 'quotas', snapshot.quotas.error)
  const actual = new Map(
    snapshot.quotas.value
      .filter(({ entity }) => typeof entity.user === 'string' && entity.clientId === undefined)
      .map(({ entity, values }) => [entity.user!, values]),
  )
  const declared = quotasOf(input.fleet, cluster.name)
  const before = quotasOf(input.accepted, cluster.name)
  const ours = [...new Set([...principalsOf(input.fleet), ...principalsOf(input.accepted)])].sort()
  return {
    steps: ours.flatMap((principal): PlainStep[] => {
      const wanted = declared.get(principal) ?? {}
      const there = actual.get(principal) ?? {}
      const names = changedValues(wanted, there)
      if (names.length === 0) return []
      const unchanged = changedValues(wanted, before.get(principal) ?? {}).length === 0
      const unset = Object.keys(there).length === 0
      const reason = input.accepted === null ? (unset ? 'new' : 'differs') : unchanged ? 'drift' : 'changed'
      const set = Object.fromEntries(names.map(name => [name, wanted[name] ?? null]))
      const changes = names.map(
        name => `${name} ${there[name] ?? 'unlimited'} → ${wanted[name] ?? 'unlimited'}`,
      )
      const text = `set the quota of ${principal}: ${changes.join(', ')}`
      return [{ reason, text, warning: null, action: { kind: 'set-quota', principal, set } }]
    }),
  }
}

const QUOTAS: readonly (keyof QuotaValues)[] = [
  'producerBytesPerSecond',
  'consumerBytesPerSecond',
  'requestPercentage',
  'controllerMutationsPerSecond',
]

const changedValues = (a: QuotaValues, b: QuotaValues): (keyof QuotaValues)[] =>
  QUOTAS.filter(name => a[name] !== b[name])

const quotasOf = (fleet: ResolvedFleet | null, cluster: string): ReadonlyMap<string, QuotaValues> =>
  new Map(
    (fleet?.principals ?? []).flatMap(({ name, grants }) =>
      grants.flatMap(grant =>
        grant.cluster === cluster && grant.quota !== null ? [[name, grant.quota] as const] : [],
      ),
    ),
  )
