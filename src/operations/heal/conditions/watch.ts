/** Looks at what may stand for a while, beside what fails: the controller quorum, reassignments, who may be elected. */
import { describeError } from '../../../foundation/errors/errors.ts'
import { missingFrom } from '../causes/logs.ts'
import { type HealFacts, type Incident, isOver, type Subject } from '../contract.ts'
import type { HealerOptions } from '../ends.ts'
import { nameOf } from '../recovery.ts'
import { type Around, type ConditionFacts, type Named, PATIENCE, type UncleanElection } from './facts.ts'
import { conditionsOf, NOTHING_SEEN, type QuorumSeen, type SuspectElection, seen } from './history.ts'
import { isStanding } from './standing.ts'

const ASK_MS = 2_000
/** Topics of which it is asked who else may be elected, and what the controller may do, at a time. */
const MOST_TOPICS = 100
/** So long an election is looked back at. */
const REMEMBERED_MS = 600_000
const UNCLEAN = 'unclean.leader.election.enable'

export interface Conditions {
  /** With what stands in it; the facts alone while the cluster does not say how it stands. */
  look(facts: HealFacts): Promise<HealFacts>
  /** As it was seen last. */
  last(): HealFacts | undefined
}

type Reach = Pick<
  HealerOptions,
  'cluster' | 'admin' | 'agent' | 'brokers' | 'interlock' | 'book' | 'patience' | 'log' | 'signal'
>

export function createConditions(reach: Reach): Conditions {
  const { log, signal } = reach
  const patience = { ...PATIENCE, ...reach.patience }
  let history = NOTHING_SEEN
  let elections: readonly UncleanElection[] = []
  let last: HealFacts | undefined
  let said = ''
  const orNull = async <T>(asked: Promise<T>): Promise<T | null> =>
    asked.catch(error => {
      const reason = describeError(error)
      // An old cluster will not know it at the next look either.
      if (!signal.aborted && reason !== said)
        log.info({ reason }, 'the cluster does not say all that was asked')
      said = reason
      return null
    })
  async function lookNow(facts: HealFacts): Promise<HealFacts> {
    const { partitions } = facts
    if (partitions === null) return facts
    // One that was gathered before would be taken for what became of it.
    if (last !== undefined && facts.at <= last.at) return last
    const around = aroundOf(reach)
    const call = { signal, deadlineMs: ASK_MS }
    const [quorum, reassignments, eligible] = await Promise.all([
      orNull<QuorumSeen>(reach.admin.describeQuorum(call)),
      orNull(reach.admin.listReassignments(call)),
      orNull(eligibleIn(reach, partitions)),
    ])
    history = seen(
      history,
      { ...facts, partitions, quorum, reassignments, around, eligible: eligible ?? new Map() },
      patience,
    )
    const found = await orNull(confirmed(reach, history.suspects))
    elections = [...elections, ...(found ?? [])].filter(({ at }) => facts.at - at < REMEMBERED_MS)
    const conditions: ConditionFacts = conditionsOf(history, { ...facts, around }, patience, elections)
    last = { ...facts, conditions }
    return last
  }
  let turn: Promise<unknown> = Promise.resolve()
  return {
    look(facts) {
      const mine = turn.then(() => lookNow(facts))
      turn = mine.catch(() => undefined)
      return mine
    },
    last: () => last,
  }
}

function aroundOf({ cluster, book, interlock }: Reach): Around {
  const open = book.list().filter(each => each.cluster === cluster && !isOver(each))
  const leases = (interlock()?.held() ?? []).filter(({ domain }) => domain.cluster === cluster)
  return {
    incidents: open.map(({ id, cause, subject }) => ({
      ...{ id, cause, broker: brokerOf(subject) },
      standing: isStanding(cause) ? cause : null,
    })),
    // What a healer has one for, its incident says.
    leases: leases.filter(({ purpose }) => !purpose.startsWith('healing ')).map(({ purpose }) => purpose),
  }
}

