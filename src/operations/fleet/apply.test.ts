import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { act, emptySnapshot, type Simulated, simulate } from '../../../test/fleets/simulated-actual.ts'
import { type AclBinding, aclKey, aclOperations, type QuotaValues } from '../../foundation/kafka/security.ts'
import { acceptedAfter, applyFleet, type StepResult } from './apply.ts'
import type { ActualCluster, ResolvedFleet } from './contract.ts'
import { planFleet } from './plan.ts'
import type { Action, PlanInput } from './plan-model.ts'
import { resolveFleet } from './resolve.ts'
import { readSpec } from './spec.ts'

const base = `apiVersion: ajna/v1
fleet: test
sites: { a: , b: }
clusters:
  near: { site: a, brokers: 3, racks: [r1, r2, r3] }
  far: { site: b, brokers: 3 }
tenants: { t: }
`
const fleetOf = (rest: string): ResolvedFleet =>
  resolveFleet(readSpec(base + rest, 'x'), { directory: '/', home: '/' })

const simulateAll = (
  fleet: ResolvedFleet,
  actual: (cluster: string) => ActualCluster,
): Map<string, Simulated> =>
  new Map(fleet.clusters.map(cluster => [cluster.name, simulate(cluster, actual(cluster.name))]))

const inputOf = (
  fleet: ResolvedFleet,
  executors: ReadonlyMap<string, Simulated>,
  allowDelete = false,
): PlanInput => ({
  fleet,
  accepted: null,
  actual: new Map([...executors].map(([name, { actual }]) => [name, actual])),
  allowDelete,
})

const apply = (
  fleet: ResolvedFleet,
  executors: ReadonlyMap<string, Simulated>,
  progress: (result: StepResult) => void = () => {},
) => applyFleet(inputOf(fleet, executors), { executors, signal: new AbortController().signal, progress })

/** Declarations of a few topics, principals and a link, drawn at random. */
const declarations: fc.Arbitrary<ResolvedFleet> = fc
  .record({
    topics: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('x', 'y', 'z', 'ajna.fleet.journal'),
        partitions: fc.integer({ min: 1, max: 4 }),
        retention: fc.constantFrom('1d', '2d'),
        config: fc.constantFrom(
          '{}',
          '{ segment.ms: 60000 }',
          '{ compression.type: lz4, max.message.bytes: 2000 }',
        ),
      }),
      { selector: topic => topic.name, minLength: 1 },
    ),
    quota: fc.constantFrom(
      '',
      ', quota: { producerBytesPerSecond: 1000 }',
      ', quota: { requestPercentage: 50, consumerBytesPerSecond: 9 }',
    ),
    linked: fc.boolean(),
    allow: fc.uniqueArray(fc.constantFrom('read', 'describe', 'write'), { minLength: 1 }),
  })
  .map(({ topics, quota, linked, allow }) =>
    fleetOf(
      [
        'topics:',
        ...topics.map(
          ({ name, partitions, retention, config }) =>
            `  ${name}: { cluster: near, tenant: t, partitions: ${partitions}, retention: ${retention}, config: ${config} }`,
        ),
        `principals: { p: { clusters: [near], acls: [{ topic: ${topics[0]!.name}, allow: [${allow.join(', ')}] }]${quota} } }`,
        ...(linked ? [`links: { up: { from: near, to: far, topics: ['${topics[0]!.name}'] } }`] : []),
      ].join('\n'),
    ),
  )

