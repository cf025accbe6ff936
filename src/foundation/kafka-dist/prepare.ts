import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AjnaError } from '../errors/errors.ts'
import type { Logger } from '../log/log.ts'
import { KAFKA_PREPARE_FAILED } from './errors.ts'
import type { Java } from './java.ts'
import type { KafkaRelease } from './versions.ts'

/** What one trial run of a broker leaves for all later ones. */
export interface Prepared {
  readonly cdsArchive: string | undefined
  readonly bootstrapCheckpoint: string
}

interface PrepareTask {
  readonly release: KafkaRelease
  readonly home: string
  readonly classpath: string
  readonly java: Java
  readonly log: Logger
}

const trialDeadlineMs = 120_000
const trialPrefix = '.trial-'

const preparedFolder = (home: string, java: Java): string => join(home, `prepared-${java.fingerprint}`)

export async function prepared(home: string, java: Java): Promise<Prepared | undefined> {
  const folder = preparedFolder(home, java)
  const bootstrapCheckpoint = join(folder, 'bootstrap.checkpoint')
  if (!(await exists(bootstrapCheckpoint))) return undefined
  const cdsArchive = join(folder, 'kafka.jsa')
  return { bootstrapCheckpoint, cdsArchive: (await exists(cdsArchive)) ? cdsArchive : undefined }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/**
 * Formats and runs one broker for a moment, for two things it leaves: a class-data archive (JEP 350), with which brokers
 * start in about half the time, and the release's own bootstrap.checkpoint, with which a node can be formatted without
 * a JVM. The caller holds the cache's lock.
 *
 * @throws AjnaError KAFKA_PREPARE_FAILED
 */
export async function prepare(task: PrepareTask): Promise<void> {
  const folder = preparedFolder(task.home, task.java)
  for (const left of (await readdir(task.home)).filter(name => name.startsWith(trialPrefix)))
    await rm(join(task.home, left), { recursive: true, force: true })
  const trial = await mkdtemp(join(task.home, trialPrefix))
  try {
    await writeTrialConfig(trial)
    await formatTrial(task, trial)
    const archive = join(trial, 'kafka.jsa')
    await runTrial(task, trial, archive)
    const made = join(trial, 'made')
    await mkdir(made)
    await copyFile(join(trial, 'data', 'bootstrap.checkpoint'), join(made, 'bootstrap.checkpoint'))
    if (await exists(archive)) await rename(archive, join(made, 'kafka.jsa'))
    else
      task.log.warn(
        { java: task.java.path },
        'this Java runtime made no class-data archive: brokers will start slower',
      )
    await rm(folder, { recursive: true, force: true })
    await rename(made, folder)
  } finally {
    await rm(trial, { recursive: true, force: true })
  }
}

async function writeTrialConfig(trial: string): Promise<void> {
  const [client, controller] = await freePorts(2)
  await writeFile(
    join(trial, 'server.properties'),
    `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=CLIENT://127.0.0.1:${client},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=CLIENT://127.0.0.1:${client}
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
log.dirs=${join(trial, 'data')}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
`,
  )
  // Releases before 4.0 log through reload4j, later ones through log4j 2: each reads its own file.
  await writeFile(
    join(trial, 'log4j2.properties'),
    `rootLogger.level=info
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%p %m%n
`,
  )
  await writeFile(
    join(trial, 'log4j.properties'),
    `log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%p %m%n
`,
  )
}

async function formatTrial({ java, classpath, release }: PrepareTask, trial: string): Promise<void> {
  const clusterId = randomBytes(16).toString('base64url')
  const args = [
    '-cp',
    classpath,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    clusterId,
    '-c',
    join(trial, 'server.properties'),
  ]
  await promisify(execFile)(java.path, args, { timeout: trialDeadlineMs }).catch(
    (cause: { stdout?: string; stderr?: string }) => {
      throw new AjnaError(
        KAFKA_PREPARE_FAILED,
        `Kafka ${release.version} could not format a directory: ${lastLines(`${cause.stdout}${cause.stderr}`)}`,
        { cause },
      )
    },
  )
}

async function runTrial(
  { java, classpath, release, home }: PrepareTask,
  trial: string,
  archive: string,
): Promise<void> {
  const args = [
    '-Xms256m',
    '-Xmx384m',
    '-XX:+UseSerialGC',
    `-XX:ArchiveClassesAtExit=${archive}`,
    `-Dlog4j2.configurationFile=${join(trial, 'log4j2.properties')}`,
    `-Dlog4j.configuration=file:${join(trial, 'log4j.properties')}`,
    '-cp',
    classpath,
    'kafka.Kafka',
    join(trial, 'server.properties'),
  ]
  const broker = spawn('sh', ['-c', endsWithItsInput, 'trial', java.path, ...args], {
    cwd: trial,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  let late = false
  const timer = setTimeout(() => {
    late = true
    process.kill(-broker.pid!, 'SIGKILL')
  }, trialDeadlineMs)
  let said = ''
  let started = false
  const listen = (chunk: Buffer): void => {
    said = (said + chunk).slice(-65_536)
    if (started || !said.includes('Kafka Server started')) return
    started = true
    broker.stdin.end()
  }
  broker.stdout.on('data', listen)
  broker.stderr.on('data', listen)
  const [code, signal] = (await once(broker, 'exit')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  broker.stdin.end()
  if (started && !late) return
  const how = late ? `was not done after ${trialDeadlineMs / 1_000} s` : `ended with ${signal ?? code}`
  throw new AjnaError(
    KAFKA_PREPARE_FAILED,
    `a trial broker of Kafka ${release.version} (${home}) ${how}: ${lastLines(said)}`,
  )
}

/** Runs a program and asks it to end when standard input does: at our word, and also when we are killed. */
const endsWithItsInput = `exec 3<&0
"$@" </dev/null & program=$!
{ cat <&3; kill -TERM $program; } >/dev/null 2>&1 &
wait $program`

const lastLines = (text: string): string => text.trim().split('\n').slice(-5).join(' | ')

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => once(server.close(), 'close')))
  return ports
}
