import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { AjnaError, isAjnaError } from '../../foundation/errors/errors.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import { ObjectStoreUnavailable } from '../../foundation/objects/errors.ts'
import { openFsStore } from '../../foundation/objects/fs.ts'
import { listAll, type ObjectStore } from '../../foundation/objects/store.ts'
import { openCatalog } from './catalog.ts'
import { ArchiveManifestInvalid } from './errors.ts'
import { dataKey, manifestKey, type PartitionId, parseDataKey, parseManifestKey } from './layout.ts'
import { chainOf, encodeManifest, type Manifest } from './manifest.ts'
import { expiredCommits, sweep } from './sweep.ts'

const id: PartitionId = { topic: 'logs.edge', topicId: 'AbC-_1234567890123456w', partition: 3 }
let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'ajna-catalog-'))
})
after(() => rm(root, { recursive: true }))
const freshStore = (): Promise<ObjectStore> => openFsStore(join(root, randomUUID()))

function commitOf(from: number, to: number, changes: Partial<Manifest> = {}): Manifest {
  return {
    version: 1,
    id: randomUUID(),
    ...id,
    from,
    to,
    committedAt: 1_000,
    records: to - from,
    objects: [],
    streams: [{ stream: '00112233aabbccdd', records: to - from, held: [[from * 10, to * 10]], repeated: [] }],
    withoutPosition: 0,
    unknownStream: 0,
    missing: [],
    ...changes,
  }
}

function objectOf(from: number, to: number, times: readonly [number, number] = [0, 1]) {
  const cell = { tenant: 'a', kind: 'log', date: '2026-11-23', hour: '05' }
  const key = dataKey(cell, id, from, to, randomUUID().replaceAll('-', ''))
  return {
    key,
    tenant: 'a',
    kind: 'log',
    rows: to - from,
    bytes: 5,
    sha256: 'x',
    minTime: times[0],
    maxTime: times[1],
  }
}

test('a commit is there once, after the one before it, whoever asks', async () => {
  const store = await freshStore()
  const [one, two] = [await openCatalog(store), await openCatalog(store)]
  assert.equal(await one.commit(commitOf(0, 10)), 'ours')
  assert.equal(await two.commit(commitOf(0, 7)), 'theirs')
  assert.equal(two.end(id), 0)
  await two.reload(id)
  assert.equal(two.end(id), 10)
  assert.equal(await two.commit(commitOf(10, 15)), 'ours')
  assert.equal(await one.commit(commitOf(11, 20)), 'theirs', 'beyond what is known to be committed')
  const fresh = await openCatalog(store)
  assert.equal(fresh.end(id), 15)
  assert.deepEqual([...fresh.accounts().get('00112233aabbccdd')!.held], [[0, 150]])
  assert.deepEqual(fresh.totals().records, 15)
})

test('what is derived is the same, carried on or read anew; what two commits hold is said to be repeated', async () => {
  const store = await freshStore()
  const catalog = await openCatalog(store)
  catalog.accounts()
  catalog.objects()
  await catalog.commit(commitOf(0, 10, { objects: [objectOf(0, 10)] }))
  const overlapping = {
    stream: '00112233aabbccdd',
    records: 5,
    held: [[95, 120] as [number, number]],
    repeated: [[96, 97] as [number, number]],
  }
  await catalog.commit(commitOf(10, 15, { objects: [objectOf(10, 15)], streams: [overlapping] }))
  const fresh = await openCatalog(store)
  for (const each of [catalog, fresh]) {
    const { held, repeated } = each.accounts().get('00112233aabbccdd')!
    assert.deepEqual([[...held], [...repeated]], [[[0, 120]], [[95, 100]]])
    assert.deepEqual(each.objects().length, 2)
  }
  assert.deepEqual(fresh.totals(), catalog.totals())
})

test('a commit whose answer was lost is found to be one’s own when it is offered again', async () => {
  const store = await freshStore()
  let broken: 'after' | 'before' | undefined
  const flaky: ObjectStore = {
    ...store,
    async putIfAbsent(key, body) {
      if (broken === 'before') throw new AjnaError(ObjectStoreUnavailable, 'not sent')
      const answer = await store.putIfAbsent(key, body)
      if (broken === 'after') throw new AjnaError(ObjectStoreUnavailable, 'answer lost')
      return answer
    },
  }
  const catalog = await openCatalog(flaky)
  const commit = commitOf(0, 10)
  broken = 'before'
  await assert.rejects(catalog.commit(commit), error => isAjnaError(error, ObjectStoreUnavailable))
  assert.equal(catalog.end(id), 0)
  broken = 'after'
  assert.equal(await catalog.commit(commit), 'ours')
  // The client's own retry makes `exists` out of one's own success.
  broken = undefined
  const repeating: ObjectStore = {
    ...store,
    async putIfAbsent(key, body) {
      await store.putIfAbsent(key, body)
      return 'exists'
    },
  }
  const second = await openCatalog(repeating)
  assert.equal(await second.commit(commitOf(10, 12)), 'ours')
})

