import { type FileHandle, glob, open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { firstLineHash } from '../../../foundation/positions/streams.ts'
import { crc32c } from '../../../foundation/wire/crc32c.ts'

/** The auditor's own way to files: it shares none with the agent, so that a fault there is not repeated here. */

export interface FileFacts {
  readonly path: string
  readonly device: string
  readonly inode: string
  /** ns since the epoch. */
  readonly birth: string
  readonly size: number
  readonly modifiedMs: number
}

export const keyOf = (facts: Pick<FileFacts, 'device' | 'inode' | 'birth'>): string =>
  `${facts.device}:${facts.inode}:${facts.birth}`

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ESTALE', 'ENXIO'])

/** Runs `look`; undefined when what it looks at is not there (any more) or may not be read. */
export async function ifThere<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look()
  } catch (error) {
    if (ABSENT.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

export async function factsOf(path: string, handle?: FileHandle): Promise<FileFacts | undefined> {
  const stats = await ifThere(() =>
    handle === undefined ? stat(path, { bigint: true }) : handle.stat({ bigint: true }),
  )
  if (stats === undefined || !stats.isFile()) return undefined
  return {
    path,
    device: `${stats.dev}`,
    inode: `${stats.ino}`,
    birth: `${stats.birthtimeNs}`,
    size: Number(stats.size),
    modifiedMs: Number(stats.mtimeMs),
  }
}

export async function* matchingFiles(
  globs: readonly string[],
  exclude: readonly string[],
): AsyncGenerator<FileFacts, void, undefined> {
  for await (const path of glob([...globs], { exclude: [...exclude] })) {
    const facts = await factsOf(path)
    if (facts !== undefined) yield facts
  }
}

export const openFile = (path: string): Promise<FileHandle | undefined> => ifThere(() => open(path, 'r'))

const HEAD_BYTES = 1_025

/** First-line hash of content that will not grow any more: whatever it holds is its first line, end or not. */
export const finalLineHash = (head: Buffer): number =>
  firstLineHash(head) ?? firstLineHash(Buffer.concat([head, Buffer.from('\n')]))!

/** Hash of the file's first line; undefined while it is too short to have a whole one. */
export async function readFirstLineHash(handle: FileHandle): Promise<number | undefined> {
  const head = Buffer.allocUnsafe(HEAD_BYTES)
  const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0)
  return firstLineHash(head.subarray(0, bytesRead))
}

/** A name that rotation gives: the old one with something after it, or with a number or date before its extension. */
export function looksRotated(name: string, from: string): boolean {
  if (name === from) return false
  if (name.startsWith(from)) return /[.\-_~]/.test(name[from.length] ?? '')
  const dot = from.lastIndexOf('.')
  return (
    dot > 0 && new RegExp(`^${escaped(from.slice(0, dot))}[.\\-_]\\d.*${escaped(from.slice(dot))}`).test(name)
  )
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Paths beside `path` that rotation may have made of it. */
export async function rotatedBeside(path: string): Promise<string[]> {
  const directory = dirname(path)
  const own = path.slice(directory.length + 1)
  const names = (await ifThere(() => readdir(directory))) ?? []
  return names.filter(name => looksRotated(name, own)).map(name => join(directory, name))
}

/**
 * Whether a content begins with bytes of which only length and checksum are known. `short`: it is not that long (yet).
 */
export async function beginsWith(
  content: AsyncIterable<Buffer>,
  length: number,
  crc: number,
): Promise<'yes' | 'no' | 'short'> {
  let seen = 0
  let sum = 0
  for await (const piece of content) {
    const wanted = piece.subarray(0, length - seen)
    sum = crc32c(wanted, sum)
    seen += wanted.length
    if (seen === length) return sum === crc ? 'yes' : 'no'
  }
  return length === 0 ? 'yes' : 'short'
}

export const isPacked = (path: string): boolean => /\.(gz|zst)$/.test(path)
/** Compressed in a way that nobody here reads. */
export const isUnreadablePacking = (path: string): boolean => /\.(xz|bz2|lz4|Z|zip)$/.test(path)

/**
 * What a packed file begins with, once all of it can be unpacked; of one that is still being written nothing is known yet.
 */
export async function headOfWhole(path: string): Promise<Buffer | undefined> {
  const head: Buffer[] = []
  let bytes = 0
  try {
    for await (const piece of contentOf(path)) {
      if (bytes < HEAD_BYTES) head.push(piece)
      bytes += piece.length
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z') === true) return undefined
    throw error
  }
  return bytes === 0 ? undefined : Buffer.concat(head)
}

/** A file's bytes in pieces, unpacked when its name says how. */
export async function* contentOf(path: string, from = 0): AsyncGenerator<Buffer, void, undefined> {
  const handle = await openFile(path)
  if (handle === undefined) return
  try {
    if (!isPacked(path)) {
      yield* handle.createReadStream({ start: from, autoClose: false, highWaterMark: PIECE_BYTES })
      return
    }
    let skip = from
    for await (const piece of handle
      .createReadStream({ autoClose: false })
      .pipe(path.endsWith('.gz') ? createGunzip() : createZstdDecompress()) as AsyncIterable<Buffer>) {
      const rest = piece.subarray(Math.min(skip, piece.length))
      skip -= piece.length - rest.length
      if (rest.length > 0) yield rest
    }
  } finally {
    await handle.close()
  }
}

export const PIECE_BYTES = 256 * 1024
