/**
 * Partitions are given back to those that their order of preference names first (KIP-460), a bounded number at a time, so that
 * clients of all of them do not have to look for their leaders in the same moment.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { TopicPartition } from '../../../foundation/kafka/partitions.ts'
import type { PartitionFacts } from '../contract.ts'
import type { HealerOptions } from '../ends.ts'
import type { ControllerView } from '../facts.ts'

export const BATCH = { partitions: 50, pauseMs: 500, most: 1_000 }
const CALL_MS = 5_000

export interface GivenBack {
  readonly elected: number
  readonly failed: number
  /** Why the first of those that failed did. */
  readonly why: unknown
  /** For another time. */
  readonly left: number
}

/** Partitions that others lead than they should, of those whose preferred leader is in sync. Pure. */
export const awayIn = (
  { partitions }: Pick<ControllerView, 'partitions'>,
  preferred?: number,
): readonly PartitionFacts[] =>
  partitions.filter(({ replicas, leader, isr }) => {
    const [first] = replicas
    const isMeant = preferred === undefined || first === preferred
    return isMeant && leader !== null && leader !== first && isr.includes(first!)
  })

/**
 * @param mayGoOn asked before each batch
 * @throws what it throws; what the cluster answers to a request as a whole
 */
export async function electPreferred(
  { admin, signal }: Pick<HealerOptions, 'admin' | 'signal'>,
  partitions: readonly TopicPartition[],
  mayGoOn: () => void,
): Promise<GivenBack> {
  const [now, later] = [partitions.slice(0, BATCH.most), partitions.slice(BATCH.most)]
  let [elected, failed, why] = [0, 0, undefined as unknown]
  for (let from = 0; from < now.length; from += BATCH.partitions) {
    if (from > 0) await delay(BATCH.pauseMs, undefined, { signal })
    mayGoOn()
    const some = now
      .slice(from, from + BATCH.partitions)
      .map(({ topic, partition }) => ({ topic, partition }))
    for (const { error } of await admin.electLeaders('preferred', some, { signal, deadlineMs: CALL_MS })) {
      if (error === null) elected++
      else failed++
      why ??= error ?? undefined
    }
  }
  return { elected, failed, why, left: later.length }
}
