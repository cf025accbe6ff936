/** A life that ended without having been asked to. Times in ms. */
export interface Crash {
  readonly at: number
  /** From its start to its end; 0 when it could not be started. */
  readonly ranMs: number
  /** What outside of it kept it from running and will pass, a full disk: that does not count against the process. */
  readonly hindrance?: string
}

export interface RestartPolicy {
  /** Before the first restart; doubled for each short life in a row. */
  readonly firstDelayMs: number
  readonly maxDelayMs: number
  /** A life at least this long was a good one: back-off and count begin anew. */
  readonly stableMs: number
  /** So many short lives within `windowMs` and it is given up. */
  readonly maxCrashes: number
  readonly windowMs: number
}

export const defaultPolicy: RestartPolicy = {
  firstDelayMs: 200,
  maxDelayMs: 15_000,
  stableMs: 20_000,
  maxCrashes: 6,
  windowMs: 120_000,
}

export type RestartDecision =
  | { readonly act: 'restart'; readonly afterMs: number; readonly reason: string }
  | { readonly act: 'give-up'; readonly crashes: number; readonly withinMs: number; readonly reason: string }

/** What to do after the last of these crashes (oldest first, at least one). */
export function decideRestart(crashes: readonly Crash[], policy: RestartPolicy): RestartDecision {
  const last = crashes.at(-1)
  if (last === undefined) throw new RangeError('there is nothing to decide before the first crash')
  if (last.ranMs >= policy.stableMs)
    return { act: 'restart', afterMs: policy.firstDelayMs, reason: `it had run for ${seconds(last.ranMs)}` }

  const shortLives = trailingShortLives(crashes, policy.stableMs)
  const doublings = Math.min(shortLives.length - 1, 30)
  const afterMs = Math.min(policy.firstDelayMs * 2 ** doublings, policy.maxDelayMs)
  if (last.hindrance !== undefined) return { act: 'restart', afterMs, reason: last.hindrance }

  const recent = shortLives.filter(
    crash => crash.hindrance === undefined && last.at - crash.at <= policy.windowMs,
  )
  if (recent.length >= policy.maxCrashes) {
    const withinMs = last.at - recent[0]!.at
    const reason = `crashed ${recent.length} times in ${seconds(withinMs)}`
    return { act: 'give-up', crashes: recent.length, withinMs, reason }
  }
  return { act: 'restart', afterMs, reason: `short life ${shortLives.length} in a row` }
}

/** Those since the last good life. */
function trailingShortLives(crashes: readonly Crash[], stableMs: number): readonly Crash[] {
  const lastGood = crashes.findLastIndex(crash => crash.ranMs >= stableMs)
  return crashes.slice(lastGood + 1)
}

/** The crashes that can still matter to a later decision. */
export function relevantCrashes(crashes: readonly Crash[], policy: RestartPolicy): readonly Crash[] {
  const lastGood = crashes.findLastIndex(crash => crash.ranMs >= policy.stableMs)
  return crashes.slice(Math.max(0, lastGood)).slice(-(policy.maxCrashes + 30))
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

/** How a running process answers its probe. */
export type Health =
  | { readonly kind: 'starting'; readonly late: boolean }
  | { readonly kind: 'ready'; readonly misses: number }
  | { readonly kind: 'unhealthy' }

export interface HealthPolicy {
  /** After so long without a first good answer, that is told, once. */
  readonly readyWithinMs: number
  /** So many bad answers in a row, and one that was ready is unhealthy. */
  readonly missesAllowed: number
}

export interface HealthStep {
  readonly health: Health
  /** What has changed with this answer and should be told. */
  readonly tell?: 'ready' | 'not-ready' | 'unhealthy' | 'healthy'
}

/** @param elapsedMs since its start */
export function stepHealth(
  before: Health,
  well: boolean,
  elapsedMs: number,
  policy: HealthPolicy,
): HealthStep {
  switch (before.kind) {
    case 'starting':
      if (well) return { health: { kind: 'ready', misses: 0 }, tell: 'ready' }
      if (before.late || elapsedMs < policy.readyWithinMs) return { health: before }
      return { health: { kind: 'starting', late: true }, tell: 'not-ready' }
    case 'ready':
      if (well) return { health: { kind: 'ready', misses: 0 } }
      if (before.misses + 1 < policy.missesAllowed)
        return { health: { kind: 'ready', misses: before.misses + 1 } }
      return { health: { kind: 'unhealthy' }, tell: 'unhealthy' }
    case 'unhealthy':
      return well ? { health: { kind: 'ready', misses: 0 }, tell: 'healthy' } : { health: before }
  }
}
