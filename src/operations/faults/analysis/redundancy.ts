import type { TopicState } from '../../../foundation/kafka/topics.ts'
import type { FaultWindow } from './availability.ts'

/** How whole a topic was at a moment. */
export interface Wholeness {
  /** Partitions with a replica that is not in sync. */
  readonly underReplicated: number
  readonly leaderless: number
}

export interface WholenessChange extends Wholeness {
  /** When it was seen: the answer's arrival, ms since the epoch. */
  readonly at: number
}

export interface WholenessTrace {
  /** Oldest first; the first one is what was seen first. */
  readonly changes: readonly WholenessChange[]
  /** The longest between two answers: no time in the trace is known better than that. */
  readonly worstSpacingMs: number
}

export const isWhole = ({ underReplicated, leaderless }: Wholeness): boolean =>
  underReplicated + leaderless === 0

export function wholenessOf(topic: TopicState): Wholeness {
  return {
    underReplicated: topic.partitions.filter(({ isr, replicas }) => isr.length < replicas.length).length,
    leaderless: topic.partitions.filter(({ leader }) => leader === null).length,
  }
}

/**
 * From the fault until every replica of every partition was in sync again, ms; null: not within its window.
 *
 * Metadata calls a dead broker's replicas in sync until its session ends, and a broker that wakes believes what it knew when
 * it fell asleep: so it is never before the fault was taken back, nor before the last time that something was amiss.
 */
export function redundancyRestoredMs(trace: WholenessTrace, window: FaultWindow): number | null {
  let amiss = false
  let restoredAt = window.revertedAt
  for (const change of trace.changes) {
    if (change.at < window.at) continue
    if (change.at >= window.to) break
    if (isWhole(change)) {
      if (amiss) restoredAt = Math.max(restoredAt, change.at)
      amiss = false
    } else amiss = true
  }
  return amiss ? null : Math.round(restoredAt - window.at)
}
