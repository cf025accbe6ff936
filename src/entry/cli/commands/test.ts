import { randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { CONFIG_INVALID } from '../../../foundation/config/errors.ts'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { ensureKafka } from '../../../foundation/kafka-dist/kafka-dist.ts'
import { defaultKafkaVersion } from '../../../foundation/kafka-dist/versions.ts'
import { type FileLock, lockFile } from '../../../foundation/process/lock.ts'
import { whyUnavailable } from '../../../operations/faults/disk/build.ts'
import { isDiskFault } from '../../../operations/faults/disk/kibosh.ts'
import { TEST_RUNNING, TEST_STOPPED } from '../../../operations/faults/errors.ts'
import { failureKinds, kindsNamed, measureFailures } from '../../../operations/faults/failures.ts'
import { judge } from '../../../operations/faults/judge.ts'
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
} from '../../../operations/faults/report.ts'
import { runScenario } from '../../../operations/faults/run.ts'
import { lastsMs, needsDisks, needsOwnNetwork, readScenario } from '../../../operations/faults/scenario.ts'
import { type Home, homeOf } from '../../home.ts'
import { startTestCluster, type TestClusterTask } from '../../test-cluster.ts'
import { print, printJson, say } from '../output.ts'

/** For starting a cluster, reading everything back and ending. */
const AROUND_MS = 600_000
/** A run of one kind of failure, at most. */
const FAILURE_MS = 180_000
const NODES = 3

interface Json {
  readonly json?: boolean
}

export async function run(file: string, options: Json): Promise<void> {
  const scenario = readScenario(await textOf(file), file)
  const seed = scenario.seed ?? randomInt(2 ** 32)
  const ownNetwork = needsOwnNetwork(scenario.faults)
  if (ownNetwork && (await elsewhere())) return
  const note = notes()
  const { nodes } = scenario.cluster
  const disks = needsDisks(scenario)
  await using bed = await testBed({ nodes, ownNetwork, disks, leaseMs: lastsMs(scenario) + AROUND_MS, note })
  note(`scenario ${scenario.name}, seed ${seed}`)
  const result = await runScenario({
    scenario,
    cluster: bed.cluster,
    folder: bed.home.faults,
    random: randomOf(seed),
    explain: bed.cluster.explain,
    note,
    signal: bed.signal,
  })
  const report = reportOf({
    name: scenario.name,
    seed,
    version: bed.cluster.version,
    healer: null,
    load: scenario.load,
    partitions: scenario.cluster.partitions,
    result,
    expectations: judge(scenario, result),
  })
  if (!report.met) process.exitCode = 1
  if (options.json === true) return printJson(report)
  print(renderRun(report, result))
  print(`\n${JSON.stringify(report)}`)
}

/** Whether the command was carried out in a network of its own; it goes on as this process's exit code says. */
async function elsewhere(): Promise<boolean> {
  // There it could not be fetched.
  await ensureKafka(defaultKafkaVersion, { progress: say })
  const code = await inOwnNetwork()
  if (code !== undefined) process.exitCode = code
  return code !== undefined
}

export async function failures(
  options: Json & { readonly runs: number; readonly kinds?: string; readonly seed?: number },
): Promise<void> {
  const named = kindsNamed(options.kinds?.split(',').map(name => name.trim()))
  // Who names a kind is told why it cannot be measured here; who names none gets what can be.
  const noDisks = options.kinds === undefined ? await whyUnavailable() : undefined
  const kinds = named.filter(({ fault }) => noDisks === undefined || !isDiskFault(fault.fault))
  const ownNetwork = needsOwnNetwork(kinds.map(({ fault }) => fault))
  if (ownNetwork && (await elsewhere())) return
  const seed = options.seed ?? randomInt(2 ** 32)
  const note = notes()
  if (noDisks !== undefined) note(`no disk can be made to fail here: ${noDisks}`)
  const leaseMs = kinds.length * options.runs * FAILURE_MS + AROUND_MS
  const disks = kinds.some(({ fault }) => isDiskFault(fault.fault))
  await using bed = await testBed({ nodes: NODES, ownNetwork, disks, leaseMs, note })
  note(`${kinds.length} of ${failureKinds.length} kinds, ${options.runs} of each, seed ${seed}`)
  let met = true
  const figures = await measureFailures({
    cluster: bed.cluster,
    kinds,
    runs: options.runs,
    folder: bed.home.faults,
    random: randomOf(seed),
    explain: bed.cluster.explain,
    note,
    ran: ({ name }, scenario, result) => {
      const missed = judge(scenario, result).filter(each => !each.met)
      for (const { what, expected, found } of missed)
        say(`${name}: ${what}: expected ${expected}, found ${found}`)
      met &&= missed.length === 0
    },
    signal: bed.signal,
  })
  if (!met) process.exitCode = 1
  const document = { version: bed.cluster.version, seed, healer: null, failures: figures }
  if (options.json === true) return printJson(document)
  print(renderFailures(figures))
  print(`Times are median / worst, from the fault on. ${NO_HEALER}`)
  print(`\n${JSON.stringify(document)}`)
}

export async function faults(options: Json & { readonly revert?: boolean }): Promise<void> {
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

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new AjnaError(CONFIG_INVALID, `${file} cannot be read`, {
      cause,
      remedy: 'Name a file that holds a scenario; docs/OPERATIONS.md shows one.',
    })
  }
}

/** Tells progress, with the time since the command was given. */
function notes(): (what: string) => void {
  const began = performance.now()
  return what => say(`${((performance.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${what}`)
}

interface TestBed extends AsyncDisposable {
  readonly home: Home
  readonly cluster: Awaited<ReturnType<typeof startTestCluster>>
  /** Aborted by Ctrl-C and its like. */
  readonly signal: AbortSignal
}

/** One cluster for one test at a time; what an earlier test left behind is undone first. */
async function testBed(task: Omit<TestClusterTask, 'home' | 'signal'>): Promise<TestBed> {
  const { nodes, note } = task
  const home = homeOf()
  const lock = await lockFile(home.testLock, { wait: false })
  if (lock === undefined) throw new AjnaError(TEST_RUNNING, `a test runs in ${home.root}`)
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    if (!stopping.signal.aborted) say('stopping: what was broken is undone, the cluster ends')
    stopping.abort(new AjnaError(TEST_STOPPED, `stopped by ${signal}`))
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop)
  try {
    for (const { id, undone } of await sweep(home.faults)) note(`left by an earlier test: ${id}: ${undone}`)
    note(`starting ${nodes} broker${nodes === 1 ? '' : 's'}`)
    const cluster = await startTestCluster({ ...task, home, signal: stopping.signal })
    note('the cluster is up')
    return { home, cluster, signal: stopping.signal, [Symbol.asyncDispose]: () => closeBed(cluster, lock) }
  } catch (error) {
    await lock.release()
    stopping.signal.throwIfAborted()
    throw error
  }
}

async function closeBed(cluster: AsyncDisposable, lock: FileLock): Promise<void> {
  try {
    await cluster[Symbol.asyncDispose]()
  } finally {
    await lock.release()
  }
}
