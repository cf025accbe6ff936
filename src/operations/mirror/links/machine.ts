/** The rule of the links' journal. Pure: all that may be refused is refused here, for everybody alike. */
import type { Applied, CommandMeta, Machine } from '../../../foundation/journal/contract.ts'
import { NO_SHARDS, type ShardsCommand } from '../../../foundation/shards/contract.ts'
import { applyShards, mayWrite } from '../../../foundation/shards/machine.ts'
import type { LinkDefinition, LinkEnd } from '../definition.ts'
import { changed, MAX_SEGMENTS, type Mapping, type MappingChange } from '../mapping.ts'
import { topicSelector } from '../select.ts'
import { leadShardOf, shardOf } from '../shard.ts'
import {
  type CommandOf,
  type Kept,
  type KeptEntry,
  type LinksCommand,
  type LinksState,
  linksCommand,
  linksState,
  type OwnCommand,
} from './contract.ts'
import { adoptionFault, definitionFault, idleLinks, linksBeside, placeOf, writersOf } from './flows.ts'
import { applyKeeps } from './keeping.ts'
import { applySwitch, isSwitched, mayRun } from './sides.ts'

const MAX_LINKS = 1_000
const MAX_REMOVED = 200
/** Per link; the oldest go first. */
const MAX_MISSING = 1_000
/** Of all links' mappings together: about 2 MB of the journal's snapshot. */
const MAX_ALL_SEGMENTS = 100_000

export const linksMachine: Machine<LinksState, LinksCommand> = {
  // 2: links keep more than records in step, and their sides are switched. 3: copies may have other offsets than their sources.
  version: 3,
  initial: { shards: NO_SHARDS, workers: {}, links: {}, removed: [] },
  command: linksCommand,
  state: linksState,
  apply(state, command, meta) {
    return isOwn(command) ? applyOwn(state, command, meta) : applyGroup(state, command, meta)
  },
}

const GROUP_COMMANDS: ReadonlySet<string> = new Set<ShardsCommand['kind']>([
  'join',
  'beat',
  'leave',
  'expel',
  'release',
])

function isOwn(command: LinksCommand): command is OwnCommand {
  return !GROUP_COMMANDS.has(command.kind)
}

function refused(reason: string): Applied<never> {
  return { accepted: false, reason }
}

/** Who is no member any more is not asked how its links stand. */
function applyGroup(state: LinksState, command: ShardsCommand, meta: CommandMeta): Applied<LinksState> {
  const applied = applyShards(state.shards, command, meta)
  if (!applied.accepted) return applied
  const shards = applied.state
  if (command.kind === 'beat' || command.kind === 'release')
    return { accepted: true, state: { ...state, shards } }
  const names = new Set(Object.values(shards.members).map(member => member.name))
  const workers = Object.fromEntries(Object.entries(state.workers).filter(([worker]) => names.has(worker)))
  return { accepted: true, state: { ...state, shards, workers } }
}

function applyOwn(state: LinksState, command: OwnCommand, meta: CommandMeta): Applied<LinksState> {
  if (command.kind === 'put') return applyPut(state, command)
  if (command.kind === 'announce') return applyAnnounce(state, command)
  const entry = entryOf(state, command.name)
  if (entry === undefined) return refused(`there is no link ${command.name}`)
  switch (command.kind) {
    case 'desire': {
      if (command.desired !== 'stopped' && !mayRun(state, command.name, entry.reverseOf))
        return refused(`the sides of the link are switched: ${command.name} is not to run now`)
      const definition = { ...entry.definition, desired: command.desired }
      if (definition.desired === entry.definition.desired) return { accepted: true, state }
      return withEntry(state, { ...entry, definition, version: entry.version + 1 })
    }
    case 'remove':
      return applyRemove(state, entry, command)
    case 'restart':
      return withEntry(state, {
        ...entry,
        restart: { at: meta.offset, only: command.only, partitions: command.partitions },
      })
    case 'rebase':
      return applyRebase(state, entry, command)
    case 'switch':
      return applySwitch(state, entry, command)
    case 'keep-rights':
    case 'keep-groups':
      return applyKeeps(state, entry, command)
    case 'begin':
    case 'adopt':
    case 'forget':
    case 'miss':
    case 'map':
      return applyKeeping(state, entry, command)
    default:
      return command satisfies never
  }
}

export function entryOf({ links }: Pick<LinksState, 'links'>, name: string): KeptEntry | undefined {
  return Object.hasOwn(links, name) ? links[name] : undefined
}

