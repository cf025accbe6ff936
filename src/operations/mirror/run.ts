/**
 * A link at work. Each partition begins with a look at both logs, then batches flow: read committed from the source,
 * planned (`lane.ts`), appended by position. Whenever the target's answer leaves a doubt the partition drains and looks
 * again, so that a crash, a twin or a lost answer all take the same way.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { classify } from '../../foundation/wire/api-errors.ts'
import { backoffMs } from '../../foundation/wire/backoff.ts'
import type {
  FetchEvent,
  FetchStream,
  PositionedAppender,
  PositionedResult,
  Wire,
} from '../../foundation/wire/contract.ts'
import type { HaltReason, LinkAdmin, LinkSpec, LinkState, LinkStatus, LinkStore } from './contract.ts'
import { type Begin, decideBegin, gapTooLarge, type Range } from './decide.ts'
import { LINK_BATCH_REFUSED } from './errors.ts'
import { Lane, type Op } from './lane.ts'
import { claimOffsets } from './prefill.ts'
import { type LinkIds, lookAtTarget, type TargetPartition } from './target-log.ts'
import { alignSettings, type LinkSides, type ReadyTopic, readyTopics } from './topics.ts'

export interface LinkOptions {
  readonly spec: LinkSpec
  readonly source: Wire
  readonly target: Wire
  readonly sourceAdmin: LinkAdmin
  readonly targetAdmin: LinkAdmin
  readonly store: LinkStore
  readonly log: Logger
  readonly signal: AbortSignal
  /** How often topics are looked for, ms; default 2,000. Settings are aligned every fifteenth time. */
  readonly topicsEveryMs?: number
}

export interface Link extends AsyncDisposable {
  status(): LinkStatus
  /** Resolves when the link was stopped or deposed; rejects if it cannot go on at all. */
  readonly done: Promise<void>
}

const DEFAULT_MAX_GAP = 1_000_000
const DEFAULT_TOPICS_EVERY_MS = 2_000
/** After a topic was created or widened: until the brokers know of it. */
const PENDING_TOPICS_MS = 200
const MAX_QUICK_ROUNDS = 25
const SETTINGS_EVERY = 15
const BEGINNERS = 8
/** Read from the source and not yet acknowledged by the target. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
const MAX_CALLS = 4
const MAX_CALL_BYTES = 4 * 1024 * 1024
const MARKERS_PER_REQUEST = 500
const BLOCKED_RETRY_MS = 5_000
const MAX_MISSING_KEPT = 1_000
const COORDINATOR_FENCED = 'TRANSACTION_COORDINATOR_FENCED'

/** Begins the work of a link, or of one more worker of it. */
export async function startLink(options: LinkOptions): Promise<Link> {
  const state = await takeOver(options)
  const worker = new LinkWorker(options, state)
  const done = worker.run()
  done.catch(() => undefined)
  return {
    done,
    status: () => worker.status(),
    [Symbol.asyncDispose]: async () => {
      worker.stop()
      await done.catch(() => undefined)
    },
  }
}

/** The link's state with this worker's epoch: kept before anything is written under it. */
async function takeOver({ store, target, signal }: LinkOptions): Promise<LinkState> {
  const before = await store.load()
  const state: LinkState =
    before === undefined
      ? {
          version: 1,
          producerId: String(await target.allocateProducerId(signal)),
          fillerId: String(await target.allocateProducerId(signal)),
          markerId: String(await target.allocateProducerId(signal)),
          coordinatorEpoch: 1,
          topics: {},
          missing: [],
        }
      : { ...before, coordinatorEpoch: before.coordinatorEpoch + 1 }
  await store.save(state)
  return state
}

class LinkWorker {
  readonly #options: LinkOptions
  readonly #sides: LinkSides
  readonly #ids: LinkIds
  readonly #log: Logger
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  readonly #lanes = new Map<string, Lane>()
  readonly #stream: FetchStream
  readonly #copies: PositionedAppender
  readonly #fillers: PositionedAppender
  /** Lanes with something to send. */
  readonly #ready = new Set<Lane>()
  readonly #startedAt = Date.now()
  #state: LinkState
  #saving: Promise<void> = Promise.resolve()
  #phase: LinkStatus['state'] = 'starting'
  #reason = ''
  #fault: unknown
  #waitingBytes = 0
  #room: (() => void) | undefined
  #calls = 0
  #kicked = false
  #beginning = 0
  readonly #waitingToBegin: (() => void)[] = []

