import { join } from 'node:path'
import { runAuditor } from '../../operations/completeness/auditor/run.ts'
import { auditTopic } from '../../operations/completeness/contract.ts'
import { auditorPrincipal } from '../../operations/fleet/contract.ts'
import type { RoleContext } from './context.ts'
import { shippingSite } from './site.ts'

/** Reads the files that the agent ships, on its own. */
export async function auditorRole({ home, file, log, signal, wire }: RoleContext): Promise<void> {
  const { site, cluster, ships } = shippingSite(file)
  await runAuditor({
    site,
    host: file.host,
    sources: ships.filter(({ files }) => files.length > 0),
    wire: await wire(cluster, auditorPrincipal(site)),
    topic: auditTopic(site),
    file: join(home.role('auditor'), 'positions.json'),
    now: Date.now,
    signal,
    log,
  })
}
