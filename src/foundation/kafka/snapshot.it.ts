import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { rootCertificates } from 'node:tls'
import { startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { isAjnaError } from '../errors/errors.ts'
import { type ClusterAdmin, openCluster } from './admin.ts'
import { KAFKA_DEADLINE, KAFKA_UNREACHABLE } from './errors.ts'
import { problemsOf } from './problems.ts'
import type { AclBinding } from './security.ts'
import { type ClusterSnapshot, snapshot, snapshotParts } from './snapshot.ts'

/** One cluster of our own, with TLS and ACLs: its brokers are frozen and killed here. */

const DEADLINE_MS = 9000
/** What a caller waits at most beyond the deadline on a loaded machine. */
const GRACE_MS = 3000

let cluster: TestCluster
let admin: ClusterAdmin

before(async () => {
  cluster = await startCluster({ nodes: 3, name: 'snapshot', tls: true })
  admin = openCluster({
    bootstrap: cluster.bootstrap,
    clientId: 'snapshot-it',
    tls: await cluster.identity('admin'),
  })
  const created = await admin.createTopics([
    {
      name: 't',
      layout: { partitions: 3, replicationFactor: 3 },
      config: { 'min.insync.replicas': '2', 'retention.ms': '60000' },
    },
  ])
  assert.equal(created[0]!.error, null)
})

after(async () => {
  await admin.close()
  await cluster[Symbol.asyncDispose]()
})

const notKnown = (seen: ClusterSnapshot): string[] => snapshotParts.filter(part => !seen[part].ok)
const kindsOf = (seen: ClusterSnapshot): string[] => [
  ...new Set(problemsOf(seen, { brokers: [1, 2, 3], usableShare: 0 }).map(({ kind }) => kind)),
]

async function until(
  look: () => Promise<ClusterSnapshot>,
  holds: (seen: ClusterSnapshot) => boolean,
): Promise<ClusterSnapshot> {
  for (;;) {
    const seen = await look()
    if (holds(seen)) return seen
    await pause(200)
  }
}

const acl: AclBinding = {
  resource: 'topic',
  name: 't',
  pattern: 'literal',
  principal: 'User:reader',
  host: '*',
  operation: 'describe',
  permission: 'allow',
}

test('a healthy cluster is seen whole, and nothing is wrong with it', async () => {
  assert.equal((await admin.createAcls([acl]))[0]!.error, null)
  const seen = await until(
    () => snapshot(admin),
    each => each.acls.ok && each.acls.value?.length === 1,
  )
  assert.deepEqual(notKnown(seen), [])
  assert.ok(
    Object.isFrozen(seen.topics) && seen.cluster.ok && seen.quorum.ok && seen.topics.ok && seen.configs.ok,
  )
  assert.ok(seen.logDirs.ok && seen.offsets.ok && seen.features.ok && seen.acls.ok)
  assert.equal(seen.cluster.value.id, cluster.clusterId)
  assert.deepEqual(
    seen.cluster.value.brokers.map(({ id, rack, fenced }) => [id, rack, fenced]),
    [
      [1, 'rack-1', false],
      [2, 'rack-2', false],
      [3, 'rack-3', false],
    ],
  )
  assert.deepEqual(
    seen.quorum.value.voters.map(({ id }) => id),
    [1, 2, 3],
  )
  assert.ok([1, 2, 3].includes(seen.quorum.value.leader ?? -1))
  assert.deepEqual(seen.configs.value, [
    { topic: 't', own: { 'min.insync.replicas': '2', 'retention.ms': '60000' }, minInsyncReplicas: 2 },
  ])
  assert.deepEqual(
    seen.offsets.value.map(({ earliest, latest }) => [earliest, latest]),
    [
      [0, 0],
      [0, 0],
      [0, 0],
    ],
  )
  assert.deepEqual(seen.acls.value, [acl])
  assert.ok((seen.features.value.find(({ name }) => name === 'metadata.version')?.finalized ?? 0) > 0)
  for (const { dirs } of seen.logDirs.value) {
    assert.ok(
      dirs.ok &&
        dirs.value[0]!.error === null &&
        dirs.value[0]!.totalBytes! > 0 &&
        dirs.value[0]!.replicas.some(({ topic }) => topic === 't'),
    )
  }
  assert.deepEqual(kindsOf(seen), [])
  assert.doesNotThrow(() => JSON.stringify(seen))
})

describe('who may not see something is told so, part by part', () => {
  test('a stranger sees that the cluster is there, and not its access lists', async () => {
    await using stranger = openCluster({
      bootstrap: cluster.bootstrap,
      clientId: 'stranger',
      tls: await cluster.identity('stranger'),
    })
    const seen = await snapshot(stranger)
    assert.ok(seen.cluster.ok && seen.topics.ok && seen.topics.value.length === 0)
    assert.ok(!seen.acls.ok && /CLUSTER_AUTHORIZATION_FAILED/.test(seen.acls.error.message))
    assert.ok(!seen.quorum.ok && !seen.quotas.ok)
  })

  test('without TLS, or with a certificate of another authority, the reason is said', async () => {
    await using plain = openCluster({ bootstrap: cluster.bootstrap, clientId: 'plain' })
    await assert.rejects(
      plain.brokers({ deadlineMs: DEADLINE_MS }),
      error => isAjnaError(error, KAFKA_UNREACHABLE) && /requires TLS/.test(error.message),
    )
    const { cert, key } = await cluster.identity('admin')
    await using distrustful = openCluster({
      bootstrap: cluster.bootstrap,
      clientId: 'other',
      tls: { ca: rootCertificates[0]!, cert, key },
    })
    await assert.rejects(
      distrustful.brokers({ deadlineMs: DEADLINE_MS }),
      error => isAjnaError(error, KAFKA_UNREACHABLE) && /certificate/.test(error.message),
    )
  })
})

test('a caller that gives up is not kept waiting', async () => {
  const given = new AbortController()
  const reason = new Error('enough')
  const taking = snapshot(admin, { signal: given.signal })
  given.abort(reason)
  await assert.rejects(taking, reason)
})

test('a frozen broker costs its own parts only, within the deadline, and is named as what is wrong', async () => {
  const frozen = cluster.nodes[2]!
  assert.ok(await frozen.kill('SIGSTOP'))
  try {
    const began = performance.now()
    const seen = await snapshot(admin, { deadlineMs: DEADLINE_MS })
    assert.ok(performance.now() - began < DEADLINE_MS + GRACE_MS)
    assert.ok(seen.cluster.ok && seen.topics.ok && seen.acls.ok && seen.logDirs.ok)
    const dirs = new Map(seen.logDirs.value.map(each => [each.broker, each.dirs.ok]))
    assert.deepEqual([dirs.get(1), dirs.get(2), dirs.get(3)], [true, true, false])
    const fenced = await until(
      () => snapshot(admin, { deadlineMs: DEADLINE_MS, parts: ['cluster', 'topics', 'configs'] }),
      each => each.cluster.ok && each.cluster.value.brokers.some(({ fenced: out }) => out === true),
    )
    assert.deepEqual(kindsOf(fenced), ['broker-fenced', 'partition-at-min-isr'])
  } finally {
    await frozen.kill('SIGCONT')
  }
  await until(
    () => snapshot(admin),
    seen => kindsOf(seen).length === 0,
  )
})

test('a caller with less patience than a request has is not sent to a frozen broker twice', async () => {
  const frozen = cluster.nodes[2]!
  const bootstrap = cluster.bootstrap.toReversed()
  const identity = await cluster.identity('admin')
  await using hasty = openCluster({
    bootstrap,
    clientId: 'snapshot-it',
    tls: identity,
    connectTimeoutMs: 60_000,
    requestTimeoutMs: 60_000,
  })
  assert.ok(await frozen.kill('SIGSTOP'))
  try {
    await assert.rejects(hasty.describeCluster({ deadlineMs: 1_000 }), { code: KAFKA_DEADLINE.code })
    const { brokers } = await hasty.describeCluster({ deadlineMs: 30_000 })
    assert.equal(brokers.length, 3)
  } finally {
    await frozen.kill('SIGCONT')
  }
  await until(
    () => snapshot(admin),
    seen => kindsOf(seen).length === 0,
  )
})

test('with two of three brokers dead what can still be seen is, and the rest is an error within the deadline', async () => {
  await Promise.all([cluster.nodes[0]!.kill('SIGKILL'), cluster.nodes[1]!.kill('SIGKILL')])
  const began = performance.now()
  const seen = await snapshot(admin, { deadlineMs: DEADLINE_MS })
  assert.ok(performance.now() - began < DEADLINE_MS + GRACE_MS)
  assert.ok(seen.topics.ok, `the last broker still answers for what it knows: ${JSON.stringify(seen.topics)}`)
  assert.ok(!seen.quorum.ok || seen.quorum.value.leader === null, 'no majority, no controller')
  await cluster.nodes[2]!.kill('SIGKILL')
  const dark = await snapshot(admin, { deadlineMs: DEADLINE_MS })
  assert.deepEqual(kindsOf(dark), ['unreachable'])
  assert.deepEqual(notKnown(dark), [...snapshotParts])
})
