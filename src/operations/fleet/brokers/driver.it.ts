import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { startCluster, type TestCluster } from '../../../../test/fleets/cluster.ts'
import { describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import { type ClusterAdmin, openCluster } from '../../../foundation/kafka/admin.ts'
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import { ensureKafka } from '../../../foundation/kafka-dist/kafka-dist.ts'
import { ensureAuthority, issueCertificate } from '../../../foundation/tls/authority.ts'
import { storePaths } from '../../../foundation/tls/store.ts'
import { isReady } from './driver.ts'
import { BROKER_DATA_DIR_DAMAGED, BROKER_DATA_DIR_FOREIGN, BROKER_DIED } from './errors.ts'

const run = promisify(execFile)

let cluster: TestCluster
let pki: string
let admin: ClusterAdmin

before(async () => {
  cluster = await startCluster({ nodes: 3, name: 'drv', tls: true })
  const { security } = cluster.placed
  assert.ok(security.protocol === 'mtls')
  pki = security.pki
  for (const principal of ['writer', 'reader', 'nobody']) await cluster.identity(principal)
  admin = openCluster({
    bootstrap: cluster.bootstrap,
    tls: await cluster.identity('admin'),
    clientId: 'driver-test',
  })
  const layout = { partitions: 3, replicationFactor: 3 }
  const [created] = await admin.createTopics([{ name: 'orders', layout }])
  assert.equal(created?.error, null)
})

after(async () => {
  await admin?.close()
  await cluster?.[Symbol.asyncDispose]()
})

test('brokers stand in racks, and a record must be on two of them before it is acknowledged', async () => {
  const racks = (await admin.brokers()).map(({ rack }) => rack)
  assert.deepEqual(racks.sort(), ['rack-1', 'rack-2', 'rack-3'])
  const [config] = await admin.describeConfigs([{ kind: 'topic', name: 'orders' }])
  const minInSync = config?.entries.get('min.insync.replicas')
  assert.equal(minInSync?.value, '2')
})

test('who has no ACL may neither write nor read; who has one may do exactly that', async () => {
  await assert.rejects(produce('nobody', 'orders', 'x'), /Topic authorization failed/)
  await assert.rejects(consume('nobody', 'orders'), /Topic authorization failed/)
  await admin.createAcls([allowed('writer', 'write'), allowed('reader', 'read')])
  await eventually(() => produce('writer', 'orders', 'first'))
  await assert.rejects(consume('writer', 'orders'), /Topic authorization failed/)
  assert.deepEqual(await eventually(() => consume('reader', 'orders')), ['first'])
  await assert.rejects(produce('reader', 'orders', 'y'), /Topic authorization failed/)
})

test('a client without a certificate, or with one of a foreign authority, is turned away', async () => {
  const foreign = await ensureAuthority(`${pki}-foreign`)
  await issueCertificate(foreign, { principal: 'admin', site: 'test' })
  const anonymous = ['-X', `ssl.ca.location=${pki}/ca.pem`]
  const { cert, key } = storePaths(foreign.pki, 'admin')
  const stranger = [...anonymous, '-X', `ssl.certificate.location=${cert}`, '-X', `ssl.key.location=${key}`]
  for (const credentials of [anonymous, stranger])
    await assert.rejects(
      run('kcat', [
        '-L',
        '-m',
        '3',
        '-b',
        cluster.bootstrap[0]!,
        '-X',
        'security.protocol=ssl',
        ...credentials,
      ]),
    )
  for (const port of [cluster.placed.nodes[0]!.ports.internal, cluster.placed.nodes[0]!.ports.controller])
    await assert.rejects(
      run('kcat', ['-L', '-m', '3', '-b', `127.0.0.1:${port}`, '-X', 'security.protocol=ssl', ...anonymous]),
    )
})

test('a killed broker comes back with its data, and acknowledged records are all there', async () => {
  const [node] = cluster.nodes
  await produce('admin', 'orders', 'second')
  const pid = node!.pid
  assert.equal(await node!.kill('SIGKILL'), true)
  assert.equal(await isReady(cluster.placed, cluster.placed.nodes[0]!), false)
  await produce('admin', 'orders', 'third')
  await node!.start()
  assert.notEqual(node!.pid, pid)
  assert.deepEqual((await consume('admin', 'orders')).sort(), ['first', 'second', 'third'])
})

test("a broker's log begins each entry with an ISO time, in UTC", async () => {
  const log = await readFile(cluster.nodes[0]!.serverLog, 'utf8')
  assert.match(log, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO /)
})

test('its metrics are few, and say what matters', async () => {
  const response = await fetch(`http://127.0.0.1:${cluster.placed.nodes[0]!.ports.jmx}/metrics`)
  const text = await response.text()
  for (const metric of [
    'kafka_messagesin_total',
    'kafka_underreplicatedpartitions',
    'jvm_memory_bytes',
    'kafka_offline_log_directories',
    'kafka_controller_activecontrollercount',
    'kafka_request_ms',
  ])
    assert.match(text, new RegExp(`^${metric}[ {]`, 'm'), metric)
  assert.ok(text.length < 40_000, `${text.length} bytes`)
})

test('one that finds its port taken says which, and by whom', async () => {
  const [node] = cluster.nodes
  await node!.stop()
  const thief = createServer(socket => socket.destroy()).listen(node!.clientPort, '127.0.0.1')
  await once(thief, 'listening')
  try {
    await assert.rejects(node!.start(), error => {
      assert.ok(isAjnaError(error, BROKER_DIED))
      assert.match(
        error.message,
        new RegExp(`${node!.clientPort}: Address already in use.*pid ${process.pid}`),
      )
      assert.match(error.remedy, /AJNA_PORT_BASE/)
      return true
    })
  } finally {
    await once(thief.close(), 'close')
  }
  await node!.start()
})

test('a directory without its owner’s name, or of another cluster, is left alone; put right, the broker starts', async () => {
  const [node] = cluster.nodes
  await node!.stop()
  const metaFile = join(node!.logDirs[0]!, 'meta.properties')
  const meta = await readFile(metaFile, 'utf8')
  await rm(metaFile)
  await assert.rejects(node!.start(), error => isAjnaError(error, BROKER_DATA_DIR_DAMAGED))
  await writeFile(metaFile, meta.replace(cluster.clusterId, 'BBBBBBBBBBBBBBBBBBBBBQ'))
  await assert.rejects(node!.start(), error => isAjnaError(error, BROKER_DATA_DIR_FOREIGN))
  await writeFile(metaFile, meta)
  await node!.start()
})

test('a node that lost its disk is formatted again and copies its data back', async () => {
  const [, node] = cluster.nodes
  await node!.stop()
  await rm(node!.logDirs[0]!, { recursive: true })
  await mkdir(node!.logDirs[0]!)
  await writeFile(join(node!.logDirs[0]!, 'meta.properties.new'), 'version=')
  await node!.start()
  await eventually(async () => {
    const [topic] = await admin.describeTopics(['orders'])
    for (const { isr } of topic!.partitions) assert.equal(isr.length, 3)
  })
  assert.deepEqual((await consume('admin', 'orders')).sort(), ['first', 'second', 'third'])
})

test('formatting without a JVM leaves what StorageTool leaves', async () => {
  const dist = await ensureKafka(cluster.version)
  const folder = join(pki, '..', 'storage-tool')
  const properties = join(folder, 'server.properties')
  await mkdir(folder)
  const [node] = cluster.placed.nodes
  const settings = await readFile(join(node!.home, 'server.properties'), 'utf8')
  await writeFile(properties, settings.replace(/^log\.dirs=.*$/m, `log.dirs=${folder}/data`))
  await run(dist.java.path, [
    '-cp',
    dist.classpath,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    cluster.clusterId,
    '-c',
    properties,
  ])
  const theirs = await readFile(join(folder, 'data', 'meta.properties'), 'utf8')
  const ours = await readFile(join(node!.dataDirs[0]!, 'meta.properties'), 'utf8')
  const facts = (text: string): string[] =>
    text
      .split('\n')
      .filter(line => /^(version|cluster\.id|node\.id)=/.test(line))
      .sort()
  assert.deepEqual(facts(ours), facts(theirs))
  const [template, made] = await Promise.all(
    [dist.bootstrapCheckpoint!, join(folder, 'data', 'bootstrap.checkpoint')].map(file => readFile(file)),
  )
  assert.deepEqual(featureRecords(made!), featureRecords(template!))
})

test('test brokers and their files are gone once their test process is killed', async () => {
  const fixture = import.meta.resolve('../../../../test/fleets/sweeper.ts')
  const script = `const { sweptFolder } = await import(${JSON.stringify(fixture)})
    const { spawn } = await import('node:child_process')
    const folder = await sweptFolder('ajna-sweeper-')
    const child = spawn('sh', ['-c', 'sleep 100; :', folder.path], { detached: true, stdio: 'ignore' })
    console.log(JSON.stringify({ path: folder.path, pid: child.pid })); setInterval(() => {}, 1000)`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(owner.stdout, 'data')
  const { path, pid } = JSON.parse(String(line)) as { path: string; pid: number }
  owner.kill('SIGKILL')
  await eventually(() => assert.rejects(stat(path), { code: 'ENOENT' }))
  await eventually(async () => assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }))
})

