/** What the archive role answers while records come in: live lines, streamed answers, refusals; and how it waits. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { eventsOf, type SeenEvent } from '../../../test/archive/events.ts'
import {
  type ArchiveUnderTest,
  archivePlace,
  eventually,
  manifestsOf,
  recordsOfArchive,
  recordsOfTopic,
  startArchive,
} from '../../../test/archive/harness.ts'
import { append, describe, lineRecord, type TestStream, testStream } from '../../../test/archive/shipping.ts'
import { type SharedCluster, sharedCluster } from '../../../test/fleets/cluster.ts'
import { smallDisk } from '../../../test/fleets/disk.ts'
import { createTopic, deleteTopic } from '../../../test/wire/topics.ts'
import type { RecordInput } from '../../foundation/wire/build.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { type ArchiveStatus, archivePaths, type QueryLine, type TailLine } from './contract.ts'

let cluster: SharedCluster
let wire: Wire
before(async () => {
  cluster = await sharedCluster()
  wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'archive-live-it' })
})
after(async () => {
  await wire.close()
  await cluster[Symbol.asyncDispose]()
})

const line = (stream: TestStream, text: string, time = Date.now()): RecordInput =>
  lineRecord(stream, { text, eventTime: time, shipped: Date.now() })

async function tailOf(
  archive: ArchiveUnderTest,
  filter: Record<string, string>,
  signal: AbortSignal,
): Promise<AsyncGenerator<SeenEvent>> {
  const response = await fetch(`${archive.url}${archivePaths.tail}?${new URLSearchParams(filter)}`, {
    headers: { authorization: `Bearer ${archive.session.token}` },
    signal,
  })
  assert.equal(response.status, 200)
  return eventsOf(response)
}

/** The next so many lines of a tail. */
async function lines(events: AsyncGenerator<SeenEvent>, count: number): Promise<TailLine[]> {
  const seen: TailLine[] = []
  while (seen.length < count) {
    const { value } = await events.next()
    assert.ok(value !== undefined, 'the tail ended')
    assert.notEqual(value.event, 'failed', JSON.stringify(value.data))
    if (value.event === 'line') seen.push(value.data as TailLine)
  }
  return seen
}

test('shows lines as they come, filtered; and from a time on without gap or repetition', async () => {
  await using place = await archivePlace()
  const topic = `${place.prefix}.logs.edge`
  await createTopic(cluster.bootstrap, topic)
  await createTopic(cluster.bootstrap, place.streamTopic)
  const web = testStream('web-1', { path: '/var/log/web/access.log' })
  const db = testStream('db-1', { tenant: 'shop', path: '/var/log/db.log' })
  await describe(wire, place.streamTopic, web, db)
  await append(
    wire,
    topic,
    0,
    Array.from({ length: 50 }, (_, i) => line(web, `old ${i}`)),
  )
  await using archive = await startArchive(cluster.bootstrap, place.config())
  const count = () => archive.query({ sql: 'SELECT count(host) FROM logs' })
  await eventually(count, answer => answer.rows[0]![0] === 50)
  await archive.commitAll()
  await append(
    wire,
    topic,
    0,
    Array.from({ length: 50 }, (_, i) => line(web, `old ${50 + i}`)),
  )
  await eventually(count, answer => answer.rows[0]![0] === 100)

  const stop = AbortSignal.timeout(60_000)
  const all = await tailOf(archive, {}, stop)
  const shop = await tailOf(archive, { tenant: 'shop', contains: 'error' }, stop)
  const access = await tailOf(
    archive,
    { host: 'web-1', file: '*/access.log', regex: 'e(rr|x)+or \\d+$' },
    stop,
  )
  const since = await tailOf(archive, { host: 'web-1', since: new Date(0).toISOString() }, stop)
  assert.deepEqual(
    (await lines(since, 100)).map(each => each.line),
    Array.from({ length: 100 }, (_, i) => `old ${i}`),
  )
  const past = { since: new Date(0).toISOString(), lines: '3' }
  const newest = await tailOf(archive, past, stop)
  const matching = await tailOf(archive, { ...past, match: 'OLD 1' }, stop)
  assert.deepEqual(
    [(await lines(newest, 3)).map(each => each.line), (await lines(matching, 3)).map(each => each.line)],
    [
      ['old 97', 'old 98', 'old 99'],
      ['old 17', 'old 18', 'old 19'],
    ],
  )
  const sent = [
    line(web, 'error 1'),
    line(db, 'fine'),
    line(db, 'an error'),
    line(web, 'error x'),
    line(web, 'last'),
  ]
  const began = performance.now()
  await append(wire, topic, 0, sent)
  const seen = await lines(all, 5)
  assert.deepEqual(
    seen.map(each => each.line),
    ['error 1', 'fine', 'an error', 'error x', 'last'],
  )
  assert.ok(performance.now() - began < 20_000)
  const { time: _, shipped: __, ...first } = seen[2]!
  assert.deepEqual(first, {
    tenant: 'shop',
    site: 'edge',
    host: 'db-1',
    file: '/var/log/db.log',
    position: 5,
    length: 9,
    line: 'an error',
    topic,
    partition: 0,
    offset: 102,
  })
  assert.deepEqual(
    (await lines(shop, 1)).map(each => each.line),
    ['an error'],
  )
  assert.deepEqual(
    (await lines(access, 1)).map(each => each.line),
    ['error 1'],
  )
  assert.deepEqual(
    (await lines(since, 3)).map(each => each.line),
    ['error 1', 'error x', 'last'],
  )
  for (const events of [all, shop, access, since, newest, matching]) await events.return(undefined)
})

