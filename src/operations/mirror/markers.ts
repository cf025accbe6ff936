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
 * @throws what the cluster answers; then nobody knows how many were written
 */
export async function fillWithMarkers(
  target: Wire,
  author: MarkerAuthor,
  at: { readonly topic: string; readonly partition: number },
  { from, to }: Range,
  signal: AbortSignal,
): Promise<void> {
  const marker = { ...author, producerEpoch: 0, commit: false, topic: at.topic, partitions: [at.partition] }
  for (let left = to - from; left > 0; left -= MARKERS_PER_REQUEST) {
    const markers = Array.from({ length: Math.min(left, MARKERS_PER_REQUEST) }, () => marker)
    await target.writeTxnMarkers(markers, signal)
  }
}

/** Whether a worker that started later has written markers. */
export function isDeposed(error: unknown): boolean {
  return error instanceof AjnaError && error.details['name'] === 'TRANSACTION_COORDINATOR_FENCED'
}
