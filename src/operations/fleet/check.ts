import { type Finding, oneOf, type Path } from '../../foundation/config/problem.ts'
import { formatDuration } from '../../foundation/config/units.ts'
import { DELIVERIES_TOPIC } from '../notify/contract.ts'
import { ADMIN_PRINCIPAL } from './contract.ts'
import { type Flows, isCopy, matchesTopic, route, topicsAt, traceFlows } from './flows.ts'
import { defaultMinInsync, LOCAL_RETENTION_MS, minInsyncFault, replicationFault } from './limits.ts'
import { brokersOf, effectiveRetention, isLocalTier, replicationOf } from './reading.ts'
import type { AclSpec, FleetSpec, TopicSpec } from './schema.ts'
import { settledByFields, topicConfigNames } from './topic-config.ts'

/** What a declaration of the right shape may still not say: names that lead nowhere, and what contradicts itself. Pure. */
export function checkSpec(spec: FleetSpec): Finding[] {
  const astray = checkReferences(spec)
  return [
    ...astray,
    ...checkClusters(spec),
    ...Object.entries(spec.topics).flatMap(([name, topic]) => checkTopic(spec, name, topic)),
    ...checkCollidingNames(spec),
    ...checkNotify(spec),
    // What flows where is only worth a word once every name leads somewhere.
    ...(astray.length === 0 ? checkFlows(spec, traceFlows(declaredIn(spec))) : []),
  ]
}

function checkFlows(spec: FleetSpec, flows: Flows): Finding[] {
  return [
    ...checkLinks(spec, flows),
    ...checkPrincipals(spec, flows),
    ...checkShips(spec),
    ...checkArchive(spec, flows),
  ]
}

export const declaredIn = (spec: FleetSpec) => ({
  topics: Object.entries(spec.topics).map(([name, topic]) => ({ name, clusters: topic.cluster })),
  links: Object.entries(spec.links).map(([name, { from, to, topics }]) => ({
    name,
    from,
    to,
    patterns: topics,
  })),
})

/** A name that must be declared elsewhere in the file. */
function mustExist(
  path: Path,
  name: string,
  kind: string,
  declared: Readonly<Record<string, unknown>>,
): Finding[] {
  if (Object.hasOwn(declared, name)) return []
  return [
    {
      path,
      found: `the unknown ${kind} ${JSON.stringify(name)}`,
      allowed: oneOf(name, Object.keys(declared)),
    },
  ]
}

function checkReferences(spec: FleetSpec): Finding[] {
  const cluster = (path: Path, name: string) => mustExist(path, name, 'cluster', spec.clusters)
  const site = (path: Path, name: string) => mustExist(path, name, 'site', spec.sites)
  const tenant = (path: Path, name: string) => mustExist(path, name, 'tenant', spec.tenants)
  return [
    ...Object.entries(spec.clusters).flatMap(([name, each]) => site(['clusters', name, 'site'], each.site)),
    ...Object.entries(spec.topics).flatMap(([name, topic]) => [
      ...topic.cluster.flatMap((each, index) =>
        cluster(['topics', name, 'cluster', ...(topic.cluster.length === 1 ? [] : [index])], each),
      ),
      ...tenant(['topics', name, 'tenant'], topic.tenant),
    ]),
    ...Object.entries(spec.principals).flatMap(([name, principal]) => [
      ...(principal.clusters ?? []).flatMap((each, index) =>
        cluster(['principals', name, 'clusters', index], each),
      ),
      ...(principal.site === undefined ? [] : site(['principals', name, 'site'], principal.site)),
    ]),
    ...Object.entries(spec.links).flatMap(([name, link]) => [
      ...cluster(['links', name, 'from'], link.from),
      ...cluster(['links', name, 'to'], link.to),
      ...(link.from === link.to
        ? [
            {
              path: ['links', name, 'to'],
              found: `${link.to}, where the link starts`,
              allowed: 'another cluster than from',
            },
          ]
        : []),
    ]),
    ...spec.ship.flatMap((ship, index) => [
      ...site(['ship', index, 'site'], ship.site),
      ...tenant(['ship', index, 'tenant'], ship.tenant),
      ...mustExist(['ship', index, 'topic'], ship.topic, 'topic', spec.topics),
    ]),
    ...(spec.archive === undefined ? [] : cluster(['archive', 'cluster'], spec.archive.cluster)),
    ...(spec.connect.target === undefined ? [] : cluster(['connect', 'target'], spec.connect.target)),
    ...spec.notify.webhooks.flatMap(({ clusters = [] }, index) =>
      clusters.flatMap((each, at) => cluster(['notify', 'webhooks', index, 'clusters', at], each)),
    ),
  ]
}

