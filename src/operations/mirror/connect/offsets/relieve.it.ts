import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type TestCluster } from '../../../../../test/fleets/cluster.ts'
import { startMirrorMaker } from '../../../../../test/mirror/mirror-maker.ts'
import { batchOf, readTopic } from '../../../../../test/wire/records.ts'
import { createTopic } from '../../../../../test/wire/topics.ts'
import type { Wire } from '../../../../foundation/wire/contract.ts'
import { openWire } from '../../../../foundation/wire/wire.ts'
import { committedOffsets, mirrorMakerStands } from './committed.ts'
import { type OffsetSync, offsetSync } from './offset-syncs.ts'
import { type Relieved, relieve } from './relieve.ts'
import { topicRecords } from './topic-records.ts'

const PARTITIONS = 2
const DEADLINE_MS = 240_000

describe('a MirrorMaker 2 that is relieved', () => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  let source: TestCluster
  let target: TestCluster
  let from: Wire
  let to: Wire

  before(async () => {
    const started = await Promise.all([
      startCluster({ nodes: 1, name: 'relieve-source' }),
      startCluster({ nodes: 1, name: 'relieve-target' }),
    ])
    source = started[0]
    target = started[1]
    from = openWire({ bootstrap: source.bootstrap, clientId: 'relieve-it' })
    to = openWire({ bootstrap: target.bootstrap, clientId: 'relieve-it' })
  })

  after(async () => {
    await Promise.all([from.close(), to.close()])
    await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()])
  })

  /** What it left behind, and where the link would go on. */
  async function relieved(topic: string): Promise<readonly Relieved[]> {
    const committed = mirrorMakerStands(
      committedOffsets(await topicRecords(to, 'mm2-offsets.a.internal', signal)),
      {
        connector: 'MirrorSourceConnector',
        cluster: 'a',
      },
    )
    const syncs = (await topicRecords(from, 'mm2-offset-syncs.b.internal', signal))
      .map(offsetSync)
      .filter((sync): sync is OffsetSync => sync !== undefined)
    assert.ok(syncs.some(sync => sync.topic === topic))
    return Promise.all(
      Array.from({ length: PARTITIONS }, (_, partition) => {
        const stand = committed.find(each => each.topic === topic && each.partition === partition)
        const task = { topic, copy: `a.${topic}`, partition, copiedBefore: stand?.sourceOffset ?? 0, syncs }
        return relieve(task, { source: from, target: to, signal, chunkRecords: 500 })
      }),
    )
  }

  async function copied(topic: string, atLeast: number): Promise<void> {
    for (;;) {
      const [known] = await to.metadata([`a.${topic}`], signal)
      if (known !== undefined && known.partitions.length === PARTITIONS) {
        const ends = await to.listOffsets(
          known.partitions.map(({ partition }) => ({ topic: `a.${topic}`, partition, at: 'latest' })),
          signal,
        )
        if (ends.every(({ offset }) => offset >= atLeast)) return
      }
      await sleep(200, undefined, { signal })
    }
  }

  /** The first record that is not in the copy, by what the records say themselves. */
  async function firstMissing(topic: string): Promise<readonly number[]> {
    const [ours, theirs] = await Promise.all([
      readTopic(from, topic, PARTITIONS, signal),
      readTopic(to, `a.${topic}`, PARTITIONS, signal),
    ])
    return ours.map((records, partition) => {
      const held = new Set(theirs[partition]!.map(({ value }) => value))
      return records.find(({ value }) => !held.has(value))?.offset ?? records.at(-1)!.offset + 1
    })
  }

  test('is relieved exactly where its copy ends: after it stopped, was killed, and began again', async () => {
    const topic = 'orders'
    await createTopic(source.bootstrap, topic, { partitions: PARTITIONS })
    await using producer = await from.producer({}, signal)
    let written = 0
    const write = async (batches: number): Promise<void> => {
      for (let index = 0; index < batches; index++)
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const values = Array.from({ length: 10 }, () => `${partition}-${++written}`)
          await producer.append(topic, partition, batchOf(...values), signal)
        }
    }
    await write(20)
    await using mirrorMaker = await startMirrorMaker({
      source: { alias: 'a', bootstrap: source.bootstrap },
      target: { alias: 'b', bootstrap: target.bootstrap },
      topics: topic,
      // So that what it committed lies behind what it copied, and it copies some of it again.
      settings: { 'offset.flush.interval.ms': '7000' },
    })
    for (const round of ['killed', 'killed again', 'stopped']) {
      await copied(topic, written / PARTITIONS)
      const writing = write(150)
      await copied(topic, written / PARTITIONS)
      if (round === 'stopped') await mirrorMaker.stop()
      else await mirrorMaker.kill()
      await writing
      const answers = await relieved(topic)
      assert.deepEqual(
        answers.map(({ sourceOffset }) => sourceOffset),
        await firstMissing(topic),
        `${round}: ${JSON.stringify(answers)}`,
      )
      console.log(`# ${round}: ${JSON.stringify(answers)}`)
      if (round !== 'stopped') await mirrorMaker.start()
    }
    const copies = await readTopic(to, `a.${topic}`, PARTITIONS, signal)
    const twice = copies.flatMap(records => records.length - new Set(records.map(({ value }) => value)).size)
    console.log(`# MirrorMaker 2 had copied ${twice.join(' and ')} records twice`)
  })
})
