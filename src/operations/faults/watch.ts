import { setTimeout as delay } from 'node:timers/promises'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import {
  type CommonView,
  isWhole,
  type Wholeness,
  type WholenessChange,
  type WholenessTrace,
  wholenessOf,
  worstOf,
} from './analysis/redundancy.ts'

/** Looks at a topic's replicas all the time a test runs, as each of the brokers has it. */
export interface TopicWatch extends AsyncDisposable {
  trace(): WholenessTrace
  /** How long it has been whole without a break, ms; 0: it is not, or not every broker says so. */
  wholeForMs(): number
  /** Whether a broker said anything when it was asked last. */
  answers(broker: number): boolean
  /** What the brokers say together now. */
  now(): CommonView
  /** What each broker says now, for people. */
  views(): string
}

export const LOOK_EVERY_MS = 200
/** A broker that takes longer is silent: what it said before is not to be believed any more. */
const ANSWER_MS = 1_000
const MAX_CHANGES = 10_000

/**
 * Every broker is asked by itself. Metadata calls a dead broker's replicas in sync until its session ends: it does not answer.
 * One that wakes says what it knew when it fell asleep: the others say otherwise. One that was started serves only once it is
 * registered anew, and so out of every ISR until it has caught up.
 */
export function watchTopic(admin: ClusterAdmin, topic: string, brokers: readonly number[]): TopicWatch {
  const ending = new AbortController()
  const { signal } = ending
  /** What each says; undefined: nothing. */
  const views = new Map<number, Wholeness | undefined>(brokers.map(id => [id, undefined]))
  const changes: WholenessChange[] = []
  let worstSpacingMs = 0
  let wholeSince: number | undefined

  function note(spacingMs: number): void {
    const at = Date.now()
    const now = worstOf([...views.values()])
    const last = changes.at(-1)
    const same =
      last?.underReplicated === now.underReplicated &&
      last.leaderless === now.leaderless &&
      last.silent === now.silent
    if (!same && changes.length < MAX_CHANGES) changes.push({ at, ...now })
    if (!isWhole(now)) {
      wholeSince = undefined
      return
    }
    // From when on it is whole is known to the time since that broker was asked before.
    if (wholeSince === undefined && changes.length > 1) worstSpacingMs = Math.max(worstSpacingMs, spacingMs)
    wholeSince ??= at
  }

  async function follow(broker: number): Promise<void> {
    let askedAt = Date.now()
    while (!signal.aborted) {
      const options = { signal, deadlineMs: ANSWER_MS, broker }
      const found = await admin.describeTopics([topic], options).catch(() => [])
      if (signal.aborted) return
      views.set(broker, found[0] === undefined ? undefined : wholenessOf(found[0]))
      note(Date.now() - askedAt)
      askedAt = Date.now()
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  const following = Promise.all(brokers.map(follow))
  return {
    trace: () => ({ changes: [...changes], worstSpacingMs }),
    wholeForMs: () => (wholeSince === undefined ? 0 : Date.now() - wholeSince),
    answers: broker => views.get(broker) !== undefined,
    now: () => worstOf([...views.values()]),
    views: () => [...views].map(([id, view]) => `broker ${id}: ${viewInWords(view)}`).join('; '),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await following
    },
  }
}

function viewInWords(view: Wholeness | undefined): string {
  if (view === undefined) return 'silent'
  const { underReplicated, leaderless } = view
  return underReplicated + leaderless === 0
    ? 'whole'
    : `${underReplicated} under-replicated, ${leaderless} without a leader`
}
