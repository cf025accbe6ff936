/** What a stream is: the identity its id follows from, and the descriptor that `ajna.streams.<site>` announces. */
import { createHash } from 'node:crypto'
import { type SingleObject, singleObject } from './avro.ts'
import type { StreamId } from './position.ts'
import { xxh32 } from './xxh32.ts'

/**
 * A file, whatever its name at the moment: renaming keeps the identity. The first line is part of it because an inode is
 * used again, with its birth time unknown on some file systems, and because copytruncate starts a new file in the old one.
 */
export interface FileIdentity {
  readonly kind: 'log'
  readonly site: string
  readonly host: string
  /** Decimal: both may exceed 2^53. */
  readonly device: string
  readonly inode: string
  /** ms since the epoch, fractions dropped; 0 where the file system knows none. */
  readonly birthtime: number
  /** See `firstLineHash`. */
  readonly firstLineHash: number
  /**
   * How many streams of the same file and first line came before it: 1 for what a file holds after it was truncated in
   * place and began with the same heading again. Absent means 0.
   */
  readonly ordinal?: number
}

/** A producer of samples; each start is a new stream of sequence numbers. */
export interface ProducerIdentity {
  readonly kind: 'metric'
  readonly site: string
  readonly host: string
  /** Unique for the producer's life, e.g. a UUID made at its start. */
  readonly instance: string
}

export type StreamIdentity = FileIdentity | ProducerIdentity

/** The id of a stream: the agent and the auditor, each on its own, arrive at the same one. */
export function streamId(identity: StreamIdentity): StreamId {
  const { kind, site, host } = identity
  const rest =
    identity.kind === 'log'
      ? [identity.device, identity.inode, identity.birthtime, identity.firstLineHash, ...ordinalOf(identity)]
      : [identity.instance]
  const canonical = JSON.stringify([kind, site, host, ...rest])
  return createHash('sha256').update(canonical).digest('hex').slice(0, 16)
}

const ordinalOf = ({ ordinal = 0 }: FileIdentity): number[] => (ordinal === 0 ? [] : [ordinal])

/** No more of a first line counts, so that a huge one need not be waited for. */
export const FIRST_LINE_BYTES = 1024

/**
 * Hash of a file's first line without its line end, or of its first FIRST_LINE_BYTES if it is longer.
 *
 * @returns undefined while `head`, the file's beginning, holds neither a line end nor that many bytes
 */
export function firstLineHash(head: Uint8Array): number | undefined {
  const lineEnd = head.indexOf(10)
  if (lineEnd >= 0) return xxh32(head, 0, Math.min(lineEnd, FIRST_LINE_BYTES))
  return head.length >= FIRST_LINE_BYTES ? xxh32(head, 0, FIRST_LINE_BYTES) : undefined
}

export interface StreamDescriptor {
  readonly stream: StreamId
  readonly site: string
  readonly tenant: string
  readonly kind: 'log' | 'metric'
  readonly host: string
  /** Path when first seen; the producer's name for a metric stream. */
  readonly path: string
  /** Of the file; null for a metric stream. */
  readonly device: string | null
  readonly inode: string | null
  readonly birthtime: number | null
  readonly firstLineHash: number | null
  /** ms since the epoch. */
  readonly firstSeen: number
}

export const streamDescriptor: SingleObject<StreamDescriptor> = singleObject<StreamDescriptor>({
  type: 'record',
  name: 'ajna.streams.StreamDescriptor',
  fields: [
    { name: 'stream', type: 'string' },
    { name: 'site', type: 'string' },
    { name: 'tenant', type: 'string' },
    { name: 'kind', type: { type: 'enum', name: 'StreamKind', symbols: ['log', 'metric'] } },
    { name: 'host', type: 'string' },
    { name: 'path', type: 'string' },
    { name: 'device', type: ['null', 'string'] },
    { name: 'inode', type: ['null', 'string'] },
    { name: 'birthtime', type: ['null', 'long'] },
    { name: 'firstLineHash', type: ['null', 'long'] },
    { name: 'firstSeen', type: 'long' },
  ],
})

/** Bytes of a stream that nobody can ship any more; announced in `ajna.streams.<site>` beside the descriptors. */
export interface StreamGap {
  readonly stream: StreamId
  readonly host: string
  readonly path: string
  /** Bytes [start, end) of the stream. */
  readonly start: number
  readonly end: number
  /** truncated, gone: the file was, before they were read; refused: the cluster would not take them. */
  readonly reason: 'truncated' | 'gone' | 'refused'
  /** ms since the epoch. */
  readonly at: number
}

export const streamGap: SingleObject<StreamGap> = singleObject<StreamGap>({
  type: 'record',
  name: 'ajna.streams.StreamGap',
  fields: [
    { name: 'stream', type: 'string' },
    { name: 'host', type: 'string' },
    { name: 'path', type: 'string' },
    { name: 'start', type: 'long' },
    { name: 'end', type: 'long' },
    { name: 'reason', type: { type: 'enum', name: 'GapReason', symbols: ['truncated', 'gone', 'refused'] } },
    { name: 'at', type: 'long' },
  ],
})
