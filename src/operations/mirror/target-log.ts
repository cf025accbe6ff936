/** How a partition's log at the target ends, and under which sequence the link goes on there. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { type BatchHeader, batchesIn } from '../../foundation/wire/batch.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import type { KeptLink } from './contract.ts'
import type { TargetFacts } from './decide.ts'
import { type LogEntry, recordEntries } from './digest.ts'
import { LINK_TARGET_UNSETTLED } from './errors.ts'

export type LinkIds = KeptLink['ids']

export interface TargetLook extends TargetFacts {
  /** The sequence the broker expects of the link's producer for a batch at `end`. */
  readonly nextSequence: number
  /** The last record that the link wrote, if the log still has it near its end. */
  readonly lastCopy: LogEntry | undefined
  readonly ownEnd: number | undefined
  readonly searchedFrom: number
  readonly remembered: boolean
}

export interface TargetPartition {
  readonly wire: Wire
  readonly ids: LinkIds
  readonly topic: string
  readonly partition: number
}

interface Ends {
  readonly logStart: number
  readonly end: number
}

const SEQUENCE_MASK = 0x7fff_ffff
const SETTLE_TRIES = 100
const SETTLE_PAUSE_MS = 20
const FIRST_STEP_BACK = 32
const STEP_FACTOR = 8

/**
 * Looks at a log that nothing is on its way to: everything in it is replicated, and it does not grow meanwhile.
 *
 * The sequence follows from the last of the link's own batches, which holds it: markers after it take offsets but no
 * sequences. If none is left in the log, the broker may remember the producer all the same; if it does not, any sequence
 * will do.
 *
 * @param searchTo where others wrote last, the link's own are looked for back to here; undefined: they are not
 * @throws AjnaError LINK_TARGET_UNSETTLED when the log keeps growing: another worker is at it
 */
export async function lookAtTarget(
  at: TargetPartition,
  signal: AbortSignal,
  searchTo?: number,
): Promise<TargetLook> {
  let why = ''
  for (let tries = 0; tries < SETTLE_TRIES; tries++) {
    const before = await settledEnds(at, signal)
    if (typeof before === 'string') why = before
    else {
      const { sequence, ...back } = await lookBack(at, before, signal, searchTo)
      const remembered = sequence ?? (await sequenceInMemory(at, at.ids.producerId, signal))
      const nextSequence = remembered ?? before.end & SEQUENCE_MASK
      const after = await settledEnds(at, signal)
      if (typeof after !== 'string' && after.end === before.end)
        return {
          ...after,
          ...back,
          tail: after.logStart === after.end ? 'none' : back.tail,
          nextSequence,
          remembered: remembered !== undefined,
        }
      why = typeof after === 'string' ? after : 'its log keeps growing: something else writes to the copy'
    }
    await sleep(SETTLE_PAUSE_MS, undefined, { signal })
  }
  throw new AjnaError(LINK_TARGET_UNSETTLED, `${at.topic}-${at.partition}: ${why}`)
}

/** Both ends of the log, or why they cannot be told just now. */
async function settledEnds(
  { wire, topic, partition }: TargetPartition,
  signal: AbortSignal,
): Promise<Ends | string> {
  const [found] = await wire.metadata([topic], signal)
  const leader = found?.partitions[partition]?.leader ?? -1
  if (leader < 0) return found === undefined ? 'the topic is not there' : 'it has no leader'
  const queries = [
    { topic, partition, at: 'earliest' as const },
    { topic, partition, at: 'latest' as const },
  ]
  const [earliest, latest] = await wire.listOffsets(queries, signal)
  const [logEnd] = await wire.replicaLogEnds(leader, [{ topic, partition }], signal)
  if (logEnd?.offset !== latest!.offset) return 'its replicas do not follow its leader'
  return { logStart: earliest!.offset, end: latest!.offset }
}

interface Back {
  readonly tail: TargetFacts['tail']
  /** After the last of the link's own batches. */
  readonly sequence: number | undefined
  readonly lastCopy: LogEntry | undefined
  readonly ownEnd: number | undefined
  readonly searchedFrom: number
}

