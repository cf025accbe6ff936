import assert from 'node:assert/strict'
import { type ChildProcess, execFile } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CompressionAlgorithms, Producer, stringSerializers } from '@platformatic/kafka'
import { startCluster, type TestCluster } from '../../../../test/fleets/cluster.ts'
import { assertCopied, endsAt, writeInAllCodecs } from '../../../../test/mirror/copies.ts'
import { createLinksTopic, ended, openLinks, startGroupWorker } from '../../../../test/mirror/group.ts'
import { writeTransactions } from '../../../../test/mirror/transactions.ts'
import { type Random, seededRandom } from '../../../../test/wire/random.ts'
import { createTopic } from '../../../../test/wire/topics.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import { linkDefinitionSchema } from '../definition.ts'
import { putLink } from './registry.ts'

const ROUNDS = Number(process.env['AJNA_TEST_ROUNDS'] ?? 50)
const PARTITIONS = 4
const REPLICAS = 3
const ALL_REPLICAS = -1
const WORKERS = ['one', 'two']
/** Beyond the lease of the workers' group, so that the frozen one is deposed. */
const DEPOSED_MS = 11_000

/** Everything that may be disturbed. */
interface Scene {
  readonly random: Random
  readonly source: TestCluster
  readonly target: TestCluster
  readonly workers: Map<string, ChildProcess>
}

type Disturbance = (scene: Scene) => Promise<string>

const ofWorkers: readonly Disturbance[] = [
  async ({ random, workers, target }) => {
    const name = random.pick(WORKERS)
    await ended(workers.get(name)!, 'SIGKILL')
    workers.set(name, startGroupWorker(name, target.bootstrap))
    return `worker ${name} killed`
  },
  async scene => `worker ${await freeze(scene, 500 + scene.random.integer(3_000))} frozen`,
  async scene => `worker ${await freeze(scene, DEPOSED_MS)} frozen until others had its work`,
  async ({ random, source, target }) => {
    const cluster = random.pick([source, target])
    for (let times = 0; times < 5; times++) {
      await resetConnections(cluster)
      await sleep(random.integer(500))
    }
    return `connections to ${cluster.name} reset`
  },
]

const ofBrokers: readonly Disturbance[] = [
  async ({ random, source, target }) => {
    const cluster = random.pick([source, target])
    const node = random.pick(cluster.nodes)
    await node.kill('SIGKILL')
    await sleep(random.integer(2_000))
    await node.start()
    return `${cluster.name} ${node.id} killed`
  },
  async ({ random, source, target }) => {
    const cluster = random.pick([source, target])
    const node = random.pick(cluster.nodes)
    await node.kill('SIGSTOP')
    await sleep(1_000 + random.integer(5_000))
    await node.kill('SIGCONT')
    return `${cluster.name} ${node.id} frozen`
  },
]

async function freeze({ random, workers }: Scene, ms: number): Promise<string> {
  const name = random.pick(WORKERS)
  workers.get(name)!.kill('SIGSTOP')
  await sleep(ms)
  workers.get(name)!.kill('SIGCONT')
  return name
}

/** As a firewall or a router that forgets does: both ends of every client's connection are told at once. Needs root. */
async function resetConnections({ nodes }: TestCluster): Promise<void> {
  const ports = nodes.flatMap(({ clientPort }, index) => [
    ...(index === 0 ? [] : ['or']),
    'dport',
    '=',
    `:${clientPort}`,
  ])
  await promisify(execFile)('ss', ['-K', '-H', 'dst', '127.0.0.1', 'and', '(', ...ports, ')'])
}

