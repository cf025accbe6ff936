import { randomInt } from 'node:crypto'
import { access, constants, readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname, resolve } from 'node:path'
import { CONFIG_INVALID } from '../../../foundation/config/errors.ts'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { writeWhole } from '../../../foundation/files/whole.ts'
import { ensureKafka } from '../../../foundation/kafka-dist/kafka-dist.ts'
import { defaultKafkaVersion } from '../../../foundation/kafka-dist/versions.ts'
import { whyNoClocks } from '../../../operations/faults/clock/clock.ts'
import {
  compareFailures,
  type EarlierReport,
  gotWorse,
  readEarlier,
  renderCompared,
} from '../../../operations/faults/compare.ts'
import type { FailureFigures } from '../../../operations/faults/contract.ts'
import { whyUnavailable } from '../../../operations/faults/disk/build.ts'
import { TEST_REPORT_UNWRITABLE } from '../../../operations/faults/errors.ts'
import {
  clusterOf,
  type FailureKind,
  failureKinds,
  kindsNamed,
  measureFailures,
} from '../../../operations/faults/failures.ts'
import { type PageRun, type PageTask, renderPage } from '../../../operations/faults/html/page.ts'
import { traceOf } from '../../../operations/faults/html/trace.ts'
import { type Expectation, judge } from '../../../operations/faults/judge.ts'
import { activeFaults } from '../../../operations/faults/leases/record.ts'
import { revert, whyOver } from '../../../operations/faults/leases/revert.ts'
import { inOwnNetwork } from '../../../operations/faults/network/namespace.ts'
import { inTurn, operationText, versionsOf } from '../../../operations/faults/planned/schema.ts'
import { randomOf } from '../../../operations/faults/random.ts'
import type { ToldResult } from '../../../operations/faults/records/model.ts'
import type { NewTest } from '../../../operations/faults/records/write.ts'
import {
  NO_HEALER,
  type RunReport,
  renderFailures,
  renderListed,
  renderRun,
  reportOf,
  timelineOf,
  WITH_HEALER,
} from '../../../operations/faults/report.ts'
import { type RunResult, runScenario } from '../../../operations/faults/run.ts'
import {
  lastsMs,
  needsClocks,
  needsDisks,
  needsOwnNetwork,
  readScenario,
  type Scenario,
} from '../../../operations/faults/scenario.ts'
import { homeOf } from '../../home.ts'
import { type BedTask, onBed, type TestBed, testing } from '../../test-bed.ts'
import { print, printJson, say } from '../output.ts'

/** For starting a cluster, reading everything back and ending. */
const AROUND_MS = 600_000
/** A run of one kind of failure, at most. */
const FAILURE_MS = 180_000

export interface TestOptions {
  readonly json?: boolean
  readonly healer: 'on' | 'off'
  /** Path of the page to write. */
  readonly report?: string
  /** Who starts it, and why. */
  readonly by?: string
  readonly reason?: string
  /** The record's id, for who waits for it. */
  readonly record?: string
}

interface FailuresOptions extends TestOptions {
  readonly runs: number
  readonly kinds?: string
  readonly seed?: number
  /** Path of an earlier `failures --json`. */
  readonly compare?: string
}

export async function run(file: string, options: TestOptions): Promise<void> {
  const text = await textOf(file)
  const scenario = readScenario(text, file)
  await mayBeWritten(options.report)
  const seed = scenario.seed ?? randomInt(2 ** 32)
  const ownNetwork = needsOwnNetwork(scenario.faults)
  if (ownNetwork && (await elsewhere(versionsOf(scenario)))) return
  const { report, result, runs } = await testing(
    {
      ...{ what: 'scenario', name: scenario.name, scenario: text, kinds: [], runs: 1, seed },
      ...saidOf(options),
    },
    say,
    async stage => {
      if (scenario.impaired !== undefined && options.healer === 'off')
        stage.note(`impaired: ${scenario.impaired} has no effect without a healer`)
      stage.note(`scenario ${scenario.name}, seed ${seed}`)
      const { report, result } = await onBed(bedOf(scenario, options.healer), stage, bed =>
        runOnBed(bed, scenario, seed),
      )
      const runs = [pageRun(scenario.name, faultsText(scenario), report.expectations, result)]
      const { met, version } = report
      const outcome = met ? 'met' : 'missed'
      const told: ToldResult = {
        outcome,
        error: null,
        version,
        report,
        failures: null,
        reproduces: null,
        runs,
      }
      return { report, result, runs, told }
    },
  )
  if (!report.met) process.exitCode = 1
  const { version, healer } = report
  const page = { title: `Scenario ${scenario.name}`, at: Date.now(), version, seed, healer }
  await writePage(options.report, { ...page, runs })
  if (options.json === true) return printJson(report)
  print(renderRun(report, result))
  print(`\n${JSON.stringify(report)}`)
}

