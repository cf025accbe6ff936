import {
  type AclBinding,
  type AclOperation,
  type AclResource,
  CLUSTER_RESOURCE,
} from '../../foundation/kafka/security.ts'
import {
  ADMIN_PRINCIPAL,
  ARCHIVE_PRINCIPAL,
  agentPrincipal,
  auditorPrincipal,
  CONTROL_PRINCIPAL,
  HEALER_PRINCIPAL,
  linkPrincipal,
  MIRROR_PRINCIPAL,
  ownedPrefix,
  type ResolvedArchive,
  type ResolvedLink,
  type ResolvedShip,
  type Role,
} from './contract.ts'
import { type Flows, isCopy, topicsAt } from './flows.ts'

/**
 * What the platform's own principals may do, derived from the declaration: each role has what its work needs and nothing
 * else. `describe` is not said where read, write, delete or alter imply it, nor `describeConfigs` beside `alterConfigs`
 * (StandardAuthorizer). Pure.
 */

export interface RolePrincipal {
  readonly name: string
  readonly role: Role
  /** Cluster → bindings. */
  readonly acls: ReadonlyMap<string, readonly AclBinding[]>
}

export interface RoleFacts {
  readonly sites: readonly string[]
  /** Cluster → its site. */
  readonly clusters: ReadonlyMap<string, string>
  readonly flows: Flows
  readonly links: readonly ResolvedLink[]
  readonly ships: readonly ResolvedShip[]
  readonly archive: ResolvedArchive | null
}

/** One binding per operation. */
export function allow(
  principal: string,
  resource: AclResource,
  name: string,
  operations: readonly AclOperation[],
): AclBinding[] {
  const prefixed = name.endsWith('*') && name !== '*'
  return operations.map(operation => ({
    resource,
    name: prefixed ? name.slice(0, -1) : name,
    pattern: prefixed ? 'prefixed' : 'literal',
    principal: `User:${principal}`,
    host: '*',
    operation,
    permission: 'allow',
  }))
}

