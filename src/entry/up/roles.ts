import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ProcessSpec } from '../../foundation/process/run.ts'
import { LINKS_TOPIC } from '../../operations/mirror/links/contract.ts'
import type { FleetFile } from '../fleet-file.ts'
import type { Home } from '../home.ts'

/** The roles a machine runs, in the order they are started; they are stopped in the opposite one. */
export const roleNames = ['agent', 'auditor', 'mirror', 'archive', 'control'] as const
export type RoleName = (typeof roleNames)[number]

const main = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../cli/main.ts' : '../cli/main.js', import.meta.url),
)

/** Young generation and heap are kept small: five roles and six brokers share a machine. */
const heapMb: Readonly<Record<RoleName, number>> = {
  agent: 192,
  auditor: 128,
  mirror: 192,
  archive: 256,
  control: 320,
}

/** One process of a role. Mostly there is one; links' workers are as many as the fleet says. */
export interface RoleProcess {
  readonly role: RoleName
  /** From 1. */
  readonly number: number
  /** Of its pid file, its log, and in `ajna status`. */
  readonly name: string
}

export const roleProcessNamed = (role: RoleName, number: number): RoleProcess => ({
  role,
  number,
  name: number === 1 ? role : `${role}-${number}`,
})

const PROCESS_NAME = /^([a-z]+)(?:-([2-9]|[1-9]\d{1,3}))?$/

/** What a name says, whether or not the fleet has such a process; undefined: it is no role's. */
export function roleOfProcess(name: string): RoleProcess | undefined {
  const [, role, number = '1'] = PROCESS_NAME.exec(name) ?? []
  return isRole(role) ? roleProcessNamed(role, Number(number)) : undefined
}

export const isRole = (name: string | undefined): name is RoleName =>
  (roleNames as readonly (string | undefined)[]).includes(name)

/** The processes of roles that a fleet needs on this machine, in the order they are started. */
export const roleProcessesOf = (file: FleetFile): RoleProcess[] =>
  rolesOf(file).flatMap(role =>
    Array.from({ length: role === 'mirror' ? file.fleet.mirror.workers : 1 }, (_, index) =>
      roleProcessNamed(role, index + 1),
    ),
  )

/** Which of the roles a fleet needs on this machine. */
function rolesOf(file: FleetFile): RoleName[] {
  const { fleet } = file
  return roleNames.filter(role => {
    switch (role) {
      case 'agent':
        return file.placed.length > 0 || fleet.ships.length > 0
      case 'auditor':
        return fleet.ships.length > 0
      case 'mirror':
        return fleet.links.length > 0 || fleet.topics.some(({ name }) => name === LINKS_TOPIC)
      case 'archive':
        return fleet.archive !== null
      case 'control':
        return true
      default:
        return role satisfies never
    }
  })
}

/**
 * What a role's work depends on, as a digest: when it changes, the role is started anew (each is safe to stop at any
 * moment). The agent reads its host plan live, so brokers that come and go do not concern it; the mirror reads its links.
 *
 * @param token that the roles know each other by: 256 random bits, which a digest does not give away
 */
export function roleDigest({ role, number }: RoleProcess, file: FleetFile, token: string): string {
  const { fleet, placed, ports, host } = file
  const concerns: Readonly<Record<RoleName, unknown>> = {
    agent: [fleet.ships, host, ports.agent],
    auditor: [fleet.ships, host],
    mirror: [
      fleet.topics.find(({ name }) => name === LINKS_TOPIC)?.cluster,
      host,
      // Only the first one has these listeners.
      ...(number === 1 ? [ports.mirror, fleet.connect, ports.connect] : []),
    ],
    archive: [fleet.archive, ports.archive],
    // How many links' workers there are it sees.
    control: [{ ...fleet, mirror: null }, placed, ports],
  }
  return createHash('sha256')
    .update(JSON.stringify([token, concerns[role]]))
    .digest('hex')
    .slice(0, 16)
}

export function roleCommand({ role, number, name }: RoleProcess, home: Home, digest: string): ProcessSpec {
  return {
    name,
    command: process.execPath,
    args: [
      '--disable-warning=ExperimentalWarning',
      `--max-old-space-size=${heapMb[role]}`,
      '--max-semi-space-size=8',
      main,
      'role',
      role,
      '--home',
      home.root,
      '--number',
      String(number),
      // Part of the command line, so that a process with an older digest is seen to differ and is replaced.
      '--digest',
      digest,
    ],
    env: { MALLOC_ARENA_MAX: '2' },
    cwd: home.root,
    runDir: home.run,
    consoleFile: join(home.logs, `${name}.console`),
  }
}
