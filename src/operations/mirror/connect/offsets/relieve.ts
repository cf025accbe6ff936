import type { Wire } from '../../../../foundation/wire/contract.ts'
import { type Coverage, countsOf, coverageOf, type SeenRecord } from './coverage.ts'
import { type Isolation, logRecords, recordDigest } from './log-records.ts'
import { copiedBeforeBySyncs, type OffsetSync } from './offset-syncs.ts'

/** Where a link goes on when it relieves a replicator that has stopped: read off the copy itself, not off its word. */

export interface ReliefTask {
  /** Name at the source. */
  readonly topic: string
  /** Name of the copy. */
  readonly copy: string
  readonly partition: number
  /** All records before this offset were copied, as the other one committed; 0: nothing is known. */
  readonly copiedBefore: number
  /** MirrorMaker 2's, which may know of more. */
  readonly syncs?: readonly OffsetSync[]
}

export interface Relieved {
  readonly topic: string
  readonly partition: number
  /** The next source offset to copy; null: it cannot be told. */
  readonly sourceOffset: number | null
  /** Where the copy ended when that was found. */
  readonly copyEnd: number
  /** For people: what was compared, or why it cannot be told. */
  readonly reason: string
}

export interface ReliefOptions {
  readonly source: Wire
  readonly target: Wire
  readonly signal: AbortSignal
  /** Records compared at a time; default 20,000. */
  readonly chunkRecords?: number
}

interface Bounds {
  readonly sourceStart: number
  readonly sourceEnd: number
  readonly copyStart: number
  readonly copyEnd: number
}

type Answer = Pick<Relieved, 'sourceOffset' | 'reason'>

const CHUNK_RECORDS = 20_000

/**
 * The first record of the source that the copy does not hold, from what was committed on, if it holds none after it: a
 * replicator that was killed has copied more than it committed, and one that was started again may have copied some twice.
 *
 * @throws AjnaError LINK_LOG_UNREADABLE, what the clusters answer
 */
export async function relieve(given: ReliefTask, options: ReliefOptions): Promise<Relieved> {
  const { topic, partition, syncs = [] } = given
  const bounds = await boundsOf(given, options)
  const bySyncs = copiedBeforeBySyncs(syncs, given, bounds.copyEnd)
  const task = { ...given, copiedBefore: Math.max(given.copiedBefore, bySyncs) }
  const answer = answerWithoutLooking(task, bounds) ?? (await look(task, options, bounds))
  return { topic, partition, copyEnd: bounds.copyEnd, ...answer }
}

async function boundsOf(task: ReliefTask, { source, target, signal }: ReliefOptions): Promise<Bounds> {
  const { topic, copy, partition } = task
  const ends = async (wire: Wire, name: string): Promise<readonly [number, number]> => {
    const [start, end] = await wire.listOffsets(
      [
        { topic: name, partition, at: 'earliest' },
        { topic: name, partition, at: 'latest' },
      ],
      signal,
    )
    return [start!.offset, end!.offset]
  }
  const [[sourceStart, sourceEnd], [copyStart, copyEnd]] = await Promise.all([
    ends(source, topic),
    ends(target, copy),
  ])
  return { sourceStart, sourceEnd, copyStart, copyEnd }
}

function answerWithoutLooking({ copiedBefore }: ReliefTask, bounds: Bounds): Answer | undefined {
  const { sourceStart, sourceEnd, copyStart, copyEnd } = bounds
  if (copiedBefore > sourceEnd)
    return unclear(`offset ${copiedBefore} was committed, but the source ends at ${sourceEnd}`)
  if (copyEnd === 0)
    return copiedBefore === 0
      ? { sourceOffset: sourceStart, reason: 'the copy is empty' }
      : unclear(`offset ${copiedBefore} was committed, but the copy is empty`)
  if (copyStart === copyEnd) return unclear('retention has left nothing of the copy to compare')
  if (sourceStart > copiedBefore && copiedBefore > 0)
    return unclear(`the source begins at ${sourceStart} by now, after what was committed (${copiedBefore})`)
  return undefined
}

const unclear = (reason: string): Answer => ({ sourceOffset: null, reason })

/** Records of aborted transactions are copied or not, as the other one was told: both are tried. */
async function look(task: ReliefTask, options: ReliefOptions, bounds: Bounds): Promise<Answer> {
  const found = await lookAs('read_uncommitted', task, options, bounds)
  if (found.kind !== 'holes') return answerOf(found)
  return answerOf(await lookAs('read_committed', task, options, bounds))
}

