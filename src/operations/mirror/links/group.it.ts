import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type TestCluster } from '../../../../test/fleets/cluster.ts'
import { assertCopied, writeInAllCodecs } from '../../../../test/mirror/copies.ts'
import {
  connectNamed,
  createLinksTopic,
  ended,
  joinGroup,
  openLinks,
  startGroupWorker,
} from '../../../../test/mirror/group.ts'
import { writeTransactions } from '../../../../test/mirror/transactions.ts'
import { seededRandom } from '../../../../test/wire/random.ts'
import { batchOf } from '../../../../test/wire/records.ts'
import { createTopic } from '../../../../test/wire/topics.ts'
import { silentLogger } from '../../../foundation/log/log.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import type { LinkPartitionStatus } from '../contract.ts'
import { type LinkDefinition, type LinkDefinitionInput, linkDefinitionSchema } from '../definition.ts'
import { LINK_POSITION_REFUSED } from '../errors.ts'
import { commandLink } from './control.ts'
import type { LinksJournal } from './kept.ts'
import { openLinkRegistry, putLink } from './registry.ts'

const PARTITIONS = 4
const NAME = 'shared'

describe('several workers of one link', () => {
  const signal = AbortSignal.timeout(540_000)
  const random = seededRandom()
  let source: TestCluster
  let target: TestCluster
  let from: Wire
  let to: Wire
  let journal: LinksJournal

  before(async () => {
    console.log(`# seed ${random.seed}`)
    const started = await Promise.all([
      startCluster({ nodes: 1, name: 'group-source' }),
      startCluster({ nodes: 1, name: 'group-target' }),
    ])
    source = started[0]
    target = started[1]
    from = openWire({ bootstrap: source.bootstrap, clientId: 'group-it' })
    to = openWire({ bootstrap: target.bootstrap, clientId: 'group-it' })
    await createLinksTopic(target.bootstrap)
    journal = await openLinks(target.bootstrap, 'group-it')
  })

  after(async () => {
    await journal.close()
    await Promise.all([from.close(), to.close()])
    await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()])
  })

  async function put(
    name: string,
    include: readonly string[],
    more: Partial<LinkDefinitionInput> = {},
  ): Promise<LinkDefinition> {
    const definition = linkDefinitionSchema.parse({
      name,
      source: { bootstrap: [...source.bootstrap], tls: null },
      target: { bootstrap: [...target.bootstrap], tls: null },
      topics: { include: [...include] },
      ...more,
    })
    await putLink(journal, { definition, owner: 'api', annotations: {}, expected: null, kept: null })
    return definition
  }

  const assertEqual = (topics: readonly string[]): Promise<number> =>
    assertCopied({ from, to, topics, partitions: PARTITIONS, signal })

  /** The members by name that own any shard. */
  function owners(): Set<string> {
    const { members, assignments } = journal.state().shards
    return new Set(assignments.flatMap(({ owner }) => (owner === null ? [] : (members[owner]?.name ?? []))))
  }

  async function until(what: string, isSo: () => boolean): Promise<void> {
    for (let waited = 0; !isSo(); waited++) {
      if (waited > 0 && waited % 200 === 0) console.log(`# waiting until ${what}`)
      await sleep(50, undefined, { signal })
    }
  }

  test('a newcomer gets its share partition by partition, while those that stay flow on', async () => {
    const topics = await topicsOf('moved', 6)
    const stop = new AbortController()
    const writing = writeInAllCodecs(from, topics, PARTITIONS, stop.signal)
    await put('moving', topics)
    const first = await joinGroup(target.bootstrap, 'first')
    const partitionsOf = (worker: typeof first): Map<string, LinkPartitionStatus> =>
      new Map(
        worker
          .status()
          .flatMap(({ partitions }) => partitions.map(each => [`${each.topic}/${each.partition}`, each])),
      )
    await until('the first copies everything', () => {
      const all = [...partitionsOf(first).values()]
      return all.length === topics.length * PARTITIONS && all.every(({ records }) => records > 0)
    })
    const second = await joinGroup(target.bootstrap, 'second')
    try {
      // What the first had at each step of the moving: the set shrinks, what stays goes on counting.
      const steps: Map<string, LinkPartitionStatus>[] = []
      const most = topics.length * PARTITIONS
      await until('the second has its share, and the moving is over', () => {
        const now = partitionsOf(first)
        if (now.size !== steps.at(-1)?.size) steps.push(now)
        const left = journal
          .state()
          .shards.assignments.filter(({ owner }) => owner?.startsWith('first.')).length
        return (
          left <= 20 && partitionsOf(second).size === most - now.size && now.size < most && settled(journal)
        )
      })
      const [begin, end] = [steps[0]!, partitionsOf(first)]
      console.log(`# ${[...steps].map(({ size }) => size).join(' → ')} partitions at the first`)
      assert.ok(steps.length > 2, 'it was no single step')
      for (const [partition, { records, state }] of end) {
        assert.ok(records > begin.get(partition)!.records, `${partition} went on`)
        assert.ok(state === 'copying' || state === 'caught-up', `${partition} is ${state}`)
      }
      await until('the second copies what it has', () =>
        [...partitionsOf(second).values()].every(({ records }) => records > 0),
      )
      stop.abort()
      assert.equal(await assertEqual(topics), await writing)
    } finally {
      stop.abort()
      await second[Symbol.asyncDispose]()
      await first[Symbol.asyncDispose]()
    }
    await put('moving', topics, { desired: 'stopped' })
  })

  test('workers killed, frozen and woken while the definition changes: the copies are the sources, and nothing was taken twice', async () => {
    const plain = await topicsOf('plain', 10)
    const transactional = await topicsOf('transactional', 2)
    const stop = new AbortController()
    const writing = writeInAllCodecs(from, plain, PARTITIONS, stop.signal)
    const transactions = (async () => {
      while (!stop.signal.aborted)
        for (const topic of transactional) await writeTransactions(source.bootstrap, topic, PARTITIONS, 6)
    })()
    await put(NAME, ['plain-*', 'transactional-*'])
    const names = ['one', 'two', 'three']
    const workers = new Map(names.map(name => [name, startGroupWorker(name, target.bootstrap)]))
    try {
      await until('all take part', () => names.every(name => owners().has(name)))
      // A deposed owner wakes up: it was frozen until others had all it had.
      const frozen = random.pick(names)
      workers.get(frozen)!.kill('SIGSTOP')
      await until(`${frozen} was deposed`, () => !owners().has(frozen))
      await put(NAME, ['plain-*', 'transactional-*'], {
        topics: { include: ['*'], exclude: ['plain-0', 'moved-*'] },
      })
      workers.get(frozen)!.kill('SIGCONT')
      const killed = random.pick(names.filter(name => name !== frozen))
      await ended(workers.get(killed)!, 'SIGKILL')
      workers.set(killed, startGroupWorker(killed, target.bootstrap))
      await put(NAME, ['plain-*', 'transactional-*'], { rate: { link: 20_000_000, topic: 4_000_000 } })
      await until(`${killed} and ${frozen} take part again`, () => names.every(name => owners().has(name)))
      await journal.submit({ kind: 'restart', name: NAME, only: 'all', partitions: null })
      const leaving = random.pick(names)
      await ended(workers.get(leaving)!, 'SIGTERM')
      await until(`${leaving} has left`, () => !owners().has(leaving))
      workers.set(leaving, startGroupWorker(leaving, target.bootstrap))
      await put(NAME, ['plain-*', 'transactional-*'], { desired: 'paused' })
      await put(NAME, ['plain-*', 'transactional-*'])
      await until('all take part', () => names.every(name => owners().has(name)))
      stop.abort()
      const records = await writing
      await transactions
      assert.equal(await assertEqual(plain), records)
      const committed = await assertEqual(transactional)
      console.log(`# ${records} records and ${committed} in transactions, equal by digest`)
    } finally {
      stop.abort()
      await Promise.all([...workers.values()].map(worker => ended(worker, 'SIGKILL')))
      await transactions.catch(() => undefined)
    }
  })

  test('a copy that somebody else began is gone on with where it ends, and a link is stopped for certain', async () => {
    const [topic] = (await topicsOf('taken-over', 1)) as [string]
    await createTopic(target.bootstrap, topic, { partitions: PARTITIONS })
    await using theirs = await from.producer({}, signal)
    await using another = await to.producer({}, signal)
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for (const producer of [theirs, another]) await producer.append(topic, partition, batchOf('a', 'b'))
      await theirs.append(topic, partition, batchOf('c'))
    }
    const name = 'taking-over'
    await put(name, [topic], { desired: 'stopped' })
    const worker = await joinGroup(target.bootstrap, 'taker')
    const asking = new AbortController()
    try {
      const options = {
        journal,
        connect: connectNamed('group-it', silentLogger),
        ask: async () => worker.status(),
        now: Date.now,
      }
      const registry = openLinkRegistry({ ...options, log: silentLogger, signal: asking.signal })
      const at = (sourceOffset: number) =>
        Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, sourceOffset }))
      await assert.rejects(registry.setPositions(name, at(3), signal), { code: LINK_POSITION_REFUSED.code })
      await registry.setPositions(name, at(2), signal)
      const link = commandLink(options, name)
      await link.start(signal)
      await until('the rest is copied', () => {
        const partitions = worker.status().find(each => each.link === name)?.partitions ?? []
        return partitions.length === PARTITIONS && partitions.every(({ targetEnd }) => targetEnd === 3)
      })
      assert.deepEqual(
        await registry.positions(name, signal),
        at(3).map(each => ({ ...each, targetOffset: 3 })),
      )
      assert.deepEqual(await link.stop(signal), { stopped: true, reason: '' })
      assert.deepEqual([...(await link.copiedIds(signal)).keys()], [topic])
      // A stranger goes on with the copy just as the source does, and the link after it, under other ids.
      const { producerId } = journal.state().links[name]!.kept!
      for (let partition = 0; partition < PARTITIONS; partition++)
        for (const producer of [theirs, another]) await producer.append(topic, partition, batchOf('d'))
      await link.rebase(
        at(4).map(({ partition }) => ({ topic, partition, end: 4 })),
        [],
        signal,
      )
      assert.notEqual(journal.state().links[name]!.kept!.producerId, producerId)
      await theirs.append(topic, 0, batchOf('e'))
      await link.start(signal)
      await until('the link goes on', () => {
        const partitions = worker.status().find(each => each.link === name)?.partitions ?? []
        return partitions.map(({ targetEnd }) => targetEnd).join() === '5,4,4,4'
      })
      assert.equal(
        (await link.status(signal))?.partitions.some(({ halted }) => halted !== null),
        false,
      )
    } finally {
      asking.abort()
      await worker[Symbol.asyncDispose]()
    }
  })

  async function topicsOf(prefix: string, count: number): Promise<string[]> {
    const topics = Array.from({ length: count }, (_, index) => `${prefix}-${index}`)
    for (const topic of topics)
      await createTopic(source.bootstrap, topic, {
        partitions: PARTITIONS,
        config: { 'max.message.bytes': '2000000' },
      })
    return topics
  }
})

/** Whether every shard is where it is meant to stay. */
function settled(journal: LinksJournal): boolean {
  return journal.state().shards.assignments.every(({ owner }) => owner !== null)
}