function checkClusters(spec: FleetSpec): Finding[] {
  const findings: Finding[] = []
  const addresses = new Map<string, string>()
  for (const [name, cluster] of Object.entries(spec.clusters)) {
    const at = ['clusters', name]
    if (cluster.driver === 'existing') {
      cluster.bootstrap.forEach((address, index) => {
        const other = addresses.get(address)
        addresses.set(address, name)
        if (other === undefined) return
        const found = `${address}, which is also an address of ${other === name ? 'this cluster' : `cluster ${other}`}`
        findings.push({ path: [...at, 'bootstrap', index], found, allowed: 'each address once' })
      })
      continue
    }
    if (typeof cluster.brokers === 'number') {
      if ((cluster.racks?.length ?? 0) > cluster.brokers) {
        findings.push({
          path: [...at, 'racks'],
          found: `${cluster.racks!.length} racks`,
          allowed: `at most ${cluster.brokers}, the number of brokers`,
        })
      }
      continue
    }
    if (cluster.racks !== undefined) {
      findings.push({
        path: [...at, 'racks'],
        allowed: 'nothing: brokers that are listed name their own racks',
        atKey: true,
      })
    }
    const ids = new Set<number>()
    cluster.brokers.forEach(({ id, rack }, index) => {
      if (ids.has(id)) {
        findings.push({
          path: [...at, 'brokers', index, 'id'],
          found: `${id} a second time`,
          allowed: 'each broker id once',
        })
      }
      ids.add(id)
      const first = (cluster.brokers as readonly { rack?: string }[])[0]
      if ((rack === undefined) !== (first?.rack === undefined)) {
        findings.push({
          path: [...at, 'brokers', index, 'rack'],
          found: rack ?? 'no rack',
          allowed: 'a rack for every broker or for none',
        })
      }
    })
  }
  return findings
}

function checkTopic(spec: FleetSpec, name: string, topic: TopicSpec): Finding[] {
  const at = ['topics', name]
  const findings = checkTopicConfig(at, topic)
  for (const cluster of topic.cluster) {
    const declared = spec.clusters[cluster]
    if (declared === undefined) continue
    const brokers = brokersOf(declared)
    const replicas = replicationOf(topic, brokers?.length)
    const fault =
      brokers === undefined
        ? undefined
        : replicationFault(
            replicas,
            brokers.map(({ rack }) => rack),
          )
    if (fault !== undefined) {
      const found = `${replicas} replicas at cluster ${cluster}`
      findings.push({ path: [...at, 'replicationFactor'], found, allowed: fault })
    }
    const minInsync = topic.minInsyncReplicas ?? defaultMinInsync(replicas)
    const insyncFault = minInsyncFault(minInsync, replicas)
    if (insyncFault !== undefined) {
      findings.push({ path: [...at, 'minInsyncReplicas'], found: String(minInsync), allowed: insyncFault })
    }
    const kept = effectiveRetention(topic)
    if (
      kept !== undefined &&
      kept > LOCAL_RETENTION_MS &&
      isLocalTier(spec, cluster) &&
      topic.keptLonger === undefined
    ) {
      const found = `${kept === Number.POSITIVE_INFINITY ? 'forever' : formatDuration(kept)} at the local cluster ${cluster}`
      findings.push({
        path: [...at, 'retention'],
        found,
        allowed: `at most ${formatDuration(LOCAL_RETENTION_MS)}, or more with keptLonger saying why`,
      })
    }
  }
  return findings
}

function checkTopicConfig(at: Path, topic: TopicSpec): Finding[] {
  return Object.entries(topic.config).flatMap(([key, value]): Finding[] => {
    const path = [...at, 'config', key]
    const field = Object.hasOwn(settledByFields, key) ? settledByFields[key] : undefined
    if (field !== undefined) return [{ path, atKey: true, allowed: `the topic's own field ${field}` }]
    if (!topicConfigNames.includes(key)) {
      return [
        {
          path,
          atKey: true,
          found: `the unknown setting ${JSON.stringify(key)}`,
          allowed: oneOf(key, topicConfigNames),
        },
      ]
    }
    if (key === 'unclean.leader.election.enable' && value !== 'false') {
      return [{ path, allowed: 'false: an unclean election discards acknowledged records without a word' }]
    }
    return []
  })
}

