import { z } from 'zod'

/**
 * Values as Jackson reads them for Trogdor: numbers may be given as text or with a fraction, which is cut off, text as a
 * number, one thing where a list is due, and what is absent or null is the type's zero.
 */

/** What a number is read from. NaN: nothing that could be one. */
function numberFrom(found: unknown): number {
  if (found === undefined || found === null || found === '') return 0
  if (typeof found === 'number') return Math.trunc(found)
  if (typeof found === 'string' && /^\s*-?\d+\s*$/.test(found)) return Number(found)
  return Number.NaN
}

function whole(words: string, read: (value: number) => number | undefined) {
  return z
    .unknown()
    .optional()
    .transform((found, context): number => {
      const value = read(numberFrom(found))
      if (value !== undefined) return value
      context.addIssue({ code: 'custom', message: words, input: found })
      return z.NEVER
    })
}

const inside = (most: number) => (value: number) => (Math.abs(value) <= most ? value : undefined)

const INT_MAX = 2 ** 31 - 1
const SHORT_MAX = 2 ** 15 - 1
const LONG_MAX = 2 ** 63

export const int = () => whole('a whole number of 32 bits', inside(INT_MAX))
export const short = () => whole('a whole number of 16 bits', inside(SHORT_MAX))

/** What lies beyond 2^53 (people write Long.MAX_VALUE for "no end") becomes that: docs/decisions/0002-numbers.md. */
export const long = () =>
  whole('a whole number of 64 bits', value =>
    Math.abs(value) <= LONG_MAX
      ? Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
      : undefined,
  )

export const double = () =>
  z
    .unknown()
    .optional()
    .transform((found, context): number => {
      const value = found === undefined || found === null ? 0 : Number(found)
      if (typeof found !== 'object' && Number.isFinite(value)) return value
      context.addIssue({ code: 'custom', message: 'a number', input: found })
      return z.NEVER
    })

export const text = () =>
  z
    .unknown()
    .optional()
    .transform((found, context): string => {
      if (found === undefined || found === null) return ''
      if (typeof found === 'string') return found
      if (typeof found === 'number' || typeof found === 'boolean') return String(found)
      context.addIssue({ code: 'custom', message: 'a text', input: found })
      return z.NEVER
    })

export const flag = () =>
  z
    .unknown()
    .optional()
    .transform((found, context): boolean => {
      if (found === undefined || found === null || found === '' || found === false || found === 'false')
        return false
      if (found === true || found === 'true') return true
      if (typeof found === 'number') return found !== 0
      context.addIssue({ code: 'custom', message: 'true or false', input: found })
      return z.NEVER
    })

/** One thing is a list of one (ACCEPT_SINGLE_VALUE_AS_ARRAY). */
export const list = <Item extends z.ZodType>(item: Item) =>
  z.preprocess(
    found => (found === undefined || found === null ? [] : Array.isArray(found) ? found : [found]),
    z.array(item),
  )

/** Text by text, as clients' configurations are. */
export const texts = () =>
  z.preprocess(found => found ?? {}, z.record(z.string(), text(), { error: 'an object of texts' }))
