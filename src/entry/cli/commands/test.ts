import { randomInt } from 'node:crypto'
import { access, constants, readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CONFIG_INVALID } from '../../../foundation/config/errors.ts'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { writeWhole } from '../../../foundation/files/whole.ts'
import { ensureKafka } from '../../../foundation/kafka-dist/kafka-dist.ts'
import { defaultKafkaVersion } from '../../../foundation/kafka-dist/versions.ts'
import { lockFile } from '../../../foundation/process/lock.ts'
import {
  compareFailures,
  type EarlierReport,
  gotWorse,
  readEarlier,
  renderCompared,
} from '../../../operations/faults/compare.ts'
import type { Healer } from '../../../operations/faults/contract.ts'
import { TEST_REPORT_UNWRITABLE, TEST_RUNNING, TEST_STOPPED } from '../../../operations/faults/errors.ts'
import { failureKinds, kindsNamed, measureFailures } from '../../../operations/faults/failures.ts'
import { type PageRun, type PageTask, renderPage } from '../../../operations/faults/html/page.ts'
import { traceOf } from '../../../operations/faults/html/trace.ts'
import { type Expectation, judge } from '../../../operations/faults/judge.ts'
import { activeFaults } from '../../../operations/faults/leases/record.ts'
import { revert, sweep, whyOver } from '../../../operations/faults/leases/revert.ts'
import { inOwnNetwork } from '../../../operations/faults/network/namespace.ts'
import { randomOf } from '../../../operations/faults/random.ts'
import {
  NO_HEALER,
  renderFailures,
  renderListed,
  renderRun,
  reportOf,
  timelineOf,
  WITH_HEALER,
} from '../../../operations/faults/report.ts'
import { type RunResult, runScenario } from '../../../operations/faults/run.ts'
import { lastsMs, needsOwnNetwork, readScenario } from '../../../operations/faults/scenario.ts'
import { type Home, homeOf } from '../../home.ts'
import { type StartedTestCluster, startTestCluster, type TestClusterTask } from '../../test-cluster.ts'
import { startTestHealer } from '../../test-healer.ts'
import { print, printJson, say } from '../output.ts'

/** For starting a cluster, reading everything back and ending. */
const AROUND_MS = 600_000
/** A run of one kind of failure, at most. */
const FAILURE_MS = 180_000
const NODES = 3

interface TestOptions {
  readonly json?: boolean
  readonly healer: 'on' | 'off'
  /** Path of the page to write. */
  readonly report?: string
}

interface FailuresOptions extends TestOptions {
  readonly runs: number
  readonly kinds?: string
  readonly seed?: number
  /** Path of an earlier `failures --json`. */
  readonly compare?: string
}

export async function run(file: string, options: TestOptions): Promise<void> {
  const scenario = readScenario(await textOf(file), file)
  await mayBeWritten(options.report)
  const seed = scenario.seed ?? randomInt(2 ** 32)
  const ownNetwork = needsOwnNetwork(scenario.faults)
  if (ownNetwork && (await elsewhere())) return
  const note = notes()
  if (scenario.impaired !== undefined && options.healer === 'off')
    note(`impaired: ${scenario.impaired} has no effect without a healer`)
  await using bed = await testBed({
    nodes: scenario.cluster.nodes,
    ownNetwork,
    leaseMs: lastsMs(scenario) + AROUND_MS,
    healer: options.healer,
    note,
  })
  note(`scenario ${scenario.name}, seed ${seed}`)
  const result = await runScenario({
    scenario,
    cluster: bed.cluster,
    folder: bed.home.faults,
    random: randomOf(seed),
    healer: bed.healer,
    explain: bed.cluster.explain,
    note,
    signal: bed.signal,
  })
  const report = reportOf({
    name: scenario.name,
    seed,
    version: bed.cluster.version,
    healer: bed.healer?.name ?? null,
    load: scenario.load,
    partitions: scenario.cluster.partitions,
    result,
    expectations: judge(scenario, result),
  })
  if (!report.met) process.exitCode = 1
  const { version, healer, expectations } = report
  const page = { title: `Scenario ${scenario.name}`, at: Date.now(), version, seed, healer }
  const what = scenario.faults.map(({ fault, broker }) => `${fault} of ${broker.join(', ')}`).join('; ')
  await writePage(options.report, {
    ...page,
    runs: [pageRun(scenario.name, what || 'no fault', expectations, result)],
  })
  if (options.json === true) return printJson(report)
  print(renderRun(report, result))
  print(`\n${JSON.stringify(report)}`)
}