test('a tail that is not read is told how much it missed, and costs a bounded amount', async () => {
  await using place = await archivePlace()
  const topic = `${place.prefix}.logs.edge`
  await createTopic(cluster.bootstrap, topic)
  const web = testStream('web-1')
  await using archive = await startArchive(cluster.bootstrap, place.config())
  await eventually(
    () => archive.status().partitions.length,
    length => length === 1,
  )
  const { port } = new URL(archive.url)
  const socket = request({
    port,
    path: archivePaths.tail,
    headers: { authorization: `Bearer ${archive.session.token}` },
  })
  const arrived = Promise.withResolvers<import('node:http').IncomingMessage>()
  socket.once('response', arrived.resolve).end()
  const response = await arrived.promise
  response.pause()
  const text = 'x'.repeat(10_000)
  const total = 4_000
  await append(
    wire,
    topic,
    0,
    Array.from({ length: total }, () => line(web, text)),
  )
  await eventually(
    () => archive.status().partitions[0]!.position,
    position => position === total,
  )
  let [seen, dropped] = [0, 0]
  for await (const { event, data } of eventsOf(new Response(ReadableStreamOf(response)))) {
    if (event === 'line') seen++
    if (event === 'dropped') dropped += (data as { count: number }).count
    if (seen + dropped === total) break
  }
  assert.ok(dropped > 0 && seen > 0, `${seen} seen, ${dropped} dropped`)
  socket.destroy()
})

const ReadableStreamOf = (response: import('node:http').IncomingMessage): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      response.on('data', chunk => controller.enqueue(chunk))
      response.on('end', () => controller.close())
      response.on('error', () => {})
      response.resume()
    },
  })

