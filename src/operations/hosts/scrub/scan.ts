/** One closed segment, looked at as often as it takes to be sure. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Budget, keyOf, readFile } from './read.ts'
import type { Segment } from './segments.ts'
import { createBatchWalk, type Damage } from './walk.ts'

/** Whoever truncates, cleans or deletes a segment has done so by then. */
const AGAIN_MS = 500

export type Scan =
  | { readonly kind: 'well' }
  | { readonly kind: 'damaged'; readonly damage: Damage }
  /** It is no longer what was to be read, or cannot be read: whether its disk is well is looked at elsewhere. */
  | { readonly kind: 'unknown'; readonly why: string }

/**
 * Damage counts only if the same file, written to by nobody meanwhile, is damaged in the same place when it is read again: what is
 * truncated, cleaned, renamed or deleted while it is read is not corrupt.
 */
export async function scan(segment: Segment, budget: Budget, signal: AbortSignal): Promise<Scan> {
  const first = await scanOnce(segment, budget, signal)
  if (first.kind !== 'damaged') return first
  await delay(AGAIN_MS, undefined, { signal })
  const second = await scanOnce(segment, budget, signal)
  if (second.kind !== 'damaged') return second
  const isSame = JSON.stringify(first.damage) === JSON.stringify(second.damage)
  return isSame ? second : { kind: 'unknown', why: 'it was read differently each time' }
}

async function scanOnce(segment: Segment, budget: Budget, signal: AbortSignal): Promise<Scan> {
  const { path, base, below, key } = segment
  const walk = createBatchWalk({ base, below, isClosed: true })
  try {
    await readFile(path, budget, chunk => walk.push(chunk), signal)
  } catch (error) {
    signal.throwIfAborted()
    return { kind: 'unknown', why: (error as Error).message }
  }
  if ((await keyOf(path, signal)) !== key) return { kind: 'unknown', why: 'it has changed meanwhile' }
  const { damage } = walk.end()
  return damage === null ? { kind: 'well' } : { kind: 'damaged', damage }
}
