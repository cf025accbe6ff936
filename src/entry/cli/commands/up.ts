import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { createLogger } from '../../../foundation/log/log.ts'
import { isLocked, lockFile } from '../../../foundation/process/lock.ts'
import { adopt, start } from '../../../foundation/process/run.ts'
import { renderTable } from '../../../foundation/text/table.ts'
import { TEST_RUNNING } from '../../../operations/faults/errors.ts'
import { activeFaults } from '../../../operations/faults/leases/record.ts'
import { revert } from '../../../operations/faults/leases/revert.ts'
import { brokerPrincipal } from '../../../operations/fleet/contract.ts'
import { createProcessLooker, type ProcessFacts } from '../../control/processes.ts'
import { findFleetFile, readFleetFile } from '../../fleet-file.ts'
import { type Home, homeMarks, homeOf, stateNames } from '../../home.ts'
import { RESET_REFUSED, UP_NOT_RUNNING, UP_RUNNING } from '../../up/errors.ts'
import { roleNames, roleProcessesOf } from '../../up/roles.ts'
import { createSteps } from '../../up/steps.ts'
import { stopEverything } from '../../up/supervisor.ts'
import { checkDisk, up as runUp, throwIfUp, UP_PROCESS } from '../../up/up.ts'
import { print, printJson, say } from '../output.ts'

const READY_MARK = 'The fleet is up.'
const DETACH_MS = 300_000
const DOWN_MS = 150_000

export async function up(options: { readonly file?: string; readonly detach?: boolean }): Promise<void> {
  const home = homeOf()
  if (options.detach === true) return detach(home, options.file)
  const ending = new AbortController()
  const stopping = (): void => {
    if (!ending.signal.aborted) say('\nstopping in order; this takes a few seconds')
    ending.abort()
  }
  // SIGHUP: the terminal was closed.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stopping)
  const steps = createSteps(say)
  await runUp({
    home,
    file: options.file,
    steps,
    log: createLogger('up', join(home.logs, 'up.log')),
    signal: ending.signal,
    onUp: address => {
      say(
        `\n${READY_MARK} (${(steps.totalMs / 1_000).toFixed(1)} s)\n\n  console  ${address}\n  stop     Ctrl-C, or ./ajna down\n`,
      )
    },
  })
}

/** Starts `ajna up` in a session of its own and shows what it says until it is up or has failed. */
async function detach(home: Home, file: string | undefined): Promise<void> {
  await throwIfUp(home)
  await checkDisk(home)
  // Of two at once the second would take away what the first one shows.
  await using starting = await lockFile(home.detachLock, { wait: false })
  if (starting === undefined) throw new AjnaError(UP_RUNNING, `a fleet is being started in ${home.root}`)
  const consoleFile = join(home.logs, 'up.console')
  await rm(consoleFile, { force: true })
  const child = await start({
    name: UP_PROCESS,
    command: process.execPath,
    args: [...process.execArgv, process.argv[1]!, 'up', ...(file === undefined ? [] : ['-f', file])],
    env: { AJNA_HOME: home.root },
    cwd: process.cwd(),
    runDir: home.run,
    consoleFile,
  })
  let shown = 0
  let ended = false
  void child.exited.then(() => (ended = true))
  const deadline = Date.now() + DETACH_MS
  for (;;) {
    const wasEnded = ended
    const said = await readFile(consoleFile, 'utf8').catch(() => '')
    process.stderr.write(said.slice(shown))
    shown = said.length
    if (said.includes(READY_MARK)) return
    if (wasEnded) {
      process.exitCode = (await child.exited).code ?? 1
      return
    }
    if (Date.now() > deadline)
      throw new AjnaError(UP_NOT_RUNNING, `not up after ${DETACH_MS / 1_000} s; see ${consoleFile}`)
    await delay(100)
  }
}

