import type { Interval } from '../../../foundation/positions/intervals.ts'

/** Records [from, to) of a stream, on their way in one batch. */
export interface SentBatch {
  readonly from: number
  readonly to: number
  acknowledged: boolean
}

/**
 * What one producer has sent to one partition. Acknowledgements may come out of order: a batch whose first attempt was
 * written, but not answered in time, is acknowledged after the one behind it.
 */
export interface LoadStream {
  readonly producer: number
  readonly partition: number
  /** Records that were handed over, from 0. */
  sent: number
  /** Everything below it was acknowledged. */
  low: number
  /** From the first that was not on, in order. Bounded by how many may be on their way. */
  readonly underWay: SentBatch[]
}

export const loadStream = (producer: number, partition: number): LoadStream => ({
  producer,
  partition,
  sent: 0,
  low: 0,
  underWay: [],
})

export function sendNext(stream: LoadStream, count: number): SentBatch {
  const batch = { from: stream.sent, to: stream.sent + count, acknowledged: false }
  stream.sent = batch.to
  stream.underWay.push(batch)
  return batch
}

export function acknowledge(stream: LoadStream, batch: SentBatch): void {
  batch.acknowledged = true
  while (stream.underWay[0]?.acknowledged) stream.low = stream.underWay.shift()!.to
}

/** Sent, and never answered: they may be in the log or not. */
export const unknownOf = ({ underWay }: LoadStream): readonly Interval[] =>
  underWay.flatMap(({ from, to, acknowledged }): Interval[] => (acknowledged ? [] : [[from, to]]))
