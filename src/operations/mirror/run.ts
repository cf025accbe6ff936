/**
 * A link at work. Each partition begins with a look at both logs, then batches flow (`copy.ts`): read committed from the
 * source, planned (`lane.ts`), appended by position. Whenever the target's answer leaves a doubt the partition drains and
 * looks again, so that a crash, a twin or a lost answer all take the same way.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { classify } from '../../foundation/wire/api-errors.ts'
import { backoffMs } from '../../foundation/wire/backoff.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { type BeginContext, type Begun, beginOnce, DEFAULT_MAX_GAP, NOT_HELD } from './begin.ts'
import type { HaltReason, LinkAdmin, LinkSpec, LinkStatus, LinkStore } from './contract.ts'
import { CopyPath } from './copy.ts'
import { gapTooLarge } from './decide.ts'
import { LINK_BATCH_REFUSED } from './errors.ts'
import { Lane, type Op } from './lane.ts'
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
  readonly #path: CopyPath
  readonly #startedAt = Date.now()
  #phase: LinkStatus['state'] = 'starting'
  #reason = ''
  #fault: unknown
  #beginning = 0
  readonly #waitingToBegin: (() => void)[] = []

  constructor(options: LinkOptions, state: KeptState) {
    this.#options = options
    this.#state = state
    this.#log = options.log
    const { source, target } = options
    const signal = AbortSignal.any([options.signal, this.#ending.signal])
    this.#signal = signal
    const fillers = target.positionedAppender({ producerId: state.ids.fillerId })
    this.#context = { ...options, state, fillers, signal }
    this.#path = new CopyPath({
      source,
      target,
      producerId: state.ids.producerId,
      lanes: this.#lanes,
      events: {
        doubt: (lane, reason, phase) => this.#drain(lane, reason, phase),
        halt: (lane, halted, reason) => this.#halt(lane, halted, reason),
        recreated: (topic, oldId, newId) => {
          for (const lane of this.#lanes.values())
            if (lane.topic === topic) this.#haltRecreated(lane, oldId, newId)
        },
        gap: lane => void this.#fill(lane),
        drained: lane => void this.#begin(lane),
        fail: error => this.#fail(error),
      },
      signal,
    })
  }

  async run(): Promise<void> {
    try {
      await Promise.race([this.#keepTopics(), this.#path.run()])
    } catch (error) {
      if (!this.#signal.aborted) {
        this.#reason = describeError(error)
        throw error
      }
    } finally {
      if (this.#phase !== 'deposed') this.#phase = 'stopped'
      this.#ending.abort(new Error('the link was stopped'))
      await this.#path[Symbol.asyncDispose]()
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
        this.#path.open(lane, begun.from, begun.sequence)
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

  /* ---- gaps ---- */

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
    this.#path.goOn(lane)
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
    if (lane.draining) return
    lane.draining = true
    this.#path.close(lane)
    this.#log.info({ topic: lane.topic, partition: lane.partition, reason }, 'looking at both logs again')
    lane.become(state, reason, Date.now())
    this.#path.goOn(lane)
  }

  #halt(lane: Lane, halted: HaltReason, reason: string): void {
    if (lane.halted === halted) return
    this.#log.error(
      { topic: lane.topic, partition: lane.partition, halted, reason },
      'the partition is halted',
    )
    lane.open = false
    lane.draining = true
    this.#path.close(lane)
    lane.become('halted', reason, Date.now(), halted)
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
