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
  #used = false

  /** @param size of the buffers, bytes; what needs a larger one gets memory that is not used again */
  constructor(size: number) {
    this.#size = size
  }

  take(size: number): Buffer {
    this.#used = true
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

  /** To be called in quiet moments: the second in a row without a `take` in between frees what nobody uses. */
  rest(): void {
    if (!this.#used) this.#free.length = 0
    this.#used = false
  }
}