export async function status(options: { readonly json?: boolean }): Promise<void> {
  const home = homeOf()
  const file = await readFleetFile(home)
  const expected = [
    ...file.placed.flatMap(cluster => cluster.nodes.map(node => brokerPrincipal(cluster.name, node.id))),
    ...roleProcessesOf(file).map(({ name }) => name),
  ]
  // Writes anew a pid file that was lost or damaged while its process runs.
  await Promise.all(expected.map(name => adopt(home.run, name)))
  const look = createProcessLooker(home.run, Date.now)
  await look()
  await delay(300)
  const processes = await look()
  const supervised = await isLocked(home.upLock)
  const missing = expected.filter(
    name => !processes.some(process => process.name === name && process.running),
  )
  const residentBytes = processes.reduce((sum, { residentBytes: each }) => sum + (each ?? 0), 0)
  const state = {
    fleet: file.fleet.name,
    up: supervised,
    console: `http://127.0.0.1:${file.ports.console}`,
    missing,
    residentBytes,
    processes,
  }
  if (missing.length > 0 || !supervised) process.exitCode = missing.length === expected.length ? 1 : 4
  if (supervised && missing.length === 0) process.exitCode = 0
  if (options.json === true) return printJson(state)
  print(renderProcesses(processes))
  print('')
  print(
    `fleet ${state.fleet}: ${supervised ? 'up' : 'not up'}, ${mib(residentBytes)} MiB resident, console ${state.console}`,
  )
  if (missing.length > 0) print(`not running: ${missing.join(', ')}`)
}

const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0)

function renderProcesses(processes: readonly ProcessFacts[]): string {
  return renderTable(
    [
      { title: 'PROCESS', value: each => each.name },
      { title: 'STATE', value: each => (each.running ? 'running' : 'ended') },
      { title: 'PID', value: each => each.pid, align: 'right' },
      {
        title: 'SINCE (UTC)',
        value: each => new Date(each.since).toISOString().slice(0, 19).replace('T', ' '),
      },
      {
        title: 'RESIDENT MiB',
        value: each => (each.residentBytes === null ? '-' : mib(each.residentBytes)),
        align: 'right',
      },
      {
        title: 'CPU %',
        value: each => (each.cpu === null ? '-' : (each.cpu * 100).toFixed(0)),
        align: 'right',
      },
    ],
    processes,
  )
}

export async function down(): Promise<void> {
  const home = homeOf()
  const steps = createSteps(say)
  if (await isLocked(home.upLock)) {
    const supervisor = await adopt(home.run, UP_PROCESS)
    if (supervisor === undefined)
      throw new AjnaError(UP_NOT_RUNNING, `the \`ajna up\` of ${home.root} cannot be found`, {
        remedy: 'Press Ctrl-C in the terminal where `ajna up` runs.',
      })
    await steps.step('stopped', () => supervisor.stop({ deadlineMs: DOWN_MS }))
    return
  }
  let stopped = 0
  await stopEverything(home, what => {
    stopped++
    steps.note(what)
  })
  if (stopped > 0) return say('stopped what an `ajna up` that was killed had left')
  // Nothing ran: is there a fleet at all?
  await readFleetFile(home)
  say('nothing ran')
}

export async function reset(options: { readonly yes?: boolean }): Promise<void> {
  const home = homeOf()
  await throwIfUp(home)
  await throwIfTesting(home)
  const found = await readdir(home.root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return say(`there is no ${home.root}`)
  const ours = new Set([...stateNames, ...roleNames])
  if (!found.some(name => homeMarks.includes(name)))
    throw new AjnaError(RESET_REFUSED, `${home.root} is not a state directory of ajna's`, {
      remedy: 'Name the state directory with AJNA_HOME; what else it holds is never deleted.',
    })
  // Damaged, it has no name any more.
  const fleet = await findFleetFile(home).catch(() => undefined)
  if (options.yes !== true) await askFor(fleet?.fleet.name ?? 'reset', home)
  await stopEverything(home, say)
  for (const { id } of await activeFaults(home.faults)) await revert(home.faults, id, 'sweep', 'reset')
  for (const name of found)
    if (ours.has(name.replace(/(\.[0-9a-f]{8})?\.(new|damaged)$/, '')))
      await rm(join(home.root, name), { recursive: true, force: true })
  const left = await readdir(home.root)
  if (left.length === 0) await rmdir(home.root).catch(() => undefined)
  say(
    left.length === 0
      ? `deleted ${home.root}`
      : `deleted the state in ${home.root}; left: ${left.join(', ')}`,
  )
}

/** @throws AjnaError TEST_RUNNING */
async function throwIfTesting(home: Home): Promise<void> {
  if (await isLocked(home.testLock)) throw new AjnaError(TEST_RUNNING, `a test runs in ${home.root}`)
}

async function askFor(word: string, home: Home): Promise<void> {
  if (!process.stdin.isTTY) throw new AjnaError(RESET_REFUSED, `${home.root} was left as it is`)
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await prompt.question(
    `This deletes every topic, the archive and all certificates in ${home.root}.\nType ${word} to go on: `,
  )
  prompt.close()
  if (answer.trim() !== word) throw new AjnaError(RESET_REFUSED, `${home.root} was left as it is`)
}