function withEntry(state: LinksState, entry: KeptEntry): Applied<LinksState> {
  return {
    accepted: true,
    state: { ...state, links: { ...state.links, [entry.definition.name]: entry } },
  }
}

function applyAnnounce(state: LinksState, { worker, address }: CommandOf<'announce'>): Applied<LinksState> {
  const isMember = Object.values(state.shards.members).some(member => member.name === worker)
  if (!isMember) return refused(`${worker} is not a member`)
  return { accepted: true, state: { ...state, workers: { ...state.workers, [worker]: { address } } } }
}

/* ---- definitions ---- */

/** Why a definition may not be put. */
export type PutFault =
  | { readonly kind: 'changed'; readonly reason: string }
  | { readonly kind: 'owned'; readonly reason: string }
  | { readonly kind: 'invalid'; readonly reason: string }

export function putFault(
  state: LinksState,
  {
    definition,
    expected,
    owner,
    reverseOf,
  }: Pick<CommandOf<'put'>, 'definition' | 'expected' | 'owner' | 'reverseOf'>,
): PutFault | undefined {
  const { name } = definition
  const before = entryOf(state, name)
  if (expected !== null && (before?.version ?? 0) !== expected) {
    const is = before === undefined ? 'does not exist' : `is at version ${before.version}`
    return { kind: 'changed', reason: `decided on version ${expected}, but link ${name} ${is}` }
  }
  if (before?.owner === 'fleet' && owner === 'api')
    return { kind: 'owned', reason: `link ${name} is declared in the fleet's file` }
  if (before !== undefined && before.reverseOf !== reverseOf)
    return before.reverseOf === null
      ? { kind: 'invalid', reason: `there is a link ${name} already` }
      : { kind: 'owned', reason: `link ${name} is the way back of ${before.reverseOf}` }
  const wayBack =
    owner === 'switch' || reverseOf !== null ? wayBackFault(state, definition, reverseOf) : undefined
  if (wayBack !== undefined) return { kind: 'invalid', reason: wayBack }
  if (definition.desired !== 'stopped' && !mayRun(state, name, reverseOf))
    return { kind: 'invalid', reason: `the sides of link ${name} are switched: it is not to run now` }
  if (before === undefined && Object.keys(state.links).length >= MAX_LINKS)
    return { kind: 'invalid', reason: `there are ${MAX_LINKS} links` }
  for (const end of ['source', 'target'] as const)
    if (before !== undefined && !maySucceed(before.definition[end], definition[end]))
      return { kind: 'invalid', reason: `the ${end} of link ${name} cannot be changed: make another link` }
  const { [reverseOf ?? name]: _, ...links } = linksBeside(state, name)
  const others = Object.values(links).map(entry => entry.definition)
  const reason = definitionFault(
    definition,
    others.filter(other => other.name !== name),
    idleLinks(state),
  )
  return reason === undefined ? undefined : { kind: 'invalid', reason }
}

/** Only the switch that is under way makes the way back of a link. */
function wayBackFault(
  state: LinksState,
  { name, source, target }: LinkDefinition,
  reverseOf: string | null,
): string | undefined {
  const there = reverseOf === null ? undefined : entryOf(state, reverseOf)
  if (there === undefined || there.reverseOf !== null || reverseOf === name)
    return `link ${name} is no link's way back`
  if (there.sides?.state.operation == null) return `no switch of the sides of link ${reverseOf} is under way`
  const { definition } = there
  const back =
    placeOf(source) === placeOf(definition.target) && placeOf(target) === placeOf(definition.source)
  return back ? undefined : `link ${name} does not lead back from ${reverseOf}'s target to its source`
}

/** A cluster's addresses may change, and who one is there; another cluster is another link. */
function maySucceed(before: LinkEnd, after: LinkEnd): boolean {
  if ('cluster' in before) return 'cluster' in after && before.cluster === after.cluster
  return !('cluster' in after)
}

