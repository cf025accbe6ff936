import { resolve as resolvePath } from 'node:path'
import type { AclBinding, AclResource, QuotaValues } from '../../foundation/kafka/security.ts'
import { declaredIn } from './check.ts'
import type {
  ResolvedArchive,
  ResolvedCluster,
  ResolvedFleet,
  ResolvedGrant,
  ResolvedLink,
  ResolvedNotify,
  ResolvedPrincipal,
  ResolvedShip,
  ResolvedTopic,
} from './contract.ts'
import { linkPrincipal } from './contract.ts'
import { type Flows, isCopy, matchesTopic, topicsAt, traceFlows } from './flows.ts'
import { defaultMinInsync } from './limits.ts'
import { brokersOf, isLocalTier, replicationOf, topicConfigOf } from './reading.ts'
import { agentRole, allow, auditorRole, type RoleFacts, type RolePrincipal, rolePrincipals } from './roles.ts'
import { type AclSpec, type FleetSpec, HOME_VARIABLE, type PrincipalSpec } from './schema.ts'

export interface Places {
  /** The directory of `ajna.yaml`: certificates of existing clusters are relative to it. */
  readonly directory: string
  /** The state directory. */
  readonly home: string
}

/** A declaration with every default filled in and every name looked up. Pure; the same spec gives the same text. */
export function resolveFleet(spec: FleetSpec, places: Places): ResolvedFleet {
  const flows = traceFlows(declaredIn(spec))
  const clusters = sorted(spec.clusters).map(([name]) => resolveCluster(spec, name, places))
  const links = sorted(spec.links).map(([name]) => resolveLink(spec, name, flows))
  const ships = spec.ship.map(ship => resolveShip(spec, ship, places))
  const archive = resolveArchive(spec, flows, places)
  const facts: RoleFacts = {
    sites: Object.keys(spec.sites).sort(),
    clusters: new Map(clusters.map(({ name, site }) => [name, site])),
    flows,
    links,
    ships,
    archive,
  }
  return {
    name: spec.fleet,
    sites: sorted(spec.sites).map(([name, site]) => ({ name, description: site.description ?? '' })),
    clusters,
    tenants: sorted(spec.tenants).map(([name, tenant]) => ({ name, description: tenant.description ?? '' })),
    topics: sorted(spec.topics).flatMap(([name]) => resolveTopic(spec, name)),
    principals: resolvePrincipals(spec, facts),
    links,
    ships,
    archive,
    connect: {
      access: spec.connect.access,
      port: spec.connect.port ?? null,
      target: spec.connect.target ?? null,
    },
    heal: spec.heal,
    mirror: { workers: spec.mirror.workers },
    ...(spec.notify.webhooks.length > 0 && { notify: resolveNotify(spec, places) }),
  }
}

const sorted = <Value>(record: Readonly<Record<string, Value>>): [string, Value][] =>
  Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))

function resolveCluster(spec: FleetSpec, name: string, { directory }: Places): ResolvedCluster {
  const cluster = spec.clusters[name]!
  const common = {
    name,
    site: cluster.site,
    tier: isLocalTier(spec, name) ? ('local' as const) : ('aggregate' as const),
  }
  if (cluster.driver === 'local') {
    const { version, heapMb } = cluster
    return { ...common, driver: 'local', version, nodes: brokersOf(cluster)!, heapMb }
  }
  const { tls, bootstrap, hosts } = cluster
  const file = (path: string): string => resolvePath(directory, path)
  return {
    ...common,
    driver: 'existing',
    bootstrap,
    tls: tls === undefined ? null : { ca: file(tls.ca), cert: file(tls.cert), key: file(tls.key) },
    ...(hosts === undefined ? {} : { hosts }),
  }
}

function resolveTopic(spec: FleetSpec, name: string): ResolvedTopic[] {
  const topic = spec.topics[name]!
  return [...topic.cluster].sort().map(cluster => {
    const replicationFactor = replicationOf(topic, brokersOf(spec.clusters[cluster]!)?.length)
    return {
      name,
      cluster,
      tenant: topic.tenant,
      partitions: topic.partitions,
      replicationFactor,
      config: topicConfigOf(topic, topic.minInsyncReplicas ?? defaultMinInsync(replicationFactor)),
    }
  })
}

const ALL_EVENTS = ['opened', 'proposed', 'acted', 'available', 'healed', 'failed'] as const

function resolveNotify({ notify }: FleetSpec, { directory, home }: Places): ResolvedNotify {
  return {
    webhooks: notify.webhooks.map(({ name, url, secretFile, events, clusters }, index) => ({
      name: name ?? `webhook-${index + 1}`,
      url,
      secretFile: resolvePath(directory, secretFile.replace(HOME_VARIABLE, resolvePath(home))),
      events: ALL_EVENTS.filter(event => events?.includes(event) ?? true),
      clusters: clusters ?? null,
    })),
  }
}

