/** Where tests run: one at a time, recorded from the beginning to the end, each on a cluster of its own. */
import { AjnaError, describeError } from '../foundation/errors/errors.ts'
import { type FileLock, lockFile } from '../foundation/process/lock.ts'
import type { Healer } from '../operations/faults/contract.ts'
import { TEST_RUNNING, TEST_STOPPED } from '../operations/faults/errors.ts'
import { sweep } from '../operations/faults/leases/revert.ts'
import type { ToldResult } from '../operations/faults/records/model.ts'
import { type NewTest, openTest, type TestWriter } from '../operations/faults/records/write.ts'
import { type Home, homeOf } from './home.ts'
import { type StartedTestCluster, startTestCluster, type TestClusterTask } from './test-cluster.ts'
import { startTestHealer } from './test-healer.ts'

/** One test at a time. */
export interface TestStage {
  readonly home: Home
  readonly record: TestWriter
  readonly note: (what: string) => void
  /** Aborted by Ctrl-C and its like. */
  readonly signal: AbortSignal
}

export interface TestBed extends TestStage {
  readonly cluster: StartedTestCluster
  /** Undefined: Kafka is on its own. */
  readonly healer: Healer | undefined
}

export interface BedTask extends Omit<TestClusterTask, 'home' | 'signal' | 'note'> {
  readonly healer: 'on' | 'off'
}

type Say = (text: string) => void

/** Tells progress, with the time since it was made. */
export function timed(say: Say): Say {
  const began = performance.now()
  return what => say(`${((performance.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${what}`)
}

/** Aborted, and said so, by Ctrl-C and its like. */
export function stopSignal(said: string, say: Say): AbortSignal {
  const stopping = new AbortController()
  const stop = (name: NodeJS.Signals): void => {
    if (!stopping.signal.aborted) say(said)
    stopping.abort(new AjnaError(TEST_STOPPED, `stopped by ${name}`))
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop)
  return stopping.signal
}

export const stoppingTest = 'stopping: what was broken is undone, the cluster ends'

/** Held by whoever breaks something. @throws AjnaError TEST_RUNNING */
export async function lockTests(home: Home): Promise<FileLock> {
  const lock = await lockFile(home.testLock, { wait: false })
  if (lock === undefined) throw new AjnaError(TEST_RUNNING, `a test runs in ${home.root}`)
  return lock
}

/** @param say tells people how it goes */
export async function testing<Found extends { readonly told: ToldResult }>(
  test: NewTest,
  say: Say,
  work: (stage: TestStage) => Promise<Found>,
): Promise<Found> {
  const home = homeOf()
  await using _lock = await lockTests(home)
  const record = await openTest(home.tests, test)
  const signal = stopSignal(stoppingTest, say)
  const tell = timed(say)
  const note = (what: string): void => {
    tell(what)
    record.note(what)
  }
  try {
    const found = await work({ home, record, note, signal })
    await record.end(found.told)
    return found
  } catch (error) {
    await record.fail(error).catch(reason => say(`its record is not whole: ${describeError(reason)}`))
    throw error
  }
}

/** A cluster, and what heals it, for as long as the work lasts. */
export async function onBed<Found>(
  task: BedTask,
  stage: TestStage,
  work: (bed: TestBed) => Promise<Found>,
): Promise<Found> {
  await using bed = await openBed(task, stage)
  try {
    return await work({ ...stage, cluster: bed.cluster, healer: bed.healer })
  } catch (error) {
    stage.signal.throwIfAborted()
    throw error
  }
}

/** A cluster, and what heals it; what an earlier test left behind is undone first. */
export async function openBed(
  { healer, ...task }: BedTask,
  { home, note, signal }: Pick<TestStage, 'home' | 'note' | 'signal'>,
): Promise<Pick<TestBed, 'cluster' | 'healer'> & AsyncDisposable> {
  const { nodes, leaseMs } = task
  const stack = new AsyncDisposableStack()
  try {
    for (const { id, undone } of await sweep(home.faults)) note(`left by an earlier test: ${id}: ${undone}`)
    note(`starting ${nodes} broker${nodes === 1 ? '' : 's'}`)
    const cluster = stack.use(await startTestCluster({ ...task, home, note, signal }))
    note('the cluster is up')
    const healing = { home, cluster, leaseMs, note, signal }
    const healed = healer === 'on' ? stack.use(await startTestHealer(healing)) : undefined
    return { cluster, healer: healed, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    signal.throwIfAborted()
    throw error
  }
}
