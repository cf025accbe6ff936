import assert from 'node:assert/strict'
import { test } from 'node:test'
import { act, emptySnapshot } from '../../../test/fleets/simulated-actual.ts'
import type { AclBinding } from '../../foundation/kafka/security.ts'
import type { ClusterSnapshot } from '../../foundation/kafka/snapshot.ts'
import type { ActualCluster, ResolvedFleet } from './contract.ts'
import { planFleet } from './plan.ts'
import { type Action, exitCodeOf, type FleetPlan, type PlanInput } from './plan-model.ts'
import { resolveFleet } from './resolve.ts'
import { readSpec } from './spec.ts'

const text = `apiVersion: ajna/v1
fleet: test
sites: { a: , b: }
clusters:
  near: { site: a, brokers: 3, racks: [r1, r2, r3] }
  far: { site: b, driver: existing, bootstrap: ['far:9092'] }
tenants: { t: }
topics:
  orders: { cluster: near, tenant: t, retention: 2d }
principals: { shop: { clusters: [near], acls: [{ topic: orders, allow: [write] }], quota: { producerBytesPerSecond: 1000 } } }
links: { up: { from: near, to: far, topics: [orders] } }
`
const fleetOf = (yaml: string): ResolvedFleet =>
  resolveFleet(readSpec(yaml, 'x'), { directory: '/', home: '/' })
const declared = fleetOf(text)
const clusterOf = (name: string) => declared.clusters.find(cluster => cluster.name === name)!

/** A cluster on which everything declared is there, changed by further actions. */
function applied(cluster: string, ...more: Action[]): ClusterSnapshot {
  const empty = new Map<string, ActualCluster>([
    [cluster, { kind: 'seen', snapshot: emptySnapshot(clusterOf(cluster)) }],
  ])
  const { steps } = planFleet({ fleet: declared, accepted: null, actual: empty, allowDelete: false })
  return [...steps.map(step => step.action), ...more].reduce(act, emptySnapshot(clusterOf(cluster)))
}

interface Case {
  readonly fleet?: ResolvedFleet
  readonly accepted?: ResolvedFleet | null
  readonly near?: ActualCluster | ClusterSnapshot
  readonly far?: ActualCluster | ClusterSnapshot
  readonly allowDelete?: boolean
  readonly heldRules?: PlanInput['heldRules']
}

const seen = (each: ActualCluster | ClusterSnapshot): ActualCluster =>
  'kind' in each ? each : { kind: 'seen', snapshot: each }

const planOf = ({
  fleet = declared,
  accepted = declared,
  near = applied('near'),
  far = applied('far'),
  allowDelete = false,
  heldRules = new Map(),
}: Case): FleetPlan =>
  planFleet({
    heldRules,
    fleet,
    accepted,
    actual: new Map([
      ['near', seen(near)],
      ['far', seen(far)],
    ]),
    allowDelete,
  })

const linesOf = (plan: FleetPlan): string[] => [
  ...plan.steps.map(
    step =>
      `${step.reason}: ${step.cluster}: ${step.text}${step.warning === null ? '' : ` (${step.warning})`}`,
  ),
  ...plan.refusals.map(each => `refused: ${each.cluster}: ${each.subject}: ${each.wanted}: ${each.because}`),
  ...plan.notes.map(note => `note: ${note.text}`),
]

const changed = (from: string, to: string): ResolvedFleet => {
  assert.ok(text.includes(from), from)
  return fleetOf(text.replace(from, to))
}
const setConfig = (set: Record<string, string | null>): Action => ({
  kind: 'set-topic-config',
  topic: 'orders',
  set,
})
const stranger: AclBinding = {
  resource: 'topic',
  name: 'orders',
  pattern: 'literal',
  principal: 'User:mallory',
  host: '*',
  operation: 'read',
  permission: 'allow',
}
const byHand: AclBinding = { ...stranger, principal: 'User:shop', operation: 'delete' }
const createTopic = (name: string): Action => ({
  kind: 'create-topic',
  topic: { name, cluster: 'near', tenant: 't', partitions: 2, replicationFactor: 3, config: {} },
})
const failed = { ok: false, error: { code: 'KAFKA_DEADLINE', message: 'too slow' } } as const

