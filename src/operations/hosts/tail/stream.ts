import type { IntervalSet } from '../../../foundation/positions/intervals.ts'
import type { StreamId } from '../../../foundation/positions/position.ts'
import { type FileIdentity, streamId } from '../../../foundation/positions/streams.ts'
import { type FileKey, keyText } from './files.ts'

/** A few bytes of a stream at a known place: whether a file (still) holds this stream is told by them. */
export interface Anchor {
  /** Position one past `bytes`. */
  readonly at: number
  readonly bytes: Buffer
}

export const ANCHOR_BYTES = 128

/** The part of a stream that is safe, which whoever ships it keeps up to date; a reader steps over it. */
export interface Taken {
  readonly taken: IntervalSet
  readonly event: number | undefined
}

/** What the agent knows about one stream: a file's content from its first byte, under whatever name, inode or packing. */
export interface Stream {
  readonly id: StreamId
  readonly identity: FileIdentity
  /** Key of the file the stream began in. */
  readonly origin: string
  readonly tenant: string
  readonly topic: string
  /** Where it was first seen; for a file that was only met after rotation, where its writer had it. */
  readonly path: string
  readonly firstSeen: number
  /** Bytes below were read and handed on. */
  position: number
  /** Event time of the last line below `position`, ms. */
  event: number | undefined
  /** What was handed on and needs the file no more: it is in the cluster or in the spool. */
  readonly account: Taken
  /** One past the last byte that was ever seen to exist. */
  seen: number
  anchor: Anchor
  /** When there was nothing left to read and nothing more could come; undefined while it lives. */
  ended: number | undefined
  /** Keys of files that were found to be copies of it, compressed ones included. */
  readonly copies: Set<string>
  announcedAt: number
}

/** Streams by what they are recognised by. */
export interface Streams {
  add(stream: Stream): void
  remove(stream: Stream): void
  byId(id: StreamId): Stream | undefined
  /** Streams that began in this file, oldest first. */
  byOrigin(key: string): readonly Stream[]
  byCopy(key: string): Stream | undefined
  noteCopy(stream: Stream, key: string): void
  forgetCopy(stream: Stream, key: string): void
  all(): Iterable<Stream>
  readonly size: number
}

export function createStreams(): Streams {
  const ids = new Map<StreamId, Stream>()
  const origins = new Map<string, Stream[]>()
  const copies = new Map<string, Stream>()
  return {
    add(stream) {
      ids.set(stream.id, stream)
      origins.set(stream.origin, [...(origins.get(stream.origin) ?? []), stream])
      for (const key of stream.copies) copies.set(key, stream)
    },
    remove(stream) {
      ids.delete(stream.id)
      const others = (origins.get(stream.origin) ?? []).filter(other => other !== stream)
      if (others.length === 0) origins.delete(stream.origin)
      else origins.set(stream.origin, others)
      for (const key of stream.copies) copies.delete(key)
    },
    byId: id => ids.get(id),
    byOrigin: key => origins.get(key) ?? [],
    byCopy: key => copies.get(key),
    noteCopy(stream, key) {
      stream.copies.add(key)
      copies.set(key, stream)
    },
    forgetCopy(stream, key) {
      stream.copies.delete(key)
      copies.delete(key)
    },
    all: () => ids.values(),
    get size() {
      return ids.size
    },
  }
}

export interface NewStream {
  readonly site: string
  readonly host: string
  readonly tenant: string
  readonly topic: string
  readonly path: string
  readonly file: FileKey
  readonly firstLineHash: number
  readonly now: number
  /** The first bytes of the content, to anchor it. */
  readonly start: Buffer
}

/**
 * A stream of a file nobody has read before. When a file began anew with the same first line (truncated in place by a
 * program that always writes the same heading), the streams it held before count as its ordinal.
 */
export function newStream(found: NewStream, known: Streams, accountOf: (id: StreamId) => Taken): Stream {
  const { site, host, file, firstLineHash } = found
  const origin = keyText(file)
  const alike = known.byOrigin(origin).filter(other => other.identity.firstLineHash === firstLineHash)
  const ordinal = alike.length === 0 ? 0 : Math.max(...alike.map(other => other.identity.ordinal ?? 0)) + 1
  const identity: FileIdentity = {
    kind: 'log',
    site,
    host,
    device: file.device,
    inode: file.inode,
    birthtime: Number(BigInt(file.birth) / 1_000_000n),
    firstLineHash,
    ...(ordinal === 0 ? {} : { ordinal }),
  }
  const id = streamId(identity)
  return {
    id,
    identity,
    origin,
    tenant: found.tenant,
    topic: found.topic,
    path: found.path,
    firstSeen: found.now,
    position: 0,
    event: undefined,
    account: accountOf(id),
    seen: 0,
    anchor: anchorAt(found.start, found.start.length, found.start.length),
    ended: undefined,
    copies: new Set(),
    announcedAt: 0,
  }
}

/** The anchor whose bytes end at `end` of `buffer`, which is `position` in the stream. */
export function anchorAt(buffer: Buffer, end: number, position: number): Anchor {
  const length = Math.min(ANCHOR_BYTES, end, position)
  return { at: position, bytes: Buffer.from(buffer.subarray(end - length, end)) }
}
