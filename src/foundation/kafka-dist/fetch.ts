import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AjnaError } from '../errors/errors.ts'
import { KAFKA_FETCH_FAILED, KAFKA_FETCH_OFFLINE, MAVEN_MISSING } from './errors.ts'
import { findProgram } from './java.ts'
import { type KafkaRelease, pomFor } from './versions.ts'

export const libsFolder = 'libs'
export const jmxAgentFile = 'jmx_prometheus_javaagent.jar'

/**
 * Fetches a release's jars into `home`. Everything is made in a neighbouring temporary directory and appears under its
 * name in one rename, so `home` is either whole or absent. The caller holds the cache's lock.
 */
export async function fetchJars(release: KafkaRelease, home: string): Promise<void> {
  const maven = await findProgram('mvn')
  if (maven === undefined)
    throw new AjnaError(
      MAVEN_MISSING,
      `Kafka ${release.version} is not in the cache, and there is no mvn on PATH`,
    )
  await mkdir(dirname(home), { recursive: true })
  await removeLeftovers(dirname(home), temporaryPrefix(home))
  const making = await mkdtemp(join(dirname(home), temporaryPrefix(home)))
  try {
    await writeFile(join(making, 'pom.xml'), pomFor(release))
    await runMaven(maven, making, release)
    await setAsideJmxAgent(making, release)
    await syncTree(making)
    await rename(making, home)
  } catch (error) {
    await rm(making, { recursive: true, force: true })
    throw error
  }
}

const temporaryPrefix = (home: string): string => `.${basename(home)}-making-`

/** What a fetch that was killed left behind; the lock says that nobody is still at it. */
async function removeLeftovers(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name.startsWith(prefix)) await rm(join(folder, name), { recursive: true, force: true })
}

async function runMaven(maven: string, folder: string, release: KafkaRelease): Promise<void> {
  const args = [
    '-B',
    '-q',
    '-f',
    join(folder, 'pom.xml'),
    `org.apache.maven.plugins:maven-dependency-plugin:${release.plugin}:copy-dependencies`,
    '-DincludeScope=runtime',
    `-DoutputDirectory=${join(folder, libsFolder)}`,
  ]
  const child = spawn(maven, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const keep = (chunk: Buffer): void => {
    said = (said + chunk).slice(-16_384)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw mavenError(release, said)
}

/** @param said what Maven printed */
export function mavenError(release: KafkaRelease, said: string): AjnaError {
  const lines = said
    .split('\n')
    .filter(line => line.startsWith('[ERROR]'))
    .map(line => line.slice(8).trim())
  const reason = lines.find(line => line !== '') ?? (said.trim().split('\n').at(-1) || 'it said nothing')
  const unreachable =
    /UnknownHostException|Unknown host|Temporary failure in name resolution|Connection refused|Connect to .* failed|Network is unreachable|No route to host|timed out|in offline mode/i
  const kind = unreachable.test(said) ? KAFKA_FETCH_OFFLINE : KAFKA_FETCH_FAILED
  return new AjnaError(kind, `Maven could not fetch Kafka ${release.version}: ${reason}`, {
    details: { artifacts: release.artifacts, mavenSaid: said },
  })
}

/** The JMX exporter bundles classes of its own: on the brokers' class path it would shadow theirs. */
async function setAsideJmxAgent(folder: string, release: KafkaRelease): Promise<void> {
  const [, artifact, version] = release.jmxExporter.split(':')
  await rename(join(folder, libsFolder, `${artifact}-${version}.jar`), join(folder, jmxAgentFile))
}

/** The rename must not outlive a power cut that the jars did not. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    await using file = await open(join(entry.parentPath, entry.name))
    await file.sync()
  }
}
