import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, isAjnaError } from '../../foundation/errors/errors.ts'
import { openSession, type Session } from '../../foundation/http/session.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { freeBytes } from '../../foundation/process/disk.ts'
import { isLocked, lockFile } from '../../foundation/process/lock.ts'
import { adopt, recordSelf } from '../../foundation/process/run.ts'
import { checkPortsFree, type PortAllocations } from '../../operations/fleet/brokers/ports.ts'
import { createApiClient, dataOf } from '../api/client.ts'
import { type AgentAddress, askAgent } from '../control/agents.ts'
import { accept, applyDeclared, clusterReady, declaredFleet } from '../fleet.ts'
import { type FleetFile, findFleetFile } from '../fleet-file.ts'
import type { Home } from '../home.ts'
import { watchStartingBrokers } from './brokers.ts'
import { UP_DISK_FULL, UP_ROLE_FAILED, UP_RUNNING } from './errors.ts'
import { type RoleName, roleProcessesOf, roleProcessNamed } from './roles.ts'
import type { Steps } from './steps.ts'
import { createRoleSupervisor, type RoleSupervisor } from './supervisor.ts'

const MIN_FREE_BYTES = 1024 * 1024 * 1024
const READY_MS = 60_000
const FIRST_LINE_MS = 60_000
const POLL_MS = 100
/** By then an agent that has found its cluster has looked for files more than once. */
const LOOKED_AT_FILES_MS = 5_000

export interface UpTask {
  readonly home: Home
  /** The declaration; default: see `declaredFleet`. */
  readonly file: string | undefined
  readonly steps: Steps
  readonly log: Logger
  /** Aborted to stop. */
  readonly signal: AbortSignal
  readonly onUp: (console: string) => void
}

/**
 * Starts everything, stays until the signal aborts, stops everything in order. What an earlier `up` left running is
 * adopted, what it left half done is done again. What is found wrong before anything is started leaves what runs alone.
 *
 * @throws AjnaError UP_RUNNING, UP_DISK_FULL, UP_ROLE_FAILED, CLUSTER_NOT_UP, PORT_TAKEN, and what the steps throw
 */
export async function up(task: UpTask): Promise<void> {
  const { home, steps, log, signal } = task
  await throwIfUp(home)
  await checkDisk(home)
  await mkdir(home.run, { recursive: true })
  await using lock = await lockFile(home.upLock, { wait: false })
  if (lock === undefined) throw alreadyUp(home)
  await recordSelf(home.run, UP_PROCESS)
  const prepared = await prepare(task)
  const roles = await createRoleSupervisor(home, prepared.session.token, log)
  try {
    const console = await startAll(task, prepared, roles)
    task.onUp(console)
    await roles.follow(signal)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await steps.step('stopped', () => roles.stop(what => steps.note(what)))
  }
}

/** The name of the supervisor's own process. */
export const UP_PROCESS = 'up'

const alreadyUp = ({ root }: Home): AjnaError => new AjnaError(UP_RUNNING, `a fleet is up in ${root}`)

/** @throws AjnaError UP_RUNNING */
export async function throwIfUp(home: Home): Promise<void> {
  if (await isLocked(home.upLock)) throw alreadyUp(home)
}

/** @throws AjnaError UP_DISK_FULL */
export async function checkDisk(home: Home): Promise<void> {
  const free = await freeBytesBelow(home.root)
  if (free < MIN_FREE_BYTES)
    throw new AjnaError(
      UP_DISK_FULL,
      `${home.root} has ${(free / 1024 ** 2).toFixed(0)} MiB free, ${MIN_FREE_BYTES / 1024 ** 2} are needed`,
    )
}

/** Of the disk that the directory is on, or will be once it is made. */
async function freeBytesBelow(directory: string): Promise<number> {
  return (await freeBytes(directory)) ?? freeBytesBelow(dirname(directory))
}

interface Prepared {
  readonly before: FleetFile | undefined
  readonly file: FleetFile
  readonly session: Session
}

/** Everything that can be found wrong before a process is started. */
async function prepare({ home, file, steps, log }: UpTask): Promise<Prepared> {
  const fleet = await declaredFleet(home, file)
  const before = await findFleetFile(home)
  const accepted = await steps.step(
    `accepted fleet ${fleet.name}: certificates, ports, brokers' configuration`,
    () => accept({ home, fleet, progress: what => steps.note(what), log }),
  )
  await checkPortsFree(await neededPorts(home, accepted))
  return { before, file: accepted, session: await openSession(home.token) }
}

