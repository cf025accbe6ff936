/**
 * The data path of a link's worker: what is fetched goes into lanes, what lanes have ready is sent, many partitions in a
 * call. It decides nothing: whatever is not plain copying it reports, and stops sending the lane until it is opened again.
 */
import { describeError } from '../../foundation/errors/errors.ts'
import type {
  FetchEvent,
  FetchStream,
  PositionedAppender,
  PositionedResult,
  Wire,
} from '../../foundation/wire/contract.ts'
import type { HaltReason } from './contract.ts'
import type { RecordFilter } from './headers.ts'
import type { Append, Lane, LaneBegin } from './lane.ts'
import { createParking, type Parking } from './parking.ts'
import type { Throttle } from './throttle.ts'

/** In one answer of the source: more of them would only leave the processor's cache before they are sent on. */
const MAX_FETCH_BYTES = 4 * 1024 * 1024
/** Read from the source and not yet acknowledged by the target. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
const MAX_CALLS = 4
const MAX_CALL_BYTES = 4 * 1024 * 1024
/** A partition that no broker of the source serves for so long says so: leaders that move are found sooner. */
const UNSERVED_MS = 5_000
/** Lanes that a limit holds back are looked at no oftener. */
const MIN_HELD_MS = 5

export interface Refusal {
  readonly reason: string
  /** The batch is larger than the target takes. */
  readonly tooLarge: boolean
}

/** What the data path reports; each may call back into it. */
export interface CopyEvents {
  /** The target's answer, or the source's, leaves a doubt: both logs have to be looked at again. */
  doubt(lane: Lane, reason: string): void
  /** Somebody has to allow or fix something. */
  blocked(lane: Lane, refusal: Refusal): void
  /** Somebody has to decide. */
  halt(lane: Lane, halted: HaltReason, reason: string): void
  recreated(topic: string, oldId: string, newId: string): void
  /** A gap is at the lane's head; unless gaps may be mapped, nothing of it is in flight. */
  gap(lane: Lane): void
  /** A draining lane has nothing in flight any more. */
  drained(lane: Lane): void
  /** A fault of this program. */
  fail(error: unknown): void
}

export interface CopyPathOptions {
  readonly source: Wire
  readonly target: Wire
  /** Under which everything is appended. */
  readonly producerId: bigint
  /** The lane of a partition, by topic/partition. */
  readonly lanes: ReadonlyMap<string, Lane>
  readonly throttle: Throttle
  /** Of the records that are copied; asked for at each fetch. */
  readonly filter: () => RecordFilter | undefined
  /** Whether copies may have other offsets than their source. */
  readonly maps: () => boolean
  readonly events: CopyEvents
  readonly signal: AbortSignal
}

export class CopyPath {
  readonly #events: CopyEvents
  readonly #signal: AbortSignal
  readonly #lanes: ReadonlyMap<string, Lane>
  readonly #stream: FetchStream
  readonly #copies: PositionedAppender
  /** Lanes with something to send. */
  readonly #ready = new Set<Lane>()
  readonly #throttle: Throttle
  readonly #filter: () => RecordFilter | undefined
  readonly #maps: () => boolean
  /** Lanes with something to send that a limit holds back, in turn. */
  readonly #held = new Set<Lane>()
  #holding: NodeJS.Timeout | undefined
  readonly #parking: Parking<Lane>
  #waitingBytes = 0
  #room: (() => void) | undefined
  #calls = 0
  #kicked = false

