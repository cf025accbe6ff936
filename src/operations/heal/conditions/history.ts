/**
 * One look after the other, as what stands since when. Brokers tell of a cluster what they know of it, some later than
 * others: a state whose leader epoch is lower than one that was seen is older, and is passed over. Pure.
 */
import type { BrokerFacts, PartitionFacts } from '../contract.ts'
import { nameOf } from '../recovery.ts'
import type {
  Around,
  ConditionFacts,
  IsrExits,
  LeaderAway,
  Moving,
  Named,
  Patience,
  QuorumFacts,
  ReplicaBehind,
  UncleanElection,
} from './facts.ts'

export interface Look {
  /** ms since the epoch. */
  readonly at: number
  readonly partitions: readonly PartitionFacts[]
  readonly brokers: readonly BrokerFacts[]
  /** Null: it was not told. */
  readonly quorum: QuorumSeen | null
  readonly reassignments: readonly (Named & Pick<Moving, 'adding' | 'removing'>)[] | null
  /** Who but the in-sync replicas may be elected without a loss (KIP-966), by name; partitions not asked about are left out. */
  readonly eligible: ReadonlyMap<string, readonly number[]>
  readonly around: Around
}

export interface QuorumSeen {
  readonly leader: number | null
  readonly voters: readonly {
    readonly id: number
    readonly lag: number
    /** By the active controller's clock. */
    readonly caughtUpAt: number | null
  }[]
}

/** A change of leader that may have lost records; whoever calls finds out more of it. */
export type SuspectElection = Omit<UncleanElection, 'allowed' | 'loss'>

interface Known {
  readonly leader: number | null
  readonly leaderEpoch: number
  readonly isr: readonly number[]
  readonly replicas: readonly number[]
  /** Null: not known. */
  readonly electable: readonly number[] | null
}

export interface History {
  readonly seenSince: number | null
  readonly known: ReadonlyMap<string, Known>
  readonly wellSince: ReadonlyMap<number, number>
  readonly away: readonly LeaderAway[]
  readonly behind: readonly ReplicaBehind[]
  readonly exits: readonly IsrExits[]
  readonly moving: readonly Moving[]
  /** Null: not told by the last look. */
  readonly quorum: QuorumFacts | null
  readonly quorumBefore: QuorumFacts | null
  readonly suspects: readonly SuspectElection[]
  readonly preferredBy: ReadonlyMap<number, number>
}

export const NOTHING_SEEN: History = {
  seenSince: null,
  known: new Map(),
  wellSince: new Map(),
  away: [],
  behind: [],
  exits: [],
  moving: [],
  quorum: null,
  quorumBefore: null,
  suspects: [],
  preferredBy: new Map(),
}

/** A voter asks for more twice a second; the active controller writes as often, also when nothing happens (KIP-835). */
const VOTER_BEHIND_MS = 5_000
/** Of one that was never in step, or of a cluster that does not tell when: so many records of the metadata log. */
const VOTER_BEHIND_RECORDS = 100

export function seen(before: History, look: Look, patience: Patience): History {
  const { at, partitions } = look
  const wellSince = wellBrokers(before, look, patience)
  const known = new Map<string, Known>()
  const preferredBy = new Map<number, number>()
  const moving = movingNow(before, look)
  const isMoving = new Set(moving.map(nameOf))
  const awayBefore = new Map(before.away.map(each => [nameOf(each), each]))
  const behindBefore = new Map(before.behind.map(each => [`${nameOf(each)} ${each.broker}`, each]))
  const exits = new Map(before.exits.map(each => [`${nameOf(each)} ${each.broker}`, each]))
  const away: LeaderAway[] = []
  const behind: ReplicaBehind[] = []
  const suspects: SuspectElection[] = []
  for (const told of partitions) {
    const name = nameOf(told)
    const last = before.known.get(name)
    const { topic, partition } = told
    const now = newer(knownOf(told, look.eligible.get(name)), last)
    known.set(name, now)
    const { leader, replicas, isr } = now
    const preferred = replicas[0]!
    preferredBy.set(preferred, (preferredBy.get(preferred) ?? 0) + 1)
    if (last !== undefined && last.electable !== null && now.leaderEpoch > last.leaderEpoch)
      if (leader !== null && leader !== last.leader && !last.electable.includes(leader))
        suspects.push({
          ...{ topic, partition, to: leader, leaderEpoch: now.leaderEpoch, at },
          from: last.leader ?? last.isr[0] ?? last.electable[0] ?? -1,
        })
    if (isMoving.has(name)) continue
    if (leader !== null && leader !== preferred && isr.includes(preferred) && wellSince.has(preferred)) {
      const since = awayBefore.get(name)
      away.push({
        ...{ topic, partition, preferred, leader },
        since: since?.preferred === preferred ? since.since : at,
      })
    }
    for (const broker of replicas) {
      if (isr.includes(broker)) continue
      const key = `${name} ${broker}`
      const since = behindBefore.get(key)?.since ?? at
      const offline = told.offline?.includes(broker) ?? false
      behind.push({ ...{ topic, partition, broker, leader, since, offline }, inSync: isr.length })
      const hasLeft = last?.isr.includes(broker) === true && last.leader !== null && last.leader !== broker
      const settledAt = (wellSince.get(broker) ?? Number.POSITIVE_INFINITY) + patience.settledMs
      if (hasLeft && !offline && at >= settledAt) {
        const times = exits.get(key)?.at ?? []
        exits.set(key, { topic, partition, broker, at: [...times, at].slice(-MOST_EXITS) })
      }
    }
  }
  const quorum = look.quorum === null ? null : quorumNow(before.quorumBefore, look.quorum, at)
  return {
    seenSince: before.seenSince ?? at,
    ...{ known, wellSince, preferredBy, away, behind, moving },
    exits: [...exits.values()].flatMap(each => recent(each, at - patience.flapWindowMs)),
    quorum,
    quorumBefore: quorum ?? before.quorumBefore,
    suspects,
  }
}

