import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, readdir, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ReadyBatch } from '../ship/batch.ts'
import { openSpool, type Spool } from './spool.ts'

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'ajna-spool-'))
  t.after(async () => {
    // Only there when a test mounted it.
    spawnSync('umount', ['-l', directory], { stdio: 'ignore' })
    await rm(directory, { recursive: true, force: true })
  })
  return directory
}

const batchOf = (number: number, bytes = 1_000): ReadyBatch => ({
  topic: 't',
  partition: number % 3,
  bytes: Buffer.concat([Buffer.from(`${number}:`), randomBytes(bytes)]),
  records: 1,
  covers: [{ stream: '00000000000000aa', start: number, end: number + 1, event: 0 }],
  gate: false,
})

const reopen = (directory: string, found: number[] = []) =>
  openSpool({
    directory,
    maxBytes: 1_000_000,
    segmentBytes: 10_000,
    onRecovered: ({ covers }) => found.push(covers[0]!.start),
  })

async function takeAll(spool: Spool): Promise<number[]> {
  const numbers: number[] = []
  for (let taken = await spool.take(); taken !== undefined; taken = await spool.take())
    numbers.push(Number.parseInt(taken.batch.bytes.toString('latin1', 0, 10), 10))
  return numbers
}

const upTo = (end: number, from = 0): number[] => Array.from({ length: end - from }, (_, i) => from + i)

test('batches come out as they went in, in order, over many segments and a restart', async t => {
  const directory = await folder(t)
  const { spool } = await reopen(directory)
  const batches = upTo(40).map(number => batchOf(number))
  for (const batch of batches) assert.equal(await spool.append(batch), true)
  const first = await spool.take()
  assert.deepEqual({ ...first!.batch }, batches[0])
  await spool.close()

  const found: number[] = []
  const again = await reopen(directory, found)
  assert.deepEqual(found, upTo(40))
  assert.equal(again.tornBytes, 0)
  assert.deepEqual(await takeAll(again.spool), upTo(40))
  await again.spool.close()
})

test('what was released is gone from the disk; what was not is there after a restart', async t => {
  const directory = await folder(t)
  const { spool } = await reopen(directory)
  for (const number of upTo(40)) await spool.append(batchOf(number))
  const full = (await readdir(directory)).length
  for (const number of upTo(25)) {
    const taken = await spool.take()
    assert.equal(taken!.batch.covers[0]!.start, number)
    await spool.release(taken!.mark)
  }
  const left = (await readdir(directory)).length
  assert.ok(left < full, `${left} of ${full} segments are left`)
  await spool.close()
  const found: number[] = []
  const again = await reopen(directory, found)
  assert.deepEqual(
    found.filter(number => number >= 25),
    upTo(40, 25),
  )
  for (let taken = await again.spool.take(); taken !== undefined; taken = await again.spool.take())
    await again.spool.release(taken.mark)
  assert.deepEqual([again.spool.bytes, await readdir(directory)], [0, []])
  await again.spool.close()
})

test('a torn end is cut off: all whole frames before it are kept, wherever it tore', async t => {
  for (const tear of [1, 7, 300, 1_005]) {
    const directory = await folder(t)
    const { spool } = await reopen(directory)
    for (const number of upTo(5)) await spool.append(batchOf(number))
    await spool.close()
    const [segment] = await readdir(directory)
    await truncate(join(directory, segment!), spool.bytes - tear)
    const again = await reopen(directory)
    assert.ok(again.tornBytes > 0)
    assert.deepEqual(await takeAll(again.spool), upTo(4))
    assert.equal(await again.spool.append(batchOf(4)), true)
    assert.deepEqual(await takeAll(again.spool), [4])
    await again.spool.close()
  }
})

test('garbage behind the last frame is cut off', async t => {
  const directory = await folder(t)
  const { spool } = await reopen(directory)
  await spool.append(batchOf(0))
  await spool.close()
  const [segment] = await readdir(directory)
  await appendFile(join(directory, segment!), randomBytes(500))
  const again = await reopen(directory)
  assert.deepEqual([again.tornBytes, await takeAll(again.spool)], [500, [0]])
  await again.spool.close()
})

test('the bound holds: what does not fit is refused, said, and accepted once there is room', async t => {
  const directory = await folder(t)
  const { spool } = await openSpool({
    directory,
    maxBytes: 25_000,
    segmentBytes: 10_000,
    onRecovered: () => undefined,
  })
  let accepted = 0
  while (await spool.append(batchOf(accepted))) accepted++
  assert.equal(spool.refusal, 'bound')
  assert.ok(spool.bytes <= 25_000 && spool.bytes > 20_000, `${spool.bytes} bytes`)
  for (let i = 0; i < 10; i++) await spool.release((await spool.take())!.mark)
  assert.equal(await spool.append(batchOf(accepted)), true)
  assert.equal(spool.refusal, undefined)
  assert.deepEqual(await takeAll(spool), upTo(accepted + 1, 10))
  await spool.close()
})

test('what its caller still holds is not taken, and released like the rest', async t => {
  const directory = await folder(t)
  const { spool } = await reopen(directory)
  const held = await spool.appendTaken(batchOf(0))
  await spool.append(batchOf(1))
  const next = await spool.take()
  assert.equal(next!.batch.covers[0]!.start, 1)
  assert.equal(await spool.take(), undefined)
  await spool.release(held!)
  await spool.release(next!.mark)
  assert.equal(spool.bytes, 0)
  await spool.close()
})

test('a full disk refuses, harms nothing that is there, and is used again once it has room', async t => {
  const directory = await folder(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    return t.skip('a small file system cannot be mounted here')
  }
  const { spool } = await reopen(directory)
  let accepted = 0
  while (accepted < 1_000 && (await spool.append(batchOf(accepted)))) accepted++
  assert.equal(spool.refusal, 'disk')
  assert.equal(await spool.append(batchOf(accepted)), false)
  for (let i = 0; i < 20; i++) await spool.release((await spool.take())!.mark)
  assert.equal(await spool.append(batchOf(accepted)), true)
  assert.deepEqual(await takeAll(spool), upTo(accepted + 1, 20))
  await spool.close()
  const again = await reopen(directory)
  assert.equal((await takeAll(again.spool)).at(-1), accepted)
  await again.spool.close()
})
