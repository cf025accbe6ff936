import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { createLogger } from '../../../foundation/log/log.ts'
import { lockFile } from '../../../foundation/process/lock.ts'
import { adopt, start } from '../../../foundation/process/run.ts'
import { renderTable } from '../../../foundation/text/table.ts'
import { createProcessLooker, type ProcessFacts } from '../../control/processes.ts'
import { findFleetFile, readFleetFile } from '../../fleet-file.ts'
import { type Home, homeOf } from '../../home.ts'
import { RESET_REFUSED, UP_NOT_RUNNING, UP_RUNNING } from '../../up/errors.ts'
import { rolesOf } from '../../up/roles.ts'
import { createSteps } from '../../up/steps.ts'
import { stopEverything } from '../../up/supervisor.ts'
import { up as runUp } from '../../up/up.ts'
import { print, printJson, say } from '../output.ts'

const DETACHED = 'up'
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
  process.on('SIGINT', stopping)
  process.on('SIGTERM', stopping)
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
  await using lock = await lockFile(home.upLock, { wait: false })
  if (lock === undefined) throw new AjnaError(UP_RUNNING, `a fleet is up in ${home.root}`)
  await lock.release()
  const consoleFile = join(home.logs, 'up.console')
  await rm(consoleFile, { force: true })
  const child = await start({
    name: DETACHED,
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
  const look = createProcessLooker(home.run, Date.now)
  await look()
  await delay(300)
  const processes = await look()
  const supervised = await isUp(home)
  const expected = [
    ...file.placed.flatMap(cluster => cluster.nodes.map(node => `kafka-${cluster.name}-${node.id}`)),
    ...rolesOf(file),
  ]
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

async function isUp(home: Home): Promise<boolean> {
  const lock = await lockFile(home.upLock, { wait: false })
  await lock?.release()
  return lock === undefined
}

export async function down(): Promise<void> {
  const home = homeOf()
  await readFleetFile(home)
  const steps = createSteps(say)
  if (await isUp(home)) {
    const supervisor = await upProcess(home)
    if (supervisor === undefined)
      throw new AjnaError(UP_NOT_RUNNING, 'a foreground `ajna up` holds the fleet', {
        remedy: 'Press Ctrl-C in the terminal where `ajna up` runs.',
      })
    await steps.step('stopped', () => supervisor.stop({ deadlineMs: DOWN_MS }))
    return
  }
  await steps.step('stopped what an `ajna up` that was killed had left', () =>
    stopEverything(home, what => steps.note(what)),
  )
}

const upProcess = (home: Home) => adopt(home.run, DETACHED)

export async function reset(options: { readonly yes?: boolean }): Promise<void> {
  const home = homeOf()
  const file = await findFleetFile(home)
  if (await isUp(home)) throw new AjnaError(UP_RUNNING, `a fleet is up in ${home.root}`)
  if (options.yes !== true) await askFor(file?.fleet.name ?? 'reset', home)
  await stopEverything(home, say)
  await rm(home.root, { recursive: true, force: true })
  say(`deleted ${home.root}`)
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
