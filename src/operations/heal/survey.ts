/** Partitions that nobody leads, and what each of their replicas' logs holds: by its broker's word, and on its disk. */
import { describeError } from '../../foundation/errors/errors.ts'
import type { PartitionState, TopicState } from '../../foundation/kafka/topics.ts'
import type { ReplicasOnDisk } from '../hosts/contract.ts'
import { isHopeless, SETTLES_MS } from './causes/leaderless.ts'
import { named } from './causes/signs.ts'
import { type BrokerFacts, type HealFacts, isOver } from './contract.ts'
import type { HealerOptions } from './ends.ts'
import { type LeaderlessFacts, MOST_PARTITIONS, nameOf, type SeenLog } from './recovery.ts'

const ASK_MS = 2_000

type Named = Readonly<{ topic: string; partition: number }>

export interface Survey {
  /** Those that no incident is about yet and nobody brings back, with what their replicas hold; at most fifty at a time. */
  look(facts: HealFacts): Promise<readonly LeaderlessFacts[]>
  /** Those of one incident that still have no leader. @throws why it cannot be told just now */
  again(partitions: readonly Named[], since: number, facts: HealFacts): Promise<readonly LeaderlessFacts[]>
}

type Reach = Pick<HealerOptions, 'cluster' | 'admin' | 'agent' | 'brokers' | 'book' | 'signal'>

export function createSurvey(reach: Reach): Survey {
  const sinceWhen = new Map<string, number>()
  return {
    async look(facts) {
      if (facts.partitions === null) return []
      const leaderless = facts.partitions.filter(({ leader }) => leader === null)
      const names = new Set(leaderless.map(nameOf))
      for (const name of sinceWhen.keys()) if (!names.has(name)) sinceWhen.delete(name)
      for (const name of names) if (!sinceWhen.has(name)) sinceWhen.set(name, facts.at)
      const known = inIncidents(reach)
      const since = (each: Named): number => sinceWhen.get(nameOf(each))!
      const fresh = leaderless.filter(
        each => !known.has(nameOf(each)) && facts.at - since(each) >= SETTLES_MS,
      )
      if (fresh.length === 0) return []
      // What is disputed is looked at again.
      const { leaderless: standing } = await describe(reach, fresh, since, facts)
      const hopeless = standing.filter(each => isHopeless(each, facts))
      return withLogs(reach, hopeless.slice(0, MOST_PARTITIONS), facts)
    },
    async again(partitions, since, facts) {
      const { leaderless, disputed } = await describe(reach, partitions, () => since, facts)
      if (disputed.length > 0) throw new Error(`brokers disagree on ${named(disputed)}`)
      return withLogs(reach, leaderless, facts)
    },
  }
}

function inIncidents({ book, cluster }: Reach): ReadonlySet<string> {
  return new Set(
    book
      .list()
      .filter(each => each.cluster === cluster && each.cause === 'partition-leaderless' && !isOver(each))
      .flatMap(({ subject }) => (subject.kind === 'partitions' ? subject.partitions.map(nameOf) : [])),
  )
}

/** How partitions stand, as every broker that is up has it. */
interface Standing {
  readonly leaderless: readonly LeaderlessFacts[]
  /** Brokers disagree on them: one that has not heard from the controller for long speaks of a state that is over. */
  readonly disputed: readonly string[]
}

/** @throws what the cluster answers; that no broker is up */
async function describe(
  { admin, signal }: Reach,
  partitions: readonly Named[],
  since: (each: Named) => number,
  { brokers }: HealFacts,
): Promise<Standing> {
  const topics = [...new Set(partitions.map(({ topic }) => topic))]
  const call = { signal, deadlineMs: ASK_MS }
  const up = brokers.filter(({ registration }) => registration === 'up')
  if (up.length === 0) throw new Error('no broker is up to say how they stand')
  const [eligible, ...views] = await Promise.all([
    admin.eligibleLeaders(topics, call),
    ...up.map(({ id }) => admin.describeTopics(topics, { ...call, broker: id })),
  ])
  const states = views.map(statesIn)
  const leaderless: LeaderlessFacts[] = []
  const disputed: string[] = []
  for (const { topic, partition } of partitions) {
    const name = nameOf({ topic, partition })
    const [first, ...others] = states.map(view => view.get(name))
    if (others.some(other => gist(other) !== gist(first))) disputed.push(name)
    else if (first !== undefined && first.leader === null) {
      const elr = eligible.find(each => nameOf(each) === name)
      const { leaderEpoch, replicas, isr } = first
      leaderless.push({
        ...{ topic, partition, leaderEpoch, replicas },
        since: since({ topic, partition }),
        inSync: [...new Set([...isr, ...(elr?.eligible ?? [])])],
        lastKnown: elr?.lastKnown ?? [],
        logs: [],
      })
    }
  }
  return { leaderless, disputed }
}

