import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { beginCheck, CHECK_FILE } from './check.ts'
import { type DiskCheck, FULL_BELOW_BYTES, HANGING_FROM_MS, SLOW_FROM_MS, verdictOf } from './decide.ts'
import { createDiskWatch } from './watch.ts'

const SPACE = { freeBytes: 1e12, totalBytes: 2e12 }
const took = (tookMs: number, free = SPACE): DiskCheck => ({
  kind: 'done',
  at: 1,
  tookMs,
  free,
  mounted: false,
})
const failed = (says: string): DiskCheck => ({ kind: 'failed', at: 1, says })
const SLOW = took(SLOW_FROM_MS)

for (const [what, checks, state] of [
  ['written, synced and read', [took(5)], 'well'],
  ['refused', [took(5), failed('dd: error writing: Input/output error')], 'failed'],
  ['refused before, and done now', [failed('Input/output error'), took(5)], 'well'],
  ['refused for want of space', [failed('dd: error writing: No space left on device')], 'full'],
  ['done with little space left', [took(5, { ...SPACE, freeBytes: FULL_BELOW_BYTES - 1 })], 'full'],
  ['done on a small disk that is half empty', [took(5, { freeBytes: 1e6, totalBytes: 2e6 })], 'well'],
  ['slow once', [took(5), SLOW], 'well'],
  ['slow again and again', [SLOW, SLOW, SLOW], 'slow'],
  ['slow until now', [SLOW, SLOW, took(5)], 'well'],
  ['without an end', [{ kind: 'hanging', at: 1, forMs: HANGING_FROM_MS }], 'hanging'],
] as const satisfies readonly (readonly [string, readonly DiskCheck[], string])[])
  test(`a disk whose check is ${what}: ${state}`, () => assert.equal(verdictOf(checks).state, state))

test('a directory that a disk was mounted on, and is not any more, is no disk that is well', () => {
  assert.equal(verdictOf([took(5)], true).state, 'failed')
  assert.equal(verdictOf([{ ...took(5), mounted: true } as DiskCheck], true).state, 'well')
})

test('a real disk is looked at, and keeps one small file', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-disk-check-'))
  t.after(() => rm(folder, { recursive: true }))
  const check = await beginCheck(folder).ended
  assert.equal(check.kind, 'done', JSON.stringify(check))
  assert.ok(
    check.kind === 'done' && check.free.totalBytes >= check.free.freeBytes && check.free.freeBytes > 0,
  )
  assert.deepEqual(await readdir(folder), [CHECK_FILE])
  const absent = await beginCheck(join(folder, 'absent')).ended
  assert.match(absent.kind === 'failed' ? absent.says : '', /No such file or directory/)
})

test('a disk that fails is told, and one that is well again', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-disk-watch-'))
  const path = join(folder, 'data')
  const watch = createDiskWatch(() => undefined)
  t.after(async () => {
    watch.watch([])
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  })
  const until = async (state: string): Promise<void> => {
    for (const end = Date.now() + 60_000; watch.of([path])[0]?.state !== state; await delay(20))
      assert.ok(Date.now() < end, `${state}: ${JSON.stringify(watch.of([path]))}`)
  }
  await mkdir(path)
  watch.watch([path])
  await until('well')
  await rm(path, { recursive: true })
  await until('failed')
  await mkdir(path)
  await until('well')
  watch.watch([])
  assert.deepEqual(watch.of([path]), [])
})
