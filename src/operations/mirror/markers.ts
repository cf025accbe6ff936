import { AjnaError } from '../../foundation/errors/errors.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import type { Range } from './decide.ts'

const MARKERS_PER_REQUEST = 500

export interface MarkerAuthor {
  readonly producerId: bigint
  readonly coordinatorEpoch: number
}

/**
 * Fills offsets [from, to) with control records, one each, in a log that is known to end at `from`: nothing guards them but
 * the coordinator epoch.
 *
 * @param may asked before each request: no more is begun when it says no
 * @returns the offset up to which it came
 * @throws what the cluster answers; then nobody knows how many were written
 */
export async function fillWithMarkers(
  target: Wire,
  author: MarkerAuthor,
  at: { readonly copy: string; readonly partition: number },
  { from, to }: Range,
  may: () => boolean,
  signal: AbortSignal,
): Promise<number> {
  const marker = { ...author, producerEpoch: 0, commit: false, topic: at.copy, partitions: [at.partition] }
  let next = from
  while (next < to && may()) {
    const markers = Array.from({ length: Math.min(to - next, MARKERS_PER_REQUEST) }, () => marker)
    await target.writeTxnMarkers(markers, signal)
    next += markers.length
  }
  return next
}

/** Whether a later owner of the partition has written markers. */
export function isFenced(error: unknown): boolean {
  return error instanceof AjnaError && error.details['name'] === 'TRANSACTION_COORDINATOR_FENCED'
}