/** Whether the command was carried out in a network of its own; it goes on as this process's exit code says. */
export async function elsewhere(): Promise<boolean> {
  // There it could not be fetched.
  await ensureKafka(defaultKafkaVersion, { progress: say })
  const code = await inOwnNetwork()
  if (code !== undefined) process.exitCode = code
  return code !== undefined
}

export async function failures(options: FailuresOptions): Promise<void> {
  const kinds = kindsNamed(
    options.kinds?.split(',').map(name => name.trim()),
    options.healer,
  )
  const earlier = await earlierOf(options.compare)
  await mayBeWritten(options.report)
  const ownNetwork = needsOwnNetwork(kinds.flatMap(({ faults }) => faults))
  if (ownNetwork && (await elsewhere())) return
  const seed = options.seed ?? randomInt(2 ** 32)
  const note = notes()
  const leaseMs = kinds.length * options.runs * FAILURE_MS + AROUND_MS
  await using bed = await testBed({ nodes: NODES, ownNetwork, leaseMs, healer: options.healer, note })
  note(`${kinds.length} of ${failureKinds.length} kinds, ${options.runs} of each, seed ${seed}`)
  let met = true
  const pageRuns: PageRun[] = []
  const figures = await measureFailures({
    cluster: bed.cluster,
    kinds,
    runs: options.runs,
    folder: bed.home.faults,
    random: randomOf(seed),
    healer: bed.healer,
    explain: bed.cluster.explain,
    note,
    ran: ({ name, what }, scenario, result) => {
      const expectations = judge(scenario, result)
      const missed = expectations.filter(each => !each.met)
      if (options.report !== undefined && pageRuns.length < MAX_PAGE_RUNS)
        pageRuns.push(pageRun(name, what, expectations, result))
      for (const { what, expected, found } of missed)
        say(`${name}: ${what}: expected ${expected}, found ${found}`)
      met &&= missed.length === 0
    },
    signal: bed.signal,
  })
  if (!met) process.exitCode = 1
  const compared = earlier === undefined ? undefined : compareFailures(earlier.failures, figures)
  if (compared !== undefined && gotWorse(compared)) process.exitCode = 1
  const document = {
    ...{ version: bed.cluster.version, seed, healer: bed.healer?.name ?? null, failures: figures },
    ...(compared === undefined ? {} : { compared }),
  }
  await writePage(options.report, {
    ...document,
    title: `${figures.length} kinds of failures, ${options.runs} ${options.runs === 1 ? 'run' : 'runs'} of each`,
    at: Date.now(),
    compared: compared === undefined ? undefined : { file: options.compare!, kinds: compared },
    runs: pageRuns,
  })
  if (options.json === true) return printJson(document)
  print(renderFailures(figures))
  print(`Times are median / worst, from the fault on. ${bed.healer === undefined ? NO_HEALER : WITH_HEALER}`)
  if (compared !== undefined) print(`\nBefore → now, ${options.compare}\n\n${renderCompared(compared)}`)
  print(`\n${JSON.stringify(document)}`)
}

/** A page of more is none that anybody reads; the figures are of all runs. */
const MAX_PAGE_RUNS = 200

const pageRun = (
  name: string,
  what: string,
  expectations: readonly Expectation[],
  result: RunResult,
): PageRun => ({ name, what, expectations, trace: traceOf(result), timeline: timelineOf(result) })

