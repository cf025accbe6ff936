/** The beginning of a partition's copying: a look at both logs, then what has to be done before the first batch. */
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { PositionedAppender, Wire } from '../../foundation/wire/contract.ts'
import type { HaltReason, LinkSpec } from './contract.ts'
import { type Begin, decideBegin, type Range } from './decide.ts'
import { LINK_BATCH_REFUSED } from './errors.ts'
import type { Lane } from './lane.ts'
import { fillWithMarkers } from './markers.ts'
import { claimOffsets } from './prefill.ts'
import type { KeptState } from './state.ts'
import { lookAtTarget, type TargetPartition } from './target-log.ts'

export const DEFAULT_MAX_GAP = 1_000_000
export const NOT_HELD = 'another worker holds the link: gaps are left to it'

export interface BeginContext {
  readonly spec: LinkSpec
  readonly source: Wire
  readonly target: Wire
  readonly state: KeptState
  /** Of the link's filler id. */
  readonly fillers: PositionedAppender
  /** Whether markers may be written now. */
  readonly holds?: () => boolean
  readonly log: Logger
  readonly signal: AbortSignal
}

export type Begun =
  | { readonly kind: 'copy'; readonly from: number; readonly sequence: number }
  | { readonly kind: 'halt'; readonly halted: HaltReason; readonly reason: string }
  /** Something was done, or in vain: look again. */
  | { readonly kind: 'again'; readonly failed: boolean }

const AGAIN: Begun = { kind: 'again', failed: false }

/** One look and one act. @throws what the clusters answer; LINK_BATCH_REFUSED */
export async function beginOnce(context: BeginContext, lane: Lane): Promise<Begun> {
  const { begin, sequence } = await lookAtBoth(context, lane)
  const { topic, partition } = lane
  const { target, state, signal } = context
  switch (begin.kind) {
    case 'halt':
      return begin
    case 'copy':
      return { ...begin, sequence }
    case 'sweep':
      await target.deleteRecords([{ topic, partition, before: begin.before }], signal)
      return AGAIN
    case 'prefill':
      lane.become(
        'filling',
        `claiming offsets ${begin.from} to ${begin.to - 1}, which the source no longer has`,
        Date.now(),
      )
      if (begin.missing !== undefined) await noteMissing(context, lane, begin.missing)
      return prefill(context, lane, begin)
    case 'fill': {
      const { missing } = begin
      if (context.holds?.() === false) {
        lane.become('waiting', NOT_HELD, Date.now())
        return { kind: 'again', failed: true }
      }
      await noteMissing(context, lane, missing)
      lane.become('filling', `filling offsets ${missing.from} to ${missing.to - 1}`, Date.now())
      const author = { producerId: state.ids.markerId, coordinatorEpoch: state.coordinatorEpoch }
      await fillWithMarkers(target, author, lane, missing, signal)
      lane.filledOffsets += missing.to - missing.from
      return AGAIN
    }
    default:
      return begin satisfies never
  }
}

async function lookAtBoth(context: BeginContext, lane: Lane): Promise<{ begin: Begin; sequence: number }> {
  const { topic, partition } = lane
  const { source, spec, signal } = context
  const target = await lookAtTarget(targetOf(context, lane), signal)
  // The source last: what it had when the target was looked at, it has still, or retention took it.
  const queries = [
    { topic, partition, at: 'earliest' as const },
    { topic, partition, at: 'latest' as const },
  ]
  const [earliest, latest] = await source.listOffsets(queries, signal)
  const facts = { logStart: earliest!.offset, end: latest!.offset }
  Object.assign(lane, { sourceStart: facts.logStart, sourceEnd: facts.end, targetEnd: target.end })
  const policy = { onLoss: spec.onLoss ?? 'halt', maxGap: spec.maxGap ?? DEFAULT_MAX_GAP }
  return { begin: decideBegin(facts, target, policy), sequence: target.nextSequence }
}

async function prefill(context: BeginContext, lane: Lane, range: Range): Promise<Begun> {
  const { topic, partition } = lane
  const result = await claimOffsets(targetOf(context, lane), context.fillers, range, context.signal)
  if (result.kind === 'rejected')
    throw new AjnaError(LINK_BATCH_REFUSED, `${topic}-${partition}: ${result.name}`)
  if (result.kind !== 'appended')
    context.log.info({ topic, partition, result }, 'claiming offsets was interrupted; looking again')
  return { kind: 'again', failed: result.kind === 'unavailable' }
}

async function noteMissing({ state, log }: BeginContext, lane: Lane, range: Range): Promise<void> {
  const { topic, partition, missing } = lane
  if (missing.some(({ from, to }) => from === range.from && to === range.to)) return
  missing.push(range)
  log.error(
    { topic, partition, ...range },
    'retention at the source overtook the link: these offsets are lost',
  )
  await state.noteMissing(topic, partition, range)
}

function targetOf({ target, state }: BeginContext, { topic, partition }: Lane): TargetPartition {
  return { wire: target, ids: state.ids, topic, partition }
}
