import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * A DuckDB value as JSON: whole numbers beyond ±2^53 and what is no number (NaN, infinity) as text, timestamps as ISO 8601
 * (with Z when they are instants), blobs as base64, maps as lists of pairs, all else as DuckDB prints it.
 */
export function toJson(value: DuckDBValue): Json {
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value.toString()
  }
  if (value instanceof DuckDBTimestampTZValue) return instant(value.micros, 'Z')
  if (value instanceof DuckDBTimestampValue) return instant(value.micros, '')
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64')
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(toJson)
  if (value instanceof DuckDBMapValue)
    return value.entries.map(({ key, value: of }) => [toJson(key), toJson(of)])
  if (value instanceof DuckDBStructValue)
    return Object.fromEntries(Object.entries(value.entries).map(([name, field]) => [name, toJson(field)]))
  return String(value)
}

function instant(micros: bigint, zone: string): string {
  const millis = micros / 1000n - (micros % 1000n < 0n ? 1n : 0n)
  const date = new Date(Number(millis))
  // Beyond what JavaScript's dates hold, DuckDB's infinities among it.
  if (Number.isNaN(date.getTime())) return `${micros}us`
  const rest = Number(micros - millis * 1000n)
  const text = date.toISOString().slice(0, -1)
  return text + (rest === 0 ? '' : String(rest).padStart(3, '0')) + zone
}
