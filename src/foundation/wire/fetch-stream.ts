/**
 * Reads many partitions: one fetch session per leader, each on a connection of its own, into one bounded line of events.
 *
 * A leader is asked for more while the reader works on its last answer, but that next answer is not taken in before the
 * last one was consumed: so at most two answers per leader are held, and a slow reader stops the fetching.
 */
import { AjnaError, describeError } from '../errors/errors.ts'
import { classify } from './api-errors.ts'
import { abortable, backoffMs, pause } from './backoff.ts'
import type { Cluster, Lane } from './cluster.ts'
import type { FetchEvent, FetchOptions, FetchStream } from './contract.ts'
import { WIRE_CLOSED } from './errors.ts'
import { FetchSession, targetKey } from './fetch-session.ts'
import { type FetchVerdict, judgeFetched } from './fetched.ts'
import { FramePool } from './frame-pool.ts'
import { brokerError, partitionKey } from './leaders.ts'
import { listPartitionOffsets } from './offsets.ts'
import {
  FETCH_BY_TOPIC_ID,
  type FetchedPartition,
  type FetchRequest,
  type FetchResponse,
  fetch,
} from './requests/fetch.ts'

const DEFAULT_MAX_WAIT_MS = 500
const DEFAULT_MAX_PARTITION_BYTES = 1024 * 1024
const DEFAULT_MAX_BYTES = 8 * 1024 * 1024
const DEFAULT_MIN_BYTES = 1
/** Of one partition in an answer, where many share it. */
const MIN_PARTITION_BYTES = 64 * 1024
const MIN_BATCHES = 4
/** A topic that was just created is not known to every broker at once. */
const GONE_AFTER_MS = 5_000
const UNKNOWN_TOPIC_OR_PARTITION = 3
const NO_LEADER = 'the partition has no leader'
/** What an answer holds besides records: some 60 bytes a partition. */
const ANSWER_OVERHEAD_BYTES = 256 * 1024
/** The broker forgot the session: begin another. */
const SESSION_ERRORS: ReadonlySet<string> = new Set([
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
])

interface Reader {
  readonly topic: string
  readonly partition: number
  topicId: string
  position: number
  lastEpoch: number
  /** Raised when the reader is moved: what was fetched for it before is void. */
  generation: number
  /** Whether it is fetched; not after a condition. */
  active: boolean
  /** Where it is fetched; undefined while that is being found out, and after a condition. */
  source: Source | undefined
  /** The first of the source's requests to speak of it as it is now: what answers older ones is void. */
  since: number
  leaderEpoch: number
  failures: number
  /** One past the last offset given to the consumer, and what there is to be had (-1: not known yet). */
  delivered: number
  end: number
  /** The most that is asked for at once. */
  maxBytes: number
  /** The offset at which a corrupt batch was seen once already. */
  corruptAt: number
  /** Since when no broker has served it, ms since the epoch; 0: one does. */
  unservedSince: number
  /** Whether that was said. */
  noticed: boolean
}

/** One broker that is fetched from, and what is read there. */
interface Source {
  readonly node: number
  readonly session: FetchSession
  readonly readers: Set<Reader>
  /** By the topic's id and by its name, then by partition: brokers answer with the one or the other. */
  readonly byId: Map<string, Map<number, Reader>>
  readonly byName: Map<string, Map<number, Reader>>
  /** Number of the last request. */
  asked: number
  running: boolean
}

interface Item {
  readonly event: FetchEvent
  readonly reader: Reader | undefined
  readonly generation: number
  /** Called when the consumer asks for what follows. */
  readonly consumed: (() => void) | undefined
}

export class LeaderFetchStream implements FetchStream {
  readonly #cluster: Cluster
  readonly #lane: Lane
  readonly #options: FetchOptions
  readonly #readers = new Map<string, Reader>()
  readonly #sources = new Map<number, Source>()
  /** Active readers without a source. */
  readonly #lost = new Set<Reader>()
  #active = 0
  readonly #items: Item[] = []
  readonly #pool: FramePool | undefined
  readonly #allocate: ((size: number) => Buffer) | undefined
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  #behind = 0
  #announced = true
  #finding = false
  #wakeConsumer: (() => void) | undefined
  #lastConsumed: (() => void) | undefined

