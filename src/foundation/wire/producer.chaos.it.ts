import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type TestCluster, type TestNode } from '../../../test/fleets/cluster.ts'
import { type Random, seededRandom } from '../../../test/wire/random.ts'
import { batchOf, readTopic } from '../../../test/wire/records.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import type { Producer, Wire } from './contract.ts'
import { openWire } from './wire.ts'

const PARTITIONS = 6
const PRODUCERS = 3
const OUTSTANDING = 4
const FREEZE_MS = 4_000

interface Writer {
  readonly name: string
  readonly partition: number
  /** Every record below this number was acknowledged. */
  acknowledged: number
  longestStallMs: number
}

/** Appends numbered records, a few at a time, until told to stop. */
async function write(producer: Producer, topic: string, writer: Writer, stop: AbortSignal): Promise<void> {
  let next = 0
  let last = Date.now()
  const lane = async (): Promise<void> => {
    while (!stop.aborted) {
      const numbers = [next++, next++]
      await producer.append(topic, writer.partition, batchOf(...numbers.map(n => `${writer.name}:${n}`)))
      writer.acknowledged += numbers.length
      writer.longestStallMs = Math.max(writer.longestStallMs, Date.now() - last)
      last = Date.now()
      await sleep(5)
    }
  }
  await Promise.all(Array.from({ length: OUTSTANDING }, lane))
}

type Disturbance = readonly [what: string, act: (node: TestNode) => Promise<void>]

const disturbances: readonly Disturbance[] = [
  [
    'kill -9 and restart',
    async node => {
      await node.kill('SIGKILL')
      await node.start()
    },
  ],
  [
    'freeze',
    async node => {
      await node.kill('SIGSTOP')
      await sleep(FREEZE_MS)
      await node.kill('SIGCONT')
    },
  ],
  [
    'roll',
    async node => {
      await node.stop()
      await node.start()
    },
  ],
]

/** Until every partition has all its replicas in sync: a second disturbance before that could halt the cluster. */
async function inSync(wire: Wire, topic: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const [found] = await wire.metadata([topic], signal)
    if (found?.partitions.every(({ isr, leader }) => isr.length === 3 && leader >= 0)) return
    await sleep(200, undefined, { signal })
  }
}

async function disturb(
  cluster: TestCluster,
  wire: Wire,
  topic: string,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const nodes = random.shuffled(cluster.nodes)
  for (const [index, [what, act]] of random.shuffled(disturbances).entries()) {
    const started = Date.now()
    await act(nodes[index % nodes.length]!)
    await inSync(wire, topic, signal)
    console.log(
      `# ${what} of node ${nodes[index % nodes.length]!.id}: in sync again after ${Date.now() - started} ms`,
    )
  }
}

test('every acknowledged record is in the log once and in order, through kills, freezes and rolling restarts', async () => {
  const random = seededRandom()
  console.log(`# seed ${random.seed}`)
  await using cluster = await startCluster({ nodes: 3, name: 'wire-chaos' })
  const topic = 'numbers'
  const signal = AbortSignal.timeout(300_000)
  await createTopic(cluster.bootstrap, topic, {
    partitions: PARTITIONS,
    replicas: 3,
    config: { 'min.insync.replicas': '2' },
  })
  await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'chaos' })
  const stop = new AbortController()
  const writers: Writer[] = []
  const writing = Array.from({ length: PRODUCERS }, async (_, index) => {
    await using own = openWire({ bootstrap: cluster.bootstrap, clientId: `chaos-${index}` })
    await using producer = await own.producer({}, signal)
    const mine = Array.from({ length: PARTITIONS }, (__, partition) => ({
      name: `p${index}`,
      partition,
      acknowledged: 0,
      longestStallMs: 0,
    }))
    writers.push(...mine)
    await Promise.all(mine.map(writer => write(producer, topic, writer, stop.signal)))
  })
  await disturb(cluster, wire, topic, random, signal)
  stop.abort()
  await Promise.all(writing)

  const read = await readTopic(wire, topic, PARTITIONS, signal)
  let records = 0
  for (const { name, partition, acknowledged } of writers) {
    const numbers = read[partition]!.filter(({ value }) => value.startsWith(`${name}:`)).map(({ value }) =>
      Number(value.slice(name.length + 1)),
    )
    assert.ok(acknowledged > 0, `${name} wrote to ${partition}`)
    assert.deepEqual(
      numbers,
      Array.from({ length: acknowledged }, (_, n) => n),
      `${name} in partition ${partition}, seed ${random.seed}`,
    )
    records += acknowledged
  }
  console.log(
    `# ${records} records acknowledged, each found once; longest stall ${Math.max(...writers.map(writer => writer.longestStallMs))} ms`,
  )
})
