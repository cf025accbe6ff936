/** The decoding path: batches that cannot pass as they are, built anew with the same records at the same offsets. */
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { BatchHeader } from '../../foundation/wire/batch.ts'
import { BatchBuilder } from '../../foundation/wire/build.ts'
import { codecOf } from '../../foundation/wire/codecs.ts'
import { recordsIn } from '../../foundation/wire/records.ts'
import { LINK_REBUILD_FAILED } from './errors.ts'
import type { RecordFilter } from './headers.ts'

export interface Run {
  readonly baseOffset: number
  readonly count: number
  readonly batch: Buffer
}

/** A rebuilt batch may compress a little worse than the original; brokers refuse what exceeds their bound. */
const MAX_BATCH_BYTES = 64 * 1024 * 1024

/**
 * The batch's records at or after `next`, one batch for each run of consecutive offsets. Times are those a reader of the
 * source sees: of a log-append-time batch, the time the broker gave it.
 *
 * @param filter of the records that are copied; default all
 * @throws AjnaError LINK_REBUILD_FAILED, and what reading the records throws
 */
export function rebuildRuns(bytes: Buffer, header: BatchHeader, next: number, filter?: RecordFilter): Run[] {
  const codec = codecOf(header.codecId)
  const runs: Run[] = []
  let builder = new BatchBuilder({ codec, maxBytes: MAX_BATCH_BYTES })
  let baseOffset = -1
  const close = (): void => {
    if (builder.count === 0) return
    runs.push({ baseOffset, count: builder.count, batch: builder.finish() })
    builder = new BatchBuilder({ codec, maxBytes: MAX_BATCH_BYTES })
  }
  for (const record of recordsIn(bytes, header)) {
    if (record.offset < next || filter?.(record) === false) continue
    if (builder.count > 0 && record.offset !== baseOffset + builder.count) close()
    if (builder.count === 0) baseOffset = record.offset
    const { key, value, headers } = record
    const timestamp = header.logAppendTime ? header.maxTimestamp : record.timestamp
    if (!builder.add({ timestamp, key, value, headers })) {
      throw new AjnaError(
        LINK_REBUILD_FAILED,
        `the batch at offset ${header.baseOffset} exceeds ${MAX_BATCH_BYTES} bytes`,
      )
    }
  }
  close()
  return runs
}
