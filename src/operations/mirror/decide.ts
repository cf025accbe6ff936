/** What a link does about what it sees. Pure: facts in, decisions out. */
import type { BatchHeader } from '../../foundation/wire/batch.ts'
import type { HaltReason } from './contract.ts'
import {
  afterIdentity,
  type MappingChange,
  type MaybeMapping,
  nextSource,
  type Segment,
  sourceOf,
} from './mapping.ts'

/* ---- where to begin ---- */

export interface SourceFacts {
  readonly logStart: number
  /** The last stable offset: nothing beyond it is decided yet. */
  readonly end: number
  /** An offset at which the source has another record than the one that was copied from there. */
  readonly rewrittenAt?: number | undefined
}

export interface TargetFacts {
  readonly logStart: number
  readonly end: number
  /** Whose the last batch in the log is. `none`: the log is empty. */
  readonly tail: 'none' | 'copy' | 'filler' | 'marker' | 'foreign'
  /** Up to where the log is known to be the source's, whoever wrote it. */
  readonly base?: number | undefined
  /** How its offsets lie to the source's; default: identity. */
  readonly mapping?: MaybeMapping
  /** Where the last of the link's own batches ends; undefined: none was found. */
  readonly ownEnd?: number | undefined
  /** From here on none of the link's own would have been overlooked. Default: its end. */
  readonly searchedFrom?: number
  /** Whether the brokers remember that the link wrote to it: they forget that in time. Default: no. */
  readonly remembered?: boolean
}

export interface BeginPolicy {
  readonly onLoss: 'halt' | 'continue'
  readonly maxGap: number
  /** Default: identity. */
  readonly offsets?: 'identity' | 'mapped'
}

export type Begin =
  | { readonly kind: 'copy'; readonly from: number }
  /** The offsets up to `to` lie before the source's log: claim them, and delete what claimed them. */
  | {
      readonly kind: 'prefill'
      readonly from: number
      readonly to: number
      readonly missing: Range | undefined
    }
  /** Fillers are in the log that nobody needs any more. */
  | { readonly kind: 'sweep'; readonly before: number }
  /** Lost to retention; what lies before stays. */
  | { readonly kind: 'fill'; readonly missing: Range }
  /** The mapping changes first: a stretch begins, or one that was to begin beyond the log's end is void. */
  | { readonly kind: 'map'; readonly change: MappingChange; readonly missing: Range | undefined }
  | { readonly kind: 'halt'; readonly halted: HaltReason; readonly reason: string }

/** Offsets [from, to). */
export interface Range {
  readonly from: number
  readonly to: number
}

/**
 * Where a partition's copying begins, given both logs as they are.
 *
 * @param fills whether gaps can be filled, as far as is known
 */
export function decideBegin(
  source: SourceFacts,
  target: TargetFacts,
  policy: BeginPolicy,
  fills = true,
): Begin {
  const { mapping, end } = target
  if (mapping !== undefined && policy.offsets !== 'mapped')
    return halt('offsets-displaced', `the link is to keep its source's offsets, but ${mapping.why}`)
  if (mapping !== undefined && mapping.segments.at(-1)![1] > end)
    return { kind: 'map', change: { ...ofMapping(mapping, target), cut: end }, missing: undefined }
  const place = placeOf(source, target, policy)
  if ('kind' in place) return place
  const { next } = place
  if (next > source.end) {
    return halt(
      'target-ahead',
      `the source ends at ${source.end}, but ${next} offsets were copied: the source lost ${source.end} to ${next - 1}`,
    )
  }
  if (source.rewrittenAt !== undefined) {
    return halt(
      'source-truncated',
      `at offset ${source.rewrittenAt} the source has another record than was copied from there: its log was cut and written on`,
    )
  }
  if (place.begins !== undefined)
    return { kind: 'map', change: { ...ofMapping(mapping, target), ...place.begins }, missing: undefined }
  const behind = next < source.logStart
  if (target.tail === 'filler') {
    if (behind) return { kind: 'prefill', from: end, to: source.logStart, missing: undefined }
    return { kind: 'sweep', before: end }
  }
  if (!behind) return { kind: 'copy', from: next }
  const empty = target.logStart === end
  if (empty && end === 0 && mapping === undefined)
    return { kind: 'prefill', from: 0, to: source.logStart, missing: undefined }
  const missing = { from: next, to: source.logStart }
  if (policy.onLoss === 'halt') return overtaken(missing)
  if (empty && mapping === undefined) return { kind: 'prefill', ...missing, missing }
  const tooLarge = missing.to - missing.from > policy.maxGap
  if (policy.offsets === 'mapped' && (tooLarge || !fills))
    return { kind: 'map', change: mapGap(mapping, target, missing), missing }
  return tooLarge ? gapTooLarge(missing, policy.maxGap) : { kind: 'fill', missing }
}

