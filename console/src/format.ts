/** Numbers and times as the console writes them: grouped, tabular, with units in headers where a column has one unit. */

export const count = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 0 })

/** 1 site · 2 sites · 2 entries */
export const plural = (value: number, noun: string, many = `${noun}s`): string =>
  `${count(value)} ${value === 1 ? noun : many}`

/** 1,056 · 12.4k · 3.10M: three significant figures beyond 10,000. */
export function compact(value: number): string {
  const size = Math.abs(value)
  if (size < 10) return trimmed(value, value % 1 === 0 ? 0 : 2)
  if (size < 10_000) return count(value)
  for (const [unit, factor] of [
    ['T', 1e12],
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (size >= factor) return `${trimmed(value / factor, 3)}${unit}`
  }
  return count(value)
}

function trimmed(value: number, significant: number): string {
  return significant === 0 ? String(value) : Number(value.toPrecision(significant)).toString()
}

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

export function bytes(value: number): string {
  let unit = 0
  let size = value
  while (Math.abs(size) >= 1024 && unit < BINARY.length - 1) {
    size /= 1024
    unit++
  }
  return `${unit === 0 ? Math.round(size) : size >= 100 ? size.toFixed(0) : size.toFixed(1)} ${BINARY[unit]}`
}

/** 480 ms · 2.4 s · 3 min 20 s · 5 h 12 min · 3 d 4 h. */
export function duration(ms: number): string {
  const size = Math.max(0, ms)
  if (size < 1_000) return `${Math.round(size)} ms`
  if (size < 10_000) return `${(size / 1_000).toFixed(1)} s`
  const seconds = Math.floor(size / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60)
    return minutes < 10 && seconds % 60 > 0 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 > 0 ? `${hours} h ${minutes % 60} min` : `${hours} h`
  const days = Math.floor(hours / 24)
  return hours % 24 > 0 ? `${days} d ${hours % 24} h` : `${days} d`
}

/** 05:41:07 */
export const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 19)
/** 05:41 */
export const minute = (ms: number): string => new Date(ms).toISOString().slice(11, 16)
/** 2026-11-23 */
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
/** 2026-11-23 05:41:07 UTC */
export const instant = (ms: number): string => `${day(ms)} ${clock(ms)} UTC`

/** 99.99 %: never rounded up to complete. */
export function percent(ratio: number, digits = 0): string {
  const factor = 10 ** digits
  return `${(Math.floor(ratio * 100 * factor) / factor).toFixed(digits)} %`
}

/** A value in its metric's unit. */
export function measure(value: number, unit: string): string {
  const perSecond = unit.endsWith('/s')
  const base = perSecond ? unit.slice(0, -2) : unit
  const tail = perSecond ? '/s' : ''
  if (base === 'bytes') return bytes(value) + tail
  if (base === 'ratio') return percent(value, 1)
  if (base === 'seconds') return duration(value * 1_000) + tail
  if (base === 'milliseconds' || base === 'ms') return duration(value) + tail
  return `${compact(value)}${tail}`
}
