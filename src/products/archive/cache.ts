/** Archived objects as local files: where they are, for a store on this machine's disk; else bounded copies. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { ObjectStore } from '../../foundation/objects/store.ts'
import { ArchiveBroken, ArchiveQueryWide } from './errors.ts'
import type { DataObject } from './manifest.ts'

export interface LocalObjects {
  readonly files: readonly string[]
  /** From then on the copies may go. */
  release(): void
}

export interface ObjectCache {
  /** Throws ARCHIVE_BROKEN, ARCHIVE_QUERY_WIDE, and what the store throws. */
  hold(objects: readonly DataObject[]): Promise<LocalObjects>
}

const downloadsAtOnce = 4

interface Copy {
  readonly file: string
  readonly bytes: number
  readonly ready: Promise<void>
  holders: number
}

/** @param folder of this cache alone; what is in it is removed */
export async function openCache(
  store: ObjectStore,
  folder: string,
  limitBytes: number,
): Promise<ObjectCache> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  /** In the order of their last use. */
  const copies = new Map<string, Copy>()

  async function download(object: DataObject, file: string): Promise<void> {
    const part = `${file}.part`
    await rm(part, { force: true })
    await store.download(object.key, part)
    const hash = createHash('sha256')
    await pipeline(createReadStream(part), hash)
    if (hash.digest('hex') !== object.sha256)
      throw new AjnaError(ArchiveBroken, `${object.key} does not hold what was committed`, {
        details: { key: object.key },
      })
    await rename(part, file)
  }

  function copyOf(object: DataObject): Copy {
    const known = copies.get(object.key)
    copies.delete(object.key)
    const file = join(folder, `${object.sha256}.parquet`)
    const copy = known ?? { file, bytes: object.bytes, ready: download(object, file), holders: 0 }
    copies.set(object.key, copy)
    if (known === undefined) copy.ready.catch(() => copies.delete(object.key))
    return copy
  }

  async function makeRoom(): Promise<void> {
    let total = 0
    for (const copy of copies.values()) total += copy.bytes
    for (const [key, copy] of copies) {
      if (total <= limitBytes) return
      if (copy.holders > 0) continue
      copies.delete(key)
      total -= copy.bytes
      await rm(copy.file, { force: true })
    }
  }

  return {
    async hold(objects) {
      const direct = objects.map(object => store.localPath(object.key))
      if (direct.every(path => path !== undefined)) return { files: direct, release() {} }
      const bytes = objects.reduce((sum, object) => sum + object.bytes, 0)
      if (bytes > limitBytes)
        throw new AjnaError(
          ArchiveQueryWide,
          `${objects.length} objects of ${bytes} bytes; the cache holds ${limitBytes}`,
        )
      const held: Copy[] = []
      const release = (): void => {
        for (const copy of held) copy.holders--
        void makeRoom()
      }
      try {
        for (let at = 0; at < objects.length; at += downloadsAtOnce) {
          const batch = objects.slice(at, at + downloadsAtOnce).map(copyOf)
          for (const copy of batch) copy.holders++
          held.push(...batch)
          await Promise.all(batch.map(copy => copy.ready))
        }
      } catch (error) {
        release()
        throw error
      }
      await makeRoom()
      return { files: held.map(copy => copy.file), release }
    },
  }
}