interface Place {
  /** The source's offset that goes on where the target's log ends. */
  readonly next: number
  /** Its stretch of the mapping, if it has to begin first. */
  readonly begins?: Pick<MappingChange, 'segments' | 'before' | 'why'>
}

type Halt = Extract<Begin, { kind: 'halt' }>

function placeOf(source: SourceFacts, target: TargetFacts, policy: BeginPolicy): Place | Halt {
  const { end, tail, base, mapping } = target
  // A log that ends where a stretch is to begin, or where it is the source's, may be anybody's.
  const isKnown = end === base || end === mapping?.segments.at(-1)?.[1]
  if (tail === 'foreign' && !isKnown)
    return policy.offsets === 'mapped'
      ? placeAfterOthers(source, target)
      : halt('offsets-displaced', `the last batch at the target, before offset ${end}, is not this link's`)
  const next = nextSource(mapping, end)
  if (next === null)
    return halt('offsets-displaced', `the copy ends at ${end}, before the first record of this link`)
  return policy.offsets === 'mapped' && isAnybodys(source, target)
    ? halt(
        'offsets-displaced',
        `the copy is empty and ends at ${end}: whether it was this link's, and what the source holds from ${source.logStart} on was copied, is not known; set where it goes on`,
      )
    : { next }
}

/** Nothing tells whose the records were that retention took, and it matters. */
const isAnybodys = (source: SourceFacts, { end, tail, base, mapping, remembered }: TargetFacts): boolean =>
  tail === 'none' &&
  end > 0 &&
  base === undefined &&
  mapping === undefined &&
  remembered !== true &&
  source.logStart < Math.min(end, source.end)

/** Others wrote to the copy last: the link goes on after its own last record, or begins if it has none. */
function placeAfterOthers({ logStart }: SourceFacts, target: TargetFacts): Place | Halt {
  const { end, mapping, base, ownEnd, searchedFrom = end, remembered = false } = target
  const why = `others wrote to the copy, up to offset ${end - 1}`
  const stretch = (next: number): Place => ({
    next,
    begins: {
      segments: mapping === undefined ? afterIdentity([next, end]) : [[next, end]],
      before: 'nothing',
      why,
    },
  })
  if (ownEnd !== undefined) {
    const last = sourceOf(mapping, ownEnd - 1)
    return last === null
      ? halt(
          'offsets-displaced',
          `the record at ${ownEnd - 1} of the copy is this link's, but not in its mapping`,
        )
      : stretch(last + 1)
  }
  const known = Math.max(mapping?.segments.at(-1)?.[1] ?? -1, base ?? -1)
  if (known < 0 && !remembered)
    return { next: logStart, begins: { segments: [[logStart, end]], before: 'nothing', why } }
  if (searchedFrom > Math.max(known, 0))
    return halt(
      'offsets-displaced',
      `${why}, and retention took the last record of this link: set where it goes on`,
    )
  return stretch(nextSource(mapping, Math.max(known, 0)) ?? logStart)
}

/** The change that changes nothing. */
const ofMapping = (mapping: MaybeMapping, { logStart }: TargetFacts): MappingChange => ({
  cut: null,
  below: logStart,
  segments: [],
  before: mapping?.before ?? 'nothing',
  why: mapping?.why ?? '',
})

/** Offsets of the source are lost, and take none at the target. */
function mapGap(mapping: MaybeMapping, target: TargetFacts, { from, to }: Range): MappingChange {
  const segment: Segment = [to, target.end]
  return {
    ...ofMapping(mapping, target),
    segments: mapping === undefined ? afterIdentity(segment) : [segment],
    ...(mapping === undefined && {
      why: `the source deleted offsets ${from} to ${to - 1} before they were copied`,
    }),
  }
}

function overtaken({ from, to }: Range): Begin {
  return halt(
    'overtaken-by-retention',
    `the source deleted offsets ${from} to ${to - 1} before they were copied`,
  )
}

