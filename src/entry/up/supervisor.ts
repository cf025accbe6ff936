import { readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { adopt, forgetEnded, noteEndTold } from '../../foundation/process/run.ts'
import { type SupervisionEvent, type Supervisor, supervise } from '../../foundation/process/supervise.ts'
import { createProcessEntries } from '../../operations/fleet/activity/process-entries.ts'
import { openTelling } from '../../operations/fleet/activity/tell.ts'
import { stopBroker } from '../../operations/fleet/brokers/stop.ts'
import { brokerPrincipal } from '../../operations/fleet/contract.ts'
import { type FleetFile, findFleetFile } from '../fleet-file.ts'
import type { Home } from '../home.ts'
import { outboxOf } from '../outbox.ts'
import { UP_ROLE_FAILED } from './errors.ts'
import {
  type RoleProcess,
  roleCommand,
  roleDigest,
  roleNames,
  roleOfProcess,
  roleProcessesOf,
} from './roles.ts'

/** Keeps the machine's roles running, and changes them as the accepted fleet changes. */
export interface RoleSupervisor {
  /** Begins to keep a role running. */
  start(process: RoleProcess, file: FleetFile): void
  /** @throws AjnaError UP_ROLE_FAILED when a role has been given up, with its last lines */
  throwIfGivenUp(): void
  /** Follows `fleet.json`: starts, replaces and stops roles until the signal aborts. */
  follow(signal: AbortSignal): Promise<void>
  /** Ends the supervision, and everything of the fleet that runs, in order: {@link stopEverything}. */
  stop(progress: (what: string) => void): Promise<void>
}

const FOLLOW_MS = 1_000
const ROLE_STOP_MS = 10_000

/** @param token of the session that the roles share */
export async function createRoleSupervisor(home: Home, token: string, log: Logger): Promise<RoleSupervisor> {
  /** By the process's name. */
  const running = new Map<string, { readonly supervisor: Supervisor; readonly digest: string }>()
  const words = new Map<string, readonly string[]>()
  const tell = await openTelling({
    outbox: outboxOf(home),
    teller: { actor: 'up', host: hostname() },
    entriesOf: createProcessEntries,
    logger: log,
  })

  function onEvent({ role, name }: RoleProcess, event: SupervisionEvent): Promise<void> {
    log.info({ role, ...event }, `${name}: ${event.kind}`)
    if (event.kind === 'exited') words.set(name, event.lastLines)
    return tell(event)
  }

  function start(process: RoleProcess, file: FleetFile): void {
    const digest = roleDigest(process, file, token)
    const supervisor = supervise(process.name, async () => roleCommand(process, home, digest), {
      onEvent: event => onEvent(process, event),
      stop: { deadlineMs: ROLE_STOP_MS },
    })
    running.set(process.name, { supervisor, digest })
  }

  async function end(name: string, supervisor: Supervisor): Promise<void> {
    await supervisor.stop()
    running.delete(name)
  }

  /** Processes that an `up` which was killed has left, and that the fleet does not have any more. */
  async function stopStrays(file: FleetFile): Promise<void> {
    const wanted = new Set(roleProcessesOf(file).map(({ name }) => name))
    for (const name of await roleProcessesIn(home, [])) {
      if (wanted.has(name)) continue
      const stray = await adopt(home.run, name)
      if (stray === undefined) continue
      log.info({ process: name }, 'an earlier `up` has left this process, which is not needed any more')
      await stray.stop({ deadlineMs: ROLE_STOP_MS })
      // It was ended on purpose: there is nothing to tell of it.
      await noteEndTold(home.run, stray.record)
      await forgetEnded(home.run, name)
    }
  }

  let unfollowed: string | undefined
  let strays = true

  async function adjust(file: FleetFile): Promise<void> {
    const wanted = roleProcessesOf(file)
    const names = new Set(wanted.map(({ name }) => name))
    // One after the other: those of several that stay take over what each has given up.
    for (const [name, { supervisor }] of [...running].reverse()) {
      if (names.has(name)) continue
      log.info({ process: name }, 'the fleet has changed: the process is not needed any more')
      await end(name, supervisor)
      await forgetEnded(home.run, name)
    }
    for (const process of wanted) {
      const known = running.get(process.name)
      if (known !== undefined && known.digest !== roleDigest(process, file, token)) {
        log.info({ process: process.name }, 'the fleet has changed: the process is started anew')
        await end(process.name, known.supervisor)
      }
      if (!running.has(process.name)) start(process, file)
    }
  }

  return {
    start,
    throwIfGivenUp() {
      for (const [name, { supervisor }] of running) {
        if (supervisor.state() !== 'gave-up') continue
        const last = (words.get(name) ?? []).slice(-5).join('\n  ')
        throw new AjnaError(UP_ROLE_FAILED, `${name} was given up; its last lines:\n  ${last}`)
      }
    },
    async follow(signal) {
      while (!signal.aborted) {
        await delay(FOLLOW_MS, undefined, { signal }).catch(() => undefined)
        if (signal.aborted) return
        try {
          const file = await findFleetFile(home)
          if (file === undefined) continue
          if (strays) await stopStrays(file)
          strays = false
          await adjust(file)
          unfollowed = undefined
        } catch (error) {
          const problem = describeError(error)
          if (problem !== unfollowed) log.error({ err: error }, 'the fleet file cannot be followed')
          unfollowed = problem
        }
      }
    },
    async stop(progress) {
      const supervised = new Map([...running].map(([name, { supervisor }]) => [name, supervisor]))
      await stopEverything(home, progress, supervised)
      running.clear()
    },
  }
}

/**
 * Stops whatever of the fleet runs, whoever started it, in order: first the roles that only read; then the agent, which
 * ships what it has read while there are brokers to take it; brokers last.
 */
export async function stopEverything(
  home: Home,
  progress: (what: string) => void,
  supervised: ReadonlyMap<string, Supervisor> = new Map(),
): Promise<void> {
  async function stopRoles(names: readonly string[]): Promise<void> {
    const found = await Promise.all(
      names.map(async name => supervised.get(name) ?? (await adopt(home.run, name))),
    )
    const left = found.filter(each => each !== undefined)
    if (left.length === 0) return
    progress(`stopping ${names.filter((_, at) => found[at] !== undefined).join(', ')}`)
    await Promise.all(left.map(each => each.stop({ deadlineMs: ROLE_STOP_MS })))
  }
  const names = await roleProcessesIn(home, supervised.keys())
  await stopRoles(names.filter(name => name !== 'agent'))
  await stopRoles(['agent'])
  await stopBrokers(home, progress)
}

/** Names of processes of roles that may run: known ones, those that any fleet has (a pid file may be lost), those with a pid file. */
async function roleProcessesIn(home: Home, known: Iterable<string>): Promise<string[]> {
  const recorded = (await readdir(home.run).catch(() => [])).flatMap(
    file => /^(.+)\.json$/.exec(file)?.[1] ?? [],
  )
  const roles = recorded.filter(name => roleOfProcess(name) !== undefined)
  // A damaged one declares nothing: what runs is found by the other ways.
  const file = await findFleetFile(home).catch(() => undefined)
  const declared = file === undefined ? [] : roleProcessesOf(file).map(({ name }) => name)
  return [...new Set<string>([...roleNames, ...declared, ...roles, ...known])]
}

async function stopBrokers(home: Home, progress: (what: string) => void): Promise<void> {
  const dataDirs = await brokersOf(home)
  const found = await Promise.all([...dataDirs.keys()].map(name => adopt(home.run, name)))
  const left = found.filter(broker => broker !== undefined)
  if (left.length === 0) return
  progress(`stopping ${left.length} brokers`)
  await Promise.all(left.map(broker => stopBroker(broker, dataDirs.get(broker.record.name) ?? [])))
}

/** Brokers by the name of their process, with their data directories where the fleet file (which may be damaged) says them. */
async function brokersOf(home: Home): Promise<ReadonlyMap<string, readonly string[]>> {
  const file = await findFleetFile(home).catch(() => undefined)
  const recorded = (await readdir(home.run).catch(() => [])).flatMap(
    name => /^(kafka-.+)\.json$/.exec(name)?.[1] ?? [],
  )
  const placed = (file?.placed ?? []).flatMap(({ name, nodes }) =>
    nodes.map(node => [brokerPrincipal(name, node.id), node.dataDirs] as const),
  )
  return new Map([...recorded.map(name => [name, []] as const), ...placed])
}
