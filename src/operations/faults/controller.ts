import { setTimeout as delay } from 'node:timers/promises'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'

/** By then another one is elected. */
export const ELECTED_MS = 15_000
const ASKED_MS = 3_000
const LOOK_EVERY_MS = 100

/** The active controller; null when there is none for a while. */
export async function controllerOf(admin: ClusterAdmin, signal: AbortSignal): Promise<number | null> {
  const until = Date.now() + ELECTED_MS
  for (;;) {
    const last = Date.now() > until
    try {
      const { leader } = await admin.describeQuorum({ signal, deadlineMs: ASKED_MS })
      if (leader !== null || last) return leader
    } catch (error) {
      signal.throwIfAborted()
      if (last) throw error
    }
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
}
