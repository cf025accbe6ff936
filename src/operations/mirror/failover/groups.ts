/** What a switch of sides means for consumer groups. Pure. */
import { isActive } from '../keep/facts.ts'
import { decidePosition, within } from '../keep/positions.ts'
import type { Moved } from '../keep/state.ts'
import { type FailoverFacts, logsOf, type PartitionLog, pairKey, type SeenSide } from './facts.ts'
import {
  type Bound,
  exactly,
  type GroupOutcome,
  NONE,
  NOT_KEPT,
  type PartitionOutcome,
  type RehearsalOptions,
} from './rehearsal.ts'

interface Place {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

export function outcomesOfGroups(
  facts: FailoverFacts,
  options: RehearsalOptions,
  partitions: readonly PartitionOutcome[],
): GroupOutcome[] {
  if (!facts.target.reachable) return []
  if (options.action === 'promote')
    return options.planned && facts.source.reachable
      ? plannedGroups(facts, facts.source, facts.target, options)
      : unplannedGroups(facts, facts.target)
  return facts.source.reachable ? returningGroups(facts, facts.source, facts.target, options, partitions) : []
}

/** Positions of a side's groups, by group, the topic's name at the source, and partition. */
function positionsAt(
  facts: FailoverFacts,
  side: SeenSide,
  which: 'source' | 'copy',
): Map<string, [Place, number]> {
  const names = new Map(facts.topics.map(pair => [pair[which], pair.source]))
  const found = new Map<string, [Place, number]>()
  for (const { id: group, positions } of side.groups)
    for (const { topic: name, partition, offset } of positions) {
      const topic = names.get(name)
      if (topic !== undefined)
        found.set(placeKey({ group, topic, partition }), [{ group, topic, partition }, offset])
    }
  return found
}

const placeKey = ({ group, topic, partition }: Place): string => `${group}\u0000${topic}/${partition}`

const activeAt = ({ groups }: SeenSide): ReadonlySet<string> =>
  new Set(groups.filter(({ state }) => isActive(state)).map(({ id }) => id))

function copyLogs(facts: FailoverFacts, target: SeenSide): ReadonlyMap<string, PartitionLog> {
  const logs = logsOf(target)
  return new Map(
    facts.topics.flatMap(({ source, copy }) =>
      (target.topics.get(copy)?.logs ?? []).map(log => {
        return [pairKey(source, log.partition), logs.get(pairKey(copy, log.partition))!] as const
      }),
    ),
  )
}

const byPlace = (a: Place, b: Place): number =>
  a.group !== b.group
    ? a.group < b.group
      ? -1
      : 1
    : a.topic !== b.topic
      ? a.topic < b.topic
        ? -1
        : 1
      : a.partition - b.partition

/** The copy will have all, and the group moves when it has come to the end or has stopped: nothing twice, nothing skipped. */
function plannedGroups(
  facts: FailoverFacts,
  source: SeenSide,
  target: SeenSide,
  { consents }: RehearsalOptions,
): GroupOutcome[] {
  const [here, there] = [positionsAt(facts, source, 'source'), positionsAt(facts, target, 'copy')]
  const [readsHere, readsThere] = [activeAt(source), activeAt(target)]
  const [ends, moved] = [logsOf(source), movedPlaces(facts)]
  const outcomes = [...here].map(([key, [place, offset]]): GroupOutcome => {
    const stands = there.get(key)?.[1] ?? null
    const common = { ...place, here: offset, there: stands }
    const end = ends.get(pairKey(place.topic, place.partition))?.end ?? offset
    if (!facts.keepsGroup(place.group))
      return { ...common, ...leftAlone(offset, stands, end), note: NOT_KEPT }
    if (readsThere.has(place.group) && stands !== offset) {
      const note = 'it has members at the target: they say where it stands'
      return { ...common, ...leftAlone(offset, stands, end), note }
    }
    const decided = decidePosition({
      source: offset,
      target: stands,
      ends: { start: 0, end },
      moved: moved.get(key)?.[1],
      foreign: facts.foreignPositions,
    })
    if (decided.kind === 'leave')
      return { ...common, ...leftAlone(offset, stands, end), note: decided.reason }
    const unread = Math.max(0, end - offset)
    const reads = readsHere.has(place.group) && unread > 0
    if (reads && consents.includes('allow-repeats'))
      return {
        ...common,
        after: offset,
        again: { atLeast: 0, atMost: unread },
        skipped: NONE,
        note: 'it is moved while it reads: what it reads at the source after that, it reads again',
      }
    const note = reads ? `it still reads at the source: ${unread} to go, or to be stopped` : ''
    return { ...common, after: offset, again: NONE, skipped: NONE, note }
  })
  return outcomes.sort(byPlace)
}

/** What becomes of a group whose position nobody moves. */
function leftAlone(
  here: number,
  there: number | null,
  end: number,
): Pick<GroupOutcome, 'after' | 'again' | 'skipped'> {
  if (there === null) return nowhere(here, 0, end)
  return {
    after: there,
    again: exactly(Math.max(0, here - there)),
    skipped: exactly(Math.max(0, there - here)),
  }
}

/** Without a position, its consumers begin at either end of the log, as `auto.offset.reset` says. */
function nowhere(
  read: number | null,
  start: number,
  end: number,
): Pick<GroupOutcome, 'after' | 'again' | 'skipped'> {
  const known = read === null ? end : Math.min(read, end)
  return {
    after: null,
    again: { atLeast: 0, atMost: Math.max(0, known - start) },
    skipped: { atLeast: 0, atMost: Math.max(0, end - (read === null ? start : Math.min(read, end))) },
  }
}

/** The group goes on where it was moved to last; how far it came at the source since, nobody can say for sure. */
function unplannedGroups(facts: FailoverFacts, target: SeenSide): GroupOutcome[] {
  const there = positionsAt(facts, target, 'copy')
  const logs = copyLogs(facts, target)
  const readsThere = activeAt(target)
  const seen = lastSeen(facts)
  const copies = new Set([...there.keys(), ...seen.keys()])
  return [...copies]
    .map((key): GroupOutcome => {
      const place = (there.get(key) ?? seen.get(key))![0]
      const stands = there.get(key)?.[1] ?? null
      const here = seen.get(key)?.[1] ?? null
      const log = logs.get(pairKey(place.topic, place.partition))
      const common = { ...place, here, there: stands }
      const [start, end] = [log?.start ?? 0, log?.end ?? 0]
      if (readsThere.has(place.group))
        return { ...common, after: stands, again: NONE, skipped: NONE, note: 'it reads at the target' }
      if (stands === null) {
        const note = 'it has no position at the target: auto.offset.reset decides'
        return { ...common, ...nowhere(here, start, end), note }
      }
      const read = Math.min(end, here ?? stands)
      const again: Bound = { atLeast: Math.max(0, read - stands), atMost: Math.max(0, end - stands) }
      const note = facts.keepsGroup(place.group)
        ? 'what it read at the source since it was moved last, it reads again'
        : NOT_KEPT
      return { ...common, after: stands, again, skipped: exactly(Math.max(0, stands - end)), note }
    })
    .sort(byPlace)
}

/** Where groups stood at the source: as it says, else as the link saw it last. */
function lastSeen(facts: FailoverFacts): Map<string, [Place, number]> {
  if (facts.source.reachable) return positionsAt(facts, facts.source, 'source')
  return new Map([...movedPlaces(facts)].map(([key, [place, { source }]]) => [key, [place, source]]))
}

/** What the link has moved, by the topics' names at the source. */
function movedPlaces(facts: FailoverFacts): Map<string, [Place, Moved]> {
  const names = new Map(facts.topics.map(({ source, copy }) => [copy, source]))
  const found = new Map<string, [Place, Moved]>()
  for (const [group, moved] of Object.entries(facts.kept.groups))
    for (const each of moved) {
      const topic = names.get(each.topic)
      if (topic === undefined) continue
      const place = { group, topic, partition: each.partition }
      found.set(placeKey(place), [place, each])
    }
  return found
}

/** Back to the source: what counts is where the group stands at the target. */
function returningGroups(
  facts: FailoverFacts,
  source: SeenSide,
  target: SeenSide,
  { action, stay, consents }: RehearsalOptions,
  partitions: readonly PartitionOutcome[],
): GroupOutcome[] {
  if (facts.state.phase === 'promoting' || (action === 'failback' && stay)) return []
  const [here, there] = [positionsAt(facts, target, 'copy'), positionsAt(facts, source, 'source')]
  const [readsHere, readsThere] = [activeAt(target), activeAt(source)]
  const logs = copyLogs(facts, target)
  const untouched = action === 'demote' && facts.state.phase === 'promoted'
  const lost = new Map(partitions.map(each => [pairKey(each.topic, each.partition), each]))
  return [...here]
    .map(([key, [place, offset]]): GroupOutcome => {
      const stands = there.get(key)?.[1] ?? null
      const common = { ...place, here: offset, there: stands }
      const log = logs.get(pairKey(place.topic, place.partition))
      const end = log?.end ?? offset
      if (!facts.keepsGroup(place.group))
        return { ...common, ...leftAlone(offset, stands, end), note: NOT_KEPT }
      if (readsThere.has(place.group) && stands !== offset) {
        const note = 'it has members at the source: they say where it stands'
        return { ...common, ...leftAlone(offset, stands, end), note }
      }
      // Nothing was written to the target: what the group has read at either side, it has read.
      if (untouched && stands !== null && stands >= offset)
        return { ...common, after: stands, again: NONE, skipped: NONE, note: '' }
      const after = log === undefined ? offset : within(offset, log)
      const reads = readsHere.has(place.group) && end > offset
      const again: Bound =
        reads && consents.includes('allow-repeats') ? { atLeast: 0, atMost: end - offset } : NONE
      const overwritten =
        stands !== null && stands > after && lost.get(pairKey(place.topic, place.partition))?.lostOffsets
          ? `its ${stands} at the source counted records that are not there any more`
          : ''
      const reading = reads ? `it still reads at the target: ${end - offset} to go, or to be stopped` : ''
      return { ...common, after, again, skipped: NONE, note: overwritten || reading }
    })
    .sort(byPlace)
}
