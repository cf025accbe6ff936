/**
 * Which bytes of a stream have been seen: sorted, disjoint, half-open intervals. What a tier keeps instead of a set of
 * record ids: complete is one interval, a hole is a loss named to the byte, an overlap is a repetition.
 */
import { AjnaError, isAjnaError } from '../errors/errors.ts'
import { ByteReader, writeUvarlong } from '../wire/bytes.ts'
import { WIRE_MALFORMED, WIRE_TRUNCATED } from '../wire/errors.ts'
import { INTERVALS_MALFORMED } from './errors.ts'

/** [start, end) in bytes of the stream (or sequence numbers). */
export type Interval = readonly [start: number, end: number]

export class IntervalSet {
  /** Both of one length, ascending; ends[i] < starts[i + 1]. */
  readonly #starts: number[]
  readonly #ends: number[]
  #covered: number

  private constructor(starts: number[], ends: number[], covered: number) {
    this.#starts = starts
    this.#ends = ends
    this.#covered = covered
  }

  static of(...intervals: readonly Interval[]): IntervalSet {
    const set = new IntervalSet([], [], 0)
    for (const [start, end] of intervals) set.add(start, end)
    return set
  }

  /** How many intervals. */
  get size(): number {
    return this.#starts.length
  }

  /** Bytes covered. */
  get covered(): number {
    return this.#covered
  }

  /** First byte covered, or 0. */
  get start(): number {
    return this.#starts[0] ?? 0
  }

  /** One past the last byte covered, or 0. */
  get end(): number {
    return this.#ends.at(-1) ?? 0
  }

