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

/** Which of the roles a fleet needs on this machine. */
export function rolesOf(file: FleetFile): RoleName[] {
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
export function roleDigest(role: RoleName, file: FleetFile, token: string): string {
  const { fleet, placed, ports, host } = file
  const concerns: Readonly<Record<RoleName, unknown>> = {
    agent: [fleet.ships, host, ports.agent],
    auditor: [fleet.ships, host],
    mirror: [
      fleet.topics.find(({ name }) => name === LINKS_TOPIC)?.cluster,
      host,
      ports.mirror,
      fleet.connect,
      ports.connect,
    ],
    archive: [fleet.archive, ports.archive],
    control: [fleet, placed, ports],
  }
  return createHash('sha256')
    .update(JSON.stringify([token, concerns[role]]))
    .digest('hex')
    .slice(0, 16)
}

export function roleProcess(role: RoleName, home: Home, digest: string): ProcessSpec {
  return {
    name: role,
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
      // Part of the command line, so that a process with an older digest is seen to differ and is replaced.
      '--digest',
      digest,
    ],
    env: { MALLOC_ARENA_MAX: '2' },
    cwd: home.root,
    runDir: home.run,
    consoleFile: join(home.logs, `${role}.console`),
  }
}
