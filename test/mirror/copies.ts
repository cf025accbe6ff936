import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { BatchBuilder } from '../../src/foundation/wire/build.ts'
import { CODECS } from '../../src/foundation/wire/codecs.ts'
import type { Wire } from '../../src/foundation/wire/contract.ts'
import { digestLog, firstDifference } from '../../src/operations/mirror/digest.ts'

export interface Copies {
  readonly from: Wire
  readonly to: Wire
  readonly topics: readonly string[]
  /** Of each topic. */
  readonly partitions: number
  readonly signal: AbortSignal
}

/** Where each partition of each topic ends, topic by topic. */
export async function endsAt(wire: Wire, { topics, partitions, signal }: Copies): Promise<number[]> {
  const queries = topics.flatMap(topic =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition, at: 'latest' as const })),
  )
  return (await wire.listOffsets(queries, signal)).map(({ offset }) => offset)
}

/** Until each copy ends where its source does. */
export async function awaitCopied(copies: Copies): Promise<void> {
  const { from, to, topics, partitions, signal } = copies
  for (;;) {
    const found = await to.metadata(topics, signal)
    const there = found.length === topics.length && found.every(each => each.partitions.length === partitions)
    if (there && (await endsAt(from, copies)).join() === (await endsAt(to, copies)).join()) return
    await sleep(100, undefined, { signal })
  }
}

/** Until the copies are whole, then: that they hold the same, by digest. Answers how many records that are. */
export async function assertCopied(copies: Copies): Promise<number> {
  await awaitCopied(copies)
  const { from, to, topics, partitions, signal } = copies
  const ends = await endsAt(from, copies)
  let entries = 0
  for (const [index, end] of ends.entries()) {
    const topic = topics[Math.floor(index / partitions)]!
    const range = { topic, partition: index % partitions, from: 0, to: end }
    assert.equal(await firstDifference(from, to, range, signal), undefined)
    const theirs = await digestLog(from, range, 'records', signal)
    assert.deepEqual(await digestLog(to, range, 'records', signal), theirs)
    entries += theirs.entries
  }
  return entries
}

/** Batches of every codec and of different sizes into all partitions in turn, until told to stop. Answers how many records. */
export async function writeInAllCodecs(
  wire: Wire,
  topics: readonly string[],
  partitions: number,
  stop: AbortSignal,
  pauseMs = 0,
): Promise<number> {
  await using producer = await wire.producer({ deliveryTimeoutMs: 120_000 }, AbortSignal.timeout(60_000))
  let records = 0
  for (let n = 0; !stop.aborted; n++) {
    const builder = new BatchBuilder({ codec: CODECS[n % CODECS.length]! })
    for (let i = 0; i <= n % 50; i++)
      builder.add({ timestamp: Date.now(), value: Buffer.from(`${n}-${i}-`.repeat(n % 20)) })
    records += builder.count
    const topic = topics[n % topics.length]!
    await producer.append(topic, Math.floor(n / topics.length) % partitions, builder.finish())
    if (pauseMs > 0) await sleep(pauseMs)
  }
  await producer.flush()
  return records
}
