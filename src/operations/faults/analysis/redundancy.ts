import type { TopicState } from '../../../foundation/kafka/topics.ts'
import type { FaultWindow } from './availability.ts'

/** How whole a topic was at a moment. */
export interface Wholeness {
  /** Partitions with a replica that is not in sync. */
  readonly underReplicated: number
  readonly leaderless: number
}

/** What the brokers say of it together. */
export interface CommonView extends Wholeness {
  /** Brokers that say nothing. */
  readonly silent: number
}

export interface WholenessChange extends CommonView {
  /** When it was seen: the answer's arrival, ms since the epoch. */
  readonly at: number
}

export interface WholenessTrace {
  /** Oldest first; the first one is what was seen first. */
  readonly changes: readonly WholenessChange[]
  /** When it became whole is known to this: how long ago the broker whose word was missing had been asked before. */
  readonly worstSpacingMs: number
}

/** In the eyes of every broker. */
export const isWhole = ({ underReplicated, leaderless, silent }: CommonView): boolean =>
  underReplicated + leaderless + silent === 0

/** The worst that any of them says. */
export function worstOf(views: readonly (Wholeness | undefined)[]): CommonView {
  const said = views.filter(view => view !== undefined)
  return {
    underReplicated: Math.max(0, ...said.map(each => each.underReplicated)),
    leaderless: Math.max(0, ...said.map(each => each.leaderless)),
    silent: views.length - said.length,
  }
}

export function wholenessOf(topic: TopicState): Wholeness {
  return {
    underReplicated: topic.partitions.filter(({ isr, replicas }) => isr.length < replicas.length).length,
    leaderless: topic.partitions.filter(({ leader }) => leader === null).length,
  }
}

/**
 * From the fault until every replica of every partition was in sync again, ms; null: not within its window.
 *
 * Never before the fault was taken back, nor before the last time that something was amiss.
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
