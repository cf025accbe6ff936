/** Whether a replica holds a range of offsets undamaged, as it lies on its disk now. Reads only. */
import { createHash } from 'node:crypto'
import { describeError } from '../../../foundation/errors/errors.ts'
import type { ReplicaRange, ReplicaVerified } from '../contract.ts'
import { keyOf, listReplica, readFile, unbounded } from './read.ts'
import { type Segment, segmentsIn } from './segments.ts'
import { createBatchWalk } from './walk.ts'

/** @param logDirs of the one broker it is asked of */
export async function verifyReplica(
  logDirs: readonly string[],
  range: ReplicaRange,
  signal: AbortSignal,
): Promise<ReplicaVerified> {
  try {
    const segments = await segmentsOf(logDirs, range, signal)
    const { from, to } = range
    // From the last one that begins at or before the range.
    const first = segments.findLastIndex(({ base }) => base <= from)
    if (first < 0) return unknown(`none of the log dirs has offset ${from}`)
    const its = segments.slice(first).filter(({ base }) => base < to)
    return await verifySegments(its, range, signal)
  } catch (error) {
    signal.throwIfAborted()
    return unknown(describeError(error))
  }
}

const unknown = (says: string): ReplicaVerified => ({
  state: 'unknown',
  says: says.slice(0, 300),
  digest: null,
})

async function segmentsOf(
  logDirs: readonly string[],
  { topic, partition }: ReplicaRange,
  signal: AbortSignal,
): Promise<readonly Segment[]> {
  const folder = `${topic}-${partition}`
  for (const dir of logDirs) {
    // A log dir that has it not is no trouble, and one that cannot be read will show when nobody has it.
    const listing = await listReplica(dir, folder, signal).catch(() => '')
    if (listing !== '') return segmentsIn(dir, listing)
  }
  return []
}

async function verifySegments(
  segments: readonly Segment[],
  { from, to }: ReplicaRange,
  signal: AbortSignal,
): Promise<ReplicaVerified> {
  let batches = 0
  let end = from
  const digest = createHash('sha256')
  for (const { path, key, base, below, isLast } of segments) {
    const walk = createBatchWalk({ base, below, isClosed: !isLast, digest: { from, to, into: digest } })
    await readFile(path, unbounded, chunk => walk.push(chunk), signal)
    // The last one grows while it is read: of it, only what counts lies before.
    if (!isLast && (await keyOf(path, signal)) !== key) return unknown('it has changed while it was read')
    const walked = walk.end()
    if (walked.isOld) return unknown('it holds messages of an old format')
    const { damage } = walked
    if (damage !== null && damage.from < to)
      return {
        state: 'damaged',
        says: `${damage.what} at offset ${damage.from}, byte ${damage.position} of ${path}`.slice(0, 300),
        digest: null,
      }
    batches += walked.batches
    end = isLast ? walked.end : below
  }
  if (end < to) return unknown(`its log ends at offset ${end}`)
  return {
    state: 'well',
    says: `${batches} batches were read and match their checksums`,
    digest: digest.digest('hex'),
  }
}
