import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sharedCluster } from '../../../test/fleets/cluster.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { AgentConfigInput } from './contract.ts'
import type { SavedCheckpoint } from './ship/checkpoint.ts'
import { createPrograms, randomFrom } from './testing/programs.ts'
import { readShipped, type ShippedStream } from './testing/topic.ts'

const AGENT = new URL('./testing/agent.ts', import.meta.url).pathname
const KILLS = 12
const SHIPPED_WITHIN_MS = 60_000
const START_WITHIN_MS = 60_000

test('every byte of every file is shipped exactly once, while files rotate in every way and the agent is killed again and again', async () => {
  const seed = Number(process.env['AJNA_SEED'] ?? randomInt(2 ** 31))
  console.log(`# seed ${seed}`)
  const random = randomFrom(seed)
  await using cluster = await sharedCluster()
  const root = await mkdtemp(join(tmpdir(), 'ajna-hosts-'))
  const logs = join(root, 'logs')
  await mkdir(logs)
  const id = randomBytes(4).toString('hex')
  const [topic, streamsTopic] = [`logs.chaos-${id}`, `ajna.streams.chaos-${id}`]
  const replicas = Math.min(3, cluster.nodes.length)
  await createTopic(cluster.bootstrap, topic, { partitions: 3, replicas })
  await createTopic(cluster.bootstrap, streamsTopic, { replicas })

  const directory = join(root, 'agent')
  const programs = createPrograms({
    directory: logs,
    random,
    isShipped: (inode, bytes) => isHeld(join(directory, 'checkpoint.json'), inode, bytes),
  })
  const config: AgentConfigInput = {
    site: 'chaos',
    host: 'h1',
    directory,
    runDirectory: join(root, 'run'),
    bootstrap: [...cluster.bootstrap],
    transactionalId: `agent-chaos.${id}`,
    sources: [{ tenant: 'test', topic, files: [...programs.globs] }],
    streamsTopic,
    tail: { discoverMs: 200, pollMs: 20, partialLineMs: 150, releaseMs: 2_000 },
  }
  const configFile = join(root, 'agent.json')
  await writeFile(configFile, JSON.stringify(config))
  const logFile = join(root, 'agent.log')
  const log = openSync(logFile, 'a')
  const startAgent = (): ChildProcess =>
    spawn(process.execPath, [AGENT, configFile], { stdio: ['ignore', log, log] })

  const sessions = (): number => readFileSync(logFile, 'utf8').split('ready to ship').length - 1
  /** Until the agent of this start ships; it takes its time on a busy machine. */
  const shipping = async (before: number): Promise<void> => {
    for (const until = Date.now() + START_WITHIN_MS; sessions() === before; await delay(50))
      assert.ok(Date.now() < until, 'the agent ships soon after its start')
  }

  const wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'chaos' })
  const read = (): Promise<Map<string, ShippedStream>> =>
    readShipped(wire, topic, AbortSignal.timeout(30_000))
  let agent = startAgent()
  const writing = new AbortController()
  let expected = new Map<string, Buffer>()
  let shipped = new Map<string, ShippedStream>()
  try {
    await shipping(0)
    const written = writeUntil(writing.signal, () => programs.step(), random)
    for (let kill = 0; kill < KILLS; kill++) {
      await delay(random() * 1_500)
      const ended = once(agent, 'exit')
      assert.ok(agent.kill('SIGKILL'), 'the agent ran until it was killed')
      await ended
      const before = sessions()
      agent = startAgent()
      // Every third one is killed while it starts.
      if (kill % 3 !== 2) await shipping(before)
    }
    writing.abort()
    await written
    programs.finish()
    expected = programs.expected()
    const total = [...expected.values()].reduce((sum, { length }) => sum + length, 0)
    const until = Date.now() + SHIPPED_WITHIN_MS
    while (bytesOf((shipped = await read())) < total && Date.now() < until) await delay(500)
    // Nothing more may come.
    await delay(1_000)
    shipped = await read()
    console.log(`# ${KILLS} kills, ${expected.size} generations of files, ${total} bytes`)
  } finally {
    writing.abort()
    const ended = once(agent, 'exit')
    if (agent.exitCode === null && agent.kill('SIGTERM')) await ended
    await wire.close()
  }

  try {
    compare(shipped, expected)
  } catch (error) {
    console.log(`# kept for inspection: ${root}`)
    throw error
  }
  await rm(root, { recursive: true })
})

function compare(shipped: ReadonlyMap<string, ShippedStream>, expected: ReadonlyMap<string, Buffer>): void {
  const problems: string[] = []
  const met = new Set<string>()
  for (const [stream, { bytes, repeated, missing }] of shipped) {
    const firstLine = bytes.toString('latin1', 0, Math.max(0, bytes.indexOf(10)))
    const content = expected.get(firstLine)
    const name = `${stream} (${firstLine.split('/').at(-1)})`
    if (content === undefined) problems.push(`${name}: nobody wrote this`)
    else if (met.has(firstLine)) problems.push(`${name}: shipped as two streams`)
    else if (missing > 0) problems.push(`${name}: ${missing} of ${content.length} bytes are missing`)
    else if (repeated > 0) problems.push(`${name}: ${repeated} bytes are there more than once`)
    else if (!bytes.equals(content))
      problems.push(`${name}: ${bytes.length} bytes differ from the ${content.length} written`)
    met.add(firstLine)
  }
  for (const firstLine of expected.keys())
    if (!met.has(firstLine)) problems.push(`${firstLine}: never shipped`)
  assert.deepEqual(problems, [])
}

const bytesOf = (shipped: ReadonlyMap<string, ShippedStream>): number =>
  [...shipped.values()].reduce((sum, { bytes, missing }) => sum + bytes.length - missing, 0)

async function writeUntil(signal: AbortSignal, step: () => void, random: () => number): Promise<void> {
  while (!signal.aborted) {
    step()
    await delay(random() * 30)
  }
}

function isHeld(checkpoint: string, inode: string, bytes: number): boolean {
  let saved: SavedCheckpoint
  try {
    saved = JSON.parse(readFileSync(checkpoint, 'utf8')) as SavedCheckpoint
  } catch {
    return false // not written yet
  }
  const stream = saved.streams.findLast(({ identity, ended }) => identity.inode === inode && ended === null)
  const held = saved.ledger.find(account => account.stream === stream?.id)?.held ?? []
  return held.length === 1 && held[0]![0] === 0 && held[0]![1] === bytes
}
