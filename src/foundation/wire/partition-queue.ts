/**
 * What an idempotent producer keeps of one partition: its batches in order, which of them are on their way, and what an
 * answer means for them. Nothing here waits or sends.
 */
import { classify, isRetriable } from './api-errors.ts'
import { rewriteHeader } from './batch.ts'
import type { Appended } from './contract.ts'

/** A broker remembers the last five batches of a producer in a partition; one more in flight could not be told from a repeat. */
export const MAX_IN_FLIGHT = 5
/** Answers that Kafka calls final for a batch though they may pass: given this often in a row they are believed. */
const STRIKES = 5
const SEQUENCE_MASK = 0x7fff_ffff

export interface QueuedBatch {
  readonly bytes: Buffer
  readonly count: number
  readonly queuedAtMs: number
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
  /** Given when it is first sent; undefined before, and again when an earlier batch turns out never to be written. */
  sequence: number | undefined
  /** Whether some attempt ended without saying if it was written. */
  uncertain: boolean
  /** Attempts in a row, as the first of its partition, of which the log said that it cannot follow what it has. */
  strikes: number
}

export type Outcome =
  | { readonly kind: 'acknowledged' }
  /** Send it again, and whatever follows it, in the same order with the same sequences. */
  | { readonly kind: 'again'; readonly uncertain: boolean; readonly strike?: boolean }
  /** Certainly not written, and never will be: later batches move up. */
  | { readonly kind: 'rejected' }
  | { readonly kind: 'fenced' }
  /** The log and the producer disagree in a way that no further attempt can mend. */
  | { readonly kind: 'broken' }

/** Errors after which the batch may be in the log all the same. */
const UNCERTAIN: ReadonlySet<string> = new Set([
  'REQUEST_TIMED_OUT',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NETWORK_EXCEPTION',
  'UNKNOWN_SERVER_ERROR',
  'KAFKA_STORAGE_ERROR',
])

/**
 * What a broker's answer means for a batch.
 *
 * @param first whether nothing before it in its partition is unacknowledged
 */
export function decideOutcome(
  errorCode: number,
  batch: Pick<QueuedBatch, 'uncertain' | 'strikes'>,
  first: boolean,
): Outcome {
  const { name, class: kind } = classify(errorCode)
  const uncertain = UNCERTAIN.has(name)
  if (kind === 'none' || name === 'DUPLICATE_SEQUENCE_NUMBER') return { kind: 'acknowledged' }
  if (kind === 'fenced') return { kind: 'fenced' }
  if (kind === 'out-of-sequence') {
    // Expected of whatever follows a batch that failed. Of the first it says that the log lost what it had acknowledged.
    if (first && batch.strikes + 1 >= STRIKES) return { kind: 'broken' }
    return { kind: 'again', uncertain: false, strike: true }
  }
  const strike = name === 'CORRUPT_MESSAGE'
  const believed = strike && batch.strikes + 1 >= STRIKES
  if ((isRetriable(kind) || uncertain) && !believed) return { kind: 'again', uncertain, strike }
  return batch.uncertain ? { kind: 'broken' } : { kind: 'rejected' }
}

