import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  beyond,
  type ClusterFacts,
  compareVersions,
  knowsFeaturesOf,
  nextOf,
  reasonsNotToStop,
} from './rules.ts'

test('releases are compared number by number', () => {
  const sorted = ['4.3.1', '3.9.2', '4.10.0', '4.2.2'].sort(compareVersions)
  assert.deepEqual(sorted, ['3.9.2', '4.2.2', '4.3.1', '4.10.0'])
  assert.equal(compareVersions('4.3.1', '4.3.1'), 0)
})

test('a release knows the features of every one before it, and of those of its own line', () => {
  assert.ok(knowsFeaturesOf('4.3.1', '3.9.2'))
  assert.ok(knowsFeaturesOf('4.3.0', '4.3.1'))
  assert.ok(!knowsFeaturesOf('4.2.2', '4.3.1'))
})

test('what is finalized beyond a release is named, each feature with its levels', () => {
  const known = new Map([
    ['metadata.version', 29],
    ['group.version', 1],
  ])
  assert.deepEqual(beyond(new Map([['metadata.version', 29]]), known), [])
  assert.deepEqual(
    beyond(
      new Map([
        ['metadata.version', 30],
        ['kraft.version', 0],
        ['share.version', 1],
      ]),
      known,
    ),
    [
      'metadata.version is finalized at 30, and it knows 29 at most',
      'share.version is finalized at 1, and it knows 0 at most',
    ],
  )
})

const NOW = 1_000_000
const whole: ClusterFacts = {
  brokers: [1, 2, 3].map(id => ({ id, fenced: false })),
  partitions: [{ topic: 'orders', partition: 0, leader: 1, replicas: [1, 2, 3], isr: [1, 2, 3] }],
  quorum: { leader: 2, voters: [1, 2, 3].map(id => ({ id, caughtUpAt: NOW - (id === 2 ? 0 : 500) })) },
}
const ids = [1, 2, 3]

for (const [what, facts, said] of [
  ['is fully redundant', {}, undefined],
  ['lacks a broker', { brokers: whole.brokers.slice(1) }, /broker 1 is not up/],
  [
    'has a fenced broker',
    { brokers: whole.brokers.map(each => ({ ...each, fenced: each.id === 3 })) },
    /broker 3 is not up/,
  ],
  [
    'has a replica out of sync, of whatever topic',
    { partitions: [{ ...whole.partitions[0]!, topic: '__consumer_offsets', isr: [1, 3] }] },
    /1 partitions .*__consumer_offsets-0/,
  ],
  [
    'has a partition without a leader',
    { partitions: [{ ...whole.partitions[0]!, leader: null }] },
    /orders-0/,
  ],
  ['has no active controller', { quorum: { ...whole.quorum, leader: null } }, /no controller is active/],
  [
    'has a controller that is behind: with one more away nobody could decide',
    {
      quorum: {
        leader: 2,
        voters: [...whole.quorum.voters.slice(0, 2), { id: 3, caughtUpAt: NOW - 60_000 }],
      },
    },
    /controller 3 is behind/,
  ],
  [
    'has a controller that never caught up',
    { quorum: { leader: 2, voters: [...whole.quorum.voters.slice(1), { id: 1, caughtUpAt: null }] } },
    /controller 1 is behind/,
  ],
] as const)
  test(`a cluster that ${what}: ${said === undefined ? 'a broker may be stopped' : 'none may be stopped'}`, () => {
    const reasons = reasonsNotToStop({ ...whole, ...facts }, ids)
    if (said === undefined) assert.deepEqual(reasons, [])
    else assert.match(reasons.join('; '), said)
  })

test('the active controller is restarted last, whoever it is by then', () => {
  assert.equal(nextOf([1, 2, 3], 1), 2)
  assert.equal(nextOf([1, 3], 1), 3)
  assert.equal(nextOf([1], 1), 1)
  assert.equal(nextOf([1, 2], null), 1)
  assert.equal(nextOf([], 2), undefined)
})
