import { decodePosition, POSITION_HEADER, type StreamId } from '../../foundation/positions/position.ts'
import { batchesIn } from '../../foundation/wire/batch.ts'
import { recordCursor } from '../../foundation/wire/records.ts'

export interface BatchCount {
  readonly records: number
  /** Data records that carry no position: not shipped by an agent. */
  readonly withoutPosition: number
}

/** @param from offsets below it have been counted before and are passed over */
export function countPositions(
  batches: Buffer,
  from: number,
  held: (stream: StreamId, start: number, end: number) => void,
): BatchCount {
  let records = 0
  let withoutPosition = 0
  for (const header of batchesIn(batches)) {
    if (header.control || header.lastOffset < from) continue
    for (const cursor = recordCursor(batches, header); cursor.next(); ) {
      if (cursor.offset < from) continue
      records++
      const value = cursor.headers().find(entry => entry.key === POSITION_HEADER)?.value
      if (value === undefined || value === null) {
        withoutPosition++
        continue
      }
      const { stream, start, length } = decodePosition(value)
      held(stream, start, start + length)
    }
  }
  return { records, withoutPosition }
}
