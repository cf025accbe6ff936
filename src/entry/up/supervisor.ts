import { readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError, describeError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { adopt } from '../../foundation/process/run.ts'
import { type SupervisionEvent, type Supervisor, supervise } from '../../foundation/process/supervise.ts'
import { createProcessEntries } from '../../operations/fleet/activity/process-entries.ts'
import { openTelling } from '../../operations/fleet/activity/tell.ts'
import { stopBroker } from '../../operations/fleet/brokers/stop.ts'
import { brokerPrincipal } from '../../operations/fleet/contract.ts'
import { type FleetFile, findFleetFile } from '../fleet-file.ts'
import type { Home } from '../home.ts'
import { outboxOf } from '../outbox.ts'
import { UP_ROLE_FAILED } from './errors.ts'
import { type RoleName, roleDigest, roleNames, roleProcess, rolesOf } from './roles.ts'

/** Keeps the machine's roles running, and changes them as the accepted fleet changes. */
export interface RoleSupervisor {
  /** Begins to keep a role running. */
  start(role: RoleName, file: FleetFile): void
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
  const running = new Map<RoleName, { readonly supervisor: Supervisor; readonly digest: string }>()
  const words = new Map<RoleName, readonly string[]>()
  const tell = await openTelling({
    outbox: outboxOf(home),
    teller: { actor: 'up', host: hostname() },
    entriesOf: createProcessEntries,
    logger: log,
  })

  function onEvent(role: RoleName, event: SupervisionEvent): Promise<void> {
    log.info({ role, ...event }, `${role}: ${event.kind}`)
    if (event.kind === 'exited') words.set(role, event.lastLines)
    return tell(event)
  }

  function start(role: RoleName, file: FleetFile): void {
    const digest = roleDigest(role, file, token)
    const supervisor = supervise(role, async () => roleProcess(role, home, digest), {
      onEvent: event => onEvent(role, event),
      stop: { deadlineMs: ROLE_STOP_MS },
    })
    running.set(role, { supervisor, digest })
  }

  let unfollowed: string | undefined

  async function adjust(file: FleetFile): Promise<void> {
    const wanted = new Set(rolesOf(file))
    for (const role of roleNames) {
      const known = running.get(role)
      if (known !== undefined && (!wanted.has(role) || known.digest !== roleDigest(role, file, token))) {
        log.info({ role }, 'the fleet has changed: the role is started anew')
        await known.supervisor.stop()
        running.delete(role)
      }
      if (wanted.has(role) && !running.has(role)) start(role, file)
    }
  }

  return {
    start,
    throwIfGivenUp() {
      for (const [role, { supervisor }] of running) {
        if (supervisor.state() !== 'gave-up') continue
        const last = (words.get(role) ?? []).slice(-5).join('\n  ')
        throw new AjnaError(UP_ROLE_FAILED, `${role} was given up; its last lines:\n  ${last}`)
      }
    },
    async follow(signal) {
      while (!signal.aborted) {
        await delay(FOLLOW_MS, undefined, { signal }).catch(() => undefined)
        if (signal.aborted) return
        try {
          const file = await findFleetFile(home)
          if (file !== undefined) await adjust(file)
          unfollowed = undefined
        } catch (error) {
          const problem = describeError(error)
          if (problem !== unfollowed) log.error({ err: error }, 'the fleet file cannot be followed')
          unfollowed = problem
        }
      }
    },
    async stop(progress) {
      const supervised = new Map([...running].map(([role, { supervisor }]) => [role, supervisor]))
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
  supervised: ReadonlyMap<RoleName, Supervisor> = new Map(),
): Promise<void> {
  async function stopRoles(roles: readonly RoleName[]): Promise<void> {
    const found = await Promise.all(
      roles.map(async role => supervised.get(role) ?? (await adopt(home.run, role))),
    )
    const left = found.filter(each => each !== undefined)
    if (left.length === 0) return
    progress(`stopping ${roles.filter((_, at) => found[at] !== undefined).join(', ')}`)
    await Promise.all(left.map(each => each.stop({ deadlineMs: ROLE_STOP_MS })))
  }
  await stopRoles(roleNames.filter(role => role !== 'agent'))
  await stopRoles(['agent'])
  await stopBrokers(home, progress)
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
