/**
 * The idempotent producer: every acknowledged batch is in the log once and in order, whatever happens to brokers in
 * between. Batches of a partition keep their sequences over all attempts; after an error nothing more of the partition
 * is sent until all that is in flight was answered, then everything unacknowledged goes again in order.
 */
import { AjnaError, describeError } from '../errors/errors.ts'
import { classify } from './api-errors.ts'
import { abortable, backoffMs, pause } from './backoff.ts'
import { readBatchHeader } from './batch.ts'
import type { Cluster, Lane } from './cluster.ts'
import type { Appended, Producer, ProducerOptions } from './contract.ts'
import { DELIVERY_UNKNOWN, PRODUCER_FENCED, RECORD_REJECTED, WIRE_CLOSED } from './errors.ts'
import { byTopic, isTransportError, partitionKey } from './leaders.ts'
import { decideOutcome, type Outcome, PartitionQueue, type QueuedBatch } from './partition-queue.ts'
import type { ProducerIdentity } from './producer-id.ts'
import { type ProducedPartition, produce } from './requests/produce.ts'

const DEFAULT_MAX_BUFFERED_BYTES = 32 * 1024 * 1024
const DEFAULT_DELIVERY_TIMEOUT_MS = 120_000
const MAX_REQUEST_BYTES = 1024 * 1024
/** A broker works on one request of a connection at a time: more in flight would only make requests smaller. */
const MAX_REQUESTS_PER_BROKER = 3
const MISSING_TOPIC_GRACE_MS = 10_000
const MAX_DEADLINE_CHECK_MS = 1_000

interface Sender {
  readonly node: number
  readonly ready: Set<PartitionQueue>
  inFlight: number
  kicked: boolean
}

interface Entry {
  readonly queue: PartitionQueue
  readonly batch: QueuedBatch
}

export class IdempotentProducer implements Producer {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly #cluster: Cluster
  readonly #lane: Lane
  readonly #transactionalId: string | null
  readonly #maxBufferedBytes: number
  readonly #deliveryTimeoutMs: number
  readonly #closing = new AbortController()
  readonly #queues = new Map<string, PartitionQueue>()
  readonly #senders = new Map<number, Sender>()
  readonly #appends = new Set<Promise<Appended>>()
  readonly #waitingForRoom: Entry[] = []
  #bufferedBytes = 0
  #failure: AjnaError | undefined
  /** The last error that should not happen, to be named if delivery fails for good. */
  #unexpected: unknown
  #deadlines: NodeJS.Timeout | undefined

