/**
 * java.util.Random, whose bytes Trogdor's generators promise for a seed: a 48-bit linear congruential generator, here in two
 * halves of 24 bits.
 */
export interface JavaRandom {
  seed(seed: number): void
  /** The next `bits` (at most 32) as a signed number. */
  next(bits: number): number
  /** Fills it, as nextBytes does. */
  fill(into: Buffer): void
  /** In [0, bound). */
  below(bound: number): number
  /** Of mean 0 and deviation 1. */
  gaussian(): number
}

/** 0x5DEECE66D and its addend. */
const MULTIPLIER_HIGH = 0x5de
const MULTIPLIER_LOW = 0xece66d
const ADDEND = 0xb
const HALF = 0x100_0000
const HALF_MASK = 0xff_ffff

export function javaRandom(): JavaRandom {
  let high = 0
  let low = 0
  let kept: number | undefined

  function next(bits: number): number {
    const product = low * MULTIPLIER_LOW + ADDEND
    const carry = Math.floor(product / HALF)
    high = (high * MULTIPLIER_LOW + low * MULTIPLIER_HIGH + carry) % HALF
    low = product % HALF
    // The upper bits of 48, as a signed number of 32 at most.
    const top = high * 256 + (low >>> 16)
    return (top | 0) >> (32 - bits)
  }

  const fraction = (): number => ((next(26) & 0x3ff_ffff) * 0x800_0000 + (next(27) & 0x7ff_ffff)) / 2 ** 53

  return {
    seed(seed) {
      const value = BigInt.asUintN(48, BigInt(seed)) ^ 0x5deece66dn
      high = Number(value >> 24n)
      low = Number(value & BigInt(HALF_MASK))
      kept = undefined
    },
    next,
    fill(into) {
      for (let at = 0; at < into.length; ) {
        let word = next(32)
        for (let n = Math.min(into.length - at, 4); n > 0; n--, word >>= 8) into[at++] = word & 0xff
      }
    },
    below(bound) {
      if ((bound & -bound) === bound) return Math.floor((bound * (next(31) & 0x7fff_ffff)) / 2 ** 31)
      for (;;) {
        const bits = next(31) & 0x7fff_ffff
        const value = bits % bound
        if (bits - value + (bound - 1) <= 0x7fff_ffff) return value
      }
    },
    gaussian() {
      if (kept !== undefined) {
        const value = kept
        kept = undefined
        return value
      }
      for (;;) {
        const a = 2 * fraction() - 1
        const b = 2 * fraction() - 1
        const square = a * a + b * b
        if (square >= 1 || square === 0) continue
        const scale = Math.sqrt((-2 * Math.log(square)) / square)
        kept = b * scale
        return a * scale
      }
    },
  }
}
