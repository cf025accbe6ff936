/** Looks at the two sides of a link for a switch. */
import { describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { firstDifference, logEntries } from '../digest.ts'
import type { GroupFacts } from '../keep/facts.ts'
import { aclsOf, copiedTopics } from '../keep/gather.ts'
import { namesOf } from '../keep/names.ts'
import { EMPTY_KEEP } from '../keep/state.ts'
import type { FailoverAdmin, FailoverContext } from './control.ts'
import {
  type Compared,
  type FailoverFacts,
  logsOf,
  type PartitionLog,
  pairKey,
  type SeenSide,
  type SideFacts,
  type SideTopic,
  type TopicPair,
} from './facts.ts'
import type { RehearsalOptions } from './rehearsal.ts'
import type { FailoverState, LogEnd } from './state.ts'

/** A side that does not answer in this time is taken for unreachable, ms. */
const REACH_MS = 10_000
/** Offsets before where two logs parted that are compared too: a log that was cut and written anew shows there. */
const COMPARE_BACK = 10_000

export async function lookAtBoth(
  context: FailoverContext,
  state: FailoverState,
  options: Pick<RehearsalOptions, 'action' | 'planned'>,
  signal: AbortSignal,
): Promise<FailoverFacts> {
  const { definition, source, target, link, keepStore, principal, now } = context
  const at = now()
  const [status, copiedIds, mapped, kept] = await Promise.all([
    link.status(signal),
    link.copiedIds(signal),
    link.mapped(signal),
    keepStore.load(),
  ])
  const known = new Set([
    ...copiedIds.keys(),
    ...(status?.partitions ?? []).map(({ topic }) => topic),
    ...state.fork.map(({ topic }) => topic),
  ])
  const found = await reach(
    async () => source.admin.describeTopics('all', { signal, deadlineMs: REACH_MS }),
    signal,
  )
  if (found.ok) for (const { name } of found.value) known.add(name)
  const topics = copiedTopics(definition, [...known].sort())
  const lookAtSource = async (): Promise<SideFacts> => {
    const names = topics.map(each => each.source)
    return found.ok ? seeSide(source.admin, names, signal) : { reachable: false, reason: found.reason }
  }
  const lookAtTarget = (): Promise<SideFacts> => {
    const names = topics.map(each => each.copy)
    return seeSide(target.admin, names, signal)
  }
  const [theirs, ours] = await copyFirst(state, lookAtSource, lookAtTarget)
  // A topic that neither side has any more is nobody's concern.
  const there = topics.filter(
    ({ source: name, copy }) =>
      !theirs.reachable || theirs.topics.has(name) || !ours.reachable || ours.topics.has(copy),
  )
  const compared =
    theirs.reachable && ours.reachable
      ? await compare(context, there, theirs, ours, state, options, signal)
      : []
  const keeps = namesOf(definition.keep.groups)
  return {
    at,
    link: definition.name,
    topics: there,
    mapped,
    principal,
    keepsGroup: group => keeps.means(group),
    foreignPositions: definition.keep.foreignPositions,
    status,
    source: theirs,
    target: ours,
    kept: kept ?? EMPTY_KEEP,
    copiedIds,
    compared,
    state,
  }
}

/** What a copy had when it was looked at, its original has when it is looked at after it. */
async function copyFirst(
  { phase }: FailoverState,
  lookAtSource: () => Promise<SideFacts>,
  lookAtTarget: () => Promise<SideFacts>,
): Promise<[source: SideFacts, target: SideFacts]> {
  if (phase === 'copying' || phase === 'promoting') {
    const ours = await lookAtTarget()
    return [await lookAtSource(), ours]
  }
  const theirs = await lookAtSource()
  return [theirs, await lookAtTarget()]
}

async function reach<Value>(
  ask: () => Promise<Value>,
  signal: AbortSignal,
): Promise<{ ok: true; value: Value } | { ok: false; reason: string }> {
  try {
    return { ok: true, value: await ask() }
  } catch (error) {
    signal.throwIfAborted()
    if (!isAjnaError(error)) throw error
    return { ok: false, reason: describeError(error) }
  }
}

/** @param names the link's topics at this side; those that do not exist are left out */
async function seeSide(
  admin: FailoverAdmin,
  names: readonly string[],
  signal: AbortSignal,
): Promise<SideFacts> {
  const seen = await reach(async (): Promise<SeenSide> => {
    const [topics, acls, groups] = await Promise.all([
      topicsAt(admin, names, signal),
      aclsOf(admin, { signal }),
      groupsAt(admin, new Set(names), signal),
    ])
    return { reachable: true, authorizer: acls === null ? 'none' : 'acls', acls: acls ?? [], topics, groups }
  }, signal)
  return seen.ok ? seen.value : { reachable: false, reason: seen.reason }
}

export async function topicsAt(
  admin: FailoverAdmin,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, SideTopic>> {
  if (names.length === 0) return new Map()
  const described = await admin.describeTopics(names, { signal, deadlineMs: REACH_MS })
  const partitions = described.flatMap(({ name: topic, partitions: each }) =>
    each.map(({ partition }) => ({ topic, partition })),
  )
  const call = { signal, deadlineMs: REACH_MS }
  const ask = (at: 'earliest' | 'latest', isolation: 'read_uncommitted' | 'read_committed') =>
    admin.listOffsets(
      partitions.map(each => ({ ...each, at })),
      { ...call, isolation },
    )
  // The stable offset is never beyond the end that is asked for after it.
  const [starts, stables] = await Promise.all([
    ask('earliest', 'read_uncommitted'),
    ask('latest', 'read_committed'),
  ])
  const ends = await ask('latest', 'read_uncommitted')
  const logs = new Map<string, PartitionLog[]>()
  const unknown = new Map<string, { partition: number; reason: string }[]>()
  for (const [index, { topic, partition }] of partitions.entries()) {
    const [start, stable, end] = [starts[index]!, stables[index]!, ends[index]!]
    if (start.offset !== null && stable.offset !== null && end.offset !== null)
      logs.set(topic, [
        ...(logs.get(topic) ?? []),
        { partition, start: start.offset, stable: stable.offset, end: end.offset },
      ])
    else
      unknown.set(topic, [
        ...(unknown.get(topic) ?? []),
        { partition, reason: describeError(start.error ?? stable.error ?? end.error) },
      ])
  }
  return new Map(
    described.map(({ name, id }) => [
      name,
      { name, id, logs: logs.get(name) ?? [], unknown: unknown.get(name) ?? [] },
    ]),
  )
}

/** Groups that have a position on one of the topics. */
export async function groupsAt(
  admin: FailoverAdmin,
  topics: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<GroupFacts[]> {
  const call = { signal, deadlineMs: REACH_MS }
  const { groups, unanswered } = await admin.listGroups(call)
  if (unanswered[0] !== undefined) throw unanswered[0].error
  const readers = groups.filter(({ type }) => type !== 'share')
  const found = await admin.groupPositions(
    readers.map(({ id }) => id),
    call,
  )
  const failed = found.find(({ error }) => error !== null)
  if (failed?.error) throw failed.error
  return readers
    .map(({ id, state }, index) => ({
      id,
      state,
      positions: found[index]!.positions.filter(({ topic }) => topics.has(topic)),
    }))
    .filter(({ positions }) => positions.length > 0)
}

/* ---- where two logs parted ---- */

async function compare(
  context: FailoverContext,
  topics: readonly TopicPair[],
  source: SeenSide,
  target: SeenSide,
  { fork, phase }: FailoverState,
  { action, planned }: Pick<RehearsalOptions, 'action' | 'planned'>,
  signal: AbortSignal,
): Promise<Compared[]> {
  const [theirs, ours] = [logsOf(source), logsOf(target)]
  const forks = new Map(fork.map(each => [pairKey(each.topic, each.partition), each.end]))
  const back = action !== 'promote' && phase !== 'copying' && phase !== 'promoting'
  if (!back && planned) return []
  const found: Compared[] = []
  for (const { source: topic, copy } of topics) {
    for (const log of source.topics.get(topic)?.logs ?? []) {
      const { partition } = log
      const there = ours.get(pairKey(copy, partition))
      const key = pairKey(topic, partition)
      const differsAt =
        back && there !== undefined && topic === copy
          ? await differenceOf(context, { topic, partition }, log, there, forks.get(key), signal)
          : null
      const from = differsAt ?? Math.min(log.end, there?.end ?? 0)
      const count = (wire: Wire, name: string, ends: PartitionLog | undefined): Promise<number> =>
        countRecords(
          wire,
          { topic: name, partition, from: Math.max(from, ends?.start ?? 0), to: ends?.end ?? 0 },
          signal,
        )
      found.push({
        topic,
        partition,
        differsAt,
        sourceRecords: await count(context.source.wire, topic, theirs.get(key)),
        targetRecords: await count(context.target.wire, copy, there),
      })
    }
  }
  return found
}

/** The first offset from which the two hold different things; null: none, in what both hold. */
async function differenceOf(
  { source, target }: FailoverContext,
  { topic, partition }: { topic: string; partition: number },
  log: PartitionLog,
  there: PartitionLog,
  fork: number | undefined,
  signal: AbortSignal,
): Promise<number | null> {
  const to = Math.min(log.end, there.end)
  const parted = Math.min(fork ?? to, to)
  const both = Math.max(log.start, there.start)
  // What is not there any more cannot be shown to be the same.
  if (both > parted && parted < to) return parted
  const from = Math.max(both, parted - COMPARE_BACK)
  if (from >= to) return null
  const difference = await firstDifference(source.wire, target.wire, { topic, partition, from, to }, signal)
  return difference?.offset ?? null
}

/** Records that a reader of committed data would see in [from, to). */
export async function countRecords(
  wire: Wire,
  range: { readonly topic: string; readonly partition: number; readonly from: number; readonly to: number },
  signal: AbortSignal,
): Promise<number> {
  let records = 0
  for await (const _ of logEntries(wire, range, 'records', signal)) records++
  return records
}

/** Where logs end, by the topic's name at the source. */
export const endsOf = (
  topics: readonly TopicPair[],
  at: ReadonlyMap<string, SideTopic>,
  which: keyof TopicPair,
): LogEnd[] =>
  topics.flatMap(pair =>
    (at.get(pair[which])?.logs ?? []).map(({ partition, end }) => ({ topic: pair.source, partition, end })),
  )