const statesIn = (view: readonly TopicState[]): ReadonlyMap<string, PartitionState> =>
  new Map(
    view.flatMap(({ name: topic, partitions }) =>
      partitions.map(each => [nameOf({ topic, partition: each.partition }), each] as const),
    ),
  )

/** Undefined: the topic is no more. */
const gist = (state: PartitionState | undefined): string =>
  JSON.stringify(state && [state.leader, state.leaderEpoch, state.isr, state.replicas]) ?? ''

/* ---- what their replicas hold ---- */

async function withLogs(
  reach: Reach,
  partitions: readonly LeaderlessFacts[],
  { brokers }: HealFacts,
): Promise<readonly LeaderlessFacts[]> {
  if (partitions.length === 0) return []
  const ids = [...new Set(partitions.flatMap(({ replicas }) => replicas))]
  const read = await Promise.all(
    ids.map(async id => {
      const its = partitions.filter(({ replicas }) => replicas.includes(id))
      const broker = brokers.find(each => each.id === id)
      return [id, await logsOf(reach, id, broker, its)] as const
    }),
  )
  const byBroker = new Map(read)
  return partitions.map(each => ({
    ...each,
    logs: each.replicas.map(id => byBroker.get(id)!(each)),
  }))
}

/** The disk first, then the broker's word: of a log that does not move they are the same. */
async function logsOf(
  { agent, admin, brokers, signal }: Reach,
  id: number,
  facts: BrokerFacts | undefined,
  partitions: readonly LeaderlessFacts[],
): Promise<(each: LeaderlessFacts) => SeenLog> {
  const process = brokers.find(each => each.id === id)?.process
  const isUp = facts?.registration === 'up'
  const named = partitions.map(({ topic, partition }) => ({ topic, partition }))
  const disk =
    process === undefined
      ? undefined
      : await agent.replicas(process, named, signal).catch((error: unknown) => describeError(error))
  const ends = isUp
    ? await admin.listReplicaEnds(id, named, { signal, deadlineMs: ASK_MS }).catch(() => [])
    : []
  const trouble = troubleOf(disk, facts)
  return each => {
    const name = nameOf(each)
    const found =
      typeof disk === 'object' ? disk.replicas.find(replica => nameOf(replica) === name) : undefined
    const problem = trouble ?? found?.problem ?? null
    return {
      broker: id,
      saidEnd: ends.find(end => nameOf(end) === name)?.end ?? null,
      onDisk: found?.log ?? null,
      problem: problem === null ? null : problem.slice(0, 300),
    }
  }
}

/** Why what was read of a broker's disk is not all it ever acknowledged, or not the last of it; undefined: it is. */
export function troubleOf(
  disk: ReplicasOnDisk | string | undefined,
  broker: BrokerFacts | undefined,
): string | undefined {
  if (disk === undefined) return 'no agent reads its disk'
  if (typeof disk === 'string') return `its disk cannot be read: ${disk}`
  // Of one that lives, what it has now is what counts.
  if (broker?.registration === 'up') return undefined
  if (disk.pid.before !== null || disk.pid.after !== null) return 'its process runs while its disk is read'
  const end = broker?.testimony.kind === 'dead' ? broker.testimony.lastEnd : null
  if (end === null)
    return 'nobody saw its process end: its machine may have lost what was not on its disk yet'
  if (disk.bootedAt > end.at)
    return 'its machine was started anew since: what was not on its disk yet is gone'
  return undefined
}
