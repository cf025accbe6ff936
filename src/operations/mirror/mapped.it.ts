import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { sweptFolder } from '../../../test/fleets/sweeper.ts'
import { writeInAllCodecs } from '../../../test/mirror/copies.ts'
import {
  connectNamed,
  createLinksTopic,
  ended,
  openLinks,
  startGroupWorker,
} from '../../../test/mirror/group.ts'
import { grant, openSide, rule, type Side } from '../../../test/mirror/sides.ts'
import { writeTransactions } from '../../../test/mirror/transactions.ts'
import { seededRandom } from '../../../test/wire/random.ts'
import { batchOf, type ReadRecord, readTopic } from '../../../test/wire/records.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import type { IdentityFiles } from '../../foundation/tls/identity-files.ts'
import { storePaths } from '../../foundation/tls/store.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { planTakeover } from './connect/offsets/takeover.ts'
import type { LinkDefinition, LinkDefinitionInput } from './definition.ts'
import { linkDefinitionSchema } from './definition.ts'
import { firstDifference } from './digest.ts'
import type { LinksJournal } from './links/kept.ts'
import { openLinkRegistry, putLink } from './links/registry.ts'
import { mappedPartitions } from './links/translate.ts'
import { type MaybeMapping, nextSource, positionOf, sourceOf, targetOf } from './mapping.ts'

const ROUNDS = 3

