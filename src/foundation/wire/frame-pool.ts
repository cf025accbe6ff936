/**
 * Memory for large responses, used again once its reader is done with it. Fresh memory for each would cost more than all
 * else in fetching: every few answers the collector would walk the whole heap to get it back.
 */
const GRAIN = 256 * 1024
const MAX_FREE_BYTES = 32 * 1024 * 1024
/** A small answer does not get a large buffer. */
const MAX_WASTE = 8

export class FramePool {
  readonly #free: Buffer[] = []
  #freeBytes = 0
  /** Weak: a buffer that is never given back is simply collected. */
  readonly #lent = new WeakMap<ArrayBufferLike, Buffer>()

  take(size: number): Buffer {
    const index = this.#free.findIndex(
      ({ length }) => length >= size && length <= Math.max(size, GRAIN) * MAX_WASTE,
    )
    const [found] = index < 0 ? [] : this.#free.splice(index, 1)
    this.#freeBytes -= found?.length ?? 0
    const buffer = found ?? Buffer.allocUnsafeSlow(Math.ceil(size / GRAIN) * GRAIN)
    this.#lent.set(buffer.buffer, buffer)
    return buffer.subarray(0, size)
  }

  /** Takes back the memory behind a buffer that `take` gave, or behind a view of it. Others are ignored. */
  give(view: Buffer): void {
    const buffer = this.#lent.get(view.buffer)
    if (buffer === undefined) return
    this.#lent.delete(view.buffer)
    if (this.#freeBytes + buffer.length > MAX_FREE_BYTES) return
    this.#free.push(buffer)
    this.#freeBytes += buffer.length
  }
}