  /**
   * Adds [start, end). Constant time when it lies at or after the last interval's start, as in a stream read in order.
   *
   * @returns how many of its bytes are new; the others, `end - start - result`, were there already
   */
  add(start: number, end: number): number {
    checkBounds(start, end)
    if (start === end) return 0
    const last = this.#starts.length - 1
    if (last >= 0 && start < this.#starts[last]!) return this.#insert(start, end)
    const lastEnd = last >= 0 ? this.#ends[last]! : -1
    if (start > lastEnd) {
      this.#starts.push(start)
      this.#ends.push(end)
      this.#covered += end - start
      return end - start
    }
    if (end <= lastEnd) return 0
    this.#ends[last] = end
    this.#covered += end - lastEnd
    return end - lastEnd
  }

  /** The general case: swallows every interval that [start, end) touches. */
  #insert(start: number, end: number): number {
    const from = this.#firstEndingAtOrAfter(start)
    let to = from
    let known = 0
    let [low, high] = [start, end]
    for (; to < this.#starts.length && this.#starts[to]! <= end; to++) {
      low = Math.min(low, this.#starts[to]!)
      high = Math.max(high, this.#ends[to]!)
      known += this.#ends[to]! - this.#starts[to]!
    }
    this.#starts.splice(from, to - from, low)
    this.#ends.splice(from, to - from, high)
    const added = high - low - known
    this.#covered += added
    return added
  }

  /** Index of the first interval whose end is at or after `position`. */
  #firstEndingAtOrAfter(position: number): number {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ends[middle]! < position) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Removes [start, end). @returns how many bytes were removed */
  remove(start: number, end: number): number {
    checkBounds(start, end)
    if (start === end) return 0
    const before = this.#covered
    const starts: number[] = []
    const ends: number[] = []
    const from = this.#firstEndingAtOrAfter(start)
    let to = from
    for (; to < this.#starts.length && this.#starts[to]! < end; to++) {
      const [low, high] = [this.#starts[to]!, this.#ends[to]!]
      this.#covered -= high - low
      if (low < start) keep(starts, ends, low, Math.min(high, start))
      if (high > end) keep(starts, ends, end, high)
    }
    for (let i = 0; i < starts.length; i++) this.#covered += ends[i]! - starts[i]!
    this.#starts.splice(from, to - from, ...starts)
    this.#ends.splice(from, to - from, ...ends)
    return before - this.#covered
  }

  /** Adds every interval of another set. @returns how many bytes were new */
  merge(other: IntervalSet): number {
    let added = 0
    for (const [start, end] of other) added += this.add(start, end)
    return added
  }

  /** Whether all of [start, end) is covered. */
  contains(start: number, end: number): boolean {
    checkBounds(start, end)
    if (start === end) return true
    const at = this.#firstEndingAtOrAfter(end)
    return at < this.#starts.length && this.#starts[at]! <= start
  }

  /** What is not covered of [start, end), in order. */
  gaps(start: number, end: number): Interval[] {
    checkBounds(start, end)
    const gaps: Interval[] = []
    let position = start
    for (let at = this.#firstEndingAtOrAfter(start); at < this.#starts.length && position < end; at++) {
      const next = Math.min(this.#starts[at]!, end)
      if (next > position) gaps.push([position, next])
      position = Math.max(position, this.#ends[at]!)
    }
    if (position < end) gaps.push([position, end])
    return gaps
  }

  /** What this set covers and the other does not: with this as the reference, the other's losses. */
  subtract(other: IntervalSet): IntervalSet {
    const rest = IntervalSet.of()
    for (const [start, end] of this) for (const [low, high] of other.gaps(start, end)) rest.add(low, high)
    return rest
  }

  /** What both cover. */
  intersect(other: IntervalSet): IntervalSet {
    return this.subtract(this.subtract(other))
  }

  copy(): IntervalSet {
    return new IntervalSet([...this.#starts], [...this.#ends], this.#covered)
  }

  equals(other: IntervalSet): boolean {
    const same = (mine: number[], theirs: number[]): boolean => mine.every((value, i) => value === theirs[i])
    return this.size === other.size && same(this.#starts, other.#starts) && same(this.#ends, other.#ends)
  }

  *[Symbol.iterator](): Generator<Interval, void, undefined> {
    for (let i = 0; i < this.#starts.length; i++) yield [this.#starts[i]!, this.#ends[i]!]
  }

  toJSON(): Interval[] {
    return [...this]
  }

  /** Count, then each gap before an interval and each length, as unsigned varints: 3 to 10 bytes an interval. */
  encode(): Buffer {
    const out = Buffer.allocUnsafe(MAX_UVARLONG_BYTES * (1 + 2 * this.size))
    let at = writeUvarlong(out, 0, this.size)
    let position = 0
    for (const [start, end] of this) {
      at = writeUvarlong(out, at, start - position)
      at = writeUvarlong(out, at, end - start)
      position = end
    }
    return out.subarray(0, at)
  }

  /** @throws AjnaError INTERVALS_MALFORMED */
  static decode(bytes: Buffer): IntervalSet {
    try {
      const reader = new ByteReader(bytes)
      const count = reader.uvarlong()
      const set = IntervalSet.of()
      let position = 0
      for (let i = 0; i < count; i++) {
        const start = position + reader.uvarlong()
        position = start + reader.uvarlong()
        if (!Number.isSafeInteger(position) || position === start || (i > 0 && start === set.end)) {
          throw new AjnaError(
            INTERVALS_MALFORMED,
            `interval ${i} of ${count} runs from ${start} to ${position}`,
          )
        }
        set.add(start, position)
      }
      reader.expectEnd('the interval set')
      return set
    } catch (cause) {
      if (!isAjnaError(cause, WIRE_MALFORMED, WIRE_TRUNCATED)) throw cause
      throw new AjnaError(INTERVALS_MALFORMED, `${bytes.length} bytes are no interval set`, { cause })
    }
  }
}

const MAX_UVARLONG_BYTES = 8

function keep(starts: number[], ends: number[], start: number, end: number): void {
  if (start === end) return
  starts.push(start)
  ends.push(end)
}

function checkBounds(start: number, end: number): void {
  if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end)) {
    throw new RangeError(`[${start}, ${end}) is not an interval`)
  }
}