  constructor({
    source,
    target,
    producerId,
    lanes,
    throttle,
    filter,
    maps,
    events,
    signal,
  }: CopyPathOptions) {
    this.#events = events
    this.#throttle = throttle
    this.#filter = filter
    this.#maps = maps
    this.#parking = createParking<Lane>({
      limits: throttle.limits,
      open: lane => this.#readOn(lane),
      close: lane => this.#stream.remove(lane.topic, lane.partition),
    })
    this.#signal = signal
    this.#lanes = lanes
    this.#copies = target.positionedAppender({ producerId })
    this.#stream = source.fetch({
      from: [],
      isolation: 'read_committed',
      maxBytes: MAX_FETCH_BYTES,
      recycle: true,
      noticeAfterMs: UNSERVED_MS,
      signal,
    })
  }

  /** Reads until the signal aborts. */
  async run(): Promise<void> {
    for await (const event of this.#stream) {
      this.#handle(event)
      if (this.#waitingBytes > MAX_WAITING_BYTES) await this.#hasRoom()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#holding)
    await this.#stream[Symbol.asyncDispose]()
    for (const lane of this.#lanes.values()) this.#drop(lane)
  }

  /** Copying of a lane begins, or goes on, where both logs stand. */
  open(lane: Lane, begin: LaneBegin): void {
    lane.begin(begin, Date.now())
    this.#readOn(lane)
  }

  /** Where it stands; a source whose log was cut meanwhile says so by the epoch of what was read last. */
  #readOn(lane: Lane): void {
    const { topic, partition, next, epoch } = lane
    // What was said of it is of before; the stream begins to count anew.
    lane.unserved = ''
    this.#stream.reposition(topic, partition, next, epoch)
  }

  /** Nothing more of a lane is read or sent; what is in flight is still answered. */
  close(lane: Lane): void {
    this.#parking.forget(lane)
    this.#stream.remove(lane.topic, lane.partition)
    this.#drop(lane)
  }

  /** Limits were changed: what they held back may be free now. */
  limitsChanged(): void {
    this.#release()
    this.#parking.review(Date.now())
  }

  /** After something ended: sends on, or says that the lane is drained. */
  goOn(lane: Lane): void {
    if (!lane.draining) this.#offer(lane)
    else if (lane.inFlight === 0 && !lane.filling && lane.open) this.#events.drained(lane)
  }

  /* ---- reading ---- */

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
        this.#events.recreated(event.topic, event.oldId, event.newId)
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
        this.#events.doubt(
          lane,
          `offset ${event.position} is outside the source's log, ${event.logStartOffset} to ${event.highWatermark}`,
        )
        return
      case 'truncated':
        this.#events.halt(
          lane,
          'source-truncated',
          `the source's log was cut to ${event.endOffset}; ${event.position} offsets were copied already`,
        )
        return
      case 'gone':
        this.#events.halt(lane, 'source-gone', 'the source has the topic no more')
        return
      case 'corrupt':
        this.#events.halt(lane, 'source-corrupt', `offset ${event.offset}: ${describeError(event.error)}`)
        return
      case 'refused':
        this.#events.blocked(lane, {
          reason: `the source refuses to be read: ${describeError(event.error)}`,
          tooLarge: false,
        })
        return
      case 'unserved':
      case 'served':
        lane.unserved = event.kind === 'served' ? '' : `the source does not serve it: ${event.reason}`
        lane.settle(Date.now())
        return
      default:
        event satisfies never
    }
  }

  #read(lane: Lane, event: Extract<FetchEvent, { kind: 'batches' }>): void {
    if (!this.#parking.admits(lane, Date.now())) return
    const before = lane.queuedBytes
    let fault: unknown
    try {
      lane.read(event, Date.now(), this.#filter())
    } catch (error) {
      fault = error
    }
    this.#wait(lane, lane.queuedBytes - before)
    if (fault === undefined) this.#offer(lane)
    else this.#events.halt(lane, 'source-corrupt', describeError(fault))
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
    const now = Date.now()
    let bytes = 0
    for (const lane of this.#ready) {
      if (bytes >= MAX_CALL_BYTES) break
      this.#ready.delete(lane)
      if (!lane.sendable) continue
      if (lane.head!.kind === 'fill') {
        if (lane.inFlight === 0 || this.#maps()) this.#events.gap(lane)
        continue
      }
      const waitMs = this.#throttle.waitMs(lane.topic, now)
      if (waitMs > 0) {
        this.#hold(lane, waitMs)
        continue
      }
      const op = lane.take()
      call.push(op)
      bytes += op.batch.length
      this.#throttle.spend(lane.topic, op.batch.length, now)
    }
    for (const { lane } of call) if (lane.sendable) this.#ready.add(lane)
    return call
  }

  /** Until a limit allows more; the other lanes go on. */
  #hold(lane: Lane, waitMs: number): void {
    this.#held.add(lane)
    this.#holding ??= setTimeout(() => this.#release(), Math.max(waitMs, MIN_HELD_MS))
  }

  #release(): void {
    clearTimeout(this.#holding)
    this.#holding = undefined
    for (const lane of this.#held) this.#ready.add(lane)
    this.#held.clear()
    if (this.#ready.size > 0) this.#kick()
  }

  async #send(call: readonly Append[]): Promise<void> {
    this.#calls++
    try {
      const results = await this.#copies.append(call, this.#signal)
      const now = Date.now()
      for (let i = 0; i < call.length; i++) this.#answered(call[i]!, results[i]!, now)
    } catch (error) {
      if (!this.#signal.aborted) this.#events.fail(error)
    } finally {
      this.#calls--
      if (this.#ready.size > 0) this.#kick()
    }
  }

  #answered(op: Append, result: PositionedResult, now: number): void {
    const { lane } = op
    lane.inFlight--
    op.release()
    this.#free(lane, op.batch.length)
    switch (result.kind) {
      case 'appended':
        if (!lane.draining) lane.appended(op, now)
        break
      case 'not-at-end':
        this.#events.doubt(lane, `offset ${op.offset} is not where the target's log ends`)
        break
      case 'unavailable':
        lane.failures++
        lane.unsure = true
        this.#events.doubt(
          lane,
          `the target does not take the batch at offset ${op.offset}: ${result.reason}`,
        )
        break
      case 'displaced':
        this.#displaced(op, result.baseOffset)
        break
      case 'rejected':
        lane.failures++
        this.#events.blocked(lane, {
          reason: `the target refuses the batch at offset ${op.offset} (${op.batch.length} bytes): ${result.name}`,
          tooLarge: result.name === 'MESSAGE_TOO_LARGE',
        })
        break
      default:
        result satisfies never
    }
    this.goOn(lane)
  }

  /** Where it landed is known, and may be kept, unless somebody else may have made room between batches before it. */
  #displaced({ lane, source, offset }: Append, at: number): void {
    const reason = `the batch for offset ${offset} was written at ${at}: something else writes to the copy`
    if (!this.#maps() || lane.unsure || at < offset) {
      this.#events.halt(lane, 'offsets-displaced', reason)
      return
    }
    lane.landed.push([source, at])
    this.#events.doubt(lane, reason)
  }

  /* ---- dropping ---- */

  #drop(lane: Lane): void {
    this.#ready.delete(lane)
    this.#held.delete(lane)
    const bytes = lane.queuedBytes
    lane.drop()
    this.#free(lane, bytes)
  }

  #wait(lane: Lane, bytes: number): void {
    this.#waitingBytes += bytes
    this.#parking.note(lane, bytes, Date.now())
  }

  #free(lane: Lane, bytes: number): void {
    this.#waitingBytes -= bytes
    this.#room?.()
    this.#parking.note(lane, -bytes, Date.now())
  }
}
