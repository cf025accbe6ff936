/** A commit: what [from, to) of a partition became. Its name is its partition and `from`, so there is one for each place. */
import { z } from 'zod'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { ArchiveManifestInvalid } from './errors.ts'

const offset = z.number().int().nonnegative()
const interval = z.tuple([offset, offset])

export const dataObject = z.object({
  key: z.string(),
  tenant: z.string(),
  kind: z.string(),
  rows: z.number().int().positive(),
  bytes: z.number().int().positive(),
  sha256: z.string(),
  /** Event time of its oldest and youngest row, ms since the epoch. */
  minTime: z.number(),
  maxTime: z.number(),
})
export type DataObject = Readonly<z.infer<typeof dataObject>>

const streamPart = z.object({
  stream: z.string(),
  records: z.number().int().positive(),
  /** Positions held; `repeated` of them more than once in this commit. */
  held: z.array(interval),
  repeated: z.array(interval),
})
export type StreamPart = Readonly<z.infer<typeof streamPart>>

const missingRange = z.object({
  from: offset,
  to: offset,
  /**
   * `retention`: the topic had deleted them before they were read; `truncated`: the log was cut there after they were read;
   * `unreadable`: a batch that passes its checksum and yet cannot be unpacked or parsed.
   */
  reason: z.enum(['retention', 'truncated', 'unreadable']),
})
export type MissingRange = Readonly<z.infer<typeof missingRange>>

export const manifest = z.object({
  version: z.literal(1),
  /** Of this very commit: tells one's own from another's of the same name. */
  id: z.string(),
  topic: z.string(),
  topicId: z.string(),
  partition: z.number().int().nonnegative(),
  from: offset,
  to: offset,
  committedAt: z.number(),
  /** Data records; offsets may be fewer (markers, compaction) but never more. */
  records: z.number().int().nonnegative(),
  objects: z.array(dataObject),
  streams: z.array(streamPart),
  /** Records of `records` that are in kind=unknown. */
  withoutPosition: z.number().int().nonnegative(),
  unknownStream: z.number().int().nonnegative(),
  missing: z.array(missingRange),
})
export type Manifest = Readonly<z.infer<typeof manifest>>

export const encodeManifest = (value: Manifest): Buffer => Buffer.from(JSON.stringify(value))

/** Throws ARCHIVE_MANIFEST_INVALID. */
export function decodeManifest(key: string, bytes: Buffer): Manifest {
  try {
    return manifest.parse(JSON.parse(bytes.toString('utf8')))
  } catch (cause) {
    throw new AjnaError(ArchiveManifestInvalid, key, { cause })
  }
}

const floor = z.object({ floor: offset })
export const encodeFloor = (value: number): Buffer => Buffer.from(JSON.stringify({ floor: value }))
export function decodeFloor(key: string, bytes: Buffer): number {
  try {
    return floor.parse(JSON.parse(bytes.toString('utf8'))).floor
  } catch (cause) {
    throw new AjnaError(ArchiveManifestInvalid, key, { cause })
  }
}

/**
 * The commits that count, in order: from the floor on, each beginning where the one before ends. What lies beyond a hole
 * cannot have been written by this program (a commit names the end it was told of), so it is an error, not a choice.
 */
export function chainOf(commits: readonly Manifest[], floorOffset: number): readonly Manifest[] {
  const chain = [...commits].filter(commit => commit.from >= floorOffset).sort((a, b) => a.from - b.from)
  let end = floorOffset
  for (const commit of chain) {
    if (commit.from !== end || commit.to <= commit.from)
      throw new AjnaError(
        ArchiveManifestInvalid,
        `${commit.topic}-${commit.partition}: a commit of offsets ${commit.from} to ${commit.to} follows the end ${end}`,
      )
    end = commit.to
  }
  return chain
}
