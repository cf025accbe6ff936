/** "Append only at offset X" (see contract.ts): one attempt per call, and a verdict per partition. */
import { describeError } from '../errors/errors.ts'
import { classify, isRetriable } from './api-errors.ts'
import { rewriteHeader } from './batch.ts'
import type { Cluster, Lane } from './cluster.ts'
import type { PositionedAppender, PositionedResult } from './contract.ts'
import { byTopic, groupByLeader, isTransportError, partitionKey } from './leaders.ts'
import { type ProducedPartition, produce } from './requests/produce.ts'

type Entry = Parameters<PositionedAppender['append']>[0][number]

const MAX_REQUEST_BYTES = 1024 * 1024
const PRODUCER_EPOCH = 0
const SEQUENCE_MASK = 0x7fff_ffff

export function openPositionedAppender(cluster: Cluster, lane: Lane, producerId: bigint): PositionedAppender {
  /** Topics whose leaders have to be looked up before anything more is sent to them. */
  const moved = new Set<string>()

  async function append(entries: readonly Entry[], signal: AbortSignal): Promise<PositionedResult[]> {
    assertDistinct(entries)
    for (const { batch, sequence } of entries) {
      const baseSequence = sequence & SEQUENCE_MASK
      rewriteHeader(batch, 0, {
        baseOffset: 0,
        leaderEpoch: -1,
        producerId,
        producerEpoch: PRODUCER_EPOCH,
        baseSequence,
      })
    }
    await refreshMoved(entries, signal)
    const results = new Map<string, PositionedResult>()
    const { groups, leaderless } = await groupByLeader(cluster, entries, false, signal)
    for (const entry of leaderless) {
      moved.add(entry.topic)
      results.set(partitionKey(entry), { kind: 'unavailable', reason: 'the partition has no leader' })
    }
    const sends = [...groups].flatMap(([node, group]) =>
      split(group).map(part => send(node, part, results, signal)),
    )
    await Promise.all(sends)
    return entries.map(entry => results.get(partitionKey(entry))!)
  }

  async function refreshMoved(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    const topics = new Set(entries.map(({ topic }) => topic).filter(topic => moved.has(topic)))
    if (topics.size === 0) return
    try {
      await cluster.refresh(topics, signal)
      for (const topic of topics) moved.delete(topic)
    } catch (error) {
      if (!isTransportError(error)) throw error
    }
  }

  async function send(
    node: number,
    entries: readonly Entry[],
    results: Map<string, PositionedResult>,
    signal: AbortSignal,
  ): Promise<void> {
    const request = { timeoutMs: Math.ceil(cluster.requestTimeoutMs * 0.75), topics: byTopic(entries) }
    try {
      const answers = await cluster.send(node, lane, produce, request, { signal })
      const byKey = new Map(answers.map(answer => [partitionKey(answer), answer]))
      for (const entry of entries)
        results.set(partitionKey(entry), decideResult(entry.offset, byKey.get(partitionKey(entry))))
    } catch (error) {
      if (!isTransportError(error)) throw error
      for (const entry of entries)
        results.set(partitionKey(entry), { kind: 'unavailable', reason: describeError(error) })
    }
    for (const entry of entries) {
      if (results.get(partitionKey(entry))?.kind === 'unavailable') moved.add(entry.topic)
    }
  }

  return { append }
}

/** What the broker's answer says about an entry that was to be written at `offset` and nowhere else. */
export function decideResult(
  offset: number,
  answer: Pick<ProducedPartition, 'errorCode' | 'baseOffset'> | undefined,
): PositionedResult {
  if (answer === undefined) return { kind: 'unavailable', reason: 'the answer does not name the partition' }
  const { name, class: kind } = classify(answer.errorCode)
  // A repeat of one of the last five batches is answered as a success, with the offset it got the first time.
  if (kind === 'none') {
    const { baseOffset } = answer
    return baseOffset === offset ? { kind: 'appended', baseOffset } : { kind: 'displaced', baseOffset }
  }
  if (kind === 'out-of-sequence') return { kind: 'not-at-end' }
  if (isRetriable(kind) || answer.errorCode === -1) return { kind: 'unavailable', reason: name }
  return { kind: 'rejected', code: answer.errorCode, name }
}

function split(entries: readonly Entry[]): Entry[][] {
  const parts: Entry[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const entry of entries) {
    if (bytes + entry.batch.length > MAX_REQUEST_BYTES) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(entry)
    bytes += entry.batch.length
  }
  return parts
}

/** The broker would answer 0 for both and lose one of them. */
function assertDistinct(entries: readonly Entry[]): void {
  const keys = new Set(entries.map(partitionKey))
  if (keys.size !== entries.length) throw new RangeError('a partition is named twice in one append')
}
