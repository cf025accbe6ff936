/** Looks at both ends of a link for what it keeps in step. */
import { describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../../foundation/kafka/admin.ts'
import { refusalOf } from '../../../foundation/kafka/errors.ts'
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import type { LinkDefinition } from '../definition.ts'
import { copyName, topicSelector } from '../select.ts'
import type {
  CopiedTopic,
  CopyEnds,
  GroupFacts,
  KeepScope,
  SourceFacts,
  TargetFacts,
  Translate,
} from './facts.ts'
import { namesOf } from './names.ts'

export type KeepSource = Pick<
  ClusterAdmin,
  'describeTopics' | 'describeAcls' | 'describeQuotas' | 'listGroups' | 'groupPositions'
>

export type KeepTarget = KeepSource &
  Pick<ClusterAdmin, 'listOffsets' | 'createAcls' | 'deleteAcls' | 'alterQuotas' | 'commitPositions'>

export interface GatherOptions {
  readonly definition: LinkDefinition
  readonly source: KeepSource
  readonly target: KeepTarget
  readonly linkPrincipals: readonly string[]
  readonly translate: () => Promise<Translate>
  readonly now: () => number
  readonly signal: AbortSignal
}

export interface Gathered {
  readonly scope: KeepScope
  readonly source: SourceFacts
  readonly target: TargetFacts
}

/** The copies a link has of topics that exist. Pure. */
export function copiedTopics(
  { topics, rename }: Pick<LinkDefinition, 'topics' | 'rename'>,
  names: readonly string[],
): CopiedTopic[] {
  return names.filter(topicSelector(topics)).map(source => ({ source, copy: copyName(rename, source) }))
}

/** @throws what the clusters answer, when a whole side or a whole part cannot be seen */
export async function gather(options: GatherOptions): Promise<Gathered> {
  const { definition, source, target, signal } = options
  const { keep } = definition
  const call = { signal }
  const quotas = !namesOf(keep.quotas).none
  const rights = !namesOf(keep.acls).none
  const [topics, acls, limits, groups, targetAcls, targetLimits] = await Promise.all([
    source.describeTopics('all', call),
    rights ? aclsOf(source, call) : aclsIfAllowed(source, signal),
    quotas ? source.describeQuotas(call) : undefined,
    sourceGroups(options),
    rights ? aclsOf(target, call) : undefined,
    quotas ? target.describeQuotas(call) : undefined,
  ])
  const copied = copiedTopics(
    definition,
    topics.map(({ name }) => name),
  )
  const copies = new Map(copied.map(each => [each.source, each.copy]))
  const relevant = groups.groups.filter(group => group.positions.some(each => copies.has(each.topic)))
  const there = await targetGroups(
    options,
    relevant.map(({ id }) => id),
  )
  const read = new Set(relevant.flatMap(group => group.positions.map(each => copies.get(each.topic) ?? '')))
  read.delete('')
  // The ends last: what was copied when they were asked for is copied when a position is moved there.
  const ends = await copyEnds(target, [...read], signal)
  const translate = await options.translate()
  return {
    scope: {
      keep,
      topics: copied,
      linkPrincipals: options.linkPrincipals,
      translate,
    },
    source: {
      at: groups.at,
      acls,
      quotas: limits,
      groups: relevant,
      unknownGroups: groups.unknown,
    },
    target: {
      acls: targetAcls,
      quotas: targetLimits,
      groups: there.groups,
      unknownGroups: there.unknown,
      ends,
    },
  }
}

/** Null: no authorizer. */
export async function aclsOf(
  cluster: Pick<ClusterAdmin, 'describeAcls'>,
  options: { readonly signal: AbortSignal; readonly broker?: number },
): Promise<readonly AclBinding[] | null> {
  try {
    return await cluster.describeAcls(options)
  } catch (error) {
    if (refusalOf(error) === 'SECURITY_DISABLED') return null
    throw error
  }
}

/** Who may write is worth knowing for a promotion, but not worth failing for. */
async function aclsIfAllowed(
  cluster: KeepSource,
  signal: AbortSignal,
): Promise<readonly AclBinding[] | null | undefined> {
  try {
    return await aclsOf(cluster, { signal })
  } catch (error) {
    if (isAjnaError(error) && error.details['class'] === 'unauthorized') return undefined
    throw error
  }
}

async function sourceGroups({ definition, source, now, signal }: GatherOptions) {
  const names = namesOf(definition.keep.groups)
  if (names.none) return { at: now(), groups: [], unknown: new Map<string, string>() }
  const listed = await source.listGroups({ signal })
  const meant = listed.groups.filter(({ id, type }) => type !== 'share' && names.means(id))
  const at = now()
  const { groups, unknown } = await positionsOf(source, meant, signal)
  for (const { broker, error } of listed.unanswered)
    unknown.set(`groups of broker ${broker} at the source`, describeError(error))
  return { at, groups, unknown }
}

async function targetGroups({ target, signal }: GatherOptions, ids: readonly string[]) {
  if (ids.length === 0) return { groups: [], unknown: new Map<string, string>() }
  const listed = await target.listGroups({ signal })
  const states = new Map(listed.groups.map(group => [group.id, group.state]))
  const silent = listed.unanswered[0]
  const there = ids.map(id => ({ id, state: states.get(id) ?? null }))
  // A group that no answering broker coordinates may be at the one that is silent.
  const doubtful = silent === undefined ? [] : there.filter(({ state }) => state === null)
  const certain = there.filter(each => !doubtful.includes(each))
  const { groups, unknown } = await positionsOf(target, certain, signal)
  for (const { id } of doubtful)
    unknown.set(
      id,
      `broker ${silent!.broker} of the target, which may coordinate it, does not answer: ${describeError(silent!.error)}`,
    )
  return { groups, unknown }
}

async function positionsOf(
  cluster: KeepSource,
  groups: readonly { readonly id: string; readonly state: string | null }[],
  signal: AbortSignal,
): Promise<{ groups: GroupFacts[]; unknown: Map<string, string> }> {
  const found = await cluster.groupPositions(
    groups.map(({ id }) => id),
    { signal },
  )
  const unknown = new Map<string, string>()
  const known: GroupFacts[] = []
  for (const [index, { id, state }] of groups.entries()) {
    const { positions, error } = found[index]!
    if (error === null) known.push({ id, state, positions })
    else unknown.set(id, describeError(error))
  }
  return { groups: known, unknown }
}

/** Of the partitions that exist and answer. */
async function copyEnds(
  target: Pick<ClusterAdmin, 'describeTopics' | 'listOffsets'>,
  topics: readonly string[],
  signal: AbortSignal,
): Promise<CopyEnds[]> {
  if (topics.length === 0) return []
  const described = await target.describeTopics(topics, { signal })
  const partitions = described.flatMap(({ name: topic, partitions: each }) =>
    each.map(({ partition }) => ({ topic, partition })),
  )
  const [starts, ends] = await Promise.all([
    target.listOffsets(
      partitions.map(each => ({ ...each, at: 'earliest' as const })),
      { signal },
    ),
    target.listOffsets(
      partitions.map(each => ({ ...each, at: 'latest' as const })),
      { signal },
    ),
  ])
  return partitions.flatMap((each, index) => {
    const start = starts[index]!.offset
    const end = ends[index]!.offset
    return start === null || end === null ? [] : [{ ...each, start, end }]
  })
}
