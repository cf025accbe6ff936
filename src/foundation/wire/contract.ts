/**
 * The data plane's view of a Kafka cluster: bytes in, bytes out.
 *
 * Offsets, timestamps (ms since the epoch) and log sizes are numbers: every 64-bit value read off the wire is checked to
 * lie within ±2^53 (docs/decisions/0002-numbers.md). Producer ids are bigint. Every call takes an AbortSignal or a
 * deadline; every queue is bounded in bytes.
 */

/** PEM texts. */
export interface TlsIdentity {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** A function is asked at each new connection: files that have changed are taken up without a restart. */
export type TlsSource = TlsIdentity | (() => Promise<TlsIdentity>)

export interface WireOptions {
  /** `host:port`, at least one. */
  readonly bootstrap: readonly string[]
  readonly clientId: string
  readonly tls?: TlsSource
  /** Addresses of the brokers' names, where the machine's resolver is not to be asked. */
  readonly hosts?: import('./hosts.ts').Hosts
  /** Default 2,000. */
  readonly connectTimeoutMs?: number
  /** Per request, from queued to answered; default 4,000. A frozen broker costs this long. */
  readonly requestTimeoutMs?: number
  readonly log?: import('../log/log.ts').Logger
}

export interface PartitionMetadata {
  readonly partition: number
  /** Node id, or -1 when there is none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export interface TopicMetadata {
  readonly name: string
  /** UUID as Kafka prints it (base64url, 22 characters). Changes when a topic is deleted and re-created. */
  readonly id: string
  readonly partitions: readonly PartitionMetadata[]
}

export type OffsetAt = 'earliest' | 'latest' | { readonly timestamp: number }

export interface ListedOffset {
  readonly topic: string
  readonly partition: number
  /** -1: no record at or after the timestamp asked for. */
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

export interface FetchedBatches {
  readonly topic: string
  readonly partition: number
  /**
   * Whole record batches as the broker sent them, one after another; CRC checked. A view into the broker's answer: holding
   * on to any of it holds the whole answer (`maxBytes`). With `recycle`, valid until the next item is asked for or, once
   * held, until released; else for as long as it is referred to.
   */
  readonly bytes: Buffer
  /** First and one past the last offset covered by `bytes` (equal to `position` when bytes is empty). */
  readonly firstOffset: number
  readonly nextOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  /** With `recycle`: keeps the bytes valid until the function it answers is called. Call it before asking for the next item. */
  hold(): () => void
  /** Aborted transactions in the range, when reading committed. */
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[]
}

export interface FetchOptions {
  /** Where to start per partition. */
  readonly from: readonly {
    readonly topic: string
    readonly partition: number
    readonly offset: number
    /** Leader epoch of the last batch read before, if known: then a truncation that happened meanwhile is noticed (KIP-320). */
    readonly lastEpoch?: number
    /** Only of the topic with this id (`TopicMetadata.id`): of another one under its name nothing is read, it is `recreated`. */
    readonly topicId?: string
  }[]
  readonly isolation?: 'read_uncommitted' | 'read_committed'
  /** Long-poll time at the broker; default 500. */
  readonly maxWaitMs?: number
  /** Default 1 MiB and 8 MiB. */
  readonly maxPartitionBytes?: number
  readonly maxBytes?: number
  readonly minBytes?: number
  /**
   * A partition that no broker has served for so long, ms, is said to be `unserved`, and when one does again, `served`;
   * default: neither is said. It is tried on all the time.
   */
  readonly noticeAfterMs?: number
  /** Checksums of batches are verified unless false. */
  readonly verifyCrc?: boolean
  /** Uses the memory of answers again (see `FetchedBatches.bytes`): for whoever moves much; it saves more than half the CPU. */
  readonly recycle?: boolean
  readonly signal: AbortSignal
}

/**
 * What a fetch stream yields: data, or a partition's condition that its reader must decide upon. After a condition the
 * partition is no longer fetched until `reposition`; `unserved` and `served` are no conditions, only said.
 */
export type FetchEvent =
  | ({ readonly kind: 'batches' } & FetchedBatches)
  /** The reader has caught up to the high watermark of every partition (given once each time that becomes true). */
  | { readonly kind: 'caught-up' }
  | {
      readonly kind: 'out-of-range'
      readonly topic: string
      readonly partition: number
      readonly position: number
      readonly logStartOffset: number
      readonly highWatermark: number
    }
  /** The log was cut below what was read: offsets from `endOffset` on hold, or will hold, other records (KIP-320). */
  | {
      readonly kind: 'truncated'
      readonly topic: string
      readonly partition: number
      readonly position: number
      readonly endOffset: number
    }
  | { readonly kind: 'recreated'; readonly topic: string; readonly oldId: string; readonly newId: string }
  | { readonly kind: 'gone'; readonly topic: string; readonly partition: number }
  | {
      readonly kind: 'corrupt'
      readonly topic: string
      readonly partition: number
      readonly offset: number
      readonly error: Error
    }
  | { readonly kind: 'unserved'; readonly topic: string; readonly partition: number; readonly reason: string }
  | { readonly kind: 'served'; readonly topic: string; readonly partition: number }
  /** The broker will not serve it: not authorised, most likely. */
  | { readonly kind: 'refused'; readonly topic: string; readonly partition: number; readonly error: Error }

/** One reader at a time. Leaving a `for await` does not end the stream, disposing it does; an abort makes the next step throw. */
export interface FetchStream extends AsyncIterable<FetchEvent>, AsyncDisposable {
  /** Adds a partition, or moves one (also one that stopped with a condition). */
  reposition(topic: string, partition: number, offset: number, lastEpoch?: number): void
  remove(topic: string, partition: number): void
}

export interface ProducerOptions {
  /**
   * Asks the coordinator for this transactional id's next epoch, so that an older process with the same id is fenced on
   * each partition from this producer's first acknowledged batch there on (RECIPES: not before). Without it, a fresh
   * producer id. Batches are never part of a transaction.
   */
  readonly fencedBy?: string
  /** Bytes waiting for acknowledgement over all partitions before `append` blocks; default 32 MiB. */
  readonly maxBufferedBytes?: number
  /** How long a batch may wait for its acknowledgement before `append` rejects and the producer is unusable; default 120,000. */
  readonly deliveryTimeoutMs?: number
}

export interface Appended {
  readonly baseOffset: number
  /** -1 unless the topic uses LogAppendTime. */
  readonly logAppendTime: number
  readonly logStartOffset: number
}

/** Idempotent, acks=all, in order per partition, at most five requests in flight per partition. */
export interface Producer extends AsyncDisposable {
  readonly producerId: bigint
  readonly producerEpoch: number
  /**
   * Appends one record batch (any codec; its header is rewritten in place: base offset, producer id, epoch, sequence,
   * CRC). Resolves once all in-sync replicas have it. The buffer belongs to the producer until then.
   *
   * @throws AjnaError PRODUCER_FENCED, RECORD_REJECTED (with the broker's error: too large, invalid, unauthorized),
   *   DELIVERY_UNKNOWN after the delivery timeout (the batch may or may not have been written)
   */
  append(topic: string, partition: number, batch: Buffer, signal?: AbortSignal): Promise<Appended>
  /** Bytes not yet acknowledged. */
  readonly bufferedBytes: number
  /** Waits for every append so far. */
  flush(): Promise<void>
}

export interface TransactionalProducerOptions
  extends Pick<ProducerOptions, 'maxBufferedBytes' | 'deliveryTimeoutMs'> {
  /** Whoever opens it anew aborts what its predecessor left open, and fences it. */
  readonly transactionalId: string
}

/** One transaction after another: a transaction begins with its first append. */
export interface TransactionalProducer extends AsyncDisposable {
  /** As {@link Producer.append}, as part of the transaction. Not while one is being ended. */
  append(topic: string, partition: number, batch: Buffer): Promise<Appended>
  /**
   * Waits for every append and commits; nothing to do if there was none.
   *
   * @throws AjnaError TRANSACTION_BROKEN: an append failed, so it can only be aborted; BROKER_ERROR
   */
  commit(signal: AbortSignal): Promise<void>
  /** @throws AjnaError BROKER_ERROR */
  abort(signal: AbortSignal): Promise<void>
}

export interface PartitionPosition {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

type PartitionName = Omit<PartitionPosition, 'offset'>

/** What a group has read, kept by the brokers. */
export interface GroupOffsets {
  /** In the order asked for; offset -1: none was committed. */
  committed(partitions: readonly PartitionName[], signal: AbortSignal): Promise<readonly PartitionPosition[]>
  /** While the group has no members. @throws AjnaError BROKER_ERROR */
  commit(positions: readonly PartitionPosition[], signal: AbortSignal): Promise<void>
}

export interface GroupMemberOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** These are the member's from now on; offset -1: the group has committed none. */
  readonly assigned: (partitions: readonly PartitionPosition[]) => void
  /**
   * These are no longer the member's: it reads no more of them, and answers where it has come to. That is committed before
   * they are given back, unless they were lost.
   */
  readonly revoked: (partitions: readonly PartitionName[]) => readonly PartitionPosition[]
  /** Where the member has come to: the offsets of its next records. Asked every five seconds and at the end. */
  readonly positions: () => readonly PartitionPosition[]
}

/** A member of a consumer group whose partitions the broker assigns (KIP-848; brokers of Kafka 4.0 and later). */
export interface GroupMember extends AsyncDisposable {
  readonly memberId: string
  /** Rejects when the group refuses the member for good; never resolves. */
  readonly failed: Promise<never>
  /** Commits and leaves. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface PositionedAppenderOptions {
  /** The link's stable producer id; its epoch is always 0. */
  readonly producerId: bigint
}

export type PositionedResult =
  | { readonly kind: 'appended'; readonly baseOffset: number }
  /** Another writer was there first, or the log ends elsewhere: read the log end and go on from it. Nothing was written by this call. */
  | { readonly kind: 'not-at-end' }
  /** Written, but not where asked: a foreign writer or an expired producer id. The identity of offsets is broken from `baseOffset` on. */
  | { readonly kind: 'displaced'; readonly baseOffset: number }
  /** Not known to be written: no leader, no answer in time, too few replicas. Ask for the log end, or append the same again. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  | { readonly kind: 'rejected'; readonly code: number; readonly name: string }

/** "Append only at offset X": baseSequence = (X + sequenceShift) mod 2^31 under one producer id for all time. */
export interface PositionedAppender {
  /**
   * Appends copies of batches at their source's offsets; one batch per partition per call, all partitions in as few
   * requests as their leaders allow. The batches' headers are rewritten in place (base offset 0, leader epoch -1,
   * producer id, epoch, base sequence; the CRC derived).
   */
  append(
    entries: readonly {
      readonly topic: string
      readonly partition: number
      readonly offset: number
      readonly sequence: number
      readonly batch: Buffer
    }[],
    signal: AbortSignal,
  ): Promise<readonly PositionedResult[]>
}

/** That brokers hold a client back by a quota of theirs. */
export interface Throttled {
  /** How long they last said they would, ms. */
  readonly ms: number
  /** When that ends, or ended; ms since the epoch. */
  readonly until: number
}

export interface Wire extends AsyncDisposable {
  /** Undefined: no broker has done so yet. */
  throttled(): Throttled | undefined
  metadata(topics: readonly string[] | 'all', signal: AbortSignal): Promise<readonly TopicMetadata[]>
  listOffsets(
    queries: readonly { readonly topic: string; readonly partition: number; readonly at: OffsetAt }[],
    signal: AbortSignal,
  ): Promise<readonly ListedOffset[]>
  /**
   * Where the logs of one broker's replicas end, whether it leads them or not and whether anybody does: as a debugging
   * client, whom any replica answers. Partitions it does not hold are left out.
   */
  replicaLogEnds(
    node: number,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
    signal: AbortSignal,
  ): Promise<readonly ListedOffset[]>
  fetch(options: FetchOptions): FetchStream
  producer(options: ProducerOptions, signal: AbortSignal): Promise<Producer>
  transactionalProducer(
    options: TransactionalProducerOptions,
    signal: AbortSignal,
  ): Promise<TransactionalProducer>
  group(name: string): GroupOffsets
  /** Joins in the background; the signal ends it without a word to the group, disposing it leaves. */
  joinGroup(options: GroupMemberOptions, signal: AbortSignal): GroupMember
  /** A fresh producer id, for a link to keep for ever. */
  allocateProducerId(signal: AbortSignal): Promise<bigint>
  positionedAppender(options: PositionedAppenderOptions): PositionedAppender
  /** Deletes records below the given offsets; -1 means the high watermark. Answers the new log start offsets. */
  deleteRecords(
    targets: readonly { readonly topic: string; readonly partition: number; readonly before: number }[],
    signal: AbortSignal,
  ): Promise<
    readonly { readonly topic: string; readonly partition: number; readonly logStartOffset: number }[]
  >
  /** One control record (one offset) per marker. Needs ClusterAction. */
  writeTxnMarkers(
    markers: readonly {
      readonly producerId: bigint
      readonly producerEpoch: number
      readonly coordinatorEpoch: number
      readonly commit: boolean
      readonly topic: string
      readonly partitions: readonly number[]
    }[],
    signal: AbortSignal,
  ): Promise<void>
  describeProducers(
    topic: string,
    partitions: readonly number[],
    signal: AbortSignal,
  ): Promise<
    readonly {
      readonly partition: number
      readonly producerId: bigint
      readonly producerEpoch: number
      readonly lastSequence: number
    }[]
  >
  close(): Promise<void>
}
