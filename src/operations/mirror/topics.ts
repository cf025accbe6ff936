/**
 * A link's topics at both ends. Every worker looks at them; whoever holds the link's lead takes topics on, creates and
 * widens the copies, keeps their settings in step and, by policy, deletes what was deleted at the source.
 */
import { describeError, isAjnaError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { TopicMetadata, Wire } from '../../foundation/wire/contract.ts'
import { asked } from './asked.ts'
import type { HaltReason, KeptLink, LinkAdmin } from './contract.ts'
import { copySettings, settingsToChange } from './decide.ts'
import type { LinkDefinition } from './definition.ts'
import { LINK_TOPIC_REFUSED } from './errors.ts'
import { copyName, copyNameFault, type TopicMatcher } from './select.ts'

export interface LinkSides {
  readonly source: Wire
  readonly target: Wire
  readonly sourceAdmin: LinkAdmin
  readonly targetAdmin: LinkAdmin
  readonly kept: KeptLink
  readonly log: Logger
}

/** Of two sides what keeping settings in step takes. */
export interface SettingsSides {
  readonly sourceAdmin: Pick<LinkAdmin, 'settings'>
  readonly targetAdmin: Pick<LinkAdmin, 'settings' | 'changeSettings'>
  readonly log: Logger
}

/** One topic as the partitions of it are to be worked on. */
export interface TopicView {
  readonly name: string
  readonly copy: string
  /** As at the source; of a topic that is gone there, as at the target. */
  readonly partitions: number
  /** How many of them the copy has. */
  readonly copied: number
  /** The copy was widened just now, or is about to be. */
  readonly growing: boolean
  /** Why none of it may be copied. */
  readonly halt: { readonly halted: HaltReason; readonly reason: string } | undefined
}

export interface TopicsLook {
  readonly topics: readonly TopicView[]
  /** Why topics that are chosen are not copied, by name. */
  readonly refused: ReadonlyMap<string, string>
  /** Something was changed just now and will be seen in a moment. */
  readonly pending: boolean
  /** How many there are at the source in all. */
  readonly partitions: number
}

/** What a worker remembers between its looks. */
export interface TopicsMemory {
  /** Looks in a row at which a topic that was taken on was not at the source, by name. */
  readonly absences: Map<string, number>
  /** Topics that the journal refused, and why; asked again now and then. */
  readonly refusals: Map<string, string>
  /** Copies that could not be prepared at the last look, and why. */
  unprepared: ReadonlyMap<string, string>
}

export interface LookOptions {
  readonly sides: LinkSides
  readonly definition: LinkDefinition
  readonly chosen: TopicMatcher
  readonly memory: TopicsMemory
  /** Whether this worker holds the link's lead just now. */
  readonly leads: () => boolean
  readonly signal: AbortSignal
}

/** Brokers that lag may not know a topic for a moment. */
const ABSENT_LOOKS = 3

/** @throws what the clusters and the journal answer; what failed for one topic is logged and tried at the next look */
export async function lookAtTopics(options: LookOptions): Promise<TopicsLook> {
  const { sides, definition, chosen, leads, signal } = options
  const { source, target, kept } = sides
  const all = await asked('source', source.metadata('all', signal))
  const there = new Map(all.filter(({ name }) => chosen(name)).map(topic => [topic.name, topic]))
  const refused = new Map<string, string>()
  for (const name of there.keys()) {
    const fault = copyNameFault(definition.rename, name)
    if (fault === undefined) continue
    refused.set(name, fault)
    there.delete(name)
  }
  const { memory } = options
  if (leads()) await adoptNew(options, there)
  for (const [name, reason] of memory.refusals) if (there.has(name)) refused.set(name, reason)
  const names = [...kept.adopted()].filter(chosen)
  const known = new Set(names)
  for (const name of memory.absences.keys()) if (!known.has(name)) memory.absences.delete(name)
  const copyOf = (name: string): string => copyName(definition.rename, name)
  const found = await asked('target', target.metadata(names.map(copyOf), signal))
  const copies = new Map(found.map(topic => [topic.name, topic]))
  const topics: TopicView[] = []
  const unprepared = new Map<string, string>()
  let pending = [...there.keys()].some(name => !known.has(name) && !refused.has(name))
  for (const name of names) {
    const seen = copies.get(copyOf(name))
    const copy = seen?.id === kept.deletedCopyOf(name) ? undefined : seen
    if (copy === undefined && there.has(name) && definition.onMissingTopic === 'wait')
      refused.set(name, `waits until somebody has created ${copyOf(name)} at the target`)
    try {
      const view = await viewOf(options, name, there, copy)
      if (view === undefined || view.growing) pending = true
      if (view !== undefined) topics.push(view)
    } catch (error) {
      signal.throwIfAborted()
      const reason = describeError(error)
      refused.set(name, reason)
      unprepared.set(name, reason)
      if (memory.unprepared.get(name) !== reason)
        sides.log.warn({ topic: name, reason }, 'the copy could not be prepared; trying on')
    }
  }
  memory.unprepared = unprepared
  const partitions = all.reduce((sum, topic) => sum + topic.partitions.length, 0)
  return { topics, refused, pending, partitions }
}

async function adoptNew(
  { sides: { kept, log }, memory }: LookOptions,
  there: ReadonlyMap<string, TopicMetadata>,
): Promise<void> {
  const fresh = [...there.values()].filter(
    ({ name }) => kept.sourceIdOf(name) === undefined && !memory.refusals.has(name),
  )
  if (fresh.length === 0) return
  const refusals = await kept.adopt(new Map(fresh.map(({ name, id }) => [name, id])))
  for (const [topic, reason] of refusals) {
    memory.refusals.set(topic, reason)
    log.error({ topic, reason }, 'the topic is not copied')
  }
}

/** A topic that was taken on; undefined: not yet, or no more. */
async function viewOf(
  options: LookOptions,
  name: string,
  there: ReadonlyMap<string, TopicMetadata>,
  copy: TopicMetadata | undefined,
): Promise<TopicView | undefined> {
  const { sides, definition, memory, leads, signal } = options
  const original = there.get(name)
  const absences = original === undefined ? (memory.absences.get(name) ?? 0) + 1 : 0
  if (absences === 0) memory.absences.delete(name)
  else memory.absences.set(name, absences)
  const fate = fateOf({
    adoptedId: sides.kept.sourceIdOf(name)!,
    sourceId: original?.id,
    absences,
    allGone: there.size === 0 && memory.absences.size > 1,
    onSourceDeleted: definition.onSourceDeleted,
  })
  if (fate.kind === 'delete') {
    if (leads() && (original !== undefined || (await isGone(options, name))))
      await retire(options, name, copy)
    return undefined
  }
  if (fate.kind === 'unsure') return undefined
  const view = {
    name,
    copy: copyName(definition.rename, name),
    copied: copy?.partitions.length ?? 0,
    growing: false,
  }
  if (fate.kind === 'halt') return { ...view, partitions: view.copied, halt: fate }
  const { partitions } = original!
  const narrow = copy !== undefined && copy.partitions.length < partitions.length
  const changes = copy === undefined || (narrow && definition.onFewerPartitions === 'widen')
  if (!changes) return { ...view, partitions: partitions.length, halt: undefined }
  if (leads()) {
    if (copy !== undefined) await widen(sides, view.copy, copy.partitions.length, partitions.length, signal)
    else if (definition.onMissingTopic === 'create') await create(options, original!)
  }
  // What the copy has already is copied while it grows.
  return copy === undefined ? undefined : { ...view, partitions: view.copied, growing: true, halt: undefined }
}

export type TopicFate =
  | { readonly kind: 'copy' }
  /** It was deleted at the source, and so is the copy. */
  | { readonly kind: 'delete' }
  | { readonly kind: 'unsure' }
  | { readonly kind: 'halt'; readonly halted: HaltReason; readonly reason: string }

/** What becomes of a topic that was taken on under an id. */
export function fateOf(facts: {
  readonly adoptedId: string
  /** Undefined: no topic of that name is there. */
  readonly sourceId: string | undefined
  readonly absences: number
  /** No topic of the link is there any more, and there were several. */
  readonly allGone: boolean
  readonly onSourceDeleted: LinkDefinition['onSourceDeleted']
}): TopicFate {
  const { adoptedId, sourceId, absences, allGone, onSourceDeleted } = facts
  if (sourceId === adoptedId) return { kind: 'copy' }
  if (sourceId !== undefined) {
    if (onSourceDeleted === 'delete') return { kind: 'delete' }
    return {
      kind: 'halt',
      halted: 'source-recreated',
      reason: `the source's topic was deleted and created again (${adoptedId}, now ${sourceId}); the copy holds the old one's records`,
    }
  }
  if (absences < ABSENT_LOOKS) return { kind: 'unsure' }
  if (onSourceDeleted === 'halt')
    return {
      kind: 'halt',
      halted: 'source-gone',
      reason: 'the source has the topic no more, or does not let the link see it (Describe)',
    }
  if (allGone) {
    return {
      kind: 'halt',
      halted: 'source-gone',
      reason:
        "the source has none of the link's topics any more, which may be another cluster's doing: no copy is deleted",
    }
  }
  return { kind: 'delete' }
}

/** A topic that may not be seen any more looks like one that is gone; asked for its settings, the cluster tells, or throws. */
async function isGone({ sides, signal }: LookOptions, name: string): Promise<boolean> {
  return !(await sides.sourceAdmin.settings([name], signal)).has(name)
}

async function retire(
  { sides, signal }: LookOptions,
  name: string,
  copy: TopicMetadata | undefined,
): Promise<void> {
  if (copy !== undefined) await sides.targetAdmin.deleteTopic(copy.name, copy.id, signal)
  await sides.kept.forget(name, copy?.id ?? null)
  sides.log.warn({ topic: name, copy: copy?.name }, 'deleted at the source, and so was the copy')
}

async function create({ sides, definition, signal }: LookOptions, topic: TopicMetadata): Promise<void> {
  const { sourceAdmin, targetAdmin, log } = sides
  const { name, partitions } = topic
  const own = (await sourceAdmin.settings([name], signal)).get(name) ?? {}
  const replicationFactor =
    definition.replicationFactor ?? Math.max(1, ...partitions.map(({ replicas }) => replicas.length))
  const copy = {
    name: copyName(definition.rename, name),
    partitions: partitions.length,
    replicationFactor,
    config: copySettings(own),
  }
  await targetAdmin.createTopic(copy, signal)
  log.info(copy, 'created the copy')
}

async function widen(
  { targetAdmin, log }: LinkSides,
  copy: string,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<void> {
  await targetAdmin.addPartitions(copy, to, signal)
  log.info({ topic: copy, from, to }, 'added partitions to the copy')
}

/** Brings the copies' settings in step; answers what could not be, and why: it is tried next time. */
export async function alignSettings(
  { sourceAdmin, targetAdmin, log }: SettingsSides,
  topics: readonly TopicView[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const failed = new Map<string, string>()
  const copied = topics.filter(({ halt }) => halt === undefined)
  if (copied.length === 0) return failed
  const hide = (names: readonly string[], reason: string): void => {
    for (const { name, copy } of copied)
      if (names.includes(name) || names.includes(copy)) failed.set(name, reason)
  }
  const [theirs, ours] = await Promise.all([
    visibleSettings(
      sourceAdmin,
      copied.map(({ name }) => name),
      hide,
      signal,
    ),
    visibleSettings(
      targetAdmin,
      copied.map(({ copy }) => copy),
      hide,
      signal,
    ),
  ])
  for (const { name, copy } of copied) {
    const source = theirs.get(name)
    const target = ours.get(copy)
    if (source === undefined || target === undefined) continue
    const set = settingsToChange(source, target)
    if (Object.keys(set).length === 0) continue
    try {
      await targetAdmin.changeSettings(copy, set, signal)
      log.info({ topic: copy, set }, "brought the copy's settings in step")
    } catch (error) {
      signal.throwIfAborted()
      const reason = describeError(error)
      failed.set(name, reason)
      log.warn({ topic: copy, set, reason }, "the copy's settings could not be changed; trying again")
    }
  }
  return failed
}

/** Of the topics that may be looked at; the others are told of. */
async function visibleSettings(
  admin: Pick<LinkAdmin, 'settings'>,
  topics: readonly string[],
  hide: (topics: readonly string[], reason: string) => void,
  signal: AbortSignal,
): ReturnType<LinkAdmin['settings']> {
  try {
    return await admin.settings(topics, signal)
  } catch (error) {
    if (!isAjnaError(error, LINK_TOPIC_REFUSED)) throw error
    const hidden = error.details['topics'] as readonly string[]
    hide(hidden, describeError(error))
    return admin.settings(
      topics.filter(topic => !hidden.includes(topic)),
      signal,
    )
  }
}

/** What of a link's topics is to be said, one by name and how many more. */
export function topicsReason(
  refused: ReadonlyMap<string, string>,
  unaligned: ReadonlyMap<string, string>,
): string {
  const say = (of: ReadonlyMap<string, string>, what: (topic: string) => string): string[] => {
    const [first] = of
    if (first === undefined) return []
    const more = of.size === 1 ? '' : ` (and so with ${of.size - 1} more)`
    return [`${what(first[0])}: ${first[1]}${more}`]
  }
  return [
    ...say(refused, topic => `${topic} is not copied`),
    ...say(unaligned, topic => `the settings of ${topic} are not in step`),
  ].join('; ')
}