/** Whose the last batch is, and the last of the link's own, if it is still in the log. */
async function lookBack(
  at: TargetPartition,
  { logStart, end }: Ends,
  signal: AbortSignal,
  searchTo?: number,
): Promise<Back> {
  const nothing = { sequence: undefined, lastCopy: undefined, ownEnd: undefined }
  if (logStart === end) return { tail: 'none', ...nothing, searchedFrom: end }
  let tail: TargetFacts['tail'] | undefined
  for (let step = 1; ; step = step === 1 ? FIRST_STEP_BACK : step * STEP_FACTOR) {
    const from = Math.max(logStart, end - step)
    const { last, lastCopy } = await headersFrom(at, from, end, signal)
    tail ??= last === undefined ? 'none' : ownerOf(last, at.ids)
    if (lastCopy !== undefined) {
      const { header, record } = lastCopy
      const ownEnd = header.lastOffset + 1
      return { tail, sequence: sequenceAfter(header), lastCopy: record, ownEnd, searchedFrom: from }
    }
    const searches = tail === 'marker' || (tail === 'foreign' && searchTo !== undefined && from > searchTo)
    // Fillers, and unless they are searched through foreign batches, are told from the last one alone.
    if (from === logStart || !searches) return { tail, ...nothing, searchedFrom: from }
  }
}

interface OwnBatch {
  readonly header: BatchHeader
  readonly record: LogEntry | undefined
}

async function headersFrom(
  { wire, ids, topic, partition }: TargetPartition,
  from: number,
  end: number,
  signal: AbortSignal,
): Promise<{ last: BatchHeader | undefined; lastCopy: OwnBatch | undefined }> {
  let last: BatchHeader | undefined
  let lastCopy: OwnBatch | undefined
  await using stream = wire.fetch({ from: [{ topic, partition, offset: from }], maxWaitMs: 50, signal })
  for await (const event of stream) {
    if (event.kind === 'caught-up') break
    if (event.kind !== 'batches')
      throw new AjnaError(LINK_TARGET_UNSETTLED, `${topic}-${partition} cannot be read: ${event.kind}`)
    let own: BatchHeader | undefined
    for (const header of batchesIn(event.bytes)) {
      last = header
      if (ownerOf(header, ids) === 'copy') own = header
    }
    if (own !== undefined) lastCopy = { header: own, record: [...recordEntries(event.bytes, own)].at(-1) }
    if (event.nextOffset >= end) break
  }
  return { last, lastCopy }
}

function ownerOf(header: BatchHeader, ids: LinkIds): Exclude<TargetFacts['tail'], 'none'> {
  if (header.control) return header.producerId === ids.markerId ? 'marker' : 'foreign'
  if (header.producerId === ids.producerId) return 'copy'
  return header.producerId === ids.fillerId ? 'filler' : 'foreign'
}

/** Of the offsets it took: what compaction left of it does not matter. */
function sequenceAfter({ baseSequence, baseOffset, lastOffset }: BatchHeader): number {
  return (baseSequence + lastOffset - baseOffset + 1) & SEQUENCE_MASK
}

/** What the broker remembers of a producer; one it does not remember may begin anywhere, so: at the offset. */
export async function rememberedSequence(
  at: Pick<TargetPartition, 'wire' | 'topic' | 'partition'>,
  producerId: bigint,
  end: number,
  signal: AbortSignal,
): Promise<number> {
  return (await sequenceInMemory(at, producerId, signal)) ?? end & SEQUENCE_MASK
}

/** The sequence that the broker expects next of a producer; undefined: it does not remember it. */
async function sequenceInMemory(
  { wire, topic, partition }: Pick<TargetPartition, 'wire' | 'topic' | 'partition'>,
  producerId: bigint,
  signal: AbortSignal,
): Promise<number | undefined> {
  const producers = await wire.describeProducers(topic, [partition], signal)
  const known = producers.find(each => each.producerId === producerId)
  return known === undefined || known.lastSequence < 0 ? undefined : (known.lastSequence + 1) & SEQUENCE_MASK
}
