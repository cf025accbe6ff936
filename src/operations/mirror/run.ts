/**
 * A link at work in one worker. The worker copies the partitions of the shards it was given (`gain`, `lose`), as the
 * definition says that it was last given (`update`); each partition is tended by itself (`tend.ts`), data flows through
 * `copy.ts`. Nothing about one partition stops another.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AjnaError, describeError, isAjnaError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { classify } from '../../foundation/wire/api-errors.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { type BeginContext, beginOnce, NOT_HELD, type Turn } from './begin.ts'
import type { HaltReason, KeptLink, LinkAdmin, LinkStatus } from './contract.ts'
import { CopyPath } from './copy.ts'
import { gapTooLarge, type Range } from './decide.ts'
import type { LinkDefinition } from './definition.ts'
import { LINK_BATCH_REFUSED, LINK_MAPPING_FULL } from './errors.ts'
import { type RecordFilter, recordFilter } from './headers.ts'
import { Lane, type LaneBegin } from './lane.ts'
import { afterIdentity, MAX_SEGMENTS } from './mapping.ts'
import { fillWithMarkers, isFenced } from './markers.ts'
import { copyName, type TopicMatcher, topicSelector } from './select.ts'
import { leadShardOf, shardOf } from './shard.ts'
import { type End, type Tended, type Tending, tend } from './tend.ts'
import { createThrottle, type PartitionCounts, shareOf } from './throttle.ts'
import {
  alignSettings,
  lookAtTopics,
  type TopicsLook,
  type TopicsMemory,
  type TopicView,
  topicsReason,
} from './topics.ts'

export interface LinkOptions {
  readonly definition: LinkDefinition
  readonly source: Wire
  readonly target: Wire
  readonly sourceAdmin: LinkAdmin
  readonly targetAdmin: LinkAdmin
  readonly kept: KeptLink
  /** How many shards the workers share. */
  readonly shards: number
  /**
   * Whether a shard is this worker's at this moment, for acts that nothing fences for certain: markers, creating and
   * deleting topics. Appends need no such right: those of two workers at once are harmless.
   */
  readonly holds: (shard: number) => boolean
  readonly log: Logger
  readonly signal: AbortSignal
}

export interface Link extends AsyncDisposable {
  status(): LinkStatus
  /** The worker has the shard from now on, under this token. */
  gain(shard: number, token: number): void
  /** Resolves when nothing goes on any more of the shard's partitions. */
  lose(shard: number): Promise<void>
  /** Takes up a changed definition; its ends are those that were given at the start. */
  update(definition: LinkDefinition): void
  /** What the link keeps has changed: topics were taken on or forgotten. */
  keptChanged(): void
  restart(which: Restart): void
  /** Resolves when the link was stopped; rejects if it cannot go on at all. */
  readonly done: Promise<void>
}

export interface Restart {
  readonly only: 'all' | 'failed'
  /** Null: every one. */
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[] | null
}

/** How often topics are looked at. */
const TOPICS_EVERY_MS = 500
/** Where there are very many partitions, their topics are looked at seldomer: about 1 % of a core is for looking. */
const LOOK_MS_PER_PARTITION = 0.1
/** After a topic was created or widened: until the brokers know of it. */
const PENDING_TOPICS_MS = 200
const MAX_QUICK_LOOKS = 25
/** Settings are aligned, and refused topics asked for again, at each so manieth look. */
const SETTINGS_EVERY = 30
const BEGINNERS = 32
/** A look that takes longer waits for a broker, and holds nobody up meanwhile. */
const SLOW_BEGIN_MS = 2_000
/** How long a refusal waits for what it is explained with. */
const LIMIT_MS = 2_000
/** A quota that held something back so long ago, ms, is still spoken of. */
const THROTTLED_MS = 3_000

/** Begins the work of a link in this process; what it works on is told by `gain`. */
export function startLink(options: LinkOptions): Link {
  const worker = new LinkWorker(options)
  const done = worker.run()
  done.catch(() => undefined)
  return {
    done,
    status: () => worker.status(),
    gain: (shard, token) => worker.gain(shard, token),
    lose: shard => worker.lose(shard),
    update: definition => worker.update(definition),
    keptChanged: () => worker.lookNow(),
    restart: which => worker.restart(which),
    [Symbol.asyncDispose]: async () => {
      worker.stop()
      await done.catch(() => undefined)
    },
  }
}

