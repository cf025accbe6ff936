/**
 * Where a partition's log ends on the disk: after the last whole record batch of its last segment. A batch that is cut short
 * was being written when its broker was killed, and acknowledged to nobody; Kafka cuts it off, too, when it starts.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { hasValidCrc, LENGTH_OVERHEAD, readBatchHeader } from '../../../foundation/wire/batch.ts'

const INDEX_ENTRY_BYTES = 8
const INDEX_CHUNK_BYTES = 64 * 1024
const HEADER_BYTES = 61
/** The largest that Kafka itself would append with a very large `max.message.bytes`: beyond it a length is nonsense. */
const MAX_BATCH_BYTES = 256 * 1024 * 1024

/**
 * @param log of the last segment, named after its first offset
 * @throws Error: a batch in it is damaged
 */
export async function logEnd(log: string): Promise<number> {
  const base = baseOffsetOf(log)
  await using file = await open(log, 'r')
  const { size } = await file.stat()
  const indexed = await lastIndexed(log.replace(/\.log$/, '.index'), size)
  // An index is a hint that its broker may have left unwritten: where it leads astray, the segment is walked whole.
  return (indexed > 0 ? await walk(file, indexed, size, base) : undefined) ?? (await walked(file, size, base))
}

export const baseOffsetOf = (log: string): number => Number(/(\d{20})\.log$/.exec(log)?.[1])

async function walked(file: FileHandle, size: number, base: number): Promise<number> {
  const end = await walk(file, 0, size, base)
  if (end === undefined) throw new Error('a record batch in its last segment is damaged')
  return end
}

/** One past the last offset of the batches from there on; undefined: one of them is none. */
async function walk(file: FileHandle, from: number, size: number, base: number): Promise<number | undefined> {
  let end = base
  for (let at = from; size - at >= LENGTH_OVERHEAD; ) {
    const length = (await bytesAt(file, at, LENGTH_OVERHEAD)).readInt32BE(8) + LENGTH_OVERHEAD
    if (length < HEADER_BYTES || length > MAX_BATCH_BYTES) return undefined
    if (length > size - at) break
    const batch = await bytesAt(file, at, length)
    try {
      const header = readBatchHeader(batch)
      if (header.baseOffset < end || !hasValidCrc(batch, header)) return undefined
      end = header.lastOffset + 1
    } catch {
      return undefined
    }
    at += length
  }
  return end
}

/** Position of the last batch that the offset index names; 0: none. It is preallocated, with zeros behind its last entry. */
async function lastIndexed(index: string, size: number): Promise<number> {
  const file = await open(index, 'r').catch(() => undefined)
  if (file === undefined) return 0
  await using _ = file
  let last = 0
  for (let at = 0; ; ) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(INDEX_CHUNK_BYTES), 0, INDEX_CHUNK_BYTES, at)
    for (let entry = 0; entry + INDEX_ENTRY_BYTES <= bytesRead; entry += INDEX_ENTRY_BYTES) {
      const position = buffer.readInt32BE(entry + 4)
      if (position <= last || position >= size) return last
      last = position
    }
    if (bytesRead < INDEX_CHUNK_BYTES) return last
    at += bytesRead
  }
}

async function bytesAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at)
  if (bytesRead < length) throw new Error(`it ends at byte ${at + bytesRead} while it is read`)
  return buffer
}
