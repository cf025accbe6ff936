/**
 * One partition in a worker's care:
 *
 *     starting ──look at both logs──► copying ──doubt──► (nothing in flight) ──► starting …
 *        │                              │
 *        └───────────► halted ◄─────────┘        paused, restarted, let go: the same way out of copying
 *
 * It is let go when nothing of it is under way any more: no batch in flight, no marker being written.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { backoffMs } from '../../foundation/wire/backoff.ts'
import type { Begun, Turn } from './begin.ts'
import type { HaltReason } from './contract.ts'
import type { Lane, LaneBegin } from './lane.ts'

/** What ended the copying of a lane; nothing of it is in flight. */
export type End =
  | {
      readonly kind: 'doubt'
      readonly reason: string
      readonly state: 'waiting' | 'blocked'
      /** A batch is larger than the target takes. */
      readonly tooLarge?: boolean
    }
  | { readonly kind: 'halt'; readonly halted: HaltReason; readonly reason: string }
  /** The turn was ended from outside. */
  | { readonly kind: 'interrupted' }

export interface Tending {
  readonly paused: () => boolean
  readonly turn: (signal: AbortSignal) => Turn
  /** One look at both logs, and one act. */
  readonly begin: (lane: Lane, turn: Turn) => Promise<Begun>
  /** Copies from there until something ends it, the turn's signal for one. */
  readonly copy: (lane: Lane, begin: LaneBegin, turn: Turn) => Promise<End>
  /** Whether an error means that somebody has to allow something. */
  readonly isRefusal: (error: unknown) => boolean
  readonly log: Logger
}

export interface Tended {
  readonly lane: Lane
  /** Something about it has changed: it is looked at anew. A halted one stays so. */
  interrupt(): void
  /** Like `interrupt`; what was halted is tried once more. */
  restart(): void
  halt(halted: HaltReason, reason: string): void
  /** Resolves when nothing of it is under way any more. */
  leave(): Promise<void>
  /** Rejects with a fault of this program. */
  readonly done: Promise<void>
}

const BLOCKED_RETRY_MS = 5_000

export function tend(lane: Lane, tending: Tending): Tended {
  let ending = new AbortController()
  let leaving = false
  const { log } = tending

  function halt({ halted, reason }: { readonly halted: HaltReason; readonly reason: string }): void {
    if (lane.halted === halted) return
    const { topic, partition } = lane
    log.error({ topic, partition, halted, reason }, 'the partition is halted')
    lane.become('halted', reason, Date.now(), halted)
  }

  async function run(): Promise<void> {
    while (!leaving) {
      ending = new AbortController()
      const turn = tending.turn(ending.signal)
      if (tending.paused() && lane.halted === null) lane.become('paused', '', Date.now())
      if (lane.halted !== null || tending.paused()) await aborted(turn.signal)
      else await work(turn)
    }
  }

  async function work(turn: Turn): Promise<void> {
    // What ended the last turn says how long to rest, and is to be seen meanwhile.
    if (lane.state !== 'waiting' && lane.state !== 'blocked') lane.become('starting', '', Date.now())
    const begun = await begin(turn)
    if (begun === undefined) return
    if (begun.kind === 'halt') return halt(begun)
    const end = await tending.copy(lane, begun, turn)
    if (end.kind === 'halt') halt(end)
    else if (end.kind === 'doubt') {
      const { topic, partition } = lane
      log.info({ topic, partition, reason: end.reason }, 'looking at both logs again')
      lane.become(end.state, end.reason, Date.now())
    }
  }

  /** Looks at both logs until the lane can copy, or has to halt; undefined when the turn is over before. */
  async function begin(turn: Turn): Promise<Exclude<Begun, { kind: 'again' }> | undefined> {
    while (await rested(turn.signal)) {
      try {
        const begun = await tending.begin(lane, turn)
        if (turn.signal.aborted) return undefined
        if (begun.kind !== 'again') return begun
        if (begun.failed) lane.failures++
      } catch (error) {
        if (turn.signal.aborted) return undefined
        postpone(error)
      }
    }
    return undefined
  }

  async function rested(signal: AbortSignal): Promise<boolean> {
    const pauseMs = lane.state === 'blocked' ? BLOCKED_RETRY_MS : backoffMs(lane.failures)
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
    return !signal.aborted
  }

  function postpone(error: unknown): void {
    const { topic, partition } = lane
    const reason = describeError(error)
    lane.failures++
    if (reason !== lane.reason)
      log.warn({ topic, partition, reason }, 'the partition cannot begin; trying on')
    lane.become(tending.isRefusal(error) ? 'blocked' : 'waiting', reason, Date.now())
  }

  const interrupt = (): void => ending.abort()
  const done = run()
  done.catch(() => undefined)
  return {
    lane,
    done,
    interrupt,
    restart() {
      lane.failures = 0
      lane.become('starting', '', Date.now())
      interrupt()
    },
    halt(halted, reason) {
      if (lane.halted === halted) return
      halt({ halted, reason })
      interrupt()
    },
    async leave() {
      leaving = true
      interrupt()
      await done
    },
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}
