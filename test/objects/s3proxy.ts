import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { findJava, findProgram } from '../../src/foundation/kafka-dist/java.ts'
import { cacheDirectory } from '../../src/foundation/kafka-dist/kafka-dist.ts'
import type { S3Options } from '../../src/foundation/objects/s3.ts'
import { lockFile } from '../../src/foundation/process/lock.ts'
import { claimPorts } from '../fleets/ports.ts'
import { sweptFolder } from '../fleets/sweeper.ts'

/** Older ones ignore conditional writes. */
const version = '4.1.0'
const artifact = `org.gaul:s3proxy:${version}:jar:jar-with-dependencies`
const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy'
const minJava = 17
const readyMs = 60_000

export interface S3Server extends AsyncDisposable {
  /** For openS3Store, with a fresh bucket. */
  readonly options: S3Options & Required<Pick<S3Options, 'endpoint' | 'credentials'>>
}

/** A real S3 server on loopback, gone with this process. */
export async function startS3(): Promise<S3Server> {
  const [java, jar, [port]] = await Promise.all([findJava(minJava), s3proxyJar(), claimPorts(1)])
  const folder = await sweptFolder('ajna-s3-')
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test-secret' }
  const endpoint = `http://127.0.0.1:${port}`
  const properties = join(folder.path, 's3proxy.properties')
  const data = join(folder.path, 'data')
  await mkdir(data)
  await writeFile(
    properties,
    [
      `s3proxy.endpoint=${endpoint}`,
      's3proxy.authorization=aws-v2-or-v4',
      `s3proxy.identity=${credentials.accessKeyId}`,
      `s3proxy.credential=${credentials.secretAccessKey}`,
      'jclouds.provider=filesystem-nio2',
      'jclouds.identity=unused',
      'jclouds.credential=unused',
      `jclouds.filesystem.basedir=${data}`,
    ].join('\n'),
  )
  const args = ['-Xmx128m', '-XX:+UseSerialGC', '-jar', jar, '--properties', properties]
  const server = spawn(java.path, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const options = { endpoint, region: 'us-east-1', bucket: 'ajna-test', credentials }
  try {
    await untilReady(options, server)
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    throw error
  }
  return { options, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
}

async function untilReady(options: S3Server['options'], server: ReturnType<typeof spawn>): Promise<void> {
  const { endpoint, region, bucket, credentials } = options
  const client = new S3Client({
    endpoint,
    region,
    credentials: { ...credentials },
    forcePathStyle: true,
    maxAttempts: 1,
  })
  const deadline = Date.now() + readyMs
  for (;;) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: bucket }))
      client.destroy()
      return
    } catch (error) {
      if (server.exitCode !== null || Date.now() > deadline) throw error
      await sleep(100)
    }
  }
}

/** From the cache that all checkouts share, else from Maven Central; whole or not there. */
async function s3proxyJar(): Promise<string> {
  const jar = join(cacheDirectory(), 's3proxy', `s3proxy-${version}-jar-with-dependencies.jar`)
  const isThere = (): Promise<boolean> =>
    access(jar).then(
      () => true,
      () => false,
    )
  if (await isThere()) return jar
  await mkdir(dirname(jar), { recursive: true })
  await using _lock = await lockFile(join(dirname(jar), '.lock'), { wait: true })
  if (await isThere()) return jar
  const making = await mkdtemp(join(dirname(jar), '.making-'))
  try {
    const maven = await findProgram('mvn')
    if (maven === undefined) throw new Error('fetching s3proxy needs mvn on PATH')
    const child = spawn(
      maven,
      ['-B', '-q', plugin, `-Dartifact=${artifact}`, `-DoutputDirectory=${making}`],
      {
        stdio: ['ignore', 'inherit', 'inherit'],
      },
    )
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`maven ended with ${code} while fetching ${artifact}`)
    await rename(join(making, `s3proxy-${version}-jar-with-dependencies.jar`), jar)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return jar
}