export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  /** Failures in a row: how long to pause. */
  failures = 0
  /** Unacknowledged, in order; the first `#sent` of them were sent since the last drain. */
  readonly #batches: QueuedBatch[] = []
  #sent = 0
  #inFlight = 0
  /** The broker that has what is in flight. */
  #node = -1
  /**
   * Whether the leader is known to remember this producer. One that does not takes any sequence for a beginning, so that
   * of two batches in flight the second could be written and the first not: until then there is only one.
   */
  #established = false
  #draining = false
  #paused = false
  #nextSequence = 0
  #renumberFrom: number | undefined

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get first(): QueuedBatch | undefined {
    return this.#batches[0]
  }

  get batches(): readonly QueuedBatch[] {
    return this.#batches
  }

  get sendable(): boolean {
    const limit = this.#established ? MAX_IN_FLIGHT : 1
    return !this.#draining && !this.#paused && this.#inFlight < limit && this.#sent < this.#batches.length
  }

  /** Whether a batch may be sent to this broker now: not while another one still has some. */
  mayGoTo(node: number): boolean {
    return this.#inFlight === 0 || this.#node === node
  }

  /** Sends nothing more until everything in flight is answered; see `drained`. */
  halt(): void {
    this.#draining = true
  }

  /** Something failed and everything in flight has been answered: the queue waits for `resume`. */
  get drained(): boolean {
    return this.#draining && this.#inFlight === 0
  }

  push(batch: QueuedBatch): void {
    this.#batches.push(batch)
  }

  /** Takes back a batch that was never sent. Answers whether it could. */
  withdraw(batch: QueuedBatch): boolean {
    const index = this.#batches.indexOf(batch)
    if (index < this.#sent || batch.sequence !== undefined) return false
    this.#batches.splice(index, 1)
    return true
  }

  /** The size of the batch `take` would give. */
  get nextSize(): number {
    return this.#batches[this.#sent]?.bytes.length ?? 0
  }

  /** The next batch, its header made ready; only when `sendable`. */
  take(node: number, producerId: bigint, producerEpoch: number): QueuedBatch {
    const batch = this.#batches[this.#sent]!
    this.#node = node
    this.#sent++
    this.#inFlight++
    if (batch.sequence === undefined) {
      batch.sequence = this.#nextSequence
      this.#nextSequence = (batch.sequence + batch.count) & SEQUENCE_MASK
      const fields = {
        baseOffset: 0,
        leaderEpoch: -1,
        producerId,
        producerEpoch,
        baseSequence: batch.sequence,
      }
      rewriteHeader(batch.bytes, 0, fields)
    }
    return batch
  }

  /** Takes note of a batch's answer. The batch leaves the queue if it was acknowledged or rejected. */
  answered(batch: QueuedBatch, outcome: Outcome): void {
    this.#inFlight--
    if (outcome.kind === 'acknowledged') {
      this.failures = 0
      this.#established = true
      this.#remove(batch)
      return
    }
    this.#draining = true
    if (outcome.kind === 'again') {
      // A leader that is away, or a busy one, says nothing of the log.
      if (batch === this.first) batch.strikes = outcome.strike === true ? batch.strikes + 1 : 0
      batch.uncertain ||= outcome.uncertain
      return
    }
    if (outcome.kind === 'rejected') {
      // Whatever follows it was refused too, as out of sequence; it moves up once nothing is in flight.
      this.#renumberFrom ??= batch.sequence
      this.#remove(batch)
    }
  }

  /** Call when `drained`: everything unacknowledged is to be sent again, from the first, but not before `resume`. */
  rewind(): void {
    this.#draining = false
    this.#paused = true
    this.#established = false
    this.#sent = 0
    this.failures++
    const from = this.#renumberFrom
    if (from === undefined) return
    this.#renumberFrom = undefined
    this.#nextSequence = from
    for (const batch of this.#batches) {
      if (batch.sequence !== undefined && isAtOrAfter(batch.sequence, from)) batch.sequence = undefined
    }
  }

  resume(): void {
    this.#paused = false
  }

  /** Gives up all batches while nothing is in flight; none of them may be uncertain, so that their sequences are free again. */
  abandon(): QueuedBatch[] {
    const abandoned = this.#batches.splice(0)
    this.#sent = 0
    this.#nextSequence = abandoned.find(batch => batch.sequence !== undefined)?.sequence ?? this.#nextSequence
    return abandoned
  }

  #remove(batch: QueuedBatch): void {
    const index = this.#batches.indexOf(batch)
    this.#batches.splice(index, 1)
    if (index < this.#sent) this.#sent--
  }
}

/** On the circle of 2^31 sequences, where no two that are compared lie half a turn apart. */
function isAtOrAfter(sequence: number, from: number): boolean {
  return ((sequence - from) & SEQUENCE_MASK) < 0x4000_0000
}
