/** One partition on its way: what was read and not yet written, in order. Nothing here waits or sends. */

import { AbortedTransactions } from '../../foundation/wire/aborted.ts'
import {
  ATTRIBUTES_AT,
  BASE_TIMESTAMP_AT,
  BatchCursor,
  type BatchHeader,
  sealCrc,
} from '../../foundation/wire/batch.ts'
import type { FetchedBatches } from '../../foundation/wire/contract.ts'
import { markerOf, recordsIn } from '../../foundation/wire/records.ts'
import type { HaltReason, LinkPartitionStatus } from './contract.ts'
import { planBatch, type Range } from './decide.ts'
import type { RecordFilter } from './headers.ts'
import type { MaybeMapping, Segment } from './mapping.ts'
import { rebuildRuns } from './rebuild.ts'

/** At most so many batches of a partition are on their way to the target: a broker tells repeats of the last five. */
export const MAX_IN_FLIGHT = 4
const TRANSACTIONAL_BIT = 0x10
const SEQUENCE_MASK = 0x7fff_ffff

/** A batch on its way; what the appender has to be told of it, so that nothing more is made for it. */
export interface Append {
  readonly kind: 'append'
  readonly lane: Lane
  /** As it is called at the target. */
  readonly topic: string
  readonly partition: number
  /** At the source. */
  readonly source: number
  readonly count: number
  /** Once it is acknowledged, everything before this offset of the source is copied: a gap after it may be mapped. */
  copiedTo: number
  /** At the target. Given, as is the sequence, when it is taken. */
  offset: number
  sequence: number
  readonly batch: Buffer
  /** To be called once the batch's bytes are no longer needed. */
  readonly release: () => void
}

/** Offsets of the source that hold no data. */
export interface Gap {
  readonly kind: 'fill'
  readonly from: number
  to: number
  /** `mapping`: a segment of the mapping that begins after it is being kept. `mapped`: it is kept; the gap takes no offsets. */
  state: 'open' | 'mapping' | 'mapped'
}

export type Op = Append | Gap

/** Where both logs stand. */
export interface LaneBegin {
  /** At the source. */
  readonly from: number
  /** Where the target's log ends. */
  readonly at: number
  readonly mapping: MaybeMapping
  readonly sequence: number
  /** The source leader's epoch of the record before `from`; -1: not known. */
  readonly epoch: number
}

export type LaneState = LinkPartitionStatus['state']

export class Lane {
  readonly topic: string
  readonly partition: number
  /** What the topic is called at the target. */
  readonly copy: string
  state: LaneState = 'starting'
  halted: HaltReason | null = null
  reason = ''
  since: number
  /** Failures in a row to begin or go on. */
  failures = 0
  /** The source's offset that is read next. */
  next = 0
  /** The source leader's epoch of what lies before `next`; -1: not known. */
  epoch = -1
  targetEnd: number | null = null
  /** Everything before this offset of the source is copied; where the copy's offsets are the source's, its end. */
  copiedTo: number | null = null
  /** How the copy's offsets lie to the source's. */
  mapping: MaybeMapping
  /** Batches that landed elsewhere than they were meant to, to be kept in the mapping before anything else is done. */
  landed: Segment[] = []
  /** Of a batch on its way nobody knows whether it was written. */
  unsure = false
  sourceStart: number | null = null
  sourceEnd: number | null = null
  inFlight = 0
  /** Something failed: nothing more is sent, and once nothing is in flight both logs are looked at anew. */
  draining = false
  /** Markers are being written. */
  filling = false
  /** Whether its beginning was ever tried. */
  begun = false
  /** Copying: what arrives from the source is taken. */
  open = false
  records = 0
  bytes = 0
  rebuiltBatches = 0
  filledOffsets = 0
  /** Read and not yet sent. */
  queuedBytes = 0
  /** Why no broker of the source serves it just now; empty: one does. */
  unserved = ''
  readonly missing: Range[] = []
  #sequence = 0
  /** Where the head lies, or will, at the target. */
  #at = 0
  /** What was taken last, whether or not it was answered. */
  #taken: Append | undefined
  /**
   * The target has acknowledged a batch since `begin`, so its leaders know the link's producer. Until then the append is
   * not guarded (a broker takes any sequence from a producer it does not know), and a second batch on its way could land
   * in the first one's place: so the first goes alone.
   */
  #known = false
  readonly #ops: Op[] = []
  /** Time of the oldest record that was read and not yet acknowledged, and since when the source is ahead of what was read. */
  #behindSince: number | null = null

  constructor(topic: string, partition: number, copy: string, now: number) {
    this.topic = topic
    this.partition = partition
    this.copy = copy
    this.since = now
  }

