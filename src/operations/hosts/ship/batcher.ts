import { eventTimeOf, NO_TIME } from '../../../foundation/positions/lines.ts'
import { streamWords } from '../../../foundation/positions/position.ts'
import type { Codec } from '../../../foundation/wire/codecs.ts'
import { type BatchMemory, LineBatch } from '../../../foundation/wire/encode-lines.ts'
import { PART_BYTES } from '../tail/follower.ts'
import type { Stream } from '../tail/stream.ts'
import type { Piece } from '../tail/tailer.ts'
import { type Cover, MAX_BATCH_BYTES, type ReadyBatch } from './batch.ts'

const LINE_FEED = 10

/** A stream's lines all go to one partition, as long as the number of partitions stays. */
export const partitionOf = (stream: string, partitions: number): number => streamWords(stream)[0] % partitions

export interface Batcher {
  /** Takes over the piece's whole lines (and the rest of it, when nothing will complete it). */
  add(piece: Piece): void
  /** Hands on batches begun more than `olderThanMs` ago. */
  flush(olderThanMs: number): void
}

export interface BatcherOptions {
  readonly codec: Codec
  readonly now: () => number
  readonly partitions: (topic: string) => number
  readonly put: (batch: ReadyBatch) => void
}

interface Open {
  readonly topic: string
  readonly partition: number
  readonly lines: LineBatch
  covers: Cover[]
  since: number
}

/** Buffers of full batches that wait to be used again; more than these would be memory nobody needs. */
const MAX_SPARE = 16

/** Lines into batches, one open batch per partition. */
export function createBatcher(options: BatcherOptions): Batcher {
  const open = new Map<string, Open>()
  const spare: Buffer[] = []
  const memory: BatchMemory = {
    take: bytes => (bytes === MAX_BATCH_BYTES ? spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(bytes),
  }

  /** Full batches lie in buffers of their own: those of MAX_BATCH_BYTES serve again. */
  function giveBack(bytes: Buffer): void {
    if (bytes.buffer.byteLength !== MAX_BATCH_BYTES || spare.length >= MAX_SPARE) return
    spare.push(Buffer.from(bytes.buffer))
  }

  function openFor(stream: Stream): Open {
    const partition = partitionOf(stream.id, options.partitions(stream.topic))
    const key = `${stream.topic}-${partition}`
    let batch = open.get(key)
    if (batch === undefined) {
      const lines = new LineBatch({
        stream: stream.id,
        maxBytes: MAX_BATCH_BYTES,
        codec: options.codec,
        memory,
      })
      batch = { topic: stream.topic, partition, lines, covers: [], since: 0 }
      open.set(key, batch)
    }
    batch.lines.switchStream(stream.id)
    return batch
  }

  function close(batch: Open): void {
    const { topic, partition, lines, covers } = batch
    const records = lines.count
    if (records === 0) return
    batch.covers = []
    const bytes = lines.finish()
    options.put({ topic, partition, bytes, records, covers, gate: false, release: () => giveBack(bytes) })
  }

  function add(piece: Piece): void {
    const { stream, bytes, position } = piece
    const now = options.now()
    const batch = openFor(stream)
    const { lines } = batch
    let event = stream.event ?? NO_TIME
    let { midLine } = piece
    let from = 0
    let covered = 0

    const cover = (): void => {
      if (from === covered) return
      batch.covers.push({ stream: stream.id, start: position + covered, end: position + from, event })
      covered = from
    }
    for (;;) {
      const end = bytes.indexOf(LINE_FEED, from)
      let to = end === -1 ? bytes.length : end
      if (to - from > PART_BYTES) to = from + PART_BYTES
      else if (end === -1 && (!piece.last || to === from)) break
      const length = to === end ? to - from + 1 : to - from
      if (!midLine) {
        const time = eventTimeOf(bytes, from, to, now)
        event = time !== NO_TIME ? time : event !== NO_TIME ? event : now
      }
      while (!lines.add(bytes, from, to, position + from, length, event, now)) {
        cover()
        close(batch)
      }
      if (lines.count === 1) batch.since = now
      midLine = to !== end
      from += length
    }
    cover()
    stream.event = event === NO_TIME ? undefined : event
    piece.consumed(from)
  }

  return {
    add,
    flush(olderThanMs) {
      const before = options.now() - olderThanMs
      for (const batch of open.values()) if (batch.since <= before) close(batch)
    },
  }
}