/** The names of the features that a checkpoint sets: all in it but times and checksums. */
function featureRecords(checkpoint: Buffer): readonly string[] {
  return [...checkpoint.toString('latin1').matchAll(/[a-z]+(?:\.[a-z]+)*\.version[\s\S]{3}/g)].map(
    ([text]) => text,
  )
}

function allowed(principal: string, operation: 'read' | 'write'): AclBinding {
  const topic = { resource: 'topic', name: 'orders', pattern: 'literal' } as const
  return { ...topic, principal: `User:${principal}`, host: '*', operation, permission: 'allow' }
}

function kcat(principal: string): readonly string[] {
  const { ca, cert, key } = storePaths(pki, principal)
  const settings = [
    'security.protocol=ssl',
    `ssl.ca.location=${ca}`,
    `ssl.certificate.location=${cert}`,
    `ssl.key.location=${key}`,
  ]
  return ['-b', cluster.bootstrap.join(), ...settings.flatMap(setting => ['-X', setting])]
}

/** Settles when all in-sync replicas have it; rejects with what the broker said. */
async function produce(principal: string, topic: string, value: string): Promise<void> {
  const child = run('kcat', [
    ...kcat(principal),
    '-P',
    '-t',
    topic,
    '-X',
    'acks=all',
    '-X',
    'message.timeout.ms=15000',
  ])
  child.child.stdin?.end(value)
  await child
}

async function consume(principal: string, topic: string): Promise<string[]> {
  const { stdout } = await run('kcat', [...kcat(principal), '-C', '-t', topic, '-o', 'beginning', '-e', '-q'])
  return stdout.split('\n').filter(Boolean)
}

/** Repeats until it holds: ACLs and leaders reach every broker a moment later. */
async function eventually<T>(attempt: () => Promise<T>, deadlineMs = 30_000): Promise<T> {
  const until = Date.now() + deadlineMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > until)
        throw new Error(`still so after ${deadlineMs} ms: ${describeError(error)}`, { cause: error })
      await delay(100)
    }
  }
}
