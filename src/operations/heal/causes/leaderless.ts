/**
 * Partitions that nobody leads and that no broker's return will cure, and who is to lead them. What is lost by electing a
 * survivor is measured against the log of whoever was in sync last: nobody has more of what was acknowledged, and it is what
 * would be kept if that one came back (docs/decisions/0022). Pure.
 */
import type {
  Alternative,
  BrokerFacts,
  Care,
  Diagnosis,
  HealFacts,
  PartitionFacts,
  Plan,
  Signal,
  Subject,
} from '../contract.ts'
import {
  type LeaderlessFacts,
  lossText,
  MOST_PARTITIONS,
  nameOf,
  type PartitionRecovery,
  type Recovery,
  type ReplicaLog,
  type SeenLog,
  shortHash,
} from '../recovery.ts'
import { agreesUpTo, byAdvance, isBeyond, type LogExtent, lastEpoch, missingFrom } from './logs.ts'
import { agreed, named } from './signs.ts'

/** What the controller does by itself, it has done by then: it elects within its own second. */
export const SETTLES_MS = 2_000
/** Of one that no agent testifies of: so long it may be away for other reasons than its end. */
export const UNKNOWN_MS = 30_000

export const leaderlessCare: Care = { diagnose, plan }

/**
 * One diagnosis for the partitions that the same brokers were in sync of last, those of which nothing would be lost apart:
 * they need not wait for a person.
 */
function diagnose(facts: HealFacts): readonly Diagnosis[] {
  const hopeless = (facts.leaderless ?? []).filter(each => isHopeless(each, facts))
  const groups = Map.groupBy(hopeless, each => {
    const { leader, loss } = recoveryOf(each, facts)
    return JSON.stringify([each.inSync.toSorted(), leader === null ? 'nobody' : loss === 0])
  })
  return [...groups.values()].flatMap(group => {
    const chosen = group.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).slice(0, MOST_PARTITIONS)
    const found = diagnosisOf(chosen, facts)
    return agreed(found.signals) ? [found] : []
  })
}

/** Of partitions without a leader, all of one incident. */
export function diagnosisOf(leaderless: readonly LeaderlessFacts[], facts: HealFacts): Diagnosis {
  const { cluster } = facts
  const subject: Subject = {
    kind: 'partitions',
    partitions: leaderless.map(({ topic, partition }) => ({ topic, partition })),
  }
  return {
    cause: 'partition-leaderless',
    cluster,
    subject,
    // Replicas of several racks are reordered, and one becomes leader: nobody moves any meanwhile.
    domain: { kind: 'cluster', cluster },
    beganAt: Math.min(...leaderless.map(({ since }) => since)),
    mark: shortHash(leaderless.map(each => [nameOf(each), each.leaderEpoch])),
    signals: signalsOf(leaderless, facts),
    pid: null,
    affected: { leaderless: leaderless.length, waitingForIt: leaderless.length, lastInSync: [] },
  }
}

/**
 * Whether nobody who was in sync comes back by itself. A broker that its agent starts again, or that runs, brings what it
 * led back with it, and the controller elects it: an election of another must not race that.
 */
export function isHopeless(partition: LeaderlessFacts, facts: HealFacts): boolean {
  const waitedMs = facts.at - partition.since
  if (waitedMs < SETTLES_MS) return false
  return lastOf(partition, facts).every(id => {
    const broker = brokerOf(facts, id)
    if (broker === undefined) return waitedMs >= UNKNOWN_MS
    // The controller elects it only if it counts it as in sync; else it is a survivor like others.
    if (lives(broker) && !partition.inSync.includes(id)) return true
    const { testimony, registration, probe } = broker
    if (probe.kind === 'answers' || registration === 'up' || testimony.kind === 'running') return false
    // One agent says that it runs: what it has may come back.
    if (testimony.kind === 'disputed') return false
    if (testimony.kind === 'dead') return testimony.givenUp
    return waitedMs >= UNKNOWN_MS
  })
}

/**
 * Who may have more than those that live: whoever was in sync, also if the controller no longer trusts its disk; if nobody knows
 * who, everyone who is away. None: everybody lives, and nobody is trusted.
 */