const MOST_EXITS = 100

function knownOf(
  { leader, leaderEpoch = 0, isr, replicas }: PartitionFacts,
  eligible: readonly number[] | undefined,
): Known {
  // Whoever was eligible was not in the ISR; of a full one nobody can be.
  const electable =
    isr.length === replicas.length ? isr : eligible === undefined ? null : [...isr, ...eligible]
  return { leader, leaderEpoch, isr, replicas, electable }
}

const newer = (now: Known, last: Known | undefined): Known =>
  last !== undefined && last.leaderEpoch > now.leaderEpoch && last.replicas.join() === now.replicas.join()
    ? last
    : now

function recent(each: IsrExits, from: number): IsrExits[] {
  const at = each.at.filter(time => time >= from)
  return at.length === 0 ? [] : [{ ...each, at }]
}

function wellBrokers(
  { wellSince }: History,
  { brokers, at }: Look,
  { silentMs }: Patience,
): ReadonlyMap<number, number> {
  return new Map(
    brokers.flatMap(({ id, registration, probe, testimony }) => {
      const isSilent = probe.kind === 'silent' && at - probe.since >= silentMs
      const isWell =
        registration === 'up' && probe.kind !== 'refused' && !isSilent && testimony.kind !== 'dead'
      if (!isWell) return []
      const startedAt = testimony.kind === 'running' ? testimony.since : undefined
      const since = wellSince.get(id)
      if (since === undefined) return [[id, startedAt !== undefined && wellSince.size === 0 ? startedAt : at]]
      return [[id, Math.max(since, startedAt ?? 0)]]
    }),
  )
}

function movingNow(before: History, { reassignments, around, at }: Look): readonly Moving[] {
  if (reassignments === null) return before.moving
  const known = new Map(before.moving.map(each => [nameOf(each), each]))
  const ordered = around.leases.length > 0 || around.incidents.some(({ standing }) => standing === null)
  return reassignments.map(({ topic, partition, adding, removing }): Moving => {
    const last = known.get(nameOf({ topic, partition }))
    return {
      ...{ topic, partition, adding, removing },
      since: last?.since ?? at,
      ordered: last?.ordered ?? ordered,
    }
  })
}

function quorumNow(before: QuorumFacts | null, { leader, voters }: QuorumSeen, at: number): QuorumFacts {
  // The active controller has everything at all times: its own clock is the measure.
  const latest = Math.max(...voters.map(({ caughtUpAt }) => caughtUpAt ?? 0))
  return {
    leader,
    voters: voters.map(({ id, lag, caughtUpAt }) => {
      const isBehind =
        id !== leader &&
        (caughtUpAt === null ? lag >= VOTER_BEHIND_RECORDS : latest - caughtUpAt >= VOTER_BEHIND_MS)
      const since = before?.voters.find(each => each.id === id)?.behindSince ?? at
      return { id, lag, behindSince: isBehind ? since : null }
    }),
  }
}

export function conditionsOf(
  history: History,
  { around, at }: Pick<Look, 'around' | 'at'>,
  patience: Patience,
  elections: readonly UncleanElection[],
): ConditionFacts {
  const { seenSince, wellSince, preferredBy, away, behind, exits, moving, quorum } = history
  return {
    ...{ patience, wellSince, preferredBy, away, behind, exits, moving, quorum, elections, around },
    seenSince: seenSince ?? at,
  }
}
