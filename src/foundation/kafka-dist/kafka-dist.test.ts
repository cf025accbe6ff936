import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ErrorKind, isAjnaError } from '../errors/errors.ts'
import { temporaryFolder } from '../process/testing.ts'
import {
  JAVA_MISSING,
  JAVA_TOO_OLD,
  KAFKA_FETCH_FAILED,
  KAFKA_FETCH_OFFLINE,
  KAFKA_VERSION_UNKNOWN,
  MAVEN_MISSING,
} from './errors.ts'
import { fetchJars } from './fetch.ts'
import { findJava, javaMajor } from './java.ts'
import { cacheDirectory, ensureKafka } from './kafka-dist.ts'
import { kafkaRelease, kafkaVersions, pomFor } from './versions.ts'

const release = kafkaRelease('4.3.1')

/** Puts a program named mvn, and nothing else but the system's own, on PATH. */
async function withMaven(t: TestContext, script: string | undefined): Promise<void> {
  const folder = await temporaryFolder(t)
  if (script !== undefined) {
    await writeFile(join(folder, 'mvn'), `#!/bin/sh\n${script}\n`)
    await chmod(join(folder, 'mvn'), 0o755)
  }
  const before = process.env['PATH']
  process.env['PATH'] = script === undefined ? folder : `${folder}:/usr/bin:/bin`
  t.after(() => {
    process.env['PATH'] = before
  })
}

const copiesJars = `for argument; do case $argument in -DoutputDirectory=*) out=\${argument#*=};; esac; done
mkdir -p "$out" && touch "$out/kafka.jar" "$out/jmx_prometheus_javaagent-1.0.1.jar"`

test('jars appear whole, and the metrics agent apart from them', async t => {
  await withMaven(t, copiesJars)
  const home = join(await temporaryFolder(t), 'cache', 'kafka')
  await fetchJars(release, home)
  assert.deepEqual((await readdir(home)).sort(), ['jmx_prometheus_javaagent.jar', 'libs', 'pom.xml'])
  assert.deepEqual(await readdir(join(home, 'libs')), ['kafka.jar'])
})

test('what a killed fetch left is cleared away by the next one', async t => {
  await withMaven(t, copiesJars)
  const cache = await temporaryFolder(t)
  await mkdir(join(cache, '.kafka-making-abc', 'libs'), { recursive: true })
  await fetchJars(release, join(cache, 'kafka'))
  assert.deepEqual(await readdir(cache), ['kafka'])
})

const failures: readonly [what: string, script: string | undefined, kind: ErrorKind, says: RegExp][] = [
  ['there is no Maven', undefined, MAVEN_MISSING, /no mvn on PATH/],
  [
    'the network is away',
    `${copiesJars}; echo "[ERROR] Could not transfer artifact x from central: repo.example: Temporary failure in name resolution"; exit 1`,
    KAFKA_FETCH_OFFLINE,
    /Could not transfer artifact/,
  ],
  [
    'the connection is refused',
    'echo "[ERROR] Connect to repo.example:443 failed: Connection refused"; exit 1',
    KAFKA_FETCH_OFFLINE,
    /refused/,
  ],
  [
    'an artifact is not there',
    'echo "[ERROR] Could not find artifact a:b:jar:1 in central"; exit 1',
    KAFKA_FETCH_FAILED,
    /Could not find artifact/,
  ],
  ['Maven is killed without a word', 'kill -9 $$', KAFKA_FETCH_FAILED, /it said nothing/],
]

for (const [what, script, kind, says] of failures)
  test(`when ${what}: ${kind.code}, and the cache is as before`, async t => {
    await withMaven(t, script)
    const cache = await temporaryFolder(t)
    await assert.rejects(
      fetchJars(release, join(cache, 'kafka')),
      error => isAjnaError(error, kind) && says.test(error.message),
    )
    assert.deepEqual(await readdir(cache), [])
  })

async function javaHome(t: TestContext, version: string): Promise<string> {
  const home = await temporaryFolder(t)
  await mkdir(join(home, 'bin'))
  await writeFile(join(home, 'bin', 'java'), '', { mode: 0o755 })
  await writeFile(join(home, 'release'), `IMPLEMENTOR="x"\nJAVA_VERSION="${version}"\n`)
  return home
}

test('takes the Java of JAVA_HOME, else that of PATH, and tells one that is absent or too old', async t => {
  const [old, recent] = [await javaHome(t, '1.8.0_402'), await javaHome(t, '21.0.2')]
  assert.equal((await findJava(17, { JAVA_HOME: recent })).version, '21.0.2')
  assert.equal((await findJava(17, { PATH: join(recent, 'bin') })).version, '21.0.2')
  await assert.rejects(findJava(17, { JAVA_HOME: old }), error => isAjnaError(error, JAVA_TOO_OLD))
  await assert.rejects(findJava(17, { PATH: '/nowhere' }), error => isAjnaError(error, JAVA_MISSING))
  await assert.rejects(findJava(17, { JAVA_HOME: '/nowhere' }), error => isAjnaError(error, JAVA_MISSING))
})

test('another runtime has another fingerprint: a class-data archive serves the one that made it', async t => {
  const [a, b] = [await javaHome(t, '17.0.1'), await javaHome(t, '17.0.2')]
  const fingerprint = async (home: string): Promise<string> =>
    (await findJava(17, { JAVA_HOME: home })).fingerprint
  assert.equal(await fingerprint(a), await fingerprint(a))
  assert.notEqual(await fingerprint(a), await fingerprint(b))
})

test('reads Java’s two ways of writing versions', () => {
  assert.deepEqual(['17.0.15', '1.8.0_402', '21', '9-ea', ''].map(javaMajor), [17, 8, 21, 9, 0])
})

test('a version nobody declared is refused before anything is fetched', async () => {
  await assert.rejects(
    ensureKafka('4.4.0'),
    error => isAjnaError(error, KAFKA_VERSION_UNKNOWN) && error.message.includes('4.3.1'),
  )
  await assert.rejects(ensureKafka('constructor'), error => isAjnaError(error, KAFKA_VERSION_UNKNOWN))
})

test('every declared version has a pom with all its artifacts, and a cache directory of its own', () => {
  const fingerprints = kafkaVersions.map(version => {
    const declared = kafkaRelease(version)
    const pom = pomFor(declared)
    for (const coordinate of [...declared.artifacts, declared.jmxExporter])
      assert.ok(pom.includes(`<artifactId>${coordinate.split(':')[1]}</artifactId>`), coordinate)
    return declared.fingerprint
  })
  assert.equal(new Set(fingerprints).size, kafkaVersions.length)
})

test('the cache follows AJNA_CACHE, then XDG_CACHE_HOME, then HOME', () => {
  assert.equal(cacheDirectory({ AJNA_CACHE: '/a', XDG_CACHE_HOME: '/b', HOME: '/c' }), '/a')
  assert.equal(cacheDirectory({ XDG_CACHE_HOME: '/b', HOME: '/c' }), '/b/ajna')
  assert.equal(cacheDirectory({ HOME: '/c' }), '/c/.cache/ajna')
})