/** Where a scenario is run. */
export const bedOf = (scenario: Scenario, healer: 'on' | 'off'): BedTask => ({
  nodes: scenario.cluster.nodes,
  controllers: scenario.cluster.controllers,
  versions: versionsOf(scenario),
  settings: scenario.cluster.config,
  ownNetwork: needsOwnNetwork(scenario.faults),
  disks: needsDisks(scenario),
  clocks: needsClocks(scenario),
  leaseMs: lastsMs(scenario) + AROUND_MS,
  healer,
})

export const faultsText = ({ faults, operations }: Scenario): string =>
  [
    ...faults.map(({ fault, broker }) => `${fault} of ${broker.join(', ')}`),
    ...inTurn(operations).map(operationText),
  ].join('; ') || 'no fault'

export async function runOnBed(
  { cluster, healer, home, record, note, signal }: TestBed,
  scenario: Scenario,
  seed: number,
): Promise<{ readonly report: RunReport; readonly result: RunResult }> {
  const result = await runScenario({
    ...{ scenario, cluster, healer, explain: cluster.explain, note, follower: record, signal },
    setups: cluster.setups,
    folder: home.faults,
    random: randomOf(seed),
  })
  const report = reportOf({
    name: scenario.name,
    seed,
    version: cluster.version,
    healer: healer?.name ?? null,
    load: scenario.load,
    partitions: scenario.cluster.partitions,
    result,
    expectations: judge(scenario, result),
  })
  return { report, result }
}

export const saidOf = ({
  healer,
  by,
  reason,
  record,
}: TestOptions): Pick<NewTest, 'id' | 'healer' | 'by' | 'reason'> => ({
  id: record,
  healer: healer === 'on',
  by: by ?? userInfo().username,
  reason: reason ?? null,
})

/** Whether the command was carried out in a network of its own; it goes on as this process's exit code says. */
export async function elsewhere(versions: readonly string[] = [defaultKafkaVersion]): Promise<boolean> {
  // There they could not be fetched.
  for (const version of versions) await ensureKafka(version, { progress: say })
  const code = await inOwnNetwork()
  if (code !== undefined) process.exitCode = code
  return code !== undefined
}

