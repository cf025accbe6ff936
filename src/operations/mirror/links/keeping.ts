/** The rule of what links put at their targets besides records. Pure. */
import type { Applied } from '../../../foundation/journal/contract.ts'
import { mayWrite } from '../../../foundation/shards/machine.ts'
import { EMPTY_KEEP, type KeepState, type Moved } from '../keep/state.ts'
import { leadShardOf } from '../shard.ts'
import type { CommandOf, KeptEntry, LinksState } from './contract.ts'
import { isSwitched } from './sides.ts'

/** Over all links: all of it has to fit into one snapshot beside the rest (about 2 MB of each). */
export const MAX_POSITIONS = 20_000
export const MAX_RULES = 10_000

type Keeps = CommandOf<'keep-rights'> | CommandOf<'keep-groups'>

export function applyKeeps(state: LinksState, entry: KeptEntry, command: Keeps): Applied<LinksState> {
  const reason = fault(state, entry, command)
  if (reason !== undefined) return { accepted: false, reason }
  const { name, way } = command
  const { version, state: before } = entry[way] ?? { version: 0, state: EMPTY_KEEP }
  const after = command.kind === 'keep-rights' ? withRights(before, command) : withGroups(before, command)
  const links = { ...state.links, [name]: { ...entry, [way]: { version: version + 1, state: after } } }
  const over = bounds({ links })
  if (over !== undefined && grows(before, after)) return { accepted: false, reason: over }
  return { accepted: true, state: { ...state, links } }
}

function fault(
  { shards }: LinksState,
  entry: KeptEntry,
  { name, way, fence, operation, expected }: Keeps,
): string | undefined {
  if (fence !== null) {
    const lead = leadShardOf(name, shards.terms?.shards ?? 1)
    if (fence.shard !== lead) return `shard ${fence.shard} says nothing about this, shard ${lead} does`
    if (!mayWrite(shards, fence.shard, fence.token))
      return `token ${fence.token} of shard ${fence.shard} is stale`
  }
  const underWay = entry.sides?.state.operation?.id ?? null
  if (operation !== underWay)
    return underWay === null
      ? `no switch ${operation} of link ${name} is under way`
      : `the sides of link ${name} are being switched`
  if (operation === null && isSwitched(entry))
    return `the sides of link ${name} are switched: nothing follows its source`
  const version = entry[way]?.version ?? 0
  return version === expected ? undefined : `decided on version ${expected}, it is at ${version}`
}

function withRights(before: KeepState, { acls, quotas, writers }: CommandOf<'keep-rights'>): KeepState {
  return { ...before, acls, quotas, writers }
}

function withGroups(before: KeepState, { moved, lost }: CommandOf<'keep-groups'>): KeepState {
  // A group may be called anything, `constructor` too.
  const groups = new Map<string, Map<string, Moved>>()
  const positionsOf = (group: string): Map<string, Moved> => {
    const known = groups.get(group)
    if (known !== undefined) return known
    const there = Object.hasOwn(before.groups, group) ? before.groups[group]! : []
    const positions = new Map(there.map(each => [keyOf(each), each]))
    groups.set(group, positions)
    return positions
  }
  for (const each of lost) positionsOf(each.group).delete(keyOf(each))
  for (const { group, ...each } of moved) positionsOf(group).set(keyOf(each), each)
  const after = new Map<string, Moved[]>(Object.entries(before.groups))
  for (const [group, positions] of groups)
    if (positions.size > 0) after.set(group, [...positions.values()])
    else after.delete(group)
  return { ...before, groups: Object.fromEntries(after) }
}

const keyOf = ({ topic, partition }: Pick<Moved, 'topic' | 'partition'>): string => `${topic}/${partition}`

const positionsIn = ({ groups }: KeepState): number =>
  Object.values(groups).reduce((sum, positions) => sum + positions.length, 0)

const rulesIn = ({ acls, writers }: KeepState): number => acls.length + (writers?.acls.length ?? 0)

/** What takes something away is never refused for room. */
const grows = (before: KeepState, after: KeepState): boolean =>
  positionsIn(after) > positionsIn(before) || rulesIn(after) > rulesIn(before)

function bounds({ links }: Pick<LinksState, 'links'>): string | undefined {
  let [positions, rules] = [0, 0]
  for (const { keeps, keepsBack } of Object.values(links))
    for (const each of [keeps, keepsBack]) {
      if (each === null) continue
      positions += positionsIn(each.state)
      rules += rulesIn(each.state)
    }
  if (positions > MAX_POSITIONS)
    return `all links would keep ${positions} positions of groups; at most ${MAX_POSITIONS} are kept`
  if (rules > MAX_RULES) return `all links would keep ${rules} rules; at most ${MAX_RULES} are kept`
  return undefined
}
