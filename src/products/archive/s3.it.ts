/** The archive in S3: the same archive, queried through bounded local copies. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { archivePlace, eventually, manifestsOf, startArchive } from '../../../test/archive/harness.ts'
import { append, describe, lineRecord, testStream } from '../../../test/archive/shipping.ts'
import { sharedCluster } from '../../../test/fleets/cluster.ts'
import { startS3 } from '../../../test/objects/s3proxy.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { openS3Store } from '../../foundation/objects/s3.ts'
import { openWire } from '../../foundation/wire/wire.ts'

const hour = 3_600_000

test('keeps its objects in S3, copies what a query needs within a bound, and says when that is too little', async () => {
  await using server = await startS3()
  await using cluster = await sharedCluster()
  await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'archive-s3-it' })
  await using place = await archivePlace()
  const topic = `${place.prefix}.logs.edge`
  await createTopic(cluster.bootstrap, topic)
  await createTopic(cluster.bootstrap, place.streamTopic)
  const web = testStream('web-1')
  await describe(wire, place.streamTopic, web)
  const now = Date.now()
  const noise = (): string => Array.from({ length: 10 }, () => Math.random().toString(36)).join(' ')
  await append(
    wire,
    topic,
    0,
    Array.from({ length: 5_000 }, (_, i) =>
      lineRecord(web, { text: noise(), eventTime: now - (i % 5) * hour, shipped: now }),
    ),
  )

  const s3 = { ...server.options, prefix: 'archive/' }
  const config = place.config({ objects: { driver: 's3', ...s3 }, query: { cacheBytes: 400_000 } })
  await using archive = await startArchive(cluster.bootstrap, config)
  const count = () => archive.query({ sql: 'SELECT count(*) FROM logs' })
  await eventually(count, answer => answer.rows[0]![0] === 5_000)
  await archive.commitAll()
  const store = openS3Store(s3)
  const objects = (await manifestsOf(store)).flatMap(manifest => manifest.objects)
  store.close()
  assert.equal(
    objects.reduce((sum, object) => sum + object.rows, 0),
    5_000,
  )
  assert.ok(objects.length >= 5)

  await assert.rejects(count(), { status: 413 })
  for (const age of [0, 1, 2, 3, 4]) {
    const at = now - age * hour
    const around = `time BETWEEN epoch_ms(${at - 1})::TIMESTAMPTZ AND epoch_ms(${at + 1})::TIMESTAMPTZ`
    const iso = (ms: number): string => new Date(ms).toISOString()
    const { rows } = await archive.query({
      sql: `SELECT count(*) FROM logs WHERE time >= '${iso(at - 1)}' AND time <= '${iso(at + 1)}' AND ${around}`,
    })
    assert.deepEqual(rows, [[1_000]])
  }
  const copies = await readdir(join(place.folder, 'state', 'cache'))
  assert.ok(
    copies.length > 0 && copies.length < objects.length,
    `${copies.length} copies of ${objects.length} objects`,
  )
})