  /** @param transactionalId whose transactions all its batches are part of; null: they are part of none */
  constructor(
    cluster: Cluster,
    lane: Lane,
    identity: ProducerIdentity,
    options: ProducerOptions,
    transactionalId: string | null = null,
  ) {
    this.#cluster = cluster
    this.#lane = lane
    this.#transactionalId = transactionalId
    this.producerId = identity.producerId
    this.producerEpoch = identity.producerEpoch
    this.#maxBufferedBytes = options.maxBufferedBytes ?? DEFAULT_MAX_BUFFERED_BYTES
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs ?? DEFAULT_DELIVERY_TIMEOUT_MS
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  append(topic: string, partition: number, batch: Buffer, signal?: AbortSignal): Promise<Appended> {
    const appending = this.#append(topic, partition, batch, signal)
    this.#appends.add(appending)
    const forget = (): void => void this.#appends.delete(appending)
    appending.then(forget, forget)
    return appending
  }

  async flush(): Promise<void> {
    await Promise.allSettled(this.#appends)
    if (this.#failure !== undefined) throw this.#failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new AjnaError(WIRE_CLOSED, 'the producer was closed'))
  }

  /** Takes its place in line before it first waits: appends of a partition are written in the order of their calls. */
  async #append(topic: string, partition: number, bytes: Buffer, signal?: AbortSignal): Promise<Appended> {
    signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
    const count = checkedCount(topic, partition, bytes, this.#transactionalId !== null)
    const { promise, resolve, reject } = Promise.withResolvers<Appended>()
    const fields = { sequence: undefined, uncertain: false, strikes: 0 }
    const batch: QueuedBatch = { bytes, count, queuedAtMs: Date.now(), resolve, reject, ...fields }
    const entry: Entry = { queue: this.#queue(topic, partition), batch }
    this.#waitingForRoom.push(entry)
    this.#admitWaiting()
    return signal === undefined ? promise : this.#withdrawable(promise, entry, signal)
  }

  /** An abort takes the batch back if it was never sent; else the batch goes on and only the wait ends. */
  async #withdrawable(promise: Promise<Appended>, entry: Entry, signal: AbortSignal): Promise<Appended> {
    try {
      return await abortable(promise, signal)
    } catch (error) {
      if (signal.aborted) this.#withdraw(entry)
      throw error
    }
  }

  #withdraw(entry: Entry): void {
    const index = this.#waitingForRoom.indexOf(entry)
    if (index >= 0) this.#waitingForRoom.splice(index, 1)
    else if (entry.queue.withdraw(entry.batch)) this.#free(entry.batch.bytes.length)
  }

  #admitWaiting(): void {
    for (;;) {
      const next = this.#waitingForRoom[0]
      if (next === undefined || !this.#fits(next.batch.bytes.length)) return
      this.#waitingForRoom.shift()
      this.#bufferedBytes += next.batch.bytes.length
      next.queue.push(next.batch)
      const every = Math.min(MAX_DEADLINE_CHECK_MS, this.#deliveryTimeoutMs / 4)
      this.#deadlines ??= setInterval(() => this.#checkDeadlines(), every)
      this.#schedule(next.queue)
    }
  }

  #fits(bytes: number): boolean {
    return this.#bufferedBytes === 0 || this.#bufferedBytes + bytes <= this.#maxBufferedBytes
  }

  #free(bytes: number): void {
    if (this.#failure !== undefined) return
    this.#bufferedBytes -= bytes
    if (this.#bufferedBytes === 0) {
      clearInterval(this.#deadlines)
      this.#deadlines = undefined
    }
    this.#admitWaiting()
  }

  #queue(topic: string, partition: number): PartitionQueue {
    const key = partitionKey({ topic, partition })
    const known = this.#queues.get(key)
    if (known !== undefined) return known
    const queue = new PartitionQueue(topic, partition)
    this.#queues.set(key, queue)
    return queue
  }

  #schedule(queue: PartitionQueue): void {
    if (!queue.sendable || this.#failure !== undefined) return
    const leader = this.#cluster.leader(queue.topic, queue.partition)
    if (leader === undefined || !queue.mayGoTo(leader.node)) {
      queue.halt()
      if (queue.drained) this.#rewind(queue)
      return
    }
    const sender = this.#sender(leader.node)
    sender.ready.add(queue)
    this.#kick(sender)
  }

  #sender(node: number): Sender {
    const known = this.#senders.get(node)
    if (known !== undefined) return known
    const sender: Sender = { node, ready: new Set(), inFlight: 0, kicked: false }
    this.#senders.set(node, sender)
    return sender
  }

  /** Fills requests in the next turn of the event loop, so that appends made together travel together. */
  #kick(sender: Sender): void {
    if (sender.kicked || sender.inFlight >= MAX_REQUESTS_PER_BROKER) return
    sender.kicked = true
    setImmediate(() => {
      sender.kicked = false
      while (sender.inFlight < MAX_REQUESTS_PER_BROKER && this.#failure === undefined) {
        const batches = this.#takeRequest(sender)
        if (batches.length === 0) return
        void this.#send(sender, batches)
      }
    })
  }

