import { fstatSync } from 'node:fs'
import { type Content, readFully } from './content.ts'
import { ANCHOR_BYTES, anchorAt, type Stream } from './stream.ts'

/** Bytes read at a time. */
export const CHUNK_BYTES = 1024 * 1024
/** A line longer than this is shipped in parts of this size. */
export const PART_BYTES = 256 * 1024

/**
 * - live: the globs name the file; it may grow.
 * - leaving: it was deleted or renamed out of the globs; whoever has it open may still write to it.
 * - final: a copy or a compressed file; it does not grow.
 */
export type Tenure = 'live' | 'leaving' | 'final'

/** One file that is being read for one stream. */
export interface Follower {
  readonly stream: Stream
  readonly content: Content
  /** Key of the file being read: the stream's own, or a copy's. */
  readonly key: string
  path: string
  tenure: Tenure
  /** Bytes the file had when last looked at; for packed content, what has been read so far. */
  size: number
  modifiedMs: number
  changedAt: number
  /** Reading reached the end of packed content. */
  exhausted: boolean
  /** The stream's bytes up to here are an unfinished line, known not to be complete. */
  examined: number
  /** The file was written to in a way that may have replaced what was read. */
  recheck: boolean
  /** Do not read before (after an error), ms. */
  notBefore: number
}

export type Reading =
  | {
      readonly kind: 'bytes'
      readonly bytes: Buffer
      /** Of the first byte, in the stream. */
      readonly position: number
      /** The first byte continues a line of which a part was handed on before. */
      readonly midLine: boolean
      /** No line end will follow these bytes: what is left of them after the last one is to be shipped as it is. */
      readonly last: boolean
    }
  /** The file does not hold the stream any more at the place where it was read. */
  | { readonly kind: 'replaced' }
  | { readonly kind: 'nothing' }

/** Looks at the size of a plain file. Synchronous: 1.3 µs each, so that many files can be looked at often. */
export function observe(follower: Follower, now: number): 'unchanged' | 'changed' | 'truncated' {
  const { fd } = follower.content
  if (fd === undefined) return 'unchanged'
  const { size, mtimeMs } = fstatSync(fd)
  if (size === follower.size && mtimeMs === follower.modifiedMs) return 'unchanged'
  follower.size = size
  follower.modifiedMs = mtimeMs
  follower.changedAt = now
  const { stream } = follower
  if (size < Math.max(stream.position, stream.anchor.at)) return 'truncated'
  // Written to without having grown: whether it still holds the stream is told by reading.
  if (size <= Math.max(stream.position, follower.examined)) follower.recheck = true
  if (size > stream.seen) stream.seen = size
  return 'changed'
}

/** Whether reading now would give something, given how long an unfinished line may wait for its end. */
export function isReadable(follower: Follower, now: number, partialLineMs: number): boolean {
  if (now < follower.notBefore) return false
  const { stream, content } = follower
  if (content.packed) return !follower.exhausted
  if (follower.recheck) return true
  if (follower.size <= stream.position) return false
  if (follower.size > follower.examined) return true
  return follower.tenure === 'final' || now - follower.changedAt >= partialLineMs
}

/**
 * Reads the next piece into `buffer` (of ANCHOR_BYTES + CHUNK_BYTES). The bytes before it are read again with it and
 * compared with those read before, so that a file that was truncated and has grown again since is noticed.
 */
export async function readNext(
  follower: Follower,
  buffer: Buffer,
  now: number,
  partialLineMs: number,
): Promise<Reading> {
  const { stream, content } = follower
  follower.recheck = false
  skipTaken(stream)
  const { position, anchor } = stream
  if (anchor.at !== position && !(await anchorHolds(follower))) return { kind: 'replaced' }
  const back = Math.min(ANCHOR_BYTES, position)
  const wanted = Math.min(lengthToTaken(stream), CHUNK_BYTES)
  const count = await readFully(content, position - back, buffer, ANCHOR_BYTES - back, back + wanted)
  const kept = anchor.at === position ? anchor.bytes : buffer.subarray(ANCHOR_BYTES - back, ANCHOR_BYTES)
  if (count < back || !kept.equals(buffer.subarray(ANCHOR_BYTES - kept.length, ANCHOR_BYTES)))
    return { kind: 'replaced' }
  const fresh = count - back
  const end = position + fresh
  stream.seen = Math.max(stream.seen, end)
  if (content.packed) {
    follower.size = end
    follower.exhausted = fresh === 0
  }
  if (fresh === 0) return { kind: 'nothing' }
  return {
    kind: 'bytes',
    bytes: buffer.subarray(ANCHOR_BYTES, ANCHOR_BYTES + fresh),
    position,
    midLine: back > 0 && buffer[ANCHOR_BYTES - 1] !== LINE_FEED,
    last:
      fresh === lengthToTaken(stream) || (fresh < wanted && mayEndHere(follower, end, now, partialLineMs)),
  }
}

const LINE_FEED = 10

/** The end of what the file holds: is it the end of what will come? */
function mayEndHere(follower: Follower, end: number, now: number, partialLineMs: number): boolean {
  if (follower.content.packed) return true
  if (end < follower.size) return false
  return follower.tenure === 'final' || now - follower.changedAt >= partialLineMs
}

/**
 * The next `consumed` bytes were handed on. What remains of the piece, if anything, is an unfinished line.
 *
 * @param buffer as given to `readNext`, unchanged since
 */
export function advance(
  follower: Follower,
  buffer: Buffer,
  reading: Reading & { kind: 'bytes' },
  consumed: number,
): void {
  const { stream } = follower
  follower.examined = reading.position + reading.bytes.length
  if (consumed === 0) return
  stream.position = reading.position + consumed
  stream.anchor = anchorAt(buffer, ANCHOR_BYTES + consumed, stream.position)
}

/** Whether the file still holds what was read of it, where reading goes on somewhere else (after a restart). */
async function anchorHolds({ stream, content }: Follower): Promise<boolean> {
  const { at, bytes } = stream.anchor
  const found = Buffer.allocUnsafe(bytes.length)
  const count = await readFully(content, at - bytes.length, found, 0, bytes.length)
  return count === bytes.length && found.equals(bytes)
}

/** Steps over what is safe already: read by an earlier process, from another file, or before a crash. */
export function skipTaken(stream: Stream): void {
  const { taken, event } = stream.account
  const next = taken.gaps(stream.position, Number.MAX_SAFE_INTEGER)[0]![0]
  if (next === stream.position) return
  stream.position = next
  stream.event = event
}

function lengthToTaken({ account, position }: Stream): number {
  const [start, end] = account.taken.gaps(position, Number.MAX_SAFE_INTEGER)[0]!
  return end - start
}
