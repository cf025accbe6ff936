import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { AclBinding } from '../../foundation/kafka/security.ts'
import { LINKS_TOPIC } from '../mirror/links/contract.ts'
import { ACTIVITY_TOPIC } from './activity/contract.ts'
import type { ResolvedFleet } from './contract.ts'
import { INTERLOCK_TOPIC } from './interlock/machine.ts'
import { resolveFleet } from './resolve.ts'
import { readSpec } from './spec.ts'

const places = { directory: '/etc/ajna', home: '/var/lib/ajna' }
const fleetOf = (text: string): ResolvedFleet => resolveFleet(readSpec(text, 'ajna.yaml'), places)
const twoSites = (): ResolvedFleet =>
  fleetOf(readFileSync(new URL('../../../config/two-sites.yaml', import.meta.url), 'utf8'))

const aclsOf = (fleet: ResolvedFleet, principal: string, cluster: string): readonly AclBinding[] =>
  fleet.principals.find(({ name }) => name === principal)?.grants.find(grant => grant.cluster === cluster)
    ?.acls ?? []

const may = (acls: readonly AclBinding[], operation: string, resource: string, name: string): boolean =>
  acls.some(
    acl =>
      acl.operation === operation && acl.resource === resource && (acl.name === name || acl.name === '*'),
  )

const base = (rest: string): string => `apiVersion: ajna/v1
fleet: test
sites: { edge: , hub: }
clusters:
  edge: { site: edge, brokers: 3 }
  hub: { site: hub, brokers: 3 }
tenants: { shop: }
topics: { orders: { cluster: edge, tenant: shop }, state: { cluster: hub, tenant: shop, cleanup: compact } }
links: { up: { from: edge, to: hub, topics: [orders] } }
${rest}`

test('defaults: three replicas, one of which may be away, kept for four days', () => {
  const topic = fleetOf(base('')).topics.find(({ name }) => name === 'orders')
  assert.deepEqual(topic, {
    name: 'orders',
    cluster: 'edge',
    tenant: 'shop',
    partitions: 6,
    replicationFactor: 3,
    config: { 'cleanup.policy': 'delete', 'min.insync.replicas': '2', 'retention.ms': '345600000' },
  })
})

test('a cluster of one broker gets one replica that must be there', () => {
  const text = base('').replaceAll('brokers: 3', 'brokers: 1')
  const topic = fleetOf(text).topics[0]!
  assert.deepEqual([topic.replicationFactor, topic.config['min.insync.replicas']], [1, '1'])
})

test('racks are dealt out to a number of brokers in turn', () => {
  const fleet = fleetOf(
    base('')
      .replace('edge: { site: edge, brokers: 3 }', 'edge: { site: edge, brokers: 3, racks: [a, b] }')
      .replace('cluster: edge, tenant: shop', 'cluster: edge, tenant: shop, replicationFactor: 2'),
  )
  const cluster = fleet.clusters.find(({ name }) => name === 'edge')!
  assert.deepEqual(cluster.driver === 'local' && cluster.nodes, [
    { id: 1, rack: 'a' },
    { id: 2, rack: 'b' },
    { id: 3, rack: 'a' },
  ])
})

test('a link has the rights that what it keeps in step needs, and no others', () => {
  const keeping = (keep: string): ResolvedFleet =>
    fleetOf(base('').replace('topics: [orders] }', `topics: [orders], keep: { ${keep} } }`))
  const more = (keep: string, cluster: string): string[] => {
    const before = new Set(aclsOf(fleetOf(base('')), 'link-up', cluster).map(each => JSON.stringify(each)))
    return aclsOf(keeping(keep), 'link-up', cluster)
      .filter(each => !before.has(JSON.stringify(each)))
      .map(({ operation, resource, name, pattern }) => `${operation} ${resource} ${name} ${pattern}`)
  }
  const all = "acls: ['User:*'], quotas: ['user=*'], groups: [exact, app-*, 'a*b']"
  assert.deepEqual(more(all, 'edge'), [
    'describe cluster kafka-cluster literal',
    'describeConfigs cluster kafka-cluster literal',
    'describe group exact literal',
    'describe group app- prefixed',
    'describe group * literal',
  ])
  assert.deepEqual(more(all, 'hub'), [
    'alter cluster kafka-cluster literal',
    'alterConfigs cluster kafka-cluster literal',
    'read group exact literal',
    'read group app- prefixed',
    'read group * literal',
  ])
  assert.deepEqual(more('groups: [exact]', 'hub'), [
    'describe cluster kafka-cluster literal',
    'read group exact literal',
  ])
  assert.deepEqual(keeping('groups: [exact], every: 2s').links[0]?.keep, {
    acls: [],
    quotas: [],
    groups: ['exact'],
    foreignPositions: 'leave',
    everyMs: 2_000,
  })
  assert.throws(() => keeping('groups: [exact], every: 10ms'), /a duration from 500ms to 1h/)
  assert.throws(() => keeping('groups: ["/(/"]'), /regular expression/)
})

test('nobody but its link may write a copy', () => {
  for (const fleet of [
    twoSites(),
    fleetOf(base('principals: { shop: { acls: [{ topic: orders, allow: [all, read] }] } }')),
  ]) {
    for (const link of fleet.links) {
      for (const topic of link.topics) {
        const writers = fleet.principals.filter(
          ({ name }) =>
            may(aclsOf(fleet, name, link.to), 'write', 'topic', topic) ||
            may(aclsOf(fleet, name, link.to), 'all', 'topic', topic),
        )
        assert.deepEqual(
          writers.map(({ name }) => name),
          [link.principal],
          `${topic} at ${link.to}`,
        )
      }
    }
  }
})

