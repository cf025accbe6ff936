import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import { snapshot } from '../../foundation/kafka/snapshot.ts'
import { ensureKafka } from '../../foundation/kafka-dist/kafka-dist.ts'
import { type ApplyResult, applyFleet } from './apply.ts'
import type { ActualCluster, ClusterDriver, ResolvedFleet } from './contract.ts'
import { clusterExecutor } from './execute.ts'
import { planFleet } from './plan.ts'
import type { FleetPlan } from './plan-model.ts'
import { resolveFleet } from './resolve.ts'
import { readSpec } from './spec.ts'
import { topicConfigNames } from './topic-config.ts'
import { topicView } from './topic-view.ts'

/**
 * Two clusters of a declaration: `near`, real brokers with TLS and ACLs, and `far`, which nobody runs. `mine` has no link
 * to it and is applied first.
 */

const run = promisify(execFile)
let cluster: TestCluster
let admin: ClusterAdmin
let folder: string
/** The Java tools' way in: how people change things by hand. */
let toolConfig: string
let classpath: string

before(async () => {
  cluster = await startCluster({ nodes: 3, name: 'near', tls: true })
  const identity = await cluster.identity('admin')
  admin = openCluster({ bootstrap: cluster.bootstrap, clientId: 'fleet-it', tls: identity })
  folder = await mkdtemp(join(tmpdir(), 'ajna-fleet-it-'))
  toolConfig = join(folder, 'admin.properties')
  await writeFile(join(folder, 'store.pem'), `${identity.key}\n${identity.cert}`, { mode: 0o600 })
  await writeFile(join(folder, 'ca.pem'), identity.ca)
  const settings = [
    'security.protocol=SSL',
    'ssl.keystore.type=PEM',
    `ssl.keystore.location=${join(folder, 'store.pem')}`,
    'ssl.truststore.type=PEM',
    `ssl.truststore.location=${join(folder, 'ca.pem')}`,
  ]
  await writeFile(toolConfig, settings.join('\n'))
  classpath = (await ensureKafka(cluster.version)).classpath
})

