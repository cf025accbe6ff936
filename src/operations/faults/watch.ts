import { setTimeout as delay } from 'node:timers/promises'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import { isWhole, type WholenessChange, type WholenessTrace, wholenessOf } from './analysis/redundancy.ts'

/** Looks at a topic's replicas all the time a test runs. */
export interface TopicWatch extends AsyncDisposable {
  trace(): WholenessTrace
  /** How long it has been whole without a break, ms; 0: it is not, or nobody could say. */
  wholeForMs(): number
}

export const LOOK_EVERY_MS = 200
/** A broker that does not answer within this is not asked again for a while (foundation/kafka). */
const LOOK_MS = 2_000
const MAX_CHANGES = 10_000

export function watchTopic(admin: ClusterAdmin, topic: string): TopicWatch {
  const ending = new AbortController()
  const changes: WholenessChange[] = []
  let worstSpacingMs = 0
  let answeredAt = Date.now()
  let wholeSince: number | undefined

  async function look(): Promise<void> {
    const [found] = await admin.describeTopics([topic], { signal: ending.signal, deadlineMs: LOOK_MS })
    const at = Date.now()
    worstSpacingMs = Math.max(worstSpacingMs, at - answeredAt)
    answeredAt = at
    if (found === undefined) return
    const { underReplicated, leaderless } = wholenessOf(found)
    const last = changes.at(-1)
    if (last?.underReplicated !== underReplicated || last.leaderless !== leaderless)
      if (changes.length < MAX_CHANGES) changes.push({ at, underReplicated, leaderless })
    if (isWhole({ underReplicated, leaderless })) wholeSince ??= at
    else wholeSince = undefined
  }

  const looking = (async () => {
    while (!ending.signal.aborted) {
      await look().catch(() => {
        wholeSince = undefined
      })
      await delay(LOOK_EVERY_MS, undefined, { signal: ending.signal }).catch(() => undefined)
    }
  })()

  return {
    trace: () => ({
      changes: [...changes],
      worstSpacingMs: Math.max(worstSpacingMs, Date.now() - answeredAt),
    }),
    wholeForMs: () => (wholeSince === undefined ? 0 : Date.now() - wholeSince),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await looking
    },
  }
}