test('streams answers line by line, refuses what it should, and says why', async () => {
  await using place = await archivePlace()
  const topic = `${place.prefix}.logs.edge`
  await createTopic(cluster.bootstrap, topic)
  await append(
    wire,
    topic,
    0,
    Array.from({ length: 5_000 }, (_, i) => ({ timestamp: Date.now(), value: Buffer.from(`n ${i}`) })),
  )
  await using archive = await startArchive(cluster.bootstrap, place.config())
  await eventually(
    () => archive.query({ sql: 'SELECT count(*) FROM logs' }),
    answer => answer.rows[0]![0] === 5_000,
  )

  const post = (path: string, body: unknown, token = archive.session.token): Promise<Response> =>
    fetch(archive.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const streamed = async (sql: string): Promise<QueryLine[]> =>
    (await (await post(archivePaths.queryStream, { sql, limit: 4_000 })).text())
      .trim()
      .split('\n')
      .map(text => JSON.parse(text) as QueryLine)
  const got = await streamed('SELECT line, "offset" FROM logs ORDER BY "offset"')
  assert.equal(got.length, 4_002)
  assert.deepEqual(got[0], {
    columns: [
      { name: 'line', type: 'VARCHAR' },
      { name: 'offset', type: 'BIGINT' },
    ],
  })
  assert.deepEqual(got[4_000], { row: ['n 3999', 3_999] })
  assert.ok('end' in got[4_001]! && got[4_001].end.truncated)
  const failed = await streamed('SELECT line::INTEGER FROM logs')
  assert.ok(
    'error' in failed.at(-1)! && (failed.at(-1) as { error: { code: string } }).error.code === 'SQL_FAILED',
    JSON.stringify(failed.at(-1)),
  )

  const refusals: [unknown, number, string][] = [
    [{ sql: 'SELEC 1' }, 400, 'SQL_INVALID'],
    [{ sql: 'DELETE FROM logs' }, 403, 'SQL_FORBIDDEN'],
    [{ sql: "SELECT * FROM read_parquet('/tmp/*')" }, 403, 'SQL_FORBIDDEN'],
    [{ sql: 'SELECT count(*) FROM logs a, logs b, logs c', timeoutMs: 50 }, 408, 'SQL_TIMEOUT'],
    [{ sql: 'SELECT len(range(200000000))' }, 413, 'SQL_TOO_LARGE'],
    [{ sql: 'SELECT 1', limit: 0 }, 400, 'HTTP_REQUEST_INVALID'],
    [{ sql: 'SELECT 1', surprise: true }, 400, 'HTTP_REQUEST_INVALID'],
    [{}, 400, 'HTTP_REQUEST_INVALID'],
  ]
  for (const [body, status, code] of refusals) {
    const response = await post(archivePaths.query, body)
    const error = (await response.json()) as { code: string }
    assert.deepEqual([response.status, error.code], [status, code], JSON.stringify(body))
  }
  assert.equal((await post(archivePaths.query, { sql: 'SELECT 1' }, 'a'.repeat(43))).status, 401)
  assert.equal((await fetch(archive.url + archivePaths.status)).status, 401)
  await assert.rejects(archive.get(`${archivePaths.tail}?regex=${encodeURIComponent('(a)\\1')}`), {
    status: 400,
  })
  assert.deepEqual((await archive.query({ sql: 'SELECT 1' })).rows, [[1]])
})

test('gaps, markers, deleted records and a topic made anew: archived as they are, said where something is missing', async () => {
  await using place = await archivePlace()
  const topic = `${place.prefix}.logs.edge`
  await createTopic(cluster.bootstrap, topic)
  await createTopic(cluster.bootstrap, place.streamTopic)
  const web = testStream('web-1')
  await append(
    wire,
    topic,
    0,
    Array.from({ length: 10 }, (_, i) => line(web, `deleted ${i}`)),
  )
  const signal = AbortSignal.timeout(60_000)
  await wire.deleteRecords([{ topic, partition: 0, before: 4 }], signal)
  const producerId = await wire.allocateProducerId(signal)
  const marker = { producerId, producerEpoch: 0, coordinatorEpoch: 0, commit: true, topic, partitions: [0] }
  await wire.writeTxnMarkers([marker, marker, marker], signal)
  await append(wire, topic, 0, [line(web, 'behind the markers')])

  await using archive = await startArchive(
    cluster.bootstrap,
    place.config({ unknownStreamMs: 60_000, roll: { rows: 1, ms: 1 } }),
  )
  const committed = (): number[] => archive.status().partitions.map(partition => partition.committed)
  // Its stream is not described yet: no record is committed (the gap before them may be), and none given up.
  await eventually(
    () => archive.query({ sql: 'SELECT count(*) FROM logs' }),
    answer => answer.rows[0]![0] === 7,
  )
  assert.equal(archive.status().records, 0)
  await describe(wire, place.streamTopic, web)
  await eventually(committed, ([end]) => end === 14)
  assert.deepEqual(await recordsOfArchive(place, topic, 0), await recordsOfTopic(wire, topic, 0))
  assert.deepEqual(
    (await manifestsOf(place.store)).flatMap(each => each.missing),
    [{ from: 0, to: 4, reason: 'retention' }],
  )
  assert.deepEqual((await archive.query({ sql: 'SELECT DISTINCT host, kind FROM logs' })).rows, [
    ['web-1', 'log'],
  ])

  await deleteTopic(cluster.bootstrap, topic)
  await eventually(
    async () => (await wire.metadata('all', signal)).map(each => each.name),
    names => !names.includes(topic),
  )
  await createTopic(cluster.bootstrap, topic)
  await append(wire, topic, 0, [line(web, 'in the new topic')])
  await eventually(committed, ends => ends.includes(1))
  const found = await archive.query({
    sql: `SELECT count(*), count(*) FILTER (line = 'in the new topic') FROM logs`,
  })
  assert.deepEqual(found.rows, [[8, 1]])
})

test('a full object store pauses it, memory stays bounded, and it goes on by itself when there is room', async () => {
  await using place = await archivePlace()
  const disk = await smallDisk(place.objects, 512 * 1024)
  using _mounted = { [Symbol.dispose]: () => void spawnSync('umount', ['-l', place.objects]) }
  const topic = `${place.prefix}.logs.edge`
  await createTopic(cluster.bootstrap, topic)
  const web = testStream('web-1')
  const total = 60_000
  const noise = (i: number): string =>
    `${i} ${Math.random()} ${Math.random()} ${Math.random()} ${Math.random()}`
  await append(
    wire,
    topic,
    0,
    Array.from({ length: total }, (_, i) => line(web, noise(i))),
  )
  const tailBytes = 2_000_000
  await using archive = await startArchive(
    cluster.bootstrap,
    place.config({ unknownStreamMs: 1, roll: { rows: 5_000, ms: 100 }, tailBytes }),
  )
  const paused = (await eventually(
    () => archive.get(archivePaths.status),
    status => (status as ArchiveStatus).state === 'paused',
  )) as ArchiveStatus
  assert.match(paused.reason!, /no space|ENOSPC/i)
  // What is held: the bound, and what one fetch brings beyond it.
  await eventually(
    () => archive.status().partitions[0]!.tailBytes,
    bytes => bytes >= tailBytes,
  )
  assert.ok(archive.status().partitions[0]!.tailBytes < tailBytes + 9 * 1024 * 1024)
  assert.ok(((await archive.query({ sql: 'SELECT count(*) FROM logs' })).rows[0]![0] as number) > 0)
  disk.resize(64 * 1024 * 1024)
  await eventually(
    () => archive.status().partitions[0]!.committed,
    committed => committed === total,
    60_000,
  )
  assert.equal(archive.status().state, 'running')
  assert.deepEqual(await recordsOfArchive(place, topic, 0), await recordsOfTopic(wire, topic, 0))
})
