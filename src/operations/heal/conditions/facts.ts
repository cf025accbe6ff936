/** What stands in a cluster, and since when, as far as one healer has seen it; `history.ts` makes it of one look after the other. */
import type { StandingCause } from './standing.ts'

/** ms since the epoch, as all times here. */
type Time = number

export interface Named {
  readonly topic: string
  readonly partition: number
}

export interface ConditionFacts {
  readonly patience: Patience
  /** Since when anything is seen of it. */
  readonly seenSince: Time
  /** Since when each broker is up and answers, its process the same; those that are not are left out. */
  readonly wellSince: ReadonlyMap<number, Time>
  /** How many partitions each broker is to lead. */
  readonly preferredBy: ReadonlyMap<number, number>
  readonly away: readonly LeaderAway[]
  readonly behind: readonly ReplicaBehind[]
  readonly exits: readonly IsrExits[]
  readonly moving: readonly Moving[]
  /** Null: it does not say. */
  readonly quorum: QuorumFacts | null
  readonly elections: readonly UncleanElection[]
  readonly around: Around
}

/** How long each has to stand before it is told. */
export interface Patience {
  /** So long a broker may be silent and be well: probes are impatient, and machines busy. */
  readonly silentMs: number
  /** A broker that is well for so long has settled: what is left of its absence by then is something else. */
  readonly settledMs: number
  /** What it missed it has caught up by then. */
  readonly catchUpMs: number
  readonly unbalancedMs: number
  /** Of the partitions that a broker is to lead, as Kafka's `leader.imbalance.per.broker.percentage`. */
  readonly unbalancedShare: number
  readonly quorumMs: number
  readonly behindMs: number
  readonly flaps: number
  readonly flapWindowMs: number
  readonly movingMs: number
  /** What is over for so long is over: one look may have missed what brokers had to say. */
  readonly calmMs: number
  /** So often a cluster in which nothing points to a failure is looked at. */
  readonly lookMs: number
}

export const PATIENCE: Patience = {
  silentMs: 3_000,
  settledMs: 60_000,
  catchUpMs: 900_000,
  unbalancedMs: 60_000,
  unbalancedShare: 0.1,
  quorumMs: 10_000,
  behindMs: 60_000,
  flaps: 3,
  flapWindowMs: 600_000,
  movingMs: 15_000,
  calmMs: 8_000,
  lookMs: 5_000,
}

/** Led by another than it should be, which is well and in sync. */
export interface LeaderAway extends Named {
  readonly preferred: number
  readonly leader: number
  readonly since: Time
}

/** A replica that is not in sync. */
export interface ReplicaBehind extends Named {
  readonly broker: number
  readonly leader: number | null
  readonly since: Time
  readonly inSync: number
  /** Its log dir or its broker is gone. */
  readonly offline: boolean
}

/** How often a replica has left the ISR lately, though its broker was well. */
export interface IsrExits extends Named {
  readonly broker: number
  readonly at: readonly Time[]
}

/** Replicas of a partition that are being moved. */
export interface Moving extends Named {
  readonly adding: readonly number[]
  readonly removing: readonly number[]
  readonly since: Time
  /** Somebody held a lease on the cluster, or healed it, when it was first seen. */
  readonly ordered: boolean
}

export interface QuorumFacts {
  readonly leader: number | null
  readonly voters: readonly {
    readonly id: number
    /** Since when it does not keep up with the active controller; null: it does. */
    readonly behindSince: Time | null
    /** Records of the metadata log. */
    readonly lag: number
  }[]
}

/** A leader that was not known to have all that was acknowledged. */
export interface UncleanElection extends Named {
  readonly from: number
  readonly to: number
  readonly leaderEpoch: number
  readonly at: Time
  /** Whether its topic lets the controller do that by itself. */
  readonly allowed: boolean
  /** Records that the leader before had, and the new one has not; null: nobody can say. */
  readonly loss: number | null
}

/** What else goes on in the cluster. */
export interface Around {
  /** Incidents of it that are not over. */
  readonly incidents: readonly {
    readonly id: string
    readonly cause: string
    readonly standing: StandingCause | null
    /** The broker that it is about; null: none. */
    readonly broker: number | null
  }[]
  /** Purposes of leases on it, or on a part of it. */
  readonly leases: readonly string[]
}
