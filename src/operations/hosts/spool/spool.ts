import { type FileHandle, mkdir, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { ReadyBatch } from '../ship/batch.ts'
import { encodeFrame, framesOf, readFrame } from './segment.ts'

/**
 * Batches that wait on the disk for the cluster, first in, first out. Bounded in bytes. What `append` has answered `true`
 * to survives the end of this process; after `sync` also that of the machine.
 */
export interface Spool {
  /** False when the bound or the disk does not allow it: nothing was added. */
  append(batch: ReadyBatch): Promise<boolean>
  /** The next batch that was not taken since this spool was opened. */
  take(): Promise<Taken | undefined>
  /** Everything up to and including `mark` need not be kept. */
  release(mark: SpoolMark): Promise<void>
  /** What is appended from now on is taken by nobody else: its caller still holds it. Answers its mark. */
  appendTaken(batch: ReadyBatch): Promise<SpoolMark | undefined>
  sync(): Promise<void>
  /** On disk now, and the bound. */
  readonly bytes: number
  readonly maxBytes: number
  /** Batches not taken yet. */
  readonly waiting: number
  /** Why the last append failed; undefined after one that did not. */
  readonly refusal: 'bound' | 'disk' | undefined
  close(): Promise<void>
}

export interface SpoolMark {
  readonly segment: number
  readonly end: number
}

export interface Taken {
  readonly batch: ReadyBatch
  readonly mark: SpoolMark
}

export interface Recovered {
  readonly spool: Spool
  readonly frames: number
  /** Bytes cut off because their frame was not whole. */
  readonly tornBytes: number
}

interface Segment {
  readonly number: number
  readonly path: string
  /** Bytes of whole frames. */
  size: number
  frames: number
}

export interface SpoolOptions {
  readonly directory: string
  readonly maxBytes: number
  /** A segment is given back to the disk as a whole; default 16 MiB. */
  readonly segmentBytes?: number
  /** Told of every batch that an earlier process left, in order. */
  readonly onRecovered: (batch: ReadyBatch) => void
}

const SEGMENT_BYTES = 16 * 1024 * 1024
const nameOf = (number: number): string => `${number.toString().padStart(16, '0')}.spool`

export async function openSpool(options: SpoolOptions): Promise<Recovered> {
  const { directory, maxBytes, segmentBytes = SEGMENT_BYTES } = options
  await mkdir(directory, { recursive: true })
  const { segments, tornBytes } = await recover(directory, options.onRecovered)
  const frames = segments.reduce((sum, segment) => sum + segment.frames, 0)
  let bytes = segments.reduce((sum, segment) => sum + segment.size, 0)
  let waiting = frames
  let writing: { readonly file: FileHandle; readonly segment: Segment } | undefined
  let reading: { readonly file: FileHandle; readonly segment: Segment } | undefined
  let readAt = 0
  let nextNumber = (segments.at(-1)?.number ?? 0) + 1
  let refusal: 'bound' | 'disk' | undefined
  let dirty = false

  async function segmentFor(length: number): Promise<{ file: FileHandle; segment: Segment }> {
    if (writing !== undefined && writing.segment.size + length <= segmentBytes) return writing
    await closeWriting()
    const segment = { number: nextNumber++, path: '', size: 0, frames: 0 }
    segment.path = join(directory, nameOf(segment.number))
    const file = await open(segment.path, 'wx+')
    segments.push(segment)
    writing = { file, segment }
    return writing
  }

  async function closeWriting(): Promise<void> {
    if (writing === undefined) return
    const { file } = writing
    writing = undefined
    if (dirty) await file.datasync()
    dirty = false
    await file.close()
  }

  async function write(batch: ReadyBatch): Promise<SpoolMark | undefined> {
    const frame = encodeFrame(batch)
    if (bytes + frame.length > maxBytes) {
      refusal = 'bound'
      return undefined
    }
    try {
      const { file, segment } = await segmentFor(frame.length)
      await writeWhole(file, frame, segment.size)
      dirty = true
      segment.size += frame.length
      segment.frames++
      bytes += frame.length
      refusal = undefined
      return { segment: segment.number, end: segment.size }
    } catch (error) {
      if (!isDiskTrouble(error)) throw error
      refusal = 'disk'
      // Whatever was written of the frame lies behind `size` and is overwritten, or cut off at the next start.
      return undefined
    }
  }

  async function openForReading(): Promise<boolean> {
    while (reading === undefined || readAt >= reading.segment.size) {
      const number = reading?.segment.number ?? 0
      const next = segments.find(segment => segment.number > number)
      if (next === undefined) return false
      await reading?.file.close()
      reading = { file: await open(next.path, 'r'), segment: next }
      readAt = 0
    }
    return true
  }

  // One thing at a time: a segment must not be given back while a frame is being written to it.
  let last: Promise<unknown> = Promise.resolve()
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work)
    last = mine.catch(() => undefined)
    return mine
  }

  async function append(batch: ReadyBatch): Promise<boolean> {
    if ((await write(batch)) === undefined) return false
    waiting++
    return true
  }

  async function appendTaken(batch: ReadyBatch): Promise<SpoolMark | undefined> {
    if (waiting > 0) throw new Error('the spool holds earlier batches: these would overtake them')
    const mark = await write(batch)
    if (mark !== undefined && (await openForReading())) {
      // The frame just written is the only one unread: step over it.
      readAt = reading!.segment.size
    }
    return mark
  }

  async function take(): Promise<Taken | undefined> {
    if (waiting === 0 || !(await openForReading())) return undefined
    const { file, segment } = reading!
    const frame = await readFrame(file, readAt)
    if (frame === undefined) throw new Error(`${segment.path} is damaged at ${readAt}`)
    readAt = frame.end
    waiting--
    return { batch: frame.batch, mark: { segment: segment.number, end: frame.end } }
  }

  async function release(mark: SpoolMark): Promise<void> {
    while (segments.length > 0) {
      const oldest = segments[0]!
      const released =
        oldest.number < mark.segment || (oldest.number === mark.segment && mark.end >= oldest.size)
      if (!released) return
      segments.shift()
      bytes -= oldest.size
      if (writing?.segment === oldest) await closeWriting()
      await rm(oldest.path)
    }
  }

  async function sync(): Promise<void> {
    if (!dirty || writing === undefined) return
    dirty = false
    await writing.file.datasync()
  }

  const spool: Spool = {
    append: batch => inTurn(() => append(batch)),
    appendTaken: batch => inTurn(() => appendTaken(batch)),
    take: () => inTurn(take),
    release: mark => inTurn(() => release(mark)),
    sync: () => inTurn(sync),
    get bytes() {
      return bytes
    },
    maxBytes,
    get waiting() {
      return waiting
    },
    get refusal() {
      return refusal
    },
    close: () =>
      inTurn(async () => {
        await closeWriting()
        await reading?.file.close()
      }),
  }
  return { spool, frames, tornBytes }
}

/** Reads what is there; cuts off what is not whole (the process or the machine ended while writing it). */
async function recover(
  directory: string,
  onRecovered: (batch: ReadyBatch) => void,
): Promise<{ segments: Segment[]; tornBytes: number }> {
  const segments: Segment[] = []
  let tornBytes = 0
  const names = (await readdir(directory)).filter(name => /^\d{16}\.spool$/.test(name)).sort()
  for (const name of names) {
    const segment = { number: Number.parseInt(name, 10), path: join(directory, name), size: 0, frames: 0 }
    for await (const frame of framesOf(segment.path)) {
      onRecovered(frame.batch)
      segment.size = frame.end
      segment.frames++
    }
    const { size } = await stat(segment.path)
    if (size > segment.size) {
      tornBytes += size - segment.size
      await truncate(segment.path, segment.size)
    }
    segments.push(segment)
  }
  return { segments, tornBytes }
}

async function writeWhole(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; )
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten
}

const DISK_TROUBLES = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE'])
const isDiskTrouble = (error: unknown): boolean =>
  DISK_TROUBLES.has((error as NodeJS.ErrnoException | undefined)?.code ?? '')
