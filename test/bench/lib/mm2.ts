/**
 * MirrorMaker 2 from Maven Central, in one Connect worker (a JVM of its own), tuned as in the table it is compared with:
 * 2 tasks, max.poll.records 5000, batches of 256 KB, no compression. Its JVM lives as long as the bench, so that what is
 * measured of it is compiled code.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ensureKafka } from '../../../src/foundation/kafka-dist/kafka-dist.ts'
import { defaultKafkaVersion } from '../../../src/foundation/kafka-dist/versions.ts'
import { start } from '../../../src/foundation/process/run.ts'
import { storePaths } from '../../../src/foundation/tls/store.ts'
import { claimPorts } from '../../fleets/ports.ts'
import { sweptFolder } from '../../fleets/sweeper.ts'
import type { Replicator } from './replicators.ts'
import { type Side, type Sides, superUser } from './sides.ts'

const TASKS = 2
const READY_WITHIN_MS = 60_000
/** What Kafka's own scripts start Connect with. */
const JVM_OPTIONS = [
  '-server',
  '-Xms256M',
  '-Xmx2G',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
]
const PRODUCER = { 'batch.size': '262144', 'buffer.memory': '67108864', 'linger.ms': '5' }
const CONSUMER = { 'max.poll.records': '5000', 'fetch.max.bytes': '52428800' }

type Settings = Readonly<Record<string, string>>

export async function startMm2({ source, target }: Sides): Promise<Replicator> {
  const dist = await ensureKafka(defaultKafkaVersion)
  const folder = await sweptFolder('ajna-mm2-')
  const [port] = await claimPorts(1)
  const rest = `http://127.0.0.1:${port}`
  const worker = join(folder.path, 'worker.properties')
  const logging = join(folder.path, 'log4j2.properties')
  await writeFile(worker, properties(workerSettings(target, rest, folder.path)))
  await writeFile(logging, properties(LOGGING))
  const running = await start({
    name: 'mm2',
    command: dist.java.path,
    args: [
      ...JVM_OPTIONS,
      `-Dlog4j2.configurationFile=${logging}`,
      '-cp',
      dist.classpath,
      'org.apache.kafka.connect.cli.ConnectStandalone',
      worker,
    ],
    runDir: folder.path,
    consoleFile: join(folder.path, 'console'),
  })
  await until(() => isUp(rest), 'Connect answers')
  let connectors = 0
  let current = ''
  return {
    name: 'MirrorMaker 2',
    pid: running.record.pid,
    async begin(topics) {
      // A name and an alias of its own each time: it begins at the beginning, and its copies are new topics.
      current = `m${++connectors}`
      await put(`${rest}/connectors/${current}/config`, connectorSettings(source, target, current, topics))
      return topic => `${current}.${topic}`
    },
    async end() {
      const response = await fetch(`${rest}/connectors/${current}`, { method: 'DELETE' })
      if (!response.ok) throw new Error(`deleting a connector: ${response.status} ${await response.text()}`)
    },
    async [Symbol.asyncDispose]() {
      await running.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

function workerSettings(target: Side, rest: string, folder: string): Settings {
  const converter = 'org.apache.kafka.connect.converters.ByteArrayConverter'
  const security = securityOf(target)
  return {
    'bootstrap.servers': target.cluster.bootstrap.join(','),
    'key.converter': converter,
    'value.converter': converter,
    'offset.storage.file.filename': join(folder, 'offsets'),
    listeners: rest,
    'plugin.discovery': 'service_load',
    ...security,
    ...prefixed('producer.', { ...PRODUCER, ...security }),
  }
}

function connectorSettings(source: Side, target: Side, alias: string, topics: string): Settings {
  return {
    'connector.class': 'org.apache.kafka.connect.mirror.MirrorSourceConnector',
    'tasks.max': String(TASKS),
    'source.cluster.alias': alias,
    'target.cluster.alias': 'target',
    topics,
    'replication.factor': '1',
    'offset-syncs.topic.replication.factor': '1',
    'sync.topic.acls.enabled': 'false',
    ...prefixed('source.cluster.', {
      'bootstrap.servers': source.cluster.bootstrap.join(','),
      ...securityOf(source),
    }),
    ...prefixed('target.cluster.', {
      'bootstrap.servers': target.cluster.bootstrap.join(','),
      ...securityOf(target),
    }),
    ...prefixed('source.consumer.', CONSUMER),
  }
}

function securityOf({ cluster }: Side): Settings {
  const { security } = cluster.placed
  if (security.protocol === 'plaintext') return {}
  const { ca, store } = storePaths(security.pki, superUser)
  return {
    'security.protocol': 'SSL',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': store,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': ca,
  }
}

const LOGGING: Settings = {
  'rootLogger.level': 'warn',
  'rootLogger.appenderRef.console.ref': 'console',
  'appender.console.type': 'Console',
  'appender.console.name': 'console',
  'appender.console.layout.type': 'PatternLayout',
  'appender.console.layout.pattern': '%d %p %m (%c)%n',
}

function prefixed(prefix: string, settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [`${prefix}${key}`, value]))
}

function properties(settings: Settings): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

async function put(url: string, settings: Settings): Promise<void> {
  const body = JSON.stringify(settings)
  const response = await fetch(url, { method: 'PUT', headers: { 'content-type': 'application/json' }, body })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
}

function isUp(rest: string): Promise<boolean> {
  return fetch(rest).then(
    response => response.ok,
    () => false,
  )
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${READY_WITHIN_MS} ms: ${what}`)
    await sleep(100)
  }
}
