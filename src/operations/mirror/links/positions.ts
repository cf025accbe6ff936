/** Where a link's partitions stand, and telling a stopped one where they are to go on. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { TopicPartition } from '../../../foundation/kafka/partitions.ts'
import type { LinkDefinition } from '../definition.ts'
import { LINK_NOT_STOPPED, LINK_POSITION_REFUSED } from '../errors.ts'
import { afterIdentity, changed, type MaybeMapping, nextSource } from '../mapping.ts'
import type { LinkPosition, LinkPositionChange } from '../registry.ts'
import { copyName } from '../select.ts'
import { lookAtTarget } from '../target-log.ts'
import type { Kept, KeptEntry } from './contract.ts'
import type { ConnectEnd, LinkSide } from './ends.ts'
import { freshIds, type LinksJournal } from './kept.ts'
import { mapKey, stored } from './machine.ts'

export async function positionsOf(
  connect: ConnectEnd,
  { definition, kept }: KeptEntry,
  signal: AbortSignal,
): Promise<LinkPosition[]> {
  const topics = Object.keys(kept?.topics ?? {})
  if (topics.length === 0) return []
  const target = await connect(definition.target, definition)
  try {
    const ends = await endsOf(target, definition, topics, signal)
    return ends.map(({ topic, partition, end }) => ({
      topic,
      partition,
      sourceOffset: nextOf(kept, { topic, partition }, end),
      targetOffset: end,
    }))
  } finally {
    await target.close()
  }
}

/** Where a copy ends its source is read next, by the mapping if its offsets are mapped. */
function nextOf(kept: Kept | null, at: TopicPartition, end: number): number {
  const mapping = kept?.maps[mapKey(at)]
  return nextSource(mapping, end) ?? mapping!.segments[0]![0]
}

interface CopyEnd {
  /** Name at the source. */
  readonly topic: string
  readonly partition: number
  readonly end: number
}

async function endsOf(
  { wire }: LinkSide,
  { rename }: KeptEntry['definition'],
  topics: readonly string[],
  signal: AbortSignal,
): Promise<CopyEnd[]> {
  const byCopy = new Map(topics.map(topic => [copyName(rename, topic), topic]))
  const found = await wire.metadata([...byCopy.keys()], signal)
  const queries = found.flatMap(({ name: topic, partitions }) =>
    partitions.map(({ partition }) => ({ topic, partition, at: 'latest' as const })),
  )
  const ends = await wire.listOffsets(queries, signal)
  return ends.map(({ topic, partition, offset }) => ({ topic: byCopy.get(topic)!, partition, end: offset }))
}

/**
 * A stopped link goes on in these partitions where their copies end, whoever wrote them. Where each record keeps the offset
 * it has at the source, what is asked for must be the copy's end; a link that maps offsets begins a stretch of the mapping.
 *
 * @throws AjnaError LINK_NOT_STOPPED, LINK_POSITION_REFUSED, what the journal throws
 */
export async function setPositions(
  { connect, journal }: { readonly connect: ConnectEnd; readonly journal: LinksJournal },
  { definition, kept }: KeptEntry,
  changes: readonly LinkPositionChange[],
  signal: AbortSignal,
): Promise<void> {
  const { name, desired, offsets } = definition
  if (desired !== 'stopped') throw new AjnaError(LINK_NOT_STOPPED, `link ${name} is to be ${desired}`)
  const target = await connect(definition.target, definition)
  try {
    const topics = [...new Set(changes.map(({ topic }) => topic))]
    const ends = new Map(
      (await endsOf(target, definition, topics, signal)).map(each => [keyOf(each), each.end]),
    )
    const refused = changes.flatMap(change => {
      const end = ends.get(keyOf(change))
      return positionFault(change, end, offsets, nextOf(kept, change, end ?? 0)) ?? []
    })
    if (refused.length > 0) throw new AjnaError(LINK_POSITION_REFUSED, `link ${name}: ${refused.join('; ')}`)
    const set = changes.flatMap(({ topic, partition, sourceOffset }) =>
      sourceOffset === null ? [] : [{ topic, partition, next: sourceOffset }],
    )
    const placed = set.map(each => ({ ...each, end: ends.get(keyOf(each)) ?? 0 }))
    const bases = placed.map(({ topic, partition, end }) => ({ topic, partition, end }))
    const maps: Record<string, Kept['maps'][string]> = {}
    for (const each of placed) {
      if (each.next === nextOf(kept, each, each.end)) continue
      const isOwn = await isOwnCopy(target, definition, kept, each, signal)
      const mapping = stretchAt(kept?.maps[mapKey(each)], each, isOwn)
      if (mapping !== undefined) maps[mapKey(each)] = stored(mapping)
    }
    const unbased = changes
      .filter(({ sourceOffset }) => sourceOffset === null)
      .map(({ topic, partition }) => ({ topic, partition }))
    const ids = kept === null ? await freshIds(target.wire, signal) : null
    const outcome = await journal.submit(
      { kind: 'rebase', name, ids, bases, unbased, maps, forget: [] },
      { signal },
    )
    if (!outcome.accepted) throw new AjnaError(LINK_NOT_STOPPED, outcome.reason)
  } finally {
    await target.close()
  }
}

/**
 * The mapping of a partition that goes on elsewhere than where its copy's end would have it.
 *
 * @param isOwn whether what the copy holds so far is this link's, if nothing was mapped yet
 */
export function stretchAt(
  mapping: MaybeMapping,
  { next, end }: { readonly next: number; readonly end: number },
  isOwn: boolean,
): MaybeMapping {
  return changed(mapping, {
    cut: end,
    below: 0,
    segments: mapping === undefined && isOwn ? afterIdentity([next, end]) : [[next, end]],
    before: end === 0 || isOwn ? 'nothing' : 'unknown',
    why: `it was told to go on at offset ${next} of the source, where its copy ended at ${end}`,
  })
}

/** Whether a copy's last records are the link's: then its offsets are the source's so far. */
async function isOwnCopy(
  { wire }: LinkSide,
  { rename }: KeptEntry['definition'],
  kept: Kept | null,
  { topic, partition, end }: TopicPartition & { readonly end: number },
  signal: AbortSignal,
): Promise<boolean> {
  if (kept === null || end === 0) return false
  const ids = {
    producerId: BigInt(kept.producerId),
    fillerId: BigInt(kept.fillerId),
    markerId: BigInt(kept.markerId),
  }
  const { tail } = await lookAtTarget({ wire, ids, topic: copyName(rename, topic), partition }, signal)
  return tail === 'copy' || tail === 'marker'
}

const keyOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }): string =>
  `${topic}-${partition}`

/**
 * Why a partition cannot go on there.
 *
 * @param end where its copy ends; undefined: there is none
 * @param next which of the source's offsets that is
 */
export function positionFault(
  change: LinkPositionChange,
  end: number | undefined,
  offsets: LinkDefinition['offsets'] = 'identity',
  next = end ?? 0,
): string | undefined {
  const { sourceOffset } = change
  if (sourceOffset === null || offsets === 'mapped' || sourceOffset === next) return undefined
  const is = end === undefined ? 'there is no copy yet' : `its copy ends at ${end}`
  return `${keyOf(change)} cannot go on at ${sourceOffset}: ${is}, and every record keeps its offset`
}
