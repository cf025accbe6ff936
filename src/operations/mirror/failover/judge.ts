/** Whether what a step waits for has come about. Pure. */
import { count } from '../../../foundation/text/table.ts'
import { type GroupFacts, isActive } from '../keep/facts.ts'
import { pairKey, type SideTopic, type TopicPair } from './facts.ts'
import type { LogEnd } from './state.ts'

export type Judged =
  | { readonly done: true }
  /** `standing` changes whenever something moves. */
  | { readonly done: false; readonly waitsFor: string; readonly standing: string }

const DONE: Judged = { done: true }
const few = (items: readonly string[]): string =>
  items.length <= 3 ? items.join('; ') : `${items.slice(0, 3).join('; ')} and ${items.length - 3} more`

type Topics = ReadonlyMap<string, SideTopic>

function unanswered(topics: Topics): string[] {
  return [...topics.values()].flatMap(({ name, unknown }) =>
    unknown.map(({ partition, reason }) => `${name}-${partition} does not answer: ${reason}`),
  )
}

/** No transaction is open on any of the topics: everything in their logs is decided. */
export function settled(topics: Topics): Judged {
  const silent = unanswered(topics)
  const open = [...topics.values()].flatMap(({ name, logs }) =>
    logs
      .filter(({ stable, end }) => stable < end)
      .map(({ partition, stable }) => `${name}-${partition} has a transaction open since offset ${stable}`),
  )
  const all = [...silent, ...open]
  return all.length === 0 ? DONE : { done: false, waitsFor: few(all), standing: all.join() }
}

/** Every partition of the original ends where its copy does. */
export function caughtUp(
  pairs: readonly TopicPair[],
  original: Topics,
  originalIs: keyof TopicPair,
  copy: Topics,
): Judged {
  const copyIs = originalIs === 'source' ? 'copy' : 'source'
  const behind: string[] = [...unanswered(original), ...unanswered(copy)]
  for (const pair of pairs) {
    const there = new Map((copy.get(pair[copyIs])?.logs ?? []).map(log => [log.partition, log.end]))
    for (const { partition, end } of original.get(pair[originalIs])?.logs ?? []) {
      const at = there.get(partition)
      const where = `${pair[originalIs]}-${partition}`
      if (at === undefined) behind.push(`${where} has no copy`)
      else if (at < end) behind.push(`${where} is copied up to ${at} of ${end}`)
      else if (at > end) behind.push(`${where} ends at ${end}, its copy at ${at}`)
    }
  }
  return behind.length === 0 ? DONE : { done: false, waitsFor: few(behind), standing: behind.join() }
}

/** The copy has come to where the original was at an earlier look. */
export function reached(
  then: readonly LogEnd[],
  pairs: readonly TopicPair[],
  copy: Topics,
  copyIs: keyof TopicPair,
): Judged {
  const names = new Map(pairs.map(pair => [pair.source, pair[copyIs]]))
  const behind = then.flatMap(({ topic, partition, end }) => {
    const at = copy.get(names.get(topic) ?? topic)?.logs.find(log => log.partition === partition)?.end ?? 0
    return at < end ? [`${topic}-${partition} is copied up to ${at} of ${end}`] : []
  })
  return behind.length === 0 ? DONE : { done: false, waitsFor: few(behind), standing: behind.join() }
}

export interface Reading {
  readonly group: string
  /** Records up to the end that it has not committed yet. */
  readonly unread: number
}

/**
 * Groups that may still commit something new: they have members, and records to read. The topics are closed to writers, so
 * one that stands at every end, or has no members, stays where it is. Of a topic that it reads, a partition that it has
 * committed nothing for counts from its beginning: it may be about to.
 */
export function stillReading(
  groups: readonly GroupFacts[],
  topics: Topics,
  meant: (group: string) => boolean,
): Reading[] {
  return groups
    .filter(({ id, state }) => meant(id) && isActive(state))
    .map(({ id, positions }) => ({ group: id, unread: unreadOf(positions, topics) }))
    .filter(({ unread }) => unread > 0)
}

function unreadOf(positions: GroupFacts['positions'], topics: Topics): number {
  const at = new Map(positions.map(each => [pairKey(each.topic, each.partition), each.offset]))
  const read = [...new Set(positions.map(({ topic }) => topic))].flatMap(name => topics.get(name) ?? [])
  return read
    .flatMap(({ name, logs }) =>
      logs.map(({ partition, start, end }) => Math.max(0, end - (at.get(pairKey(name, partition)) ?? start))),
    )
    .reduce((sum, each) => sum + each, 0)
}

export function drained(reading: readonly Reading[]): Judged {
  if (reading.length === 0) return DONE
  const texts = reading.map(({ group, unread }) => `group ${group} has ${count(unread, 'record')} to read`)
  return { done: false, waitsFor: few(texts), standing: texts.join() }
}

/** Nothing was written to the logs since they ended there. */
export function untouched(fork: readonly LogEnd[], now: readonly LogEnd[]): Judged {
  const before = new Map(fork.map(each => [pairKey(each.topic, each.partition), each.end]))
  const grown = now
    .filter(each => each.end !== (before.get(pairKey(each.topic, each.partition)) ?? 0))
    .map(({ topic, partition, end }) => {
      return `${topic}-${partition} ends at ${end}, it ended at ${before.get(pairKey(topic, partition)) ?? 0}`
    })
  return grown.length === 0 ? DONE : { done: false, waitsFor: few(grown), standing: grown.join() }
}
