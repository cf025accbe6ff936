/** Archivers killed at any moment, two at a time: the archive is the topic, record for record. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  type ArchivePlace,
  archivePlace,
  eventually,
  manifestsOf,
  recordsOfArchive,
  recordsOfTopic,
  startArchive,
} from '../../../test/archive/harness.ts'
import { append, describe, lineRecord, testStream } from '../../../test/archive/shipping.ts'
import { sharedCluster } from '../../../test/fleets/cluster.ts'
import { seededRandom } from '../../../test/wire/random.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import { openFsStore } from '../../foundation/objects/fs.ts'
import { listAll } from '../../foundation/objects/store.ts'
import { IntervalSet } from '../../foundation/positions/intervals.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { openCatalog } from './catalog.ts'
import { sweep } from './sweep.ts'

const script = fileURLToPath(import.meta.resolve('../../../test/archive/archiver.ts'))
const partitions = 2
const linesAtOnce = 200
const kills = 14

test('kill -9 at any moment, two archivers at once: nothing lost, nothing twice, nothing half', async t => {
  const random = seededRandom()
  t.diagnostic(`seed ${random.seed}`)
  await using cluster = await sharedCluster()
  await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'archive-chaos' })
  await using place = await archivePlace()
  const topic = `${place.prefix}.logs.edge`
  await createTopic(cluster.bootstrap, topic, { partitions })
  await createTopic(cluster.bootstrap, place.streamTopic)
  const streams = Array.from({ length: partitions }, (_, i) => testStream(`host-${i}`))
  await describe(wire, place.streamTopic, ...streams)

  let killed = 0
  const shipped = streams.map(() => 0)
  const shipping = Promise.all(streams.map((stream, partition) => ship(partition, stream)))
  async function ship(partition: number, stream: (typeof streams)[number]): Promise<void> {
    // As long as there is killing, there is something to archive.
    while (killed < kills) {
      const lines = Array.from({ length: linesAtOnce }, (_, i) => {
        const time = Date.now()
        const text = `line ${shipped[partition]! + i} ${'x'.repeat(random.integer(80))}`
        return lineRecord(stream, { text, eventTime: time, shipped: time })
      })
      await append(wire, topic, partition, lines)
      shipped[partition]! += linesAtOnce
      await sleep(100)
    }
  }

  await mkdir(join(place.objects, 'data'), { recursive: true })
  const archivers = [0, 1].map(async number => {
    while (killed < kills) {
      const child = startArchiver(place, cluster.bootstrap, number)
      const closed = once(child, 'close')
      t.after(() => child.kill('SIGKILL'))
      // Half of them die in the moment in which an object has appeared and no commit names it yet.
      const moment =
        killed % 2 === 0 ? objectsAppear(place, 1 + random.integer(6)) : runsFor(child, random.integer(2_000))
      await Promise.race([closed, moment])
      child.kill('SIGKILL')
      await closed
      assert.equal(child.signalCode, 'SIGKILL', 'an archiver ended by itself')
      killed++
    }
  })
  await Promise.all(archivers)
  await shipping
  const total = shipped.reduce((sum, each) => sum + each)

  // One more, alive, takes up what they left.
  await using archive = await startArchive(
    cluster.bootstrap,
    place.config({ stateDir: join(place.folder, 'last') }),
  )
  await eventually(
    () => archive.query({ sql: 'SELECT count(*) FROM logs' }),
    answer => answer.rows[0]![0] === total,
  )
  await archive.commitAll()
  const manifests = await manifestsOf(place.store)
  t.diagnostic(`${killed} kills, ${manifests.length} commits, ${total} lines`)
  assert.ok(manifests.length > partitions * 2, 'the killed archivers committed nothing')
  for (let partition = 0; partition < partitions; partition++) {
    assert.deepEqual(
      await recordsOfArchive(place, topic, partition),
      await recordsOfTopic(wire, topic, partition),
    )
    const { stream, next } = streams[partition]!
    const held = manifests.flatMap(manifest => manifest.streams.filter(each => each.stream === stream))
    assert.deepEqual([...IntervalSet.of(...held.flatMap(each => each.held))], [[0, next]])
    assert.deepEqual(
      held.flatMap(each => each.repeated),
      [],
    )
  }
  await sweepsWhatNobodyNames(place)
  assert.equal((await archive.query({ sql: 'SELECT count(*) FROM logs' })).rows[0]![0], total)
})

async function sweepsWhatNobodyNames(place: ArchivePlace): Promise<void> {
  const store = await openFsStore(place.objects)
  await sweep(
    store,
    await openCatalog(store),
    { graceMs: 0, retentionMs: undefined, now: () => Date.now() + 1_000 },
    silentLogger,
  )
  const named = (await manifestsOf(store))
    .flatMap(manifest => manifest.objects.map(object => object.key))
    .sort()
  const present: string[] = []
  for await (const { key } of listAll(store, 'data/')) present.push(key)
  assert.deepEqual(present, named)
}

function startArchiver(place: ArchivePlace, bootstrap: readonly string[], number: number): ChildProcess {
  const config = place.config({
    stateDir: join(place.folder, `state-${number}`),
    roll: { rows: 1_500, ms: 250 },
  })
  return spawn(process.execPath, [script, bootstrap.join(','), JSON.stringify(config)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Resolves when so many objects have been put from now on. */
async function objectsAppear(place: ArchivePlace, count: number): Promise<void> {
  const watcher = watch(join(place.objects, 'data'), { recursive: true })
  try {
    for (let seen = 0; seen < count; ) {
      const [, name] = (await once(watcher, 'change')) as [string, string | null]
      if (name?.endsWith('.parquet')) seen++
    }
  } finally {
    watcher.close()
  }
}

/** So long after the archiver began to serve. */
async function runsFor(child: ChildProcess, ms: number): Promise<void> {
  await once(child.stdout!, 'data')
  await sleep(ms)
}
