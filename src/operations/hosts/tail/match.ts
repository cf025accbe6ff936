import { type Content, readFully } from './content.ts'
import { isRotatedName } from './files.ts'
import type { Stream } from './stream.ts'

/**
 * Whether a content is (a copy of) a stream's: `same` as far as the stream's anchor tells, `different`, or too `short`
 * to tell yet (a copy being made).
 */
export type Match = 'same' | 'different' | 'short'

export async function matchContent(content: Content, stream: Stream): Promise<Match> {
  const { at, bytes } = stream.anchor
  const found = Buffer.allocUnsafe(bytes.length)
  const count = await readFully(content, at - bytes.length, found, 0, bytes.length)
  if (found.compare(bytes, 0, count, 0, count) !== 0) return 'different'
  return count === bytes.length ? 'same' : 'short'
}

/** Facts about a file that appeared, and about a known stream it might be older content of. */
export interface CopyFacts {
  /** Name of the new file and the names the stream's file has had, without directories. */
  readonly name: string
  readonly streamNames: readonly string[]
  readonly sameDirectory: boolean
  readonly sameFirstLine: boolean
  /** Bytes the stream's own file holds now; undefined when it no longer holds the stream. */
  readonly streamSize: number | undefined
  /** Bytes of the new file; undefined when packed. */
  readonly size: number | undefined
  readonly match: Match
  /** How long the new file has not changed, ms. */
  readonly quietMs: number
}

/** A copy that has not grown for so long is not being made any more. */
export const COPY_SETTLED_MS = 5_000

/**
 * Is the new file a copy (a rotation's, made before the original is truncated, or a compressed one)? Only files whose name
 * rotation could have made of the stream's are considered, so that two programs that write the same heading stay apart.
 * When in doubt it is not a copy: shipping bytes under two identities loses nothing.
 */
export function judgeCopy(facts: CopyFacts): 'copy' | 'no' | 'later' {
  if (!facts.sameDirectory || !facts.sameFirstLine) return 'no'
  if (!facts.streamNames.some(name => isRotatedName(name, facts.name))) return 'no'
  if (facts.match === 'different') return 'no'
  if (facts.streamSize !== undefined && facts.size !== undefined && facts.size > facts.streamSize) return 'no'
  if (facts.match === 'same') return 'copy'
  return facts.quietMs < COPY_SETTLED_MS ? 'later' : 'no'
}
