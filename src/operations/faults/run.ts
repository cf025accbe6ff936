import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { openCluster } from '../../foundation/kafka/admin.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import type { Incident } from '../heal/contract.ts'
import { type Availability, availabilityOf, type FaultWindow } from './analysis/availability.ts'
import type { RecordsVerdict } from './analysis/check.ts'
import { healingOf } from './analysis/healing.ts'
import { type ProposedLoss, partingsOf, proposedLossOf } from './analysis/proposed.ts'
import { readAndCheck } from './analysis/read.ts'
import { redundancyRestoredMs, type WholenessTrace } from './analysis/redundancy.ts'
import type { Healer, Healing, HealingFigures, NodeSetups, UnplannedEnd } from './contract.ts'
import { type DisturbTask, disturb, type FaultRecord, startEnded } from './disturb.ts'
import { TEST_STOPPED } from './errors.ts'
import { followRun } from './follow.ts'
import { type Load, type LoadResult, startLoad } from './load/generator.ts'
import { type LatencySummary, summarize } from './load/latency.ts'
import { type OperationRecord, operate } from './planned/run.ts'
import { lastsMs, type Scenario } from './scenario.ts'
import { awaitWhole, createTopic } from './topic.ts'
import { type TopicWatch, watchTopic } from './watch.ts'

export interface RunTask extends Omit<DisturbTask, 'healing'> {
  /** Absent: Kafka is on its own. */
  readonly healer?: Healer | undefined
  /** Absent: what the brokers are run with cannot be changed, and operations are refused. */
  readonly setups?: NodeSetups | undefined
}

/** A planned operation, and what clients saw of it. */
export interface OperationOutcome extends OperationRecord {
  readonly longestGapMs: number
  readonly partitionsStopped: number
}

export interface FaultOutcome extends FaultRecord {
  readonly availability: Availability
  readonly redundancyRestoredMs: number | null
  /** Null: no healer was at work. */
  readonly healing: HealingFigures | null
}

/** Everything that one run found. */
export interface RunResult {
  readonly topic: string
  readonly load: LoadResult
  readonly records: RecordsVerdict
  readonly faults: readonly FaultOutcome[]
  readonly operations: readonly OperationOutcome[]
  readonly wholeness: WholenessTrace
  /**
   * By when a record was meant to be sent; during: from the first fault or operation until redundancy was back. Slots of a
   * second.
   */
  readonly latency: {
    readonly before: LatencySummary | null
    readonly during: LatencySummary | null
    readonly after: LatencySummary | null
  }
  readonly unplannedEnds: readonly UnplannedEnd[]
  /** As they were in the end; null: no healer was at work. */
  readonly incidents: readonly Incident[] | null
  /** What a person was asked to agree to lose; null: nobody was asked about all of the load. */
  readonly proposed: ProposedLoss | null
  /** The cluster was whole again before the scenario's `settle` was over. */
  readonly settled: boolean
}

/** Whole for so long, and then for good. */
const WHOLE_MS = 2_000
/** The longest wait of a record while the load is called flowing. */
const FLOWING_MS = 1_000
const DRAIN_MS = 30_000
const READY_MS = 60_000
const READ_MS = 120_000
const LOOK_EVERY_MS = 100

/**
 * Runs a scenario against a cluster that is whole: writes under the faults, takes each back, waits until all is whole again,
 * reads everything back. However it ends, no fault of it is left.
 *
 * @throws AjnaError FAULT_…, TEST_…; the signal's reason
 */
