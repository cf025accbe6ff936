import { setTimeout as delay } from 'node:timers/promises'

/** Does something now and then again each `ms` after it was done, until the signal aborts. What it throws ends the process. */
export function every(ms: number, signal: AbortSignal, work: () => Promise<void>): void {
  void (async () => {
    while (!signal.aborted) {
      await work()
      await delay(ms, undefined, { signal }).catch(() => undefined)
    }
  })()
}