  constructor(options: LinkOptions, state: LinkState) {
    this.#options = options
    this.#sides = options
    this.#state = state
    this.#log = options.log
    this.#signal = AbortSignal.any([options.signal, this.#ending.signal])
    this.#ids = {
      producerId: BigInt(state.producerId),
      fillerId: BigInt(state.fillerId),
      markerId: BigInt(state.markerId),
    }
    this.#copies = options.target.positionedAppender({ producerId: this.#ids.producerId })
    this.#fillers = options.target.positionedAppender({ producerId: this.#ids.fillerId })
    this.#stream = options.source.fetch({
      from: [],
      isolation: 'read_committed',
      recycle: true,
      signal: this.#signal,
    })
  }

  async run(): Promise<void> {
    try {
      await Promise.race([this.#keepTopics(), this.#readSource()])
    } catch (error) {
      if (!this.#signal.aborted) {
        this.#reason = describeError(error)
        throw error
      }
    } finally {
      if (this.#phase !== 'deposed') this.#phase = 'stopped'
      this.#ending.abort(new Error('the link was stopped'))
      await this.#stream[Symbol.asyncDispose]()
      for (const lane of this.#lanes.values()) this.#drop(lane)
      await this.#saving
    }
    if (this.#fault !== undefined) throw this.#fault
  }

  stop(): void {
    this.#ending.abort(new Error('the link was stopped'))
  }

  status(): LinkStatus {
    const now = Date.now()
    const partitions = [...this.#lanes.values()].map(lane => lane.status(now))
    partitions.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
    const identity = { link: this.#options.spec.name, state: this.#phase, reason: this.#reason }
    return { ...identity, startedAt: this.#startedAt, observedAt: now, partitions }
  }

  /* ---- topics ---- */

  async #keepTopics(): Promise<void> {
    const everyMs = this.#options.topicsEveryMs ?? DEFAULT_TOPICS_EVERY_MS
    let quickRounds = 0
    for (let round = 0; ; round++) {
      let pauseMs = everyMs
      try {
        const { topics, pending } = await readyTopics(this.#sides, this.#signal)
        for (const topic of topics) await this.#adopt(topic)
        if (round % SETTINGS_EVERY === 0)
          await alignSettings(
            this.#sides,
            topics.map(({ name }) => name),
            this.#signal,
          )
        if (this.#phase === 'starting') this.#phase = 'running'
        this.#reason = ''
        quickRounds = pending ? quickRounds + 1 : 0
        if (pending && quickRounds <= MAX_QUICK_ROUNDS) pauseMs = Math.min(everyMs, PENDING_TOPICS_MS)
      } catch (error) {
        this.#signal.throwIfAborted()
        const reason = describeError(error)
        if (reason !== this.#reason) this.#log.warn({ reason }, 'topics cannot be looked at; trying on')
        this.#reason = reason
      }
      await sleep(pauseMs, undefined, { signal: this.#signal })
    }
  }

  async #adopt({ name, sourceId, partitions }: ReadyTopic): Promise<void> {
    const known = this.#state.topics[name]
    if (known === undefined) await this.#save({ topics: { ...this.#state.topics, [name]: { sourceId } } })
    const recreated = known !== undefined && known.sourceId !== sourceId
    for (let partition = 0; partition < partitions; partition++) {
      const key = `${name}/${partition}`
      let lane = this.#lanes.get(key)
      if (lane === undefined) {
        lane = new Lane(name, partition, Date.now())
        for (const { topic, partition: index, from, to } of this.#state.missing) {
          if (topic === name && index === partition) lane.missing.push({ from, to })
        }
        this.#lanes.set(key, lane)
        if (!recreated) void this.#begin(lane)
      } else if (lane.halted === 'source-gone' && !recreated && lane.inFlight === 0) {
        lane.become('starting', 'the source has the topic again', Date.now())
        void this.#begin(lane)
      }
      if (recreated) this.#haltRecreated(lane, known.sourceId, sourceId)
    }
  }

  #haltRecreated(lane: Lane, oldId: string, newId: string): void {
    this.#halt(
      lane,
      'source-recreated',
      `the source's topic was deleted and created again (${oldId}, now ${newId}); the copy holds the old one's records`,
    )
  }

  #save(change: Partial<LinkState>): Promise<void> {
    this.#state = { ...this.#state, ...change }
    const state = this.#state
    this.#saving = this.#saving.catch(() => undefined).then(() => this.#options.store.save(state))
    return this.#saving
  }

  /* ---- beginning ---- */

  /** Looks at both logs until the lane can copy, or has to halt. */
  async #begin(lane: Lane): Promise<void> {
    lane.open = false
    try {
      while (!this.#signal.aborted) {
        const pauseMs = lane.state === 'blocked' ? BLOCKED_RETRY_MS : backoffMs(lane.failures)
        await sleep(pauseMs, undefined, { signal: this.#signal })
        if (await this.#tryToBegin(lane)) return
      }
    } catch (error) {
      if (!this.#signal.aborted) this.#fail(error)
    }
  }

  async #tryToBegin(lane: Lane): Promise<boolean> {
    await this.#beginnersTurn()
    try {
      const decision = await this.#look(lane)
      return decision === undefined || (await this.#act(lane, decision.begin, decision.nextSequence))
    } catch (error) {
      this.#signal.throwIfAborted()
      lane.failures++
      const reason = describeError(error)
      const { topic, partition } = lane
      if (reason !== lane.reason)
        this.#log.warn({ topic, partition, reason }, 'the partition cannot begin; trying on')
      lane.become(isRefusal(error) ? 'blocked' : 'waiting', reason, Date.now())
      return false
    } finally {
      this.#beginning--
      this.#waitingToBegin.shift()?.()
    }
  }

  async #beginnersTurn(): Promise<void> {
    while (this.#beginning >= BEGINNERS) {
      await new Promise<void>(resolve => this.#waitingToBegin.push(resolve))
      this.#signal.throwIfAborted()
    }
    this.#beginning++
  }

  async #look(lane: Lane): Promise<{ begin: Begin; nextSequence: number } | undefined> {
    const { topic, partition } = lane
    const { source, spec } = this.#options
    const queries = [
      { topic, partition, at: 'earliest' as const },
      { topic, partition, at: 'latest' as const },
    ]
    const target = await lookAtTarget(this.#targetOf(lane), this.#signal)
    // The source last: what it had when the target was looked at, it has still or retention took it.
    const [earliest, latest] = await source.listOffsets(queries, this.#signal)
    Object.assign(lane, { sourceStart: earliest!.offset, sourceEnd: latest!.offset, targetEnd: target.end })
    const policy = { onLoss: spec.onLoss ?? 'halt', maxGap: spec.maxGap ?? DEFAULT_MAX_GAP }
    const begin = decideBegin({ logStart: earliest!.offset, end: latest!.offset }, target, policy)
    return { begin, nextSequence: target.nextSequence }
  }

  /** Answers whether the lane is done with beginning. */
  async #act(lane: Lane, begin: Begin, nextSequence: number): Promise<boolean> {
    const { topic, partition } = lane
    switch (begin.kind) {
      case 'halt':
        this.#halt(lane, begin.halted, begin.reason)
        return true
      case 'copy':
        lane.begin(begin.from, nextSequence, Date.now())
        this.#stream.reposition(topic, partition, begin.from)
        return true
      case 'sweep':
        await this.#options.target.deleteRecords([{ topic, partition, before: begin.before }], this.#signal)
        return false
      case 'prefill': {
        lane.become(
          'filling',
          `claiming offsets ${begin.from} to ${begin.to - 1}, which the source no longer has`,
          Date.now(),
        )
        if (begin.missing !== undefined) await this.#noteMissing(lane, begin.missing)
        const result = await claimOffsets(this.#targetOf(lane), this.#fillers, begin, this.#signal)
        if (result.kind !== 'appended')
          this.#log.info({ topic, partition, result }, 'claiming offsets was interrupted; looking again')
        if (result.kind === 'rejected')
          throw new AjnaError(LINK_BATCH_REFUSED, `${topic}-${partition}: ${result.name}`)
        if (result.kind === 'unavailable') lane.failures++
        return false
      }
      case 'fill':
        await this.#noteMissing(lane, begin.missing)
        lane.become('filling', `filling offsets ${begin.missing.from} to ${begin.missing.to - 1}`, Date.now())
        await this.#writeMarkers(lane, begin.missing)
        lane.filledOffsets += begin.missing.to - begin.missing.from
        return false
      default:
        return begin satisfies never
    }
  }

  async #noteMissing(lane: Lane, range: Range): Promise<void> {
    const { topic, partition } = lane
    if (lane.missing.some(({ from, to }) => from === range.from && to === range.to)) return
    lane.missing.push(range)
    this.#log.error(
      { topic, partition, ...range },
      'retention at the source overtook the link: these offsets are lost',
    )
    await this.#save({
      missing: [...this.#state.missing, { topic, partition, ...range }].slice(-MAX_MISSING_KEPT),
    })
  }

  #targetOf({ topic, partition }: Lane): TargetPartition {
    return { wire: this.#options.target, ids: this.#ids, topic, partition }
  }

  /* ---- reading ---- */

  async #readSource(): Promise<void> {
    for await (const event of this.#stream) {
      this.#handle(event)
      if (this.#waitingBytes > MAX_WAITING_BYTES) await this.#hasRoom()
    }
  }

  async #hasRoom(): Promise<void> {
    while (this.#waitingBytes > MAX_WAITING_BYTES && !this.#signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#room = resolve
      this.#kick()
      await promise
    }
  }

  #handle(event: FetchEvent): void {
    switch (event.kind) {
      case 'caught-up':
        return
      case 'recreated':
        for (const lane of this.#lanes.values())
          if (lane.topic === event.topic) this.#haltRecreated(lane, event.oldId, event.newId)
        return
      default: {
        const lane = this.#lanes.get(`${event.topic}/${event.partition}`)
        if (lane?.open === true && !lane.draining) this.#handleOf(lane, event)
      }
    }
  }

  #handleOf(lane: Lane, event: Exclude<FetchEvent, { kind: 'caught-up' | 'recreated' }>): void {
    switch (event.kind) {
      case 'batches':
        this.#read(lane, event)
        return
      case 'out-of-range':
        // Both logs are looked at again: what it means is decided there.
        this.#drain(
          lane,
          `offset ${event.position} is outside the source's log, ${event.logStartOffset} to ${event.highWatermark}`,
        )
        return
      case 'truncated':
        this.#halt(
          lane,
          'source-truncated',
          `the source's log was cut to ${event.endOffset}; ${event.position} offsets were copied already`,
        )
        return
      case 'gone':
        this.#halt(lane, 'source-gone', 'the source has the topic no more')
        return
      case 'corrupt':
        this.#halt(lane, 'source-corrupt', `offset ${event.offset}: ${describeError(event.error)}`)
        return
      case 'refused':
        this.#drain(lane, describeError(event.error))
        return
      default:
        event satisfies never
    }
  }

  #read(lane: Lane, event: Extract<FetchEvent, { kind: 'batches' }>): void {
    const before = lane.queuedBytes
    let fault: unknown
    try {
      lane.read(event, Date.now())
    } catch (error) {
      fault = error
    }
    this.#waitingBytes += lane.queuedBytes - before
    if (fault === undefined) this.#offer(lane)
    else this.#halt(lane, 'source-corrupt', describeError(fault))
  }

  /* ---- writing ---- */

  #offer(lane: Lane): void {
    if (!lane.sendable) return
    this.#ready.add(lane)
    this.#kick()
  }

  #kick(): void {
    if (this.#kicked) return
    this.#kicked = true
    setImmediate(() => {
      this.#kicked = false
      if (!this.#signal.aborted) this.#pump()
    })
  }

  #pump(): void {
    while (this.#calls < MAX_CALLS) {
      const call = this.#gather()
      if (call.length === 0) return
      void this.#send(call)
    }
  }

  #gather(): Taken[] {
    const call: Taken[] = []
    let bytes = 0
    for (const lane of this.#ready) {
      if (bytes >= MAX_CALL_BYTES) break
      this.#ready.delete(lane)
      if (!lane.sendable) continue
      if (lane.head!.kind === 'fill') {
        if (lane.inFlight === 0) void this.#fill(lane)
        continue
      }
      const taken = lane.take()
      call.push({ lane, ...taken })
      bytes += taken.op.batch.length
    }
    for (const { lane } of call) if (lane.sendable) this.#ready.add(lane)
    return call
  }

  async #send(call: readonly Taken[]): Promise<void> {
    this.#calls++
    try {
      const entries = call.map(({ lane, op, sequence }) => {
        const { topic, partition } = lane
        return { topic, partition, offset: op.offset, sequence, batch: op.batch }
      })
      const results = await this.#copies.append(entries, this.#signal)
      for (const [index, taken] of call.entries()) this.#answered(taken, results[index]!)
    } catch (error) {
      if (!this.#signal.aborted) this.#fail(error)
    } finally {
      this.#calls--
      if (this.#ready.size > 0) this.#kick()
    }
  }

  #answered({ lane, op }: Taken, result: PositionedResult): void {
    lane.inFlight--
    op.release()
    this.#free(op.batch.length)
    switch (result.kind) {
      case 'appended':
        if (!lane.draining) lane.appended(op, Date.now())
        break
      case 'not-at-end':
        this.#drain(lane, `offset ${op.offset} is not where the target's log ends`)
        break
      case 'unavailable':
        lane.failures++
        this.#drain(lane, result.reason)
        break
      case 'displaced':
        this.#halt(
          lane,
          'offsets-displaced',
          `the batch for offset ${op.offset} was written at ${result.baseOffset}: something else writes to the copy`,
        )
        break
      case 'rejected':
        lane.failures++
        this.#drain(lane, `the target refuses the batch at offset ${op.offset}: ${result.name}`, 'blocked')
        break
      default:
        result satisfies never
    }
    this.#goOn(lane)
  }

  /** After something ended: sends on, or, when drained, begins anew. */
  #goOn(lane: Lane): void {
    if (!lane.draining) this.#offer(lane)
    else if (lane.inFlight === 0 && !lane.filling && lane.open) void this.#begin(lane)
  }

  async #fill(lane: Lane): Promise<void> {
    const gap = lane.head as Extract<Op, { kind: 'fill' }>
    const { maxGap = DEFAULT_MAX_GAP } = this.#options.spec
    if (gap.to - gap.from > maxGap) {
      const { halted, reason } = gapTooLarge(gap, maxGap)
      this.#halt(lane, halted, reason)
      return
    }
    lane.filling = true
    const range = { from: gap.from, to: gap.to }
    if (range.to - range.from > 1)
      lane.become('filling', `filling offsets ${range.from} to ${range.to - 1}`, Date.now())
    try {
      await this.#writeMarkers(lane, range)
      if (!lane.draining) lane.filled(range.to)
    } catch (error) {
      if (!this.#signal.aborted) {
        lane.failures++
        this.#drain(lane, describeError(error))
      }
    } finally {
      lane.filling = false
    }
    if (this.#signal.aborted) return
    lane.settle(Date.now())
    this.#goOn(lane)
  }

  /** One offset each. Nothing guards them but the coordinator epoch: only for a log that is known to end at `from`. */
  async #writeMarkers({ topic, partition }: Lane, { from, to }: Range): Promise<void> {
    const { markerId: producerId } = this.#ids
    const { coordinatorEpoch } = this.#state
    const marker = {
      producerId,
      producerEpoch: 0,
      coordinatorEpoch,
      commit: false,
      topic,
      partitions: [partition],
    }
    try {
      for (let left = to - from; left > 0; left -= MARKERS_PER_REQUEST) {
        const markers = Array.from({ length: Math.min(left, MARKERS_PER_REQUEST) }, () => marker)
        await this.#options.target.writeTxnMarkers(markers, this.#signal)
      }
    } catch (error) {
      if (error instanceof AjnaError && error.details['name'] === COORDINATOR_FENCED) this.#depose()
      throw error
    }
  }

  #depose(): void {
    this.#phase = 'deposed'
    this.#reason = 'a worker that started later does the work'
    this.#log.warn(this.#reason)
    this.#ending.abort(new Error(this.#reason))
  }

  /* ---- stopping ---- */

  /** Sends nothing more of a lane; once nothing is in flight, it begins anew. */
  #drain(lane: Lane, reason: string, state: 'waiting' | 'blocked' = 'waiting'): void {
    const first = !lane.draining
    lane.draining = true
    this.#drop(lane)
    if (!first) return
    this.#log.info({ topic: lane.topic, partition: lane.partition, reason }, 'looking at both logs again')
    this.#stream.remove(lane.topic, lane.partition)
    lane.become(state, reason, Date.now())
    this.#goOn(lane)
  }

  #halt(lane: Lane, halted: HaltReason, reason: string): void {
    if (lane.halted === halted) return
    this.#log.error(
      { topic: lane.topic, partition: lane.partition, halted, reason },
      'the partition is halted',
    )
    this.#stream.remove(lane.topic, lane.partition)
    lane.open = false
    lane.draining = true
    this.#drop(lane)
    lane.become('halted', reason, Date.now(), halted)
  }

  #drop(lane: Lane): void {
    this.#ready.delete(lane)
    const bytes = lane.queuedBytes
    lane.drop()
    this.#free(bytes)
  }

  #free(bytes: number): void {
    this.#waitingBytes -= bytes
    this.#room?.()
  }

  /** A fault of this program: the whole worker ends, and is started anew. */
  #fail(error: unknown): void {
    this.#log.error({ err: error }, 'the link ends')
    this.#reason = describeError(error)
    this.#fault ??= error
    this.#ending.abort(error)
  }
}

interface Taken {
  readonly lane: Lane
  readonly op: Extract<Op, { kind: 'append' }>
  readonly sequence: number
}

/** Whether somebody has to change something before it can succeed. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof AjnaError)) return false
  const code = error.details['code']
  return (
    error.code === LINK_BATCH_REFUSED.code ||
    (typeof code === 'number' && classify(code).class === 'unauthorized')
  )
}