const broker = (id: number, rack: string, fenced = false) => ({ id, rack, fenced, host: 'h', port: 1 })
const emptyBut = (topic: string): ClusterSnapshot =>
  act(applied('near'), { kind: 'delete-topic', topic, id: 'x' })
const withOther = fleetOf(
  text.replace('topics:\n', 'topics:\n  other: { cluster: near, tenant: t, partitions: 2 }\n'),
)
const withFar = fleetOf(text.replace('topics:\n', 'topics:\n  there: { cluster: far, tenant: t }\n'))
const holding = (topic: string, records: number): ClusterSnapshot => ({
  ...applied('near', createTopic(topic)),
  offsets: { ok: true, value: [{ topic, partition: 0, earliest: 3, latest: 3 + records, error: null }] },
})

const cases: readonly (readonly [string, Case, ...string[]])[] = [
  ['what is as declared needs nothing', {}],
  [
    'a setting changed by hand is drift, and put back',
    { near: applied('near', setConfig({ 'retention.ms': '1000' })) },
    'drift: near: set topic orders: retention.ms 1000 → 172800000',
  ],
  [
    'a setting added by hand is drift, and taken away',
    { near: applied('near', setConfig({ 'max.message.bytes': '9' })) },
    'drift: near: set topic orders: max.message.bytes 9 → default',
  ],
  [
    'a reassignment’s throttle is not drift',
    { near: applied('near', setConfig({ 'leader.replication.throttled.replicas': '*' })) },
  ],
  [
    'a setting changed in the file is a change',
    { fleet: changed('retention: 2d', 'retention: 1d') },
    'changed: near: set topic orders: retention.ms 172800000 → 86400000 (records older or beyond that are deleted)',
  ],
  [
    'drift and change in one topic are told apart',
    {
      fleet: changed('retention: 2d', 'retention: 3d'),
      near: applied('near', setConfig({ 'segment.ms': '9' })),
    },
    'changed: near: set topic orders: retention.ms 172800000 → 259200000',
    'drift: near: set topic orders: segment.ms 9 → default',
  ],
  [
    'without an accepted declaration a difference is only that',
    { accepted: null, near: applied('near', setConfig({ 'retention.ms': '1000' })) },
    'differs: near: set topic orders: retention.ms 1000 → 172800000',
  ],
  [
    'more partitions are added, with a warning',
    { fleet: changed('retention: 2d', 'retention: 2d, partitions: 9') },
    'changed: near: add partitions to topic orders: 6 → 9 (keyed records go to other partitions from then on; partitions cannot be taken away again)',
  ],
  [
    'fewer partitions are refused',
    { fleet: changed('retention: 2d', 'retention: 2d, partitions: 3') },
    'refused: near: topic orders: 3 partitions instead of 6: Kafka cannot take partitions away; make another topic and move its readers and writers',
  ],
  [
    'another replication factor is refused',
    { fleet: changed('retention: 2d', 'retention: 2d, replicationFactor: 2') },
    'changed: near: set topic orders: min.insync.replicas 2 → 1',
    'refused: near: topic orders: 2 replicas instead of 3: that moves or drops whole replicas: it is a reassignment under a lease, not a setting',
  ],
  [
    'a topic that is too thin for its min ISR is refused as it is',
    {
      near: act(emptyBut('orders'), {
        kind: 'create-topic',
        topic: { ...declared.topics[0]!, replicationFactor: 2 },
      }),
    },
    'refused: near: topic orders: min.insync.replicas=2: it must be less than the replication factor 2: else one broker away stops every acks=all write',
    'refused: near: topic orders: 3 replicas instead of 2: that moves or drops whole replicas: it is a reassignment under a lease, not a setting',
  ],
  [
    'more replicas than brokers are refused at a cluster run by others',
    {
      fleet: withFar,
      accepted: withFar,
      far: {
        ...applied('far'),
        cluster: { ok: true, value: { id: 'f', brokers: [broker(1, 'x'), broker(2, 'x'), broker(3, 'y')] } },
      },
    },
    'refused: far: topic there: 3 replicas: this cluster allows at most 2, the number of racks: two replicas in one rack are lost together',
  ],
  [
    'a vanished topic is made again, and said to be lost',
    { near: act(applied('near'), { kind: 'delete-topic', topic: 'orders', id: 'x' }) },
    'drift: near: create topic orders: 6 partitions × 3 replicas, cleanup.policy=delete, min.insync.replicas=2, retention.ms=172800000 (it was there before: whatever it held is gone)',
  ],
  [
    'a topic nobody declared is told and left, whatever may be deleted',
    { near: applied('near', createTopic('other')), allowDelete: true },
    'note: Topic other at cluster near is not declared; it is left as it is.',
  ],
  ['Kafka’s own topics are not spoken of', { near: applied('near', createTopic('__consumer_offsets')) }],
  ['a link’s copies are left alone', { far: applied('far', createTopic('orders')) }],
  [
    'the copy of a link that is gone is told and left',
    { fleet: fleetOf(text.replace(/links: .*\n/, '')), far: applied('far', createTopic('orders')) },
    'changed: far: take away 7 rules of link-up: User:link-up may create topic orders and 6 more',
    'changed: near: take away 2 rules of link-up: User:link-up may read topic orders and 1 more',
    'note: Topic orders at cluster far was the copy of a link that is no longer declared; it is left as it is.',
  ],
  [
    'a topic taken out of the file is not deleted without leave',
    { accepted: withOther, near: holding('other', 7) },
    'refused: near: topic other: to be gone: it is no longer declared: 7 records would be deleted; say --allow-delete to do it',
  ],
  [
    'a topic taken out of the file is deleted with leave',
    { accepted: withOther, near: holding('other', 7), allowDelete: true },
    'changed: near: delete topic other (7 records are deleted for good)',
  ],
  [
    'a rule added by hand is drift, and taken away',
    { near: applied('near', { kind: 'create-acls', principal: 'shop', bindings: [byHand] }) },
    'drift: near: take away 1 rule of shop: User:shop may delete topic orders',
  ],
  [
    'a rule taken away by hand is drift, and given back',
    {
      near: applied('near', {
        kind: 'delete-acls',
        principal: 'shop',
        bindings: [{ ...byHand, operation: 'write' }],
      }),
    },
    'drift: near: add 1 rule of shop: User:shop may write topic orders',
  ],
  [
    'rules that a link answers for are left, whoever they are about, and said once',
    {
      near: applied(
        'near',
        { kind: 'create-acls', principal: 'shop', bindings: [byHand] },
        { kind: 'create-acls', principal: 'mallory', bindings: [stranger] },
      ),
      heldRules: new Map([['near', [byHand, stranger]]]),
    },
    'note: 2 rules at cluster near belong to links whose sides are switched, or that keep them in step: User:shop may delete topic orders, …; they are left as they are.',
  ],
  [
    'rules are not taken away while nobody can tell whether a link holds them',
    {
      near: applied('near', { kind: 'create-acls', principal: 'shop', bindings: [byHand] }),
      heldRules: 'unknown',
    },
    'note: 1 rule at cluster near is not declared: User:shop may delete topic orders. Whether links hold them is in their journal, which cannot be read just now; they are left as they are.',
  ],
  [
    'rules of a principal nobody declared are told and left',
    { near: applied('near', { kind: 'create-acls', principal: 'mallory', bindings: [stranger] }) },
    'note: User:mallory is not declared and has 1 rule at cluster near; they are left as they are.',
  ],
  [
    'a principal taken out of the file loses its rules and quota',
    { fleet: fleetOf(text.replace(/principals: .*\n/, '')) },
    'changed: near: take away 1 rule of shop: User:shop may write topic orders',
    'changed: near: set the quota of shop: producerBytesPerSecond 1000 → unlimited',
  ],
  [
    'a quota changed by hand is drift, and put back',
    {
      near: applied('near', {
        kind: 'set-quota',
        principal: 'shop',
        set: { producerBytesPerSecond: 5, requestPercentage: 1 },
      }),
    },
    'drift: near: set the quota of shop: producerBytesPerSecond 5 → 1000, requestPercentage 1 → unlimited',
  ],
  [
    'a cluster without an authorizer is told',
    { near: { ...applied('near'), acls: { ok: true, value: null } } },
    'note: Cluster near has no authorizer: anybody may do anything, 12 declared rules cannot hold.',
  ],
  [
    'a part that cannot be seen is told, and what can be seen is still compared',
    { near: { ...applied('near', setConfig({ 'retention.ms': '1' })), acls: failed } },
    'drift: near: set topic orders: retention.ms 1 → 172800000',
    'note: Cluster near: acls could not be seen (too slow)',
  ],
  [
    'settings that cannot be seen are not guessed at',
    { near: { ...applied('near'), configs: failed } },
    'note: Cluster near: configs could not be seen (too slow)',
  ],
  [
    'a cluster that cannot be reached does not keep the other from its plan',
    {
      far: { kind: 'unreachable', error: { code: 'KAFKA_UNREACHABLE', message: 'far:9092 does not answer' } },
      near: applied('near', setConfig({ 'retention.ms': '1' })),
    },
    'drift: near: set topic orders: retention.ms 1 → 172800000',
    'note: Cluster far cannot be reached: far:9092 does not answer',
  ],
  [
    'a cluster that stands still is started, and what is on it is not known until then',
    { near: { kind: 'stopped' } },
    'drift: near: start brokers 1, 2, 3',
    'note: Cluster near does not run: what else differs shows once it does',
  ],
  [
    'a broker that is declared and not there is started',
    {
      near: {
        ...applied('near'),
        cluster: { ok: true, value: { id: 'n', brokers: [broker(1, 'r1'), broker(2, 'r2', true)] } },
      },
    },
    'drift: near: start brokers 2, 3',
  ],
  [
    'a broker that is there and not declared, or in another rack, is not touched',
    {
      near: {
        ...applied('near'),
        cluster: {
          ok: true,
          value: { id: 'n', brokers: [broker(1, 'r1'), broker(2, 'r2'), broker(3, 'r9'), broker(4, 'r1')] },
        },
      },
    },
    'refused: near: broker 3: rack r3 instead of r9: replicas were placed by the rack it has; it changes with a restart and a reassignment',
    'refused: near: broker 4: to be gone: it is not declared: its replicas would have to be moved first; a cluster is not shrunk by leaving a broker out',
  ],
  [
    'a cluster taken out of the file is told and left',
    { accepted: { ...declared, clusters: [...declared.clusters, { ...clusterOf('near'), name: 'old' }] } },
    'note: Cluster old is no longer declared. Its brokers and data are left as they are.',
  ],
]

