import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { batchOf } from '../../../../test/wire/records.ts'
import { rewriteHeader } from '../../../foundation/wire/batch.ts'
import { replicasQuery } from '../contract.ts'
import { readReplicas } from './read.ts'

const ORDERS = { topic: 'orders', partition: 0 }
const segment = (base: number): string => `${String(base).padStart(20, '0')}.log`

/** Batches of two records each, from that offset on. */
function batches(from: number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const batch = batchOf('a', 'b')
    rewriteHeader(batch, 0, { baseOffset: from + 2 * i, leaderEpoch: 5 })
    return batch
  })
}

async function logDir(): Promise<AsyncDisposable & { readonly dir: string; readonly folder: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'ajna-replicas-'))
  const folder = join(dir, 'orders-0')
  await mkdir(folder)
  await writeFile(join(folder, segment(0)), Buffer.concat(batches(0, 5)))
  await writeFile(join(folder, segment(10)), Buffer.concat(batches(10, 50)))
  await writeFile(join(folder, 'leader-epoch-checkpoint'), '0\n2\n4 0\n5 10\n')
  await writeFile(join(dir, 'replication-offset-checkpoint'), '0\n2\norders 0 96\nothers 1 7\n')
  await writeFile(join(dir, 'log-start-offset-checkpoint'), '0\n1\norders 0 4\n')
  return { dir, folder, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}

/** An offset index: that record lies in the batch at that byte. Preallocated, so zeros follow. */
function index(...entries: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.alloc(4_096)
  entries.forEach(([offset, at], i) => {
    bytes.writeInt32BE(offset, 8 * i)
    bytes.writeInt32BE(at, 8 * i + 4)
  })
  return bytes
}

const WHOLE = {
  start: 4,
  end: 110,
  epochs: [
    { epoch: 4, start: 0 },
    { epoch: 5, start: 10 },
  ],
  highWatermark: 96,
}

test('says where a log begins and ends, its epochs, and its high watermark as checkpointed', async () => {
  await using at = await logDir()
  const [found] = await readReplicas([join(at.dir, 'not-there'), at.dir], [ORDERS])
  assert.deepEqual(found, { ...ORDERS, log: WHOLE, problem: null })
  const size = batches(0, 1)[0]!.length
  await writeFile(
    join(at.folder, segment(10).replace('.log', '.index')),
    index([81, 40 * size], [91, 45 * size]),
  )
  assert.deepEqual((await readReplicas([at.dir], [ORDERS]))[0]!.log, WHOLE)
})

test('an index that leads astray is not believed', async () => {
  await using at = await logDir()
  await writeFile(join(at.folder, segment(10).replace('.log', '.index')), index([81, 77], [91, 123]))
  assert.deepEqual((await readReplicas([at.dir], [ORDERS]))[0]!.log, WHOLE)
})

test('a batch cut short by a kill was acknowledged to nobody: the log ends before it', async () => {
  await using at = await logDir()
  const last = join(at.folder, segment(10))
  await appendFile(last, batches(110, 1)[0]!.subarray(0, 40))
  assert.equal((await readReplicas([at.dir], [ORDERS]))[0]!.log!.end, 110)
  await truncate(last, 0)
  assert.equal((await readReplicas([at.dir], [ORDERS]))[0]!.log!.end, 10)
})

test('a damaged log is said to be damaged, not to end there', async () => {
  await using at = await logDir()
  const bytes = Buffer.concat(batches(10, 50))
  bytes[bytes.length - 5]! ^= 1
  await writeFile(join(at.folder, segment(10)), bytes)
  const [found] = await readReplicas([at.dir], [ORDERS])
  assert.equal(found!.log, null)
  assert.match(found!.problem!, /damaged/)
})

test('nothing is read but replicas in the log dirs: no path leads out of them', async () => {
  await using at = await logDir()
  await using other = await logDir()
  await symlink(other.folder, join(at.dir, 'stolen-0'))
  const [stolen, missing] = await readReplicas(
    [at.dir],
    [
      { topic: 'stolen', partition: 0 },
      { topic: 'orders', partition: 1 },
    ],
  )
  assert.deepEqual([stolen!.log, missing!.log], [null, null])
  for (const topic of ['../orders', 'a/b', ''])
    assert.equal(replicasQuery.safeParse({ partitions: [{ topic, partition: 0 }] }).success, false)
})

test('a damaged checkpoint of epochs is told; one of high watermarks only tells nothing', async () => {
  await using at = await logDir()
  await writeFile(join(at.dir, 'replication-offset-checkpoint'), '0\n9\norders 0 96\n')
  assert.equal((await readReplicas([at.dir], [ORDERS]))[0]!.log!.highWatermark, null)
  await writeFile(join(at.folder, 'leader-epoch-checkpoint'), '0\n2\n4 0\n')
  assert.match((await readReplicas([at.dir], [ORDERS]))[0]!.problem!, /entries/)
})