/** Kafka refuses a topic whose name equals another's but for dots and underscores: their metrics would be one. */
function checkCollidingNames(spec: FleetSpec): Finding[] {
  const seen = new Map<string, string>()
  return Object.entries(spec.topics).flatMap(([name, topic]) =>
    topic.cluster.flatMap((cluster): Finding[] => {
      const key = `${cluster} ${name.replaceAll('.', '_')}`
      const other = seen.get(key)
      seen.set(key, name)
      if (other === undefined || other === name) return []
      return [
        {
          path: ['topics', name],
          atKey: true,
          found: `${name} beside ${other} at cluster ${cluster}`,
          allowed: 'names that differ in more than dots and underscores',
        },
      ]
    }),
  )
}

function checkLinks(spec: FleetSpec, flows: Flows): Finding[] {
  return Object.entries(spec.links).flatMap(([name, link]) => {
    const present = topicsAt(flows, link.from)
    return [
      ...checkPatterns(['links', name, 'topics'], link.topics, present, link.from),
      ...present
        .filter(topic => link.topics.some(pattern => matchesTopic(pattern, topic)))
        .flatMap(topic => checkCopied(spec, flows, name, topic)),
    ]
  })
}

/** One topic over one link: a single writer at the target, no way back, and room for its replicas. */
function checkCopied(spec: FleetSpec, flows: Flows, name: string, topic: string): Finding[] {
  const { from, to, topics } = spec.links[name]!
  const path = ['links', name, 'topics', topics.findIndex(pattern => matchesTopic(pattern, topic))]
  const other = flows
    .get(to)
    ?.get(topic)
    ?.find(writer => writer.by === 'producers' || writer.link.name !== name)
  if (other !== undefined) {
    const back = route(flows, topic, to, from)
    if (back !== undefined) {
      const found = `${topic} in a loop: ${[...back, to].join(' → ')}`
      return [{ path, found, allowed: 'links that never bring a topic back' }]
    }
    const who = other.by === 'producers' ? 'which producers write' : `which link ${other.link.name} writes`
    return [
      {
        path,
        found: `${topic}, ${who} at cluster ${to} as well`,
        allowed: 'one writer per topic in each cluster',
      },
    ]
  }
  const origin = spec.topics[topic]!
  if (origin.config['message.timestamp.type'] === 'LogAppendTime') {
    const found = `${topic}, whose message.timestamp.type is LogAppendTime`
    return [{ path, found, allowed: 'topics with CreateTime: a copy would get timestamps of its own' }]
  }
  const brokers = brokersOf(spec.clusters[to]!)
  const own = spec.links[name]!.replicationFactor
  const replicas = own ?? replicationOf(origin, brokersOf(spec.clusters[from]!)?.length)
  const fault =
    brokers === undefined
      ? undefined
      : replicationFault(
          replicas,
          brokers.map(({ rack }) => rack),
        )
  if (fault === undefined) return []
  return [{ path, found: `${topic} with ${replicas} replicas at cluster ${to}`, allowed: fault }]
}

function checkPatterns(
  at: Path,
  patterns: readonly string[],
  present: readonly string[],
  cluster: string,
): Finding[] {
  return patterns.flatMap((pattern, index): Finding[] => {
    if (present.some(topic => matchesTopic(pattern, topic))) return []
    const found = `${JSON.stringify(pattern)}, which no topic at cluster ${cluster} matches`
    return [{ path: [...at, index], found, allowed: oneOf(pattern, present) }]
  })
}

/** Principals that the platform makes by itself; `admin` and the brokers' may not be declared over. */
const isReserved = (name: string): boolean =>
  name === ADMIN_PRINCIPAL || name === 'ANONYMOUS' || name.startsWith('kafka-')