/** What people do to a cluster behind the declaration's back. */
const meddling: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('set-topic-config' as const),
    topic: fc.constantFrom('x', 'y', 'z'),
    set: fc.dictionary(
      fc.constantFrom('retention.ms', 'segment.ms', 'cleanup.policy'),
      fc.constantFrom('1', '2', null),
    ),
  }),
  fc.record({
    kind: fc.constant('delete-topic' as const),
    topic: fc.constantFrom('x', 'y'),
    id: fc.constant('any'),
  }),
  fc.record({
    kind: fc.constantFrom('create-acls' as const, 'delete-acls' as const),
    principal: fc.constant('p'),
    bindings: fc.uniqueArray(
      fc.record({
        resource: fc.constantFrom('topic' as const, 'group' as const),
        name: fc.constantFrom('x', 'y'),
        pattern: fc.constant('literal' as const),
        principal: fc.constantFrom('User:p', 'User:q'),
        host: fc.constant('*'),
        operation: fc.constantFrom(...aclOperations),
        permission: fc.constant('allow' as const),
      }),
      { selector: binding => JSON.stringify(binding), maxLength: 3 },
    ),
  }),
  fc.record({
    kind: fc.constant('set-quota' as const),
    principal: fc.constantFrom('p', 'q'),
    set: fc.record({ producerBytesPerSecond: fc.constantFrom(1, null) }),
  }),
)

/** By the declaration itself, not by another plan: a plan that overlooks a difference would find nothing either. */
function assertAsDeclared(fleet: ResolvedFleet, executors: ReadonlyMap<string, Simulated>): void {
  for (const [cluster, { actual }] of executors) {
    const seen = actual.kind === 'seen' ? actual.snapshot : assert.fail(actual.kind)
    assert.ok(seen.topics.ok && seen.configs.ok && seen.acls.ok && seen.quotas.ok)
    for (const topic of fleet.topics.filter(each => each.cluster === cluster)) {
      const partitions = seen.topics.value.find(({ name }) => name === topic.name)?.partitions.length ?? 0
      assert.ok(partitions >= topic.partitions, topic.name)
      assert.deepEqual(seen.configs.value.findLast(each => each.topic === topic.name)?.own, topic.config)
    }
    for (const { name, grants } of fleet.principals) {
      const grant = grants.find(each => each.cluster === cluster)
      const acls: readonly AclBinding[] = (seen.acls.value ?? []).filter(
        ({ principal }) => principal === `User:${name}`,
      )
      assert.deepEqual(new Set(acls.map(aclKey)), new Set((grant?.acls ?? []).map(aclKey)), name)
      const quota: QuotaValues = seen.quotas.value.find(({ entity }) => entity.user === name)?.values ?? {}
      assert.deepEqual(quota, grant?.quota ?? {}, name)
    }
  }
}

test('after an apply nothing is left to plan, whatever was there before', async () => {
  await fc.assert(
    fc.asyncProperty(
      declarations,
      declarations,
      fc.array(meddling, { maxLength: 6 }),
      async (before, after, deeds) => {
        const executors = simulateAll(before, () => ({ kind: 'absent' }))
        await apply(before, executors)
        const near = executors.get('near')!
        assert.equal(near.actual.kind, 'seen')
        if (near.actual.kind === 'seen')
          near.actual = { kind: 'seen', snapshot: deeds.reduce(act, near.actual.snapshot) }
        const result = await apply(after, executors)
        assert.ok(result.results.every(({ state }) => state === 'done'))
        assertAsDeclared(after, executors)
        const again = planFleet(inputOf(after, executors))
        assert.deepEqual(again.steps, [])
        // Refused is only what cannot be done at all: partitions taken away.
        assert.ok(
          again.refusals.every(({ because }) => because.startsWith('Kafka cannot take partitions away')),
        )
        assert.deepEqual((await apply(after, executors)).results, [])
      },
    ),
    { numRuns: 150 },
  )
})

test('an apply that failed half-way is finished by the next', async () => {
  await fc.assert(
    fc.asyncProperty(declarations, fc.infiniteStream(fc.boolean()), async (fleet, whims) => {
      const executors = simulateAll(fleet, () => ({ kind: 'absent' }))
      for (const executor of executors.values()) executor.fails = () => whims.next().value === true
      const first = await apply(fleet, executors)
      const failed = first.results.filter(({ state }) => state !== 'done')
      assert.equal(first.exit, failed.length === 0 ? 0 : failed.length === first.results.length ? 1 : 4)
      for (const executor of executors.values()) executor.fails = () => false
      assert.equal((await apply(fleet, executors)).exit, 0)
      assert.deepEqual(planFleet(inputOf(fleet, executors)).steps, [])
    }),
    { numRuns: 100 },
  )
})

