/** "Append only at offset X" (see contract.ts): one attempt per call, and a verdict per partition. */
import { describeError } from '../errors/errors.ts'
import { classify, isRetriable } from './api-errors.ts'
import { rewriteHeader } from './batch.ts'
import type { Cluster, Lane } from './cluster.ts'
import type { PositionedAppender, PositionedResult } from './contract.ts'
import { isTransportError, type PartitionKey } from './leaders.ts'
import { type ProducedPartition, produce } from './requests/produce.ts'

type Entry = Parameters<PositionedAppender['append']>[0][number]

const MAX_REQUEST_BYTES = 1024 * 1024
const PRODUCER_EPOCH = 0
/** To one broker, which handles a connection's requests one after the other. More of them only make requests smaller. */
const CONNECTIONS = 2
const SEQUENCE_MASK = 0x7fff_ffff
const NO_TOPICS: ReadonlySet<string> = new Set()

export function openPositionedAppender(cluster: Cluster, lane: Lane, producerId: bigint): PositionedAppender {
  /** Topics whose leaders have to be looked up before anything more is sent to them. */
  const moved = new Set<string>()
  const isDistinct = distinctness()
  const pinOf = pinning()
  const lanes = Array.from({ length: CONNECTIONS }, (_, index): Lane => `${lane}.${index}`)

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
    if (moved.size > 0)
      await refresh(
        topicsOf(entries, ({ topic }) => moved.has(topic)),
        signal,
      )
    const unknown = topicsOf(entries, each => cluster.leaderNode(each.topic, each.partition) < 0)
    if (unknown.size > 0) await refresh(unknown, signal)
    const results: PositionedResult[] = new Array(entries.length)
    const requests = group(entries, results)
    await Promise.all(requests.map(request => send(request, results, signal)))
    return results
  }

  async function refresh(topics: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    if (topics.size === 0) return
    try {
      await cluster.refresh(topics, signal)
      for (const topic of topics) moved.delete(topic)
    } catch (error) {
      if (!isTransportError(error)) throw error
    }
  }

  /** The requests to make; what has no leader is told at once. */
  function group(entries: readonly Entry[], results: PositionedResult[]): OpenRequest[] {
    const open = new Map<number, OpenRequest>()
    const requests: OpenRequest[] = []
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]!
      const node = cluster.leaderNode(entry.topic, entry.partition)
      if (node < 0) {
        moved.add(entry.topic)
        results[index] = { kind: 'unavailable', reason: 'the partition has no leader' }
        continue
      }
      const pin = pinOf(entry)
      const route = node * CONNECTIONS + pin
      let request = open.get(route)
      if (request === undefined || request.bytes + entry.batch.length > MAX_REQUEST_BYTES) {
        request = { node, lane: lanes[pin]!, topics: [], bytes: 0 }
        open.set(route, request)
        requests.push(request)
      }
      addTo(request, entry, index)
    }
    return requests
  }

  async function send(
    { node, lane, topics }: OpenRequest,
    results: PositionedResult[],
    signal: AbortSignal,
  ): Promise<void> {
    const request = { timeoutMs: Math.ceil(cluster.requestTimeoutMs * 0.75), topics }
    let reason: string | undefined
    let answerOf: (part: PartitionKey) => ProducedPartition | undefined = () => undefined
    try {
      answerOf = finder(await cluster.send(node, lane, produce, request, { signal }))
    } catch (error) {
      if (!isTransportError(error)) throw error
      reason = describeError(error)
    }
    for (const { topic, partitions, places } of topics) {
      for (let i = 0; i < partitions.length; i++) {
        const entry = partitions[i]!
        const result =
          reason === undefined
            ? decideResult(entry.offset, answerOf(entry))
            : ({ kind: 'unavailable', reason } as const)
        if (result.kind === 'unavailable') moved.add(topic)
        results[places[i]!] = result
      }
    }
  }

  return { append }
}

interface OpenRequest {
  readonly node: number
  readonly lane: Lane
  readonly topics: {
    readonly topic: string
    readonly partitions: Entry[]
    /** Where in the call each of them stands. */
    readonly places: number[]
  }[]
  bytes: number
}

function addTo(request: OpenRequest, entry: Entry, place: number): void {
  let topic = request.topics.at(-1)
  // Entries of a topic mostly follow one another.
  if (topic?.topic !== entry.topic) topic = request.topics.find(each => each.topic === entry.topic)
  if (topic === undefined) {
    topic = { topic: entry.topic, partitions: [], places: [] }
    request.topics.push(topic)
  }
  topic.partitions.push(entry)
  topic.places.push(place)
  request.bytes += entry.batch.length
}

function topicsOf(entries: readonly Entry[], wanted: (entry: Entry) => boolean): ReadonlySet<string> {
  let topics: Set<string> | undefined
  for (const entry of entries) if (wanted(entry)) (topics ??= new Set()).add(entry.topic)
  return topics ?? NO_TOPICS
}

/** Which connection a partition's batches take, always the same one: so they arrive in order. */
function pinning(): (part: PartitionKey) => number {
  const firsts = new Map<string, number>()
  return ({ topic, partition }) => {
    let first = firsts.get(topic)
    if (first === undefined) firsts.set(topic, (first = firsts.size))
    return (first + partition) % CONNECTIONS
  }
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
