import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startCluster, type TestCluster } from '../../../test/fleets/cluster.ts'
import { writeInAllCodecs } from '../../../test/mirror/copies.ts'
import { type LinkSetup, linkBetween } from '../../../test/mirror/link.ts'
import { writeTransactions } from '../../../test/mirror/transactions.ts'
import { seededRandom } from '../../../test/wire/random.ts'
import { batchOf, readTopic } from '../../../test/wire/records.ts'
import { createTopic, deleteTopic } from '../../../test/wire/topics.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import { BatchBuilder } from '../../foundation/wire/build.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { LinkPartitionStatus } from './contract.ts'
import { digestLog, firstDifference } from './digest.ts'
import { kafkaLinkAdmin } from './kafka-admin.ts'
import type { Link } from './run.ts'

const WORKER = fileURLToPath(new URL('../../../test/mirror/worker.ts', import.meta.url))
const PARTITIONS = 4
const ROUNDS = 3

describe('a link between two clusters', () => {
  const signal = AbortSignal.timeout(600_000)
  const random = seededRandom()
  let source: TestCluster
  let target: TestCluster
  let from: Wire
  let to: Wire
  let folder: string
  let links = 0

  before(async () => {
    console.log(`# seed ${random.seed}`)
    folder = await mkdtemp(join(tmpdir(), 'ajna-link-'))
    const started = await Promise.all([
      startCluster({ nodes: 1, name: 'link-source' }),
      startCluster({ nodes: 1, name: 'link-target' }),
    ])
    source = started[0]
    target = started[1]
    from = openWire({ bootstrap: source.bootstrap, clientId: 'link-it' })
    to = openWire({ bootstrap: target.bootstrap, clientId: 'link-it' })
  })

  after(async () => {
    await Promise.all([from.close(), to.close()])
    await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()])
    await rm(folder, { recursive: true })
  })

  function setup(topics: readonly string[], more: Partial<LinkSetup['link']> = {}): LinkSetup {
    const link = { name: `link-${++links}`, topics: { include: [...topics] }, ...more }
    return {
      source: source.bootstrap,
      target: target.bootstrap,
      store: join(folder, `${link.name}.json`),
      link,
    }
  }

  async function ends(
    wire: Wire,
    topic: string,
    at: 'earliest' | 'latest',
    partitions = PARTITIONS,
  ): Promise<number[]> {
    const queries = Array.from({ length: partitions }, (_, partition) => ({ topic, partition, at }))
    return (await wire.listOffsets(queries, signal)).map(({ offset }) => offset)
  }

  /** Until the copy ends where the source does. */
  async function copied(topic: string, partitions = PARTITIONS): Promise<number[]> {
    for (;;) {
      const [theirs, ours] = [
        await ends(from, topic, 'latest', partitions),
        await endsOfCopy(topic, partitions),
      ]
      if (theirs.join() === ours.join()) return theirs
      await sleep(50, undefined, { signal })
    }
  }

  async function endsOfCopy(topic: string, partitions: number): Promise<number[]> {
    const found = await to.metadata([topic], signal)
    return found[0]?.partitions.length === partitions ? ends(to, topic, 'latest', partitions) : []
  }

  async function assertEqual(topic: string, partitions = PARTITIONS): Promise<void> {
    const starts = await ends(from, topic, 'earliest', partitions)
    const lasts = await ends(from, topic, 'latest', partitions)
    assert.deepEqual(await ends(to, topic, 'latest', partitions), lasts)
    for (const [partition, start] of starts.entries()) {
      const range = { topic, partition, from: start, to: lasts[partition]! }
      assert.equal(await firstDifference(from, to, range, signal), undefined)
      const [theirs, ours] = await Promise.all(
        [from, to].map(wire => digestLog(wire, range, 'records', signal)),
      )
      assert.deepEqual(ours, theirs)
    }
  }

  test('the copy equals the source by digest after its workers were killed, doubled, and both brokers too', async () => {
    const topic = 'killed'
    await createTopic(source.bootstrap, topic, {
      partitions: PARTITIONS,
      config: { 'max.message.bytes': '2000000' },
    })
    const stop = new AbortController()
    const writing = writeInAllCodecs(from, [topic], PARTITIONS, stop.signal)
    const how = setup([topic])
    const workers = new Set<Worker>()
    const begin = (): Worker => {
      const worker = startWorker(how)
      workers.add(worker)
      return worker
    }
    const end = async (worker: Worker): Promise<void> => {
      await killed(worker)
      workers.delete(worker)
    }
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const worker = begin()
        console.log(`# resumed after ${await worker.firstCopy} ms, process start included`)
        await sleep(200 + random.integer(800))
        await end(worker)
      }
      const twins = [begin(), begin()]
      await Promise.all(twins.map(({ firstCopy }) => Promise.race([firstCopy, sleep(4_000)])))
      await end(random.pick(twins))
      for (const cluster of random.shuffled([source, target])) {
        const started = Date.now()
        await cluster.nodes[0]!.kill('SIGKILL')
        await cluster.nodes[0]!.start()
        console.log(`# ${cluster.name} killed and up again after ${Date.now() - started} ms`)
      }
      stop.abort()
      const records = await writing
      const lasts = await copied(topic)
      assert.equal(
        lasts.reduce((sum, last) => sum + last, 0),
        records,
      )
      await assertEqual(topic)
      console.log(`# ${records} records, equal by digest`)
    } finally {
      stop.abort()
      await Promise.all([...workers].map(killed))
    }
  })

  test('aborted transactions never reach the copy, and every record keeps its offset', async () => {
    const topic = 'transactional'
    await createTopic(source.bootstrap, topic, { partitions: 2 })
    await using link = await linkBetween(setup([topic]))
    await writeTransactions(source.bootstrap, topic, 2, 12)
    await copied(topic, 2)
    const raw = (await readTopic(to, topic, 2, signal)).flat()
    assert.equal(raw.length, 2 * 2 * 8)
    assert.deepEqual(
      raw.filter(({ value }) => value.startsWith('aborted')),
      [],
    )
    const theirs = await readTopic(from, topic, 2, signal, { isolation: 'read_committed' })
    const committed = theirs.flat().filter(({ value }) => value.startsWith('committed'))
    assert.deepEqual(raw, committed)
    await assertEqual(topic, 2)
    const { partitions } = link.status()
    assert.ok(
      partitions.every(({ filledOffsets, rebuiltBatches }) => filledOffsets > 0 && rebuiltBatches === 0),
    )
  })

  test('a source whose log starts late is copied to the same offsets, and so is what a second worker adds', async () => {
    const topic = 'late'
    await createTopic(source.bootstrap, topic)
    await using producer = await from.producer({}, signal)
    const builder = new BatchBuilder({ codec: 'zstd', maxBytes: 20_000_000 })
    for (let i = 0; i < 250_000; i++) builder.add({ timestamp: 1, value: Buffer.from('x') })
    await producer.append(topic, 0, builder.finish())
    await producer.append(topic, 0, batchOf('kept'))
    await from.deleteRecords([{ topic, partition: 0, before: 250_000 }], signal)
    const how = setup([topic])
    {
      await using _first = await linkBetween(how)
      await copied(topic, 1)
    }
    await producer.append(topic, 0, batchOf('later'))
    await using _second = await linkBetween(how)
    await copied(topic, 1)
    assert.deepEqual(await ends(to, topic, 'earliest', 1), [250_000])
    const [records] = await readTopic(to, topic, 1, signal)
    assert.deepEqual(records, [
      { offset: 250_000, value: 'kept' },
      { offset: 250_001, value: 'later' },
    ])
  })

  test('new topics, new partitions and settings follow', async () => {
    await createTopic(source.bootstrap, 'follow.one', { config: { 'retention.ms': '3600000' } })
    await using _link = await linkBetween(setup(['follow.*']))
    await copied('follow.one', 1)
    await createTopic(source.bootstrap, 'follow.two', { config: { 'retention.ms': '7200000' } })
    await copied('follow.two', 1)
    const [theirs, ours] = [source, target].map(({ bootstrap }) =>
      openCluster({ bootstrap, clientId: 'link-it' }),
    )
    try {
      await theirs!.createPartitions([{ name: 'follow.two', total: 2 }], { signal })
      await using producer = await from.producer({}, signal)
      await producer.append('follow.two', 1, batchOf('second'))
      await copied('follow.two', 2)
      const [records] = (await readTopic(to, 'follow.two', 2, signal)).slice(1)
      assert.deepEqual(records, [{ offset: 0, value: 'second' }])
      const copy = (await kafkaLinkAdmin(ours!).settings(['follow.two'], signal)).get('follow.two')
      assert.equal(copy?.['retention.ms'], '7200000')
      assert.equal(copy?.['message.timestamp.type'], 'CreateTime')
    } finally {
      await Promise.all([theirs!.close(), ours!.close()])
    }
  })

  test('what retention took before it was copied is said by its offsets, and by policy filled', async () => {
    const topic = 'overtaken'
    await createTopic(source.bootstrap, topic)
    await using producer = await from.producer({}, signal)
    await producer.append(topic, 0, batchOf('0', '1', '2'))
    const how = setup([topic])
    {
      await using _link = await linkBetween(how)
      await copied(topic, 1)
    }
    await producer.append(topic, 0, batchOf('3', '4'))
    await producer.append(topic, 0, batchOf('5', '6'))
    await from.deleteRecords([{ topic, partition: 0, before: 5 }], signal)
    {
      await using link = await linkBetween(how)
      const halted = await partition(link, topic, each => each.state === 'halted')
      assert.equal(halted.halted, 'overtaken-by-retention')
      assert.match(halted.reason, /offsets 3 to 4/)
    }
    await using link = await linkBetween({ ...how, link: { ...how.link, onLoss: 'continue' } })
    await copied(topic, 1)
    const { missing } = await partition(link, topic, each => each.state === 'caught-up')
    assert.deepEqual(missing, [{ from: 3, to: 5 }])
    const [records] = await readTopic(to, topic, 1, signal)
    assert.deepEqual(
      records!.map(({ offset, value }) => [offset, value]),
      [
        [0, '0'],
        [1, '1'],
        [2, '2'],
        [5, '5'],
        [6, '6'],
      ],
    )
  })

  test('a source topic that was deleted and created again halts its copy, running or not', async () => {
    const topic = 'recreated'
    await createTopic(source.bootstrap, topic)
    await using producer = await from.producer({}, signal)
    await producer.append(topic, 0, batchOf('old'))
    const how = setup([topic])
    {
      await using link = await linkBetween(how)
      await copied(topic, 1)
      await deleteTopic(source.bootstrap, topic)
      await createTopic(source.bootstrap, topic)
      assert.equal((await partition(link, topic, each => each.state === 'halted')).halted, 'source-recreated')
    }
    await using again = await linkBetween(how)
    assert.equal((await partition(again, topic, each => each.state === 'halted')).halted, 'source-recreated')
    const [records] = await readTopic(to, topic, 1, signal)
    assert.deepEqual(records, [{ offset: 0, value: 'old' }])
  })

  test("a stranger's record in the copy halts the partition and says where", async () => {
    const topic = 'foreign'
    await createTopic(source.bootstrap, topic)
    await using producer = await from.producer({}, signal)
    await producer.append(topic, 0, batchOf('first'))
    await using link = await linkBetween(setup([topic]))
    await copied(topic, 1)
    await using stranger = await to.producer({}, signal)
    await stranger.append(topic, 0, batchOf('foreign'))
    await producer.append(topic, 0, batchOf('second'))
    const { halted, reason } = await partition(link, topic, each => each.state === 'halted')
    assert.equal(halted, 'offsets-displaced')
    assert.match(reason, /offset 1 was written at 2/)
  })

  /** Until the link says of the topic's first partition what is waited for. */
  async function partition(
    link: Link,
    topic: string,
    is: (status: LinkPartitionStatus) => boolean,
  ): Promise<LinkPartitionStatus> {
    for (;;) {
      const found = link.status().partitions.find(each => each.topic === topic)
      if (found !== undefined && is(found)) return found
      await sleep(50, undefined, { signal })
    }
  }
})

interface Worker {
  readonly child: ChildProcess
  /** From its start until it copied something, ms. */
  readonly firstCopy: Promise<number>
}

function startWorker(how: LinkSetup): Worker {
  const started = Date.now()
  const child = spawn(process.execPath, [WORKER, JSON.stringify(how)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const firstCopy = once(child.stdout, 'data').then(() => Date.now() - started)
  child.stdout.on('data', () => undefined)
  return { child, firstCopy }
}

async function killed({ child }: Worker): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
