import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import { type ClusterAdmin, openCluster } from '../../foundation/kafka/admin.ts'
import { refusalOf } from '../../foundation/kafka/errors.ts'
import { adopt, pidFile, readPidFile, start } from '../../foundation/process/run.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { type Availability, availabilityOf, type FaultWindow } from './analysis/availability.ts'
import type { RecordsVerdict } from './analysis/check.ts'
import { readAndCheck } from './analysis/read.ts'
import { redundancyRestoredMs, type WholenessTrace } from './analysis/redundancy.ts'
import { type BrokerFacts, chooseBrokers } from './choose.ts'
import type { FaultKind, Healer, TestedCluster, UnplannedEnd } from './contract.ts'
import { FAULT_TARGET_NONE, TEST_STOPPED, TEST_TOPIC_FAILED } from './errors.ts'
import { type ArmedFault, armFault } from './inject.ts'
import { activeFaults } from './leases/record.ts'
import { type Load, type LoadResult, startLoad } from './load/generator.ts'
import { type LatencySummary, summarize } from './load/latency.ts'
import { layoutOf } from './plan.ts'
import {
  CRASH_EVERY_MS,
  CRASHES,
  faultMs,
  lastsMs,
  replicationOf,
  type Scenario,
  type ScenarioFault,
} from './scenario.ts'
import { type TopicWatch, watchTopic } from './watch.ts'

export interface RunTask {
  readonly scenario: Scenario
  readonly cluster: TestedCluster
  /** Directory of the faults of one state directory. */
  readonly folder: string
  /** In [0, 1), of the scenario's seed. */
  readonly random: () => number
  readonly healer?: Healer
  /** What a broker that ended says of its reason; `since`: ISO time of its start. */
  readonly explain?: (broker: number, since: string) => Promise<string>
  readonly note: (what: string) => void
  readonly signal: AbortSignal
}

/** One fault, done and taken back. Times are ms since the epoch. */
export interface FaultRecord {
  readonly fault: FaultKind
  readonly brokers: readonly BrokerFacts[]
  readonly at: number
  readonly revertedAt: number
}

export interface FaultOutcome extends FaultRecord {
  readonly availability: Availability
  readonly redundancyRestoredMs: number | null
  readonly detectionMs: number | null
}

/** Everything that one run found. */
export interface RunResult {
  readonly topic: string
  readonly load: LoadResult
  readonly records: RecordsVerdict
  readonly faults: readonly FaultOutcome[]
  readonly wholeness: WholenessTrace
  /** By when a record was meant to be sent; during: from the first fault until redundancy was back. Slots of a second. */
  readonly latency: {
    readonly before: LatencySummary | null
    readonly during: LatencySummary | null
    readonly after: LatencySummary | null
  }
  readonly unplannedEnds: readonly UnplannedEnd[]
  /** The cluster was whole again before the scenario's `settle` was over. */
  readonly settled: boolean
}

/** A fault's lease beyond the time that it is to last: its controller takes it back before. */
const LEASE_MARGIN_MS = 15_000
/** Whole for so long, and then for good. */
const WHOLE_MS = 2_000
/** The longest wait of a record while the load is called flowing. */
const FLOWING_MS = 1_000
const DRAIN_MS = 30_000
const READY_MS = 60_000
const ELECTED_MS = 15_000
const ASKED_MS = 3_000
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
  note(`load: ${scenario.load.rate} records/s to ${partitions} partitions of ${topic}`)

  const done = await doFaults(task, admin, topic, load)
  await delay(Math.max(0, load.startAt + scenario.load.duration - Date.now()), undefined, { signal })
  const unplannedEnds: UnplannedEnd[] = []
  const settled = await settle(watch, load, scenario.settle, signal, async () => {
    unplannedEnds.push(...(await startEnded(task)))
  })
  if (!settled) note(`not whole after ${scenario.settle / 1_000} s: ${watch.views()}`)
  const wholeness = watch.trace()
  const loaded = await load.stop(settled ? DRAIN_MS : LOOK_EVERY_MS)
  note(`read back: ${loaded.streams.reduce((sum, each) => sum + each.sent, 0)} records were sent`)
  await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'ajna-test-check' })
  const reading = AbortSignal.any([signal, AbortSignal.timeout(READ_MS)])
  const records = await readAndCheck({ wire, topic, partitions, run, sent: loaded.streams, signal: reading })
  await admin.deleteTopics([{ name: topic }], { signal }).catch(() => undefined)

  const faults = outcomes(done, loaded, wholeness, task.healer)
  const latency = latencyOf(loaded, faults)
  return { topic, load: loaded, records, faults, wholeness, latency, unplannedEnds, settled }
}