export async function runScenario(task: RunTask): Promise<RunResult> {
  const limit = new AbortController()
  const mostMs = READY_MS + lastsMs(task.scenario) + DRAIN_MS + READ_MS
  const late = new AjnaError(TEST_STOPPED, `${task.scenario.name} was not over after ${mostMs / 1_000} s`)
  const timer = setTimeout(() => limit.abort(late), mostMs)
  const signal = AbortSignal.any([task.signal, limit.signal])
  try {
    return await runBounded({ ...task, signal })
  } catch (error) {
    // Whatever was waited for says only that it was aborted.
    signal.throwIfAborted()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

async function runBounded(task: RunTask): Promise<RunResult> {
  const { scenario, cluster, note, signal } = task
  const topic = `ajna-test-${scenario.name}-${randomBytes(3).toString('hex')}`
  const run = randomBytes(8)
  const { partitions } = scenario.cluster
  const { bootstrap } = cluster
  await using admin = openCluster({ bootstrap, clientId: 'ajna-test' })
  // Of its own: whoever looks five times a second must not wait for a frozen broker as long as whoever acts.
  const impatient = { connectTimeoutMs: 500, requestTimeoutMs: 1_000 }
  await using looking = openCluster({ bootstrap, clientId: 'ajna-test-watch', ...impatient })
  const ids = cluster.nodes.map(({ id }) => id)
  await createTopic(admin, topic, scenario, ids, signal)
  await using watch = watchTopic(looking, topic, ids)
  await awaitWhole(admin, topic, watch, signal)
  await using healing = await task.healer?.begin(scenario.impaired)
  await using load = await startLoad({
    bootstrap: cluster.bootstrap,
    topic,
    partitions,
    producers: scenario.load.producers,
    recordsPerSecond: scenario.load.rate,
    recordBytes: scenario.load.recordSize,
    requestTimeoutMs: scenario.load.requestTimeout,
    run,
    signal,
  })
  const { follower } = task
  using following = follower && followRun({ load, watch, healing }, follower)
  note(`load: ${scenario.load.rate} records/s to ${partitions} partitions of ${topic}`)

  const begun = { ...task, healing, admin, watch }
  const [done, operated] = await together(signal, [
    until => disturb({ ...begun, signal: until }, admin, topic, load),
    until => operate({ ...begun, signal: until }, load.startAt),
  ])
  await delay(Math.max(0, load.startAt + scenario.load.duration - Date.now()), undefined, { signal })
  const unplannedEnds: UnplannedEnd[] = []
  const settling: Settling = { watch, load, healing, settleMs: scenario.settle, signal }
  const settled = await settle(settling, async () => {
    unplannedEnds.push(...(await startEnded({ ...task, healing })))
  })
  if (!settled) note(`not whole after ${scenario.settle / 1_000} s: ${watch.views()}`)
  const wholeness = watch.trace()
  const loaded = await load.stop(settled ? DRAIN_MS : LOOK_EVERY_MS)
  following?.[Symbol.dispose]()
  note(`read back: ${loaded.streams.reduce((sum, each) => sum + each.sent, 0)} records were sent`)
  await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'ajna-test-check' })
  const reading = { wire, topic, partitions, run, sent: loaded.streams }
  const incidents = healing === undefined ? null : healing.incidents()
  const partings = partingsOf(incidents ?? [], topic)
  let kept = 0
  const saw = (partition: number, offset: number): void => {
    if (offset < (partings?.get(partition) ?? 0)) kept++
  }
  const records = await readAndCheck({ ...reading, saw, deadlineMs: READ_MS, signal })
  await admin.deleteTopics([{ name: topic }], { signal }).catch(() => undefined)

  const faults = outcomes(done, loaded, wholeness, scenario, incidents)
  const operations = operated.map(each => ({ ...each, ...seenOf(each, loaded) }))
  const latency = latencyOf(loaded, faults, operations)
  const proposed = proposedLossOf(incidents ?? [], partitions, done, kept) ?? null
  const found = { topic, load: loaded, records, faults, operations, wholeness, latency }
  return { ...found, unplannedEnds, incidents, proposed, settled }
}

