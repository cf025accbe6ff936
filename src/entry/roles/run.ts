import { join } from 'node:path'
import { AjnaError, describeError, errorKind } from '../../foundation/errors/errors.ts'
import { readSession } from '../../foundation/http/session.ts'
import { createLogger } from '../../foundation/log/log.ts'
import { identity } from '../../foundation/tls/store.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import { openWire } from '../../foundation/wire/wire.ts'
import { clusterAddress, readFleetFile } from '../fleet-file.ts'
import { homeAt } from '../home.ts'
import { isRole, type RoleName, roleNames, roleProcessNamed } from '../up/roles.ts'
import type { RoleContext } from './context.ts'

const ROLE_UNKNOWN = errorKind(
  'ROLE_UNKNOWN',
  'There is no such role.',
  `Use one of: ${roleNames.join(', ')}.`,
  2,
)

type Role = (context: RoleContext) => Promise<void>

async function workOf(name: RoleName): Promise<Role> {
  switch (name) {
    case 'agent':
      return (await import('./agent.ts')).agentRole
    case 'auditor':
      return (await import('./auditor.ts')).auditorRole
    case 'mirror':
      return (await import('./mirror.ts')).mirrorRole
    case 'archive':
      return (await import('./archive.ts')).archiveRole
    case 'control':
      return (await import('./control.ts')).controlRole
    default:
      return name satisfies never
  }
}

/**
 * Runs one role in this process until SIGTERM or SIGINT; a fault it cannot mend ends the process with 1.
 *
 * @param number which of the machine's processes of this role it is; undefined: one that nobody counts
 */
export async function runRole(role: string, root: string, number: number | undefined): Promise<void> {
  if (!isRole(role)) throw new AjnaError(ROLE_UNKNOWN, `"${role}"`)
  const { name } = roleProcessNamed(role, number ?? 1)
  const home = homeAt(root)
  const log = createLogger(name, join(home.logs, `${name}.log`))
  const ending = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort())
  const wires: Wire[] = []
  try {
    const file = await readFleetFile(home)
    const work = await workOf(role)
    log.info({ fleet: file.fleet.name }, 'starting')
    await work({
      home,
      number,
      file,
      log,
      signal: ending.signal,
      session: await readSession(home.token),
      async wire(cluster, principal) {
        const address = await clusterAddress(file, cluster, () => identity(home.pki, principal))
        const wire = openWire({ ...address, clientId: `ajna-${name}`, log })
        wires.push(wire)
        return wire
      },
    })
    log.info('stopped')
  } catch (error) {
    if (!ending.signal.aborted) {
      log.error({ err: error }, 'the role ends')
      // The supervisor shows the last lines of standard error.
      process.stderr.write(`${name}: ${describeError(error)}\n`)
      process.exitCode = 1
    }
  } finally {
    await Promise.all(wires.map(wire => wire.close()))
  }
}