async function createTopic(
  admin: ClusterAdmin,
  topic: string,
  scenario: Scenario,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const replication = replicationOf(scenario)
  const replicas = layoutOf(scenario.cluster.partitions, replication, ids, scenario.load.leaders)
  const config = {
    'min.insync.replicas': String(Math.max(1, replication - 1)),
    'retention.ms': '-1',
    'retention.bytes': '-1',
  }
  const [made] = await admin.createTopics([{ name: topic, layout: { replicas }, config }], { signal })
  // Nobody else makes a topic of that name: it exists already when the answer to the first attempt was lost.
  if (made?.error && refusalOf(made.error) !== 'TOPIC_ALREADY_EXISTS')
    throw new AjnaError(TEST_TOPIC_FAILED, topic, { cause: made.error })
}

/** Until every broker has the topic whole; then those lead that are meant to. */
async function awaitWhole(
  admin: ClusterAdmin,
  topic: string,
  watch: TopicWatch,
  signal: AbortSignal,
): Promise<void> {
  const until = Date.now() + READY_MS
  while (watch.wholeForMs() === 0) {
    if (Date.now() > until)
      throw new AjnaError(
        TEST_TOPIC_FAILED,
        `${topic} is not whole after ${READY_MS / 1_000} s: ${watch.views()}`,
      )
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
  const [found] = await admin.describeTopics([topic], { signal })
  const led = found!.partitions.filter(({ leader, replicas }) => leader !== replicas[0])
  const elected = await admin.electLeaders(
    'preferred',
    led.map(({ partition }) => ({ topic, partition })),
    { signal },
  )
  const failed = elected.find(({ error }) => error !== null)
  if (failed !== undefined)
    throw new AjnaError(
      TEST_TOPIC_FAILED,
      `${topic}-${failed.item.partition} has another leader than planned`,
      {
        cause: failed.error,
      },
    )
}

/** All faults, each at its time; when one cannot be done, the others are taken back and that is thrown. */
async function doFaults(
  task: RunTask,
  admin: ClusterAdmin,
  topic: string,
  load: Load,
): Promise<readonly FaultRecord[]> {
  const failed = new AbortController()
  const signal = AbortSignal.any([task.signal, failed.signal])
  const running = task.scenario.faults.map(async fault => {
    try {
      return await doFault({ ...task, signal }, fault, admin, topic, load)
    } catch (error) {
      failed.abort(error)
      throw error
    }
  })
  const ended = await Promise.allSettled(running)
  if (failed.signal.aborted) throw failed.signal.reason
  const records = ended.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  return records.sort((a, b) => a.at - b.at)
}

async function doFault(
  task: RunTask,
  fault: ScenarioFault,
  admin: ClusterAdmin,
  topic: string,
  load: Load,
): Promise<FaultRecord> {
  const { cluster, folder, scenario, note, signal } = task
  await delay(Math.max(0, load.startAt + fault.at - Date.now()), undefined, { signal })
  const brokers = await victims(task, fault, admin, topic)
  const armed: ArmedFault[] = []
  try {
    for (const { id } of brokers)
      armed.push(
        await armFault({
          folder,
          cluster,
          node: cluster.nodes.find(node => node.id === id)!,
          plan: {
            kind: fault.fault,
            times: fault.times ?? CRASHES,
            everyMs: fault.every ?? CRASH_EVERY_MS,
          },
          purpose: `scenario ${scenario.name}`,
          leaseMs: faultMs(fault) + LEASE_MARGIN_MS * (fault.times ?? 1),
        }),
      )
    const began = await Promise.all(armed.map(each => each.begin(signal)))
    const at = Math.min(...began)
    for (const broker of brokers) note(`${fault.fault} broker ${describeBroker(broker)}`)
    if (fault.fault === 'crash-loop') await Promise.all(armed.map(each => each.raged))
    else await delay(Math.max(0, at + fault.for - Date.now()), undefined, { signal })
    const reverted = await Promise.all(armed.map(each => each.revert('its time was over')))
    note(`${fault.fault} taken back`)
    return {
      fault: fault.fault,
      brokers,
      at,
      revertedAt: Math.max(at, ...reverted),
    }
  } catch (error) {
    const undone = await Promise.allSettled(armed.map(each => each.revert(describeError(error))))
    const left = undone.find(each => each.status === 'rejected')
    if (left !== undefined) note(`a fault is left to its watchdog: ${describeError(left.reason)}`)
    throw error
  }
}

export const describeBroker = ({ id, leads, controller }: BrokerFacts): string =>
  `${id} (leads ${leads}${controller ? ', active controller' : ''})`

/** @throws AjnaError FAULT_TARGET_NONE */
async function victims(
  { cluster, folder, random, signal }: RunTask,
  fault: ScenarioFault,
  admin: ClusterAdmin,
  topic: string,
): Promise<readonly BrokerFacts[]> {
  const [found] = await admin.describeTopics([topic], { signal })
  const controller = await controllerOf(admin, signal)
  // One fault at a time on a broker: the end of one would undo the other.
  const busy = (await activeFaults(folder)).filter(each => each.cluster === cluster.name)
  const facts = cluster.nodes
    .filter(({ id }) => !busy.some(({ node }) => node === id))
    .map(({ id }) => ({
      id,
      leads: found?.partitions.filter(({ leader }) => leader === id).length ?? 0,
      controller: controller === id,
    }))
  const chosen = chooseBrokers(fault.broker, facts, random)
  if (chosen.kind === 'none') throw new AjnaError(FAULT_TARGET_NONE, `${fault.fault}: ${chosen.reason}`)
  return chosen.brokers
}

/** The active controller; null when there is none for a while. */
async function controllerOf(admin: ClusterAdmin, signal: AbortSignal): Promise<number | null> {
  const until = Date.now() + ELECTED_MS
  for (;;) {
    const last = Date.now() > until
    try {
      const { leader } = await admin.describeQuorum({ signal, deadlineMs: ASKED_MS })
      if (leader !== null || last) return leader
    } catch (error) {
      signal.throwIfAborted()
      if (last) throw error
    }
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
}

/** Whether the topic was whole for a while, with writes flowing, before the time was over. */
async function settle(
  watch: TopicWatch,
  load: Load,
  settleMs: number,
  signal: AbortSignal,
  look: () => Promise<void>,
): Promise<boolean> {
  const until = Date.now() + settleMs
  const begun = Date.now()
  while (Date.now() < until) {
    const wholeMs = Math.min(watch.wholeForMs(), Date.now() - begun)
    if (wholeMs >= WHOLE_MS && load.waitingMs() < FLOWING_MS) return true
    await look()
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
  return false
}

/** Once all faults are taken back: starts brokers that have ended all the same, and says why they had. */
async function startEnded({ cluster, explain, note }: RunTask): Promise<readonly UnplannedEnd[]> {
  const ends: UnplannedEnd[] = []
  for (const { id, process } of cluster.nodes) {
    const { runDir, name } = process
    if ((await adopt(runDir, name)) !== undefined) continue
    const at = Date.now()
    const last = await readPidFile(pidFile(runDir, name))
    const reason = (await explain?.(id, last?.since ?? new Date(0).toISOString())) ?? 'no reason is known'
    note(`broker ${id} has ended by itself: ${reason}; it is started again`)
    await start(process)
    ends.push({ broker: id, at, reason })
  }
  return ends
}

function outcomes(
  done: readonly FaultRecord[],
  load: LoadResult,
  wholeness: WholenessTrace,
  healer: Healer | undefined,
): readonly FaultOutcome[] {
  return done.map((each, index) => {
    // Faults at the same time are one disturbance: each answers for all of it.
    const next = done.slice(index + 1).find(({ at }) => at >= each.revertedAt)
    const window: FaultWindow = {
      at: each.at,
      revertedAt: each.revertedAt,
      to: next?.at ?? Number.POSITIVE_INFINITY,
    }
    const detected = each.brokers.map(({ id }) => healer?.detectedAt(id, each.at))
    const detectionMs = detected.every(at => at !== undefined) ? Math.max(...detected) - each.at : null
    return {
      ...each,
      availability: availabilityOf(load.partitions, window),
      redundancyRestoredMs: redundancyRestoredMs(wholeness, window),
      detectionMs,
    }
  })
}

function latencyOf(
  { latencies, startAt }: LoadResult,
  faults: readonly FaultOutcome[],
): RunResult['latency'] {
  const of = (from: number, to: number): LatencySummary | null => summarize(latencies, from, to) ?? null
  const first = faults[0]
  if (first === undefined) return { before: of(startAt, Number.POSITIVE_INFINITY), during: null, after: null }
  const whole = Math.max(
    ...faults.map(each => each.at + (each.redundancyRestoredMs ?? Number.POSITIVE_INFINITY)),
  )
  // A slot that a fault begins in belongs to it.
  return {
    before: of(startAt, first.at - 1_000),
    during: of(first.at - 1_000, whole),
    after: of(whole, Number.POSITIVE_INFINITY),
  }
}
