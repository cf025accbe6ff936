import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describeError } from '../../../foundation/errors/errors.ts'
import { encodeFrame } from '../spool/segment.ts'
import type { ReadyBatch } from './batch.ts'

/** Records that the cluster refuses for good: kept in a file, counted, told; never sent again, never dropped unseen. */
export interface Quarantine {
  /** Returns once the record is on the disk. */
  put(batch: ReadyBatch, reason: unknown): Promise<void>
  readonly records: number
  readonly bytes: number
  readonly lastReason: string | undefined
}

/** @param path frames as in the spool (segment.ts) are appended here */
export function createQuarantine(path: string): Quarantine {
  let records = 0
  let bytes = 0
  let lastReason: string | undefined
  async function append(frame: Buffer): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    const file: FileHandle = await open(path, 'a')
    try {
      await file.appendFile(frame)
      await file.datasync()
    } finally {
      await file.close()
    }
  }
  return {
    async put(batch, reason) {
      await append(encodeFrame(batch))
      records += batch.records
      bytes += batch.bytes.length
      lastReason = describeError(reason)
    },
    get records() {
      return records
    },
    get bytes() {
      return bytes
    },
    get lastReason() {
      return lastReason
    },
  }
}
