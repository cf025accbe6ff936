/** Which failures are enough to break a promise: those of its cluster, and of these as few as still do. */
import type { Failure, SimulationOptions, Violation } from './contract.ts'
import { failuresOf, START, simulate } from './simulate.ts'

/** What happened longer before has rarely to do with it. */
const BEFORE_MS = 3_600_000
const MAX_TRIES = 200

export interface Shrunk {
  readonly failures: readonly Failure[]
  readonly violation: Violation
}

/** Undefined: what it takes lies further back, or elsewhere. */
export function shrink(options: SimulationOptions, { promise, cluster, at }: Violation): Shrunk | undefined {
  const index = Number(cluster.slice(1))
  const clusters = new Set([index])
  const all = failuresOf(options)
  const near = all.filter(
    each =>
      START + each.at <= at &&
      START + each.at >= at - BEFORE_MS &&
      (each.cluster === index || concernsAll(each)),
  )
  const broken = (failures: readonly Failure[]): Violation | undefined =>
    simulate(withoutClock(options), { clusters, failures }).violations.find(each => each.promise === promise)
  let violation = broken(near)
  if (violation === undefined) return undefined
  let left: readonly Failure[] = near
  let tries = 0
  for (let i = left.length - 1; i >= 0 && tries < MAX_TRIES; i--, tries++) {
    const fewer = left.toSpliced(i, 1)
    const still = broken(fewer)
    if (still === undefined) continue
    left = fewer
    violation = still
  }
  return { failures: left, violation }
}

const concernsAll = ({ kind }: Failure): boolean =>
  kind === 'pause' || kind === 'healer-dies' || kind === 'healer-freezes'

function withoutClock({ clock: _clock, ...options }: SimulationOptions): SimulationOptions {
  return options
}