/** Both, or neither: what fails ends the other. */
async function together<One, Other>(
  signal: AbortSignal,
  [one, other]: readonly [(signal: AbortSignal) => Promise<One>, (signal: AbortSignal) => Promise<Other>],
): Promise<readonly [One, Other]> {
  const failed = new AbortController()
  const until = AbortSignal.any([signal, failed.signal])
  const ending = <T>(work: Promise<T>): Promise<T> =>
    work.catch(error => {
      failed.abort(error)
      throw error
    })
  const ended = await Promise.allSettled([ending(one(until)), ending(other(until))])
  if (failed.signal.aborted) throw failed.signal.reason
  const [first, second] = ended as [PromiseFulfilledResult<One>, PromiseFulfilledResult<Other>]
  return [first.value, second.value]
}

/** Gaps count for the operation that they overlap with. */
function seenOf(
  { at, endedAt }: OperationRecord,
  { partitions }: LoadResult,
): Pick<OperationOutcome, 'longestGapMs' | 'partitionsStopped'> {
  const gaps = partitions.map(partition => partition.gaps.filter(({ from, to }) => to > at && from < endedAt))
  return {
    longestGapMs: Math.round(Math.max(0, ...gaps.flat().map(({ from, to }) => to - from))),
    partitionsStopped: gaps.filter(each => each.length > 0).length,
  }
}

interface Settling {
  readonly watch: TopicWatch
  readonly load: Load
  readonly healing: Healing | undefined
  readonly settleMs: number
  readonly signal: AbortSignal
}

/** Whether the topic was whole for a while, with writes flowing and every incident over, before the time was over. */
async function settle(
  { watch, load, healing, settleMs, signal }: Settling,
  look: () => Promise<void>,
): Promise<boolean> {
  const until = Date.now() + settleMs
  const begun = Date.now()
  while (Date.now() < until) {
    const wholeMs = Math.min(watch.wholeForMs(), Date.now() - begun)
    const isOver = healing?.incidents().every(({ state }) => state === 'healed' || state === 'failed') ?? true
    if (wholeMs >= WHOLE_MS && load.waitingMs() < FLOWING_MS && isOver) return true
    await look()
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
  return false
}

function outcomes(
  done: readonly FaultRecord[],
  load: LoadResult,
  wholeness: WholenessTrace,
  { expect }: Scenario,
  incidents: readonly Incident[] | null,
): readonly FaultOutcome[] {
  const expected = expect.incident === 'none' ? undefined : expect.incident
  return done.map((each, index) => {
    // Faults at the same time are one disturbance: each answers for all of it.
    const next = done.slice(index + 1).find(({ at }) => at >= each.revertedAt)
    const window: FaultWindow = {
      at: each.at,
      harmedUntil: each.harmedUntil,
      revertedAt: each.revertedAt,
      to: next?.at ?? Number.POSITIVE_INFINITY,
    }
    return {
      ...each,
      availability: availabilityOf(load.partitions, window),
      redundancyRestoredMs: redundancyRestoredMs(wholeness, window),
      healing: incidents === null ? null : healingOf(incidents, expected, window),
    }
  })
}

function latencyOf(
  { latencies, startAt }: LoadResult,
  faults: readonly FaultOutcome[],
  operations: readonly OperationOutcome[],
): RunResult['latency'] {
  const of = (from: number, to: number): LatencySummary | null => summarize(latencies, from, to) ?? null
  const first = Math.min(...[...faults, ...operations].map(({ at }) => at))
  if (first === Number.POSITIVE_INFINITY) return { before: of(startAt, first), during: null, after: null }
  const whole = Math.max(
    ...faults.map(each => each.at + (each.redundancyRestoredMs ?? Number.POSITIVE_INFINITY)),
    ...operations.map(({ endedAt }) => endedAt),
  )
  // A slot that a fault begins in belongs to it.
  return {
    before: of(startAt, first - 1_000),
    during: of(first - 1_000, whole),
    after: of(whole, Number.POSITIVE_INFINITY),
  }
}