function resolveLink(spec: FleetSpec, name: string, flows: Flows): ResolvedLink {
  const { from, to, topics, keep, replicationFactor = null, rate, headers, ...policies } = spec.links[name]!
  const link = {
    name,
    from,
    to,
    topics: matching(topics, topicsAt(flows, from)),
    principal: linkPrincipal(name),
    settings: {
      ...policies,
      replicationFactor,
      rate: { link: rate.link ?? null, topic: rate.topic ?? null },
      headers: headers.map(({ key, value, act }) => ({ key, ...(value !== undefined && { value }), act })),
    },
  }
  if (keep === undefined) return link
  const { acls, quotas, groups, foreignPositions, every } = keep
  return { ...link, keep: { acls, quotas, groups, foreignPositions, everyMs: every } }
}

const matching = (patterns: readonly string[], topics: readonly string[]): string[] =>
  topics.filter(topic => patterns.some(pattern => matchesTopic(pattern, topic)))

function resolveShip(spec: FleetSpec, ship: FleetSpec['ship'][number], { home }: Places): ResolvedShip {
  const { site, tenant, topic } = ship
  const at = (glob: string): string => glob.replace(HOME_VARIABLE, resolvePath(home))
  return {
    site,
    cluster: spec.topics[topic]!.cluster.find(cluster => spec.clusters[cluster]!.site === site)!,
    tenant,
    topic,
    files: ship.files.map(at),
    exclude: ship.exclude.map(at),
    metricsEveryMs: ship.metrics === undefined ? null : (ship.metrics?.every ?? DEFAULT_METRICS_MS),
  }
}

/** `metrics:` with nothing after it. */
const DEFAULT_METRICS_MS = 5000

function resolveArchive(
  { archive }: FleetSpec,
  flows: Flows,
  { home, directory }: Places,
): ResolvedArchive | null {
  if (archive === undefined) return null
  const { objects } = archive
  return {
    cluster: archive.cluster,
    topics: matching(archive.topics, topicsAt(flows, archive.cluster)),
    objects:
      objects.driver === 's3'
        ? objects
        : {
            driver: 'file',
            directory:
              objects.directory === undefined
                ? resolvePath(home, 'objects')
                : resolvePath(directory, objects.directory),
          },
  }
}

/** The roles' own principals and the declared ones; a declaration under a role's name adds to it. */
function resolvePrincipals(spec: FleetSpec, facts: RoleFacts): ResolvedPrincipal[] {
  const roles = new Map(rolePrincipals(facts).map(principal => [principal.name, principal]))
  for (const [name, principal] of Object.entries(spec.principals)) {
    roles.set(name, declaredPrincipal(name, principal, facts, roles.get(name)))
  }
  return [...roles.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, role, acls }) => ({
      name,
      role,
      superUser: role === 'admin',
      grants: grantsOf(acls, spec.principals[name], facts),
    }))
}

function declaredPrincipal(
  name: string,
  principal: PrincipalSpec,
  facts: RoleFacts,
  existing: RolePrincipal | undefined,
): RolePrincipal {
  const role =
    principal.role === undefined
      ? existing
      : (principal.role === 'agent' ? agentRole : auditorRole)(facts, principal.site!, name)
  const acls = new Map<string, readonly AclBinding[]>()
  for (const cluster of facts.clusters.keys()) {
    const own = principal.clusters === undefined || principal.clusters.includes(cluster)
    const bindings = [
      ...(role?.acls.get(cluster) ?? []),
      ...(own ? principal.acls.flatMap(acl => bindingsOf(name, acl, cluster, facts.flows)) : []),
    ]
    if (bindings.length > 0) acls.set(cluster, bindings)
  }
  return { name, role: role?.role ?? 'tenant', acls }
}

const CHANGES_RECORDS: ReadonlySet<string> = new Set(['write', 'delete', 'all'])

function bindingsOf(principal: string, acl: AclSpec, cluster: string, flows: Flows): AclBinding[] {
  if ('cluster' in acl) return allow(principal, 'cluster', 'kafka-cluster', acl.allow)
  if ('group' in acl) return allow(principal, 'group', acl.group, acl.allow)
  if ('transactionalId' in acl) return allow(principal, 'transactionalId', acl.transactionalId, acl.allow)
  const literal = !acl.topic.endsWith('*')
  if (literal && flows.get(cluster)?.has(acl.topic) !== true) return []
  const copy = literal && isCopy(flows, cluster, acl.topic)
  const operations = acl.allow.filter(operation => !copy || !CHANGES_RECORDS.has(operation))
  return allow(principal, 'topic' satisfies AclResource, acl.topic, operations)
}

function grantsOf(
  acls: RolePrincipal['acls'],
  declared: PrincipalSpec | undefined,
  facts: RoleFacts,
): ResolvedGrant[] {
  const quota = declared?.quota === undefined ? null : quotaValues(declared.quota)
  return [...facts.clusters.keys()].flatMap(cluster => {
    const bindings = acls.get(cluster) ?? []
    const limited =
      quota !== null && (declared?.clusters === undefined || declared.clusters.includes(cluster))
    if (bindings.length === 0 && !limited) return []
    return [{ cluster, acls: bindings, quota: limited ? quota : null }]
  })
}

const quotaValues = (quota: NonNullable<PrincipalSpec['quota']>): QuotaValues =>
  Object.fromEntries(Object.entries(quota).filter(([, value]) => value !== undefined))
