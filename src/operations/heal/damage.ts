/**
 * A replica of which segments are damaged on the disk, and what others have to say of the same offsets: its own broker, and
 * whoever reads the disks of the other replicas. Pure.
 */
import { batchesIn, hasValidCrc } from '../../foundation/wire/batch.ts'
import type { CorruptSegment, ProcessStatus, ReplicaVerified } from '../hosts/contract.ts'

/** What its agent says of a replica, all its damaged segments together. */
export interface DamagedReplica {
  readonly broker: number
  readonly topic: string
  readonly partition: number
  /** Offsets that may be concerned: from the first damaged batch to behind the last. */
  readonly from: number
  readonly to: number
  readonly segments: readonly CorruptSegment[]
}

export interface DamageFacts extends DamagedReplica {
  /** What its own broker serves from the first damaged batch on, and in whose words. */
  readonly served: Served
  /** The other replicas that are in sync, over the same offsets. */
  readonly others: readonly OtherReplica[]
  /** `min.insync.replicas`; null: the cluster does not say. */
  readonly minInSync: number | null
}

export interface Served {
  readonly state: 'damaged' | 'well' | 'unknown'
  readonly says: string
}

export interface OtherReplica {
  readonly broker: number
  readonly state: ReplicaVerified['state']
  readonly says: string
}

/** @param told what each broker's agent tells of it */
export function damagedIn(told: ReadonlyMap<number, readonly CorruptSegment[]>): DamagedReplica[] {
  return [...told].flatMap(([broker, found]) =>
    [...Map.groupBy(found, ({ topic, partition }) => `${topic}-${partition}`).values()].map(its => {
      const segments = its.toSorted((a, b) => a.segment - b.segment)
      const { topic, partition } = segments[0]!
      const from = Math.min(...segments.map(each => each.from))
      return { broker, topic, partition, from, to: Math.max(...segments.map(each => each.to)), segments }
    }),
  )
}

/** By its agent's word; nobody's word is none. */
export function isUndamaged(
  status: ProcessStatus | undefined,
  { topic, partition }: Pick<DamagedReplica, 'topic' | 'partition'>,
): boolean {
  return (
    status !== undefined && !status.corrupt.some(each => each.topic === topic && each.partition === partition)
  )
}

/** Kafka's name for a log whose batches are framed wrongly. */
const CORRUPT = 'CORRUPT_MESSAGE'

/** What is wrong with what a broker serves at an offset that a whole batch begins at, if it is not damaged. */
export function servedOf(error: string | null, records: Buffer, { from, to }: DamagedReplica): Served {
  if (error === CORRUPT) return { state: 'damaged', says: `it finds its log damaged at offset ${from}` }
  if (error !== null) return { state: 'unknown', says: error }
  let next = from
  try {
    for (const header of batchesIn(records)) {
      if (header.baseOffset >= to && next > from) break
      if (header.baseOffset > from && next === from)
        return { state: 'damaged', says: `it serves nothing between offset ${from} and ${header.baseOffset}` }
      if (!hasValidCrc(records, header)) {
        const says = `what it serves at offset ${header.baseOffset} does not match its checksum`
        return { state: 'damaged', says }
      }
      next = header.lastOffset + 1
    }
  } catch (error) {
    return { state: 'damaged', says: `what it serves is no record batch: ${(error as Error).message}` }
  }
  return next === from
    ? { state: 'unknown', says: `it serves no whole batch at offset ${from}` }
    : { state: 'well', says: `it serves offsets ${from} to ${next - 1} undamaged` }
}

/** How an incident has it, so that whoever follows it can look at the same offsets in the end. */
export const DAMAGED_OFFSETS = 'damaged offsets'
export const rangeText = ({ from, to }: Pick<DamagedReplica, 'from' | 'to'>): string => `${from} to ${to - 1}`

export function rangeIn(
  evidence: readonly { readonly label: string; readonly value: string }[],
): { readonly from: number; readonly to: number } | undefined {
  const value = evidence.find(({ label }) => label === DAMAGED_OFFSETS)?.value
  const [, from, last] = /^(\d+) to (\d+)/.exec(value ?? '') ?? []
  return from === undefined ? undefined : { from: Number(from), to: Number(last) + 1 }
}
