/** "Append only at offset X" (see contract.ts): one attempt per call, and a verdict per partition. */
import { describeError } from '../errors/errors.ts'
import { classify, isRetriable } from './api-errors.ts'
import { rewriteHeader } from './batch.ts'
import type { Cluster, Lane } from './cluster.ts'
import type { PositionedAppender, PositionedResult } from './contract.ts'
import { byTopic, isTransportError, type PartitionKey } from './leaders.ts'
import { type ProducedPartition, produce } from './requests/produce.ts'

type Entry = Parameters<PositionedAppender['append']>[0][number]

/** An entry of a call and its place there. */
interface Part extends PartitionKey {
  readonly index: number
  readonly batch: Buffer
}

const MAX_REQUEST_BYTES = 1024 * 1024
const PRODUCER_EPOCH = 0
const SEQUENCE_MASK = 0x7fff_ffff

export function openPositionedAppender(cluster: Cluster, lane: Lane, producerId: bigint): PositionedAppender {
  /** Topics whose leaders have to be looked up before anything more is sent to them. */
  const moved = new Set<string>()
  const isDistinct = distinctness()

  async function append(entries: readonly Entry[], signal: AbortSignal): Promise<PositionedResult[]> {
    // The broker would answer 0 for both and lose one of them.
    if (!isDistinct(entries)) throw new RangeError('a partition is named twice in one append')
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
    if (moved.size > 0) await refreshMoved(entries, signal)
    const results: PositionedResult[] = []
    const requests = await group(entries, results, signal)
    await Promise.all(requests.map(({ node, parts }) => send(node, parts, entries, results, signal)))
    return results
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

  /** The requests to make; what has no leader is told at once. */
  async function group(
    entries: readonly Entry[],
    results: PositionedResult[],
    signal: AbortSignal,
  ): Promise<PositionedRequest[]> {
    const unknown = entries.filter(({ topic, partition }) => cluster.leaderNode(topic, partition) < 0)
    if (unknown.length > 0) {
      try {
        await cluster.refresh(new Set(unknown.map(({ topic }) => topic)), signal)
      } catch (error) {
        if (!isTransportError(error)) throw error
      }
    }
    const open = new Map<number, PositionedRequest>()
    const requests: PositionedRequest[] = []
    for (const [index, { topic, partition, batch }] of entries.entries()) {
      const node = cluster.leaderNode(topic, partition)
      if (node < 0) {
        moved.add(topic)
        results[index] = { kind: 'unavailable', reason: 'the partition has no leader' }
        continue
      }
      let request = open.get(node)
      if (request === undefined || request.bytes + batch.length > MAX_REQUEST_BYTES) {
        request = { node, parts: [], bytes: 0 }
        open.set(node, request)
        requests.push(request)
      }
      request.parts.push({ index, topic, partition, batch })
      request.bytes += batch.length
    }
    return requests
  }

  async function send(
    node: number,
    parts: readonly Part[],
    entries: readonly Entry[],
    results: PositionedResult[],
    signal: AbortSignal,
  ): Promise<void> {
    const topics = byTopic(parts)
    const request = { timeoutMs: Math.ceil(cluster.requestTimeoutMs * 0.75), topics }
    try {
      const answerOf = finder(await cluster.send(node, lane, produce, request, { signal }))
      for (const { partitions } of topics)
        for (const part of partitions)
          results[part.index] = decideResult(entries[part.index]!.offset, answerOf(part))
    } catch (error) {
      if (!isTransportError(error)) throw error
      const reason = describeError(error)
      for (const { index } of parts) results[index] = { kind: 'unavailable', reason }
    }
    for (const { index, topic } of parts) if (results[index]!.kind === 'unavailable') moved.add(topic)
  }

  return { append }
}

interface PositionedRequest {
  readonly node: number
  readonly parts: Part[]
  bytes: number
}

/** Tells whether a call names each partition once. One for all calls: it remembers in which one it saw a partition last. */
function distinctness(): (entries: readonly Entry[]) => boolean {
  const seen = new Map<string, number[]>()
  let call = 0
  return entries => {
    call++
    for (const { topic, partition } of entries) {
      let calls = seen.get(topic)
      if (calls === undefined) seen.set(topic, (calls = []))
      if (calls[partition] === call) return false
      calls[partition] = call
    }
    return true
  }
}

/** Finds the answer about a partition, fastest when asked in the order of the answers. */
function finder(
  answers: readonly ProducedPartition[],
): (part: PartitionKey) => ProducedPartition | undefined {
  let next = 0
  const isAbout = ({ topic, partition }: PartitionKey, answer: ProducedPartition | undefined): boolean =>
    answer?.partition === partition && answer.topic === topic
  return part => {
    const at = isAbout(part, answers[next]) ? next : answers.findIndex(answer => isAbout(part, answer))
    next = at + 1
    return answers[at]
  }
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
