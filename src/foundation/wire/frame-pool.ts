/** Bursts come again: memory that was freed between two of them would cost several collections to have back. */
const KEPT_MS = 30_000

/**
 * Memory for large responses, used again once its reader is done with it. Fresh memory for each would cost more than all
 * else in fetching: every few answers the collector would walk the whole heap to get it back. So all buffers have one
 * size, and what one answer left always fits the next.
 */
export class FramePool {
  readonly #size: number
  /** The last one given is the first one lent: it may still be in the processor's cache. */
  readonly #free: Buffer[] = []
  /** Weak: a buffer that is never given back is simply collected. */
  readonly #lent = new WeakMap<ArrayBufferLike, Buffer>()
  readonly #now: () => number
  #takenAt = 0

  /**
   * @param size of the buffers, bytes; what needs a larger one gets memory that is not used again
   * @param now monotonic, ms
   */
  constructor(size: number, now: () => number = () => performance.now()) {
    this.#size = size
    this.#now = now
  }

  take(size: number): Buffer {
    this.#takenAt = this.#now()
    if (size > this.#size) return Buffer.allocUnsafeSlow(size)
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#size)
    this.#lent.set(buffer.buffer, buffer)
    return buffer.subarray(0, size)
  }

  /** Takes back the memory behind a buffer that `take` gave, or behind a view of it. Others are ignored. */
  give(view: Buffer): void {
    const buffer = this.#lent.get(view.buffer)
    if (buffer === undefined) return
    this.#lent.delete(view.buffer)
    this.#free.push(buffer)
  }

  /** To be called in quiet moments: what nobody has needed for half a minute is freed. */
  rest(): void {
    if (this.#now() - this.#takenAt >= KEPT_MS) this.#free.length = 0
  }
}