/** Clusters: the source, which has the links' journal too, and a target with certificates and rules. */
describe('a link that maps offsets where it cannot keep them', () => {
  const signal = AbortSignal.timeout(280_000)
  const random = seededRandom()
  const undo = new AsyncDisposableStack()
  let source: TestCluster
  let hub: Side
  let from: Wire
  let to: Wire
  let edge: ClusterAdmin
  let journal: LinksJournal
  let worker: ChildProcess
  let starts = 0
  /** May do all that links do; may not write markers. */
  let whole: IdentityFiles
  let bare: IdentityFiles

  before(async () => {
    console.log(`# seed ${random.seed}`)
    const folder = undo.use(await sweptFolder('ajna-mapped-')).path
    const pki = join(folder, 'pki')
    const [theirs, ours] = await Promise.all([
      startCluster({ nodes: 1, name: 'mapped-source' }),
      startCluster({ nodes: 1, name: 'mapped-target', tls: true, pki }),
    ])
    source = undo.use(theirs)
    undo.use(ours)
    const opened = await openSide(ours)
    undo.defer(opened.close)
    hub = opened.side
    to = hub.wire
    from = openWire({ bootstrap: source.bootstrap, clientId: 'mapped-it' })
    undo.defer(() => from.close())
    edge = openCluster({ bootstrap: source.bootstrap, clientId: 'mapped-it' })
    undo.defer(() => edge.close())
    const identity = async (principal: string): Promise<IdentityFiles> => {
      await hub.as(principal)
      await grant(hub, [rule(principal, 'all', 'topic', '*'), rule(principal, 'all', 'group', '*')])
      const files = storePaths(pki, principal)
      const at = join(folder, principal)
      await mkdir(at)
      const copies = { ca: join(at, 'ca.pem'), cert: join(at, 'cert.pem'), key: join(at, 'key.pem') }
      for (const part of ['ca', 'cert', 'key'] as const) await copyFile(files[part], copies[part])
      return copies
    }
    whole = await identity('whole')
    bare = await identity('bare')
    await grant(hub, [rule('whole', 'clusterAction', 'cluster', 'kafka-cluster')])
    await createLinksTopic(source.bootstrap)
    journal = await openLinks(source.bootstrap, 'mapped-it')
    undo.defer(() => journal.close())
    worker = startGroupWorker('w', source.bootstrap)
    undo.defer(() => ended(worker, 'SIGKILL'))
  })

  after(() => undo.disposeAsync())

  async function kill(): Promise<void> {
    await ended(worker, 'SIGKILL')
    worker = startGroupWorker('w', source.bootstrap)
    starts++
  }

  const definitionOf = (
    name: string,
    topic: string,
    files: IdentityFiles,
    more: Partial<LinkDefinitionInput> = {},
  ): LinkDefinition =>
    linkDefinitionSchema.parse({
      name,
      source: { bootstrap: [...source.bootstrap], tls: null },
      target: { bootstrap: [...hub.cluster.bootstrap], tls: { ...files } },
      topics: { include: [topic] },
      offsets: 'mapped',
      ...more,
    })

  const put = (definition: LinkDefinition) =>
    putLink(journal, { definition, owner: 'api', annotations: {}, expected: null, kept: null })

  async function endOf(wire: Wire, topic: string): Promise<number> {
    const [found] = await wire.metadata([topic], signal)
    if (found === undefined) return 0
    return (await wire.listOffsets([{ topic, partition: 0, at: 'latest' }], signal))[0]!.offset
  }

  const mappingOf = (link: string, topic: string): MaybeMapping =>
    mappedPartitions(journal.state(), link).find(each => each.topic === topic)?.mapping

  /** Until the copy has everything that the source has. */
  async function copied(link: string, topic: string): Promise<MaybeMapping> {
    for (let rounds = 0; ; rounds++) {
      await journal.sync(signal)
      const mapping = mappingOf(link, topic)
      const [theirs, ours] = [await endOf(from, topic), await endOf(to, topic)]
      const next = nextSource(mapping, ours)
      if (next === theirs) return mapping
      if (rounds % 50 === 49) console.log(`# ${topic}: ${next} of ${theirs}`)
      await sleep(100, undefined, { signal })
    }
  }

  /** Kills and replaces the worker again and again while it copies. */
  async function killInBetween(topic: string): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const before = await endOf(to, topic)
      while ((await endOf(to, topic)) <= before) await sleep(20, undefined, { signal })
      await sleep(random.integer(300))
      await kill()
    }
  }

  async function whileTransactionsAreWritten(topic: string, work: () => Promise<void>): Promise<void> {
    let done = false
    const writing = (async () => {
      while (!done) await writeTransactions(source.bootstrap, topic, 1, 12)
    })()
    await work().finally(() => {
      done = true
    })
    await writing
  }

  /** Every committed record of the source once, in order, where the mapping says; but for it, only what others wrote. */
  async function assertExact(
    topic: string,
    mapping: MaybeMapping,
    isForeign: (value: string) => boolean = () => false,
  ): Promise<ReadRecord[]> {
    const [theirs] = await readTopic(from, topic, 1, signal, { isolation: 'read_committed' })
    const [ours] = await readTopic(to, topic, 1, signal)
    const committed = theirs!.filter(({ value }) => !value.startsWith('aborted'))
    const own = ours!.filter(({ value }) => !isForeign(value))
    assert.equal(own.length, committed.length)
    for (const [index, { offset, value }] of committed.entries()) {
      const copy = own[index]!
      assert.equal(copy.value, value)
      assert.equal(targetOf(mapping, offset), copy.offset)
      assert.equal(sourceOf(mapping, copy.offset), offset)
    }
    assert.deepEqual(
      ours!.filter(({ offset }) => sourceOf(mapping, offset) === null).map(({ value }) => isForeign(value)),
      ours!.filter(({ value }) => isForeign(value)).map(() => true),
    )
    const end = await endOf(from, topic)
    const range = { topic, partition: 0, from: 0, to: end }
    assert.equal(await firstDifference(from, to, range, signal, { topic, mapping }), undefined)
    console.log(
      `# ${committed.length} records, ${mapping?.segments.length ?? 0} segments, ${starts} workers killed: ${mapping?.why}`,
    )
    return own
  }

  test('behind the data of others: nothing is lost or repeated, and groups stand where they stood', async () => {
    const topic = 'had.data'
    await createTopic(source.bootstrap, topic)
    await createTopic(hub.cluster.bootstrap, topic, { tls: (await hub.as('admin')).identity })
    await using stranger = await to.producer({}, signal)
    for (let n = 0; n < 20; n++) await stranger.append(topic, 0, batchOf(`foreign-${n}`, 'foreign'))
    const stop = new AbortController()
    const writing = writeInAllCodecs(from, [topic], 1, stop.signal, 2)
    await put(
      definitionOf('behind', topic, whole, { keep: { groups: { include: ['reader'] }, everyMs: 500 } }),
    )
    try {
      await killInBetween(topic)
      // While it runs, too: where its batch landed instead is known.
      await stranger.append(topic, 0, batchOf('foreign-late'))
      await killInBetween(topic)
    } finally {
      stop.abort()
    }
    await writing
    const mapping = await copied('behind', topic)
    assert.deepEqual(mapping?.segments[0], [0, 40])
    const own = await assertExact(topic, mapping, value => value.startsWith('foreign'))
    const at = Math.floor((await endOf(from, topic)) / 2)
    const [position] = await edge.commitPositions([
      { group: 'reader', topic, partition: 0, offset: at, metadata: '' },
    ])
    assert.equal(position?.error ?? null, null)
    const stands = async (): Promise<number | undefined> => {
      const [group] = await hub.admin.groupPositions(['reader'], { signal })
      return group?.positions.find(each => each.topic === topic)?.offset
    }
    while ((await stands()) === undefined) await sleep(100, undefined, { signal })
    assert.equal(await stands(), positionOf(mapping, at))
    assert.equal(own.find(({ offset }) => offset === targetOf(mapping, at))?.offset, await stands())
  })

  test('without ClusterAction: the gaps of transactions take no offsets', async () => {
    const topic = 'no.markers'
    await createTopic(source.bootstrap, topic)
    await put(definitionOf('unmarked', topic, bare))
    await whileTransactionsAreWritten(topic, () => killInBetween(topic))
    const mapping = await copied('unmarked', topic)
    assert.match(mapping!.why, /markers need ClusterAction/)
    assert.ok(mapping!.segments.length > 10)
    await assertExact(topic, mapping)
  })

  test('gaps up to maxGap are filled, those above it are mapped', async () => {
    const topic = 'gaps'
    await createTopic(source.bootstrap, topic)
    await put(definitionOf('gaps', topic, whole, { maxGap: 2 }))
    await whileTransactionsAreWritten(topic, () => killInBetween(topic))
    const mapping = await copied('gaps', topic)
    assert.match(mapping!.why, /at most 2 are filled in one gap/)
    const records = await assertExact(topic, mapping)
    assert.ok(records.length < (await endOf(to, topic)), 'there are markers too')
  })

  test('a copy that another replicator made with other offsets is gone on with, no gap and no repeat', async () => {
    const topic = 'relieved'
    await createTopic(source.bootstrap, topic)
    await createTopic(hub.cluster.bootstrap, topic, { tls: (await hub.as('admin')).identity })
    await using producer = await from.producer({}, signal)
    await using other = await to.producer({}, signal)
    await other.append(topic, 0, batchOf('foreign-1', 'foreign-2', 'foreign-3'))
    for (let n = 0; n < 30; n++) {
      const batch = batchOf(...Array.from({ length: 10 }, (_, i) => `record-${n * 10 + i}`))
      if (n < 20) await other.append(topic, 0, Buffer.from(batch))
      await producer.append(topic, 0, batch)
    }
    const definition = definitionOf('relieving', topic, whole, { desired: 'stopped' })
    await put(definition)
    await createTopic(hub.cluster.bootstrap, 'offsets', { tls: (await hub.as('admin')).identity })
    const [found] = await planTakeover({
      definition,
      source: from,
      target: to,
      predecessor: { kind: 'mirus', connector: 'm', cluster: '', offsetsTopic: 'offsets', syncsTopic: null },
      signal,
    })
    assert.deepEqual([found?.sourceOffset, found?.copyEnd], [200, 203], found?.reason)
    const ending = new AbortController()
    undo.defer(() => ending.abort())
    const registry = openLinkRegistry({
      journal,
      ask: async () => [],
      connect: connectNamed('mapped-it', silentLogger),
      now: Date.now,
      log: silentLogger,
      signal: ending.signal,
    })
    await registry.setPositions('relieving', [{ topic, partition: 0, sourceOffset: 200 }], signal)
    assert.deepEqual(await registry.positions('relieving', signal), [])
    await registry.setDesired('relieving', 'running')
    const mapping = await copied('relieving', topic)
    assert.deepEqual(mapping?.segments, [[200, 203]])
    assert.deepEqual([positionOf(mapping, 100), positionOf(mapping, 250)], [null, 253])
    const [ours] = await readTopic(to, topic, 1, signal)
    const [theirs] = await readTopic(from, topic, 1, signal)
    assert.deepEqual(
      ours!.slice(3).map(({ value }) => value),
      theirs!.map(({ value }) => value),
    )
    const range = { topic, partition: 0, from: 200, to: 300 }
    assert.equal(await firstDifference(from, to, range, signal, { topic, mapping }), undefined)
    assert.deepEqual(await registry.positions('relieving', signal), [
      { topic, partition: 0, sourceOffset: 300, targetOffset: 303 },
    ])
  })
})
