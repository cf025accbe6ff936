import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setAsideDoubles } from './log-dirs.ts'

test('of a disk that was away, replicas that are elsewhere by now are set aside, and nothing else is touched', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-log-dirs-'))
  t.after(() => rm(folder, { recursive: true }))
  const [back, other, dead] = [join(folder, 'back'), join(folder, 'other'), join(folder, 'dead')]
  for (const name of [
    'orders-0',
    'orders-1',
    'orders-1.5ad6a0c1b1a94f8fa8e4ae4b6ea0ad2b-delete',
    'my.topic-12',
  ])
    await mkdir(join(back, name), { recursive: true })
  await writeFile(join(back, 'orders-7'), 'a file')
  for (const name of ['orders-0', 'my.topic-12', 'orders-7'])
    await mkdir(join(other, name), { recursive: true })
  assert.deepEqual([...(await setAsideDoubles(back, [other, dead]))].sort(), ['my.topic-12', 'orders-0'])
  const left = await readdir(back)
  assert.equal(left.length, 5)
  for (const name of ['orders-1', 'orders-7']) assert.ok(left.includes(name), name)
  for (const name of ['orders-0', 'my.topic-12'])
    assert.ok(left.some(each => each.startsWith(`${name}.`) && /\.[0-9a-f]{32}-stray$/.test(each)))
  assert.deepEqual(await setAsideDoubles(back, [other]), [], 'once')
})