after(async () => {
  await admin.close()
  await cluster[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Runs one of Kafka's own tools, as a person would. */
const byHand = (tool: string, ...args: string[]) =>
  run(
    'java',
    [
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      tool,
      '--bootstrap-server',
      cluster.bootstrap[0]!,
      '--command-config',
      toolConfig,
      ...args,
    ],
    { env: { ...process.env, CLASSPATH: classpath } },
  )

/** The brokers of `near` are the fixture's; this driver only says so. */
const driver: ClusterDriver = {
  state: async ({ name }) => (name === 'near' ? 'running' : 'absent'),
  start: async () => assert.fail('nothing is to be started here'),
}

const base = `apiVersion: ajna/v1
fleet: it
sites: { a: , b: }
clusters:
  near: { site: a, brokers: [{ id: 1, rack: rack-1 }, { id: 2, rack: rack-2 }, { id: 3, rack: rack-3 }] }
  far: { site: b, driver: existing, bootstrap: ['127.0.0.1:1'] }
tenants: { shop: }
`
const fleetOf = (rest: string): ResolvedFleet =>
  resolveFleet(readSpec(base + rest, 'ajna.yaml'), { directory: '/', home: '/' })
const mine = (orders = '', more = ''): string => `topics:
  orders: { cluster: near, tenant: shop, partitions: 3, retention: 2d${orders} }
  state: { cluster: near, tenant: shop, partitions: 1, cleanup: compact, config: { segment.ms: 3600000 } }${more}
principals:
  shop: { clusters: [near], acls: [{ topic: orders, allow: [read, write] }, { group: 'shop-*', allow: [read] }], quota: { producerBytesPerSecond: 1MiB } }
`
const declared = fleetOf(mine())

interface Applied {
  readonly plan: FleetPlan
  readonly result: ApplyResult
}

/** `far` is out of reach throughout; its executor fails fast. */
async function apply(
  fleet: ResolvedFleet,
  accepted: ResolvedFleet | null,
  allowDelete = false,
): Promise<Applied> {
  const signal = AbortSignal.timeout(60_000)
  await using nobody = openCluster({ bootstrap: ['127.0.0.1:1'], clientId: 'fleet-it' })
  const executors = new Map(
    fleet.clusters.map(each => [
      each.name,
      clusterExecutor(each, each.name === 'near' ? admin : nobody, driver),
    ]),
  )
  const actual = new Map<string, ActualCluster>()
  for (const [name, executor] of executors) actual.set(name, await executor.observe(signal))
  const input = { fleet, accepted, actual, allowDelete }
  return { plan: planFleet(input), result: await applyFleet(input, { executors, signal }) }
}

const near = (plan: FleetPlan): string[] =>
  plan.steps.filter(step => step.cluster === 'near').map(({ reason, action }) => `${reason} ${action.kind}`)
const failures = (result: ApplyResult) =>
  result.results.filter(({ state }) => state !== 'done').map(({ step, error }) => [step.text, error?.message])

test('the names of topic settings that may be declared are exactly those Kafka has', async () => {
  await admin.createTopics([{ name: 'probe', layout: { partitions: 1, replicationFactor: 1 } }])
  const [probe] = await admin.describeConfigs([{ kind: 'topic', name: 'probe' }])
  assert.deepEqual([...probe!.entries.keys()].sort(), [...topicConfigNames].sort())
  assert.equal((await admin.deleteTopics([{ name: 'probe' }]))[0]!.error, null)
})

test('a declaration is made true at the cluster that can be reached; the other is said not to be known', async () => {
  const { plan, result } = await apply(declared, null)
  assert.deepEqual(failures(result), [])
  assert.ok(
    near(plan).includes('new create-topic') &&
      near(plan).includes('new create-acls') &&
      near(plan).includes('new set-quota'),
  )
  assert.ok(
    plan.notes.some(
      note => note.kind === 'not-known' && note.cluster === 'far' && /does not answer/.test(note.text),
    ),
  )
  assert.equal(result.exit, 4)
  const again = await apply(declared, declared)
  assert.deepEqual([again.plan.steps, again.result.results], [[], []])
})

test('what the declared principal may do it can do, and a stranger cannot', async () => {
  await using shop = openCluster({
    bootstrap: cluster.bootstrap,
    clientId: 'shop',
    tls: await cluster.identity('shop'),
  })
  assert.deepEqual(
    (await shop.describeTopics('all')).map(({ name }) => name),
    ['orders'],
  )
  await using stranger = openCluster({
    bootstrap: cluster.bootstrap,
    clientId: 'mallory',
    tls: await cluster.identity('mallory'),
  })
  assert.deepEqual(await stranger.describeTopics('all'), [])
})

test('what people change by hand with Kafka’s own tools is shown as drift, and put back', async () => {
  const written = {
    resource: 'topic',
    name: 'orders',
    pattern: 'literal',
    principal: 'User:shop',
    host: '*',
    operation: 'write',
    permission: 'allow',
  } as const
  await Promise.all([
    byHand(
      'kafka.admin.ConfigCommand',
      '--alter',
      '--entity-type',
      'topics',
      '--entity-name',
      'orders',
      '--add-config',
      'retention.ms=1234,max.message.bytes=5000',
    ),
    byHand(
      'org.apache.kafka.tools.AclCommand',
      '--add',
      '--allow-principal',
      'User:shop',
      '--operation',
      'Alter',
      '--topic',
      'state',
    ),
    admin.alterConfigs([{ resource: { kind: 'topic', name: 'state' }, set: { 'segment.ms': null } }]),
    admin.alterQuotas([{ entity: { user: 'shop' }, set: { producerBytesPerSecond: 7 } }]),
    admin.deleteAcls([written]),
  ])
  const { plan, result } = await apply(declared, declared)
  assert.deepEqual(near(plan), [
    'drift set-topic-config',
    'drift set-topic-config',
    'drift create-acls',
    'drift delete-acls',
    'drift set-quota',
  ])
  const texts = plan.steps.map(({ text }) => text).join('\n')
  for (const expected of [
    'retention.ms 1234 → 172800000',
    'max.message.bytes 5000 → default',
    'segment.ms default → 3600000',
    'User:shop may write topic orders',
    'User:shop may alter topic state',
    'producerBytesPerSecond 7 → 1048576',
  ]) {
    assert.ok(texts.includes(expected), `${expected}\nnot in\n${texts}`)
  }
  assert.deepEqual(failures(result), [])
  assert.deepEqual((await apply(declared, declared)).plan.steps, [])
})

test('more partitions are added; fewer, more replicas, and deletions without leave are refused, with the reason', async () => {
  const grown = fleetOf(mine().replace('partitions: 3', 'partitions: 5'))
  const { result } = await apply(grown, declared)
  assert.deepEqual(
    result.results.map(({ step, state }) => [step.action.kind, state]),
    [['add-partitions', 'done']],
  )
  const unsafe = fleetOf(mine(', replicationFactor: 2').replace(/ {2}state: .*\n/, ''))
  const refused = await apply(unsafe, grown)
  assert.deepEqual(
    refused.plan.refusals.map(({ subject, wanted }) => `${subject}: ${wanted}`),
    [
      'topic orders: 3 partitions instead of 5',
      'topic orders: 2 replicas instead of 3',
      'topic state: to be gone: it is no longer declared',
    ],
  )
  assert.equal(refused.result.exit, 3)
  const topics = await admin.describeTopics(['orders', 'state'])
  assert.deepEqual(
    topics.map(({ name, partitions }) => [name, partitions.length, partitions[0]!.replicas.length]),
    [
      ['orders', 5, 3],
      ['state', 1, 3],
    ],
  )
})

test('a topic no longer declared is deleted with leave, and only then', async () => {
  const without = fleetOf(
    mine()
      .replace('partitions: 3', 'partitions: 5')
      .replace(/ {2}state: .*\n/, ''),
  )
  const { result } = await apply(without, fleetOf(mine().replace('partitions: 3', 'partitions: 5')), true)
  assert.deepEqual(failures(result), [])
  assert.ok(result.results.some(({ step }) => step.action.kind === 'delete-topic'))
  assert.deepEqual(await admin.describeTopics(['state']), [])
})

test('a step that the cluster refuses is a result, and the others are done all the same', async () => {
  const bad = ', bad: { cluster: near, tenant: shop, config: { compression.type: nonsense } }'
  const fleet = fleetOf(
    mine()
      .replace('partitions: 3', 'partitions: 5')
      .replace(
        '\nprincipals',
        `\n  good: { cluster: near, tenant: shop, partitions: 1 }\n${bad.replace(', ', '  ')}\nprincipals`,
      ),
  )
  const { result } = await apply(fleet, declared)
  const states = new Map(
    result.results.map(({ step, state, error }) => [step.text.split(':')[0], [state, error?.code]]),
  )
  assert.deepEqual(states.get('create topic bad'), ['failed', 'KAFKA_REFUSED'])
  assert.deepEqual(states.get('create topic good'), ['done', undefined])
  assert.match(
    result.results.find(({ state }) => state === 'failed')!.error!.message,
    /create topic bad: INVALID_CONFIG .*nonsense/,
  )
  assert.equal(result.exit, 4)
})

test('a topic is seen over all clusters, those out of reach included', async () => {
  const linked = fleetOf(`${mine()}links: { up: { from: near, to: far, topics: [orders] } }`)
  await using nobody = openCluster({ bootstrap: ['127.0.0.1:1'], clientId: 'fleet-it' })
  const snapshots = new Map([
    ['near', await snapshot(admin)],
    ['far', await snapshot(nobody, { deadlineMs: 2000 })],
  ])
  const view = topicView(linked, snapshots, 'orders')!
  assert.deepEqual(
    view.at.map(({ cluster: name, role, seen }) => [name, role, seen.kind]),
    [
      ['near', 'origin', 'there'],
      ['far', 'copy', 'not-known'],
    ],
  )
})
