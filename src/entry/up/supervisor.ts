import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { adopt } from '../../foundation/process/run.ts'
import { type SupervisionEvent, type Supervisor, supervise } from '../../foundation/process/supervise.ts'
import { createProcessEntries } from '../../operations/fleet/activity/process-entries.ts'
import { openTelling } from '../../operations/fleet/activity/tell.ts'
import { type FleetFile, findFleetFile } from '../fleet-file.ts'
import type { Home } from '../home.ts'
import { outboxOf } from '../outbox.ts'
import { UP_ROLE_FAILED } from './errors.ts'
import { writeHostPlan } from './provision.ts'
import { type RoleName, roleDigest, roleNames, roleProcess, rolesOf } from './roles.ts'

/** Keeps the machine's roles running, and changes them as the accepted fleet changes. */
export interface RoleSupervisor {
  /** Begins to keep a role running. */
  start(role: RoleName, file: FleetFile): void
  /** @throws AjnaError UP_ROLE_FAILED when a role has been given up, with its last lines */
  throwIfGivenUp(): void
  /** Follows `fleet.json`: starts, replaces and stops roles until the signal aborts. */
  follow(signal: AbortSignal): Promise<void>
  /** Stops roles, last started first; the agent is told to stop its processes before it is stopped itself. */
  stop(progress: (what: string) => void): Promise<void>
}

const FOLLOW_MS = 1_000
const ROLE_STOP_MS = 10_000
const BROKERS_STOP_MS = 60_000

export async function createRoleSupervisor(home: Home, log: Logger): Promise<RoleSupervisor> {
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
    const digest = roleDigest(role, file)
    const supervisor = supervise(role, async () => roleProcess(role, home, digest), {
      onEvent: event => onEvent(role, event),
      stop: { deadlineMs: ROLE_STOP_MS },
    })
    running.set(role, { supervisor, digest })
  }

  async function adjust(file: FleetFile): Promise<void> {
    const wanted = new Set(rolesOf(file))
    for (const role of roleNames) {
      const known = running.get(role)
      if (known !== undefined && (!wanted.has(role) || known.digest !== roleDigest(role, file))) {
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
        } catch (error) {
          log.error({ err: error }, 'the fleet file cannot be followed')
        }
      }
    },
    async stop(progress) {
      for (const role of roleNames.toReversed()) {
        if (role === 'agent') await stopBrokers(home, progress)
        const known = running.get(role)
        if (known === undefined) continue
        progress(`stopping ${role}`)
        await known.supervisor.stop()
        running.delete(role)
      }
    },
  }
}

/** Has the agent stop every broker, one after another, by an empty plan; what it could not stop is stopped here. */
export async function stopBrokers(home: Home, progress: (what: string) => void): Promise<void> {
  const file = await findFleetFile(home)
  if (file === undefined) return
  const names = file.placed.flatMap(cluster => cluster.nodes.map(node => `kafka-${cluster.name}-${node.id}`))
  progress('stopping brokers')
  await writeHostPlan(home, file.host, [])
  const deadline = Date.now() + BROKERS_STOP_MS
  const agent = await adopt(home.run, 'agent')
  let left = await stillRunning(home, names)
  while (agent !== undefined && left.length > 0 && Date.now() < deadline) {
    await delay(200)
    left = await stillRunning(home, left)
  }
  for (const name of left) await (await adopt(home.run, name))?.stop({ deadlineMs: ROLE_STOP_MS })
}

async function stillRunning(home: Home, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map(name => adopt(home.run, name)))
  return names.filter((_, index) => found[index] !== undefined)
}

/** Stops whatever of the fleet still runs without a supervisor, in order. */
export async function stopEverything(home: Home, progress: (what: string) => void): Promise<void> {
  for (const role of roleNames.toReversed()) {
    if (role === 'agent') await stopBrokers(home, progress)
    const left = await adopt(home.run, role)
    if (left === undefined) continue
    progress(`stopping ${role}`)
    await left.stop({ deadlineMs: ROLE_STOP_MS })
  }
}
