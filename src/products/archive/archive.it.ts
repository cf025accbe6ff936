/** The archive role against real brokers: what it keeps, what it answers, how it fails and recovers. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  archivePlace,
  eventually,
  manifestsOf,
  recordsOfArchive,
  recordsOfTopic,
  startArchive,
} from '../../../test/archive/harness.ts'
import { append, describe, lineRecord, testStream } from '../../../test/archive/shipping.ts'
import { type SharedCluster, sharedCluster } from '../../../test/fleets/cluster.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { type ArchiveStatus, archivePaths, type CompletenessAnswer } from './contract.ts'

let cluster: SharedCluster
let wire: Wire
before(async () => {
  cluster = await sharedCluster()
  wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'archive-it' })
})
after(async () => {
  await wire.close()
  await cluster[Symbol.asyncDispose]()
})

const now = Date.now()
const hour = 3_600_000

test('archives every record once, of every kind, and answers over archive and tail together', async () => {
  await using place = await archivePlace()
  const topic = `${place.prefix}.logs.edge`
  await createTopic(cluster.bootstrap, topic, { partitions: 2 })
  await createTopic(cluster.bootstrap, place.streamTopic)
  const web = testStream('web-1')
  const db = testStream('db-1', { tenant: 'shop', path: '/var/log/db/düster.log' })
  const nobody = testStream('nobody')
  await describe(wire, place.streamTopic, web, db)
  const at = (text: string | Buffer, age = 0) => ({ text, eventTime: now - age, shipped: now })
  await append(
    wire,
    topic,
    0,
    [
      ...Array.from({ length: 500 }, (_, i) => lineRecord(web, at(`web line ${i}`, (i % 3) * hour))),
      lineRecord(web, at(Buffer.from([0x66, 0xff, 0x00, 0x80]))),
      lineRecord(web, at('')),
      lineRecord(web, at('year-old', 365 * 24 * hour)),
    ],
    'zstd',
  )
  await append(wire, topic, 1, [
    lineRecord(db, at('select 1')),
    lineRecord(nobody, at('from an undescribed stream')),
    { timestamp: now, value: Buffer.from('no position at all'), key: Buffer.from('k') },
    { timestamp: now, value: null },
    {
      timestamp: now,
      value: Buffer.from('broken position'),
      headers: [{ key: 'p', value: Buffer.from('xyz') }],
    },
  ])

  await using archive = await startArchive(cluster.bootstrap, place.config({ unknownStreamMs: 1 }))
  const count = (): Promise<unknown> =>
    archive
      .query({ sql: 'SELECT count(*), count(DISTINCT topic || partition || \'/\' || "offset") FROM logs' })
      .then(answer => answer.rows[0])
  await eventually(count, row => JSON.stringify(row) === '[508,508]')
  assert.deepEqual(await manifestsOf(place.store), [])

  await archive.commitAll()
  assert.deepEqual(await count(), [508, 508])
  for (const partition of [0, 1])
    assert.deepEqual(
      await recordsOfArchive(place, topic, partition),
      await recordsOfTopic(wire, topic, partition),
    )

  await append(wire, topic, 0, [lineRecord(web, at('the tail goes on'))])
  await eventually(count, row => JSON.stringify(row) === '[509,509]')

  const kinds = await archive.query({
    sql: 'SELECT kind, tenant, host, count(*) FROM logs GROUP BY ALL ORDER BY ALL',
  })
  assert.deepEqual(kinds.rows, [
    ['log', 'platform', 'web-1', 504],
    ['log', 'shop', 'db-1', 1],
    ['unknown', 'unknown', null, 4],
  ])
  const odd = await archive.query({
    sql: `SELECT line, raw, length FROM logs WHERE raw IS NOT NULL OR line IS NULL OR line = '' ORDER BY partition, "offset"`,
  })
  assert.deepEqual(odd.rows, [
    ['f?\u0000?', 'Zv8AgA==', 5],
    ['', null, 1],
    ['from an undescribed stream', Buffer.from('from an undescribed stream').toString('base64'), 27],
    ['no position at all', Buffer.from('no position at all').toString('base64'), null],
    [null, null, null],
    ['broken position', Buffer.from('broken position').toString('base64'), null],
  ])
  const keys = (await manifestsOf(place.store)).flatMap(manifest =>
    manifest.objects.map(object => object.key),
  )
  const today = new Date(now).toISOString().slice(0, 10)
  assert.ok(
    keys.some(key => key.startsWith(`data/tenant=platform/kind=log/date=${today}/hour=backfill/`)),
    keys.join('\n'),
  )
  assert.ok(
    keys.some(key => key.startsWith(`data/tenant=unknown/kind=unknown/date=${today}/`)),
    keys.join('\n'),
  )

  const status = (await archive.get(archivePaths.status)) as ArchiveStatus
  assert.equal(status.state, 'running')
  assert.deepEqual(
    status.partitions.map(({ partition, committed, position, lag, tailRows }) => ({
      partition,
      committed,
      position,
      lag,
      tailRows,
    })),
    [
      { partition: 0, committed: 503, position: 504, lag: 1, tailRows: 1 },
      { partition: 1, committed: 5, position: 5, lag: 0, tailRows: 0 },
    ],
  )
  assert.equal(status.records, 508)
  assert.equal(status.withoutPosition, 3)
  assert.equal(status.unknownStream, 1)

  const { streams } = (await archive.get(archivePaths.completeness)) as CompletenessAnswer
  assert.deepEqual(
    streams.find(each => each.stream === web.stream),
    { stream: web.stream, held: [{ start: 0, end: web.next - 'the tail goes on\n'.length }], repeated: [] },
  )
})

test('looks only into the objects of the times asked for', async () => {
  await using place = await archivePlace()
  const topic = `${place.prefix}.logs.edge`
  await createTopic(cluster.bootstrap, topic)
  await createTopic(cluster.bootstrap, place.streamTopic)
  const web = testStream('web-1')
  await describe(wire, place.streamTopic, web)
  const base = Math.floor(now / hour) * hour - 10 * hour
  await append(
    wire,
    topic,
    0,
    Array.from({ length: 100 }, (_, i) =>
      lineRecord(web, { text: `line ${i}`, eventTime: base + i * 60_000 * 6, shipped: base + 10 * hour }),
    ),
  )
  await using archive = await startArchive(cluster.bootstrap, place.config())
  await eventually(
    () => archive.query({ sql: 'SELECT count(*) FROM logs' }),
    answer => answer.rows[0]![0] === 100,
  )
  await archive.commitAll()
  const iso = (ms: number): string => new Date(ms).toISOString()
  const asked = async (sql: string): Promise<[unknown, number, number]> => {
    const { rows, objects } = await archive.query({ sql })
    return [rows[0]![0], objects.read, objects.all]
  }
  const inHour3 = `time >= '${iso(base + 3 * hour)}' AND time < '${iso(base + 4 * hour)}'`
  const [rows, read, all] = await asked(`SELECT count(*) FROM logs WHERE ${inHour3}`)
  assert.equal(rows, 10)
  assert.equal(all, 10)
  assert.ok(read <= 3, `${read} of ${all} objects read`)
  // The clock slack of the bounds reaches into the neighbours, no further.
  for (const [sql, expected, most] of [
    [
      `SELECT count(*) FROM logs l WHERE l.time BETWEEN TIMESTAMPTZ '${iso(base)}' AND TIMESTAMPTZ '${iso(base)}' + INTERVAL 30 MINUTES`,
      6,
      1,
    ],
    [`SELECT count(*) FROM logs WHERE '${iso(base + 9 * hour)}' <= time`, 10, 2],
    [
      `SELECT count(*) FROM logs WHERE time > now() - INTERVAL 1 SECOND AND time < now() + INTERVAL 10 YEARS`,
      0,
      1,
    ],
    [`SELECT count(*) FROM logs WHERE time > now() - INTERVAL 100 YEARS`, 100, 10],
    [`SELECT count(*) FROM logs WHERE ${inHour3} OR line = 'line 0'`, 11, 10],
    [`SELECT count(*) FROM logs WHERE date_trunc('hour', time) = '${iso(base + 3 * hour)}'`, 10, 10],
    [`SELECT count(*) FROM (SELECT * FROM logs WHERE ${inHour3}) WHERE line <> 'line 30'`, 9, 3],
    [
      `SELECT count(*) FROM (SELECT * FROM logs WHERE ${inHour3} UNION ALL SELECT * FROM logs WHERE time < '${iso(base + hour)}')`,
      20,
      4 + 1,
    ],
    [
      `SELECT count(*) FROM logs a LEFT JOIN logs b ON a.line = b.line WHERE a.time < '${iso(base + hour)}'`,
      10,
      10,
    ],
    [`WITH r AS (SELECT * FROM logs WHERE ${inHour3}) SELECT count(*) FROM r, logs`, 1000, 10],
  ] as const) {
    const [found, looked] = await asked(sql)
    assert.equal(found, expected, sql)
    assert.ok(looked <= most, `${looked} objects read for ${sql}`)
  }
})
