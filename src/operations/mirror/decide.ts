/** What a link does about what it sees. Pure: facts in, decisions out. */
import type { BatchHeader } from '../../foundation/wire/batch.ts'
import type { HaltReason } from './contract.ts'

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
}

export interface BeginPolicy {
  readonly onLoss: 'halt' | 'continue'
  readonly maxGap: number
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
  | { readonly kind: 'halt'; readonly halted: HaltReason; readonly reason: string }

/** Offsets [from, to). */
export interface Range {
  readonly from: number
  readonly to: number
}

/** Where a partition's copying begins, given both logs as they are. */
export function decideBegin(source: SourceFacts, target: TargetFacts, policy: BeginPolicy): Begin {
  if (target.tail === 'foreign' && target.end !== target.base) {
    return halt(
      'offsets-displaced',
      `the last batch at the target, before offset ${target.end}, is not this link's`,
    )
  }
  if (target.end > source.end) {
    return halt(
      'target-ahead',
      `the source ends at ${source.end}, but ${target.end} offsets were copied: the source lost ${source.end} to ${target.end - 1}`,
    )
  }
  if (source.rewrittenAt !== undefined) {
    return halt(
      'source-truncated',
      `at offset ${source.rewrittenAt} the source has another record than was copied from there: its log was cut and written on`,
    )
  }
  const behind = target.end < source.logStart
  if (target.tail === 'filler') {
    if (behind) return { kind: 'prefill', from: target.end, to: source.logStart, missing: undefined }
    return { kind: 'sweep', before: target.end }
  }
  if (!behind) return { kind: 'copy', from: target.end }
  const empty = target.logStart === target.end
  if (empty && target.end === 0) return { kind: 'prefill', from: 0, to: source.logStart, missing: undefined }
  const missing = { from: target.end, to: source.logStart }
  if (policy.onLoss === 'halt') return overtaken(missing)
  if (empty) return { kind: 'prefill', ...missing, missing }
  const gap = missing.to - missing.from
  return gap > policy.maxGap ? gapTooLarge(missing, policy.maxGap) : { kind: 'fill', missing }
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

/** Which transactional batches of one fetch answer were aborted (KIP-98), as the answer's list tells. */
export class AbortedTransactions {
  readonly #upcoming: { readonly producerId: bigint; readonly firstOffset: number }[]
  readonly #open = new Set<bigint>()

  constructor(aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[]) {
    this.#upcoming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** To be asked for each data batch, in order. */
  includes(header: Pick<BatchHeader, 'transactional' | 'producerId' | 'lastOffset'>): boolean {
    for (
      let next = this.#upcoming[0];
      next !== undefined && next.firstOffset <= header.lastOffset;
      next = this.#upcoming[0]
    ) {
      this.#open.add(next.producerId)
      this.#upcoming.shift()
    }
    return header.transactional && this.#open.has(header.producerId)
  }

  /** To be told of each transaction marker, in order. */
  ended(producerId: bigint): void {
    this.#open.delete(producerId)
  }
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
