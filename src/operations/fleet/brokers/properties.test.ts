import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PlacedCluster, PlacedNode } from '../contract.ts'
import { brokerSettings, renderProperties } from './properties.ts'

function clusterOf(nodes: number, security: PlacedCluster['security']): PlacedCluster {
  return {
    name: 'edge',
    site: 'west',
    version: '4.3.1',
    clusterId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    security,
    nodes: Array.from({ length: nodes }, (_, index): PlacedNode => {
      const id = index + 1
      return {
        id,
        rack: `r${id}`,
        ports: { client: 100 + id, internal: 200 + id, controller: 300 + id, jmx: 400 + id },
        home: `/home/${id}`,
        dataDirs: [`/disk-a/${id}`, `/disk-b/${id}`],
        heapMb: 256,
      }
    }),
  }
}

const mtls = { protocol: 'mtls', pki: '/pki', superUsers: ['admin'] } as const

test('three nodes: every listener asks for a certificate, access is by ACL, brokers and admin are super users', () => {
  const cluster = clusterOf(3, mtls)
  const settings = brokerSettings(cluster, cluster.nodes[1]!)
  assert.equal(settings['listener.security.protocol.map'], 'CLIENT:SSL,INTERNAL:SSL,CONTROLLER:SSL')
  assert.equal(settings['ssl.client.auth'], 'required')
  assert.equal(settings['allow.everyone.if.no.acl.found'], 'false')
  assert.equal(settings['super.users'], 'User:kafka-edge-1;User:kafka-edge-2;User:kafka-edge-3;User:admin')
  assert.equal(settings['ssl.keystore.location'], '/pki/kafka-edge-2/store.pem')
  assert.equal(settings['controller.quorum.voters'], '1@127.0.0.1:301,2@127.0.0.1:302,3@127.0.0.1:303')
  assert.equal(settings['log.dirs'], '/disk-a/2,/disk-b/2')
  assert.equal(settings['broker.rack'], 'r2')
  assert.ok(!Object.values(settings).some(value => value.includes('PLAINTEXT')))
})

test('where only some nodes are controllers, the others know how to reach them and listen for nobody', () => {
  const cluster = { ...clusterOf(3, mtls), controllers: [3] }
  const [broker, , both] = cluster.nodes.map(node => brokerSettings(cluster, node))
  assert.deepEqual([broker!['process.roles'], both!['process.roles']], ['broker', 'broker,controller'])
  assert.deepEqual(
    [broker, both].map(each => each!['controller.quorum.voters']),
    Array(2).fill('3@127.0.0.1:303'),
  )
  assert.ok(!broker!['listeners']!.includes('CONTROLLER') && both!['listeners']!.includes('CONTROLLER'))
  assert.match(broker!['listener.security.protocol.map']!, /CONTROLLER:SSL/)
})

test('the controller listener is not advertised to clients', () => {
  const cluster = clusterOf(3, mtls)
  const settings = brokerSettings(cluster, cluster.nodes[0]!)
  assert.equal(settings['advertised.listeners'], 'CLIENT://127.0.0.1:101,INTERNAL://127.0.0.1:201')
})

test('a node behind an endpoint has a listener more, advertised under its own name', () => {
  const cluster = clusterOf(3, mtls)
  const node = { ...cluster.nodes[0]!, endpoint: { port: 501, advertised: 'b1.west.example:443' } }
  const settings = brokerSettings(cluster, node)
  assert.match(settings['listeners']!, /,ENDPOINT:\/\/127\.0\.0\.1:501,CONTROLLER:/)
  assert.match(settings['advertised.listeners']!, /,ENDPOINT:\/\/b1\.west\.example:443$/)
  assert.match(settings['listener.security.protocol.map']!, /,ENDPOINT:SSL,/)
})

for (const [brokers, replicas, inSync] of [
  [1, '1', '1'],
  [2, '2', '2'],
  [3, '3', '2'],
  [5, '3', '2'],
] as const)
  test(`with ${brokers} brokers a record has ${replicas} replicas, ${inSync} before it is acknowledged`, () => {
    const cluster = clusterOf(brokers, { protocol: 'plaintext' })
    const settings = brokerSettings(cluster, cluster.nodes[0]!)
    for (const topic of [
      'default',
      'offsets.topic',
      'transaction.state.log',
      'share.coordinator.state.topic',
    ])
      assert.equal(settings[`${topic}.replication.factor`], replicas)
    for (const key of [
      'min.insync.replicas',
      'transaction.state.log.min.isr',
      'share.coordinator.state.topic.min.isr',
    ])
      assert.equal(settings[key], inSync)
  })

test("a cluster's own settings win", () => {
  const cluster = { ...clusterOf(1, mtls), settings: { 'num.io.threads': '9' } }
  assert.equal(brokerSettings(cluster, cluster.nodes[0]!)['num.io.threads'], '9')
})

test('backslashes survive Java’s properties format', () => {
  assert.equal(renderProperties({ a: 'b', c: 'd\\e' }), 'a=b\nc=d\\\\e\n')
})
