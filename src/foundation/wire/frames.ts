import { AjnaError } from '../errors/errors.ts'
import { WIRE_MALFORMED } from './errors.ts'

/** Responses smaller than this arrive through a buffer that is used again and again, and are copied out of it. */
const SCRATCH_BYTES = 64 * 1024
const SIZE_BYTES = 4

/**
 * Cuts a stream of bytes into frames (int32 size, then that many bytes). It tells the socket where to put what comes
 * next: once a large frame's size is known, that is the frame itself, so that its bytes are never copied.
 */
export class FrameAssembler {
  readonly #maxFrameBytes: number
  readonly #onFrame: (frame: Buffer) => void
  readonly #allocate: (size: number) => Buffer
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  /** Bytes of the scratch buffer that belong to a frame not yet complete. */
  #scratchFilled = 0
  #frame: Buffer | undefined
  #frameFilled = 0

  /**
   * @param onFrame is given each frame without its size; the frame is its to keep
   * @param allocate gives the memory for large frames
   */
  constructor(
    maxFrameBytes: number,
    onFrame: (frame: Buffer) => void,
    allocate: (size: number) => Buffer = size => Buffer.allocUnsafeSlow(size),
  ) {
    this.#maxFrameBytes = maxFrameBytes
    this.#onFrame = onFrame
    this.#allocate = allocate
  }

  /** Where the next bytes belong; never empty. */
  target(): Buffer {
    return this.#frame === undefined
      ? this.#scratch.subarray(this.#scratchFilled)
      : this.#frame.subarray(this.#frameFilled)
  }

  /**
   * Takes note that the first `count` bytes of the last target were filled.
   *
   * @throws AjnaError WIRE_MALFORMED when a frame's size is negative or above the bound; the stream is then useless
   */
  filled(count: number): void {
    if (this.#frame === undefined) {
      this.#scratchFilled += count
      this.#cutScratch()
      return
    }
    this.#frameFilled += count
    if (this.#frameFilled < this.#frame.length) return
    const frame = this.#frame
    this.#frame = undefined
    this.#onFrame(frame)
  }

  #cutScratch(): void {
    const filled = this.#scratchFilled
    let at = 0
    while (filled - at >= SIZE_BYTES) {
      const size = this.#checkedSize(this.#scratch.readInt32BE(at))
      const start = at + SIZE_BYTES
      const available = Math.min(size, filled - start)
      if (available < size) {
        if (SIZE_BYTES + size <= SCRATCH_BYTES) break
        this.#frame = this.#allocate(size)
        this.#frameFilled = this.#scratch.copy(this.#frame, 0, start, filled)
        this.#scratchFilled = 0
        return
      }
      at = start + size
      this.#onFrame(Buffer.from(this.#scratch.subarray(start, at)))
    }
    this.#scratch.copyWithin(0, at, filled)
    this.#scratchFilled = filled - at
  }

  #checkedSize(size: number): number {
    if (size < 0 || size > this.#maxFrameBytes) {
      throw new AjnaError(
        WIRE_MALFORMED,
        `a response claims ${size} bytes; at most ${this.#maxFrameBytes} are accepted`,
        {
          details: { size, maxFrameBytes: this.#maxFrameBytes },
        },
      )
    }
    return size
  }
}
