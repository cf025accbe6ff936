import { isAjnaError } from '../../foundation/errors/errors.ts'
import { visitPositions } from '../../foundation/positions/count.ts'
import { type StreamId, streamIdOf } from '../../foundation/positions/position.ts'
import { batchesIn } from '../../foundation/wire/batch.ts'
import type { UnreadableBatch } from '../../foundation/wire/records.ts'

export interface BatchCount {
  readonly records: number
  /** Data records whose header carries no position, or none that parses: not shipped by an agent. */
  readonly withoutPosition: number
  /** Their records are among those without a position. */
  readonly unreadable: readonly UnreadableBatch[]
}

/**
 * Tells which bytes of which streams a fetch answer holds; records that continue each other are told as one range.
 *
 * @param from offsets below it have been counted before and are passed over
 */
export function countPositions(
  batches: Buffer,
  from: number,
  held: (stream: StreamId, start: number, end: number) => void,
): BatchCount {
  let [high, low, start, end] = [0, 0, 0, 0]
  let records = 0
  let withoutPosition = 0
  const unreadable: UnreadableBatch[] = []
  const tell = (): void => {
    if (end > start) held(streamIdOf(high, low), start, end)
    start = end
  }
  for (const header of batchesIn(batches)) {
    if (header.control || header.lastOffset < from) continue
    records += header.count
    try {
      withoutPosition += visitPositions(
        batches,
        header,
        (streamHigh, streamLow, at, length, _time, offset) => {
          if (offset < from) return
          if (streamHigh !== high || streamLow !== low || at !== end) {
            tell()
            high = streamHigh
            low = streamLow
            start = at
          }
          end = at + length
        },
      )
    } catch (error) {
      if (!isAjnaError(error)) throw error
      unreadable.push({ from: header.baseOffset, to: header.lastOffset + 1, error })
      withoutPosition += header.count
    }
  }
  tell()
  return { records, withoutPosition, unreadable }
}