test('a hole, an overlap or a strange manifest is an error, never a choice', async () => {
  assert.throws(
    () => chainOf([commitOf(0, 5), commitOf(6, 9)], 0),
    error => isAjnaError(error, ArchiveManifestInvalid),
  )
  assert.throws(
    () => chainOf([commitOf(0, 5), commitOf(4, 9)], 0),
    error => isAjnaError(error, ArchiveManifestInvalid),
  )
  assert.throws(
    () => chainOf([commitOf(0, 0)], 0),
    error => isAjnaError(error, ArchiveManifestInvalid),
  )
  assert.throws(
    () => chainOf([commitOf(5, 9)], 0),
    error => isAjnaError(error, ArchiveManifestInvalid),
  )
  assert.deepEqual(
    chainOf([commitOf(5, 9), commitOf(0, 5)], 5).map(commit => commit.from),
    [5],
  )
  const store = await freshStore()
  for (const bytes of ['', '{', '[]', '{"version":2}', JSON.stringify({ ...commitOf(0, 1), from: -1 })]) {
    await store.put(manifestKey(id, 0), Buffer.from(bytes))
    await assert.rejects(openCatalog(store), error => isAjnaError(error, ArchiveManifestInvalid), bytes)
  }
})

test('names say what they are of, and come back from their text', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }),
      fc.nat(1000),
      fc.nat(),
      fc.nat(),
      fc.string(),
      (topic, partition, from, length, tenant) => {
        const of = { topic, topicId: id.topicId, partition }
        const about = parseManifestKey(manifestKey(of, from))
        assert.equal(about?.kind === 'commit' && about.from, from)
        const key = dataKey(
          { tenant, kind: 'log', date: '2026-01-01', hour: '00' },
          of,
          from,
          from + length,
          'a'.repeat(64),
        )
        assert.deepEqual(parseDataKey(key), { folder: about!.folder, from, to: from + length })
      },
    ),
  )
})

test('the sweeper takes what no commit names and none can name any more, and nothing else', async () => {
  const store = await freshStore()
  const catalog = await openCatalog(store)
  const [named, lost, ahead] = [objectOf(0, 10), objectOf(0, 8), objectOf(10, 20)]
  const other = dataKey(
    { tenant: 'a', kind: 'log', date: '2026-11-23', hour: '05' },
    { ...id, topicId: 'another' },
    0,
    8,
    'b'.repeat(64),
  )
  for (const key of [named.key, lost.key, ahead.key, other, 'data/not/ours'])
    await store.put(key, Buffer.from('bytes'))
  await catalog.commit(commitOf(0, 10, { objects: [named] }))
  const keys = async (): Promise<string[]> => {
    const found: string[] = []
    for await (const { key } of listAll(store, 'data/')) found.push(key)
    return found
  }
  const all = await keys()
  const young = { graceMs: 60_000, retentionMs: undefined, now: Date.now }
  assert.deepEqual(await sweep(store, catalog, young, silentLogger), { retired: 0, objects: 0, manifests: 0 })
  const old = { ...young, now: () => Date.now() + 120_000 }
  assert.deepEqual(await sweep(store, catalog, old, silentLogger), { retired: 0, objects: 1, manifests: 0 })
  assert.deepEqual(
    await keys(),
    all.filter(key => key !== lost.key),
  )
})

test('retention forgets whole commits from the beginning; the partition goes on where it was', async () => {
  const store = await freshStore()
  const catalog = await openCatalog(store)
  const objects = [objectOf(0, 10, [0, 100]), objectOf(10, 20, [50, 900]), objectOf(20, 30, [100, 200])]
  for (const [at, object] of objects.entries()) {
    await store.put(object.key, Buffer.from('bytes'))
    await catalog.commit(commitOf(at * 10, at * 10 + 10, { objects: [object] }))
  }
  const chain = catalog.chain(id)
  assert.equal(expiredCommits(chain, 100), 0)
  assert.equal(expiredCommits(chain, 101), 1)
  assert.equal(expiredCommits(chain, 500), 1, 'the third is old, but the second before it is not')
  assert.equal(expiredCommits(chain, 901), 3)
  const now = (): number => Date.now() + 120_000
  const swept = await sweep(store, catalog, { graceMs: 60_000, retentionMs: now() - 500, now }, silentLogger)
  assert.deepEqual(swept, { retired: 1, objects: 1, manifests: 0 })
  for (const each of [catalog, await openCatalog(store)]) {
    assert.equal(each.end(id), 30)
    assert.deepEqual(
      each
        .objects()
        .map(object => object.key)
        .sort(),
      objects
        .slice(1)
        .map(object => object.key)
        .sort(),
    )
  }
  // One that slept through it all cannot bring back what was retired.
  await store.put(manifestKey(id, 0), encodeManifest(commitOf(0, 4)))
  assert.equal((await openCatalog(store)).end(id), 30)
  assert.equal(
    (await sweep(store, catalog, { graceMs: 60_000, retentionMs: undefined, now }, silentLogger)).manifests,
    1,
  )
  await sweep(store, catalog, { graceMs: 60_000, retentionMs: 1, now: () => Date.now() + 1e9 }, silentLogger)
  assert.equal((await openCatalog(store)).end(id), 30)
  assert.equal(await catalog.commit(commitOf(30, 31)), 'ours')
})
