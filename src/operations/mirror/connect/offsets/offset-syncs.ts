import type { OffsetRecord } from './committed.ts'

/** One record of `mm2-offset-syncs.<alias>.internal`: a record that was copied, and where it lies at either end. */
export interface OffsetSync {
  /** Name at the source. */
  readonly topic: string
  readonly partition: number
  readonly upstreamOffset: number
  readonly downstreamOffset: number
}

const VALUE_BYTES = 16

/**
 * Key: the topic (length in two bytes, UTF-8), the partition in four. Value: upstream and downstream offset in eight each.
 *
 * @returns undefined when it is none, or one without a value
 */
export function offsetSync({ key, value }: OffsetRecord): OffsetSync | undefined {
  if (key === null || key.length < 6 || value?.length !== VALUE_BYTES) return undefined
  const length = key.readInt16BE(0)
  if (length < 1 || key.length !== 2 + length + 4) return undefined
  const upstream = value.readBigInt64BE(0)
  const downstream = value.readBigInt64BE(8)
  if (![upstream, downstream].every(each => each >= 0n && each <= BigInt(Number.MAX_SAFE_INTEGER)))
    return undefined
  return {
    topic: key.toString('utf8', 2, 2 + length),
    partition: key.readInt32BE(2 + length),
    upstreamOffset: Number(upstream),
    downstreamOffset: Number(downstream),
  }
}

/**
 * All before this offset were copied, as the syncs of one partition say: whoever copies a record has copied those before it.
 *
 * @param copyEnd syncs that lie behind it are of a copy that is no more
 */
export function copiedBeforeBySyncs(
  syncs: Iterable<OffsetSync>,
  of: { readonly topic: string; readonly partition: number },
  copyEnd: number,
): number {
  let before = 0
  for (const { topic, partition, upstreamOffset, downstreamOffset } of syncs)
    if (topic === of.topic && partition === of.partition && downstreamOffset < copyEnd)
      before = Math.max(before, upstreamOffset + 1)
  return before
}
