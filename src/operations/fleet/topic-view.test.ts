import assert from 'node:assert/strict'
import { test } from 'node:test'
import { act, emptySnapshot } from '../../../test/fleets/simulated-actual.ts'
import type { ClusterSnapshot } from '../../foundation/kafka/snapshot.ts'
import { renderTopic, renderTopicList } from './commands.ts'
import { resolveFleet } from './resolve.ts'
import { readSpec } from './spec.ts'
import { topicView, topicViews } from './topic-view.ts'

const fleet = resolveFleet(
  readSpec(
    `apiVersion: ajna/v1
fleet: test
sites: { a: , b: }
clusters: { near: { site: a, brokers: 3 }, far: { site: b, brokers: 3 } }
tenants: { t: }
topics: { orders: { cluster: near, tenant: t, partitions: 2 } }
links: { up: { from: near, to: far, topics: [orders] } }
`,
    'x',
  ),
  { directory: '/', home: '/' },
)
const clusterOf = (name: string) => fleet.clusters.find(cluster => cluster.name === name)!
const orders = fleet.topics[0]!

/** `ends`: the latest offset of each partition. */
function holding(cluster: string, topic: string, ends: readonly number[]): ClusterSnapshot {
  const made = act(emptySnapshot(clusterOf(cluster)), {
    kind: 'create-topic',
    topic: { ...orders, name: topic, partitions: ends.length },
  })
  return {
    ...made,
    offsets: {
      ok: true,
      value: ends.map((latest, partition) => ({ topic, partition, earliest: 10, latest, error: null })),
    },
  }
}

const near = holding('near', 'orders', [100, 200])

test('a copy lags by what its source has beyond its end', () => {
  const view = topicView(
    fleet,
    new Map([
      ['near', near],
      ['far', holding('far', 'orders', [100, 150])],
    ]),
    'orders',
  )!
  assert.deepEqual(
    view.at.map(({ cluster, role, link }) => [cluster, role, link]),
    [
      ['near', 'origin', null],
      ['far', 'copy', 'up'],
    ],
  )
  const [origin, copy] = view.at.map(({ seen }) => (seen.kind === 'there' ? seen.topic : assert.fail()))
  assert.deepEqual([origin?.lag, origin?.records], [null, 280])
  assert.deepEqual([copy?.lag, copy?.partitions.map(({ lag }) => lag)], [50, [0, 50]])
})

test('partitions that the copy does not have yet are part of its lag', () => {
  const view = topicView(
    fleet,
    new Map([
      ['near', near],
      ['far', holding('far', 'orders', [100])],
    ]),
    'orders',
  )!
  assert.equal(view.at[1]!.seen.kind === 'there' && view.at[1]!.seen.topic.lag, 190)
})

test('what is not there, and what could not be seen, is said and not taken for zero', () => {
  const blind: ClusterSnapshot = {
    ...emptySnapshot(clusterOf('near')),
    topics: { ok: false, error: { code: 'X', message: 'no answer' } },
  }
  const view = topicView(
    fleet,
    new Map([
      ['near', blind],
      ['far', emptySnapshot(clusterOf('far'))],
    ]),
    'orders',
  )!
  assert.deepEqual(
    view.at.map(({ seen }) => seen.kind),
    ['not-known', 'missing'],
  )
  const unlooked = topicView(fleet, new Map([['far', holding('far', 'orders', [5, 5])]]), 'orders')!
  assert.equal(unlooked.at[1]!.seen.kind === 'there' && unlooked.at[1]!.seen.topic.lag, null)
  assert.equal(topicView(fleet, new Map(), 'nowhere'), undefined)
})

test('undeclared topics are listed, internal ones are not', () => {
  const stray = holding('far', 'stray', [10])
  const names = topicViews(
    fleet,
    new Map([
      ['near', near],
      ['far', stray],
    ]),
  ).map(view => [view.name, view.tenant, view.at.map(({ role }) => role)])
  assert.deepEqual(names, [
    ['orders', 't', ['origin', 'copy']],
    ['stray', null, ['undeclared']],
  ])
})

test('lists and details read well and stay within 100 columns', () => {
  const snapshots = new Map([
    ['near', near],
    ['far', holding('far', 'orders', [100, 150])],
  ])
  const list = renderTopicList(topicViews(fleet, snapshots))
  assert.equal(
    list,
    [
      'TOPIC   CLUSTER  ROLE    TENANT  PARTITIONS  RF  RECORDS  LAG  STATE',
      'orders  near     origin  t                2   3      280       under-replicated',
      'orders  far      copy    t                2   3      230   50  under-replicated',
    ].join('\n'),
  )
  const detail = renderTopic(topicView(fleet, snapshots, 'orders')!)
  assert.match(detail, /^cluster far \(site b\): copy by link up$/m)
  assert.match(detail, /^ +1 +1 +1,2,3 +1 +10 +150 +50$/m)
  for (const line of `${list}\n${detail}`.split('\n')) assert.ok([...line].length <= 100, line)
})