/** @returns the console's address, with what signs the browser in */
async function startAll(
  task: UpTask,
  { before, file, session }: Prepared,
  roles: RoleSupervisor,
): Promise<string> {
  const { steps, signal } = task
  const watch = { file, token: session.token, since: Date.now(), note: steps.note }
  roles.start(roleProcessNamed('agent', 1), file)
  await whileRolesLast(roles, signal, until =>
    Promise.race([
      watchStartingBrokers(watch, until),
      Promise.all(
        file.placed.map(cluster =>
          steps.step(`cluster ${cluster.name}: ${cluster.nodes.length} brokers ready`, () =>
            clusterReady(cluster, until),
          ),
        ),
      ),
    ]),
  )
  const declared = steps.step('topics, rights and quotas as declared', () =>
    makeAsDeclared(task, file.fleet, before),
  )
  // What was there before is most likely there still: the roles need not wait to be told so.
  if (before === undefined) await declared
  for (const process of roleProcessesOf(file)) if (process.role !== 'agent') roles.start(process, file)
  await declared
  const base = `http://127.0.0.1:${file.ports.console}`
  await steps.step('console answers', () =>
    until('the console does not answer', READY_MS, signal, roles, () => answers(base)),
  )
  if (file.fleet.ships.some(({ files }) => files.length > 0) && file.fleet.archive !== null)
    await firstLine(task, file, session, roles)
  return `${base}/login?token=${session.token}`
}

/** Until a line has gone the whole way, or it is certain that there is none to go it. */
function firstLine(
  { steps, signal }: UpTask,
  { ports }: FleetFile,
  { token }: Session,
  roles: RoleSupervisor,
): Promise<void> {
  const base = `http://127.0.0.1:${ports.console}`
  const agent = { port: ports.agent, token }
  return steps.step('first log line visible', () =>
    until('no log line has come through', FIRST_LINE_MS, signal, roles, async () => {
      if (await hasLine(base, token)) return true
      const none = await shipsNothing(agent, signal)
      if (none) steps.note('none of the files to be shipped holds a line yet')
      return none
    }),
  )
}

/** The agent has found its cluster and looked at its files, and not one byte is in them. */
async function shipsNothing(agent: AgentAddress, signal: AbortSignal): Promise<boolean> {
  const status = await askAgent(agent, signal).catch(() => undefined)
  return (
    status?.shipping.connected === true &&
    status.at - status.startedAt > LOOKED_AT_FILES_MS &&
    status.files.every(({ size }) => size === 0)
  )
}

/** What was accepted before tells drift from change; a fleet that is new has nothing to drift from. */
async function makeAsDeclared(
  { home, log, signal, steps }: UpTask,
  fleet: FleetFile['fleet'],
  before: FleetFile | undefined,
): Promise<void> {
  const result = await applyDeclared(
    {
      home,
      fleet,
      accepted: before?.fleet ?? null,
      allowDelete: false,
      progress: what => steps.note(what),
      log,
      signal,
    },
    ({ step, state, error }) => {
      if (state !== 'done') steps.note(`${step.text}: ${state}${error === null ? '' : `, ${error.message}`}`)
    },
  )
  const done = result.results.filter(({ state }) => state === 'done').length
  if (done > 0) steps.note(`${done} changes made`)
  for (const refusal of result.refusals) steps.note(`refused ${refusal.subject}: ${refusal.because}`)
  for (const note of result.notes) steps.note(note.text)
}

/** Ports of what is about to be started; what runs already holds its own. */
async function neededPorts(home: Home, file: FleetFile): Promise<PortAllocations> {
  const needed: Record<string, number> = {}
  for (const cluster of file.placed) {
    for (const node of cluster.nodes) {
      if ((await adopt(home.run, `kafka-${cluster.name}-${node.id}`)) !== undefined) continue
      for (const [port, number] of Object.entries(node.ports))
        needed[`${cluster.name}/${node.id}/${port}`] = number
    }
  }
  const owners: Readonly<Record<keyof FleetFile['ports'], RoleName>> = {
    console: 'control',
    agent: 'agent',
    archive: 'archive',
    mirror: 'mirror',
    connect: 'mirror',
  }
  for (const [name, role] of Object.entries(owners) as [keyof FleetFile['ports'], RoleName][])
    if ((await adopt(home.run, role)) === undefined) needed[name] = file.ports[name]
  return needed
}

/** Does the work, or throws as soon as a role has been given up. */
async function whileRolesLast<T>(
  roles: RoleSupervisor,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const watching = (async (): Promise<never> => {
    for (;;) {
      await delay(POLL_MS, undefined, { signal: over.signal })
      roles.throwIfGivenUp()
    }
  })()
  try {
    return await Promise.race([work(AbortSignal.any([signal, over.signal])), watching])
  } finally {
    over.abort()
    await watching.catch(() => undefined)
  }
}

/** Asks until it is so. */
function until(
  otherwise: string,
  ms: number,
  signal: AbortSignal,
  roles: RoleSupervisor,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + ms
  return whileRolesLast(roles, signal, async lasting => {
    while (!(await isSo())) {
      if (Date.now() > deadline) throw new AjnaError(UP_ROLE_FAILED, `${otherwise} after ${ms / 1_000} s`)
      await delay(POLL_MS, undefined, { signal: lasting })
    }
  })
}

/** With its page: one that was not built is no console. */
async function answers(base: string): Promise<boolean> {
  const response = await fetch(`${base}/`).catch(() => undefined)
  return response?.ok === true
}

async function hasLine(base: string, token: string): Promise<boolean> {
  const client = createApiClient(base, token)
  try {
    const answer = await client.POST('/api/logs/query', {
      body: { sql: 'SELECT 1 FROM logs LIMIT 1', limit: 1 },
    })
    return dataOf(answer).rows.length > 0
  } catch (error) {
    if (isAjnaError(error)) return false
    throw error
  }
}
