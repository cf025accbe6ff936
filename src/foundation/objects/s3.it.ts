/** The S3 driver against a real server (s3proxy): the same promises as on the file system, and a killed writer. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sweptFolder } from '../../../test/fleets/sweeper.ts'
import { killWriters } from '../../../test/objects/killed-writer.ts'
import { storePromises } from '../../../test/objects/promises.ts'
import { startS3 } from '../../../test/objects/s3proxy.ts'
import { isAjnaError } from '../errors/errors.ts'
import { ObjectStoreUnavailable } from './errors.ts'
import { openS3Store, type S3Options } from './s3.ts'

const fiveMebibytes = 5 * 1024 * 1024
const server = await startS3()
after(() => server[Symbol.asyncDispose]())
const options: S3Options = { ...server.options, prefix: 'some/place/', partBytes: fiveMebibytes }

storePromises('S3', async () => openS3Store(options), 2 * fiveMebibytes + 12_345)

test('keeps to its prefix', async () => {
  const [outer, inner] = [
    openS3Store({ ...server.options, prefix: 'p/' }),
    openS3Store({ ...server.options, prefix: 'p/q/' }),
  ]
  await inner.put('x', Buffer.from('inner'))
  assert.deepEqual(
    (await outer.list('')).objects.map(info => info.key),
    ['q/x'],
  )
  assert.deepEqual(
    (await inner.list('')).objects.map(info => info.key),
    ['x'],
  )
  for (const store of [outer, inner]) store.close()
})

test('a writer killed in the middle of a put leaves no half object, and its parts are tidied away', async () => {
  await using folder = await sweptFolder('ajna-s3-writer-')
  const killed = { ...options, prefix: 'killed/writer/' }
  const store = openS3Store(killed)
  const script = fileURLToPath(import.meta.resolve('../../../test/objects/s3-writer.ts'))
  await killWriters(script, [JSON.stringify(killed), folder.path], store, 3)
  await store.tidy(-60_000)
  assert.equal(await store.tidy(-60_000), 0)
  store.close()
})

test('says that a store is away, or does not know the caller', async () => {
  const away = openS3Store({ ...options, endpoint: 'http://127.0.0.1:9' })
  await assert.rejects(away.get('x'), error => isAjnaError(error, ObjectStoreUnavailable))
  const stranger = openS3Store({ ...options, credentials: { accessKeyId: 'who', secretAccessKey: 'knows' } })
  await assert.rejects(stranger.put('x', Buffer.from('x')), error =>
    isAjnaError(error, ObjectStoreUnavailable),
  )
  for (const store of [away, stranger]) store.close()
})
