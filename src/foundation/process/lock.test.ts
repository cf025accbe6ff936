import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isAjnaError } from '../errors/errors.ts'
import { LOCK_UNAVAILABLE } from './errors.ts'
import { findByEnvironment } from './identity.ts'
import { isLocked, lockFile } from './lock.ts'
import { MARKER } from './run.ts'
import { temporaryFolder } from './testing.ts'

test('one holder at a time, and the next one after its release', async t => {
  const path = join(await temporaryFolder(t), 'deep', 'lock')
  const first = await lockFile(path, { wait: true })
  assert.equal(await lockFile(path, { wait: false }), undefined)
  const waiting = lockFile(path, { wait: true })
  await first.release()
  await using second = await waiting
  assert.ok(second)
  assert.equal(await lockFile(path, { wait: false }), undefined)
})

test('a holder that is killed loses the lock at once', async t => {
  const path = join(await temporaryFolder(t), 'lock')
  const script = `const { lockFile } = await import(${JSON.stringify(import.meta.resolve('./lock.ts'))})
    await lockFile(${JSON.stringify(path)}, { wait: true }); console.log('held'); setInterval(() => {}, 1000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  assert.equal(await lockFile(path, { wait: false }), undefined)
  holder.kill('SIGKILL')
  await using lock = await lockFile(path, { wait: true })
  assert.ok(lock)
})

test('what holds a supervised process’s lock is never taken for that process', async t => {
  const mark = join(await temporaryFolder(t), 'pid.json')
  process.env[MARKER] = mark
  t.after(() => delete process.env[MARKER])
  await using lock = await lockFile(`${mark}.lock`, { wait: true })
  assert.ok(lock)
  assert.equal(await findByEnvironment(MARKER, mark), undefined)
})

test('looking whether a lock is held neither makes it nor is in the way of who wants it', async t => {
  const path = join(await temporaryFolder(t), 'lock')
  assert.equal(await isLocked(path), false)
  assert.equal(existsSync(path), false)
  {
    await using _lock = await lockFile(path, { wait: true })
    assert.deepEqual(await Promise.all([isLocked(path), isLocked(path)]), [true, true])
  }
  assert.equal(await isLocked(path), false)
  const looking = Promise.all(Array.from({ length: 10 }, () => isLocked(path)))
  await using taken = await lockFile(path, { wait: false })
  assert.ok(taken)
  await looking
})

test('a lock file that cannot be made is an error of its own', async () => {
  await assert.rejects(lockFile('/proc/1/lock', { wait: true }), error =>
    isAjnaError(error, LOCK_UNAVAILABLE),
  )
})