const brokerOf = (subject: Subject): number | null => ('broker' in subject ? subject.broker : null)

async function eligibleIn(
  { admin, signal }: Reach,
  partitions: NonNullable<HealFacts['partitions']>,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const short = partitions.filter(({ isr, replicas }) => isr.length < replicas.length)
  const topics = [...new Set(short.map(({ topic }) => topic))].slice(0, MOST_TOPICS)
  if (topics.length === 0) return new Map()
  const found = await admin.eligibleLeaders(topics, { signal, deadlineMs: ASK_MS })
  const eligible = new Map(found.map(each => [nameOf(each), each.eligible]))
  const asked = short.filter(({ topic }) => topics.includes(topic))
  return new Map(asked.map(each => [nameOf(each), eligible.get(nameOf(each)) ?? []]))
}

/* ---- elections that may have lost records ---- */

/**
 * Between two looks a replica may come back into the ISR and be elected all the same. So a change of leader counts only if its
 * topic lets the controller elect whoever lives, or if the disks show that records are missing.
 */
async function confirmed(
  reach: Reach,
  suspects: readonly SuspectElection[],
): Promise<readonly UncleanElection[]> {
  const { admin, book, cluster, signal } = reach
  const ordered = orderedIn(book.list().filter(each => each.cluster === cluster))
  const unordered = suspects.filter(each => !ordered.has(nameOf(each))).slice(0, MOST_TOPICS)
  if (unordered.length === 0) return []
  const topics = [...new Set(unordered.map(({ topic }) => topic))]
  const described = await admin.describeConfigs(
    topics.map(name => ({ kind: 'topic', name })),
    { signal, deadlineMs: ASK_MS },
  )
  const allowing = new Set(
    described.flatMap(({ resource, entries }) =>
      entries.get(UNCLEAN)?.value === 'true' ? [resource.name] : [],
    ),
  )
  const losses = await Promise.all(
    [...Map.groupBy(unordered, ({ from, to }) => `${from} ${to}`).values()].map(group =>
      lossesOf(reach, group).catch(() => new Map<string, number>()),
    ),
  )
  return unordered
    .map(each => ({
      ...each,
      allowed: allowing.has(each.topic),
      loss: losses.map(found => found.get(nameOf(each))).find(loss => loss !== undefined) ?? null,
    }))
    .filter(({ allowed, loss }) => allowed || loss !== null)
}

/** Partitions of which a healer has had, or may just have had, a replica elected that was not in sync. */
const orderedIn = (incidents: readonly Incident[]): ReadonlySet<string> =>
  new Set(
    incidents.flatMap(({ recovery, actedAt }) =>
      recovery === undefined || actedAt === null ? [] : recovery.partitions.map(nameOf),
    ),
  )

/** What is on the disk of who led before, and the new leader has not; nothing of those where that is not (any more) to be seen. */
async function lossesOf(
  { agent, brokers, signal }: Reach,
  group: readonly SuspectElection[],
): Promise<ReadonlyMap<string, number>> {
  const { from, to } = group[0]!
  const names: Named[] = group.map(({ topic, partition }) => ({ topic, partition }))
  const read = async (broker: number) => {
    const process = brokers.find(({ id }) => id === broker)?.process
    const disk = process === undefined ? undefined : await agent.replicas(process, names, signal)
    return new Map(disk?.replicas.map(each => [nameOf(each), each.log]))
  }
  // The one that may cut its log any moment first.
  const before = await read(from)
  const after = await read(to)
  return new Map(
    names.flatMap(each => {
      const [had, has] = [before.get(nameOf(each)), after.get(nameOf(each))]
      if (had === undefined || had === null || has === undefined || has === null) return []
      const loss = missingFrom(had, has)
      return loss > 0 ? [[nameOf(each), loss] as const] : []
    }),
  )
}
