/** The beginning of a partition's copying: a look at both logs, then what has to be done before the first batch. */
import { AjnaError, describeError, isAjnaError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { PositionedAppender, Wire } from '../../foundation/wire/contract.ts'
import { asked } from './asked.ts'
import type { HaltReason, KeptLink, MissingRange } from './contract.ts'
import { type Begin, type BeginPolicy, decideBegin, type Range } from './decide.ts'
import { LINK_BATCH_REFUSED, LINK_MAPPING_FULL } from './errors.ts'
import type { Lane, LaneBegin } from './lane.ts'
import { afterIdentity, type MaybeMapping, nextSource, sourceOf } from './mapping.ts'
import { fillWithMarkers, type MarkerAuthor } from './markers.ts'
import { claimOffsets } from './prefill.ts'
import { type SourceRecord, sourceRecord } from './source-log.ts'
import { lookAtTarget, type TargetPartition } from './target-log.ts'

export const NOT_HELD = 'the right to fill gaps is not confirmed just now, or another worker has it'

export interface BeginContext {
  readonly policy: () => BeginPolicy
  readonly source: Wire
  readonly target: Wire
  readonly kept: KeptLink
  /** Of the link's filler id. */
  readonly fillers: PositionedAppender
  /** Whether gaps can be filled, as far as is known. */
  readonly fills: () => boolean
  /** Whether an error means that they cannot, and need not be. */
  readonly cannotFill: (error: unknown) => boolean
  readonly log: Logger
  /** The worker's: what is written is ended by nothing else. */
  readonly signal: AbortSignal
}

/** What one look at a partition may do. */
export interface Turn {
  /** Aborted when the partition is let go, or looked at anew: nothing more is begun, what is being written is finished. */
  readonly signal: AbortSignal
  readonly author: MarkerAuthor
  /** Whether markers may be written now. */
  readonly holds: () => boolean
}

export type Begun =
  | ({ readonly kind: 'copy' } & LaneBegin)
  | { readonly kind: 'halt'; readonly halted: HaltReason; readonly reason: string }
  /** Something was done, or in vain: look again. */
  | { readonly kind: 'again'; readonly failed: boolean }

const AGAIN: Begun = { kind: 'again', failed: false }

/** One look and one act. @throws what the clusters answer; LINK_BATCH_REFUSED */
export async function beginOnce(context: BeginContext, lane: Lane, turn: Turn): Promise<Begun> {
  try {
    return lane.landed.length > 0 ? await noteLanded(context, lane) : await lookAndAct(context, lane, turn)
  } catch (error) {
    if (!isAjnaError(error, LINK_MAPPING_FULL)) throw error
    return { kind: 'halt', halted: 'mapping-full', reason: describeError(error) }
  }
}

/** Batches that landed elsewhere: nobody else knows of them. */
async function noteLanded({ kept }: BeginContext, lane: Lane): Promise<Begun> {
  const { topic, partition } = lane
  const landed = lane.landed.toSorted(([a], [b]) => a - b)
  const before = kept.mappingOf(topic, partition)
  const [first, ...others] = landed
  const segments = before === undefined ? [...afterIdentity(first!), ...others] : landed
  const why = `others wrote to the copy, up to offset ${first![1] - 1}`
  await kept.noteMapping(topic, partition, { cut: null, below: 0, segments, before: 'nothing', why })
  lane.landed = []
  return AGAIN
}

async function lookAndAct(context: BeginContext, lane: Lane, turn: Turn): Promise<Begun> {
  const { begin, at, mapping, sequence, epoch } = await lookAtBoth(context, lane, turn.signal)
  const { copy, topic, partition } = lane
  const { target, kept, log, signal } = context
  turn.signal.throwIfAborted()
  switch (begin.kind) {
    case 'halt':
      return begin
    case 'copy':
      return { ...begin, at, mapping, sequence, epoch }
    case 'map':
      if (begin.missing !== undefined) await noteMissing(context, lane, begin.missing)
      await kept.noteMapping(topic, partition, begin.change)
      log.info({ topic, partition, change: begin.change }, "the mapping of the copy's offsets has changed")
      return AGAIN
    case 'sweep':
      await target.deleteRecords([{ topic: copy, partition, before: begin.before }], signal)
      return AGAIN
    case 'prefill':
      lane.become(
        'filling',
        `claiming offsets ${begin.from} to ${begin.to - 1}, which the source no longer has`,
        Date.now(),
      )
      if (begin.missing !== undefined) await noteMissing(context, lane, begin.missing)
      return prefill(context, lane, begin, turn)
    case 'fill':
      return fill(context, lane, begin.missing, turn)
    default:
      return begin satisfies never
  }
}

async function fill(context: BeginContext, lane: Lane, range: MissingRange, turn: Turn): Promise<Begun> {
  if (!turn.holds()) {
    lane.become('waiting', NOT_HELD, Date.now())
    return { kind: 'again', failed: true }
  }
  await noteMissing(context, lane, range)
  lane.become('filling', `filling offsets ${range.from} to ${range.to - 1}`, Date.now())
  const may = (): boolean => !turn.signal.aborted && turn.holds()
  try {
    const to = await fillWithMarkers(context.target, turn.author, lane, range, may, context.signal)
    lane.filledOffsets += to - range.from
  } catch (error) {
    if (!context.cannotFill(error)) throw error
  }
  return AGAIN
}

interface Look {
  readonly begin: Begin
  /** Where the target's log ends. */
  readonly at: number
  readonly mapping: MaybeMapping
  readonly sequence: number
  readonly epoch: number
}

async function lookAtBoth(context: BeginContext, lane: Lane, signal: AbortSignal): Promise<Look> {
  const { topic, partition } = lane
  const { source, policy, kept, fills } = context
  const mapping = kept.mappingOf(topic, partition)
  const base = kept.baseOf(topic, partition)
  const maps = policy().offsets === 'mapped'
  const known = Math.max(mapping?.segments.at(-1)?.[1] ?? 0, base ?? 0)
  const looking = lookAtTarget(targetOf(context, lane), signal, maps ? known : undefined)
  const target = await asked('target', looking)
  // The source last: what it had when the target was looked at, it has still, or retention took it.
  const queries = [
    { topic, partition, at: 'earliest' as const },
    { topic, partition, at: 'latest' as const },
  ]
  const [earliest, latest] = await asked('source', source.listOffsets(queries, signal))
  const facts = { logStart: earliest!.offset, end: latest!.offset }
  const copied = target.lastCopy
  const original = copied === undefined ? null : sourceOf(mapping, copied.offset)
  const tail =
    original === null
      ? undefined
      : await asked('source', sourceRecord(source, { topic, partition, offset: original }, signal))
  const rewrittenAt = isOther(tail, copied?.crc, mapping) ? (original ?? undefined) : undefined
  const [found] = await asked('source', source.metadata([topic], signal))
  const recreated = recreation(context, lane, found?.id)
  const at = target.end
  if (recreated !== undefined) return { begin: recreated, at, mapping, sequence: 0, epoch: -1 }
  Object.assign(lane, { sourceStart: facts.logStart, sourceEnd: facts.end, targetEnd: at, mapping })
  lane.copiedTo = nextSource(mapping, at)
  const begin = decideBegin({ ...facts, rewrittenAt }, { ...target, base, mapping }, policy(), fills())
  // Of what lies between it and the end of the copy (markers) the epoch may be a later one.
  const isNext = begin.kind === 'copy' && original === begin.from - 1
  return { begin, at, mapping, sequence: target.nextSequence, epoch: isNext ? (tail?.epoch ?? -1) : -1 }
}

/** Whether the source has something else than was copied from there. Where nothing is mapped, a marker tells nothing. */
function isOther(
  there: SourceRecord | undefined,
  copied: number | undefined,
  mapping: MaybeMapping,
): boolean {
  if (there?.isControl === true) return mapping !== undefined
  return there?.crc !== undefined && there.crc !== copied
}

/** Whether what was just looked at at the source is another topic than the one the link copies. */
function recreation({ kept }: BeginContext, { topic }: Lane, id: string | undefined): Begin | undefined {
  const adopted = kept.sourceIdOf(topic)
  if (id === undefined || id === adopted) return undefined
  const reason = `the source's topic was deleted and created again (${adopted}, now ${id})`
  return { kind: 'halt', halted: 'source-recreated', reason }
}

async function prefill(context: BeginContext, lane: Lane, range: Range, turn: Turn): Promise<Begun> {
  const { topic, partition } = lane
  const may = (): boolean => !turn.signal.aborted
  const result = await claimOffsets(targetOf(context, lane), context.fillers, range, may, context.signal)
  if (result.kind === 'rejected')
    throw new AjnaError(LINK_BATCH_REFUSED, `${topic}-${partition}: ${result.name}`)
  if (result.kind !== 'appended')
    context.log.info({ topic, partition, result }, 'claiming offsets was interrupted; looking again')
  return { kind: 'again', failed: result.kind === 'unavailable' }
}

async function noteMissing({ kept, log }: BeginContext, lane: Lane, range: Range): Promise<void> {
  const { topic, partition, missing } = lane
  if (missing.some(({ from, to }) => from <= range.from && to >= range.to)) return
  log.error(
    { topic, partition, ...range },
    'retention at the source overtook the link: these offsets are lost',
  )
  await kept.noteMissing(topic, partition, range)
  missing.push(range)
}

function targetOf({ target, kept }: BeginContext, { copy, partition }: Lane): TargetPartition {
  return { wire: target, ids: kept.ids, topic: copy, partition }
}
