/**
 * Lines per CPU-second of the host agent, beside rsyslog (imfile → omkafka) doing the same: the same file of 200-byte
 * lines, the same broker, acks=all, no compression, one after the other, several rounds, medians.
 *
 *     make bench-shipping [LINES=4000000] [ROUNDS=3] [COMPRESSION=lz4] [PROFILE=folder for CPU profiles of the agent]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Wire } from '../../src/foundation/wire/contract.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { type AgentConfigInput, agentConfig } from '../../src/operations/hosts/contract.ts'
import { usageOf } from '../../src/operations/hosts/metrics/proc.ts'
import { startCluster } from '../fleets/cluster.ts'
import { createTopic, deleteTopic } from '../wire/topics.ts'

const LINES = Number(process.env['LINES'] ?? 4_000_000)
const ROUNDS = Number(process.env['ROUNDS'] ?? 3)
const LINE_BYTES = 200
const PARTITIONS = 4
const DEADLINE_MS = 300_000
const AGENT = new URL('../../src/operations/hosts/testing/agent.ts', import.meta.url).pathname

interface Outcome {
  readonly cpuSeconds: number
  readonly wallSeconds: number
  readonly residentBytes: number
}

interface Bench {
  readonly folder: string
  readonly file: string
  readonly bootstrap: readonly string[]
  readonly wire: Wire
}

/** Lines as programs write them: a timestamp, a level, text that differs from line to line. */
async function writeLines(path: string): Promise<void> {
  const out = createWriteStream(path, { highWaterMark: 4 * 1024 * 1024 })
  const began = Date.now() - LINES
  for (let from = 0; from < LINES; from += 10_000) {
    const lines: string[] = []
    for (let i = from; i < Math.min(LINES, from + 10_000); i++) {
      const start = `${new Date(began + i).toISOString()} INFO  request ${i} took ${i % 977} ms at node-${i % 13}: `
      lines.push(start.padEnd(LINE_BYTES - 1, 'abcdefghijklmnopqrstuvwxyz0123456789 '))
    }
    if (!out.write(`${lines.join('\n')}\n`)) await once(out, 'drain')
  }
  out.end()
  await finished(out)
}

async function recordsIn(wire: Wire, topic: string): Promise<number> {
  const queries = Array.from({ length: PARTITIONS }, (_, partition) => ({
    topic,
    partition,
    at: 'latest' as const,
  }))
  const ends = await wire.listOffsets(queries, AbortSignal.timeout(10_000))
  return ends.reduce((sum, { offset }) => sum + offset, 0)
}

/** CPU time of the child when the topic holds every line. */
async function shipAll(bench: Bench, topic: string, extra: number, child: ChildProcess): Promise<Outcome> {
  const began = performance.now()
  try {
    while ((await recordsIn(bench.wire, topic)) < LINES + extra) {
      if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`)
      if (performance.now() - began > DEADLINE_MS)
        throw new Error(`${child.spawnfile} did not finish in time`)
      await delay(100)
    }
    const usage = (await usageOf(child.pid!))!
    return { ...usage, wallSeconds: (performance.now() - began) / 1_000 }
  } finally {
    const ended = once(child, 'exit')
    if (child.exitCode === null && child.kill('SIGTERM')) await ended
  }
}

async function withTopic<T>(bench: Bench, name: string, work: (topic: string) => Promise<T>): Promise<T> {
  const topic = `bench-${name}-${randomBytes(4).toString('hex')}`
  await createTopic(bench.bootstrap, topic, { partitions: PARTITIONS })
  try {
    return await work(topic)
  } finally {
    await deleteTopic(bench.bootstrap, topic)
  }
}

function agentRound(bench: Bench, round: number): Promise<Outcome> {
  return withTopic(bench, 'agent', async topic => {
    const streamsTopic = `${topic}-streams`
    await createTopic(bench.bootstrap, streamsTopic, {})
    const directory = join(bench.folder, `agent-${round}`)
    await mkdir(directory)
    const config: AgentConfigInput = {
      site: 'bench',
      host: 'bench',
      directory,
      runDirectory: join(directory, 'run'),
      bootstrap: [...bench.bootstrap],
      transactionalId: topic,
      sources: [{ tenant: 'bench', topic, files: [bench.file] }],
      streamsTopic,
      compression: agentConfig.shape.compression.parse(process.env['COMPRESSION']),
    }
    const path = join(directory, 'config.json')
    await writeFile(path, JSON.stringify(config))
    const profile =
      process.env['PROFILE'] === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${process.env['PROFILE']}`]
    const child = spawn(process.execPath, [...profile, AGENT, path], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, AJNA_LOG_LEVEL: 'warn' },
    })
    return shipAll(bench, topic, PARTITIONS, child)
  })
}

