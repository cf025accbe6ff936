import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { assertCopied, endsAt } from '../../../test/mirror/copies.ts'
import { rule } from '../../../test/mirror/sides.ts'
import { writeTransactions } from '../../../test/mirror/transactions.ts'
import {
  endAt,
  partitionOf,
  startTroubled,
  type Troubled,
  until,
  untilLinkShown,
  untilShown,
  untilWell,
  wireTo,
} from '../../../test/mirror/troubled.ts'
import { batchOf } from '../../../test/wire/records.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import type { AclBinding, AclOperation } from '../../foundation/kafka/security.ts'
import { ensureAuthority, issueCertificate, openAuthority } from '../../foundation/tls/authority.ts'
import type { IdentityFiles } from '../../foundation/tls/identity-files.ts'
import { storePaths } from '../../foundation/tls/store.ts'
import { BatchBuilder } from '../../foundation/wire/build.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import type { LinkDefinitionInput } from './definition.ts'

const DAY_MS = 86_400_000

/**
 * What is wrong in a configuration is refused by tests of their own: `connect/config/*.test.ts`, `links/flows.test.ts`,
 * `test/fleet/bad-input.it.ts`.
 */
describe('a link in trouble says what is the matter, goes on with the rest, and recovers by itself', () => {
  const signal = AbortSignal.timeout(420_000)
  let at: Troubled
  let mirror: IdentityFiles

  before(async () => {
    at = await startTroubled(signal)
    mirror = await at.identity('mirror')
  })

  after(async () => {
    await at?.[Symbol.asyncDispose]()
  })

  const link = (
    name: string,
    include: readonly string[],
    more: Partial<LinkDefinitionInput> & { readonly files?: IdentityFiles } = {},
  ): LinkDefinitionInput => {
    const { files = mirror, ...rest } = more
    const ends = { source: endAt(at.edge.cluster, files), target: endAt(at.hub.cluster, files) }
    return { name, topics: { include: [...include] }, ...ends, ...rest }
  }

  async function topics(partitions: number, ...names: readonly string[]): Promise<void> {
    const tls = (await at.edge.as('admin')).identity
    for (const name of names) await createTopic(at.edge.cluster.bootstrap, name, { partitions, tls })
  }

  /** One batch each into partitions of a topic. */
  async function write(wire: Wire, topic: string, batch: () => Buffer, ...partitions: readonly number[]) {
    await using producer = await wire.producer({ deliveryTimeoutMs: 120_000 }, signal)
    for (const partition of partitions) await producer.append(topic, partition, batch(), signal)
  }
  const writeAtEdge = (topic: string, ...partitions: readonly number[]): Promise<void> =>
    write(at.edge.wire, topic, () => batchOf('a', 'b'), ...partitions)

  /** Nothing is the matter any more, and the copies are their sources, by digest. */
  async function assertWell(name: string, names: readonly string[], partitions: number): Promise<void> {
    const { wire: from } = at.edge
    const { wire: to } = at.hub
    assert.ok((await assertCopied({ from, to, topics: names, partitions, signal })) > 0)
    await untilWell(at, name)
  }

  /** Until a copy has everything that the source has, others of the link be as they may. */
  async function flows(topic: string, partitions = 1): Promise<void> {
    const { wire: from } = at.edge
    const { wire: to } = at.hub
    await assertCopied({ from, to, topics: [topic], partitions, signal })
  }

  test('a cluster that cannot be reached, from the start or later: the target, then the source', async () => {
    await topics(1, 'far')
    await writeAtEdge('far', 0)
    await at.hub.cluster.nodes[0]!.stop()
    await at.put(link('far', ['far']))
    const refused = (end: string): RegExp =>
      new RegExp(`the ${end} cannot be asked: none of 127\\.0\\.0\\.1:\\d+ answers: .*ECONNREFUSED`)
    await untilLinkShown(at, 'far', ['starting', 'FAILED'], refused('target'))
    await at.hub.cluster.nodes[0]!.start()
    await assertWell('far', ['far'], 1)

    await at.edge.cluster.nodes[0]!.stop()
    await at.put(link('far-source', ['far'], { rename: { suffix: '.second' } }))
    await untilLinkShown(at, 'far-source', ['starting', 'FAILED'], refused('source'))
    await untilLinkShown(at, 'far', ['running', 'RUNNING'], refused('source'))
    await untilShown(at, 'far', ['far', 0], 'waiting', /the source does not serve it: /)
    await at.edge.cluster.nodes[0]!.start()
    await writeAtEdge('far', 0)
    await assertWell('far', ['far'], 1)
    await untilWell(at, 'far-source')
  })

  test('certificates that are missing, garbage, expired or of somebody else; good files are taken up as they come', async () => {
    const files = await at.identity('certified')
    await topics(1, 'certified')
    await writeAtEdge('certified', 0)
    const good = (which: keyof IdentityFiles): string =>
      storePaths(join(at.folder, 'pki'), 'certified')[which]
    const replace = async (by: (which: keyof IdentityFiles) => string): Promise<void> => {
      for (const which of ['ca', 'cert', 'key'] as const) await copyFile(by(which), files[which])
    }
    const shown = (reason: RegExp) => untilLinkShown(at, 'certified', ['starting', 'FAILED'], reason)

    await rm(files.cert)
    await at.put(link('certified', ['certified'], { files }))
    await shown(/there is no .*certified\/cert\.pem/)
    await writeFile(files.cert, 'no certificate')
    await shown(/certified\/cert\.pem cannot be used \(it holds no certificate in PEM\)/)

    const ours = join(at.folder, 'pki')
    const twoDaysAgo = await openAuthority(ours, { now: () => Date.now() - 2 * DAY_MS })
    await issueCertificate(twoDaysAgo, { principal: 'expired', site: 'test', validDays: 1 })
    await replace(which => storePaths(ours, 'expired')[which])
    await shown(/certified\/cert\.pem is not valid now: it ended /)

    const theirs = join(at.folder, 'their-pki')
    await issueCertificate(await ensureAuthority(theirs), { principal: 'certified', site: 'test' })
    await replace(which => (which === 'ca' ? good(which) : storePaths(theirs, 'certified')[which]))
    await shown(/the broker does not accept this side's certificate/)
    await replace(which => (which === 'ca' ? storePaths(theirs, 'certified')[which] : good(which)))
    await shown(/no connection: (self-signed certificate|unable to verify|certificate signature failure)/)
    await replace(good)
    await assertWell('certified', ['certified'], 1)

    // Connections that are open stay so; those of a broker that starts anew are made under what the files hold then.
    await writeFile(files.key, 'no key')
    await at.edge.cluster.nodes[0]!.stop()
    await at.edge.cluster.nodes[0]!.start()
    await writeAtEdge('certified', 0)
    await writeAtEdge('far', 0)
    await untilShown(at, 'certified', ['certified', 0], 'waiting', /key\.pem cannot be used/)
    await flows('far')
    await replace(good)
    await assertWell('certified', ['certified'], 1)
  })

  test('what is not allowed for one topic: to read, to write, to create the copy, to fill its gaps', async () => {
    const names = ['right.free', 'right.read', 'right.write', 'right.create', 'right.gaps']
    const { identity: admin } = await at.edge.as('admin')
    await topics(1, ...names)
    for (const name of names) await writeAtEdge(name, 0)
    await writeTransactions(at.edge.cluster.bootstrap, 'right.gaps', 1, 3, admin)
    const denied = (operation: AclOperation, topic: string): AclBinding =>
      rule('mirror', operation, 'topic', topic, { permission: 'deny' })
    const atSource = [denied('read', 'right.read')]
    const atTarget = [
      denied('write', 'right.write'),
      denied('create', 'right.create'),
      rule('mirror', 'clusterAction', 'cluster', 'kafka-cluster', { permission: 'deny' }),
    ]
    const done = (outcomes: readonly { readonly error: Error | null }[]): void =>
      assert.deepEqual(
        outcomes.filter(({ error }) => error !== null),
        [],
      )
    done(await at.edge.admin.createAcls(atSource))
    done(await at.hub.admin.createAcls(atTarget))

    await at.put(link('rights', ['right.*']))
    await untilShown(
      at,
      'rights',
      ['right.read', 0],
      'blocked',
      /the source refuses to be read: .*TOPIC_AUTHORIZATION_FAILED/,
    )
    await untilShown(
      at,
      'rights',
      ['right.write', 0],
      'blocked',
      /the target refuses the batch at offset 0 \(\d+ bytes\): TOPIC_AUTHORIZATION_FAILED/,
    )
    await untilShown(
      at,
      'rights',
      ['right.gaps', 0],
      'blocked',
      /cannot be filled: .*CLUSTER_AUTHORIZATION_FAILED \(markers need ClusterAction on the target cluster\)/,
    )
    await untilLinkShown(
      at,
      'rights',
      ['running', 'RUNNING'],
      /right\.create is not copied: .*TOPIC_AUTHORIZATION_FAILED/,
    )
    await writeAtEdge('right.free', 0)
    await flows('right.free')

    done(await at.edge.admin.deleteAcls(atSource))
    done(await at.hub.admin.deleteAcls(atTarget))
    await assertWell('rights', names, 1)
  })

  test('a batch that is larger than the target takes blocks its partition alone, until the topic or the brokers allow it', async () => {
    await topics(2, 'large.topic', 'large.broker')
    await at.put(link('large', ['large.*']))
    for (const topic of ['large.topic', 'large.broker']) {
      await writeAtEdge(topic, 0, 1)
      await write(at.edge.wire, topic, () => noise(2_000_000), 0)
      await writeAtEdge(topic, 0, 1)
      await untilShown(
        at,
        'large',
        [topic, 0],
        'blocked',
        /the target refuses the batch at offset 2 \(2000\d{3} bytes\): MESSAGE_TOO_LARGE; its max\.message\.bytes is 1048588/,
      )
      await until(
        `the other partition of ${topic} goes on`,
        () => at.view('large'),
        seen => {
          const { state, targetEnd } = partitionOf(seen, topic, 1) ?? {}
          return state === 'caught-up' && targetEnd === 4
        },
      )
    }
    const limit = (kind: 'topic' | 'broker', name: string, set: Record<string, string | null>) =>
      at.hub.admin.alterConfigs([{ resource: { kind, name }, set }])
    await limit('topic', 'large.topic', { 'max.message.bytes': '3000000' })
    await flows('large.topic', 2)
    assert.equal(partitionOf(await at.view('large'), 'large.broker', 0)?.state, 'blocked')
    await limit('broker', '', { 'message.max.bytes': '3000000' })
    await assertWell('large', ['large.topic', 'large.broker'], 2)
    await limit('broker', '', { 'message.max.bytes': null })
  })

  test('quotas slow a link down and that is said; nothing is missing or repeated, and without them it flows at once', async () => {
    const sides = [
      { name: 'slow-target', at: at.hub, said: 'target', set: 'producerBytesPerSecond' },
      { name: 'slow-source', at: at.edge, said: 'source', set: 'consumerBytesPerSecond' },
    ] as const
    const limit = async (rate: number | null): Promise<void> => {
      for (const { name, at: side, set } of sides) {
        const [changed] = await side.admin.alterQuotas([{ entity: { user: name }, set: { [set]: rate } }])
        assert.equal(changed!.error, null)
      }
    }
    await limit(40_000)
    await Promise.all(
      sides.map(async ({ name, said }) => {
        const files = await at.identity(name)
        await topics(1, name)
        await write(at.edge.wire, name, () => noise(100_000), ...Array(12).fill(0))
        await at.put(link(name, [name], { files }))
        await until(
          `${name} is held back for longer than a request may take`,
          () => at.view(name),
          ({ status, connect }) => {
            const words = new RegExp(`the ${said} holds the link back by a quota: (\\d+) ms`)
            const [, ms] = words.exec(status?.reason ?? '') ?? []
            return Number(ms) > 4_000 && words.test(connect.connector.trace ?? '')
          },
        )
      }),
    )
    await limit(null)
    await Promise.all(sides.map(({ name }) => assertWell(name, [name], 1)))
  })

  test('of three brokers one is frozen, at the source and at the target: what the others lead goes on', async () => {
    await using three = wireTo(at.three)
    await using quiet = wireTo(at.quiet)
    await createTopic(at.three.bootstrap, 'half.out', { partitions: 3 })
    await createTopic(at.quiet.bootstrap, 'half.in', { partitions: 3 })
    const [out, into] = [
      { from: three, to: quiet, topics: ['half.out'], partitions: 3, signal },
      { from: quiet, to: three, topics: ['half.in'], partitions: 3, signal },
    ]
    const ends = { three: endAt(at.three, null), quiet: endAt(at.quiet, null) }
    await at.put(link('half-out', ['half.out'], { source: ends.three, target: ends.quiet }))
    await at.put(link('half-in', ['half.in'], { source: ends.quiet, target: ends.three }))
    for (const {
      from,
      topics: [topic],
    } of [out, into])
      await write(from, topic!, () => batchOf('a'), 0, 1, 2)
    await Promise.all([out, into].map(assertCopied))

    const led = async (topic: string): Promise<number[]> =>
      (await three.metadata([topic], signal))[0]!.partitions.map(({ leader }) => leader)
    const [leadersOut, leadersIn] = [await led('half.out'), await led('half.in')]
    const frozen = at.three.nodes.find(({ id }) => id === leadersOut[0])!
    const lostIn = leadersIn.indexOf(frozen.id)
    await frozen.kill('SIGSTOP')
    try {
      await write(three, 'half.out', () => batchOf('b'), 1, 2)
      await write(quiet, 'half.in', () => batchOf('b'), 0, 1, 2)
      await untilShown(at, 'half-out', ['half.out', 0], 'waiting', /the source does not serve it: /)
      await untilShown(at, 'half-in', ['half.in', lostIn], 'waiting', /./)
      const others = [0, 1, 2].filter(partition => partition !== lostIn)
      for (const [name, topic, partitions] of [
        ['half-out', 'half.out', [1, 2]],
        ['half-in', 'half.in', others],
      ] as const)
        await until(
          `the other partitions of ${topic} go on`,
          () => at.view(name),
          seen => partitions.every(each => partitionOf(seen, topic, each)?.targetEnd === 2),
        )
    } finally {
      await frozen.kill('SIGCONT')
    }
    await write(three, 'half.out', () => batchOf('c'), 0)
    await Promise.all([out, into].map(assertCopied))
    await Promise.all(['half-out', 'half-in'].map(name => untilWell(at, name)))
  })

  test('a full disk at the target holds up what lies on it alone, and with space again nothing is missing', async () => {
    const { disk } = at
    await topics(4, 'full')
    // The first pages of indexes are there before the disk is full, as in any log that is in use.
    for (let n = 0; n < 8; n++) await write(at.edge.wire, 'full', () => noise(20_000), 0, 1, 2, 3)
    await at.put(link('full', ['full']))
    await flows('full', 4)
    const [node] = at.hub.cluster.nodes
    const small = (await readdir(node!.logDirs[1]!))
      .filter(each => each.startsWith('full-'))
      .map(each => Number(each.slice('full-'.length)))
    assert.ok(small.length > 0 && small.length < 4, `on the small disk: ${small}`)
    await disk.fillTo(64 * 1024)
    for (let n = 0; n < 10; n++) await write(at.edge.wire, 'full', () => noise(100_000), 0, 1, 2, 3)
    for (const partition of small)
      await untilShown(
        at,
        'full',
        ['full', partition],
        'waiting',
        /KAFKA_STORAGE_ERROR|the target cannot be asked: .*has no leader|UNKNOWN_SERVER_ERROR/,
      )
    const theirs = await endsAt(at.edge.wire, {
      from: at.edge.wire,
      to: at.hub.wire,
      topics: ['full'],
      partitions: 4,
      signal,
    })
    await until(
      'what lies on the other disk goes on',
      () => at.view('full'),
      seen =>
        theirs.every(
          (end, partition) =>
            small.includes(partition) || partitionOf(seen, 'full', partition)?.targetEnd === end,
        ),
    )
    disk.resize(512 * 1024 * 1024)
    // A broker takes a directory that has failed back when it starts; in a fleet its agent does that.
    await node!.stop()
    await node!.start()
    await assertWell('full', ['full'], 4)
  })
})

/** A batch of one record that no codec makes smaller. */
function noise(bytes: number): Buffer {
  const builder = new BatchBuilder({ maxBytes: bytes + 1_000 })
  builder.add({ timestamp: Date.now(), value: randomBytes(bytes) })
  return builder.finish()
}
