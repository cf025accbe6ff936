import { z } from 'zod'

/** What all members of a group must agree on; the first to join sets it, who says otherwise is refused. */
export const shardTerms = z.object({
  shards: z.int().min(1).max(4_096),
  /** A member silent for this long, as seen by another, may be expelled; it stops acting after 3/4 of it. */
  leaseMs: z.int().min(40),
})
export type ShardTerms = z.infer<typeof shardTerms>

/** One process' membership, from one joining to its end; never used again. */
const instance = z.string().regex(/^[0-9a-zA-Z._-]{1,100}$/)
const offset = z.int().nonnegative()

const member = z.object({
  /** Stays the same over restarts, so that a restarted process gets its shards back. */
  name: instance,
  /** Its share of shards relative to others'. */
  weight: z.int().min(1).max(16),
  /** Log offsets of its joining and of its last beat: the version that an expulsion is decided on. */
  joined: offset,
  beat: offset,
})
export type Member = z.infer<typeof member>

const assignment = z.object({
  owner: instance.nullable(),
  /** Raised at each change of owner; 0: never owned. */
  token: z.int().nonnegative(),
})
export type Assignment = z.infer<typeof assignment>

export const shardsState = z.object({
  terms: shardTerms.nullable(),
  members: z.record(instance, member),
  assignments: z.array(assignment),
})
export type ShardsState = z.infer<typeof shardsState>

export const NO_SHARDS: ShardsState = Object.freeze({ terms: null, members: {}, assignments: [] })

export const shardsCommand = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('join'),
    instance,
    name: instance,
    weight: member.shape.weight,
    terms: shardTerms,
  }),
  z.object({ kind: z.literal('beat'), instance }),
  z.object({ kind: z.literal('leave'), instance }),
  /** Takes the shards of silent members, if they are still silent when the command is applied. */
  z.object({ kind: z.literal('expel'), suspects: z.array(z.object({ instance, beat: offset })).min(1) }),
  /** Gives shards up for whom they are meant for, once their owner has stopped. */
  z.object({
    kind: z.literal('release'),
    instance,
    shards: z.array(z.object({ shard: offset, token: offset })).min(1),
  }),
])
export type ShardsCommand = z.infer<typeof shardsCommand>

/** How a member behaves within the terms; members may differ in these. */
export interface ShardTimes {
  /** Between two beats; at most a quarter of the lease. */
  readonly beatMs: number
  /** How long the log must have flowed, after it did not, before silence counts against anyone. */
  readonly graceMs: number
  /** How long a newcomer must have been there before shards move to it from live owners. */
  readonly settleMs: number
  /** Shards an owner gives up at a time, and per beat. */
  readonly movesAtOnce: number
}

/** Monotonic: never set, runs while the process is stopped; wall: also sees what the other misses (a suspended machine). ms. */
export interface ShardsClock {
  monotonic(): number
  wall(): number
}