function applyPut(state: LinksState, command: CommandOf<'put'>): Applied<LinksState> {
  const fault = putFault(state, command)
  if (fault !== undefined) return refused(fault.reason)
  const { definition, owner, annotations, reverseOf } = command
  const { name } = definition
  const before = entryOf(state, name)
  if (before === undefined) {
    const was = state.removed.findLast(removed => isSameLink(removed.definition, definition))
    const entry: KeptEntry = {
      definition,
      version: 1,
      owner,
      annotations,
      restart: null,
      kept: was?.kept ?? command.kept,
      keeps: was?.keeps ?? null,
      keepsBack: null,
      sides: null,
      reverseOf,
    }
    const removed = state.removed.filter(each => each !== was)
    return withEntry({ ...state, removed }, entry)
  }
  const changed = JSON.stringify(before.definition) !== JSON.stringify(definition)
  const version = before.version + (changed ? 1 : 0)
  const kept = before.kept ?? command.kept
  const entry = { ...before, definition, version, owner, annotations, kept }
  return withEntry(state, {
    ...entry,
    kept: changed && kept !== null ? stillFree(state, definition, kept) : kept,
  })
}

/** What was taken on before, and is another link's to write by now, would have to be taken on anew. */
function stillFree(state: LinksState, definition: LinkDefinition, kept: Kept): Kept {
  const { [definition.name]: _, ...links } = linksBeside(state, definition.name)
  const writers = writersOf({ links })
  const chosen = topicSelector(definition.topics)
  const before = Object.entries(kept.topics)
  const topics = before.filter(
    ([topic]) => !chosen(topic) || adoptionFault(writers, definition, topic) === undefined,
  )
  return topics.length === before.length ? kept : { ...kept, topics: Object.fromEntries(topics) }
}

function isSameLink(a: LinkDefinition, b: LinkDefinition): boolean {
  return a.name === b.name && maySucceed(a.source, b.source) && maySucceed(a.target, b.target)
}

function applyRemove(state: LinksState, entry: KeptEntry, command: CommandOf<'remove'>): Applied<LinksState> {
  const { name } = command
  const { definition, owner, kept, keeps } = entry
  if (entry.reverseOf !== null) return refused(`link ${name} is the way back of ${entry.reverseOf}`)
  if (isSwitched(entry)) return refused(`the sides of link ${name} are switched: switch them back first`)
  if (owner === 'fleet' && command.owner === 'api')
    return refused(`link ${name} is declared in the fleet's file`)
  const { [name]: _, ...links } = state.links
  const others = state.removed.filter(removed => removed.definition.name !== name)
  const removed =
    kept === null && keeps === null ? others : [...others, { definition, kept, keeps }].slice(-MAX_REMOVED)
  return { accepted: true, state: { ...state, links, removed } }
}

/* ---- what links keep ---- */

const NOTHING_KEPT: Omit<Kept, 'producerId' | 'fillerId' | 'markerId'> = {
  epochBase: 0,
  topics: {},
  deleted: {},
  missing: [],
  bases: [],
  maps: {},
}

function applyRebase(state: LinksState, entry: KeptEntry, command: CommandOf<'rebase'>): Applied<LinksState> {
  const { name, ids, bases, unbased, maps, forget } = command
  if (entry.definition.desired !== 'stopped') return refused(`link ${name} is not stopped`)
  if (entry.kept === null && ids === null) return refused(`link ${name} has not begun, and was given no ids`)
  const before = { ...NOTHING_KEPT, producerId: '0', fillerId: '0', markerId: '0', ...entry.kept }
  const forgotten = new Set(forget)
  const moved = new Set([...bases, ...unbased].map(mapKey))
  const stay = before.bases.filter(each => !forgotten.has(each.topic) && !moved.has(mapKey(each)))
  const voided = new Set(unbased.map(mapKey))
  const mapped = Object.entries(before.maps).filter(
    ([key]) => !voided.has(key) && !forgotten.has(topicOfKey(key)),
  )
  return withEntry(state, {
    ...entry,
    kept: {
      ...before,
      ...ids,
      topics: Object.fromEntries(Object.entries(before.topics).filter(([topic]) => !forgotten.has(topic))),
      missing: before.missing.filter(({ topic }) => !forgotten.has(topic)),
      bases: [...stay, ...bases],
      maps: { ...Object.fromEntries(mapped), ...maps },
    },
  })
}

/** Of a partition in `maps`. */
export const mapKey = ({
  topic,
  partition,
}: {
  readonly topic: string
  readonly partition: number
}): string => `${topic}/${partition}`

const topicOfKey = (key: string): string => key.slice(0, key.lastIndexOf('/'))

type Keeping =
  | CommandOf<'begin'>
  | CommandOf<'adopt'>
  | CommandOf<'forget'>
  | CommandOf<'miss'>
  | CommandOf<'map'>

