import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResolvedFleet } from './contract.ts'
import { planLinks } from './plan-links.ts'
import { resolveFleet } from './resolve.ts'
import { readSpec } from './spec.ts'

const fleetOf = (links: string): ResolvedFleet =>
  resolveFleet(
    readSpec(
      `apiVersion: ajna/v1
fleet: test
sites: { a: , b: }
clusters: { near: { site: a, brokers: 3 }, far: { site: b, brokers: 3 } }
tenants: { t: }
topics: { orders: { cluster: near, tenant: t }, payments: { cluster: near, tenant: t } }
links: ${links}
`,
      'x',
    ),
    { directory: '/', home: '/' },
  )

const link = (more = ''): string => `{ up: { from: near, to: far, topics: [orders]${more} } }`
const textsOf = (after: string, before: string | null): string[] =>
  planLinks(fleetOf(after), before === null ? null : fleetOf(before)).map(({ text }) => text)

test('a plan says of links what is made, what ends, and each setting that changes', () => {
  assert.deepEqual(textsOf(link(), link()), [])
  assert.deepEqual(textsOf(link(', onLoss: continue'), null), [
    'link up is made: from near; to far; topics orders; onLoss continue',
  ])
  assert.deepEqual(textsOf('{}', link()), ['link up ends: it is no longer declared; its copies stay'])
  const settings = [
    'replicationFactor: 2',
    'onMissingTopic: wait',
    'onFewerPartitions: halt',
    'onLoss: continue',
    'onSourceDeleted: delete',
    'maxGap: 0',
    'offsets: mapped',
    'rate: { link: 10MiB, topic: 2048 }',
    'headers: [{ key: origin, value: test, act: drop }, { key: trace, act: keep }]',
    "keep: { groups: ['orders-*'], every: 1s }",
  ]
  const changed = [
    'link up: replicationFactor: as at the source → 2',
    'link up: onMissingTopic: create → wait',
    'link up: onFewerPartitions: widen → halt',
    'link up: onLoss: halt → continue',
    'link up: onSourceDeleted: halt → delete',
    'link up: maxGap: 1000000 → 0',
    'link up: offsets: identity → mapped',
    'link up: rate.link: no limit → 10MiB a second',
    'link up: rate.topic: no limit → 2KiB a second',
    'link up: headers: none → drop origin=test, keep trace',
    'link up: keep.groups: none → orders-*',
    'link up: keep.every: 5000 ms → 1000 ms',
  ]
  assert.deepEqual(textsOf(link(`, ${settings.join(', ')}`), link()), changed)
})

test('what was accepted before links had settings is read as their defaults', () => {
  const now = fleetOf(link())
  const { settings: _, ...old } = now.links[0]!
  assert.deepEqual(planLinks(now, { ...now, links: [old] }), [])
})
