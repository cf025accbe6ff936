/**
 * The event time of a log line: its timestamp prefix, read from bytes. Pure: two readers of the same line arrive at the same
 * time, whatever they read before it.
 *
 * Known: ISO 8601 and its relatives (`2026-11-23T05:06:34.123Z`, `2026-11-23 05:06:34,123`, `2026/11/23 05:06:34`, with or
 * without fraction and zone, in brackets as Kafka's log4j, after a syslog priority, or after one word as apt and
 * update-alternatives write), classic syslog (`Nov 23 05:06:34`), JSON with a `"time"` near its beginning (pino), and the
 * common log format of web servers (`… [23/Nov/2026:05:06:34 +0000]`). A time without a zone is taken for UTC.
 */

/** The line has no time that parses and lies within bounds. */
export const NO_TIME = -1

/** 2000-01-01 and 2100-01-01: what lies outside is a number that looks like a date. */
const EARLIEST = 946_684_800_000
const LATEST = 4_102_444_800_000

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000

/** How far into a line a JSON `"time"` or a web server's `[` is looked for. */
const SEARCH_BYTES = 200
/** How long a word before the timestamp may be (`update-alternatives`). */
const MAX_WORD_BYTES = 32
/** `Nov 23 05:06:34` */
const SHORTEST = 15

const BRACE = 0x7b
const BRACKET = 0x5b
const LESS = 0x3c
const GREATER = 0x3e
const QUOTE = 0x22
const SPACE = 0x20
const COLON = 0x3a
const DASH = 0x2d
const PLUS = 0x2b
const SLASH = 0x2f
const DOT = 0x2e
const COMMA = 0x2c
const UPPER_T = 0x54

/**
 * @param reference a time near the line's own (when it was read), ms since the epoch: gives classic syslog times their year
 * @returns ms since the epoch, or NO_TIME
 */
export function eventTimeOf(bytes: Uint8Array, from: number, to: number, reference: number): number {
  if (to - from < SHORTEST) return NO_TIME
  const time = timeAt(bytes, from, to, reference)
  return time >= EARLIEST && time < LATEST ? time : NO_TIME
}

function timeAt(bytes: Uint8Array, from: number, to: number, reference: number): number {
  const first = bytes[from]!
  if (isDigit(first)) {
    const time = isoTime(bytes, from, to)
    return time === NO_TIME ? commonLogTime(bytes, from, to) : time
  }
  if (first === BRACKET) return isoTime(bytes, from + 1, to)
  if (first === BRACE) return jsonTime(bytes, from, to)
  if (first === LESS) return afterPriority(bytes, from, to, reference)
  if (first <= SPACE) return NO_TIME
  let time = syslogTime(bytes, from, to, reference)
  if (time === NO_TIME) time = timeAfterWord(bytes, from, to)
  return time === NO_TIME ? commonLogTime(bytes, from, to) : time
}

/** `<34>Nov 23 …` (RFC 3164) or `<34>1 2026-11-23T…` (RFC 5424). */
function afterPriority(bytes: Uint8Array, from: number, to: number, reference: number): number {
  let at = from + 1
  while (at < from + 4 && isDigit(bytes[at]!)) at++
  if (bytes[at] !== GREATER) return NO_TIME
  at++
  if (bytes[at] === 0x31 && bytes[at + 1] === SPACE) return isoTime(bytes, at + 2, to)
  const time = syslogTime(bytes, at, to, reference)
  return time === NO_TIME ? isoTime(bytes, at, to) : time
}

