import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type TestCluster, type TestNode } from '../../../test/fleets/cluster.ts'
import { type LinkSetup, linkBetween } from '../../../test/mirror/link.ts'
import { batchOf, readTopic } from '../../../test/wire/records.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { LinkPartitionStatus } from './contract.ts'
import type { Link } from './run.ts'

describe('a source that loses records in an unclean election', () => {
  const signal = AbortSignal.timeout(420_000)
  let source: TestCluster
  let target: TestCluster
  let to: Wire
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ajna-cut-'))
    const started = await Promise.all([
      startCluster({ nodes: 3, name: 'cut-source' }),
      startCluster({ nodes: 1, name: 'cut-target' }),
    ])
    source = started[0]
    target = started[1]
    to = openWire({ bootstrap: target.bootstrap, clientId: 'cut-it' })
  })

  after(async () => {
    await to.close()
    await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()])
    await rm(folder, { recursive: true })
  })

  const setup = (topic: string): LinkSetup => ({
    source: source.bootstrap,
    target: target.bootstrap,
    store: join(folder, `${topic}.json`),
    link: { name: topic, topics: { include: [topic] }, replicationFactor: 1 },
  })

  const openSource = (): Wire => openWire({ bootstrap: source.bootstrap, clientId: 'cut-it' })

  async function create(topic: string): Promise<void> {
    const config = { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' }
    await createTopic(source.bootstrap, topic, { replicas: 2, config })
  }

  async function append(topic: string, ...values: readonly string[]): Promise<void> {
    await using wire = openSource()
    await using producer = await wire.producer({}, signal)
    for (const value of values) await producer.append(topic, 0, batchOf(value))
  }

  /** Records that only the leader has, `onCopied` when they are there; then the other replica leads without them. */
  async function lose(
    topic: string,
    values: readonly string[],
    onCopied: () => Promise<void>,
  ): Promise<TestNode> {
    await using wire = openSource()
    const { leader, replicas } = await partitionOf(wire, topic, ({ isr }) => isr.length === 2)
    const follower = nodeOf(replicas.find(id => id !== leader)!)
    await follower.kill('SIGKILL')
    await partitionOf(wire, topic, ({ isr }) => isr.length === 1)
    await append(topic, ...values)
    await onCopied()
    const lost = nodeOf(leader)
    await lost.kill('SIGKILL')
    await follower.start()
    await partitionOf(wire, topic, now => now.leader === follower.id)
    return lost
  }

  const nodeOf = (id: number): TestNode => source.nodes.find(node => node.id === id)!

  async function partitionOf(
    wire: Wire,
    topic: string,
    is: (partition: {
      readonly leader: number
      readonly isr: readonly number[]
      readonly replicas: readonly number[]
    }) => boolean,
  ) {
    for (;;) {
      const [found] = await wire.metadata([topic], signal).catch(() => [])
      const partition = found?.partitions[0]
      if (partition !== undefined && is(partition)) return partition
      await sleep(100, undefined, { signal })
    }
  }

  async function until(
    link: Link,
    is: (status: LinkPartitionStatus) => boolean,
  ): Promise<LinkPartitionStatus> {
    for (;;) {
      const [found] = link.status().partitions
      if (found !== undefined && is(found)) return found
      await sleep(50, undefined, { signal })
    }
  }

  const copiedTo = (link: Link, end: number) => until(link, ({ targetEnd }) => targetEnd === end)
  const halted = (link: Link) => until(link, ({ state }) => state === 'halted')
  const copyOf = async (topic: string): Promise<string[]> =>
    (await readTopic(to, topic, 1, signal)).flat().map(({ value }) => value)

  test('what was copied and is lost at the source is said, by a link that runs', async () => {
    const topic = 'cut-live'
    await create(topic)
    await append(topic, 'a', 'b')
    await using link = await linkBetween(setup(topic))
    await copiedTo(link, 2)
    const lost = await lose(topic, ['c', 'd', 'e'], async () => void (await copiedTo(link, 5)))
    const { halted: why, reason } = await halted(link)
    assert.equal(why, 'source-truncated')
    assert.match(reason, /cut to 2; 5 offsets were copied/)
    await lost.start()
    assert.deepEqual(await copyOf(topic), ['a', 'b', 'c', 'd', 'e'])
  })

  test('so it is by one that had read nothing since it began, when the source was cut and written on', async () => {
    const topic = 'cut-idle'
    await create(topic)
    await append(topic, 'a', 'b')
    const begun: Link[] = []
    const lost = await lose(topic, ['c', 'd', 'e'], async () => {
      {
        await using link = await linkBetween(setup(topic))
        await copiedTo(link, 5)
      }
      const again = await linkBetween(setup(topic))
      begun.push(again)
      await until(again, ({ state }) => state === 'caught-up')
    })
    await using link = begun[0]!
    await append(topic, 'C', 'D', 'E', 'F', 'G')
    assert.equal((await halted(link)).halted, 'source-truncated')
    await lost.start()
    assert.deepEqual(await copyOf(topic), ['a', 'b', 'c', 'd', 'e'])
  })

  test('and by one that begins after the source was cut, written on, and is longer than ever', async () => {
    const topic = 'cut-away'
    await create(topic)
    await append(topic, 'a', 'b')
    const lost = await lose(topic, ['c', 'd', 'e'], async () => {
      await using link = await linkBetween(setup(topic))
      await copiedTo(link, 5)
    })
    await append(topic, 'C', 'D', 'E', 'F', 'G')
    await using link = await linkBetween(setup(topic))
    const { halted: why, reason } = await halted(link)
    assert.equal(why, 'source-truncated')
    assert.match(reason, /at offset 4 the source has another record/)
    await lost.start()
    assert.deepEqual(await copyOf(topic), ['a', 'b', 'c', 'd', 'e'])
  })
})
