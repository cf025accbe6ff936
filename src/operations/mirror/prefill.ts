/** Offsets before a source's first record: claimed by empty records, which are then deleted. */
import { BatchBuilder } from '../../foundation/wire/build.ts'
import type { PositionedAppender, PositionedResult } from '../../foundation/wire/contract.ts'
import type { Range } from './decide.ts'
import { rememberedSequence, type TargetPartition } from './target-log.ts'

/** 80 KB compressed. */
const OFFSETS_PER_BATCH = 100_000
/** Deleted at once; a key, since compacted topics take no records without one. */
const FILLER_KEY = Buffer.from('ajna-filler')
const FILLER_BYTES = 16 * 1024 * 1024
const SEQUENCE_MASK = 0x7fff_ffff

/**
 * Claims offsets [from, to) of a log that ends at `from`. Repeating it, also from another worker, claims none twice.
 *
 * @param may asked before each batch: no more is begun when it says no
 * @returns the last append's result: anything but `appended` means that it stopped there
 */
export async function claimOffsets(
  at: TargetPartition,
  appender: PositionedAppender,
  { from, to }: Range,
  may: () => boolean,
  signal: AbortSignal,
): Promise<PositionedResult> {
  const { topic, partition } = at
  const full = to - from >= OFFSETS_PER_BATCH ? fillerBatch(OFFSETS_PER_BATCH) : undefined
  const firstSequence = await rememberedSequence(at, at.ids.fillerId, from, signal)
  let result: PositionedResult = { kind: 'appended', baseOffset: from }
  for (let offset = from; offset < to && result.kind === 'appended' && may(); offset += OFFSETS_PER_BATCH) {
    const count = Math.min(OFFSETS_PER_BATCH, to - offset)
    const batch = full !== undefined && count === OFFSETS_PER_BATCH ? full : fillerBatch(count)
    const sequence = (firstSequence + offset - from) & SEQUENCE_MASK
    const results = await appender.append([{ topic, partition, offset, sequence, batch }], signal)
    result = results[0]!
  }
  return result
}

function fillerBatch(count: number): Buffer {
  const builder = new BatchBuilder({ codec: 'zstd', maxBytes: FILLER_BYTES })
  const timestamp = Date.now()
  for (let i = 0; i < count; i++) builder.add({ timestamp, key: FILLER_KEY, value: null })
  return builder.finish()
}