/** A partition in this worker's care, and the shard it belongs to. */
interface Cared extends Tended {
  readonly shard: number
  /** Set while it is being let go. */
  leaving: Promise<void> | undefined
}

interface Copying {
  readonly turn: Turn
  end: End | undefined
  readonly drained: (end: End) => void
}

class LinkWorker {
  readonly #options: LinkOptions
  readonly #log: Logger
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  readonly #beginning: BeginContext
  readonly #path: CopyPath
  readonly #throttle = createThrottle()
  readonly #owned = new Map<number, number>()
  readonly #lanes = new Map<string, Lane>()
  readonly #cared = new Map<string, Cared>()
  readonly #copying = new Map<Lane, Copying>()
  readonly #memory: TopicsMemory = { absences: new Map(), refusals: new Map(), unprepared: new Map() }
  /** Topics whose settings could not be brought in step at the last try, and why. */
  #unaligned: ReadonlyMap<string, string> = new Map()
  readonly #startedAt = Date.now()
  #definition: LinkDefinition
  #chosen: TopicMatcher
  #filter: RecordFilter | undefined
  #look: TopicsLook = { topics: [], refused: new Map(), pending: false, partitions: 0 }
  #looked = false
  /** Whether gaps can be filled; where they need not be, that is not tried again and again. */
  #fills = true
  #stopped = false
  readonly #over = Promise.withResolvers<void>()
  #reason = ''
  #fault: unknown
  #wake: (() => void) | undefined
  #beginners = 0
  readonly #waitingToBegin: (() => void)[] = []

