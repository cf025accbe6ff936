/** What a partition's part of a fetch answer means for its reader. Pure, but for the checksums' cost. */
import { classify } from './api-errors.ts'
import { BatchCursor, claimedSize, verifyCrc } from './batch.ts'
import type { FetchedPartition } from './requests/fetch.ts'

export type FetchVerdict =
  | { readonly kind: 'data'; readonly data: WholeBatches; readonly corrupt: Corruption | undefined }
  | { readonly kind: 'truncated'; readonly endOffset: number }
  | { readonly kind: 'out-of-range' }
  /** Ask again, after looking the leader up. */
  | { readonly kind: 'lost'; readonly errorName: string }
  | { readonly kind: 'refused'; readonly errorCode: number }

export interface WholeBatches {
  readonly bytes: Buffer
  readonly firstOffset: number
  readonly nextOffset: number
  /** Leader epoch of the last batch, or -1. */
  readonly lastEpoch: number
  /** Of the largest batch, the one that the broker cut included as far as it can be told; 0 when there is none. */
  readonly largestBatchBytes: number
}

export interface Corruption {
  readonly offset: number
  readonly error: Error
}

/** @param position the offset that was asked for */
export function judgeFetched(answer: FetchedPartition, position: number, checkCrc: boolean): FetchVerdict {
  const { name, class: kind } = classify(answer.errorCode)
  switch (kind) {
    case 'none':
      if (answer.diverging !== undefined) {
        // The leader does not know the epoch of what was read last, or ends it earlier (KIP-320).
        return { kind: 'truncated', endOffset: Math.min(position, Math.max(answer.diverging.endOffset, 0)) }
      }
      return { kind: 'data', ...wholeBatches(answer.records, position, checkCrc) }
    case 'out-of-range':
      return { kind: 'out-of-range' }
    case 'retry':
    case 'refresh-metadata':
    case 'refresh-coordinator':
    case 'throttle':
      return { kind: 'lost', errorName: name }
    default:
      // An unexpected error at the broker passes more often than not.
      return answer.errorCode === -1
        ? { kind: 'lost', errorName: name }
        : { kind: 'refused', errorCode: answer.errorCode }
  }
}

/** The whole batches from the one that holds `position` on; the tail that the broker cut is dropped. */
function wholeBatches(
  records: Buffer,
  position: number,
  checkCrc: boolean,
): { data: WholeBatches; corrupt: Corruption | undefined } {
  let from = 0
  let to = 0
  let firstOffset = position
  let nextOffset = position
  let lastEpoch = -1
  let largestBatchBytes = 0
  let corrupt: Corruption | undefined
  try {
    const batch = new BatchCursor(records)
    while (batch.next()) {
      const end = batch.at + batch.size
      if (batch.size > largestBatchBytes) largestBatchBytes = batch.size
      if (batch.lastOffset < position) {
        from = end
        to = end
        continue
      }
      if (checkCrc) verifyCrc(records, batch)
      if (to === from) firstOffset = batch.baseOffset
      to = end
      nextOffset = batch.lastOffset + 1
      lastEpoch = batch.leaderEpoch
    }
    largestBatchBytes = Math.max(largestBatchBytes, claimedSize(records, batch.at + batch.size))
  } catch (error) {
    corrupt = { offset: nextOffset, error: error instanceof Error ? error : new Error(String(error)) }
  }
  const bytes = records.subarray(from, to)
  return { data: { bytes, firstOffset, nextOffset, lastEpoch, largestBatchBytes }, corrupt }
}