export function gapTooLarge({ from, to }: Range, maxGap: number): Extract<Begin, { kind: 'halt' }> {
  return halt(
    'gap-too-large',
    `offsets ${from} to ${to - 1} hold no data; at most ${maxGap} are filled in one gap`,
  )
}

function halt(halted: HaltReason, reason: string): Extract<Begin, { kind: 'halt' }> {
  return { kind: 'halt', halted, reason }
}

/* ---- what to do with a batch ---- */

export type BatchPlan =
  /** It was copied already. */
  | { readonly kind: 'skip' }
  /** Its bytes pass as they are, but for the header. */
  | { readonly kind: 'verbatim'; readonly clearTransactional: boolean }
  /** Its records from an offset on are built into new batches; gaps between them are filled. */
  | { readonly kind: 'rebuild' }
  /** It holds nothing a reader may see: its offsets are filled. */
  | { readonly kind: 'blank' }

const SKIP: BatchPlan = { kind: 'skip' }
const BLANK: BatchPlan = { kind: 'blank' }
const REBUILD: BatchPlan = { kind: 'rebuild' }
const VERBATIM: BatchPlan = { kind: 'verbatim', clearTransactional: false }
const VERBATIM_CLEARED: BatchPlan = { kind: 'verbatim', clearTransactional: true }

/**
 * @param next the offset the target's log ends at once everything before this batch is copied
 * @param aborted whether its transaction was aborted
 */
export function planBatch(
  header: Pick<
    BatchHeader,
    'baseOffset' | 'lastOffset' | 'count' | 'control' | 'transactional' | 'logAppendTime'
  >,
  next: number,
  aborted: boolean,
): BatchPlan {
  if (header.lastOffset < next) return SKIP
  if (header.control || aborted || header.count === 0) return BLANK
  const whole = header.count === header.lastOffset - header.baseOffset + 1
  // A broker takes compacted batches for invalid (87), and would change the times of a log-append-time batch unseen.
  if (!whole || header.baseOffset < next || header.logAppendTime) return REBUILD
  return header.transactional ? VERBATIM_CLEARED : VERBATIM
}

/* ---- what a topic at the target has to be like ---- */

/** Settings that belong to one cluster, or to a reassignment under way. */
const LOCAL_SETTINGS: ReadonlySet<string> = new Set([
  'leader.replication.throttled.replicas',
  'follower.replication.throttled.replicas',
  'remote.storage.enable',
  'remote.log.copy.disable',
  'remote.log.delete.on.disable',
  'local.retention.ms',
  'local.retention.bytes',
])

/** What a copy needs to stay one: times and bytes as they are at the source, whatever the source's topic says. */
const COPY_SETTINGS: Readonly<Record<string, string>> = {
  'message.timestamp.type': 'CreateTime',
  'compression.type': 'producer',
  'message.timestamp.before.max.ms': '9223372036854775807',
  'message.timestamp.after.max.ms': '9223372036854775807',
}

/** The copy's own settings, from the source topic's own. */
export function copySettings(source: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(source).filter(
    ([name]) => !LOCAL_SETTINGS.has(name) && !name.startsWith('compression.'),
  )
  return { ...Object.fromEntries(kept), ...COPY_SETTINGS }
}

/** What a copy that becomes an original has to have again, of the settings that only copies need; null: the default. */
export function settingsOfOriginal(source: Readonly<Record<string, string>>): Record<string, string | null> {
  const names = [
    ...Object.keys(COPY_SETTINGS),
    ...Object.keys(source).filter(name => name.startsWith('compression.')),
  ]
  return Object.fromEntries(names.map(name => [name, source[name] ?? null]))
}

/** A copy may take larger batches than its source does, never only smaller ones: who raised the limit of a copy keeps it. */
const SIZE_LIMIT = 'max.message.bytes'

/** What to change at the target; null takes a setting back to its default. */
export function settingsToChange(
  source: Readonly<Record<string, string>>,
  target: Readonly<Record<string, string>>,
): Record<string, string | null> {
  const wanted = copySettings(source)
  const changes: Record<string, string | null> = {}
  for (const [name, value] of Object.entries(wanted)) if (target[name] !== value) changes[name] = value
  for (const name of Object.keys(target)) {
    if (wanted[name] === undefined && !LOCAL_SETTINGS.has(name)) changes[name] = null
  }
  if (target[SIZE_LIMIT] !== undefined && Number(target[SIZE_LIMIT]) >= Number(wanted[SIZE_LIMIT] ?? 0))
    delete changes[SIZE_LIMIT]
  return changes
}
