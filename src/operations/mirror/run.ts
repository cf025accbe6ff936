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
import { type BeginContext, type Begun, beginOnce, DEFAULT_MAX_GAP, NOT_HELD } from './begin.ts'
import type { HaltReason, LinkAdmin, LinkSpec, LinkStatus, LinkStore } from './contract.ts'
import { gapTooLarge } from './decide.ts'
import { LINK_BATCH_REFUSED } from './errors.ts'
import { type Append, Lane, type Op } from './lane.ts'
import { fillWithMarkers, isDeposed } from './markers.ts'
import { type KeptState, takeOver } from './state.ts'
import { alignSettings, type ReadyTopic, readyTopics } from './topics.ts'

export interface LinkOptions {
  readonly spec: LinkSpec
  readonly source: Wire
  readonly target: Wire
  readonly sourceAdmin: LinkAdmin
  readonly targetAdmin: LinkAdmin
  readonly store: LinkStore
  readonly log: Logger
  readonly signal: AbortSignal
  /**
   * Whether this worker holds the link now. Appends of two workers at once are harmless, markers are not wholly: they are
   * written only while this says so. Default: always.
   */
  readonly holds?: () => boolean
  /** How often topics are looked for, ms; default 2,000. Settings are aligned every fifteenth time. */
  readonly topicsEveryMs?: number
}

export interface Link extends AsyncDisposable {
  status(): LinkStatus
  /** Resolves when the link was stopped or deposed; rejects if it cannot go on at all. */
  readonly done: Promise<void>
}