type Found = (Coverage | { readonly kind: 'nothing'; readonly why: string }) & {
  readonly compared: number
  /** Where to go on when the copy holds all. */
  readonly end: number
}

async function lookAs(
  isolation: Isolation,
  task: ReliefTask,
  options: ReliefOptions,
  bounds: Bounds,
): Promise<Found> {
  const { chunkRecords = CHUNK_RECORDS } = options
  // Records that are alike lie close together: what is known to be copied is looked at too, so far back.
  const overlap = Math.ceil(chunkRecords / 4)
  let since = task.copiedBefore
  let compared = 0
  for (;;) {
    const from = Math.max(bounds.sourceStart, since - overlap)
    const records = await readSource(isolation, task, options, { from, to: bounds.sourceEnd }, chunkRecords)
    const copies = await copiesOf(records, task, options, bounds)
    const isFirst = compared === 0
    compared += records.filter(({ offset }) => offset >= since).length
    const coverage = coverageOf(records, copies.counts, since)
    const last = records.at(-1)
    const end = Math.max(since, last === undefined ? 0 : last.offset + 1)
    if (isFirst && records.length > 0 && !records.some(({ digest }) => copies.counts.has(digest))) {
      const why = nothingHeld(records, task, bounds, copies.fromItsStart)
      if (why !== undefined) return { kind: 'nothing', why, compared, end }
    }
    if (coverage.kind !== 'all' || records.length < chunkRecords) return { ...coverage, compared, end }
    since = end
  }
}

/** Why it means something that the copy holds none of these; undefined: they are simply not copied yet. */
function nothingHeld(
  records: readonly SeenRecord[],
  { copiedBefore }: ReliefTask,
  { copyStart }: Bounds,
  fromItsStart: boolean,
): string | undefined {
  if (records[0]!.offset < copiedBefore)
    return 'the copy holds none of the last records that were committed as copied: it has other times (LogAppendTime), or was changed on its way'
  if (copiedBefore === 0) return 'the copy holds other records than the source'
  if (fromItsStart && copyStart > 0) return 'retention may have deleted what was copied after the last commit'
  return undefined
}

interface Timed extends SeenRecord {
  readonly timestamp: number
}

async function readSource(
  isolation: Isolation,
  { topic, partition }: ReliefTask,
  { source, signal }: ReliefOptions,
  range: { readonly from: number; readonly to: number },
  most: number,
): Promise<readonly Timed[]> {
  const records: Timed[] = []
  for await (const record of logRecords(source, { topic, partition, ...range }, isolation, signal)) {
    records.push({ offset: record.offset, timestamp: record.timestamp, digest: recordDigest(record) })
    if (records.length === most) break
  }
  return records
}

interface Copies {
  readonly counts: ReadonlyMap<string, number>
  readonly fromItsStart: boolean
}

/** How often the copy holds each of these. Copies keep their records' times: none lies before the first as old as the oldest. */
async function copiesOf(
  records: readonly Timed[],
  { copy, partition }: ReliefTask,
  { target, signal }: ReliefOptions,
  { copyStart, copyEnd }: Bounds,
): Promise<Copies> {
  const timestamp = Math.min(...records.map(each => each.timestamp))
  if (records.length === 0) return { counts: new Map(), fromItsStart: false }
  const query = { topic: copy, partition, at: timestamp < 0 ? ('earliest' as const) : { timestamp } }
  const [first] = await target.listOffsets([query], signal)
  const from = first!.offset === -1 ? copyEnd : first!.offset
  const wanted = new Set(records.map(({ digest }) => digest))
  const held: { digest: string }[] = []
  const range = { topic: copy, partition, from, to: copyEnd }
  for await (const record of logRecords(target, range, 'read_committed', signal)) {
    const digest = recordDigest(record)
    if (wanted.has(digest)) held.push({ digest })
  }
  return { counts: countsOf(held), fromItsStart: from === copyStart }
}

function answerOf(found: Found): Answer {
  const compared = `${found.compared} ${found.compared === 1 ? 'record' : 'records'} compared`
  switch (found.kind) {
    case 'all':
      return { sourceOffset: found.end, reason: `${compared}: the copy holds all there is` }
    case 'from':
      return {
        sourceOffset: found.offset,
        reason: `${compared}: the copy holds all before, and none from there on`,
      }
    case 'holes':
      return unclear(`the copy lacks the record at ${found.lacks}, and holds a later one, at ${found.holds}`)
    case 'alike':
      return unclear(
        `the record at ${found.offset} is like another one: it cannot be told which of them the copy holds`,
      )
    case 'nothing':
      return unclear(found.why)
    default:
      return found satisfies never
  }
}