  #takeRequest(sender: Sender): Entry[] {
    const taken: Entry[] = []
    let bytes = 0
    for (const queue of sender.ready) {
      if (taken.length > 0 && bytes + queue.nextSize > MAX_REQUEST_BYTES) break
      sender.ready.delete(queue)
      if (!queue.sendable) continue
      if (this.#cluster.leader(queue.topic, queue.partition)?.node !== sender.node) {
        this.#schedule(queue)
        continue
      }
      const batch = queue.take(sender.node, this.producerId, this.producerEpoch)
      taken.push({ queue, batch })
      bytes += batch.bytes.length
    }
    // Only now: a partition must not be named twice in one request.
    for (const { queue } of taken) if (queue.sendable) sender.ready.add(queue)
    return taken
  }

  async #send(sender: Sender, sent: readonly Entry[]): Promise<void> {
    sender.inFlight++
    const answers = await this.#request(sender.node, sent)
    sender.inFlight--
    for (const each of sent) this.#settle(each, answers)
    for (const { queue } of sent) {
      if (queue.drained) this.#rewind(queue)
      else this.#schedule(queue)
    }
    this.#kick(sender)
  }

  /** The answers per partition; undefined when it is not known what became of the request. */
  async #request(
    node: number,
    sent: readonly Entry[],
  ): Promise<ReadonlyMap<string, ProducedPartition> | undefined> {
    const items = sent.map(({ queue, batch }) => ({
      topic: queue.topic,
      partition: queue.partition,
      batch: batch.bytes,
    }))
    const { requestTimeoutMs } = this.#cluster
    // The broker gives up waiting for replicas first: its answer costs less than a lost connection.
    const request = {
      transactionalId: this.#transactionalId,
      timeoutMs: Math.ceil(requestTimeoutMs * 0.75),
      topics: byTopic(items),
    }
    try {
      const options = { signal: this.#closing.signal }
      const produced = await this.#cluster.send(node, this.#lane, produce, request, options)
      return new Map(produced.map(answer => [partitionKey(answer), answer]))
    } catch (error) {
      if (this.#failure === undefined) {
        this.#cluster.log.warn(
          { node, batches: sent.length, reason: describeError(error) },
          'produce request failed; sending again',
        )
      }
      if (!isTransportError(error) && !this.#closing.signal.aborted) this.#unexpected = error
      return undefined
    }
  }

  #settle({ queue, batch }: Entry, answers: ReadonlyMap<string, ProducedPartition> | undefined): void {
    if (this.#failure !== undefined) return
    const answer = answers?.get(partitionKey(queue))
    const outcome: Outcome =
      answer === undefined
        ? { kind: 'again', uncertain: true }
        : decideOutcome(answer.errorCode, batch, queue.first === batch)
    queue.answered(batch, outcome)
    this.#conclude(queue, batch, outcome, answer)
  }

  #conclude(
    queue: PartitionQueue,
    batch: QueuedBatch,
    outcome: Outcome,
    answer: ProducedPartition | undefined,
  ): void {
    switch (outcome.kind) {
      case 'acknowledged': {
        const { baseOffset, logAppendTime, logStartOffset } = answer!
        this.#free(batch.bytes.length)
        batch.resolve({ baseOffset, logAppendTime, logStartOffset })
        return
      }
      case 'rejected':
        this.#free(batch.bytes.length)
        batch.reject(rejection(queue, answer!.errorCode, answer!.errorMessage))
        return
      case 'fenced':
        this.#fail(
          new AjnaError(
            PRODUCER_FENCED,
            `producer ${this.producerId} of epoch ${this.producerEpoch} was fenced (${nameOf(answer)})`,
          ),
        )
        return
      case 'broken':
        this.#fail(
          unknownDelivery(
            queue,
            `the log of ${queue.topic}-${queue.partition} does not continue it (${nameOf(answer)})`,
          ),
        )
        return
      case 'again':
        return
      default:
        outcome satisfies never
    }
  }

  #rewind(queue: PartitionQueue): void {
    queue.rewind()
    void this.#resumeLater(queue)
  }

  async #resumeLater(queue: PartitionQueue): Promise<void> {
    const { signal } = this.#closing
    try {
      await pause(backoffMs(queue.failures - 1), signal)
      await this.#cluster.refresh([queue.topic], signal)
    } catch (error) {
      if (signal.aborted) return
      this.#cluster.log.warn(
        { topic: queue.topic, reason: describeError(error) },
        'leaders could not be looked up',
      )
    }
    this.#rejectMissing(queue)
    queue.resume()
    this.#schedule(queue)
  }

  #rejectMissing(queue: PartitionQueue): void {
    const state = this.#cluster.topic(queue.topic)
    const missing =
      state?.kind === 'known'
        ? state.topic.partitions[queue.partition] === undefined
        : state !== undefined && Date.now() - state.sinceMs > MISSING_TOPIC_GRACE_MS
    if (!missing) return
    const code = state?.kind === 'absent' ? state.errorCode : UNKNOWN_TOPIC_OR_PARTITION
    if (queue.batches.some(batch => batch.uncertain)) {
      this.#fail(unknownDelivery(queue, `the topic is gone (${classify(code).name})`))
      return
    }
    for (const batch of queue.abandon()) {
      this.#free(batch.bytes.length)
      batch.reject(rejection(queue, code, null))
    }
  }

  #checkDeadlines(): void {
    const oldest = Date.now() - this.#deliveryTimeoutMs
    for (const queue of this.#queues.values()) {
      if (queue.first !== undefined && queue.first.queuedAtMs < oldest) {
        this.#fail(
          unknownDelivery(queue, `not acknowledged within ${this.#deliveryTimeoutMs} ms`, this.#unexpected),
        )
        return
      }
    }
  }

  #fail(error: AjnaError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    clearInterval(this.#deadlines)
    this.#closing.abort(error)
    for (const queue of this.#queues.values()) {
      for (const batch of queue.batches) batch.reject(error)
    }
    for (const { batch } of this.#waitingForRoom.splice(0)) batch.reject(error)
    this.#queues.clear()
    this.#bufferedBytes = 0
    this.#cluster.closeLane(this.#lane)
  }
}