test('a literal grant follows the topic: reading everywhere it is, writing where it is written', () => {
  const fleet = fleetOf(base('principals: { shop: { acls: [{ topic: orders, allow: [read, write] }] } }'))
  assert.deepEqual(
    aclsOf(fleet, 'shop', 'edge').map(acl => acl.operation),
    ['read', 'write'],
  )
  assert.deepEqual(
    aclsOf(fleet, 'shop', 'hub').map(acl => acl.operation),
    ['read'],
  )
})

test('roles have what their work needs, and what they do not need they do not have', () => {
  const fleet = twoSites()
  const agent = aclsOf(fleet, 'agent-edge', 'edge')
  assert.ok(may(agent, 'write', 'topic', 'logs.edge') && may(agent, 'read', 'topic', 'logs.edge'))
  assert.ok(may(agent, 'write', 'transactionalId', 'agent-edge.'))
  assert.ok(!may(agent, 'write', 'topic', 'ajna.audit.edge'), 'the auditor is independent of the shipper')
  assert.deepEqual(aclsOf(fleet, 'agent-edge', 'hub'), [])

  const link = aclsOf(fleet, 'link-edge-to-hub', 'hub')
  for (const operation of ['create', 'read', 'write', 'delete', 'alter', 'alterConfigs']) {
    assert.ok(may(link, operation, 'topic', 'logs.edge'), operation)
  }
  assert.ok(may(link, 'clusterAction', 'cluster', 'kafka-cluster'))
  const source = aclsOf(fleet, 'link-edge-to-hub', 'edge').map(acl => acl.operation)
  assert.deepEqual([...new Set(source)].sort(), ['describeConfigs', 'read'])

  const archive = aclsOf(fleet, 'archive', 'hub')
  assert.deepEqual([...new Set(archive.map(acl => acl.operation))], ['read'])
  assert.ok(may(archive, 'read', 'topic', 'logs.edge') && !may(archive, 'read', 'topic', 'metrics.edge'))

  for (const cluster of ['edge', 'hub']) {
    const control = aclsOf(fleet, 'control', cluster)
    assert.ok(may(control, 'read', 'topic', 'logs.edge') && !may(control, 'write', 'topic', 'logs.edge'))
    assert.ok(!may(control, 'write', 'topic', 'anything'))
  }
  assert.deepEqual(
    fleet.principals.filter(each => each.superUser).map(each => each.name),
    ['admin'],
  )
})

test('the default fleet has the journals, kept until their writers delete, and none but those write them', () => {
  const fleet = twoSites()
  for (const [topic, clusters, expected] of [
    [ACTIVITY_TOPIC, ['hub'], ['control']],
    [INTERLOCK_TOPIC, ['edge', 'hub'], ['control']],
    [LINKS_TOPIC, ['hub'], ['control', 'mirror']],
  ] as const) {
    const journals = fleet.topics.filter(({ name }) => name === topic)
    assert.deepEqual(
      journals.map(({ cluster }) => cluster),
      clusters,
    )
    for (const { cluster, partitions, config } of journals) {
      assert.deepEqual(
        [partitions, config['retention.ms'], config['cleanup.policy'], config['min.insync.replicas']],
        [1, '-1', 'delete', '2'],
      )
      const writers = fleet.principals.filter(({ name }) =>
        may(aclsOf(fleet, name, cluster), 'write', 'topic', topic),
      )
      assert.deepEqual(
        writers.map(({ name }) => name),
        expected,
      )
      for (const name of expected)
        assert.ok(may(aclsOf(fleet, name, cluster), 'delete', 'topic', topic), 'DeleteRecords')
    }
  }
})

test('a second agent gets its site’s rights by naming its role, and a quota of its own', () => {
  const fleet = fleetOf(
    base(`ship: [{ site: edge, tenant: shop, topic: orders, files: [/x] }]
principals: { agent-host1: { role: agent, site: edge, clusters: [edge], quota: { producerBytesPerSecond: 1MiB } } }`),
  )
  const principal = fleet.principals.find(({ name }) => name === 'agent-host1')!
  assert.equal(principal.role, 'agent')
  assert.ok(may(aclsOf(fleet, 'agent-host1', 'edge'), 'write', 'topic', 'orders'))
  assert.ok(may(aclsOf(fleet, 'agent-host1', 'edge'), 'write', 'transactionalId', 'agent-host1.'))
  assert.deepEqual(
    principal.grants.map(({ cluster, quota }) => [cluster, quota]),
    [['edge', { producerBytesPerSecond: 1_048_576 }]],
  )
})

test('paths are made absolute, the state directory filled in', () => {
  const fleet = twoSites()
  assert.ok(fleet.ships[0]!.files.includes('/var/lib/ajna/logs/*.log'))
  assert.deepEqual(fleet.archive?.objects, { driver: 'file', directory: '/var/lib/ajna/objects' })
  const existing = fleetOf(
    base('').replace(
      'hub: { site: hub, brokers: 3 }',
      'hub: { site: hub, driver: existing, bootstrap: ["k:1"], tls: { ca: ca.pem, cert: /c.pem, key: k.pem } }',
    ),
  )
  const cluster = existing.clusters.find(({ name }) => name === 'hub')!
  assert.deepEqual(cluster.driver === 'existing' && cluster.tls, {
    ca: '/etc/ajna/ca.pem',
    cert: '/c.pem',
    key: '/etc/ajna/k.pem',
  })
})
