import { type FileHandle, open } from 'node:fs/promises'
import { crc32c } from '../../../foundation/wire/crc32c.ts'
import type { ReadyBatch } from '../ship/batch.ts'

/**
 * A spool file: frames one after another, each `length (4) · crc32c (4) · description length (4) · description (JSON) ·
 * batch`; the length counts what follows the checksum, which covers it.
 */
const FRAME_HEAD_BYTES = 8
const DESCRIPTION_LENGTH_BYTES = 4
/** No frame is longer: a larger length is damage. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024

type Description = Omit<ReadyBatch, 'bytes' | 'release'>

export function encodeFrame({ bytes, release: _, ...description }: ReadyBatch): Buffer {
  const text = Buffer.from(JSON.stringify(description satisfies Description))
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES + DESCRIPTION_LENGTH_BYTES)
  head.writeUInt32BE(DESCRIPTION_LENGTH_BYTES + text.length + bytes.length, 0)
  head.writeUInt32BE(text.length, FRAME_HEAD_BYTES)
  const frame = Buffer.concat([head, text, bytes])
  frame.writeUInt32BE(crc32c(frame.subarray(FRAME_HEAD_BYTES)), 4)
  return frame
}

export interface Frame {
  readonly batch: ReadyBatch
  /** One past its last byte in the file. */
  readonly end: number
}

/**
 * The frame at `at` of a file.
 *
 * @returns undefined where no whole, undamaged frame lies: the end, or a torn one
 */
export async function readFrame(file: FileHandle, at: number): Promise<Frame | undefined> {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES)
  if ((await file.read(head, 0, FRAME_HEAD_BYTES, at)).bytesRead < FRAME_HEAD_BYTES) return undefined
  const length = head.readUInt32BE(0)
  if (length < DESCRIPTION_LENGTH_BYTES || length > MAX_FRAME_BYTES) return undefined
  const body = Buffer.allocUnsafe(length)
  if ((await file.read(body, 0, length, at + FRAME_HEAD_BYTES)).bytesRead < length) return undefined
  if (crc32c(body) !== head.readUInt32BE(4)) return undefined
  const batchAt = DESCRIPTION_LENGTH_BYTES + body.readUInt32BE(0)
  const description = JSON.parse(body.toString('utf8', DESCRIPTION_LENGTH_BYTES, batchAt)) as Description
  return { batch: { ...description, bytes: body.subarray(batchAt) }, end: at + FRAME_HEAD_BYTES + length }
}

/** Every whole frame of a file in order. */
export async function* framesOf(path: string): AsyncGenerator<Frame, void, undefined> {
  const file = await open(path, 'r')
  try {
    for (let frame = await readFrame(file, 0); frame !== undefined; frame = await readFrame(file, frame.end))
      yield frame
  } finally {
    await file.close()
  }
}
