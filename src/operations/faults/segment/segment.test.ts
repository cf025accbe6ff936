import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { chooseFlip, flip, isFlipped, unflip } from './segment.ts'

const name = (base: number): string => `${String(base).padStart(20, '0')}.log`
const CONTENT = Buffer.from(Array.from({ length: 200 }, (_, i) => i))

/** A broker's settings and its second log dir, with one segment that is still written to. */
async function place(t: TestContext) {
  const home = await mkdtemp(join(tmpdir(), 'ajna-segment-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const folder = join(home, 'data-1', 'orders-3')
  await mkdir(folder, { recursive: true })
  const settings = join(home, 'server.properties')
  await writeFile(settings, `node.id=1\nlog.dirs=${home}/data-0,${home}/data-1\n`)
  await writeFile(join(folder, name(0)), CONTENT)
  return { settings, folder, first: join(folder, name(0)) }
}

test('bytes of a closed segment are flipped, once there is one, and written back', async t => {
  const { settings, folder, first } = await place(t)
  const choosing = chooseFlip(settings, { topic: 'orders', partitions: [1, 3] })
  assert.equal(await Promise.race([choosing, delay(50)]), undefined, 'the last one is still written to')
  await writeFile(join(folder, name(10)), CONTENT)
  const chosen = await choosing
  assert.equal(chosen.file, first)
  assert.deepEqual(await readFile(first), CONTENT, 'nothing is done before it is written down')
  await flip(chosen)
  const flipped = await readFile(first)
  assert.equal(flipped.filter((byte, i) => byte !== CONTENT[i]).length, 16)
  assert.equal(await isFlipped(chosen), true)
  assert.equal(await unflip(chosen), true)
  assert.deepEqual(await readFile(first), CONTENT)
  assert.equal(await unflip(chosen), false, 'once')
})

test('what another has replaced, or deleted, is left alone', async t => {
  const { settings, folder, first } = await place(t)
  await writeFile(join(folder, name(10)), CONTENT)
  const chosen = await chooseFlip(settings, { topic: 'orders', partitions: [3] })
  await flip(chosen)
  const flipped = await readFile(first)
  await writeFile(`${first}.new`, flipped)
  await rm(first)
  assert.equal(await isFlipped(chosen), false)
  assert.equal(await unflip(chosen), false)
  await assert.rejects(flip(chosen), { code: 'FAULT_SEGMENT_NONE' })
})