test('the copies equal their sources through every disturbance: nothing lost, nothing twice, order kept', async () => {
  const random = seededRandom()
  console.log(`# seed ${random.seed}, ${ROUNDS} rounds`)
  const signal = AbortSignal.timeout(600_000 + ROUNDS * 40_000)
  const [source, target] = await Promise.all([
    startCluster({ nodes: 3, name: 'mirror-source' }),
    startCluster({ nodes: 3, name: 'mirror-target' }),
  ])
  await using _source = source
  await using _target = target
  await using from = openWire({ bootstrap: source.bootstrap, clientId: 'mirror-chaos' })
  await using to = openWire({ bootstrap: target.bootstrap, clientId: 'mirror-chaos' })
  const topics = ['idempotent', 'plain', 'transactional']
  for (const topic of topics)
    await createTopic(source.bootstrap, topic, {
      partitions: PARTITIONS,
      replicas: REPLICAS,
      config: { 'min.insync.replicas': '2' },
    })
  await createLinksTopic(target.bootstrap, REPLICAS)
  await using journal = await openLinks(target.bootstrap, 'mirror-chaos')
  const end = ({ bootstrap }: TestCluster) => ({ bootstrap: [...bootstrap], tls: null })
  await putLink(journal, {
    definition: linkDefinitionSchema.parse({
      name: 'tried',
      source: end(source),
      target: end(target),
      topics: { include: topics },
    }),
    owner: 'api',
    annotations: {},
    expected: null,
    kept: null,
  })

  const stop = new AbortController()
  const idempotent = writeInAllCodecs(from, ['idempotent'], PARTITIONS, stop.signal, 4)
  const plain = writePlainly(source, 'plain', stop.signal)
  const transactional = writeTransactionally(source, 'transactional', stop.signal)
  const workers = new Map(WORKERS.map(name => [name, startGroupWorker(name, target.bootstrap)]))
  const scene: Scene = { random, source, target, workers }
  const copies = { from, to, topics, partitions: PARTITIONS, signal }
  try {
    await grown(to, copies, 0)
    const began = Date.now()
    for (let round = 0; round < ROUNDS; ) {
      const kinds = random.pick([[ofWorkers], [ofBrokers], [ofWorkers, ofBrokers]])
      const before = await sizeOf(to, copies)
      const started = Date.now()
      const what = await Promise.all(kinds.map(kind => random.pick(kind)(scene)))
      round += what.length
      const disturbedMs = Date.now() - started
      // More than one of three replicas out at once would halt the brokers, which says nothing about the link.
      await Promise.all([inSync(from, copies), inSync(to, copies)])
      await grown(to, copies, before)
      console.log(
        `# ${round}: ${what.join(', ')}; for ${disturbedMs} ms, flows and is in sync ${Date.now() - started - disturbedMs} ms after`,
      )
    }
    stop.abort()
    const [acknowledged, sent, { committed, aborted, failed }] = await Promise.all([
      idempotent,
      plain,
      transactional,
    ])
    const one = (topic: string): Promise<number> => assertCopied({ ...copies, topics: [topic] })
    assert.equal(await one('idempotent'), acknowledged)
    const plainly = await one('plain')
    assert.ok(plainly >= sent, `${plainly} records of ${sent} that were acknowledged`)
    const inTransactions = await one('transactional')
    console.log(
      `# ${Math.round((Date.now() - began) / 1_000)} s; equal by digest: ${acknowledged} idempotent, ${plainly} plain, ${inTransactions} in ${committed} transactions (${aborted} aborted, ${failed} cut off)`,
    )
  } finally {
    stop.abort()
    await Promise.all([...workers.values()].map(worker => ended(worker, 'SIGKILL')))
    await Promise.allSettled([idempotent, plain, transactional])
  }
})

async function sizeOf(to: Wire, copies: Parameters<typeof endsAt>[1]): Promise<number> {
  const found = await to.metadata(copies.topics, copies.signal)
  const topics = found.filter(({ partitions }) => partitions.length === PARTITIONS).map(({ name }) => name)
  return (await endsAt(to, { ...copies, topics })).reduce((sum, each) => sum + each, 0)
}

/** Until more has been copied. */
async function grown(to: Wire, copies: Parameters<typeof endsAt>[1], before: number): Promise<void> {
  while ((await sizeOf(to, copies)) <= before) await sleep(100, undefined, { signal: copies.signal })
}

/** Until all replicas of what there is are in sync. */
async function inSync(wire: Wire, { topics, signal }: Parameters<typeof endsAt>[1]): Promise<void> {
  for (;;) {
    const found = await wire.metadata(topics, signal)
    if (found.flatMap(({ partitions }) => partitions).every(({ isr }) => isr.length === REPLICAS)) return
    await sleep(200, undefined, { signal })
  }
}

/**
 * Without idempotence, in all codecs; what failed is not sent again. Every other time one replica's word is enough: what a
 * killed leader had acknowledged so may be lost at the source. Answers how many all replicas acknowledged.
 */
async function writePlainly({ bootstrap }: TestCluster, topic: string, stop: AbortSignal): Promise<number> {
  const producer = new Producer({
    clientId: 'plain',
    bootstrapBrokers: [...bootstrap],
    serializers: stringSerializers,
    idempotent: false,
  })
  const codecs = Object.values(CompressionAlgorithms)
  let acknowledged = 0
  try {
    for (let n = 0; !stop.aborted; n++) {
      const messages = Array.from({ length: 10 }, (_, i) => ({
        topic,
        partition: n % PARTITIONS,
        value: `${n}-${i}-`.repeat(n % 20),
      }))
      const acks = n % 2 === 0 ? ALL_REPLICAS : 1
      const sent = await producer
        .send({ messages, acks, compression: codecs[n % codecs.length]! })
        .catch(() => undefined)
      if (sent !== undefined && acks === ALL_REPLICAS) acknowledged += messages.length
      await sleep(20)
    }
  } finally {
    await producer.close()
  }
  return acknowledged
}

/** Transactions that are committed, aborted, or cut off by what happens to the brokers. */
async function writeTransactionally(
  { bootstrap }: TestCluster,
  topic: string,
  stop: AbortSignal,
): Promise<{ committed: number; aborted: number; failed: number }> {
  const count = { committed: 0, aborted: 0, failed: 0 }
  while (!stop.aborted) {
    try {
      await writeTransactions(bootstrap, topic, PARTITIONS, 6)
      count.committed += 4
      count.aborted += 2
    } catch {
      count.failed++
      await sleep(500)
    }
  }
  // What was cut off last would keep readers of committed records waiting for its timeout.
  await writeTransactions(bootstrap, topic, PARTITIONS, 3)
  return count
}
