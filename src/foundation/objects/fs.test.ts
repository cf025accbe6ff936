import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killWriters } from '../../../test/objects/killed-writer.ts'
import { storePromises } from '../../../test/objects/promises.ts'
import { isAjnaError } from '../errors/errors.ts'
import { ObjectStoreFull, ObjectStoreUnavailable } from './errors.ts'
import { openFsStore } from './fs.ts'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'ajna-fs-store-'))
})
after(() => rm(root, { recursive: true }))

storePromises('the file system', () => openFsStore(join(root, 'promises')), 3_000_000)

test('a writer killed in the middle of a put leaves no half object, and loses none it reported', async () => {
  const folder = join(root, 'killed')
  const store = await openFsStore(folder)
  const script = fileURLToPath(import.meta.resolve('../../../test/objects/fs-writer.ts'))
  await killWriters(script, [folder], store, 6)
  await store.tidy(-60_000)
  assert.deepEqual(await readdir(join(folder, '.making')), [])
})

test('a put that cannot be named leaves nothing behind and says why', async () => {
  const folder = join(root, 'blocked')
  const store = await openFsStore(folder)
  await store.put('taken/as/folder', Buffer.from('x'))
  await assert.rejects(store.put('taken/as', Buffer.from('x')), error =>
    isAjnaError(error, ObjectStoreUnavailable),
  )
  assert.deepEqual(await readdir(join(folder, '.making')), [])
})

test('a full disk has its own error, and goes away with the reason for it', async t => {
  const disk = join(root, 'disk')
  await mkdir(disk)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status !== 0)
    return t.skip('mounting a small file system needs root')
  try {
    const store = await openFsStore(disk)
    await store.put('small', Buffer.alloc(1000, 1))
    await assert.rejects(store.put('large', Buffer.alloc(1 << 20)), error =>
      isAjnaError(error, ObjectStoreFull),
    )
    assert.equal(await store.head('large'), undefined)
    await store.put('small', Buffer.alloc(1000, 2))
    assert.deepEqual(await store.get('small'), Buffer.alloc(1000, 2))
  } finally {
    spawnSync('umount', ['-l', disk])
  }
})
