/** Where a consumer group has to stand at the target. Pure. */
import type { GroupPosition } from '../../../foundation/kafka/groups.ts'
import type { TopicPartition } from '../../../foundation/kafka/partitions.ts'
import { type CopyEnds, type GroupFacts, isActive, type KeepScope } from './facts.ts'
import type { Left } from './rights.ts'
import type { Moved } from './state.ts'

export interface PositionFacts {
  /** Where the group stands at the source, in the copy's offsets. */
  readonly source: number
  /** Where it stands at the target; null: nowhere yet. */
  readonly target: number | null
  readonly ends: { readonly start: number; readonly end: number }
  /** What the link did last. */
  readonly moved: Pick<Moved, 'before' | 'target' | 'source'> | undefined
  /** What becomes of a position at the target that the link did not put there. */
  readonly foreign: 'leave' | 'advance' | 'overwrite'
}

export type MoveReason =
  /** The group had no position at the target. */
  | 'new'
  | 'advanced'
  /** The group was reset backwards at the source. */
  | 'rewound'
  /** The copy's log ends before the position, which it did not when the link put it there. */
  | 'cut'
  /** Somebody else's position, overwritten because that was asked for. */
  | 'overwritten'

export type PositionDecision =
  | { readonly kind: 'in-step' }
  | { readonly kind: 'move'; readonly to: number; readonly why: MoveReason }
  /** `foreign`: somebody else put it there. */
  | { readonly kind: 'leave'; readonly foreign: boolean; readonly reason: string }

/** The nearest offset the copy's log has: beyond its end lies what is not copied yet, before its start nothing any more. */
export const within = (offset: number, { start, end }: PositionFacts['ends']): number =>
  Math.max(start, Math.min(offset, end))

/**
 * Never beyond the copy's end, never backwards but after the source's group, never over a position that somebody else put
 * there.
 */
export function decidePosition({ source, target, ends, moved, foreign }: PositionFacts): PositionDecision {
  const to = within(source, ends)
  if (target === to) return { kind: 'in-step' }
  if (target === null) return { kind: 'move', to, why: 'new' }
  const ours = moved !== undefined && (target === moved.target || target === moved.before)
  if (!ours && foreign === 'overwrite') return { kind: 'move', to, why: 'overwritten' }
  if (target < to) {
    if (ours || foreign === 'advance') return { kind: 'move', to, why: 'advanced' }
    return { kind: 'leave', foreign: true, reason: `it stands at ${target}, where this link did not put it` }
  }
  // A move that was noted and not done is done now.
  const undone = ours && target !== moved.target
  if (undone || (ours && source < moved.source)) return { kind: 'move', to, why: 'rewound' }
  if (ours && target > ends.end) return { kind: 'move', to, why: 'cut' }
  const reason = `it has gone on to ${target} at the target, the source's is at ${source}`
  return { kind: 'leave', foreign: !ours, reason }
}

export interface GroupMove {
  readonly kind: 'move-group'
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Null: it had no position. */
  readonly from: number | null
  readonly to: number
  /** Where the group stands at the source: more than `to` while the copy has not come that far. */
  readonly source: number
  readonly metadata: string
  readonly why: MoveReason
}

export interface GroupDifference {
  readonly changes: readonly GroupMove[]
  readonly left: readonly Left[]
  /** Records before the source's positions that the copy does not have yet, in all: the group is held back by so many. */
  readonly held: number
  /** Positions that were the link's, and are somebody else's now. */
  readonly lost: readonly TopicPartition[]
}

const key = (topic: string, partition: number): string => `${topic}/${partition}`

export interface GroupContext {
  readonly scope: KeepScope
  readonly ends: readonly CopyEnds[]
  readonly foreign: PositionFacts['foreign']
}

/** @param there the same group at the target; undefined: nothing is known of it */
export function groupDifference(
  group: GroupFacts,
  there: GroupFacts,
  moved: readonly Moved[],
  context: GroupContext,
): GroupDifference {
  const { scope, foreign } = context
  const copies = new Map(scope.topics.map(({ source, copy }) => [source, copy]))
  const ends = new Map(context.ends.map(each => [key(each.topic, each.partition), each]))
  const theirs = new Map(there.positions.map(each => [key(each.topic, each.partition), each.offset]))
  const last = new Map(moved.map(each => [key(each.topic, each.partition), each]))
  const changes: GroupMove[] = []
  const left: Left[] = []
  const lost: TopicPartition[] = []
  let held = 0
  const leave = (position: GroupPosition, reason: string): void => {
    const where = `${position.topic}-${position.partition}`
    left.push({ what: 'group', subject: group.id, reason: `${where}: ${reason}` })
  }
  for (const position of group.positions) {
    const topic = copies.get(position.topic)
    if (topic === undefined) continue
    const { partition, metadata } = position
    const log = ends.get(key(topic, partition))
    if (log === undefined) {
      leave(position, 'the target does not have the partition yet')
      continue
    }
    const source = scope.translate(topic, partition, position.offset)
    if (source === null) {
      leave(position, `where ${position.offset} lies in the copy is not known yet`)
      continue
    }
    held += Math.max(0, source - log.end)
    const from = theirs.get(key(topic, partition)) ?? null
    const decision = decidePosition({
      source,
      target: from,
      ends: log,
      moved: last.get(key(topic, partition)),
      foreign,
    })
    if (decision.kind === 'leave') {
      leave(position, decision.reason)
      if (decision.foreign && last.has(key(topic, partition))) lost.push({ topic, partition })
    } else if (decision.kind === 'move')
      changes.push({
        kind: 'move-group',
        group: group.id,
        topic,
        partition,
        from,
        to: decision.to,
        source,
        metadata,
        why: decision.why,
      })
  }
  // Its coordinator would refuse: whoever reads there says where it stands.
  if (changes.length > 0 && isActive(there.state)) {
    const reason = `it has members at the target (${there.state}): they say where it stands`
    return { changes: [], left: [...left, { what: 'group', subject: group.id, reason }], held, lost }
  }
  return { changes, left, held, lost }
}