function rsyslogRound(bench: Bench, round: number): Promise<Outcome> {
  return withTopic(bench, 'rsyslog', async topic => {
    const directory = join(bench.folder, `rsyslog-${round}`)
    await mkdir(directory)
    const path = join(directory, 'rsyslog.conf')
    await writeFile(path, rsyslogConfig(bench, directory, topic))
    const child = spawn('rsyslogd', ['-n', '-f', path, '-i', join(directory, 'pid')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    return shipAll(bench, topic, 0, child)
  })
}

const rsyslogConfig = ({ file, bootstrap }: Bench, directory: string, topic: string): string => `
global(workDirectory="${directory}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="omkafka")
template(name="line" type="string" string="%msg%")
input(type="imfile" file="${file}" tag="bench" ruleset="ship" freshStartTail="off")
ruleset(name="ship" queue.type="FixedArray" queue.size="200000" queue.dequeueBatchSize="4096" queue.workerThreads="1") {
  action(type="omkafka" broker=["${bootstrap[0]}"] topic="${topic}" template="line" partitions.auto="on"
    confParam=["compression.codec=none", "acks=all", "linger.ms=20", "batch.num.messages=10000",
      "queue.buffering.max.messages=1000000", "queue.buffering.max.kbytes=524288"])
}
`

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

function row(name: string, outcome: Outcome): string {
  const perCpu = Math.round(LINES / outcome.cpuSeconds).toLocaleString('en')
  const rate = Math.round(LINES / outcome.wallSeconds).toLocaleString('en')
  const resident = Math.round(outcome.residentBytes / 2 ** 20)
  return `${name.padEnd(10)} ${perCpu.padStart(12)} ${rate.padStart(12)} ${outcome.cpuSeconds.toFixed(2).padStart(8)} ${String(resident).padStart(8)}`
}

async function main(): Promise<void> {
  await using cluster = await startCluster({ nodes: 1, name: 'bench' })
  const folder = await mkdtemp(join(tmpdir(), 'ajna-bench-'))
  const wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'bench' })
  try {
    const bench: Bench = { folder, file: join(folder, 'lines.log'), bootstrap: cluster.bootstrap, wire }
    await writeLines(bench.file)
    console.log(
      `${LINES.toLocaleString('en')} lines of ${LINE_BYTES} bytes, ${cpus().length} cores (${cpus()[0]?.model})`,
    )
    console.log(
      `${''.padEnd(10)} ${'lines/CPU-s'.padStart(12)} ${'lines/s'.padStart(12)} ${'CPU-s'.padStart(8)} ${'MiB'.padStart(8)}`,
    )
    const agent: Outcome[] = []
    const rsyslog: Outcome[] = []
    for (let round = 0; round < ROUNDS; round++) {
      agent.push(await agentRound(bench, round))
      console.log(row('agent', agent.at(-1)!))
      rsyslog.push(await rsyslogRound(bench, round))
      console.log(row('rsyslog', rsyslog.at(-1)!))
    }
    const perCpu = (outcomes: readonly Outcome[]): number =>
      Math.round(median(outcomes.map(({ cpuSeconds }) => LINES / cpuSeconds)))
    const perSecond = (outcomes: readonly Outcome[]): number =>
      Math.round(median(outcomes.map(({ wallSeconds }) => LINES / wallSeconds)))
    const figures = {
      bench: 'shipping',
      lines: LINES,
      lineBytes: LINE_BYTES,
      rounds: ROUNDS,
      linesPerCpuSecond: perCpu(agent),
      rsyslogLinesPerCpuSecond: perCpu(rsyslog),
      ratio: Number((perCpu(agent) / perCpu(rsyslog)).toFixed(2)),
      linesPerSecond: perSecond(agent),
      rsyslogLinesPerSecond: perSecond(rsyslog),
      residentBytes: median(agent.map(({ residentBytes }) => residentBytes)),
    }
    console.log(JSON.stringify(figures))
  } finally {
    await wire.close()
    await rm(folder, { recursive: true, force: true })
  }
}

await main()
