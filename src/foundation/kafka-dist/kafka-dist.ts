import { readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type Logger, silentLogger } from '../log/log.ts'
import { lockFile } from '../process/lock.ts'
import { fetchJars, jmxAgentFile, libsFolder } from './fetch.ts'
import { findJava, type Java } from './java.ts'
import { type Prepared, prepare, prepared } from './prepare.ts'
import { type KafkaRelease, kafkaRelease } from './versions.ts'

/** A Kafka release on this machine's disk, ready to run. */
export interface KafkaDist {
  readonly version: string
  /** Directory that holds `libs/` and what else belongs to the release. */
  readonly home: string
  /** Value for `java -cp`: every jar, in a fixed order (a CDS archive is tied to it). */
  readonly classpath: string
  readonly java: Java
  /** Value for `-XX:SharedArchiveFile`; absent when this runtime could not make one (brokers start slower without). */
  readonly cdsArchive: string | undefined
  readonly jmxAgentJar: string
  /** What `StorageTool format` of this release wrote as bootstrap.checkpoint; absent for releases without KRaft. */
  readonly bootstrapCheckpoint: string | undefined
}

export interface EnsureOptions {
  readonly log?: Logger
  /** Told in a few words what takes long, when something does. */
  readonly progress?: (what: string) => void
  /** Default: {@link cacheDirectory}. */
  readonly cache?: string
}

/** `$AJNA_CACHE`, else `$XDG_CACHE_HOME/ajna`, else `~/.cache/ajna`: shared by all checkouts of one user. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return env['AJNA_CACHE'] || join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'ajna')
}

/**
 * Kafka's jars, fetched once per cache, and what one trial run per Java runtime makes of them. Callers may race, across
 * processes too: one does the work, the others wait for it. Killed half-way, it starts that step again next time.
 *
 * @throws AjnaError KAFKA_VERSION_UNKNOWN, JAVA_MISSING, JAVA_TOO_OLD, MAVEN_MISSING, KAFKA_FETCH_OFFLINE,
 * KAFKA_FETCH_FAILED, KAFKA_PREPARE_FAILED
 */
export async function ensureKafka(version: string, options: EnsureOptions = {}): Promise<KafkaDist> {
  const { log = silentLogger, progress = () => {}, cache = cacheDirectory() } = options
  const release = kafkaRelease(version)
  const java = await findJava(release.minJava)
  const home = join(cache, 'kafka', `${version}-${release.fingerprint}`)
  const ready = await asFound(release, home, java)
  if (ready !== undefined) return ready

  await using _lock = await lockFile(join(cache, 'kafka', `.${version}.lock`), { wait: true })
  let jars = await classpathOf(home)
  if (jars === undefined) {
    progress(`fetching Kafka ${version} from the Maven repository`)
    const began = Date.now()
    await fetchJars(release, home)
    log.info({ version, home, ms: Date.now() - began }, 'fetched Kafka')
    jars = (await classpathOf(home))!
  }
  if (release.kraft && (await prepared(home, java)) === undefined) {
    progress(`preparing Kafka ${version} for Java ${java.version} (once)`)
    const began = Date.now()
    await prepare({ release, home, classpath: jars, java, log })
    log.info({ version, home, ms: Date.now() - began }, 'prepared Kafka')
  }
  return dist(release, home, java, jars, await prepared(home, java))
}

async function asFound(release: KafkaRelease, home: string, java: Java): Promise<KafkaDist | undefined> {
  const jars = await classpathOf(home)
  if (jars === undefined) return undefined
  const made = release.kraft ? await prepared(home, java) : undefined
  return release.kraft && made === undefined ? undefined : dist(release, home, java, jars, made)
}

function dist(
  release: KafkaRelease,
  home: string,
  java: Java,
  classpath: string,
  made: Prepared | undefined,
): KafkaDist {
  return {
    version: release.version,
    home,
    classpath,
    java,
    cdsArchive: made?.cdsArchive,
    jmxAgentJar: join(home, jmxAgentFile),
    bootstrapCheckpoint: made?.bootstrapCheckpoint,
  }
}

/** Undefined when the release is not there. Sorted: the launcher's own wildcard follows the directory's order. */
async function classpathOf(home: string): Promise<string | undefined> {
  const names = await readdir(join(home, libsFolder)).catch(() => undefined)
  if (names === undefined) return undefined
  return names
    .filter(name => name.endsWith('.jar'))
    .sort()
    .map(name => join(home, libsFolder, name))
    .join(':')
}
