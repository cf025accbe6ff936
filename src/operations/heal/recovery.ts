import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { LogExtent } from './causes/logs.ts'
import { named } from './causes/signs.ts'

/**
 * What an election outside the in-sync replicas rests on: what each replica's log was seen to hold, who is to lead, and what
 * is lost by it. Part of an incident; written before anything is done, so that whoever takes over knows the order of
 * preference to return to.
 */

const offset = z.int().nonnegative()
const brokerId = z.int().nonnegative()

export const MOST_PARTITIONS = 50

const topicPartition = { topic: z.string().min(1).max(249), partition: z.int().nonnegative() }
export const namedPartitions = z.array(z.object(topicPartition)).min(1).max(MOST_PARTITIONS)
type NamedPartitions = readonly Readonly<{ topic: string; partition: number }>[]

const replicaLog = z.object({
  broker: brokerId,
  /** `survivor`: may be elected. `last`: was in sync when the leader went, so nobody has more. `other`: neither, or away. */
  role: z.enum(['survivor', 'last', 'other']),
  /** Of its first record, and one past its last; null: not known. */
  start: offset.nullable(),
  end: offset.nullable(),
  /** Of its last record; null: not known, or it has none. */
  epoch: z.int().nullable(),
  /** The last high watermark on its disk: so much was committed, and perhaps more. */
  highWatermark: offset.nullable(),
  /** `api`: the broker said so itself; `disk`: the agent of its host read it. */
  readFrom: z.array(z.enum(['api', 'disk'])).max(2),
  /** Below this it has what the last in-sync replica has; null: cannot be told. */
  agreesUpTo: offset.nullable(),
  /** Why not all of this is known. */
  problem: z.string().min(1).max(300).nullable(),
})
export type ReplicaLog = Readonly<z.infer<typeof replicaLog>>

const partitionRecovery = z.object({
  ...topicPartition,
  /** Of the state without a leader. */
  leaderEpoch: z.int(),
  /** In the order to which it returns. */
  replicas: z.array(brokerId).max(50),
  /** Who is to be elected; null: no replica lives. */
  leader: brokerId.nullable(),
  /**
   * Records that are lost if it is: those of the last in-sync replica that the new leader has not. Offsets are counted, so
   * also transaction markers and what compaction has taken already. Null: no bound is known.
   */
  loss: offset.nullable(),
  /** Of which were committed for certain, since a high watermark was written down. */
  committedLoss: offset,
  logs: z.array(replicaLog).max(50),
})
export type PartitionRecovery = Readonly<z.infer<typeof partitionRecovery>>

export const recovery = z.object({
  partitions: z.array(partitionRecovery).max(MOST_PARTITIONS),
  /** When they were led and in their order again, ms since the epoch; null: not yet. */
  doneAt: z.int().nonnegative().nullable(),
})
export type Recovery = Readonly<z.infer<typeof recovery>>

/* ---- what is seen ---- */

/** A partition without a leader, and what each of its replicas' logs is seen to hold. */
export interface LeaderlessFacts {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  /** Since when the healer sees nobody lead it, ms since the epoch. */
  readonly since: number
  /** Who the controller would elect if it came back: in the ISR, or eligible (KIP-966). */
  readonly inSync: readonly number[]
  /** Eligible until it was started again after an unclean end: the controller does not trust its disk any more. */
  readonly lastKnown: readonly number[]
  readonly logs: readonly SeenLog[]
}

export interface SeenLog {
  readonly broker: number
  /** Its log's end by its own word, though it is no leader; null: it does not say. */
  readonly saidEnd: number | null
  /** Read by the agent of its host; null: it was not. */
  readonly onDisk: LogOnDisk | null
  readonly problem: string | null
}

export interface LogOnDisk extends LogExtent {
  readonly highWatermark: number | null
}

/* ---- for people, and to compare ---- */

export const nameOf = ({ topic, partition }: NamedPartitions[number]): string => `${topic}-${partition}`

export const partitionsText = (partitions: NamedPartitions): string => named(partitions.map(nameOf))

/** The same for the same partitions. */
export const partitionsKey = (partitions: NamedPartitions): string =>
  `p-${shortHash(partitions.map(nameOf).sort())}`

export const shortHash = (what: unknown): string =>
  createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 12)

/** Whether nothing at all is lost by it, provably. */
export const isSafe = ({ partitions }: Recovery): boolean => partitions.every(({ loss }) => loss === 0)

/**
 * Whether what would be done now is what was agreed to: of each partition that still has no leader, the same leader at the same
 * price. Those that have one again are left out of `now`.
 */
export function isWithin(agreed: Recovery, now: Recovery): boolean {
  const before = new Map(agreed.partitions.map(each => [nameOf(each), each]))
  return now.partitions.every(each => {
    const then = before.get(nameOf(each))
    return then?.leaderEpoch === each.leaderEpoch && then.leader === each.leader && then.loss === each.loss
  })
}

/** `now`, with the orders of preference as they were before any of them was changed. */
export function inOrderOf(before: Recovery | undefined, now: Recovery): Recovery {
  const orders = new Map(before?.partitions.map(each => [nameOf(each), each.replicas]))
  const orderOf = (each: PartitionRecovery): number[] => {
    const order = orders.get(nameOf(each))
    return order?.toSorted().join() === each.replicas.toSorted().join() ? order : each.replicas
  }
  return { ...now, partitions: now.partitions.map(each => ({ ...each, replicas: orderOf(each) })) }
}

/** For people. */
export function lossText({ partitions }: Recovery): string {
  const bounded = partitions.filter(({ loss }) => loss !== null)
  const records = bounded.reduce((sum, { loss }) => sum + loss!, 0)
  const unknown = partitions.length - bounded.length
  if (unknown === 0)
    return records === 0 ? 'no record is lost' : `${counted(records, 'record')} would be lost`
  const most = bounded.length === 0 ? '' : `${counted(records, 'record')} of the others; `
  return `${most}of ${counted(unknown, 'partition')} nobody can say how many records would be lost`
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
