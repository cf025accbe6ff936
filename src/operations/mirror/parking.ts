/**
 * Back-pressure of topics that have a limit of their own: what was read of one and waits for its turn to be sent must not
 * take the room of the others. A topic with much waiting is not read on; its lanes are parked, and go on one after another
 * as what was read is sent. Nothing here reads or waits.
 */
import type { Lane } from './lane.ts'

type Parkable = Pick<Lane, 'topic'>

/** Read of one topic and not yet acknowledged; beyond it, whatever else arrives is left for later. */
export const MAX_LIMITED_BYTES = 4 * 1024 * 1024
/** A lane that has brought so much makes place for others of its topic that wait: what is fetched in vain stays a fifth. */
export const TURN_BYTES = 4 * 1024 * 1024
/** What a lane that is read again is expected to bring: as much as is fetched of a partition at once. */
export const EXPECTED_BYTES = 1024 * 1024
/** A lane that brought nothing for so long is not waited for any more. */
const EXPECTED_WITHIN_MS = 5_000

interface Waiting<L> {
  bytes: number
  readonly parked: Set<L>
  /** Read again, nothing has arrived yet; since when. */
  readonly expected: Map<L, number>
  /** Brought since it was last parked, bytes. */
  readonly turns: Map<L, number>
}

export interface Parking<L extends Parkable> {
  /** Something of the lane has arrived: whether it may be taken. If not, the lane is parked, unless it is its turn again. */
  admits(lane: L, now: number): boolean
  /** So much of the lane waits from now on (negative: no longer). */
  note(lane: L, bytes: number, now: number): void
  forget(lane: L): void
  /** Limits may have changed, or time has passed. */
  review(now: number): void
}

export interface ParkingOptions<L> {
  /** Whether a topic has a limit. */
  readonly limits: (topic: string) => boolean
  /** Reads a lane on. */
  readonly open: (lane: L) => void
  /** Reads a lane no longer. */
  readonly close: (lane: L) => void
}

export function createParking<L extends Parkable>({ limits, open, close }: ParkingOptions<L>): Parking<L> {
  const topics = new Map<string, Waiting<L>>()

  function unpark(topic: string, waiting: Waiting<L>, now: number): void {
    const limited = limits(topic)
    for (const [lane, since] of waiting.expected)
      if (now - since > EXPECTED_WITHIN_MS) waiting.expected.delete(lane)
    for (const lane of waiting.parked) {
      const expected = waiting.bytes + waiting.expected.size * EXPECTED_BYTES
      if (limited && expected >= MAX_LIMITED_BYTES / 2) return
      waiting.parked.delete(lane)
      waiting.expected.set(lane, now)
      open(lane)
    }
    if (!limited) topics.delete(topic)
  }

  return {
    admits(lane, now) {
      const waiting = topics.get(lane.topic)
      if (waiting === undefined) return true
      waiting.expected.delete(lane)
      const over = waiting.parked.size > 0 && (waiting.turns.get(lane) ?? 0) >= TURN_BYTES
      if (!over && waiting.bytes < MAX_LIMITED_BYTES) return true
      waiting.turns.delete(lane)
      // Closed first: it may be the next whose turn it is, and then stays open.
      close(lane)
      waiting.parked.add(lane)
      unpark(lane.topic, waiting, now)
      return false
    },
    note(lane, bytes, now) {
      let waiting = topics.get(lane.topic)
      if (waiting === undefined) {
        if (bytes <= 0 || !limits(lane.topic)) return
        waiting = { bytes: 0, parked: new Set(), expected: new Map(), turns: new Map() }
        topics.set(lane.topic, waiting)
      }
      waiting.bytes = Math.max(0, waiting.bytes + bytes)
      if (bytes > 0) waiting.turns.set(lane, (waiting.turns.get(lane) ?? 0) + bytes)
      unpark(lane.topic, waiting, now)
    },
    forget(lane) {
      const waiting = topics.get(lane.topic)
      waiting?.parked.delete(lane)
      waiting?.expected.delete(lane)
      waiting?.turns.delete(lane)
    },
    review(now) {
      for (const [topic, waiting] of topics) unpark(topic, waiting, now)
    },
  }
}
