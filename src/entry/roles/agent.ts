import { identity } from '../../foundation/tls/store.ts'
import { agentPrincipal, ownedPrefix } from '../../operations/fleet/contract.ts'
import { type AgentConfigInput, agentConfig, streamsTopic } from '../../operations/hosts/contract.ts'
import { runAgent } from '../../operations/hosts/run.ts'
import { clusterAddress } from '../fleet-file.ts'
import type { RoleContext } from './run.ts'
import { shippingSite } from './site.ts'

/** Keeps the host's brokers running and ships its files and metrics. */
export async function agentRole({ home, file, session, log, signal }: RoleContext): Promise<void> {
  const { site, cluster, ships } = shippingSite(file)
  const principal = agentPrincipal(site)
  const { bootstrap, tls } = await clusterAddress(file, cluster, () => identity(home.pki, principal))
  const measured = ships.find(({ metricsEveryMs }) => metricsEveryMs !== null)
  const config: AgentConfigInput = {
    site,
    host: file.host,
    directory: home.role('agent'),
    runDirectory: home.run,
    plan: home.hostPlan(file.host),
    bootstrap: [...bootstrap],
    ...(tls === undefined ? {} : { tls }),
    transactionalId: `${ownedPrefix(principal)}${file.host}`,
    sources: ships
      .filter(({ files }) => files.length > 0)
      .map(({ tenant, topic, files, exclude }) => ({
        tenant,
        topic,
        files: [...files],
        exclude: [...exclude],
      })),
    streamsTopic: streamsTopic(site),
    ...(measured === undefined
      ? {}
      : { metrics: { topic: measured.topic, tenant: measured.tenant, everyMs: measured.metricsEveryMs! } }),
    status: { port: file.ports.agent, token: session.token },
  }
  await runAgent(agentConfig.parse(config), { signal, log })
}