function lastOf(partition: LeaderlessFacts, facts: HealFacts): readonly number[] {
  const { inSync, lastKnown, replicas } = partition
  const isAway = (id: number): boolean => !isSurvivor(partition, id, facts)
  const last = [...new Set([...inSync, ...lastKnown.filter(isAway)])]
  return last.length > 0 ? last : replicas.filter(isAway)
}

const brokerOf = ({ brokers }: HealFacts, id: number): BrokerFacts | undefined =>
  brokers.find(broker => broker.id === id)

const logOf = ({ logs }: LeaderlessFacts, id: number): SeenLog | undefined =>
  logs.find(({ broker }) => broker === id)

const lives = ({ registration, probe }: BrokerFacts): boolean =>
  registration === 'up' && probe.kind === 'answers'

/** It may be elected, and answers for its log. */
function isSurvivor(partition: LeaderlessFacts, id: number, facts: HealFacts): boolean {
  const broker = brokerOf(facts, id)
  if (broker === undefined || !lives(broker)) return false
  return (logOf(partition, id)?.saidEnd ?? null) !== null
}

function signalsOf(leaderless: readonly LeaderlessFacts[], facts: HealFacts): Signal[] {
  const names = named(leaderless.map(nameOf))
  const lasts = [...new Set(leaderless.flatMap(each => lastOf(each, facts)))].sort((a, b) => a - b)
  return [
    { source: 'controller', says: `nobody leads ${names}; in sync last: ${brokersText(lasts)}` },
    ...lasts.slice(0, 6).flatMap((id): Signal[] => {
      const { testimony, probe } = brokerOf(facts, id) ?? {}
      return [
        ...(testimony?.kind === 'dead'
          ? [{ source: 'agent', says: `broker ${id} ${endText(testimony.lastEnd)}` } as const]
          : []),
        ...(probe?.kind === 'refused' || probe?.kind === 'silent'
          ? [
              {
                source: 'probe',
                says:
                  probe.kind === 'refused'
                    ? `nobody listens at the address of broker ${id}`
                    : `broker ${id} takes connections and answers none`,
              } as const,
            ]
          : []),
      ]
    }),
  ]
}

function endText(end: { readonly pid: number; readonly how: string } | null): string {
  return end === null
    ? 'does not run, and is not started again'
    : `ended (process ${end.pid}, ${end.how}), and is not started again`
}

const brokersText = (ids: readonly number[]): string =>
  ids.length === 0 ? 'nobody knows' : `${ids.length === 1 ? 'broker' : 'brokers'} ${ids.join(', ')}`

/* ---- who is to lead, and what that costs ---- */

/** What is known of a replica's log; `problem`: why that is not all. */
type Known = { readonly extent: LogExtent } | { readonly problem: string }

/**
 * What a survivor holds: its end by its own word, its epochs from its disk, and the two must agree; of one that is gone, what is
 * on its disk, if two sides say that nothing can write there any more.
 */
function extentOf(partition: LeaderlessFacts, id: number, facts: HealFacts): Known {
  const seen = logOf(partition, id)
  const onDisk = seen?.onDisk ?? null
  if (onDisk === null) return { problem: seen?.problem ?? 'no agent can read its disk' }
  if (seen!.problem !== null) return { problem: seen!.problem }
  if (isSurvivor(partition, id, facts))
    return onDisk.end === seen!.saidEnd
      ? { extent: onDisk }
      : { problem: `it says its log ends at ${seen!.saidEnd}, its disk at ${onDisk.end}` }
  const broker = brokerOf(facts, id)
  const isOut =
    broker?.probe.kind === 'refused' || broker?.registration === 'fenced' || broker?.registration === 'absent'
  if (broker?.testimony.kind !== 'dead' || !isOut)
    return { problem: 'that it has ended is not certain: it may still take writes' }
  return { extent: onDisk }
}

/**
 * Who of the survivors has most of what the last in-sync replica has. That one's log is the measure; where several were in sync,
 * the most advanced of theirs; where everybody lives, of all. Without it nobody can say what is lost, and the most advanced
 * survivor is the best guess.
 */
