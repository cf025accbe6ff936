import assert from 'node:assert/strict'
import {
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { batchOf } from '../../../../test/wire/records.ts'
import { rewriteHeader } from '../../../foundation/wire/batch.ts'
import { createBudget, listLogDir, readFile, unbounded } from './read.ts'
import { scan } from './scan.ts'
import { inTurn, type Segment, segmentsIn } from './segments.ts'
import { verifyReplica } from './verify.ts'
import { createScrubWatch, type Pace, type ScrubWatch } from './watch.ts'

const DEADLINE_MS = 60_000
/** Read all the time, as fast as can be. */
const AT_ONCE = { bytesPerSecond: 1e9, againMs: 0, listEveryMs: 20 }
const PER_SEGMENT = 10
const ORDERS = { topic: 'orders', partition: 0 }
const name = (base: number): string => `${String(base).padStart(20, '0')}.log`

const segments = new Map<number, Buffer>()

/** A segment of batches of two records each; always the same bytes. */
function segment(base: number): Buffer {
  const bytes = segments.get(base) ?? newSegment(base)
  segments.set(base, bytes)
  return bytes
}

function newSegment(base: number): Buffer {
  return Buffer.concat(
    Array.from({ length: PER_SEGMENT / 2 }, (_, i) => {
      const batch = batchOf('a', 'b')
      rewriteHeader(batch, 0, { baseOffset: base + 2 * i, leaderEpoch: 5 })
      return batch
    }),
  )
}

interface Place {
  readonly dir: string
  readonly folder: string
  at(base: number): string
  flip(base: number): Promise<void>
  listed(): Promise<Segment[]>
  readonly signal: AbortSignal
}

/** A log dir with three segments of one replica, the last one open. */
async function logDir(t: TestContext): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'ajna-scrub-'))
  t.after(() => rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  const folder = join(dir, 'orders-0')
  await mkdir(folder)
  for (const base of [0, 10, 20]) await writeFile(join(folder, name(base)), segment(base))
  const { signal } = new AbortController()
  const at = (base: number): string => join(folder, name(base))
  return {
    ...{ dir, folder, at, signal },
    listed: async () => segmentsIn(dir, await listLogDir(dir, signal)),
    flip: base => flipAt(at(base)),
  }
}

/** In the third batch, as a disk does it: nobody has written to it. */
async function flipAt(path: string): Promise<void> {
  const { atime, mtime, size } = await stat(path)
  const position = Math.floor((2.5 * size) / (PER_SEGMENT / 2)) + 20
  await using file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, position)
  byte[0]! ^= 0xff
  await file.write(byte, 0, 1, position)
  await utimes(path, atime, mtime)
}

test('closed segments of replicas are read, and nothing else that lies in a log dir', async t => {
  const place = await logDir(t)
  for (const other of [
    'orders-1.0123456789abcdef0123456789abcdef-delete',
    'orders-2.0123456789abcdef0123456789abcdef-stray',
    '__cluster_metadata-0',
    'notes',
  ]) {
    await mkdir(join(place.dir, other))
    for (const base of [0, 10]) await writeFile(join(place.dir, other, name(base)), segment(base))
  }
  const segments = await place.listed()
  assert.deepEqual(
    segments.map(({ topic, partition, base, isLast }) => [topic, partition, base, isLast]),
    [
      ['orders', 0, 0, false],
      ['orders', 0, 10, false],
      ['orders', 0, 20, true],
    ],
  )
  const times = { now: 1_000_000, againMs: 60_000 }
  const bases = (of: readonly Segment[]): number[] => of.map(({ base }) => base)
  const [first, second] = segments as [Segment, Segment, Segment]
  const read = (each: Segment, at: number, key = each.key) => [each.path, { key, at }] as const
  assert.deepEqual(bases(inTurn(segments, new Map(), times)), [0, 10])
  assert.deepEqual(bases(inTurn(segments, new Map([read(first, 1_000)]), times)), [10, 0], 'new ones first')
  assert.deepEqual(bases(inTurn(segments, new Map([read(first, 999_000), read(second, 1)]), times)), [10])
  const rewritten = new Map([read(first, 999_000, 'another'), read(second, 999_000)])
  assert.deepEqual(bases(inTurn(segments, rewritten, times)), [0], 'one that was written to is new')
})