  constructor(options: LinkOptions) {
    const { definition, source, target, kept, log } = options
    this.#options = options
    this.#log = log
    this.#definition = definition
    this.#chosen = remembered(topicSelector(definition.topics))
    this.#filter = recordFilter(definition.headers)
    const signal = AbortSignal.any([options.signal, this.#ending.signal])
    this.#signal = signal
    const fillers = target.positionedAppender({ producerId: kept.ids.fillerId })
    this.#beginning = {
      policy: () => this.#definition,
      source,
      target,
      kept,
      fillers,
      fills: () => this.#fills,
      cannotFill: error => this.#cannotFill(error),
      log,
      signal,
    }
    this.#path = new CopyPath({
      source,
      target,
      producerId: kept.ids.producerId,
      lanes: this.#lanes,
      throttle: this.#throttle,
      filter: () => this.#filter,
      maps: () => this.#definition.offsets === 'mapped',
      events: {
        doubt: (lane, reason) => this.#end(lane, { kind: 'doubt', reason, state: 'waiting' }),
        blocked: (lane, { reason, tooLarge }) =>
          this.#end(lane, { kind: 'doubt', reason, state: 'blocked', tooLarge }),
        halt: (lane, halted, reason) => this.#end(lane, { kind: 'halt', halted, reason }),
        recreated: (topic, oldId, newId) => this.#recreated(topic, oldId, newId),
        gap: lane => void this.#passGap(lane),
        drained: lane => this.#drained(lane),
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
      this.stop()
      // What is in flight is not waited for: it lands where it is meant to, or nowhere.
      for (const cared of this.#cared.values()) void cared.leave()
      await this.#path[Symbol.asyncDispose]()
      this.#over.resolve()
    }
    if (this.#fault !== undefined) throw this.#fault
  }

  stop(): void {
    this.#stopped = true
    this.#ending.abort(new Error('the link was stopped'))
  }

  status(): LinkStatus {
    const now = Date.now()
    const partitions = [...this.#lanes.values()].map(lane => lane.status(now))
    partitions.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
    const { name: link } = this.#definition
    const identity = { link, state: this.#state(), reason: this.#reason || this.#throttledBy(now) }
    return { ...identity, startedAt: this.#startedAt, observedAt: now, partitions }
  }

  #throttledBy(now: number): string {
    const { source, target } = this.#options
    for (const [side, throttled] of [
      ['target', target.throttled()],
      ['source', source.throttled()],
    ] as const)
      if (throttled !== undefined && now < throttled.until + THROTTLED_MS)
        return `the ${side} holds the link back by a quota: ${throttled.ms} ms at the last answer`
    return ''
  }

  #state(): LinkStatus['state'] {
    if (this.#stopped) return 'stopped'
    if (!this.#looked) return 'starting'
    return this.#definition.desired === 'running' ? 'running' : this.#definition.desired
  }

  /* ---- what it is told ---- */

  gain(shard: number, token: number): void {
    this.#owned.set(shard, token)
    this.#adjust()
  }

  async lose(shard: number): Promise<void> {
    this.#owned.delete(shard)
    const lost = [...this.#cared.values()].filter(cared => cared.shard === shard)
    const gone = Promise.all(lost.map(cared => this.#letGo(cared)))
    await Promise.race([gone, this.#over.promise])
    this.#adjust()
  }

  update(definition: LinkDefinition): void {
    const before = this.#definition
    this.#definition = definition
    this.#chosen = remembered(topicSelector(definition.topics))
    this.#filter = recordFilter(definition.headers)
    const changed = (...names: readonly (keyof LinkDefinition)[]): boolean =>
      names.some(name => JSON.stringify(before[name]) !== JSON.stringify(definition[name]))
    // What was read under other rules is not sent any more.
    if (changed('headers', 'desired')) for (const cared of this.#cared.values()) cared.interrupt()
    if (changed('onLoss', 'maxGap', 'offsets', 'onSourceDeleted', 'onFewerPartitions'))
      for (const cared of this.#cared.values()) if (cared.lane.halted !== null) cared.restart()
    this.#memory.refusals.clear()
    this.#fills = true
    this.#adjust()
    this.lookNow()
  }

  restart({ only, partitions }: Restart): void {
    const named = partitions && new Set(partitions.map(({ topic, partition }) => `${topic}/${partition}`))
    for (const cared of this.#cared.values()) {
      const { lane } = cared
      const failed = lane.halted !== null || lane.state === 'blocked'
      if ((only === 'all' || failed) && (named === null || named.has(lane.key))) cared.restart()
    }
    this.#memory.refusals.clear()
    this.#fills = true
    this.lookNow()
  }

  /** Ends the pause between two looks at the topics. */
  lookNow(): void {
    this.#wake?.()
  }

  /* ---- topics ---- */

  async #keepTopics(): Promise<void> {
    let quickLooks = 0
    for (let round = 0; ; round++) {
      try {
        await this.#lookAtTopics(round)
      } catch (error) {
        this.#signal.throwIfAborted()
        const reason = describeError(error)
        if (reason !== this.#reason) this.#log.warn({ reason }, 'topics cannot be looked at; trying on')
        this.#reason = reason
      }
      const { pending, partitions } = this.#look
      quickLooks = pending ? quickLooks + 1 : 0
      const quick = pending && quickLooks <= MAX_QUICK_LOOKS
      const pauseMs = quick ? PENDING_TOPICS_MS : TOPICS_EVERY_MS
      await this.#pause(Math.max(pauseMs, partitions * LOOK_MS_PER_PARTITION))
    }
  }

  async #pause(ms: number): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await sleep(ms, undefined, { signal: AbortSignal.any([this.#signal, woken.signal]) }).catch(
      () => undefined,
    )
    this.#signal.throwIfAborted()
  }

  async #lookAtTopics(round: number): Promise<void> {
    const { kept, shards, holds } = this.#options
    const { name, desired } = this.#definition
    if (desired === 'stopped') return
    if (round % SETTINGS_EVERY === 0) this.#memory.refusals.clear()
    const lead = leadShardOf(name, shards)
    const leads = (): boolean =>
      this.#owned.has(lead) && holds(lead) && this.#definition.desired === 'running'
    this.#look = await lookAtTopics({
      sides: { ...this.#options, kept },
      definition: this.#definition,
      chosen: this.#chosen,
      memory: this.#memory,
      leads,
      signal: this.#signal,
    })
    this.#looked = true
    this.#reason = topicsReason(this.#look.refused, this.#unaligned)
    this.#adjust()
    if (!leads()) this.#unaligned = new Map()
    else if (round % SETTINGS_EVERY === 0) await this.#align()
  }

  async #align(): Promise<void> {
    const { topics } = this.#look
    try {
      this.#unaligned = await alignSettings(this.#options, topics, this.#signal)
    } catch (error) {
      this.#signal.throwIfAborted()
      this.#unaligned = new Map(topics.map(({ name }) => [name, describeError(error)]))
    }
  }

  /* ---- which partitions ---- */

  /** Takes up the partitions that are this worker's by now, lets go of those that are not. */
  #adjust(): void {
    if (this.#signal.aborted) return
    const unwanted = [...this.#cared.values()].filter(
      cared => cared.leaving === undefined && !this.#isWanted(cared),
    )
    if (unwanted.length > 0)
      Promise.all(unwanted.map(cared => this.#letGo(cared))).then(() => this.#adjust(), this.#fail)
    const counts = new Map<string, PartitionCounts>()
    if (this.#definition.desired !== 'stopped')
      for (const topic of this.#look.topics)
        if (this.#isChosen(topic)) counts.set(topic.name, this.#take(topic))
    this.#throttle.set(shareOf(this.#definition.rate, counts), Date.now())
    this.#path.limitsChanged()
  }

  #isWanted({ lane, shard }: Cared): boolean {
    const { kept } = this.#options
    const { desired, rename } = this.#definition
    return (
      desired !== 'stopped' &&
      this.#owned.has(shard) &&
      this.#chosen(lane.topic) &&
      kept.sourceIdOf(lane.topic) !== undefined &&
      lane.copy === copyName(rename, lane.topic)
    )
  }

  /** Whether a topic that was seen is still what the definition and the journal say. */
  #isChosen({ name, copy }: TopicView): boolean {
    const { kept } = this.#options
    const { rename } = this.#definition
    return this.#chosen(name) && kept.sourceIdOf(name) !== undefined && copy === copyName(rename, name)
  }

  /** @returns how many of the topic's partitions are this worker's */
  #take(topic: TopicView): PartitionCounts {
    const { shards } = this.#options
    let own = 0
    for (let partition = 0; partition < topic.partitions; partition++) {
      const shard = shardOf(this.#definition.name, topic.name, partition, shards)
      if (!this.#owned.has(shard)) continue
      own++
      const cared = this.#cared.get(`${topic.name}/${partition}`)
      if (cared?.leaving !== undefined) continue
      this.#judge(cared ?? this.#care(topic, partition, shard), topic)
    }
    return { own, all: topic.partitions }
  }

  #care({ name, copy }: TopicView, partition: number, shard: number): Cared {
    const lane = new Lane(name, partition, copy, Date.now())
    lane.missing.push(...this.#options.kept.missingOf(name, partition))
    const cared: Cared = { ...tend(lane, this.#tending(shard)), shard, leaving: undefined }
    cared.done.catch(this.#fail)
    this.#lanes.set(lane.key, lane)
    this.#cared.set(lane.key, cared)
    return cared
  }

  /** What the topic as a whole means for one of its partitions. */
  #judge(cared: Cared, { halt, copied, partitions }: TopicView): void {
    const { lane } = cared
    const verdict =
      halt ??
      (lane.partition < copied
        ? undefined
        : {
            halted: 'copy-too-narrow' as const,
            reason: `the copy has ${copied} of the source's ${partitions} partitions, and is not to be widened`,
          })
    if (verdict !== undefined) cared.halt(verdict.halted, verdict.reason)
    else if (OF_THE_TOPIC.has(lane.halted)) cared.restart()
  }

  #letGo(cared: Cared): Promise<void> {
    const { lane } = cared
    cared.leaving ??= cared.leave().then(() => {
      this.#lanes.delete(lane.key)
      this.#cared.delete(lane.key)
    })
    return cared.leaving
  }

  #recreated(topic: string, oldId: string, newId: string): void {
    const reason = `the source's topic was deleted and created again (${oldId}, now ${newId})`
    for (const lane of this.#lanes.values())
      if (lane.topic === topic) this.#end(lane, { kind: 'halt', halted: 'source-recreated', reason })
    this.lookNow()
  }

  /* ---- one partition ---- */

  #tending(shard: number): Tending {
    const { kept, holds } = this.#options
    return {
      paused: () => this.#definition.desired === 'paused',
      turn: signal => {
        const token = this.#owned.get(shard) ?? 0
        const author = { producerId: kept.ids.markerId, coordinatorEpoch: kept.coordinatorEpoch(token) }
        return { signal, author, holds: () => this.#owned.get(shard) === token && holds(shard) }
      },
      begin: (lane, turn) => this.#begin(lane, turn),
      copy: (lane, begin, turn) => this.#copy(lane, begin, turn),
      isRefusal,
      log: this.#log,
    }
  }

  async #begin(lane: Lane, turn: Turn) {
    while (this.#beginners >= BEGINNERS)
      await new Promise<void>(resolve => this.#waitingToBegin.push(resolve))
    this.#beginners++
    let held = true
    const letNext = (): void => {
      if (!held) return
      held = false
      this.#beginners--
      this.#waitingToBegin.shift()?.()
    }
    const slow = setTimeout(letNext, SLOW_BEGIN_MS)
    try {
      return await beginOnce(this.#beginning, lane, turn)
    } finally {
      clearTimeout(slow)
      letNext()
    }
  }

  async #copy(lane: Lane, begin: LaneBegin, turn: Turn): Promise<End> {
    const end = await this.#copyUntilEnd(lane, begin, turn)
    if (end.kind !== 'doubt' || end.tooLarge !== true) return end
    return { ...end, reason: `${end.reason}${await this.#limitOf(lane)}` }
  }

  /** What the target allows, for people; empty when it does not say. */
  async #limitOf({ copy }: Lane): Promise<string> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(LIMIT_MS)])
    try {
      const limit = await this.#options.targetAdmin.maxMessageBytes(copy, signal)
      return limit === null ? '' : `; its max.message.bytes is ${limit}`
    } catch (error) {
      return `; its max.message.bytes is not known (${describeError(error)})`
    }
  }

  #copyUntilEnd(lane: Lane, begin: LaneBegin, turn: Turn): Promise<End> {
    if (turn.signal.aborted) return Promise.resolve({ kind: 'interrupted' })
    const { promise, resolve } = Promise.withResolvers<End>()
    this.#copying.set(lane, { turn, end: undefined, drained: resolve })
    turn.signal.addEventListener('abort', () => this.#end(lane, { kind: 'interrupted' }), { once: true })
    this.#path.open(lane, begin)
    return promise
  }

  /** Sends nothing more of a lane; its copying has ended once nothing is in flight. */
  #end(lane: Lane, end: End): void {
    const copying = this.#copying.get(lane)
    if (copying === undefined) return
    // The first reason counts, unless a later one needs a decision.
    if (copying.end === undefined || (end.kind === 'halt' && copying.end.kind !== 'halt')) copying.end = end
    if (lane.draining) return
    lane.draining = true
    this.#path.close(lane)
    this.#path.goOn(lane)
  }

  #drained(lane: Lane): void {
    const copying = this.#copying.get(lane)
    this.#copying.delete(lane)
    lane.open = false
    if (copying?.end !== undefined) copying.drained(copying.end)
  }

  async #passGap(lane: Lane): Promise<void> {
    const copying = this.#copying.get(lane)
    const { head } = lane
    if (copying === undefined || lane.filling || head?.kind !== 'fill') return
    if (this.#isMapped(head)) return this.#map(lane, head)
    // Nothing but its place guards a marker.
    if (lane.inFlight > 0) return
    const { maxGap } = this.#definition
    if (head.to - head.from > maxGap) return this.#end(lane, gapTooLarge(head, maxGap))
    return this.#fill(lane, head, copying.turn)
  }

  /** Whether a gap takes no offsets at the target. */
  readonly #isMapped = ({ from, to }: Range): boolean =>
    this.#definition.offsets === 'mapped' && (!this.#fills || to - from > this.#definition.maxGap)

  /** Of all that was read at once: a journal's answer takes as long for many as for one. */
  async #map(lane: Lane, { from, to }: Range): Promise<void> {
    const { kept } = this.#options
    const { topic, partition } = lane
    lane.filling = true
    try {
      const added = lane.toMap(this.#isMapped)
      const before = kept.mappingOf(topic, partition)
      const [first, ...others] = added
      await kept.noteMapping(topic, partition, {
        cut: null,
        below: await this.#forgettable(lane, added.length),
        segments: before === undefined ? [...afterIdentity(first!), ...others] : added,
        before: 'nothing',
        why: unmarked({ from, to }, this.#definition.maxGap),
      })
      lane.filling = false
      if (!lane.draining) lane.mapped(kept.mappingOf(topic, partition), Date.now())
    } catch (error) {
      lane.filling = false
      if (isAjnaError(error, LINK_MAPPING_FULL))
        this.#end(lane, { kind: 'halt', halted: 'mapping-full', reason: describeError(error) })
      else this.#doubt(lane, `the mapping of its offsets cannot be kept: ${describeError(error)}`)
    }
    if (!this.#signal.aborted) this.#path.goOn(lane)
  }

  /** Where the target's log begins, once it matters: segments before it need not be kept. */
  async #forgettable({ copy, partition, mapping }: Lane, added: number): Promise<number> {
    if ((mapping?.segments.length ?? 0) + added < MAX_SEGMENTS / 2) return 0
    const query = { topic: copy, partition, at: 'earliest' as const }
    const [earliest] = await this.#options.target.listOffsets([query], this.#signal)
    return earliest!.offset
  }

  async #fill(lane: Lane, { from, to }: Range, turn: Turn): Promise<void> {
    lane.filling = true
    if (to - from > 1) lane.become('filling', `filling offsets ${from} to ${to - 1}`, Date.now())
    try {
      const may = (): boolean => !lane.draining && turn.holds()
      const reached = await fillWithMarkers(
        this.#options.target,
        turn.author,
        lane,
        { from, to },
        may,
        this.#signal,
      )
      if (reached === to && !lane.draining) lane.filled(to)
      else this.#doubt(lane, NOT_HELD)
    } catch (error) {
      if (isFenced(error)) this.#doubt(lane, 'another worker has the partition by now')
      // How many were written is read from the target's log.
      else if (this.#cannotFill(error))
        this.#end(lane, { kind: 'doubt', reason: UNFILLABLE, state: 'waiting' })
      else this.#doubt(lane, unfilled({ from, to }, error), isRefusal(error) ? 'blocked' : 'waiting')
    } finally {
      lane.filling = false
    }
    if (this.#signal.aborted) return
    lane.settle(Date.now())
    this.#path.goOn(lane)
  }

  #cannotFill(error: unknown): boolean {
    if (this.#definition.offsets !== 'mapped' || !isRefusal(error)) return false
    this.#fills = false
    return true
  }

  #doubt(lane: Lane, reason: string, state: 'waiting' | 'blocked' = 'waiting'): void {
    lane.failures++
    this.#end(lane, { kind: 'doubt', reason, state })
  }

  /** A fault of this program: the whole worker ends, and is started anew. */
  readonly #fail = (error: unknown): void => {
    if (this.#signal.aborted) return
    this.#log.error({ err: error }, 'the link ends')
    this.#reason = describeError(error)
    this.#fault ??= error
    this.stop()
  }
}

/** Why a partition is halted when it is its topic that is; looked at anew with the topic. */
const OF_THE_TOPIC: ReadonlySet<HaltReason | null> = new Set([
  'source-recreated',
  'source-gone',
  'copy-too-narrow',
])

/** The same names are asked for at every look. */
function remembered(matches: TopicMatcher): TopicMatcher {
  const answers = new Map<string, boolean>()
  return topic => {
    const answer = answers.get(topic) ?? matches(topic)
    answers.set(topic, answer)
    return answer
  }
}

const UNFILLABLE = 'gaps cannot be filled (markers need ClusterAction on the target cluster)'

/** Why a gap is not filled. */
function unmarked({ from, to }: Range, maxGap: number): string {
  const why = to - from > maxGap ? `at most ${maxGap} are filled in one gap` : UNFILLABLE
  return to - from === 1
    ? `offset ${from} holds no data: ${why}`
    : `offsets ${from} to ${to - 1} hold no data: ${why}`
}

function unfilled({ from, to }: Range, error: unknown): string {
  const which = to - from === 1 ? `offset ${from} holds` : `offsets ${from} to ${to - 1} hold`
  const right = isRefusal(error) ? ' (markers need ClusterAction on the target cluster)' : ''
  return `${which} no data and cannot be filled: ${describeError(error)}${right}`
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
