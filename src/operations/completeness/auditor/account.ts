import { BUCKET_MS } from '../contract.ts'

/** A run of consecutive lines whose event times fall into one bucket: bytes [start, end) of the stream. */
export interface AuditedRange {
  readonly bucket: number
  readonly start: number
  end: number
  lines: number
}

export interface AccountantOptions {
  /** Byte position in the stream of the first byte that will be fed; a line starts there. */
  readonly position: number
  /** Event time of the line before it, ms; undefined at the start of a stream. */
  readonly eventTime: number | undefined
  /** Event time of a line by its own text, given its first bytes; undefined when it has none. */
  readonly eventTimeOf: (lineStart: Buffer) => number | undefined
  /** Stands in for the event time of lines before the stream's first timestamp. */
  readonly now: () => number
}

/**
 * Assigns the bytes of a file, fed in order in pieces of any size, to event-time buckets, line by line. Only whole lines
 * count: a line's timestamp is parsed once its end has been seen, so a piece's edge cannot make a phantom bucket.
 */
export interface Accountant {
  feed(piece: Buffer): void
  /** Counts an unterminated last line as a line: the file will not grow any more. */
  finish(): void
  /** The ranges counted since the last call. */
  take(): AuditedRange[]
  /** Up to where whole lines have been counted. */
  readonly position: number
  readonly eventTime: number | undefined
  /** Bytes fed that do not make a whole line yet. */
  readonly openBytes: number
}

/** How much of a line is kept to find its timestamp. */
const LINE_START_BYTES = 256

export function createAccountant(options: AccountantOptions): Accountant {
  let position = options.position
  let eventTime = options.eventTime
  let openBytes = 0
  let openStart: Buffer = Buffer.alloc(0)
  let ranges: AuditedRange[] = []

  function countLine(lineStart: Buffer, length: number): void {
    eventTime = options.eventTimeOf(lineStart) ?? eventTime ?? options.now()
    const bucket = Math.floor(eventTime / BUCKET_MS) * BUCKET_MS
    const last = ranges.at(-1)
    if (last !== undefined && last.bucket === bucket && last.end === position) {
      last.end += length
      last.lines++
    } else ranges.push({ bucket, start: position, end: position + length, lines: 1 })
    position += length
  }

  /** The first bytes of the open line continued by a piece's bytes up to its line end. */
  const startOfOpenLine = (rest: Buffer): Buffer =>
    openStart.length >= LINE_START_BYTES
      ? openStart
      : Buffer.concat([openStart, rest.subarray(0, LINE_START_BYTES - openStart.length)])

  function close(): void {
    openBytes = 0
    openStart = Buffer.alloc(0)
  }

  return {
    feed(piece) {
      let from = 0
      if (openBytes > 0) {
        const newline = piece.indexOf(10)
        const upTo = newline === -1 ? piece.length : newline
        openStart = startOfOpenLine(piece.subarray(0, upTo))
        if (newline === -1) {
          openBytes += piece.length
          return
        }
        countLine(openStart, openBytes + newline + 1)
        close()
        from = newline + 1
      }
      for (let newline = piece.indexOf(10, from); newline !== -1; newline = piece.indexOf(10, from)) {
        countLine(piece.subarray(from, Math.min(newline, from + LINE_START_BYTES)), newline + 1 - from)
        from = newline + 1
      }
      openBytes = piece.length - from
      openStart = Buffer.from(piece.subarray(from, from + LINE_START_BYTES))
    },
    finish() {
      if (openBytes === 0) return
      countLine(openStart, openBytes)
      close()
    },
    take() {
      const taken = ranges
      ranges = []
      return taken
    },
    get position() {
      return position
    },
    get eventTime() {
      return eventTime
    },
    get openBytes() {
      return openBytes
    },
  }
}