  constructor(cluster: Cluster, lane: Lane, options: FetchOptions) {
    this.#cluster = cluster
    this.#lane = lane
    this.#options = options
    const frameBytes = (options.maxBytes ?? DEFAULT_MAX_BYTES) + ANSWER_OVERHEAD_BYTES
    const pool = options.recycle === true ? new FramePool(frameBytes) : undefined
    this.#pool = pool
    this.#allocate = pool === undefined ? undefined : size => pool.take(size)
    this.#signal = AbortSignal.any([this.#ending.signal, options.signal])
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
    for (const { topic, partition, offset, lastEpoch, topicId } of options.from)
      this.#begin(topic, partition, offset, lastEpoch, topicId)
  }

  reposition(topic: string, partition: number, offset: number, lastEpoch?: number): void {
    this.#begin(topic, partition, offset, lastEpoch)
  }

  #begin(topic: string, partition: number, offset: number, lastEpoch = -1, topicId = ''): void {
    const key = partitionKey({ topic, partition })
    const before = this.#readers.get(key)
    if (before !== undefined) this.#stop(before)
    const reader: Reader = before ?? newReader(topic, partition)
    this.#readers.set(key, reader)
    Object.assign(reader, { position: offset, delivered: offset, lastEpoch, end: -1, topicId })
    Object.assign(reader, { active: true, failures: 0, corruptAt: -1, generation: reader.generation + 1 })
    Object.assign(reader, { unservedSince: Date.now(), noticed: false })
    this.#lost.add(reader)
    this.#active++
    this.#behind++
    this.#announced = false
    void this.#findLeaders()
  }

  remove(topic: string, partition: number): void {
    const key = partitionKey({ topic, partition })
    const reader = this.#readers.get(key)
    if (reader === undefined) return
    this.#stop(reader)
    reader.generation++
    this.#readers.delete(key)
    this.#announceIfCaughtUp()
  }

  [Symbol.asyncIterator](): AsyncIterator<FetchEvent> {
    return { next: () => this.#next() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#end(new AjnaError(WIRE_CLOSED, 'the fetch stream was closed'))
  }

  readonly #onAbort = (): void => this.#end(this.#options.signal.reason)

  #end(reason: unknown): void {
    if (this.#ending.signal.aborted) return
    this.#ending.abort(reason)
    this.#items.length = 0
    this.#lastConsumed?.()
    this.#wakeConsumer?.()
    this.#cluster.closeLane(this.#lane)
  }

  async #next(): Promise<IteratorResult<FetchEvent, undefined>> {
    this.#lastConsumed?.()
    this.#lastConsumed = undefined
    for (;;) {
      this.#options.signal.throwIfAborted()
      if (this.#ending.signal.aborted) return { done: true, value: undefined }
      const item = this.#items.shift()
      if (item === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#wakeConsumer = resolve
        await promise
        continue
      }
      if (this.#isVoid(item)) {
        item.consumed?.()
        continue
      }
      this.#lastConsumed = item.consumed
      this.#noteDelivery(item)
      return { done: false, value: item.event }
    }
  }

  /** Whether something that happened since it was put in line made it untrue. */
  #isVoid({ event, reader, generation }: Item): boolean {
    if (event.kind === 'caught-up') return this.#behind > 0
    return reader !== undefined && reader.generation !== generation
  }

  #noteDelivery({ event, reader }: Item): void {
    if (event.kind === 'batches' && reader !== undefined) {
      this.#updateEnd(reader, event.nextOffset, reader.end)
      this.#announceIfCaughtUp()
    }
  }

  #push(event: FetchEvent, reader?: Reader, consumed?: () => void): void {
    this.#items.push({ event, reader, generation: reader?.generation ?? 0, consumed })
    this.#wakeConsumer?.()
  }

  /** Keeps count of the active readers that have not been given all there is. */
  #updateEnd(reader: Reader, delivered: number, end: number): void {
    const was = isBehind(reader)
    reader.delivered = delivered
    reader.end = end
    const is = isBehind(reader)
    if (was === is) return
    this.#behind += is ? 1 : -1
    if (is) this.#announced = false
  }

  #announceIfCaughtUp(): void {
    if (this.#behind > 0 || this.#announced) return
    if (this.#active === 0) return
    this.#announced = true
    this.#push({ kind: 'caught-up' })
  }

  #stop(reader: Reader): void {
    if (!reader.active) return
    if (isBehind(reader)) this.#behind--
    this.#active--
    reader.active = false
    this.#lost.delete(reader)
    leaveSource(reader)
  }

  /** Ends the fetching of a partition with what its reader has to know. */
  #stopWith(reader: Reader, event: FetchEvent): void {
    this.#stop(reader)
    this.#push(event, reader)
    this.#announceIfCaughtUp()
  }

  #lose(reader: Reader, reason: string): void {
    if (!reader.active) return
    leaveSource(reader)
    this.#lost.add(reader)
    reader.failures++
    this.#noticeUnserved(reader, reason)
    const { topic, partition, position, failures } = reader
    this.#cluster.log.debug({ topic, partition, position, failures, reason }, 'fetch: looking for the leader')
    void this.#findLeaders()
  }

  #noticeUnserved(reader: Reader, reason: string): void {
    const { noticeAfterMs } = this.#options
    const now = Date.now()
    if (reader.unservedSince === 0) reader.unservedSince = now
    if (noticeAfterMs === undefined || reader.noticed || now - reader.unservedSince < noticeAfterMs) return
    reader.noticed = true
    const { topic, partition } = reader
    this.#push({ kind: 'unserved', topic, partition, reason }, reader)
  }

  #isServed(reader: Reader): void {
    reader.failures = 0
    reader.unservedSince = 0
    if (!reader.noticed) return
    reader.noticed = false
    const { topic, partition } = reader
    this.#push({ kind: 'served', topic, partition }, reader)
  }

  /** Runs while some active reader has no broker to be fetched from. */
  async #findLeaders(): Promise<void> {
    if (this.#finding) return
    this.#finding = true
    try {
      // Readers added one after another are looked up together.
      await Promise.resolve()
      while (this.#lost.size > 0) {
        const lost = [...this.#lost]
        const failures = lost.reduce((fewest, reader) => Math.min(fewest, reader.failures), lost[0]!.failures)
        await pause(backoffMs(failures), this.#signal)
        let why = NO_LEADER
        try {
          await this.#cluster.refresh(new Set(lost.map(reader => reader.topic)), this.#signal)
        } catch (error) {
          if (this.#signal.aborted) return
          why = describeError(error)
          this.#cluster.log.warn({ reason: describeError(error) }, 'fetch: no broker answers')
        }
        for (const reader of lost) if (this.#lost.has(reader)) this.#place(reader)
        for (const reader of lost) if (this.#lost.has(reader)) this.#noticeUnserved(reader, why)
        // Only now, so that a broker is asked for all it leads at once.
        for (const source of this.#sources.values()) this.#run(source)
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error
    } finally {
      this.#finding = false
    }
  }

  /** Gives the reader to its leader's source, or tells why that cannot be; else leaves it among the lost. */
  #place(reader: Reader): void {
    const { topic, partition } = reader
    reader.failures++
    const state = this.#cluster.topic(topic)
    if (state === undefined) return
    if (state.kind === 'absent') {
      if (state.errorCode !== UNKNOWN_TOPIC_OR_PARTITION) this.#refuse(reader, state.errorCode)
      else if (Date.now() - state.sinceMs >= GONE_AFTER_MS)
        this.#stopWith(reader, { kind: 'gone', topic, partition })
      return
    }
    if (reader.topicId !== '' && reader.topicId !== state.topic.id) {
      this.#recreated(topic, reader.topicId, state.topic.id)
      return
    }
    if (state.topic.partitions[partition] === undefined) {
      this.#stopWith(reader, { kind: 'gone', topic, partition })
      return
    }
    const leader = this.#cluster.leader(topic, partition)
    if (leader === undefined) return
    Object.assign(reader, { topicId: state.topic.id, leaderEpoch: leader.epoch })
    this.#lost.delete(reader)
    const source = this.#sourceAt(leader.node)
    enterSource(reader, source)
    this.#want(reader, source)
  }

  #sourceAt(node: number): Source {
    const known = this.#sources.get(node)
    if (known !== undefined) return known
    const source: Source = {
      node,
      session: new FetchSession(),
      readers: new Set(),
      byId: new Map(),
      byName: new Map(),
      asked: 0,
      running: false,
    }
    this.#sources.set(node, source)
    return source
  }

  /** Has the reader fetched from where it is now. */
  #want(reader: Reader, source: Source): void {
    const { topic, topicId: id, partition, position: offset } = reader
    const { leaderEpoch: currentLeaderEpoch, lastEpoch: lastFetchedEpoch } = reader
    const { maxPartitionBytes = DEFAULT_MAX_PARTITION_BYTES } = this.#options
    const maxBytes = reader.maxBytes === 0 ? maxPartitionBytes : reader.maxBytes
    const target = { topic, id, partition, currentLeaderEpoch, offset, lastFetchedEpoch, maxBytes }
    source.session.want(targetKey(target), target)
  }

  #recreated(topic: string, oldId: string, newId: string): void {
    const readers = [...this.#readers.values()].filter(reader => reader.active && reader.topicId === oldId)
    for (const reader of readers) this.#stop(reader)
    this.#push({ kind: 'recreated', topic, oldId, newId })
  }

  #refuse(reader: Reader, errorCode: number): void {
    const { topic, partition } = reader
    const error = brokerError(errorCode, `${topic}-${partition}`)
    this.#stopWith(reader, { kind: 'refused', topic, partition, error })
  }

  #run(source: Source): void {
    if (source.running || source.readers.size === 0) return
    source.running = true
    this.#fetchFrom(source).catch(error => {
      if (this.#signal.aborted) return
      this.#cluster.log.error({ node: source.node, reason: describeError(error) }, 'fetch: a loop failed')
      for (const reader of [...source.readers]) this.#lose(reader, describeError(error))
    })
  }

  /** Fetches from one broker for as long as it leads anything that is read. */
  async #fetchFrom(source: Source): Promise<void> {
    let consumed: Promise<void> = Promise.resolve()
    try {
      while (source.readers.size > 0) {
        const answer = await this.#ask(source)
        await abortable(consumed, this.#signal)
        if (answer === undefined) continue
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#take(source, answer, resolve)
        consumed = promise
      }
    } finally {
      this.#sources.delete(source.node)
    }
  }

  /** One fetch from one broker. If it fails, its readers look for their leaders anew. */
  async #ask(source: Source): Promise<Answer | undefined> {
    const { node, session } = source
    const number = ++source.asked
    try {
      const connection = await this.#cluster.connection(node, this.#lane, this.#signal, this.#allocate)
      const byId = connection.version(fetch) >= FETCH_BY_TOPIC_ID
      const timeoutMs = (this.#options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS) + this.#cluster.requestTimeoutMs
      const response = await connection.send(fetch, this.#request(session), {
        signal: this.#signal,
        timeoutMs,
      })
      if (response.errorCode === 0) {
        session.answered(response.sessionId)
        return { number, byId, response }
      }
      this.#pool?.give(response.frame)
      if (!SESSION_ERRORS.has(classify(response.errorCode).name))
        throw brokerError(response.errorCode, `fetch at broker ${node}`)
      session.reset()
    } catch (error) {
      this.#signal.throwIfAborted()
      session.reset()
      const reason = describeError(error)
      this.#cluster.log.warn({ node, partitions: source.readers.size, reason }, 'fetch failed')
      for (const reader of [...source.readers]) if (reader.since <= number) this.#lose(reader, reason)
    }
    return undefined
  }

  /**
   * How much of a partition is asked for at once: a part of the answer, so that it holds something of many partitions,
   * and so many whole batches that none is cut off and fetched twice, as far as they are alike.
   */
  #fit(reader: Reader, source: Source, largestBatch: number): void {
    const { maxBytes = DEFAULT_MAX_BYTES, maxPartitionBytes = DEFAULT_MAX_PARTITION_BYTES } = this.#options
    const share = Math.max(maxBytes / source.readers.size, MIN_PARTITION_BYTES, MIN_BATCHES * largestBatch)
    const batches = Math.floor(Math.min(share, maxPartitionBytes) / Math.max(largestBatch, 1))
    reader.maxBytes = Math.min(Math.max(batches, 1) * largestBatch, maxBytes)
  }

  #request(session: FetchSession): FetchRequest {
    const {
      maxWaitMs = DEFAULT_MAX_WAIT_MS,
      maxBytes = DEFAULT_MAX_BYTES,
      minBytes = DEFAULT_MIN_BYTES,
    } = this.#options
    const readCommitted = this.#options.isolation === 'read_committed'
    return { maxWaitMs, maxBytes, minBytes, readCommitted, ...session.plan() }
  }

  /** @param consumed called once the consumer is done with everything in this answer */
  #take(source: Source, { number, byId, response }: Answer, consumed: () => void): void {
    const { frame, partitions } = response
    const memory = countDown(() => this.#pool?.give(frame))
    const events = countDown(consumed)
    for (const answer of partitions) {
      const reader = (byId ? source.byId : source.byName).get(answer.topicKey)?.get(answer.partition)
      if (reader === undefined || reader.since > number) continue
      const verdict = judgeFetched(answer, reader.position, this.#options.verifyCrc !== false)
      if (verdict.kind === 'data' && verdict.data.bytes.length > 0) {
        const held = memory.hold()
        const open = events.hold()
        const done = (): void => {
          held()
          open()
        }
        this.#takeData(reader, answer, verdict, memory.hold, done)
      } else {
        this.#takeVerdict(reader, answer, verdict)
      }
    }
    this.#announceIfCaughtUp()
    if (partitions.length === 0) this.#pool?.rest()
    memory.start()
    events.start()
  }

  #takeData(
    reader: Reader,
    answer: FetchedPartition,
    { data, corrupt }: Extract<FetchVerdict, { kind: 'data' }>,
    hold: () => () => void,
    consumed: () => void,
  ): void {
    const { topic, partition } = reader
    const { highWatermark, lastStableOffset, logStartOffset, aborted } = answer
    const { bytes, firstOffset, nextOffset } = data
    const offsets = { firstOffset, nextOffset, highWatermark, lastStableOffset, logStartOffset }
    reader.position = nextOffset
    reader.lastEpoch = data.lastEpoch
    this.#isServed(reader)
    this.#fit(reader, reader.source!, data.largestBatchBytes)
    this.#want(reader, reader.source!)
    this.#updateEnd(reader, reader.delivered, this.#endOf(answer))
    this.#push({ kind: 'batches', topic, partition, bytes, ...offsets, aborted, hold }, reader, consumed)
    if (corrupt !== undefined) this.#takeCorruption(reader, corrupt.offset, corrupt.error)
  }

  #takeVerdict(reader: Reader, answer: FetchedPartition, verdict: FetchVerdict): void {
    const { topic, partition, position } = reader
    switch (verdict.kind) {
      case 'data':
        this.#isServed(reader)
        if (reader.source !== undefined && verdict.data.largestBatchBytes > reader.maxBytes) {
          // Not even one batch was whole: it was asked for too little.
          this.#fit(reader, reader.source, verdict.data.largestBatchBytes)
          this.#want(reader, reader.source)
        }
        this.#updateEnd(reader, reader.delivered, this.#endOf(answer))
        if (verdict.corrupt !== undefined)
          this.#takeCorruption(reader, verdict.corrupt.offset, verdict.corrupt.error)
        return
      case 'truncated':
        this.#stopWith(reader, {
          kind: 'truncated',
          topic,
          partition,
          position,
          endOffset: verdict.endOffset,
        })
        return
      case 'out-of-range':
        void this.#checkRange(reader)
        return
      case 'lost':
        this.#lose(reader, verdict.errorName)
        return
      case 'refused':
        this.#refuse(reader, verdict.errorCode)
        return
      default:
        verdict satisfies never
    }
  }

  #endOf({ highWatermark, lastStableOffset }: FetchedPartition): number {
    return this.#options.isolation === 'read_committed' ? lastStableOffset : highWatermark
  }

  /** Bytes can be damaged on their way: they are fetched once more before they are called corrupt. */
  #takeCorruption(reader: Reader, offset: number, error: Error): void {
    const { topic, partition } = reader
    if (reader.corruptAt === offset) {
      this.#stopWith(reader, { kind: 'corrupt', topic, partition, offset, error })
      return
    }
    reader.corruptAt = offset
    this.#lose(reader, describeError(error))
  }

  /** Out of range is said again by the log's own ends: a leader that was just elected may not know them yet (KIP-207). */
  async #checkRange(reader: Reader): Promise<void> {
    const { topic, partition, position, generation } = reader
    leaveSource(reader)
    try {
      const { earliest, latest } = await listPartitionOffsets(
        this.#cluster,
        { topic, partition },
        this.#signal,
      )
      if (reader.generation !== generation || !reader.active) return
      if (position >= earliest && position <= latest) {
        // In range after all; what could not be told is where its epoch ends.
        reader.lastEpoch = -1
        this.#lose(reader, 'out of range, but only for a moment')
        return
      }
      const range = { logStartOffset: earliest, highWatermark: latest }
      this.#stopWith(reader, { kind: 'out-of-range', topic, partition, position, ...range })
    } catch (error) {
      if (!this.#signal.aborted && reader.generation === generation) this.#lose(reader, describeError(error))
    }
  }
}

