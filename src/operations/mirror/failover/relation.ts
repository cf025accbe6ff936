/** How a partition's log at the source stands to the target's once the target has become the original. Pure. */
import { count } from '../../../foundation/text/table.ts'
import {
  type Compared,
  type FailoverFacts,
  logsOf,
  type PartitionLog,
  pairKey,
  type SeenSide,
} from './facts.ts'

export type Relation =
  /** The source has no such partition. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'equal'; readonly end: number }
  /** The source's log is the beginning of the target's: a copy can go on where it ends. */
  | { readonly kind: 'source-behind'; readonly end: number; readonly records: number | null }
  /** The target's log is the beginning of the source's: nothing was written to the target that the source lacks. */
  | { readonly kind: 'source-ahead'; readonly from: number; readonly records: number | null }
  /** Both hold something that the other does not, from one offset on. */
  | {
      readonly kind: 'diverged'
      readonly from: number
      readonly sourceRecords: number | null
      readonly targetRecords: number | null
    }

/** @param compared undefined: nothing was to be compared, one log is the other's beginning by what they hold in common */
export function relationOf(
  source: PartitionLog | undefined,
  target: PartitionLog | undefined,
  compared: Compared | undefined,
): Relation {
  if (source === undefined) return { kind: 'absent' }
  const targetEnd = target?.end ?? 0
  const sourceRecords = compared?.sourceRecords ?? null
  const targetRecords = compared?.targetRecords ?? null
  const differsAt = compared?.differsAt ?? null
  if (differsAt !== null) return { kind: 'diverged', from: differsAt, sourceRecords, targetRecords }
  if (source.end === targetEnd) return { kind: 'equal', end: source.end }
  if (source.end < targetEnd) return { kind: 'source-behind', end: source.end, records: targetRecords }
  return { kind: 'source-ahead', from: targetEnd, records: sourceRecords }
}

/** Offsets that only the source holds: [from, to). */
export function onlyAtSource(
  relation: Relation,
  source: PartitionLog | undefined,
): { readonly from: number; readonly to: number; readonly records: number | null } | undefined {
  if (source === undefined) return undefined
  switch (relation.kind) {
    case 'source-ahead':
      return { from: relation.from, to: source.end, records: relation.records }
    case 'diverged':
      return relation.from < source.end
        ? { from: relation.from, to: source.end, records: relation.sourceRecords }
        : undefined
    default:
      return undefined
  }
}

export type Relations = ReadonlyMap<string, Relation>

/** By the topic's name at the source; empty while a side cannot be seen. */
export function relationsOf({ source, target, topics, compared }: FailoverFacts): Relations {
  if (!source.reachable || !target.reachable) return new Map()
  const [theirs, ours] = [logsOf(source), logsOf(target)]
  const differences = new Map(compared.map(each => [pairKey(each.topic, each.partition), each]))
  const relations = new Map<string, Relation>()
  for (const { source: name, copy } of topics) {
    for (const partition of partitionsOf(source, target, name, copy)) {
      const key = pairKey(name, partition)
      relations.set(
        key,
        relationOf(theirs.get(key), ours.get(pairKey(copy, partition)), differences.get(key)),
      )
    }
  }
  return relations
}

function partitionsOf(source: SeenSide, target: SeenSide, name: string, copy: string): number[] {
  const numbers = [source.topics.get(name), target.topics.get(copy)].flatMap(
    topic => topic?.logs.map(({ partition }) => partition) ?? [],
  )
  return [...new Set(numbers)].sort((a, b) => a - b)
}

/** Topics of which the source holds something that the target does not: they have to be made anew to become copies. */
export function topicsToRecreate(facts: FailoverFacts, relations: Relations): ReadonlySet<string> {
  if (!facts.source.reachable) return new Set()
  const logs = logsOf(facts.source)
  const names = new Set<string>()
  for (const { source: name } of facts.topics) {
    const topic = facts.source.topics.get(name)
    const copied = facts.copiedIds.get(name)
    if (topic !== undefined && copied !== undefined && topic.id !== copied) names.add(name)
  }
  for (const [key, relation] of relations)
    if (onlyAtSource(relation, logs.get(key)) !== undefined) names.add(key.slice(0, key.lastIndexOf('/')))
  return names
}

/** Of records that were counted, or of the offsets they lie at. */
export const recordsText = (records: number | null, offsets: number): string =>
  records === null ? `at most ${count(offsets, 'record')}` : count(records, 'record')
