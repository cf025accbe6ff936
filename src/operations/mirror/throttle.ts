/** Limits on what a worker sends: token buckets in bytes, one for the link and one for each topic. Time is passed in, ms. */

/** A bucket holds what its rate gives in so long: what may go at once after a silence. */
const BURST_MS = 500

export interface TokenBucket {
  readonly bytesPerSecond: number
  /** Ms until something may be sent; 0: now. */
  waitMs(now: number): number
  /**
   * Something was sent; it may have been more than there was, which is then paid for before the next. So a batch larger
   * than the bucket passes, and the rate holds all the same.
   */
  spend(bytes: number, now: number): void
}

export function tokenBucket(bytesPerSecond: number, now: number): TokenBucket {
  const capacity = (bytesPerSecond * BURST_MS) / 1_000
  let level = capacity
  let at = now
  const fill = (until: number): void => {
    if (until > at) level = Math.min(capacity, level + ((until - at) * bytesPerSecond) / 1_000)
    at = Math.max(at, until)
  }
  return {
    bytesPerSecond,
    waitMs(until) {
      fill(until)
      return level > 0 ? 0 : Math.ceil((-level * 1_000) / bytesPerSecond) + 1
    },
    spend(bytes, until) {
      fill(until)
      level -= bytes
    },
  }
}

/** A worker's part of its link's limits: as large as its part of the partitions, so that all workers together keep them. */
export interface Share {
  /** Bytes a second; null: no limit. */
  readonly link: number | null
  readonly topics: ReadonlyMap<string, number>
}

export interface Throttle {
  limits(topic: string): boolean
  waitMs(topic: string, now: number): number
  spend(topic: string, bytes: number, now: number): void
  /** What has not changed goes on as it is. */
  set(share: Share, now: number): void
}

export function createThrottle(): Throttle {
  let link: TokenBucket | undefined
  const topics = new Map<string, TokenBucket>()
  return {
    limits: topic => topics.has(topic),
    waitMs: (topic, now) => Math.max(link?.waitMs(now) ?? 0, topics.get(topic)?.waitMs(now) ?? 0),
    spend(topic, bytes, now) {
      link?.spend(bytes, now)
      topics.get(topic)?.spend(bytes, now)
    },
    set(share, now) {
      if ((link?.bytesPerSecond ?? null) !== share.link)
        link = share.link === null ? undefined : tokenBucket(share.link, now)
      for (const topic of topics.keys()) if (!share.topics.has(topic)) topics.delete(topic)
      for (const [topic, rate] of share.topics)
        if (topics.get(topic)?.bytesPerSecond !== rate) topics.set(topic, tokenBucket(rate, now))
    },
  }
}

export interface PartitionCounts {
  readonly own: number
  readonly all: number
}

/** @param counts by topic: partitions of this worker's, and in all */
export function shareOf(
  rate: { readonly link: number | null; readonly topic: number | null },
  counts: ReadonlyMap<string, PartitionCounts>,
): Share {
  const part = (whole: number, { own, all }: PartitionCounts): number => Math.max(1, (whole * own) / all)
  const sum = { own: 0, all: 0 }
  for (const { own, all } of counts.values()) {
    sum.own += own
    sum.all += all
  }
  const own = [...counts].filter(([, count]) => count.own > 0)
  const { link, topic } = rate
  return {
    link: link === null || sum.all === 0 ? link : part(link, sum),
    topics: new Map(topic === null ? [] : own.map(([name, count]) => [name, part(topic, count)])),
  }
}