/** `YYYY-MM-DD HH:MM:SS` with the variations above. */
function isoTime(bytes: Uint8Array, at: number, to: number): number {
  if (to - at < 19) return NO_TIME
  const separator = bytes[at + 4]!
  if ((separator !== DASH && separator !== SLASH) || bytes[at + 7] !== separator) return NO_TIME
  const century = twoDigits(bytes, at)
  const year = twoDigits(bytes, at + 2)
  const day = dayStart(century * 100 + year, twoDigits(bytes, at + 5), twoDigits(bytes, at + 8))
  if (century < 0 || year < 0 || day < 0) return NO_TIME
  const between = bytes[at + 10]!
  if (between !== UPPER_T && between !== SPACE) return NO_TIME
  // apt puts two spaces between date and time.
  const clock = between === SPACE && bytes[at + 11] === SPACE ? at + 12 : at + 11
  return zonedTime(bytes, clock, to, day)
}

/** `HH:MM:SS`, fraction, zone, on a day. */
function zonedTime(bytes: Uint8Array, at: number, to: number, day: number): number {
  const clock = clockTime(bytes, at, to)
  if (clock < 0) return NO_TIME
  let time = day + clock
  at += 8
  if (at < to && (bytes[at] === DOT || bytes[at] === COMMA)) {
    at++
    let millis = 0
    let digits = 0
    for (; at < to && isDigit(bytes[at]!); at++, digits++)
      if (digits < 3) millis = millis * 10 + bytes[at]! - 0x30
    time += digits >= 3 ? millis : digits === 2 ? millis * 10 : millis * 100
  }
  return time - zoneOffset(bytes, at, to)
}

function clockTime(bytes: Uint8Array, at: number, to: number): number {
  if (to - at < 8 || bytes[at + 2] !== COLON || bytes[at + 5] !== COLON) return NO_TIME
  const hour = twoDigits(bytes, at)
  const minute = twoDigits(bytes, at + 3)
  const second = twoDigits(bytes, at + 6)
  // 60 is a leap second.
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return NO_TIME
  return hour * HOUR + minute * MINUTE + second * SECOND
}

/** `Z`, `+HH:MM`, `+HHMM`, `+HH`, or the middle two after a space; else 0. */
function zoneOffset(bytes: Uint8Array, at: number, to: number): number {
  const spaced = at < to && bytes[at] === SPACE
  if (spaced) at++
  if (at + 3 > to) return 0
  const sign = bytes[at]!
  if (sign !== PLUS && sign !== DASH) return 0
  const hours = twoDigits(bytes, at + 1)
  if (hours < 0 || hours > 14) return 0
  at += 3
  const minutesAt = at < to && bytes[at] === COLON ? at + 1 : at
  const minutes = minutesAt + 2 <= to ? twoDigits(bytes, minutesAt) : NO_TIME
  // After a space only the full form is a zone: `05:06:34 -10 degrees` is not.
  if (minutes < 0 || minutes > 59) return spaced ? 0 : sign === PLUS ? hours * HOUR : -hours * HOUR
  const offset = hours * HOUR + minutes * MINUTE
  return sign === PLUS ? offset : -offset
}

/** `Nov 23 05:06:34`, day padded with a space or a zero; the year is the latest that is not a day past the reference. */
function syslogTime(bytes: Uint8Array, at: number, to: number, reference: number): number {
  if (to - at < SHORTEST || bytes[at + 3] !== SPACE || bytes[at + 6] !== SPACE) return NO_TIME
  const month = monthNamed(bytes, at)
  if (month === 0) return NO_TIME
  const day =
    bytes[at + 4] === SPACE && isDigit(bytes[at + 5]!) ? bytes[at + 5]! - 0x30 : twoDigits(bytes, at + 4)
  const clock = clockTime(bytes, at + 7, to)
  if (clock < 0) return NO_TIME
  const year = new Date(reference + DAY).getUTCFullYear()
  const start = dayStart(year, month, day)
  if (start >= 0 && start + clock <= reference + DAY) return start + clock
  const earlier = dayStart(year - 1, month, day)
  return earlier < 0 ? NO_TIME : earlier + clock
}