export function recoveryOf(partition: LeaderlessFacts, facts: HealFacts): PartitionRecovery {
  const { topic, partition: index, leaderEpoch, replicas } = partition
  const lasts = lastOf(partition, facts)
  const known = new Map(replicas.map(id => [id, extentOf(partition, id, facts)]))
  const extent = (id: number): LogExtent | undefined => {
    const found = known.get(id)
    return found !== undefined && 'extent' in found ? found.extent : undefined
  }
  const most = lasts.length > 0 ? lasts : replicas
  const measures = most.flatMap(id => extent(id) ?? [])
  const measure = measures.length === most.length ? measures.sort(byAdvance)[0] : undefined
  const contradicted = measure === undefined ? undefined : contradictionTo(measure, partition, extent)
  const reference = contradicted === undefined ? measure : undefined
  const agrees = (id: number): number | null => {
    const log = extent(id)
    return reference === undefined || log === undefined ? null : agreesUpTo(reference, log)
  }
  const survivors = replicas.filter(id => isSurvivor(partition, id, facts))
  const leader = survivors.toSorted((a, b) => {
    const [one, other] = [extent(a), extent(b)]
    if (one === undefined || other === undefined)
      return (
        Number(one === undefined) - Number(other === undefined) ||
        saidEnd(partition, b) - saidEnd(partition, a)
      )
    return (agrees(b) ?? 0) - (agrees(a) ?? 0) || byAdvance(one, other)
  })[0]
  const chosen = leader === undefined ? undefined : extent(leader)
  const loss = reference === undefined || chosen === undefined ? null : missingFrom(reference, chosen)
  const keptUpTo = leader === undefined ? 0 : (agrees(leader) ?? saidEnd(partition, leader))
  const witnesses = partition.logs.filter(
    ({ broker, problem }) => problem === null && (lasts.includes(broker) || survivors.includes(broker)),
  )
  const committed = Math.max(0, ...witnesses.map(({ onDisk }) => onDisk?.highWatermark ?? 0))
  const committedLoss = Math.max(0, committed - keptUpTo)
  return {
    ...{ topic, partition: index, leaderEpoch },
    replicas: [...replicas],
    leader: leader ?? null,
    loss,
    committedLoss: loss === null ? committedLoss : Math.min(loss, committedLoss),
    logs: replicas.map((id): ReplicaLog => {
      const seen = logOf(partition, id)
      const log = extent(id)
      const found = known.get(id)!
      return {
        broker: id,
        role: survivors.includes(id) ? 'survivor' : lasts.includes(id) ? 'last' : 'other',
        start: log?.start ?? null,
        end: log?.end ?? seen?.saidEnd ?? null,
        epoch: log === undefined ? null : lastEpoch(log),
        highWatermark: seen?.onDisk?.highWatermark ?? null,
        readFrom: [
          ...((seen?.saidEnd ?? null) === null ? [] : (['api'] as const)),
          ...((seen?.onDisk ?? null) === null ? [] : (['disk'] as const)),
        ],
        agreesUpTo: agrees(id),
        problem:
          'problem' in found
            ? found.problem.slice(0, 300)
            : lasts.includes(id) && contradicted !== undefined
              ? contradicted
              : null,
      }
    }),
  }
}

/**
 * Whoever was in sync last has all that anybody knows to be committed, and all that its followers copied from it. If it has not,
 * its disk was replaced or cut, and is no measure.
 */
function contradictionTo(
  measure: LogExtent,
  { logs }: LeaderlessFacts,
  extent: (id: number) => LogExtent | undefined,
): string | undefined {
  for (const { broker, onDisk } of logs) {
    const log = extent(broker)
    if (log === undefined || log === measure) continue
    if (isBeyond(log, measure)) return `its disk has lost something: broker ${broker} has more than it`
    const committed = onDisk?.highWatermark ?? 0
    if (committed > measure.start && committed > agreesUpTo(measure, log))
      return `its disk has lost something: broker ${broker} knows that ${committed} records were committed`
  }
  return undefined
}

const saidEnd = (partition: LeaderlessFacts, id: number): number => logOf(partition, id)?.saidEnd ?? -1

/* ---- what is said of it ---- */