const UNKNOWN_TOPIC_OR_PARTITION = 3

/** @throws AjnaError RECORD_REJECTED, BATCH_CORRUPT, BATCH_MAGIC_UNSUPPORTED, WIRE_TRUNCATED */
function checkedCount(topic: string, partition: number, bytes: Buffer, inTransaction: boolean): number {
  const { size, count, baseOffset, lastOffset, transactional, control } = readBatchHeader(bytes)
  const details = { topic, partition }
  if (size !== bytes.length) {
    throw new AjnaError(
      RECORD_REJECTED,
      `exactly one batch is appended at a time; ${bytes.length - size} bytes follow it`,
      { details },
    )
  }
  if (count === 0 || count !== lastOffset - baseOffset + 1 || transactional !== inTransaction || control) {
    throw new AjnaError(
      RECORD_REJECTED,
      `a batch is appended whole: no gaps, no markers, ${inTransaction ? '' : 'no '}part of a transaction`,
      { details },
    )
  }
  return count
}

function nameOf(answer: ProducedPartition | undefined): string {
  return classify(answer?.errorCode ?? -1).name
}

function rejection({ topic, partition }: PartitionQueue, code: number, message: string | null): AjnaError {
  const { name } = classify(code)
  const said = message === null ? '' : `: ${message}`
  return new AjnaError(RECORD_REJECTED, `${topic}-${partition} refused a batch: ${name}${said}`, {
    details: { topic, partition, code, name },
  })
}

function unknownDelivery({ topic, partition }: PartitionQueue, why: string, cause?: unknown): AjnaError {
  return new AjnaError(DELIVERY_UNKNOWN, `a batch for ${topic}-${partition}: ${why}`, {
    cause,
    details: { topic, partition },
  })
}