/** The principals every fleet has, sorted by name. */
export function rolePrincipals(facts: RoleFacts): RolePrincipal[] {
  const archiver = facts.archive === null ? [] : [archivePrincipal(facts, facts.archive)]
  return [
    ...facts.sites.flatMap(site => [
      agentRole(facts, site, agentPrincipal(site)),
      auditorRole(facts, site, auditorPrincipal(site)),
    ]),
    ...facts.links.map(linkRole),
    ...mirrorPrincipals(facts),
    ...archiver,
    controlPrincipal(facts),
    healerPrincipal(facts),
    { name: ADMIN_PRINCIPAL, role: 'admin' as const, acls: new Map() },
  ].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Reads back what it wrote: that is how it resumes without a gap or a repeat (ARCHITECTURE, invariant 1). */
export function agentRole(facts: RoleFacts, site: string, name: string): RolePrincipal {
  return writerRole(facts, name, 'agent', [
    ...facts.ships.filter(ship => ship.site === site).map(ship => [ship.cluster, ship.topic] as const),
    ...writableAt(facts, site, `ajna.streams.${site}`),
  ])
}

export function auditorRole(facts: RoleFacts, site: string, name: string): RolePrincipal {
  return writerRole(facts, name, 'auditor', writableAt(facts, site, `ajna.audit.${site}`))
}

/** The clusters of a site where a topic is written by producers. */
function writableAt(facts: RoleFacts, site: string, topic: string): (readonly [string, string])[] {
  return [...facts.clusters]
    .filter(([cluster, where]) => where === site && isOriginal(facts.flows, cluster, topic))
    .map(([cluster]) => [cluster, topic] as const)
}

const isOriginal = (flows: Flows, cluster: string, topic: string): boolean =>
  flows.get(cluster)?.has(topic) === true && !isCopy(flows, cluster, topic)

function writerRole(
  facts: RoleFacts,
  name: string,
  role: Role,
  targets: readonly (readonly [cluster: string, topic: string])[],
): RolePrincipal {
  const acls = new Map<string, AclBinding[]>()
  for (const cluster of facts.clusters.keys()) {
    const topics = [...new Set(targets.filter(([at]) => at === cluster).map(([, topic]) => topic))].sort()
    if (topics.length === 0) continue
    acls.set(cluster, [
      ...topics.flatMap(topic => allow(name, 'topic', topic, ['read', 'write', 'describeConfigs'])),
      ...allow(name, 'transactionalId', `${ownedPrefix(name)}*`, ['write']),
    ])
  }
  return { name, role, acls }
}

/**
 * At the source it reads; at the target it creates the copies, keeps their settings and partitions in step, writes them,
 * deletes what lies before the source's first record (DeleteRecords needs `delete`), reads producers' sequences back, and
 * writes transaction markers where the source has them (WriteTxnMarkers needs `clusterAction`). What it keeps in step besides
 * it has to see at both ends, and may change at the target: rules (`alter` on the cluster), quotas, positions of groups.
 */
function linkRole(link: ResolvedLink): RolePrincipal {
  const name = linkPrincipal(link.name)
  const target: AclOperation[] = ['create', 'read', 'write', 'delete', 'alter', 'alterConfigs']
  return {
    name,
    role: 'link',
    acls: new Map([
      [
        link.from,
        [
          ...link.topics.flatMap(topic => allow(name, 'topic', topic, ['read', 'describeConfigs'])),
          ...keepingRules(link, 'source'),
        ],
      ],
      [
        link.to,
        [
          ...link.topics.flatMap(topic => allow(name, 'topic', topic, target)),
          ...allow(name, 'cluster', CLUSTER_RESOURCE, ['clusterAction']),
          ...keepingRules(link, 'target'),
        ],
      ],
    ]),
  }
}

function keepingRules(link: ResolvedLink, end: 'source' | 'target'): AclBinding[] {
  const { keep } = link
  if (keep === undefined) return []
  const name = linkPrincipal(link.name)
  const [acls, quotas] = [keep.acls.length > 0, keep.quotas.length > 0]
  const cluster: AclOperation[] = ['describe', ...(quotas ? (['describeConfigs'] as const) : [])]
  const changes: AclOperation[] = [
    acls ? 'alter' : 'describe',
    ...(quotas ? (['alterConfigs'] as const) : []),
  ]
  const groups = [...new Set(keep.groups.map(groupsOf))]
  return [
    ...allow(name, 'cluster', CLUSTER_RESOURCE, end === 'source' ? cluster : changes),
    ...groups.flatMap(group => allow(name, 'group', group, [end === 'source' ? 'describe' : 'read'])),
  ]
}

/** What a rule can say of a pattern: a name, all that begin so, or all. */
function groupsOf(pattern: string): string {
  const isPlain = !/^\/.+\/$/.test(pattern) && !pattern.slice(0, -1).includes('*')
  return isPlain ? pattern : '*'
}

/** The workers keep the links' journal, where there is one; what they copy they copy as the links. */
function mirrorPrincipals(facts: RoleFacts): RolePrincipal[] {
  const name = MIRROR_PRINCIPAL
  const acls = new Map<string, AclBinding[]>()
  for (const cluster of facts.clusters.keys()) {
    const bindings = journals(facts, cluster, 'mirror').flatMap(topic => journalWriter(name, topic))
    if (bindings.length > 0) acls.set(cluster, bindings)
  }
  return acls.size === 0 ? [] : [{ name, role: 'mirror', acls }]
}

function archivePrincipal(facts: RoleFacts, archive: ResolvedArchive): RolePrincipal {
  const name = ARCHIVE_PRINCIPAL
  // What a stream is (host, path, tenant) stands beside the records and is archived with them.
  const streams = topicsAt(facts.flows, archive.cluster).filter(topic => topic.startsWith('ajna.streams.'))
  const topics = [...new Set([...archive.topics, ...streams])].sort()
  return {
    name,
    role: 'archive',
    acls: new Map([
      [
        archive.cluster,
        [
          ...topics.flatMap(topic => allow(name, 'topic', topic, ['read'])),
          ...journals(facts, archive.cluster, 'archive').flatMap(topic => journalWriter(name, topic)),
        ],
      ],
    ]),
  }
}

function controlPrincipal(facts: RoleFacts): RolePrincipal {
  const name = CONTROL_PRINCIPAL
  const everywhere: AclBinding[] = [
    ...allow(name, 'cluster', CLUSTER_RESOURCE, ['describe', 'describeConfigs']),
    ...allow(name, 'topic', '*', ['read', 'describeConfigs']),
    ...allow(name, 'group', '*', ['describe']),
    ...allow(name, 'transactionalId', '*', ['describe']),
  ]
  const at = (cluster: string): AclBinding[] => [
    ...everywhere,
    ...(['control', 'mirror'] as const).flatMap(owner =>
      journals(facts, cluster, owner).flatMap(topic => journalWriter(name, topic)),
    ),
  ]
  return {
    name,
    role: 'control',
    acls: new Map([...facts.clusters.keys()].map(cluster => [cluster, at(cluster)])),
  }
}

/**
 * Unregistering a dead broker and electing leaders need `alter` on the cluster; what they do is seen in the topics, what writes need in
 * their settings. What a broker serves of a damaged replica is read, for its checksums.
 */
function healerPrincipal(facts: RoleFacts): RolePrincipal {
  const name = HEALER_PRINCIPAL
  const acls = [
    ...allow(name, 'cluster', CLUSTER_RESOURCE, ['alter']),
    ...allow(name, 'topic', '*', ['read', 'describeConfigs']),
  ]
  return { name, role: 'heal', acls: new Map([...facts.clusters.keys()].map(cluster => [cluster, acls])) }
}

/** Appends commands, reads them back, and deletes what lies before a snapshot (DESIGN, journal). */
const journalWriter = (principal: string, topic: string): AclBinding[] =>
  allow(principal, 'topic', topic, ['read', 'write', 'delete'])

type JournalOwner = 'mirror' | 'archive' | 'control'

/**
 * Journals are named `ajna.<room>.<what>`: a room's workers write theirs, control writes all others. Links are changed
 * through the API too, so control also writes theirs.
 */
function journals(facts: RoleFacts, cluster: string, owner: JournalOwner): string[] {
  return topicsAt(facts.flows, cluster).filter(topic => {
    const [platform, room, what] = topic.split('.')
    if (platform !== 'ajna' || room === 'streams' || room === 'audit' || what === undefined) return false
    if (isCopy(facts.flows, cluster, topic)) return false
    return (room === 'mirror' || room === 'archive' ? room : 'control') === owner
  })
}
