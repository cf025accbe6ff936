import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AjnaError } from '../errors/errors.ts'
import { ObjectMissing, ObjectStoreFull, ObjectStoreUnavailable, ObjectTooLarge } from './errors.ts'
import { checkPrefix, keySegments } from './keys.ts'
import { readExactly } from './read.ts'
import {
  type ByteRange,
  conditionalPutLimit,
  type ListOptions,
  type ListPage,
  type ObjectBody,
  type ObjectInfo,
  type ObjectStore,
} from './store.ts'

const pageLimit = 1000
/** Starts with a dot, so no key can name anything in it. */
const makingFolder = '.making'

/**
 * Objects as files under `root`. A put writes and syncs a temporary file, then gives it its name in one step: rename(2)
 * replaces, link(2) fails with EEXIST if the name is taken, whoever raced. The directory is synced before the call
 * resolves. Any number of processes may use one root.
 */
export async function openFsStore(root: string): Promise<ObjectStore> {
  const making = join(root, makingFolder)
  await mkdir(making, { recursive: true }).catch(rethrow(`cannot use ${root} as an object store`))
  const pathOf = (key: string): string => join(root, ...keySegments(key))

  /** Gives a synced temporary file its final name by `place`, and makes that durable. */
  async function publish(
    key: string,
    body: ObjectBody,
    place: (temporary: string, path: string) => Promise<void>,
  ): Promise<void> {
    const path = pathOf(key)
    const temporary = join(making, `${process.pid}-${randomUUID()}`)
    try {
      await writeSynced(temporary, body)
      await withParents(root, path, () => place(temporary, path))
      await syncDirectory(dirname(path))
    } finally {
      await unlink(temporary).catch(ignoreMissing)
    }
  }

  return {
    name: root,
    localPath: pathOf,
    close() {},
    async put(key, body) {
      await publish(key, body, rename).catch(rethrow(`put ${key}`))
    },
    async putIfAbsent(key, body) {
      if (body.byteLength > conditionalPutLimit)
        throw new AjnaError(ObjectTooLarge, `${key}: ${body.byteLength} bytes in a conditional put`)
      try {
        await publish(key, body, link)
        return 'created'
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return 'exists'
        return rethrow(`put ${key}`)(error)
      }
    },
    async get(key, range) {
      return readRange(pathOf(key), range).catch(rethrow(`get ${key}`))
    },
    async download(key, file) {
      await copyFile(pathOf(key), file, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL).catch(
        rethrow(`download ${key}`),
      )
    },
    async head(key) {
      return infoOf(key, pathOf(key)).catch(rethrow(`head ${key}`))
    },
    async list(prefix, options = {}) {
      checkPrefix(prefix)
      return listPage(root, prefix, options).catch(rethrow(`list ${prefix}`))
    },
    async delete(key) {
      const path = pathOf(key)
      try {
        await unlink(path)
        await syncDirectory(dirname(path))
        await removeEmptyParents(root, path)
      } catch (error) {
        if (!isMissing(error)) rethrow(`delete ${key}`)(error)
      }
    },
    async tidy(olderThanMs) {
      return tidy(making, olderThanMs).catch(rethrow('tidy'))
    },
  }
}

async function writeSynced(path: string, body: ObjectBody): Promise<void> {
  if (!('file' in body)) {
    await using file = await open(path, 'wx')
    await file.writeFile(body)
    await file.sync()
    return
  }
  await copyFile(body.file, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  await using file = await open(path, 'r+')
  await file.sync()
}

/** Another's delete may remove a directory between our making it and our using it: make it again. */
async function withParents(root: string, path: string, act: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const first = await mkdir(dirname(path), { recursive: true })
    // Each new directory's own name must be durable, up to the first one that was there before.
    for (
      let made = dirname(path);
      first !== undefined && made.length >= first.length && made !== root;
      made = dirname(made)
    )
      await syncDirectory(dirname(made)).catch(ignoreMissing)
    try {
      await act()
      return
    } catch (error) {
      if (!isMissing(error) || attempt === 10) throw error
    }
  }
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  await directory.sync()
}

async function readRange(path: string, range: ByteRange | undefined): Promise<Buffer> {
  await using file = await open(path, 'r')
  const { size } = await file.stat()
  const start = Math.min(range?.start ?? 0, size)
  const end = Math.min(range?.end ?? size, size)
  return await readExactly(file, start, Math.max(0, end - start))
}

async function infoOf(key: string, path: string): Promise<ObjectInfo | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? { key, size: found.size, modifiedMs: Math.floor(found.mtimeMs) } : undefined
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function listPage(root: string, prefix: string, options: ListOptions): Promise<ListPage> {
  const limit = Math.min(options.limit ?? pageLimit, pageLimit)
  const objects: ObjectInfo[] = []
  for await (const key of keysIn(root, '', prefix, options.after ?? '')) {
    if (objects.length === limit) return { objects, next: objects.at(-1)!.key }
    const info = await infoOf(key, join(root, key))
    if (info !== undefined) objects.push(info)
  }
  return { objects }
}

/** Keys in order of their bytes, entering only directories that can hold one with the prefix and after `after`. */
async function* keysIn(root: string, folder: string, prefix: string, after: string): AsyncGenerator<string> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(error => {
    if (isMissing(error)) return []
    throw error
  })
  const names = entries
    .filter(entry => !entry.name.startsWith('.'))
    .map(entry => folder + entry.name + (entry.isDirectory() ? '/' : ''))
    // A directory sorts where its keys do: with the slash, for `a.b` comes before `a/b`.
    .sort((a, b) => (a < b ? -1 : 1))
  for (const name of names) {
    if (!name.endsWith('/')) {
      if (name.startsWith(prefix) && name > after) yield name
    } else if (
      (name.startsWith(prefix) || prefix.startsWith(name)) &&
      (name > after || after.startsWith(name))
    ) {
      yield* keysIn(root, name, prefix, after)
    }
  }
}

async function removeEmptyParents(root: string, path: string): Promise<void> {
  for (let folder = dirname(path); folder !== root; folder = dirname(folder)) {
    try {
      await rmdir(folder)
    } catch {
      return // not empty, or another was quicker
    }
  }
}

async function tidy(making: string, olderThanMs: number): Promise<number> {
  let removed = 0
  for (const name of await readdir(making)) {
    const path = join(making, name)
    const found = await stat(path).catch(ignoreMissing)
    if (found === undefined || Date.now() - found.mtimeMs < olderThanMs) continue
    await unlink(path).catch(ignoreMissing)
    removed++
  }
  return removed
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | undefined)?.code
const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'

function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
  return undefined
}

const rethrow =
  (what: string) =>
  (error: unknown): never => {
    if (error instanceof AjnaError) throw error
    const code = codeOf(error)
    const kind =
      code === 'ENOSPC' || code === 'EDQUOT'
        ? ObjectStoreFull
        : isMissing(error)
          ? ObjectMissing
          : ObjectStoreUnavailable
    throw new AjnaError(kind, what, { cause: error })
  }