const DEFAULT_TOPICS_EVERY_MS = 2_000
/** After a topic was created or widened: until the brokers know of it. */
const PENDING_TOPICS_MS = 200
const MAX_QUICK_ROUNDS = 25
const SETTINGS_EVERY = 15
const BEGINNERS = 8
/** In one answer of the source: more of them would only leave the processor's cache before they are sent on. */
const MAX_FETCH_BYTES = 4 * 1024 * 1024
/** Read from the source and not yet acknowledged by the target. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
const MAX_CALLS = 4
const MAX_CALL_BYTES = 4 * 1024 * 1024
const BLOCKED_RETRY_MS = 5_000

/** Begins the work of a link, or of one more worker of it. */
export async function startLink(options: LinkOptions): Promise<Link> {
  const state = await takeOver(options.store, options.target, options.signal)
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

class LinkWorker {
  readonly #options: LinkOptions
  readonly #state: KeptState
  readonly #context: BeginContext
  readonly #log: Logger
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  readonly #lanes = new Map<string, Lane>()
  readonly #stream: FetchStream
  readonly #copies: PositionedAppender
  /** Lanes with something to send. */
  readonly #ready = new Set<Lane>()
  readonly #startedAt = Date.now()
  #phase: LinkStatus['state'] = 'starting'
  #reason = ''
  #fault: unknown
  #waitingBytes = 0
  #room: (() => void) | undefined
  #calls = 0
  #kicked = false
  #beginning = 0
  readonly #waitingToBegin: (() => void)[] = []

  constructor(options: LinkOptions, state: KeptState) {
    this.#options = options
    this.#state = state
    this.#log = options.log
    const { source, target } = options
    const signal = AbortSignal.any([options.signal, this.#ending.signal])
    this.#signal = signal
    this.#copies = target.positionedAppender({ producerId: state.ids.producerId })
    const fillers = target.positionedAppender({ producerId: state.ids.fillerId })
    this.#context = { ...options, state, fillers, signal }
    this.#stream = source.fetch({
      from: [],
      isolation: 'read_committed',
      maxBytes: MAX_FETCH_BYTES,
      recycle: true,
      signal,
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
      await this.#state.settled()
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
        const { topics, pending } = await readyTopics(this.#options, this.#signal)
        for (const topic of topics) await this.#adopt(topic)
        if (round % SETTINGS_EVERY === 0)
          await alignSettings(
            this.#options,
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
    const known = this.#state.sourceIdOf(name)
    if (known === undefined) await this.#state.adopt(name, sourceId)
    const recreated = known !== undefined && known !== sourceId
    for (let partition = 0; partition < partitions; partition++) {
      const lane = this.#lanes.get(`${name}/${partition}`) ?? this.#addLane(name, partition)
      if (recreated) this.#haltRecreated(lane, known, sourceId)
      else if (lane.halted === 'source-gone' && lane.inFlight === 0) {
        lane.become('starting', 'the source has the topic again', Date.now())
        void this.#begin(lane)
      } else if (!lane.begun) void this.#begin(lane)
    }
  }

  #addLane(topic: string, partition: number): Lane {
    const lane = new Lane(topic, partition, Date.now())
    lane.missing.push(...this.#state.missingOf(topic, partition))
    this.#lanes.set(lane.key, lane)
    return lane
  }

  #haltRecreated(lane: Lane, oldId: string, newId: string): void {
    this.#halt(
      lane,
      'source-recreated',
      `the source's topic was deleted and created again (${oldId}, now ${newId}); the copy holds the old one's records`,
    )
  }

  /* ---- beginning ---- */

  /** Looks at both logs until the lane can copy, or has to halt. */
  async #begin(lane: Lane): Promise<void> {
    lane.begun = true
    lane.open = false
    try {
      do {
        const pauseMs = lane.state === 'blocked' ? BLOCKED_RETRY_MS : backoffMs(lane.failures)
        await sleep(pauseMs, undefined, { signal: this.#signal })
      } while (lane.halted === null && !(await this.#tryToBegin(lane)))
    } catch (error) {
      if (!this.#signal.aborted) this.#fail(error)
    }
  }

  /** Answers whether the lane is done with beginning. */
  async #tryToBegin(lane: Lane): Promise<boolean> {
    await this.#beginnersTurn()
    try {
      const begun = await beginOnce(this.#context, lane)
      // It may have been halted meanwhile.
      return lane.halted !== null || this.#takeUp(lane, begun)
    } catch (error) {
      this.#signal.throwIfAborted()
      if (isDeposed(error)) this.#depose()
      this.#postpone(lane, error)
      return false
    } finally {
      this.#beginning--
      this.#waitingToBegin.shift()?.()
    }
  }

  #takeUp(lane: Lane, begun: Begun): boolean {
    switch (begun.kind) {
      case 'again':
        if (begun.failed) lane.failures++
        return false
      case 'halt':
        this.#halt(lane, begun.halted, begun.reason)
        return true
      case 'copy':
        lane.begin(begun.from, begun.sequence, Date.now())
        this.#stream.reposition(lane.topic, lane.partition, begun.from)
        return true
      default:
        return begun satisfies never
    }
  }

  #postpone(lane: Lane, error: unknown): void {
    const { topic, partition } = lane
    const reason = describeError(error)
    lane.failures++
    if (reason !== lane.reason)
      this.#log.warn({ topic, partition, reason }, 'the partition cannot begin; trying on')
    lane.become(isRefusal(error) ? 'blocked' : 'waiting', reason, Date.now())
  }

  async #beginnersTurn(): Promise<void> {
    while (this.#beginning >= BEGINNERS) {
      await new Promise<void>(resolve => this.#waitingToBegin.push(resolve))
      this.#signal.throwIfAborted()
    }
    this.#beginning++
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

  #gather(): Append[] {
    const call: Append[] = []
    let bytes = 0
    for (const lane of this.#ready) {
      if (bytes >= MAX_CALL_BYTES) break
      this.#ready.delete(lane)
      if (!lane.sendable) continue
      if (lane.head!.kind === 'fill') {
        if (lane.inFlight === 0) void this.#fill(lane)
        continue
      }
      const op = lane.take()
      call.push(op)
      bytes += op.batch.length
    }
    for (const { lane } of call) if (lane.sendable) this.#ready.add(lane)
    return call
  }

  async #send(call: readonly Append[]): Promise<void> {
    this.#calls++
    try {
      const results = await this.#copies.append(call, this.#signal)
      const now = Date.now()
      for (const [index, op] of call.entries()) this.#answered(op, results[index]!, now)
    } catch (error) {
      if (!this.#signal.aborted) this.#fail(error)
    } finally {
      this.#calls--
      if (this.#ready.size > 0) this.#kick()
    }
  }

  #answered(op: Append, result: PositionedResult, now: number): void {
    const { lane } = op
    lane.inFlight--
    op.release()
    this.#free(op.batch.length)
    switch (result.kind) {
      case 'appended':
        if (!lane.draining) lane.appended(op, now)
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
    if (this.#options.holds?.() === false) {
      lane.failures++
      this.#drain(lane, NOT_HELD)
      return
    }
    lane.filling = true
    const range = { from: gap.from, to: gap.to }
    if (range.to - range.from > 1)
      lane.become('filling', `filling offsets ${range.from} to ${range.to - 1}`, Date.now())
    try {
      const author = { producerId: this.#state.ids.markerId, coordinatorEpoch: this.#state.coordinatorEpoch }
      await fillWithMarkers(this.#options.target, author, lane, range, this.#signal)
      if (!lane.draining) lane.filled(range.to)
    } catch (error) {
      if (isDeposed(error)) this.#depose()
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

/** Whether somebody has to change something before it can succeed. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof AjnaError)) return false
  const code = error.details['code']
  return (
    error.code === LINK_BATCH_REFUSED.code ||
    (typeof code === 'number' && classify(code).class === 'unauthorized')
  )
}