function applyKeeping(state: LinksState, entry: KeptEntry, command: Keeping): Applied<LinksState> {
  const { shard, token, name } = command
  const shards = state.shards.terms?.shards ?? 1
  const right =
    command.kind === 'miss' || command.kind === 'map'
      ? shardOf(name, command.topic, command.partition, shards)
      : leadShardOf(name, shards)
  if (shard !== right) return refused(`shard ${shard} says nothing about this, shard ${right} does`)
  if (!mayWrite(state.shards, shard, token)) return refused(`token ${token} of shard ${shard} is stale`)
  const { kept } = entry
  if (command.kind === 'begin') {
    if (kept !== null) return { accepted: true, state }
    const { producerId, fillerId, markerId } = command
    const ids = { producerId, fillerId, markerId }
    return withEntry(state, {
      ...entry,
      kept: { ...NOTHING_KEPT, ...ids },
    })
  }
  if (kept === null) return refused(`link ${name} has not begun`)
  const full = command.kind === 'map' ? mapFault(state, kept, command) : undefined
  if (full !== undefined) return refused(full)
  return withEntry(state, { ...entry, kept: keep(state, entry.definition, kept, command) })
}

function keep(
  state: LinksState,
  definition: LinkDefinition,
  kept: Kept,
  command: Exclude<Keeping, CommandOf<'begin'>>,
): Kept {
  switch (command.kind) {
    case 'adopt': {
      const writers = writersOf({ links: linksBeside(state, definition.name) })
      const fresh = Object.entries(command.topics).filter(
        ([topic]) =>
          !Object.hasOwn(kept.topics, topic) && adoptionFault(writers, definition, topic) === undefined,
      )
      const topics = Object.fromEntries(fresh.map(([topic, sourceId]) => [topic, { sourceId }]))
      return { ...kept, topics: { ...kept.topics, ...topics } }
    }
    case 'forget': {
      const { topic, copyId } = command
      const { [topic]: _, ...topics } = kept.topics
      const deleted = copyId === null ? kept.deleted : { ...kept.deleted, [topic]: copyId }
      return {
        ...kept,
        topics,
        deleted,
        missing: kept.missing.filter(each => each.topic !== topic),
        bases: kept.bases.filter(each => each.topic !== topic),
        maps: Object.fromEntries(Object.entries(kept.maps).filter(([key]) => topicOfKey(key) !== topic)),
      }
    }
    case 'miss': {
      const { topic, partition, from, to } = command
      const known = kept.missing.some(
        each => each.topic === topic && each.partition === partition && each.from <= from && each.to >= to,
      )
      if (known) return kept
      return { ...kept, missing: [...kept.missing, { topic, partition, from, to }].slice(-MAX_MISSING) }
    }
    case 'map': {
      const key = mapKey(command)
      const { [key]: was, ...others } = kept.maps
      const mapping = changed(was, command)
      if (mapping === undefined) return { ...kept, maps: others }
      return { ...kept, maps: { ...kept.maps, [key]: stored(mapping) } }
    }
    default:
      return command satisfies never
  }
}

/** As the journal has it. */
export const stored = ({ segments, before, why }: Mapping): Kept['maps'][string] => ({
  segments: segments.map(([from, at]) => [from, at]),
  before,
  why,
})

/** Why a mapping may not be changed so: too much would have to be kept. What makes it shorter is never refused. */
export function mapFault(
  state: Pick<LinksState, 'links'>,
  { maps }: Kept,
  command: Pick<CommandOf<'map'>, 'topic' | 'partition' | keyof MappingChange>,
): string | undefined {
  const before = own(maps, mapKey(command))
  const segments = changed(before, command)?.segments.length ?? 0
  const added = segments - (before?.segments.length ?? 0)
  if (added <= 0) return undefined
  const where = `${command.topic}-${command.partition}`
  if (segments > MAX_SEGMENTS)
    return `the offsets of ${where} would be mapped in ${segments} stretches; at most ${MAX_SEGMENTS} are kept`
  const all = Object.values(state.links).reduce((sum, { kept }) => sum + segmentsIn(kept), added)
  return all > MAX_ALL_SEGMENTS
    ? `offsets of all links would be mapped in ${all} stretches; at most ${MAX_ALL_SEGMENTS} are kept`
    : undefined
}

const segmentsIn = (kept: Kept | null): number =>
  Object.values(kept?.maps ?? {}).reduce((sum, { segments }) => sum + segments.length, 0)

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