  get key(): string {
    return `${this.topic}/${this.partition}`
  }

  become(state: LaneState, reason: string, now: number, halted: HaltReason | null = null): void {
    if (this.state !== state || this.halted !== halted) this.since = now
    this.state = state
    this.reason = reason
    this.halted = halted
  }

  /** Both logs were looked at: copying goes on from here. */
  begin({ from, at, mapping, sequence, epoch }: LaneBegin, now: number): void {
    this.next = from
    this.epoch = epoch
    this.targetEnd = at
    this.copiedTo = from
    this.mapping = mapping
    this.unsure = false
    this.#at = at
    this.#taken = undefined
    this.#sequence = sequence
    this.#known = false
    this.unserved = ''
    this.draining = false
    this.open = true
    this.settle(now)
  }

  /** Drops everything not sent. */
  drop(): void {
    for (const op of this.#ops.splice(0)) if (op.kind === 'append') op.release()
    this.queuedBytes = 0
  }

  get head(): Op | undefined {
    return this.#ops[0]
  }

  get sendable(): boolean {
    const limit = this.#known ? MAX_IN_FLIGHT : 1
    return this.open && !this.draining && !this.filling && this.#ops.length > 0 && this.inFlight < limit
  }

  /** The next batch with the sequence it is to have; only when `head` is an append and the lane is `sendable`. */
  take(): Append {
    const op = this.#ops.shift()
    if (op?.kind !== 'append') throw new Error('the head of the lane is no batch')
    op.offset = this.#at
    this.#at += op.count
    this.#taken = op
    op.sequence = this.#sequence
    this.#sequence = (op.sequence + op.count) & SEQUENCE_MASK
    this.inFlight++
    this.queuedBytes -= op.batch.length
    if (this.mapping !== undefined) this.#skipMapped()
    return op
  }

  /** The gap at the head is filled. */
  filled(to: number): void {
    const op = this.#ops.shift()
    if (op?.kind !== 'fill') throw new Error('the head of the lane is no gap')
    this.filledOffsets += to - op.from
    this.#at += to - op.from
    this.targetEnd = this.#at
    this.copiedTo = to
  }

  /**
   * The segments of the mapping that begin after gaps which are not to be filled, of all that were read. They count from
   * `mapped` on.
   */
  toMap(isMapped: (gap: Gap) => boolean): Segment[] {
    const segments: Segment[] = []
    let at = this.#at
    for (const op of this.#ops) {
      if (op.kind === 'append') at += op.count
      else if (op.state === 'open' && !isMapped(op)) at += op.to - op.from
      else if (op.state === 'open') {
        op.state = 'mapping'
        segments.push([op.to, at])
      }
    }
    return segments
  }

  /** The mapping as it is kept now: what lies in it may be written. */
  mapped(mapping: MaybeMapping, now: number): void {
    this.mapping = mapping
    for (const op of this.#ops) if (op.kind === 'fill' && op.state === 'mapping') op.state = 'mapped'
    this.#skipMapped()
    this.settle(now)
  }

  /** Gaps that take no offsets at the target. */
  #skipMapped(): void {
    for (let op = this.#ops[0]; op?.kind === 'fill' && op.state === 'mapped'; op = this.#ops[0]) {
      this.#ops.shift()
      if (this.inFlight === 0) this.copiedTo = op.to
      else this.#taken!.copiedTo = op.to
    }
  }

  appended(op: Append, now: number): void {
    this.failures = 0
    this.#known = true
    this.targetEnd = op.offset + op.count
    this.copiedTo = op.copiedTo
    this.records += op.count
    this.bytes += op.batch.length
    this.settle(now)
  }

  /**
   * Takes what was fetched.
   *
   * @param filter of the records that are copied; the offsets of the others become gaps
   * @throws AjnaError when a batch contradicts itself; what came before it is kept
   */
  read(event: FetchedBatches, now: number, filter?: RecordFilter): void {
    this.unserved = ''
    this.sourceStart = event.logStartOffset
    this.sourceEnd = Math.max(event.lastStableOffset, 0)
    const aborted = new AbortedTransactions(event.aborted)
    // One hold for all of the event's batches: it ends with the last of them.
    const hold = countedHold(event)
    try {
      const batch = new BatchCursor(event.bytes)
      while (batch.next()) this.#readBatch(event.bytes, batch, aborted, hold, filter)
    } finally {
      hold.release()
    }
    this.settle(now)
  }

  #readBatch(
    bytes: Buffer,
    header: BatchCursor,
    aborted: AbortedTransactions,
    hold: CountedHold,
    filter: RecordFilter | undefined,
  ): void {
    const isAborted = !header.control && aborted.includes(header)
    if (header.control && isTransactionEnd(bytes, header)) aborted.ended(header.producerId)
    const plan = planBatch(header, this.next, isAborted)
    if (plan.kind === 'skip') return
    this.epoch = header.leaderEpoch
    if (plan.kind === 'verbatim' && (filter === undefined || allPass(bytes, header.header(), filter))) {
      const batch = bytes.subarray(header.at, header.at + header.size)
      if (plan.clearTransactional) clearTransactional(batch)
      const count = header.lastOffset - header.baseOffset + 1
      hold.add()
      this.#append(header.baseOffset, count, batch, hold.release)
    } else if (plan.kind !== 'blank') {
      this.rebuiltBatches++
      for (const { baseOffset, count, batch } of rebuildRuns(bytes, header.header(), this.next, filter))
        this.#append(baseOffset, count, batch, nothing)
    }
    this.#fillTo(header.lastOffset + 1)
  }