interface Answer {
  /** Of the request. */
  readonly number: number
  readonly byId: boolean
  readonly response: FetchResponse
}

function newReader(topic: string, partition: number): Reader {
  return {
    topic,
    partition,
    topicId: '',
    position: 0,
    lastEpoch: -1,
    generation: 0,
    active: false,
    source: undefined,
    since: 0,
    leaderEpoch: -1,
    failures: 0,
    delivered: 0,
    end: -1,
    maxBytes: 0,
    corruptAt: -1,
    unservedSince: 0,
    noticed: false,
  }
}

function enterSource(reader: Reader, source: Source): void {
  reader.source = source
  // A request that is on its way already says nothing of it.
  reader.since = source.asked + 1
  source.readers.add(reader)
  partitionsOf(source.byId, reader.topicId).set(reader.partition, reader)
  partitionsOf(source.byName, reader.topic).set(reader.partition, reader)
}

function leaveSource(reader: Reader): void {
  const { source, topic, topicId, partition } = reader
  if (source === undefined) return
  reader.source = undefined
  source.readers.delete(reader)
  removePartition(source.byId, topicId, partition)
  removePartition(source.byName, topic, partition)
  source.session.drop(targetKey({ id: topicId, topic, partition }))
}

function partitionsOf(readers: Map<string, Map<number, Reader>>, topic: string): Map<number, Reader> {
  const known = readers.get(topic)
  if (known !== undefined) return known
  const fresh = new Map<number, Reader>()
  readers.set(topic, fresh)
  return fresh
}

function removePartition(readers: Map<string, Map<number, Reader>>, topic: string, partition: number): void {
  const known = readers.get(topic)
  known?.delete(partition)
  if (known?.size === 0) readers.delete(topic)
}

function isBehind({ active, end, delivered }: Reader): boolean {
  return active && (end < 0 || delivered < end)
}

/** Calls back once it was started and everything that holds it has let go. */
function countDown(finished: () => void): { hold: () => () => void; start: () => void } {
  let holders = 1
  const letGo = (): void => {
    if (--holders === 0) finished()
  }
  const hold = (): (() => void) => {
    let holding = true
    holders++
    return () => {
      if (holding) letGo()
      holding = false
    }
  }
  return { hold, start: letGo }
}
