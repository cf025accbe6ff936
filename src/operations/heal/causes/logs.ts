/** Logs of one partition's replicas, compared by the epochs of their leaders as Raft and KIP-101 do. Pure. */

export interface EpochStart {
  readonly epoch: number
  /** Offset of its first record. */
  readonly start: number
}

/** What one replica's log holds: the offsets from `start` to below `end`, each written under some leader epoch. */
export interface LogExtent {
  readonly start: number
  readonly end: number
  /** Ascending, as `leader-epoch-checkpoint` has them; such at or beyond the end hold no record. */
  readonly epochs: readonly EpochStart[]
}

/** Offsets of one epoch in a log. */
interface Stretch {
  readonly epoch: number
  readonly from: number
  readonly to: number
}

function stretches({ start, end, epochs }: LogExtent): Stretch[] {
  return epochs.flatMap(({ epoch, start: first }, index) => {
    const from = Math.max(first, start)
    const to = Math.min(epochs[index + 1]?.start ?? end, end)
    return from < to ? [{ epoch, from, to }] : []
  })
}

/** The epoch of its last record; null: it has none. */
export const lastEpoch = (log: LogExtent): number | null => stretches(log).at(-1)?.epoch ?? null

/**
 * Two logs that have a record of the same epoch at the same offset are the same up to there: a leader writes an offset once
 * in its epoch, and a follower copies from where it agrees with it (KIP-101). So they agree up to the end of the last
 * stretch that both have of one epoch.
 *
 * @returns the offset below which they are the same; 0 when they have no record in common
 */
export function agreesUpTo(a: LogExtent, b: LogExtent): number {
  const others = new Map(stretches(b).map(each => [each.epoch, each]))
  for (const { epoch, from, to } of stretches(a).reverse()) {
    const other = others.get(epoch)
    if (other === undefined) continue
    const end = Math.min(to, other.to)
    if (end > Math.max(from, other.from)) return end
  }
  return 0
}

/** Records of `reference` that `log` has not. */
export const missingFrom = (reference: LogExtent, log: LogExtent): number =>
  Math.max(0, reference.end - Math.max(agreesUpTo(reference, log), reference.start))

/** Orders logs by (last leader epoch, log end), the most advanced first: the one that whoever is behind would follow. */
export function byAdvance(a: LogExtent, b: LogExtent): number {
  return (lastEpoch(b) ?? -1) - (lastEpoch(a) ?? -1) || b.end - a.end
}

/**
 * Whether `log` has what the last in-sync replica of its partition must have had too: records of an epoch that one never knew,
 * or more than it of its own last epoch. Then that one's disk has lost something. An epoch in which it led and wrote nothing
 * counts: what others have of the one before was never committed.
 */
export function isBeyond(log: LogExtent, last: LogExtent): boolean {
  const [epoch, known] = [lastEpoch(log) ?? -1, last.epochs.at(-1)?.epoch ?? -1]
  return epoch > known || (epoch === known && log.end > last.end)
}
