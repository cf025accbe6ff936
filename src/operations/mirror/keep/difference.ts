/** What has to be done so that a target is in step with its source. Pure: what it answers is what is then done. */
import type { TopicPartition } from '../../../foundation/kafka/partitions.ts'
import type { AclBinding, Quota } from '../../../foundation/kafka/security.ts'
import type { KeepScope, SourceFacts, TargetFacts } from './facts.ts'
import { type GroupMove, groupDifference, type PositionFacts } from './positions.ts'
import {
  type AclChange,
  aclDifference,
  type Left,
  type QuotaChange,
  quotaDifference,
  rightsOf,
} from './rights.ts'
import type { KeepState, Moved } from './state.ts'

export type KeepChange = AclChange | QuotaChange | GroupMove

export interface Difference {
  readonly changes: readonly KeepChange[]
  /** What is not in step and stays so, with the reason. */
  readonly left: readonly Left[]
  /** Groups whose positions lie beyond what is copied, by so many records. */
  readonly held: ReadonlyMap<string, number>
  /** To be noted before anything is done. */
  readonly note: KeepNote
}

export interface KeepNote {
  readonly acls: readonly AclBinding[]
  readonly quotas: readonly Quota[]
  readonly writers: KeepState['writers']
  /** Groups of which something is moved, or is the link's no more: each with all positions that will be the link's. */
  readonly groups: ReadonlyMap<string, readonly Moved[]>
}

export interface DifferenceOptions {
  /** Overrides the link's own policy: a switch of sides overwrites what stands at the side that was left. */
  readonly foreign?: PositionFacts['foreign']
}

export function difference(
  source: SourceFacts,
  target: TargetFacts,
  state: KeepState,
  scope: KeepScope,
  options: DifferenceOptions = {},
): Difference {
  const acls = aclsOf(source, target, state, scope)
  const quotas = quotasOf(source, target, state, scope)
  const groups = groupsOf(source, target, state, scope, options.foreign ?? scope.keep.foreignPositions)
  return {
    changes: [...acls.changes, ...quotas.changes, ...groups.changes],
    left: [...acls.left, ...quotas.left, ...groups.left],
    held: groups.held,
    note: { acls: acls.ours, quotas: quotas.ours, writers: acls.writers, groups: groups.moved },
  }
}

const NO_AUTHORIZER = 'the target has no authorizer: anybody may do anything there'

function aclsOf(source: SourceFacts, target: TargetFacts, state: KeepState, scope: KeepScope) {
  const unchanged = { changes: [], left: [], ours: state.acls, writers: state.writers }
  if (source.acls === undefined || source.acls === null) return unchanged
  const rights = rightsOf(source.acls, scope)
  const writers = { seenAt: source.at, acls: [...rights.writers] }
  // Switched off, what was put there stays as it is: a right that is taken away ends somebody's work.
  if (scope.keep.acls.include.length === 0 || target.acls === undefined) return { ...unchanged, writers }
  if (target.acls === null) {
    const left: Left[] =
      rights.wanted.length === 0
        ? []
        : [{ what: 'acl', subject: `${rights.wanted.length} rules`, reason: NO_AUTHORIZER }]
    return { ...unchanged, left, writers }
  }
  const { changes, ours } = aclDifference(rights.wanted, target.acls, state.acls)
  return { changes, left: rights.left, ours, writers }
}

function quotasOf(source: SourceFacts, target: TargetFacts, state: KeepState, scope: KeepScope) {
  const off = scope.keep.quotas.include.length === 0
  if (off || source.quotas === undefined || target.quotas === undefined)
    return { changes: [], left: [], ours: state.quotas }
  return quotaDifference(source.quotas, target.quotas, state.quotas, scope)
}

function groupsOf(
  source: SourceFacts,
  target: TargetFacts,
  state: KeepState,
  scope: KeepScope,
  foreign: PositionFacts['foreign'],
) {
  const there = new Map(target.groups.map(group => [group.id, group]))
  const changes: GroupMove[] = []
  const left: Left[] = []
  const moved = new Map<string, readonly Moved[]>()
  const held = new Map<string, number>()
  const last = new Map(Object.entries(state.groups))
  for (const [subject, reason] of source.unknownGroups) left.push({ what: 'group', subject, reason })
  for (const group of source.groups) {
    const unknown = target.unknownGroups.get(group.id)
    if (unknown !== undefined) {
      left.push({ what: 'group', subject: group.id, reason: unknown })
      continue
    }
    const before = last.get(group.id) ?? []
    const same = there.get(group.id) ?? { id: group.id, state: null, positions: [] }
    const decided = groupDifference(group, same, before, { scope, ends: target.ends, foreign })
    changes.push(...decided.changes)
    left.push(...decided.left)
    if (decided.held > 0) held.set(group.id, decided.held)
    if (decided.changes.length + decided.lost.length > 0)
      moved.set(group.id, movedAfter(before, decided.changes, decided.lost))
  }
  return { changes, left, held, moved }
}

function movedAfter(
  before: readonly Moved[],
  changes: readonly GroupMove[],
  lost: readonly TopicPartition[],
): Moved[] {
  const all = new Map(before.map(each => [`${each.topic}/${each.partition}`, each]))
  for (const { topic, partition } of lost) all.delete(`${topic}/${partition}`)
  for (const { topic, partition, from, to, source } of changes)
    all.set(`${topic}/${partition}`, { topic, partition, before: from, target: to, source })
  return [...all.values()]
}

/**
 * What the other direction may call its own once this one has moved the groups: where they stood here, and stay until they
 * come back. Groups that were not moved are not counted.
 */
export function leftBehind(
  source: SourceFacts,
  { left }: Difference,
  scope: KeepScope,
): ReadonlyMap<string, readonly Moved[]> {
  const stayed = new Set(left.filter(({ what }) => what === 'group').map(({ subject }) => subject))
  const copied = new Set(scope.topics.map(topic => topic.source))
  return new Map(
    source.groups
      .filter(({ id }) => !stayed.has(id))
      .map(({ id, positions }) => [
        id,
        positions
          .filter(({ topic }) => copied.has(topic))
          .map(({ topic, partition, offset }) => {
            return { topic, partition, before: offset, target: offset, source: offset }
          }),
      ]),
  )
}
