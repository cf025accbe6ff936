import type { Applied, CommandMeta, Machine } from '../journal/contract.ts'
import {
  type Assignment,
  NO_SHARDS,
  type ShardsCommand,
  type ShardsState,
  shardsCommand,
  shardsState,
} from './contract.ts'
import { preferredOwner } from './rendezvous.ts'

const MAX_MEMBERS = 1_000

/** A journal that holds nothing but shards. A journal whose own commands are fenced by tokens uses applyShards and mayWrite. */
export const shardsMachine: Machine<ShardsState, ShardsCommand> = {
  version: 1,
  initial: NO_SHARDS,
  command: shardsCommand,
  state: shardsState,
  apply: applyShards,
}

/** Whether the token is the shard's current one: whoever else held it is deposed, and its writes are refused. */
export function mayWrite({ assignments }: ShardsState, shard: number, token: number): boolean {
  const assignment = assignments[shard]
  return assignment !== undefined && assignment.owner !== null && assignment.token === token
}

/** The shards' rule, pure. */
export function applyShards(
  state: ShardsState,
  command: ShardsCommand,
  { offset }: Pick<CommandMeta, 'offset'>,
): Applied<ShardsState> {
  switch (command.kind) {
    case 'join':
      return applyJoin(state, command, offset)
    case 'beat':
      return applyBeat(state, command.instance, offset)
    case 'leave':
      return applyRemoval(
        state,
        [command.instance].filter(instance => isMember(state, instance)),
      )
    case 'expel':
      return applyRemoval(
        state,
        command.suspects
          .filter(({ instance, beat }) => isMember(state, instance) && state.members[instance]?.beat === beat)
          .map(suspect => suspect.instance),
      )
    case 'release':
      return applyRelease(state, command)
    default:
      return command satisfies never
  }
}

function refused(reason: string): Applied<never> {
  return { accepted: false, reason }
}

export function isMember({ members }: ShardsState, instance: string): boolean {
  return Object.hasOwn(members, instance)
}

function applyJoin(
  state: ShardsState,
  { instance, name, weight, terms }: Extract<ShardsCommand, { kind: 'join' }>,
  offset: number,
): Applied<ShardsState> {
  if (isMember(state, instance)) return refused(`${instance} is a member already`)
  if (Object.keys(state.members).length >= MAX_MEMBERS) return refused(`there are ${MAX_MEMBERS} members`)
  const agreed = state.terms ?? terms
  if (agreed.shards !== terms.shards || agreed.leaseMs !== terms.leaseMs)
    return refused(`the terms are ${agreed.shards} shards and leases of ${agreed.leaseMs} ms`)
  const members = { ...state.members, [instance]: { name, weight, joined: offset, beat: offset } }
  const unowned = { owner: null, token: 0 }
  const assignments =
    state.terms === null ? Array.from({ length: terms.shards }, () => unowned) : state.assignments
  return { accepted: true, state: assignFree({ terms: agreed, members, assignments }) }
}

function applyBeat(state: ShardsState, instance: string, offset: number): Applied<ShardsState> {
  if (!isMember(state, instance)) return refused(`${instance} is not a member`)
  const members = { ...state.members, [instance]: { ...state.members[instance]!, beat: offset } }
  return { accepted: true, state: { ...state, members } }
}

function applyRemoval(state: ShardsState, gone: readonly string[]): Applied<ShardsState> {
  if (gone.length === 0) return refused('none of them is a member that has been silent since')
  const members = Object.fromEntries(
    Object.entries(state.members).filter(([instance]) => !gone.includes(instance)),
  )
  const assignments = state.assignments.map(({ owner, token }) =>
    owner !== null && gone.includes(owner) ? { owner: null, token } : { owner, token },
  )
  return { accepted: true, state: assignFree({ ...state, members, assignments }) }
}

function applyRelease(
  state: ShardsState,
  { instance, shards }: Extract<ShardsCommand, { kind: 'release' }>,
): Applied<ShardsState> {
  const released = new Set(
    shards
      .filter(
        ({ shard, token }) => state.assignments[shard]?.owner === instance && mayWrite(state, shard, token),
      )
      .map(({ shard }) => shard),
  )
  if (released.size === 0) return refused(`${instance} holds none of them by that token`)
  const assignments = state.assignments.map((assignment, shard) =>
    released.has(shard) ? { owner: null, token: assignment.token } : assignment,
  )
  return { accepted: true, state: assignFree({ ...state, assignments }) }
}

/** Every change of owner raises the token, also back to one who had it before. */
function assignFree(state: ShardsState): ShardsState {
  const assign = (assignment: Assignment, shard: number): Assignment => {
    if (assignment.owner !== null) return assignment
    const owner = preferredOwner(shard, state.members)
    return owner === undefined ? assignment : { owner, token: assignment.token + 1 }
  }
  return { ...state, assignments: state.assignments.map(assign) }
}