  #append(source: number, count: number, batch: Buffer, release: () => void): void {
    this.#fillTo(source)
    const { copy: topic, partition } = this
    const op: Append = {
      kind: 'append',
      lane: this,
      topic,
      partition,
      source,
      count,
      copiedTo: source + count,
      offset: 0,
      sequence: 0,
      batch,
      release,
    }
    this.#ops.push(op)
    this.next = source + count
    this.queuedBytes += batch.length
  }

  #fillTo(to: number): void {
    if (to <= this.next) return
    const last = this.#ops.at(-1)
    const grows = last?.kind === 'fill' && last.state === 'open' && !(this.filling && this.#ops.length === 1)
    if (grows) last.to = to
    else this.#ops.push({ kind: 'fill', from: this.next, to, state: 'open' })
    this.next = to
  }

  /** Says whether it has caught up, and since when not. */
  settle(now: number): void {
    if (!this.open) return
    const behind = this.copiedTo !== null && this.sourceEnd !== null && this.copiedTo < this.sourceEnd
    this.#behindSince = behind ? (this.#behindSince ?? now) : null
    if (this.filling) return
    // What was the matter may be so still: what shows that it is not is an acknowledgement.
    const untried = behind && !this.#known && (this.state === 'waiting' || this.state === 'blocked')
    if (this.unserved !== '') this.become('waiting', this.unserved, now)
    else if (!untried) this.become(behind ? 'copying' : 'caught-up', '', now)
  }

  status(now: number): LinkPartitionStatus {
    const { topic, partition, state, halted, reason, since, targetEnd, sourceStart, sourceEnd } = this
    const { records, bytes, rebuiltBatches, filledOffsets, missing, mapping, copiedTo } = this
    const lagRecords = copiedTo === null || sourceEnd === null ? null : Math.max(0, sourceEnd - copiedTo)
    const counts = { records, bytes, rebuiltBatches, filledOffsets, missing: [...missing] }
    const ends = { targetEnd, sourceStart, sourceEnd }
    return {
      topic,
      partition,
      state,
      halted,
      reason,
      since,
      ...ends,
      lagRecords,
      lagMs: this.#lagMs(lagRecords, now),
      ...counts,
      ...(mapping === undefined
        ? {}
        : { mapping: { segments: mapping.segments.length, why: mapping.why, copiedTo } }),
    }
  }

  #lagMs(lagRecords: number | null, now: number): number | null {
    if (lagRecords === null) return null
    if (lagRecords === 0) return 0
    const first = this.#ops.find(op => op.kind === 'append')
    const oldest =
      first === undefined ? (this.#behindSince ?? now) : Number(first.batch.readBigInt64BE(BASE_TIMESTAMP_AT))
    return Math.max(0, now - oldest)
  }
}

interface CountedHold {
  add(): void
  readonly release: () => void
}

/** Holds an event's bytes until `release` was called once for each `add`, and once more. */
function countedHold(event: FetchedBatches): CountedHold {
  const letGo = event.hold()
  let open = 1
  return {
    add: () => void open++,
    release: () => {
      if (--open === 0) letGo()
    },
  }
}

function nothing(): void {}

function allPass(bytes: Buffer, header: BatchHeader, filter: RecordFilter): boolean {
  for (const record of recordsIn(bytes, header)) if (!filter(record)) return false
  return true
}

function isTransactionEnd(bytes: Buffer, batch: BatchCursor): boolean {
  for (const record of recordsIn(bytes, batch.header())) return markerOf(record.key) !== 'other'
  return false
}

/** A committed transaction's batch becomes a plain one: nobody at the target knows the transaction. */
function clearTransactional(batch: Buffer): void {
  batch.writeInt16BE(batch.readInt16BE(ATTRIBUTES_AT) & ~TRANSACTIONAL_BIT, ATTRIBUTES_AT)
  sealCrc(batch)
}