test('a damaged segment is found; one that is truncated, cleaned or deleted while it is read is not damaged', async t => {
  const place = await logDir(t)
  const { signal } = place
  await place.flip(0)
  const before = await place.listed()
  const [first, second] = before as [Segment, Segment, Segment]
  const found = await scan(first, unbounded, signal)
  assert.deepEqual(found.kind === 'damaged' && [found.damage.from, found.damage.to], [4, 6])
  assert.deepEqual(await scan(second, unbounded, signal), { kind: 'well' })

  await truncate(second.path, second.bytes - 30)
  assert.equal((await scan(second, unbounded, signal)).kind, 'unknown')
  const cleaned = join(place.folder, `${name(0)}.cleaned`)
  await writeFile(cleaned, segment(0).subarray(0, -70))
  await rename(cleaned, first.path)
  assert.equal((await scan(first, unbounded, signal)).kind, 'unknown')
  await rm(first.path)
  assert.equal((await scan(first, unbounded, signal)).kind, 'unknown')
})

test('a range of a replica is verified on its disk, and equal replicas have equal digests whatever their segments', async t => {
  const [place, other] = [await logDir(t), await logDir(t)]
  const { signal } = place
  const verify = (at: Place, from: number, to: number) =>
    verifyReplica([join(at.dir, 'none'), at.dir], { ...ORDERS, from, to }, signal)
  await writeFile(other.at(0), Buffer.concat([segment(0), segment(10)]))
  await rm(other.at(10))
  const well = await verify(place, 4, 24)
  assert.equal(well.state, 'well', well.says)
  assert.equal((await verify(other, 4, 24)).digest, well.digest)
  assert.notEqual((await verify(other, 4, 26)).digest, well.digest)

  assert.equal((await verify(place, 4, 31)).state, 'unknown', 'it does not reach so far')
  await rm(other.at(0))
  assert.equal((await verify(other, 4, 24)).state, 'unknown', 'it begins later')
  await place.flip(10)
  const damaged = await verify(place, 12, 22)
  assert.deepEqual([damaged.state, damaged.digest], ['damaged', null])
  assert.match(damaged.says, /checksum at offset 14/)
  assert.equal((await verify(place, 0, 10)).state, 'well')

  await symlink(place.folder, join(other.dir, 'stolen-0'))
  const stolen = { topic: 'stolen', partition: 0, from: 0, to: 2 }
  assert.equal((await verifyReplica([other.dir], stolen, signal)).state, 'unknown')
})

test('a segment that rots is told of, and no more once it is another file, or is whole again', async t => {
  const place = await logDir(t)
  let changes = 0
  const watch = createScrubWatch(
    () => changes++,
    () => 'sparing',
    AT_ONCE,
  )
  t.after(() => watch.watch([]))
  watch.watch([place.dir])
  assert.deepEqual(watch.of([place.dir]), [])
  await place.flip(10)
  await until(watch, place, 1)
  const [found] = watch.of([place.dir])
  assert.deepEqual(
    [found!.topic, found!.partition, found!.segment, found!.from, found!.to, found!.batches],
    ['orders', 0, 10, 14, 16, 1],
  )
  await place.flip(10)
  await until(watch, place, 0)
  await place.flip(10)
  await until(watch, place, 1)
  await rm(place.at(10))
  await until(watch, place, 0)
  assert.equal(changes, 4)
  watch.watch([])
  assert.deepEqual(watch.of([place.dir]), [])
})

test('nothing is read of a disk that fails', async t => {
  const place = await logDir(t)
  await place.flip(0)
  const asked = Promise.withResolvers<void>()
  let times = 0
  const paceOf = (dir: string): Pace => {
    assert.equal(dir, place.dir)
    if (++times === 5) asked.resolve()
    return 'none'
  }
  const watch = createScrubWatch(assert.fail, paceOf, AT_ONCE)
  t.after(() => watch.watch([]))
  watch.watch([place.dir])
  await asked.promise
  assert.deepEqual(watch.of([place.dir]), [])
})

test('no more is read a second than was given', async t => {
  const place = await logDir(t)
  const path = place.at(0)
  await writeFile(path, Buffer.alloc(2 * 1024 * 1024))
  const began = performance.now()
  let bytes = 0
  const count = (chunk: Buffer): void => void (bytes += chunk.length)
  await readFile(path, createBudget(4 * 1024 * 1024), count, place.signal)
  assert.equal(bytes, 2 * 1024 * 1024)
  assert.ok(
    performance.now() - began >= 300,
    'two of four MiB a second take half of one, but for what is lent',
  )
})

async function until(watch: ScrubWatch, place: Place, findings: number): Promise<void> {
  for (const end = Date.now() + DEADLINE_MS; watch.of([place.dir]).length !== findings; await delay(20))
    assert.ok(Date.now() < end, `${findings}: ${JSON.stringify(watch.of([place.dir]))}`)
}
