/** What a subject's state does to partitions, and when that is over. Pure. */
import type { Affected, BrokerSubject, HealFacts, PartitionFacts } from './contract.ts'

type Seen = Pick<HealFacts, 'partitions'>

type Index = ReadonlyMap<number, readonly PartitionFacts[]>

/** By the facts they are of: a rack that is lost asks for each of its brokers, several times. */
const indexes = new WeakMap<readonly PartitionFacts[], Index>()

function indexOf(partitions: readonly PartitionFacts[]): Index {
  const known = indexes.get(partitions)
  if (known !== undefined) return known
  const index = new Map<number, PartitionFacts[]>()
  for (const partition of partitions)
    for (const broker of partition.replicas) {
      const its = index.get(broker)
      if (its === undefined) index.set(broker, [partition])
      else its.push(partition)
    }
  indexes.set(partitions, index)
  return index
}

/** Partitions that have something to do with it. */
export function partitionsOf({ partitions }: Seen, subject: BrokerSubject): readonly PartitionFacts[] {
  const its = partitions === null ? [] : (indexOf(partitions).get(subject.broker) ?? [])
  return subject.kind === 'replica'
    ? its.filter(({ topic, partition }) => topic === subject.topic && partition === subject.partition)
    : its
}

/**
 * A leader waits for each replica that was in sync within `replica.lag.time.max.ms`, in the in-sync set or not, as long as
 * its broker lives (Partition.maybeIncrementLeaderHW): so one on a dead log dir holds acks=all up for half a minute.
 */
const offlineAt = (seen: Seen, subject: BrokerSubject): readonly PartitionFacts[] =>
  partitionsOf(seen, subject).filter(({ offline }) => offline?.includes(subject.broker))

export function affectedBy(seen: Seen, subject: BrokerSubject): Affected {
  const { broker } = subject
  const isDir = subject.kind === 'log-dir'
  const its = isDir ? offlineAt(seen, subject) : partitionsOf(seen, subject)
  return {
    leaderless: its.filter(({ leader }) => leader === null || leader === broker).length,
    waitingForIt: its.filter(({ isr }) => isDir || isr.includes(broker)).length,
    lastInSync: its
      .filter(each => mayBeLast(each, broker))
      .map(({ topic, partition }) => `${topic}-${partition}`),
  }
}

export interface Without {
  /** Partitions of which enough in-sync replicas are left to acknowledge a write. */
  readonly enough: number
  /** Of which too few are, for people: `orders-4 (1 of 2)`. */
  readonly tooFew: readonly string[]
  /** Of which it is not known how many that takes. */
  readonly unknown: readonly string[]
}

/** What is left of the in-sync replicas that wait for it, once it is none of them. Its own last ones are not among them. */
export function leftWithout(seen: Seen, subject: BrokerSubject): Without {
  let enough = 0
  const [tooFew, unknown]: [string[], string[]] = [[], []]
  for (const { topic, partition, isr, needs = 1 } of partitionsOf(seen, subject)) {
    if (!isr.includes(subject.broker) || isr.length === 1) continue
    const name = `${topic}-${partition}`
    if (needs === null) unknown.push(name)
    else if (isr.length - 1 < needs) tooFew.push(`${name} (${isr.length - 1} of ${needs})`)
    else enough++
  }
  return { enough, tooFew, unknown }
}

/**
 * With eligible leader replicas (KIP-966) whoever was in sync last is not in the ISR any more once it is fenced: of a partition
 * that nobody leads, with nobody in sync, each replica may be the one.
 */
const mayBeLast = ({ leader, isr }: PartitionFacts, broker: number): boolean =>
  isr.length === 0 ? leader === null : isr.length === 1 && isr[0] === broker

/** Whether acknowledged writes flow to every partition that it concerns, without it. */
export function flowsWithout(seen: Seen, subject: BrokerSubject): boolean {
  const { broker } = subject
  if (seen.partitions === null) return false
  if (subject.kind === 'log-dir') return offlineAt(seen, subject).length === 0
  return partitionsOf(seen, subject).every(
    ({ leader, isr }) => leader !== null && leader !== broker && !isr.includes(broker),
  )
}

/** Whether every replica on it is in sync again. */
export function isRedundantWith(seen: Seen, subject: BrokerSubject): boolean {
  const { broker } = subject
  if (seen.partitions === null) return false
  return partitionsOf(seen, subject).every(({ leader, isr }) => leader !== null && isr.includes(broker))
}
