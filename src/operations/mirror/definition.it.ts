import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { definitionOf, type LinkSetup, linkBetween } from '../../../test/mirror/link.ts'
import { batchOf, readTopic } from '../../../test/wire/records.ts'
import { createTopic, deleteTopic } from '../../../test/wire/topics.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import { BatchBuilder } from '../../foundation/wire/build.ts'
import type { Producer, Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { LinkPartitionStatus } from './contract.ts'
import { firstDifference } from './digest.ts'
import type { Link } from './run.ts'

describe("a link's definition, changed while it works", () => {
  const signal = AbortSignal.timeout(400_000)
  let source: TestCluster
  let target: TestCluster
  let from: Wire
  let to: Wire
  let admin: ClusterAdmin
  let producer: Producer
  let folder: string
  let links = 0

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ajna-link-'))
    const started = await Promise.all([
      startCluster({ nodes: 1, name: 'definition-source' }),
      startCluster({ nodes: 1, name: 'definition-target' }),
    ])
    source = started[0]
    target = started[1]
    from = openWire({ bootstrap: source.bootstrap, clientId: 'definition-it' })
    to = openWire({ bootstrap: target.bootstrap, clientId: 'definition-it' })
    admin = openCluster({ bootstrap: source.bootstrap, clientId: 'definition-it' })
    producer = await from.producer({}, signal)
  })

  after(async () => {
    await producer[Symbol.asyncDispose]()
    await Promise.all([from.close(), to.close(), admin.close()])
    await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()])
    await rm(folder, { recursive: true })
  })

  function setup(include: readonly string[], more: Partial<LinkSetup['link']> = {}): LinkSetup {
    const link = { name: `link-${++links}`, topics: { include: [...include] }, ...more }
    const store = join(folder, `${link.name}.json`)
    return { source: source.bootstrap, target: target.bootstrap, store, link }
  }

  const changed = (how: LinkSetup, more: Partial<LinkSetup['link']>) =>
    definitionOf({ ...how, link: { ...how.link, ...more } })

  /** Values by offset, once so many records are in the copy. */
  async function copied(copy: string, records: number, partitions = 1): Promise<[number, string][]> {
    for (;;) {
      const [found] = await to.metadata([copy], signal)
      if (found?.partitions.length === partitions) {
        const all = (await readTopic(to, copy, partitions, signal)).flat()
        if (all.length >= records) return all.map(({ offset, value }) => [offset, value])
      }
      await sleep(50, undefined, { signal })
    }
  }

  async function partition(
    link: Link,
    topic: string,
    is: (status: LinkPartitionStatus | undefined) => boolean,
    number = 0,
  ): Promise<LinkPartitionStatus | undefined> {
    for (;;) {
      const found = link.status().partitions.find(each => each.topic === topic && each.partition === number)
      if (is(found)) return found
      await sleep(20, undefined, { signal })
    }
  }

  test('topics are added and taken away, and the others flow on untouched', async () => {
    for (const topic of ['choice.a', 'choice.b']) {
      await createTopic(source.bootstrap, topic)
      await producer.append(topic, 0, batchOf('1'))
    }
    const how = setup(['choice.a'])
    await using link = await linkBetween(how)
    await copied('choice.a', 1)
    const { since } = (await partition(link, 'choice.a', each => each?.state === 'caught-up'))!
    link.update(changed(how, { topics: { include: ['/choice\\.[ab]/'] } }))
    await copied('choice.b', 1)
    link.update(changed(how, { topics: { include: ['choice.*'], exclude: ['*.b'] } }))
    await partition(link, 'choice.b', each => each === undefined)
    await producer.append('choice.b', 0, batchOf('2'))
    assert.equal((await partition(link, 'choice.a', () => true))!.since, since, 'it was never begun anew')
    await producer.append('choice.a', 0, batchOf('2'))
    await copied('choice.a', 2)
    assert.deepEqual(await copied('choice.b', 1), [[0, '1']])
    link.update(changed(how, { topics: { include: ['choice.*'] } }))
    assert.deepEqual(await copied('choice.b', 2), [
      [0, '1'],
      [1, '2'],
    ])
  })

  test('a topic and a partition that are new are found within a moment', async () => {
    const how = setup(['new.*'])
    await using link = await linkBetween(how)
    await partition(link, 'none', () => link.status().state === 'running')
    const found = async (what: string, number: number, make: () => Promise<unknown>): Promise<void> => {
      await make()
      const made = performance.now()
      await producer.append('new.topic', number, batchOf(what))
      const written = performance.now()
      await partition(link, 'new.topic', each => each?.records === 1, number)
      const [since, after] = [made, written].map(at => (performance.now() - at).toFixed(0))
      console.log(`# ${what}: copied ${since} ms after it was made, ${after} ms after its record was written`)
    }
    await found('new topic', 0, () => createTopic(source.bootstrap, 'new.topic'))
    await found('new partition', 1, () =>
      admin.createPartitions([{ name: 'new.topic', total: 2 }], { signal }),
    )
    assert.deepEqual(await copied('new.topic', 2, 2), [
      [0, 'new topic'],
      [0, 'new partition'],
    ])
  })

  test('copies get other names, also when the names change, and may stand beside their source', async () => {
    await createTopic(source.bootstrap, 'named')
    await producer.append('named', 0, batchOf('a', 'b'))
    const how = setup(['named'], { rename: { prefix: 'edge.', suffix: '.v1' } })
    {
      await using link = await linkBetween(how)
      await copied('edge.named.v1', 2)
      link.update(changed(how, { rename: { prefix: 'site.' } }))
      await copied('site.named', 2)
      await producer.append('named', 0, batchOf('c'))
      assert.deepEqual(await copied('site.named', 3), [
        [0, 'a'],
        [1, 'b'],
        [2, 'c'],
      ])
      assert.equal((await copied('edge.named.v1', 2)).length, 2)
    }
    const beside = { ...setup(['named'], { rename: { suffix: '.beside' } }), target: source.bootstrap }
    await using _link = await linkBetween(beside)
    for (;;) {
      const [copy] = await from.metadata(['named.beside'], signal)
      if (copy !== undefined && (await readTopic(from, 'named.beside', 1, signal)).flat().length === 3) break
      await sleep(50, undefined, { signal })
    }
  })

  test('a copy that is too narrow is left so by policy, and widened when the policy changes', async () => {
    await createTopic(source.bootstrap, 'wide', { partitions: 2 })
    await createTopic(target.bootstrap, 'wide')
    await producer.append('wide', 0, batchOf('a'))
    await producer.append('wide', 1, batchOf('b'))
    const how = setup(['wide'], { onFewerPartitions: 'halt' })
    await using link = await linkBetween(how)
    const halted = await partition(link, 'wide', each => each?.state === 'halted', 1)
    assert.equal(halted!.halted, 'copy-too-narrow')
    assert.deepEqual(await copied('wide', 1), [[0, 'a']])
    link.update(changed(how, { onFewerPartitions: 'widen' }))
    assert.equal((await copied('wide', 2, 2)).length, 2)
    await partition(link, 'wide', each => each?.state === 'caught-up', 1)
  })

  test('what is deleted at the source is said, or by policy deleted with its copy, and begun anew when it comes again', async () => {
    for (const topic of ['doomed', 'lasting']) await createTopic(source.bootstrap, topic)
    await producer.append('doomed', 0, batchOf('old', 'older'))
    const how = setup(['doomed', 'lasting'])
    await using link = await linkBetween(how)
    await copied('doomed', 2)
    await deleteTopic(source.bootstrap, 'doomed')
    assert.equal((await partition(link, 'doomed', each => each?.state === 'halted'))!.halted, 'source-gone')
    assert.equal((await copied('doomed', 2)).length, 2)
    link.update(changed(how, { onSourceDeleted: 'delete' }))
    await partition(link, 'doomed', each => each === undefined)
    while ((await to.metadata(['doomed'], signal)).length > 0) await sleep(50, undefined, { signal })
    await createTopic(source.bootstrap, 'doomed')
    await using again = await from.producer({}, signal)
    await again.append('doomed', 0, batchOf('new'))
    assert.deepEqual(await copied('doomed', 1), [[0, 'new']])
    // Created again at once, the copy follows too.
    await deleteTopic(source.bootstrap, 'doomed')
    await createTopic(source.bootstrap, 'doomed')
    await using third = await from.producer({}, signal)
    await third.append('doomed', 0, batchOf('newest'))
    for (;;) {
      const values = await copied('doomed', 1).catch(() => [])
      if (values[0]?.[1] === 'newest') break
      await sleep(50, undefined, { signal })
    }
  })

  test('no copy is deleted when all topics are gone at once', async () => {
    for (const topic of ['gone.a', 'gone.b']) {
      await createTopic(source.bootstrap, topic)
      await producer.append(topic, 0, batchOf('kept'))
    }
    const how = setup(['gone.*'], { onSourceDeleted: 'delete' })
    await using link = await linkBetween(how)
    for (const topic of ['gone.a', 'gone.b']) await copied(topic, 1)
    await Promise.all(['gone.a', 'gone.b'].map(topic => deleteTopic(source.bootstrap, topic)))
    for (const topic of ['gone.a', 'gone.b']) {
      const halted = await partition(
        link,
        topic,
        each => each?.state === 'halted' && /none of the link's/.test(each.reason),
      )
      assert.equal(halted!.halted, 'source-gone')
      assert.equal((await copied(topic, 1)).length, 1)
    }
  })

  test('records that headers rule out are left out, at their offsets, for as long as the rule stands', async () => {
    await createTopic(source.bootstrap, 'tagged')
    await producer.append('tagged', 0, tagged('a', 'secret', 'b'))
    const how = setup(['tagged'], { headers: [{ key: 'secret', act: 'drop' }] })
    await using link = await linkBetween(how)
    assert.deepEqual(await copied('tagged', 2), [
      [0, 'a'],
      [2, 'b'],
    ])
    link.update(changed(how, { headers: [] }))
    await producer.append('tagged', 0, tagged('secret', 'c'))
    assert.deepEqual(await copied('tagged', 4), [
      [0, 'a'],
      [2, 'b'],
      [3, 'secret'],
      [4, 'c'],
    ])
  })

  test('a paused link copies nothing and goes on where it was', async () => {
    await createTopic(source.bootstrap, 'paused')
    await producer.append('paused', 0, batchOf('a'))
    const how = setup(['paused'])
    await using link = await linkBetween(how)
    await copied('paused', 1)
    link.update(changed(how, { desired: 'paused' }))
    await partition(link, 'paused', each => each?.state === 'paused')
    assert.equal(link.status().state, 'paused')
    await producer.append('paused', 0, batchOf('b'))
    link.update(changed(how, { desired: 'stopped' }))
    await partition(link, 'paused', each => each === undefined)
    assert.deepEqual(await copied('paused', 1), [[0, 'a']])
    link.update(changed(how, {}))
    assert.equal((await copied('paused', 2)).length, 2)
  })

  test('a halted partition is tried once more when told, and others are left alone', async () => {
    await createTopic(source.bootstrap, 'restarted', { partitions: 2 })
    for (const number of [0, 1]) await producer.append('restarted', number, batchOf('a', 'b'))
    const how = setup(['restarted'])
    {
      await using _link = await linkBetween(how)
      await copied('restarted', 4, 2)
    }
    await producer.append('restarted', 0, batchOf('c', 'd'))
    await from.deleteRecords([{ topic: 'restarted', partition: 0, before: 3 }], signal)
    await using link = await linkBetween(how)
    await partition(link, 'restarted', each => each?.halted === 'overtaken-by-retention')
    const { since } = (await partition(link, 'restarted', each => each?.state === 'caught-up', 1))!
    // Somebody fills the gap by hand: the link finds its copy ended further on.
    link.restart({ only: 'failed', partitions: null })
    await partition(link, 'restarted', each => each?.halted === 'overtaken-by-retention')
    assert.equal((await partition(link, 'restarted', () => true, 1))!.since, since)
    link.update(changed(how, { onLoss: 'continue' }))
    await partition(link, 'restarted', each => each?.state === 'caught-up')
    assert.deepEqual(
      (await copied('restarted', 4, 2)).filter(([offset]) => offset > 1),
      [[3, 'd']],
    )
  })

  test('no more is sent than the limits allow, a limited topic holds no other up, and a limit that goes is gone', async () => {
    const [slow, fast] = ['limited.slow', 'limited.fast']
    for (const topic of [slow, fast]) await createTopic(source.bootstrap, topic, { partitions: 8 })
    const batch = bigBatch(64 * 1024)
    const batches = 40
    for (let n = 0; n < batches; n++)
      for (let number = 0; number < 8; number++)
        await Promise.all([slow, fast].map(topic => producer.append(topic, number, Buffer.from(batch))))
    const bytes = batch.length * batches * 8
    const rate = 2_000_000
    const how = setup([slow], { rate: { topic: rate } })
    await using link = await linkBetween(how)
    await partition(link, slow, each => (each?.records ?? 0) > 0)
    const began = performance.now()
    const sent = (topic: string): number =>
      link
        .status()
        .partitions.filter(each => each.topic === topic)
        .reduce((sum, each) => sum + each.bytes, 0)
    const before = sent(slow)
    link.update(changed(how, { topics: { include: [slow, fast] }, rate: { topic: null, link: null } }))
    link.update(changed(how, { topics: { include: [slow, fast] }, rate: { topic: rate } }))
    for (let looks = 0; looks < 40; looks++) {
      const allowed = (rate * (performance.now() - began)) / 1_000 + 2 * (rate / 2 + batch.length)
      assert.ok(sent(slow) - before <= allowed, `${sent(slow) - before} bytes where ${allowed} are allowed`)
      await sleep(50)
    }
    assert.ok(sent(slow) < bytes)
    link.update(changed(how, { topics: { include: [slow, fast] }, rate: { topic: null } }))
    await partition(link, slow, () => sent(slow) === bytes && sent(fast) === bytes)
    for (const topic of [slow, fast])
      for (let number = 0; number < 8; number++) {
        const range = { topic, partition: number, from: 0, to: 40 }
        assert.equal(await firstDifference(from, to, range, signal), undefined)
      }
  })
})

/** Records whose values are in `secret`'s header too when they are called so. */
function tagged(...values: readonly string[]): Buffer {
  const builder = new BatchBuilder()
  for (const value of values) {
    const headers = value === 'secret' ? [{ key: 'secret', value: Buffer.from('1') }] : []
    builder.add({ timestamp: 1_000, value: Buffer.from(value), headers })
  }
  return builder.finish()
}

function bigBatch(bytes: number): Buffer {
  const builder = new BatchBuilder({ maxBytes: bytes })
  builder.add({ timestamp: 1_000, value: Buffer.alloc(bytes - 200, 'x') })
  return builder.finish()
}