function checkPrincipals(spec: FleetSpec, flows: Flows): Finding[] {
  return Object.entries(spec.principals).flatMap(([name, principal]): Finding[] => {
    const at = ['principals', name]
    const clusters = principal.clusters ?? Object.keys(spec.clusters)
    return [
      ...(isReserved(name)
        ? [
            {
              path: at,
              atKey: true,
              found: `${JSON.stringify(name)}, which the platform keeps for itself`,
              allowed: 'another name',
            },
          ]
        : []),
      ...((principal.role === undefined) === (principal.site === undefined)
        ? []
        : [
            {
              path: at,
              atKey: true,
              found: principal.role === undefined ? 'a site without a role' : 'a role without a site',
              allowed: 'role and site together, or neither',
            },
          ]),
      ...principal.acls.flatMap((acl, index) => checkAcl(flows, [...at, 'acls', index], acl, clusters)),
    ]
  })
}

const CHANGES_RECORDS: ReadonlySet<string> = new Set(['write', 'delete', 'all'])

function checkAcl(flows: Flows, at: Path, acl: AclSpec, clusters: readonly string[]): Finding[] {
  if (!('topic' in acl)) return []
  const prefix = acl.topic.endsWith('*') ? acl.topic.slice(0, -1) : undefined
  if (prefix === undefined && !clusters.some(cluster => flows.get(cluster)?.has(acl.topic) === true)) {
    const known = [...new Set(clusters.flatMap(cluster => topicsAt(flows, cluster)))]
    return [
      {
        path: [...at, 'topic'],
        found: `the unknown topic ${JSON.stringify(acl.topic)}`,
        allowed: oneOf(acl.topic, known),
      },
    ]
  }
  const writing = acl.allow.find(operation => CHANGES_RECORDS.has(operation))
  if (writing === undefined) return []
  for (const cluster of clusters) {
    const copy = topicsAt(flows, cluster).find(
      topic => isCopy(flows, cluster, topic) && (prefix === undefined ? false : topic.startsWith(prefix)),
    )
    if (copy !== undefined) {
      return [
        {
          path: [...at, 'topic'],
          found: `${writing} on ${acl.topic}, which takes in ${copy} at cluster ${cluster}, a copy`,
          allowed: 'writing only where a topic is not a copy: only its link writes those',
        },
      ]
    }
  }
  if (prefix !== undefined) return []
  const writable = clusters.some(
    cluster =>
      flows
        .get(cluster)
        ?.get(acl.topic)
        ?.some(writer => writer.by === 'producers') === true,
  )
  if (writable) return []
  return [
    {
      path: [...at, 'topic'],
      found: `${writing} on ${acl.topic}, which at ${clusters.join(', ')} is a copy`,
      allowed: 'writing only where a topic is not a copy: only its link writes those',
    },
  ]
}

function checkShips(spec: FleetSpec): Finding[] {
  return spec.ship.flatMap((ship, index): Finding[] => {
    const there = spec.topics[ship.topic]!.cluster.filter(
      cluster => spec.clusters[cluster]!.site === ship.site,
    )
    if (there.length === 1) return []
    const found = `${ship.topic}, which is ${there.length === 0 ? 'not' : 'more than once'} at site ${ship.site}`
    const allowed = 'a topic of one cluster of that site: a host ships to its own'
    return [{ path: ['ship', index, 'topic'], found, allowed }]
  })
}

/** What was delivered has to be kept somewhere, and by the name of who got it. */
function checkNotify({ notify: { webhooks }, topics }: FleetSpec): Finding[] {
  const names = webhooks.map(({ name }, index) => name ?? `webhook-${index + 1}`)
  const twice = names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [
          {
            path: ['notify', 'webhooks', index, ...(webhooks[index]!.name === undefined ? [] : ['name'])],
            found: `a second webhook ${name}`,
            allowed: 'each name once',
          },
        ],
  )
  if (webhooks.length === 0 || Object.hasOwn(topics, DELIVERIES_TOPIC)) return twice
  const found = `webhooks without the topic ${DELIVERIES_TOPIC}`
  const allowed = `webhooks where ${DELIVERIES_TOPIC} is declared, on one cluster, as in config/two-sites.yaml`
  return [...twice, { path: ['notify', 'webhooks'], found, allowed }]
}

function checkArchive({ archive }: FleetSpec, flows: Flows): Finding[] {
  if (archive === undefined) return []
  return checkPatterns(
    ['archive', 'topics'],
    archive.topics,
    topicsAt(flows, archive.cluster),
    archive.cluster,
  )
}