for (const [name, each, ...expected] of cases) {
  test(name, () => assert.deepEqual(linesOf(planOf(each)), expected))
}

test('an absent cluster is made whole: brokers first, then topics, then rights', () => {
  const { steps, refusals } = planOf({ accepted: null, near: { kind: 'absent' } })
  const kinds = steps.filter(({ cluster }) => cluster === 'near').map(({ action }) => action.kind)
  assert.deepEqual([...new Set(kinds)], ['start-brokers', 'create-topic', 'create-acls', 'set-quota'])
  assert.deepEqual(refusals, [])
})

test('steps keep their ids from one plan to the next, and no two share one', () => {
  const ids = planOf({ accepted: null, near: { kind: 'absent' } }).steps.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(ids.includes('near/create-topic/orders'))
})

test('the exit code says refused, not known, or all there', () => {
  assert.equal(exitCodeOf(planOf({})), 0)
  assert.equal(exitCodeOf(planOf({ far: { kind: 'stopped' } })), 4)
  assert.equal(exitCodeOf(planOf({ fleet: changed('retention: 2d', 'retention: 2d, partitions: 3') })), 3)
})

test('another number of mirror workers is a change of the machines, once', () => {
  const more = fleetOf(`${text}mirror: { workers: 3 }\n`)
  const changed = (fleet: ResolvedFleet, accepted: ResolvedFleet | null) =>
    planOf({ fleet, accepted }).machines
  assert.deepEqual(
    changed(more, declared).map(({ from, to }) => [from, to]),
    [[1, 3]],
  )
  assert.match(changed(more, declared)[0]!.text, /: 2 take their share of the partitions, the others stay$/)
  assert.match(changed(declared, more)[0]!.text, /: 2 give theirs up in order, the others stay$/)
  assert.deepEqual(changed(more, more), [])
  assert.deepEqual(changed(more, null), [])
})
