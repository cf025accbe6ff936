import { setTimeout as sleep } from 'node:timers/promises'

const FIRST_MS = 50
const LONGEST_MS = 1_000

/** Pause before the attempt that follows `failures` failures in a row: 50 ms, doubling up to a second. */
export function backoffMs(failures: number): number {
  return failures <= 0 ? 0 : Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS)
}

/** @throws the signal's reason */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (ms <= 0) return
  try {
    await sleep(ms, undefined, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}

/** The promise, or the signal's reason if that comes first. The work behind the promise goes on. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => undefined)
    return Promise.reject(signal.reason)
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort))
}

/**
 * The first success among attempts that start one after another: the next as soon as the last one failed, or has not
 * answered for `staggerMs`. So one frozen broker costs the stagger, not its deadline.
 *
 * @throws AggregateError when all fail
 */
export function hedged<T>(attempts: readonly (() => Promise<T>)[], staggerMs: number): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const errors: unknown[] = []
  let started = 0
  let settled = false
  let timer: NodeJS.Timeout | undefined
  const startNext = (): void => {
    clearTimeout(timer)
    const attempt = attempts[started]
    if (settled || attempt === undefined) return
    started++
    if (started < attempts.length) timer = setTimeout(startNext, staggerMs)
    attempt().then(succeed, fail)
  }
  const succeed = (value: T): void => {
    settled = true
    clearTimeout(timer)
    resolve(value)
  }
  const fail = (error: unknown): void => {
    errors.push(error)
    if (errors.length === attempts.length) reject(new AggregateError(errors, 'every attempt failed'))
    else startNext()
  }
  startNext()
  if (attempts.length === 0) reject(new AggregateError(errors, 'nothing to attempt'))
  return promise
}
