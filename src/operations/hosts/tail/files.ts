import type { BigIntStats } from 'node:fs'
import { glob, readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { firstLineHash } from '../../../foundation/positions/streams.ts'

/** A file for ever: an inode number is used again, together with its birth time it is not. */
export interface FileKey {
  readonly device: string
  readonly inode: string
  /** ns since the epoch; `0` where the file system keeps none. */
  readonly birth: string
}

export interface FileFacts extends FileKey {
  readonly path: string
  readonly size: number
  readonly modifiedMs: number
}

export const keyText = (key: FileKey): string => `${key.device}:${key.inode}:${key.birth}`

export function factsOf(path: string, stats: BigIntStats): FileFacts {
  return {
    path,
    device: stats.dev.toString(),
    inode: stats.ino.toString(),
    birth: stats.birthtimeNs.toString(),
    size: Number(stats.size),
    modifiedMs: Number(stats.mtimeMs),
  }
}

/** Undefined when there is no regular file at the path (any more), or it may not be looked at. */
export async function lookAt(path: string): Promise<FileFacts | undefined> {
  try {
    const stats = await stat(path, { bigint: true })
    return stats.isFile() ? factsOf(path, stats) : undefined
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw error
  }
}

const ABSENCES = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ESTALE', 'ENXIO'])
export const isAbsence = (error: unknown): boolean =>
  ABSENCES.has((error as NodeJS.ErrnoException | undefined)?.code ?? '')

/** Regular files that match any of the globs and none of the exclusions; a file with several names is told once. */
export async function expand(globs: readonly string[], exclude: readonly string[]): Promise<FileFacts[]> {
  const found = new Map<string, FileFacts>()
  for await (const path of glob([...globs], { exclude: [...exclude] })) {
    const facts = await lookAt(path)
    if (facts !== undefined && !found.has(keyText(facts))) found.set(keyText(facts), facts)
  }
  return [...found.values()]
}

/**
 * Whether `candidate` is a name that rotation gives to older content of `name` (both without directory): `app.log.1`,
 * `app.log-20261123.gz`, `app.log.old`, `app-2026-11-23.log`, `app.3.log.gz` for `app.log`.
 */
export function isRotatedName(name: string, candidate: string): boolean {
  if (candidate === name) return false
  if (candidate.startsWith(name)) return /^[.\-_~]/.test(candidate.slice(name.length))
  const extension = extname(name)
  if (extension === '') return false
  const stem = name.slice(0, -extension.length)
  if (!candidate.startsWith(stem)) return false
  const rest = candidate.slice(stem.length)
  return /^[.\-_]\d/.test(rest) && rest.includes(extension)
}

/** Files beside `path` that rotation may have made of it, newest first. */
export async function rotatedSiblings(path: string): Promise<FileFacts[]> {
  const directory = dirname(path)
  const names = await readdir(directory).catch(error => {
    if (isAbsence(error)) return []
    throw error
  })
  const siblings: FileFacts[] = []
  for (const name of names) {
    if (!isRotatedName(basename(path), name)) continue
    const facts = await lookAt(join(directory, name))
    if (facts !== undefined) siblings.push(facts)
  }
  return siblings.sort((a, b) => b.modifiedMs - a.modifiedMs)
}

export type Packing = 'gzip' | 'zstd'

/** How a file's name says it is compressed; other packings (xz, bz2) are not read. */
export function packingOf(path: string): Packing | undefined {
  if (path.endsWith('.gz')) return 'gzip'
  if (path.endsWith('.zst')) return 'zstd'
  return undefined
}

export const isUnreadablePacking = (path: string): boolean => /\.(xz|bz2|lz4|Z|zip)$/.test(path)

/** First-line hash of a file that will not grow any more: whatever it holds is its first line, end or not. */
export const finalLineHash = (start: Buffer): number =>
  firstLineHash(start) ?? firstLineHash(Buffer.concat([start, LINE_END]))!

const LINE_END = Buffer.from('\n')