const two = fleetOf('topics: { x: { cluster: near, tenant: t }, y: { cluster: far, tenant: t } }')

test('brokers that do not start keep only their own cluster from being applied', async () => {
  const executors = simulateAll(two, () => ({ kind: 'absent' }))
  executors.get('near')!.fails = action => action.kind === 'start-brokers'
  const told: StepResult[] = []
  const result = await apply(two, executors, each => told.push(each))
  const states = (cluster: string) => [
    ...new Set(result.results.filter(({ step }) => step.cluster === cluster).map(({ state }) => state)),
  ]
  assert.deepEqual([states('near'), states('far')], [['failed', 'skipped'], ['done']])
  assert.equal(result.exit, 4)
  assert.equal(told.length, result.results.length)
})

test('a stopped cluster is started, looked at, and only then brought in line', async () => {
  const executors = simulateAll(two, () => ({ kind: 'absent' }))
  await apply(two, executors)
  const near = executors.get('near')!
  const { execute } = near
  const drifted =
    near.actual.kind === 'seen'
      ? act(near.actual.snapshot, { kind: 'set-topic-config', topic: 'x', set: { 'retention.ms': '1' } })
      : assert.fail()
  near.actual = { kind: 'stopped' }
  near.execute = async (actions, signal) => {
    if (actions[0]?.kind !== 'start-brokers') return execute(actions, signal)
    near.actual = { kind: 'seen', snapshot: drifted }
    return [null]
  }
  const result = await apply(two, executors)
  assert.deepEqual(
    result.results.map(({ step }) => step.action.kind),
    ['start-brokers', 'set-topic-config'],
  )
  assert.equal(result.exit, 0)
})

test('what is refused is left, what is safe is done, and the exit code says so', async () => {
  const wide = fleetOf(
    'topics: { x: { cluster: near, tenant: t, partitions: 9 }, y: { cluster: far, tenant: t } }',
  )
  const executors = simulateAll(wide, () => ({ kind: 'absent' }))
  await apply(wide, executors)
  const result = await apply(
    fleetOf(
      'topics: { x: { cluster: near, tenant: t, partitions: 2, retention: 1d }, y: { cluster: far, tenant: t } }',
    ),
    executors,
  )
  assert.deepEqual(
    result.results.map(({ step }) => step.action.kind),
    ['set-topic-config'],
  )
  assert.deepEqual(
    result.refusals.map(({ subject }) => subject),
    ['topic x'],
  )
  assert.equal(result.exit, 3)
})

test('an unreachable cluster is not touched, and the result says that it is not known', async () => {
  const executors = simulateAll(two, name =>
    name === 'near'
      ? { kind: 'unreachable', error: { code: 'KAFKA_UNREACHABLE', message: 'near does not answer' } }
      : { kind: 'seen', snapshot: emptySnapshot(two.clusters[0]!) },
  )
  const result = await apply(two, executors)
  assert.deepEqual([...new Set(result.results.map(({ step }) => step.cluster))], ['far'])
  assert.deepEqual(
    result.notes.map(({ kind }) => kind),
    ['not-known'],
  )
  assert.equal(result.exit, 4)
})

test('a topic that may not be deleted stays ours until it is', async () => {
  const before = fleetOf('topics: { x: { cluster: near, tenant: t }, y: { cluster: near, tenant: t } }')
  const after = fleetOf('topics: { x: { cluster: near, tenant: t } }')
  const executors = simulateAll(before, () => ({ kind: 'absent' }))
  await apply(before, executors)
  const again = async (accepted: ResolvedFleet, allowDelete: boolean) => {
    const input = { ...inputOf(after, executors, allowDelete), accepted }
    const result = await applyFleet(input, { executors, signal: new AbortController().signal })
    return { exit: result.exit, accepted: acceptedAfter(after, accepted, result) }
  }
  const refused = await again(before, false)
  assert.equal(refused.exit, 3)
  const stillRefused = await again(refused.accepted, false)
  assert.equal(stillRefused.exit, 3)
  const deleted = await again(stillRefused.accepted, true)
  assert.equal(deleted.exit, 0)
  assert.deepEqual(deleted.accepted, after)
})
