/** Tests of this machine, as the control process sees and starts them. Each is a process of its own, which survives this one. */
import { mkdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import { writeWhole } from '../../foundation/files/whole.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { lastConsoleLines } from '../../foundation/process/console.ts'
import { isAlive } from '../../foundation/process/identity.ts'
import { isLocked } from '../../foundation/process/lock.ts'
import { start } from '../../foundation/process/run.ts'
import { TEST_NOT_STARTED, TEST_OVER, TEST_RUNNING } from '../../operations/faults/errors.ts'
import { readLibrary } from '../../operations/faults/records/library.ts'
import type { TestSummary } from '../../operations/faults/records/model.ts'
import {
  allEvents,
  type KeptTest,
  readEvents,
  readTest,
  summaryOf,
  testIds,
} from '../../operations/faults/records/read.ts'
import { latestIncidents, type Standing, standingOf } from '../../operations/faults/records/standing.ts'
import { newTestId } from '../../operations/faults/records/write.ts'
import { readScenario } from '../../operations/faults/scenario.ts'
import type { Activity } from '../../operations/fleet/activity/contract.ts'
import type { Platform, TestStart } from '../api/platform.ts'
import type { Home } from '../home.ts'
import { every } from './every.ts'

export interface TestsOptions {
  readonly home: Home
  readonly fleet: string
  readonly record: (entry: Activity) => Promise<Activity>
  readonly known: (id: string) => Activity | undefined
  readonly signal: AbortSignal
  readonly log: Logger
}

const LIBRARY = fileURLToPath(new URL('../../../config/scenarios/', import.meta.url))
const MAIN = fileURLToPath(new URL(`../cli/main${extname(import.meta.url)}`, import.meta.url))
const LOOK_MS = 50
const BEGINS_MS = 30_000
const TELL_EVERY_MS = 2_000

export function testsOf(options: TestsOptions): Platform['tests'] {
  const { home, fleet, record, known, signal, log } = options
  const folder = home.tests
  /** Of those that have ended: they stay as they are. */
  const ended = new Map<string, TestSummary>()

  async function list(): Promise<readonly TestSummary[]> {
    const ids = await testIds(folder)
    for (const id of ended.keys()) if (!ids.includes(id)) ended.delete(id)
    const found = await Promise.all(
      ids.map(async id => {
        const before = ended.get(id)
        if (before !== undefined) return [before]
        const test = await readTest(folder, id)
        if (test === undefined) return []
        const summary = summaryOf(test)
        if (summary.state !== 'running') ended.set(id, summary)
        return [summary]
      }),
    )
    return found.flat()
  }

  /** Tests are in the activity whoever starts them; what is told again changes nothing. */
  async function tell(test: TestSummary): Promise<void> {
    const entry = entryOf(test, fleet)
    const before = known(entry.id)
    if (before === undefined || (before.outcome === 'running' && entry.outcome !== 'running'))
      await record(entry)
  }

  every(TELL_EVERY_MS, signal, async () => {
    try {
      for (const test of await list()) await tell(test)
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'tests are not in the activity')
    }
  })

  return {
    list,
    async get(id, from) {
      const test = await readTest(folder, id)
      if (test === undefined) return undefined
      const all = await allEvents(folder, id)
      return {
        summary: summaryOf(test),
        scenario: test.record.scenario,
        result: test.result ?? null,
        standing: standingNow(test, all),
        incidents: latestIncidents(all),
        events: await readEvents(folder, id, from),
      }
    },
    scenarios: () => readLibrary(LIBRARY),
    async start(request, why) {
      readScenario(request.text, request.file)
      if (await isLocked(home.testLock)) throw new AjnaError(TEST_RUNNING, `a test runs in ${home.root}`)
      const test = summaryOf(await begin(home, request, why))
      await tell(test)
      return test
    },
    async stop(id, { actor, reason }) {
      const test = await readTest(folder, id)
      if (test?.state !== 'running' || !(await isAlive(test.record.process)))
        throw new AjnaError(TEST_OVER, `test ${id} does not run`)
      const stop = { at: Date.now(), by: actor.slice(0, 100), reason }
      await writeWhole(join(folder, id, 'stop.json'), `${JSON.stringify(stop)}\n`)
      process.kill(test.record.process.pid, 'SIGTERM')
      return summaryOf({ ...test, stop })
    },
  }
}

function standingNow(
  { record, state }: KeptTest,
  events: Parameters<typeof standingOf>[2],
): readonly Standing[] {
  if (state !== 'running' || record.scenario === null) return []
  return standingOf(readScenario(record.scenario, record.name), record.healer, events)
}

/** Resolves once it has its record. @throws AjnaError TEST_NOT_STARTED */
async function begin(
  home: Home,
  { text, healer }: TestStart,
  { actor, reason }: { readonly actor: string; readonly reason: string },
): Promise<KeptTest> {
  const id = newTestId(Date.now())
  const own = join(home.tests, id)
  await mkdir(own, { recursive: true })
  const file = join(own, 'scenario.yaml')
  await writeWhole(file, text)
  const consoleFile = join(own, 'console.log')
  const said = ['--healer', healer ? 'on' : 'off', '--by', actor, '--reason', reason, '--record', id]
  const running = await start({
    name: 'process',
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', MAIN, 'test', 'run', file, ...said],
    env: { AJNA_HOME: home.root },
    runDir: own,
    consoleFile,
  })
  let over = false
  void running.exited.then(() => {
    over = true
  })
  const until = performance.now() + BEGINS_MS
  for (;;) {
    const hasEnded = over
    const test = await readTest(home.tests, id)
    if (test !== undefined) return test
    if (hasEnded || performance.now() > until) break
    await delay(LOOK_MS)
  }
  if (!over) await running.stop({ deadlineMs: 10_000 })
  const words = (await lastConsoleLines(consoleFile, 5)).join(' ')
  throw new AjnaError(TEST_NOT_STARTED, words)
}

const OUTCOMES = {
  running: 'running',
  met: 'done',
  missed: 'failed',
  failed: 'failed',
  died: 'failed',
} as const

/** One entry a test, told anew when it has ended. Pure. */
export function entryOf(test: TestSummary, fleet: string): Activity {
  const { id, name, state, startedAt, endedAt, by, reason, error, stopped, seed, healer } = test
  const over = state !== 'running'
  const how = {
    running: 'begun',
    met: 'as expected',
    missed: 'not as expected',
    failed: 'could not be carried out',
    stopped: 'stopped',
    died: 'its process is gone',
  }[state]
  const evidence = (label: string, value: number | string | null): Activity['evidence'] =>
    value === null ? [] : [{ label, value: String(value).slice(0, 2_000) }]
  return {
    id: `test-${id}`.slice(0, 64),
    revision: over ? 1 : 0,
    at: startedAt,
    actor: by || 'operator',
    action: 'test.run',
    subject: { kind: 'fleet', name: fleet, cluster: null },
    summary: `test ${name}: ${how}`.slice(0, 500),
    reason,
    outcome: state === 'stopped' ? 'done' : OUTCOMES[state],
    evidence: [
      ...evidence('test', id),
      ...evidence('seed', seed),
      ...evidence('healer', healer ? 'on' : 'off'),
      ...evidence('stopped', stopped && `by ${stopped.by}: ${stopped.reason}`),
      ...evidence('error', error && `${error.code}: ${error.message}`),
      ...evidence('availability restored, ms', test.availabilityRestoredMs),
      ...evidence('records lost', test.lost),
    ],
    endedAt: over ? (endedAt ?? startedAt) : null,
  }
}