export async function failures(options: FailuresOptions): Promise<void> {
  const named = kindsNamed(
    options.kinds?.split(',').map(name => name.trim()),
    options.healer,
  )
  // Who names a kind is told why it cannot be measured here; who names none gets what can be.
  const noDisks = options.kinds === undefined ? await whyUnavailable() : undefined
  const noClocks = options.kinds === undefined ? await whyNoClocks() : undefined
  const kinds = named.filter(
    kind => (noDisks === undefined || !needsDisks(kind)) && (noClocks === undefined || !needsClocks(kind)),
  )
  const earlier = await earlierOf(options.compare)
  await mayBeWritten(options.report)
  const ownNetwork = needsOwnNetwork(kinds.flatMap(({ faults }) => faults))
  if (ownNetwork && (await elsewhere())) return
  const seed = options.seed ?? randomInt(2 ** 32)
  const names = kinds.map(({ name }) => name)
  const newTest: NewTest = {
    ...{ what: 'failures', name: failuresName(kinds.length, options.runs), scenario: null },
    ...{ kinds: names, runs: options.runs, seed },
    ...saidOf(options),
  }
  const { figures, version, healer, runs, told } = await testing(newTest, say, async stage => {
    if (noDisks !== undefined) stage.note(`no disk can be made to fail here: ${noDisks}`)
    if (noClocks !== undefined) stage.note(`no clock can be set wrong here: ${noClocks}`)
    stage.note(`${kinds.length} of ${failureKinds.length} kinds, ${options.runs} of each, seed ${seed}`)
    const figures: FailureFigures[] = []
    const runs: PageRun[] = []
    let bed: Pick<MeasuredBed, 'version' | 'healer'> | undefined
    // Disks that can be made to fail are slower than others: who does not need them has none.
    for (const its of Map.groupBy(kinds, kind => JSON.stringify(clusterOf(kind))).values()) {
      const leaseMs = its.length * options.runs * FAILURE_MS + AROUND_MS
      const task = { ...clusterOf(its[0]!), ownNetwork, leaseMs, healer: options.healer }
      const measured = await onBed(task, stage, bed => measureOn(bed, its, options.runs, seed))
      figures.push(...measured.figures)
      runs.push(...measured.runs)
      bed = measured
    }
    const { version, healer } = bed!
    const outcome = figures.every(({ met, runs }) => met === runs) ? 'met' : 'missed'
    const pages = runs.slice(0, MAX_PAGE_RUNS)
    const nothing = { error: null, report: null, reproduces: null }
    const told: ToldResult = { ...nothing, outcome, version, failures: figures, runs: pages }
    return { figures, version, healer, runs: pages, told }
  })
  if (told.outcome !== 'met') process.exitCode = 1
  const compared = earlier === undefined ? undefined : compareFailures(earlier.failures, figures)
  if (compared !== undefined && gotWorse(compared)) process.exitCode = 1
  const document = {
    ...{ version, seed, healer, failures: figures },
    ...(compared === undefined ? {} : { compared }),
  }
  await writePage(options.report, {
    ...document,
    title: failuresName(figures.length, options.runs),
    at: Date.now(),
    compared: compared === undefined ? undefined : { file: options.compare!, kinds: compared },
    runs,
  })
  if (options.json === true) return printJson(document)
  print(renderFailures(figures))
  print(`Times are median / worst, from the fault on. ${healer === null ? NO_HEALER : WITH_HEALER}`)
  if (compared !== undefined) print(`\nBefore → now, ${options.compare}\n\n${renderCompared(compared)}`)
  print(`\n${JSON.stringify(document)}`)
}

interface MeasuredBed {
  readonly figures: readonly FailureFigures[]
  readonly runs: readonly PageRun[]
  readonly version: string
  readonly healer: string | null
}

/** Kinds that are measured on as many brokers. */
async function measureOn(
  bed: TestBed,
  kinds: readonly FailureKind[],
  times: number,
  seed: number,
): Promise<MeasuredBed> {
  const { cluster, note, record } = bed
  const runs: PageRun[] = []
  const figures = await measureFailures({
    cluster,
    kinds,
    runs: times,
    folder: bed.home.faults,
    random: randomOf(seed),
    healer: bed.healer,
    explain: cluster.explain,
    note,
    follower: record,
    begins: ({ name, what }) => record.run(name, what),
    ran: ({ name, what }, scenario, result) => {
      const expectations = judge(scenario, result)
      if (runs.length < MAX_PAGE_RUNS) runs.push(pageRun(name, what, expectations, result))
      for (const { what, expected, found } of expectations.filter(each => !each.met))
        note(`${name}: ${what}: expected ${expected}, found ${found}`)
    },
    signal: bed.signal,
  })
  return { figures, runs, version: cluster.version, healer: bed.healer?.name ?? null }
}

const failuresName = (kinds: number, runs: number): string =>
  `${kinds} kinds of failures, ${runs} ${runs === 1 ? 'run' : 'runs'} of each`

/** A page of more is none that anybody reads; the figures are of all runs. */
const MAX_PAGE_RUNS = 200

export const pageRun = (
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
