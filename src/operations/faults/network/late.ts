/** Bytes of one direction of a connection that come later than they were sent, in their order. Pure but for the clock it is given. */

/** So much waits; then whoever sends is no longer read. */
const MAX_LATE_BYTES = 8 * 1024 * 1024

export interface LateQueue {
  /** @param data null: whoever sends has ended; that comes late too */
  push(data: Buffer | null): void
  /** What is due by now, in the order in which it was sent. */
  take(): readonly (Buffer | null)[]
  /** When the next is due, by the same clock; undefined: nothing waits. */
  nextAt(): number | undefined
  isFull(): boolean
}

/**
 * @param lateMs how much later what is sent now comes; it never overtakes what was sent before
 * @param now ms
 */
export function lateQueue(lateMs: () => number, now: () => number): LateQueue {
  let waiting: { readonly at: number; readonly data: Buffer | null }[] = []
  let bytes = 0
  let last = Number.NEGATIVE_INFINITY
  return {
    push(data) {
      last = Math.max(last, now() + lateMs())
      waiting.push({ at: last, data })
      bytes += data?.length ?? 0
    },
    take() {
      const until = now()
      const later = waiting.findIndex(({ at }) => at > until)
      const due = later === -1 ? waiting : waiting.slice(0, later)
      waiting = later === -1 ? [] : waiting.slice(later)
      for (const { data } of due) bytes -= data?.length ?? 0
      return due.map(({ data }) => data)
    },
    nextAt: () => waiting[0]?.at,
    isFull: () => bytes >= MAX_LATE_BYTES,
  }
}