function plan({ subject }: Diagnosis, facts: HealFacts): Plan {
  const its = new Set(subject.kind === 'partitions' ? subject.partitions.map(nameOf) : [])
  const leaderless = (facts.leaderless ?? []).filter(each => its.has(nameOf(each)))
  if (leaderless.length === 0) return { kind: 'nothing', why: 'every one of them has a leader' }
  const recovery: Recovery = { partitions: leaderless.map(each => recoveryOf(each, facts)), doneAt: null }
  const lasts = [...new Set(leaderless.flatMap(each => lastOf(each, facts)))].sort((a, b) => a - b)
  const refused = alternatives(recovery, lasts)
  const dead = recovery.partitions.filter(({ leader }) => leader === null)
  if (dead.length > 0)
    return {
      kind: 'none',
      why: `no replica of ${named(dead.map(nameOf))} lives: start a broker that has one`,
      refused,
    }
  const lossy = recovery.partitions.filter(({ loss }) => loss !== 0)
  return {
    kind: 'remedy',
    remedy: 'elect-most-advanced',
    reasons: (lossy.length === 0 ? recovery.partitions : lossy).slice(0, 10).map(reasonOf),
    refused,
    recovery,
    ...(lossy.length === 0 ? {} : { asks: `only a person may decide it: ${lossText(recovery)}` }),
  }
}

function reasonOf(each: PartitionRecovery): string {
  const { leader, loss, committedLoss, logs } = each
  const name = nameOf(each)
  const chosen = logs.find(({ broker }) => broker === leader)!
  const last = logs.filter(({ role }) => role === 'last')
  const upTo = `${chosen.end ?? '?'}${chosen.epoch === null ? '' : ` in epoch ${chosen.epoch}`}`
  const who = brokersText(last.map(({ broker }) => broker))
  if (loss === 0)
    return `${name}: broker ${leader} (up to ${upTo}) has all that ${who} had, and nobody acknowledged more than that`
  const certain = committedLoss > 0 ? `, ${committedLoss} of them committed for certain` : ''
  if (loss !== null)
    return `${name}: broker ${leader} (up to ${upTo}) lacks ${loss} records that ${who} has${certain}`
  const whyNot = [...last, chosen].find(({ problem }) => problem !== null)
  const unread = whyNot === undefined ? '' : ` (broker ${whyNot.broker}: ${whyNot.problem})`
  const atLeast = committedLoss > 0 ? `; at least ${committedLoss} committed records are` : ''
  return `${name}: broker ${leader} (up to ${upTo}) is the most advanced that lives; how much is lost is not known${unread}${atLeast}`
}

function alternatives({ partitions }: Recovery, lasts: readonly number[]): Alternative[] {
  const behind = partitions.flatMap(each => {
    const chosen = each.logs.find(({ broker }) => broker === each.leader)
    const others = each.logs.filter(({ role, broker }) => role === 'survivor' && broker !== each.leader)
    return others.flatMap(({ broker, end, epoch, agreesUpTo }) =>
      chosen === undefined || (end === chosen.end && epoch === chosen.epoch)
        ? []
        : [
            {
              what: `elect broker ${broker} for ${nameOf(each)}`,
              whyNot: `its log ends at ${end ?? '?'} in epoch ${epoch ?? '?'}${agreesUpTo === null ? '' : `, and is that of the last in sync only up to ${agreesUpTo}`}`,
            },
          ],
    )
  })
  return [
    {
      what: `wait for ${brokersText(lasts)}`,
      whyNot: 'nobody starts it again by itself; if somebody can, with its disk whole, that loses nothing',
    },
    ...behind.slice(0, 10),
    {
      what: 'let Kafka elect whom it takes',
      whyNot: 'it takes the first that lives in order of preference, however far behind',
    },
  ]
}

/** Whether they have leaders, and everyone who lives is in sync with them. */
export function isLed(
  partitions: readonly PartitionFacts[],
  subject: Extract<Subject, { kind: 'partitions' }>,
  alive: (broker: number) => boolean,
): boolean {
  const its = new Set(subject.partitions.map(nameOf))
  // One that is no more needs nobody.
  return partitions
    .filter(each => its.has(nameOf(each)))
    .every(
      ({ leader, replicas, isr }) => leader !== null && replicas.filter(alive).every(id => isr.includes(id)),
    )
}