/** `update-alternatives 2026-11-23 05:06:34: …`, `Start-Date: 2026-11-23  05:06:34` */
function timeAfterWord(bytes: Uint8Array, from: number, to: number): number {
  const limit = Math.min(to, from + MAX_WORD_BYTES)
  for (let at = from; at < limit; at++) if (bytes[at] === SPACE) return isoTime(bytes, at + 1, to)
  return NO_TIME
}

/** `"time":"…ISO…"`, or a number of ms (13 digits) or seconds (10 digits) since the epoch. */
function jsonTime(bytes: Uint8Array, from: number, to: number): number {
  const limit = Math.min(to, from + SEARCH_BYTES) - 8
  for (let at = from + 1; at < limit; at++) {
    if (bytes[at] === QUOTE && isTimeKey(bytes, at + 1)) {
      let value = at + 7
      if (bytes[value] === SPACE) value++
      return bytes[value] === QUOTE ? isoTime(bytes, value + 1, to) : epochTime(bytes, value, to)
    }
  }
  return NO_TIME
}

/** `time":` */
function isTimeKey(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === 0x74 &&
    bytes[at + 1] === 0x69 &&
    bytes[at + 2] === 0x6d &&
    bytes[at + 3] === 0x65 &&
    bytes[at + 4] === QUOTE &&
    bytes[at + 5] === COLON
  )
}

function epochTime(bytes: Uint8Array, at: number, to: number): number {
  let value = 0
  let digits = 0
  for (; at < to && digits < 14 && isDigit(bytes[at]!); at++, digits++)
    value = value * 10 + (bytes[at]! - 0x30)
  return digits === 13 ? value : digits === 10 ? value * SECOND : NO_TIME
}

/** `10.0.0.1 - - [23/Nov/2026:05:06:34 +0000] "GET …` */
function commonLogTime(bytes: Uint8Array, from: number, to: number): number {
  const limit = Math.min(to, from + SEARCH_BYTES)
  let at = from
  while (at < limit && bytes[at] !== BRACKET) at++
  at++
  if (to - at < 20 || bytes[at + 2] !== SLASH || bytes[at + 6] !== SLASH || bytes[at + 11] !== COLON)
    return NO_TIME
  const century = twoDigits(bytes, at + 7)
  const year = twoDigits(bytes, at + 9)
  const day = dayStart(century * 100 + year, monthNamed(bytes, at + 3), twoDigits(bytes, at))
  return century < 0 || year < 0 || day < 0 ? NO_TIME : zonedTime(bytes, at + 12, to, day)
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

/** 0 to 99, or NO_TIME. The caller has checked the bounds. */
function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - 0x30
  const ones = bytes[at + 1]! - 0x30
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NO_TIME
}

const MONTHS: ReadonlyMap<number, number> = new Map(
  ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'].map((name, index) => [
    (name.charCodeAt(0) << 16) | (name.charCodeAt(1) << 8) | name.charCodeAt(2),
    index + 1,
  ]),
)

/** 1 to 12, or 0. */
function monthNamed(bytes: Uint8Array, at: number): number {
  return MONTHS.get((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!) ?? 0
}

const DAYS_IN_MONTH = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Midnight UTC in ms since the epoch (Gregorian, from 1970 on), or NO_TIME for a day that does not exist. */
function dayStart(year: number, month: number, day: number): number {
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > DAYS_IN_MONTH[month]!) return NO_TIME
  if (month === 2 && day === 29 && !isLeap(year)) return NO_TIME
  // Years counted from March, so that the leap day comes last (Hinnant, "chrono-compatible low-level date algorithms").
  const y = month <= 2 ? year - 1 : year
  const monthFromMarch = month <= 2 ? month + 9 : month - 3
  const dayOfYear = (((153 * monthFromMarch + 2) / 5) | 0) + day - 1
  const leapDays = (y >> 2) - ((y / 100) | 0) + ((y / 400) | 0)
  return (365 * y + leapDays + dayOfYear - 719_468) * DAY
}

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
}
