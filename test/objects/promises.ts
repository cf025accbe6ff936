import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isAjnaError } from '../../src/foundation/errors/errors.ts'
import { ObjectKeyInvalid, ObjectMissing } from '../../src/foundation/objects/errors.ts'
import { listAll, type ObjectStore } from '../../src/foundation/objects/store.ts'

const text = (bytes: Buffer): string => bytes.toString()
const refused = (kind: { code: string }) => (error: unknown) => isAjnaError(error, kind.code)

/**
 * The promises of an object store, run against every driver.
 * @param open a second call answers a second, independent client of the same store
 * @param largeBytes a size that the driver puts in more than one piece, if it ever does
 */
export function storePromises(driver: string, open: () => Promise<ObjectStore>, largeBytes: number): void {
  describe(`object store on ${driver}`, () => {
    test('gives back what was put, whole or by range', async () => {
      const store = await open()
      await store.put('plain/a', Buffer.from('hello, world'))
      assert.equal(text(await store.get('plain/a')), 'hello, world')
      assert.equal(text(await store.get('plain/a', { start: 7, end: 12 })), 'world')
      assert.equal(text(await store.get('plain/a', { start: 7, end: 99 })), 'world')
      assert.equal(text(await store.get('plain/a', { start: 12, end: 20 })), '')
      const info = await store.head('plain/a')
      assert.equal(info?.size, 12)
      assert.ok(Math.abs(info.modifiedMs - Date.now()) < 86_400_000)
      await store.put('plain/empty', Buffer.alloc(0))
      assert.equal((await store.get('plain/empty')).length, 0)
      store.close()
    })

    test('replaces with put, and never with putIfAbsent', async () => {
      const store = await open()
      assert.equal(await store.putIfAbsent('once/a', Buffer.from('first')), 'created')
      assert.equal(await store.putIfAbsent('once/a', Buffer.from('second')), 'exists')
      assert.equal(text(await store.get('once/a')), 'first')
      await store.put('once/a', Buffer.from('third'))
      assert.equal(text(await store.get('once/a')), 'third')
      store.close()
    })

    test('lets exactly one of 20 racing writers create an object, and keeps that one’s bytes', async () => {
      const stores = await Promise.all(Array.from({ length: 20 }, open))
      for (const round of [1, 2, 3]) {
        const answers = await Promise.all(
          stores.map((store, i) => store.putIfAbsent(`race/${round}`, Buffer.from(`w${i}`))),
        )
        const winners = answers.flatMap((answer, i) => (answer === 'created' ? [`w${i}`] : []))
        assert.deepEqual(winners, [text(await stores[0]!.get(`race/${round}`))])
      }
      for (const store of stores) store.close()
    })

    test('lists by prefix, in order of the keys’ bytes, page by page, without what is not asked for', async () => {
      const store = await open()
      const keys = ['l/a.b', 'l/a/b', 'l/a/c/d', 'l/a=1/x', 'l/ab', 'l/b/1', 'l/b/10', 'l/b/2', 'lm']
      for (const key of [...keys].reverse()) await store.put(key, Buffer.from(key))
      const byBytes = (some: string[]): string[] =>
        some.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      const listed = async (prefix: string, after?: string): Promise<string[]> => {
        const found: string[] = []
        for await (const info of listAll(store, prefix, after)) found.push(info.key)
        return found
      }
      assert.deepEqual(await listed('l/'), byBytes(keys.filter(key => key.startsWith('l/'))))
      assert.deepEqual(await listed('l/a'), byBytes(keys.filter(key => key.startsWith('l/a'))))
      assert.deepEqual(await listed('l/b/1'), ['l/b/1', 'l/b/10'])
      assert.deepEqual(
        await listed('l/', 'l/a/c/d'),
        byBytes(keys.filter(key => key.startsWith('l/') && key > 'l/a/c/d')),
      )
      assert.deepEqual(await listed('nothing/here'), [])
      const paged: string[] = []
      for (let after: string | undefined; ; ) {
        const page = await store.list('l', after === undefined ? { limit: 3 } : { limit: 3, after })
        assert.ok(page.objects.length <= 3)
        paged.push(...page.objects.map(info => info.key))
        if (page.next === undefined) break
        after = page.next
      }
      assert.deepEqual(paged, byBytes(keys))
      store.close()
    })

    test('says that an object is missing, and deletes what is not there without complaint', async () => {
      const store = await open()
      await assert.rejects(store.get('no/such'), refused(ObjectMissing))
      await assert.rejects(store.download('no/such', join(tmpdir(), 'never-made')), refused(ObjectMissing))
      assert.equal(await store.head('no/such'), undefined)
      await store.delete('no/such')
      await store.put('gone/deep/er', Buffer.from('x'))
      await store.delete('gone/deep/er')
      assert.equal(await store.head('gone/deep/er'), undefined)
      await store.put('gone/deep/er', Buffer.from('y'))
      assert.equal(text(await store.get('gone/deep/er')), 'y')
      store.close()
    })

    test('refuses names that could leave the store or differ between drivers', async () => {
      const store = await open()
      const bad = [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '.',
        '..',
        'a/../b',
        '../a',
        'a/.hidden',
        '.making/x',
        'a b',
        'a\0b',
        'ä',
        'a\\b',
        'a?b',
        'x'.repeat(201),
        'a/'.repeat(500),
      ]
      for (const key of bad) {
        await assert.rejects(store.put(key, Buffer.from('x')), refused(ObjectKeyInvalid), JSON.stringify(key))
        await assert.rejects(store.get(key), refused(ObjectKeyInvalid), JSON.stringify(key))
        await assert.rejects(store.putIfAbsent(key, Buffer.from('x')), refused(ObjectKeyInvalid))
        await assert.rejects(store.delete(key), refused(ObjectKeyInvalid))
      }
      await assert.rejects(store.list('../'), refused(ObjectKeyInvalid))
      store.close()
    })

    test('takes a large local file and gives it back byte for byte', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'ajna-objects-'))
      const store = await open()
      try {
        const bytes = randomBytes(largeBytes)
        await writeFile(join(folder, 'up'), bytes)
        await store.put('large/file', { file: join(folder, 'up') })
        assert.equal((await store.head('large/file'))?.size, largeBytes)
        await store.download('large/file', join(folder, 'down'))
        const digest = (some: Buffer): string => createHash('sha256').update(some).digest('hex')
        assert.equal(digest(await readFile(join(folder, 'down'))), digest(bytes))
        assert.deepEqual(
          await store.get('large/file', { start: largeBytes - 3, end: largeBytes }),
          bytes.subarray(-3),
        )
      } finally {
        store.close()
        await rm(folder, { recursive: true })
      }
    })
  })
}
