import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureKafka } from '../../src/foundation/kafka-dist/kafka-dist.ts'
import { defaultKafkaVersion } from '../../src/foundation/kafka-dist/versions.ts'
import { start } from '../../src/foundation/process/run.ts'
import { sweptFolder } from '../fleets/sweeper.ts'

export interface MirrorMakerOptions {
  readonly source: { readonly alias: string; readonly bootstrap: readonly string[] }
  readonly target: { readonly alias: string; readonly bootstrap: readonly string[] }
  readonly topics: string
  /** More lines of mm2.properties. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface MirrorMaker extends AsyncDisposable {
  /** SIGKILL, and its end. */
  kill(): Promise<void>
  /** SIGTERM, after which it commits and ends. */
  stop(): Promise<void>
  /** Starts it again, with the same settings. */
  start(): Promise<void>
  /** What it has printed since it was first started. */
  said(): Promise<string>
}

/** A real MirrorMaker 2 of its own process (`connect-mirror-maker.sh`), from Maven Central, from one cluster to another. */
export async function startMirrorMaker(options: MirrorMakerOptions): Promise<MirrorMaker> {
  const dist = await ensureKafka(defaultKafkaVersion)
  const folder = await sweptFolder('ajna-mirror-maker-')
  const file = join(folder.path, 'mm2.properties')
  const logging = join(folder.path, 'log4j2.properties')
  const consoleFile = join(folder.path, 'console')
  await writeFile(file, properties(settingsOf(options)))
  await writeFile(logging, properties(LOGGING))
  const launch = () =>
    start({
      name: 'mirror-maker',
      command: dist.java.path,
      args: [
        '-Xms128m',
        '-Xmx384m',
        '-XX:+UseSerialGC',
        '-XX:TieredStopAtLevel=1',
        `-Dlog4j2.configurationFile=${logging}`,
        '-cp',
        dist.classpath,
        'org.apache.kafka.connect.mirror.MirrorMaker',
        file,
      ],
      runDir: folder.path,
      consoleFile,
    })
  let running = await launch()
  return {
    kill: async () => void (await running.stop({ signal: 'SIGKILL' })),
    stop: async () => void (await running.stop({ deadlineMs: 60_000 })),
    async start() {
      running = await launch()
    },
    said: () => readFile(consoleFile, 'utf8'),
    async [Symbol.asyncDispose]() {
      await running.stop({ signal: 'SIGKILL' })
      await folder[Symbol.asyncDispose]()
    },
  }
}

function settingsOf({ source, target, topics, settings }: MirrorMakerOptions): Record<string, string> {
  const flow = `${source.alias}->${target.alias}`
  return {
    clusters: `${source.alias}, ${target.alias}`,
    [`${source.alias}.bootstrap.servers`]: source.bootstrap.join(','),
    [`${target.alias}.bootstrap.servers`]: target.bootstrap.join(','),
    [`${flow}.enabled`]: 'true',
    [`${flow}.topics`]: topics,
    [`${target.alias}->${source.alias}.enabled`]: 'false',
    'emit.heartbeats.enabled': 'false',
    'emit.checkpoints.enabled': 'false',
    'sync.topic.acls.enabled': 'false',
    'replication.factor': '1',
    'offset-syncs.topic.replication.factor': '1',
    'offset.storage.replication.factor': '1',
    'config.storage.replication.factor': '1',
    'status.storage.replication.factor': '1',
    'refresh.topics.interval.seconds': '1',
    'tasks.max': '2',
    ...settings,
  }
}

const LOGGING = {
  'rootLogger.level': 'warn',
  'rootLogger.appenderRef.console.ref': 'console',
  'appender.console.type': 'Console',
  'appender.console.name': 'console',
  'appender.console.layout.type': 'PatternLayout',
  'appender.console.layout.pattern': '%d %p %m (%c)%n',
}

const properties = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