async function earlierOf(file: string | undefined): Promise<EarlierReport | undefined> {
  return file === undefined ? undefined : readEarlier(await textOf(file, 'a report (failures --json)'), file)
}

/** Before minutes are spent on what cannot be written. @throws AjnaError TEST_REPORT_UNWRITABLE */
async function mayBeWritten(file: string | undefined): Promise<void> {
  if (file === undefined) return
  try {
    await access(dirname(resolve(file)), constants.W_OK)
  } catch (cause) {
    throw new AjnaError(TEST_REPORT_UNWRITABLE, file, { cause })
  }
}

async function writePage(file: string | undefined, page: PageTask): Promise<void> {
  if (file === undefined) return
  await writeWhole(resolve(file), renderPage(page)).catch((cause: unknown) => {
    throw new AjnaError(TEST_REPORT_UNWRITABLE, file, { cause })
  })
  say(`report: ${file}`)
}

export async function faults(options: { readonly json?: boolean; readonly revert?: boolean }): Promise<void> {
  const { faults: folder } = homeOf()
  if (options.revert === true) {
    for (const { id } of await activeFaults(folder)) {
      const ended = await revert(folder, id, 'sweep', 'it was asked for')
      if (ended !== undefined) say(`${id}: ${ended.undone}`)
    }
  }
  const listed = await Promise.all(
    (await activeFaults(folder)).map(async fault => ({ ...fault, overdue: (await whyOver(fault)) ?? null })),
  )
  if (options.json === true) return printJson(listed)
  print(listed.length === 0 ? 'no fault is under way' : renderListed(listed, Date.now()))
}

async function textOf(file: string, what = 'a scenario; docs/OPERATIONS.md shows one'): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new AjnaError(CONFIG_INVALID, `${file} cannot be read`, {
      cause,
      remedy: `Name a file that holds ${what}.`,
    })
  }
}

/** Tells progress, with the time since the command was given. */
export function notes(): (what: string) => void {
  const began = performance.now()
  return what => say(`${((performance.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${what}`)
}

export interface TestBed extends AsyncDisposable {
  readonly home: Home
  readonly cluster: StartedTestCluster
  /** Undefined: Kafka is on its own. */
  readonly healer: Healer | undefined
  /** Aborted by Ctrl-C and its like. */
  readonly signal: AbortSignal
}

/** Aborted, and said so, by Ctrl-C and its like. */
export function stopSignal(said: string): AbortSignal {
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    if (!stopping.signal.aborted) say(said)
    stopping.abort(new AjnaError(TEST_STOPPED, `stopped by ${signal}`))
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop)
  return stopping.signal
}

type BedTask = Omit<TestClusterTask, 'home' | 'signal'> & { readonly healer: 'on' | 'off' }

/** One cluster, and what heals it, for one test at a time; what an earlier test left behind is undone first. */
export async function testBed({ healer, ...task }: BedTask): Promise<TestBed> {
  const { nodes, leaseMs, note } = task
  const home = homeOf()
  const lock = await lockFile(home.testLock, { wait: false })
  if (lock === undefined) throw new AjnaError(TEST_RUNNING, `a test runs in ${home.root}`)
  const stack = new AsyncDisposableStack()
  stack.defer(() => lock.release())
  const signal = stopSignal('stopping: what was broken is undone, the cluster ends')
  try {
    for (const { id, undone } of await sweep(home.faults)) note(`left by an earlier test: ${id}: ${undone}`)
    note(`starting ${nodes} broker${nodes === 1 ? '' : 's'}`)
    const cluster = stack.use(await startTestCluster({ ...task, home, signal }))
    note('the cluster is up')
    const healing = { home, cluster, leaseMs, note, signal }
    const healed = healer === 'on' ? stack.use(await startTestHealer(healing)) : undefined
    return { home, cluster, healer: healed, signal, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    signal.throwIfAborted()
    throw error
  }
}
