import { z } from 'zod'

/** Quantities as people write them. */

const durations: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}

const sizes: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

/** A whole number of the smallest unit, or undefined: not a quantity, or beyond 2^53. */
function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number, unit] = /^(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]+)$/.exec(text) ?? []
  if (number === undefined || unit === undefined || !Object.hasOwn(units, unit)) return undefined
  const value = Math.round(Number(number) * units[unit]!)
  return Number.isSafeInteger(value) ? value : undefined
}

/** `500ms`, `90s`, `12h`, `4d` → ms. */
export const parseDuration = (text: string): number | undefined => quantity(text, durations)

/** `512MiB`, `10GB` → bytes. */
export const parseSize = (text: string): number | undefined => quantity(text, sizes)

function quantitySchema(parse: (text: string) => number | undefined, allowed: string) {
  // A bare number is refused: nobody can see whether 60 means seconds or minutes.
  return z.string({ error: allowed }).transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.issues.push({ code: 'custom', message: allowed, input: text })
    return z.NEVER
  })
}

/** A duration with its unit → ms. */
export const duration = () =>
  quantitySchema(parseDuration, 'a duration with its unit, such as 500ms, 90s, 12h or 4d')

/** A size with its unit → bytes. */
export const size = () => quantitySchema(parseSize, 'a size with its unit, such as 64KiB, 512MiB or 10GB')

const largestUnit = (value: number, units: readonly (readonly [string, number])[]): string => {
  const [name, factor] = units.find(([, each]) => value % each === 0 && value >= each) ?? units.at(-1)!
  return `${value / factor}${name}`
}

/** 345,600,000 → `4d`; exact: never rounds. */
export const formatDuration = (ms: number): string =>
  largestUnit(ms, [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ])

/** 536,870,912 → `512MiB`; exact: never rounds. */
export const formatSize = (bytes: number): string =>
  largestUnit(bytes, [
    ['TiB', 1024 ** 4],
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
    ['B', 1],
  ])
