/** Where a link's partitions stand, and telling a stopped one where they are to go on. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { LINK_NOT_STOPPED, LINK_POSITION_REFUSED } from '../errors.ts'
import type { LinkPosition, LinkPositionChange } from '../registry.ts'
import { copyName } from '../select.ts'
import type { KeptEntry } from './contract.ts'
import type { ConnectEnd, LinkSide } from './ends.ts'
import { freshIds, type LinksJournal } from './kept.ts'

/** Under identity a copy ends where its source is read next. */
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
      sourceOffset: end,
      targetOffset: end,
    }))
  } finally {
    await target.close()
  }
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
 * A stopped link goes on in these partitions where their copies end, whoever wrote them. Each record keeps the offset it has
 * at the source: so what is asked for must be the copy's end.
 *
 * @throws AjnaError LINK_NOT_STOPPED, LINK_POSITION_REFUSED, what the journal throws
 */
export async function setPositions(
  { connect, journal }: { readonly connect: ConnectEnd; readonly journal: LinksJournal },
  { definition, kept }: KeptEntry,
  changes: readonly LinkPositionChange[],
  signal: AbortSignal,
): Promise<void> {
  const { name, desired } = definition
  if (desired !== 'stopped') throw new AjnaError(LINK_NOT_STOPPED, `link ${name} is to be ${desired}`)
  const target = await connect(definition.target, definition)
  try {
    const topics = [...new Set(changes.map(({ topic }) => topic))]
    const ends = new Map(
      (await endsOf(target, definition, topics, signal)).map(each => [keyOf(each), each.end]),
    )
    const refused = changes.flatMap(change => positionFault(change, ends.get(keyOf(change))) ?? [])
    if (refused.length > 0) throw new AjnaError(LINK_POSITION_REFUSED, `link ${name}: ${refused.join('; ')}`)
    const bases = changes.flatMap(({ topic, partition, sourceOffset }) =>
      sourceOffset === null ? [] : [{ topic, partition, end: sourceOffset }],
    )
    const unbased = changes
      .filter(({ sourceOffset }) => sourceOffset === null)
      .map(({ topic, partition }) => ({ topic, partition }))
    const ids = kept === null ? await freshIds(target.wire, signal) : null
    const outcome = await journal.submit(
      { kind: 'rebase', name, ids, bases, unbased, forget: [] },
      { signal },
    )
    if (!outcome.accepted) throw new AjnaError(LINK_NOT_STOPPED, outcome.reason)
  } finally {
    await target.close()
  }
}

const keyOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }): string =>
  `${topic}-${partition}`

/** Why a partition cannot go on there, given where its copy ends (undefined: there is none). */
export function positionFault(change: LinkPositionChange, end: number | undefined): string | undefined {
  const { sourceOffset } = change
  if (sourceOffset === null || sourceOffset === (end ?? 0)) return undefined
  const is = end === undefined ? 'there is no copy yet' : `its copy ends at ${end}`
  return `${keyOf(change)} cannot go on at ${sourceOffset}: ${is}, and every record keeps its offset`
}
