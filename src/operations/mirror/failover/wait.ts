import { setTimeout as sleep } from 'node:timers/promises'
import { AjnaError, describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import { FAILOVER_STUCK } from './errors.ts'
import type { Judged } from './judge.ts'

export interface WaitOptions {
  /** How long it may stand still, ms. */
  readonly stillMs: number
  readonly everyMs: number
  readonly now: () => number
  readonly signal: AbortSignal
}

/**
 * Looks until what is waited for has come about; as long as something moves, it goes on. A side that does not answer for a
 * moment is looked at again.
 *
 * @throws AjnaError FAILOVER_STUCK, naming what it waits for
 */
export async function waitUntil<Seen>(
  look: () => Promise<Seen>,
  judge: (seen: Seen) => Judged,
  { stillMs, everyMs, now, signal }: WaitOptions,
): Promise<Seen> {
  let standing: string | undefined
  let since = now()
  for (;;) {
    const seen = await looked(look, signal)
    const judged: Judged =
      'silence' in seen
        ? { done: false, waitsFor: seen.silence, standing: standing ?? '' }
        : judge(seen.value)
    if (judged.done) return (seen as { value: Seen }).value
    const { waitsFor, standing: at } = judged
    if (at !== standing) {
      standing = at
      since = now()
    } else if (now() - since > stillMs) {
      throw new AjnaError(FAILOVER_STUCK, `nothing moves for ${Math.round(stillMs / 1000)} s: ${waitsFor}`)
    }
    await sleep(everyMs, undefined, { signal })
  }
}

async function looked<Seen>(
  look: () => Promise<Seen>,
  signal: AbortSignal,
): Promise<{ readonly value: Seen } | { readonly silence: string }> {
  try {
    return { value: await look() }
  } catch (error) {
    signal.throwIfAborted()
    if (!isAjnaError(error)) throw error
    return { silence: describeError(error) }
  }
}
